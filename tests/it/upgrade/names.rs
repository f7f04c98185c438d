//! What differs from host to host, by names.

use std::fs;

use bluegreen::model::color::Color;
use bluegreen::model::journal::Record;
use serde_json::Value;
use toml::Table;

use crate::recovery::scene::{records, slot};
use crate::sandbox::{APP, Sandbox};

/// Names, and what each stands for on one host.
pub struct Names(Vec<(String, String)>);

impl Names {
    /// Of a host with a first release on blue and a second one on green.
    pub fn of(sandbox: &Sandbox) -> Names {
        let registry = sandbox.registry().join(format!("{APP}.toml"));
        let entry: Table = fs::read_to_string(registry).unwrap().parse().unwrap();
        let mut names = vec![
            ("ROOT", sandbox.root().display().to_string()),
            ("LISTEN", sandbox.address().port().to_string()),
            ("BLUE", sandbox.slot_address(Color::Blue).port().to_string()),
            ("GREEN", sandbox.slot_address(Color::Green).port().to_string()),
            ("OWNER", entry["owner"].as_str().unwrap().to_owned()),
            ("PM2", entry["pm2_bin"].as_str().unwrap().to_owned()),
            ("PYTHON", sandbox.configured("python", "version")),
            ("NGINX", sandbox.configured("nginx", "bin")),
        ];
        let manifests = Color::BOTH.map(|color| manifest(sandbox, color));
        for (manifest, [id, commit]) in manifests
            .iter()
            .zip([["FIRST", "FIRST_COMMIT"], ["SECOND", "SECOND_COMMIT"]])
        {
            names.push((id, text(manifest, "id")));
            names.push((commit, text(manifest, "commit")));
        }
        names.push(("VENV", text(&manifests[0], "venv")));
        names.push(("ENV", text(&manifests[0], "env_file")));
        let names = names.into_iter();
        Names(names.map(|(name, value)| (format!("@{name}@"), value)).collect())
    }

    /// And of the release that a deploy, which was killed, was about to make live.
    pub fn with_candidate(mut self, sandbox: &Sandbox) -> Names {
        let release = |record: &Record| match record {
            Record::Enter { release, .. } => release.clone(),
            _ => None,
        };
        let candidate = records(sandbox).iter().rev().find_map(release);
        let known = |id: &String| self.0.iter().any(|(_, value)| value == id);
        if let Some(candidate) = candidate.map(String::from).filter(|id| !known(id)) {
            self.0.push(("@THIRD@".to_owned(), candidate));
        }
        self
    }

    /// `text` with values in the place of names.
    pub fn put_in(&self, text: &str) -> String {
        let pairs = self.0.iter();
        let text = pairs.fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
        assert!(!text.contains("@THIRD@"), "{text}");
        text
    }

    /// `text` with names in the place of values, the longest first.
    pub fn take_out(&self, text: &str) -> String {
        let mut pairs: Vec<&(String, String)> = self.0.iter().collect();
        pairs.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        pairs
            .into_iter()
            .filter(|(name, _)| name != "@OWNER@")
            .fold(text.to_owned(), |text, (name, value)| text.replace(value, name))
            .replace(&format!("owner = \"{}\"", self.owner()), "owner = \"@OWNER@\"")
    }

    fn owner(&self) -> &str {
        let owner = self.0.iter().find(|(name, _)| name == "@OWNER@");
        &owner.unwrap().1
    }
}

fn manifest(sandbox: &Sandbox, color: Color) -> Value {
    let id = slot(sandbox, color).unwrap();
    let path = sandbox.app_root().join(format!("manifests/{id}.json"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn text(manifest: &Value, key: &str) -> String {
    manifest[key].as_str().unwrap().to_owned()
}
