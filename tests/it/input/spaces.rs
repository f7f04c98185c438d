//! Folders whose names have spaces in them.

use std::fs;
use std::path::PathBuf;

use bluegreen::model::color::Color;
use toml::Value;

use crate::sandbox::{Sandbox, set};

#[test]
fn a_host_with_spaces_in_every_path_is_served_like_any_other() {
    let sandbox = Sandbox::new();
    let at = |name: &str| sandbox.root().join("a place of ours").join(name);
    let text = |path: PathBuf| Value::String(path.to_str().unwrap().to_owned());
    let (root, repo) = (at("the root"), at("the repo"));
    fs::create_dir_all(root.join("shared")).unwrap();
    fs::rename(sandbox.repo(), &repo).unwrap();
    fs::rename(
        sandbox.app_root().join("shared/app.env"),
        root.join("shared/app.env"),
    )
    .unwrap();
    sandbox.configure(|config| {
        config.insert("root".into(), text(root.clone()));
        set(config, "source", "git", text(repo));
        set(config, "nginx", "link_folder", text(at("the link")));
        set(config, "pm2", "home", text(at("pm2 home")));
    });
    sandbox.bg(&["setup"]).assert_code(0);
    let again = sandbox.bg(&["setup"]);
    again.assert_code(0);
    assert!(again.stdout.contains("nothing to change"), "{again}");
    for (args, live) in [
        (&["deploy"][..], Color::Blue),
        (&["deploy"], Color::Green),
        (&["rollback"], Color::Blue),
        (&["switch", "green"], Color::Green),
    ] {
        let outcome = sandbox.bg(args);
        outcome.assert_code(0);
        assert_eq!(sandbox.live_color(), Some(live), "{outcome}");
        let link = fs::read_link(at("the link").join("live")).unwrap();
        assert_eq!(link.file_name().unwrap().to_str(), Some(live.name()), "{outcome}");
    }
    assert!(
        sandbox.get("/static/shop.css").body.contains('{'),
        "static files too"
    );
    let status = sandbox.bg(&["status"]);
    status.assert_code(0);
    assert!(
        status.stdout.contains("green") && status.stdout.contains("rollback: ready"),
        "{status}"
    );
    sandbox.bg(&["maintenance", "on"]).assert_code(0);
    assert_eq!(sandbox.live_color(), None);
    sandbox.bg(&["maintenance", "off"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    let said = sandbox.bg(&[
        "exec",
        "blue",
        "--",
        "python",
        "-c",
        "import os; print(os.getcwd())",
    ]);
    said.assert_code(0);
    assert!(
        said.stdout.contains("a place of ours/the root/releases/"),
        "{said}"
    );
}
