//! An app's folders with releases in them.

use std::collections::BTreeMap;
use std::fs;

use model::config::{Config, Ports};
use model::layout::Layout;
use model::release::{Manifest, ReleaseId};
use state::releases::write;
use sys::store;

/// An app's folders, until dropped.
pub struct Place {
    pub temp: tempfile::TempDir,
    pub layout: Layout,
}

impl Place {
    /// Laid out, and empty.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it makes a folder")]
    pub fn new() -> Place {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::new(temp.path().join("shop"));
        store::lay_out(&layout).unwrap();
        Place { temp, layout }
    }

    /// A release with a checkout, an environment and a copy of the environment file.
    pub fn release(&self, second: u32, venv: &str, env_file: &str) -> ReleaseId {
        let id: ReleaseId = format!("20261123T1815{second:02}Z-3f6f782").parse().unwrap();
        let layout = &self.layout;
        fs::create_dir_all(layout.release(&id).join("web")).unwrap();
        fs::write(layout.release(&id).join("web/app.py"), "app").unwrap();
        fs::create_dir_all(layout.venvs().join(venv)).unwrap();
        fs::write(layout.venvs().join(venv).join(".complete"), "{}").unwrap();
        fs::write(layout.envs().join(env_file), "A=b").unwrap();
        write(layout, &manifest(&id, venv, env_file)).unwrap();
        id
    }
}

pub fn manifest(id: &ReleaseId, venv: &str, env_file: &str) -> Manifest {
    let config: Config = toml::from_str(
        "app = 'shop'\nroot = '/srv/shop'\nsource.git = '/repo'\n\
         process.run = 'run'\nprocess.ports = { blue = 5000, green = 5001 }\n\
         nginx.server_names = ['shop.example']\n",
    )
    .unwrap();
    Manifest {
        format: Manifest::FORMAT,
        id: id.clone(),
        commit: "3f6f782aa01b".into(),
        subject: "Fix the report export".into(),
        reference: "main".into(),
        made_at: id.made_at().unwrap(),
        made_by: "ada".into(),
        folder: None,
        run: vec!["run".into()],
        ports: Ports {
            blue: 5000,
            green: 5001,
        },
        venv: venv.into(),
        env: BTreeMap::new(),
        env_file: Some(env_file.into()),
        config,
        adopted: None,
        contract: None,
        made_for: None,
    }
}
