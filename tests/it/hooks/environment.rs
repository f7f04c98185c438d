//! What a hook is told, and where it runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::script;
use crate::sandbox::shared::{OWNER, Shared};
use crate::sandbox::{SECRET, Sandbox, set};

type Env = BTreeMap<String, String>;

fn said(sandbox: &Sandbox, moment: &str) -> Env {
    let file = sandbox.root().join("said").join(moment);
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{moment}: {error}"));
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Each moment's script writes down its environment.
fn listening() -> Sandbox {
    let sandbox = Sandbox::deployed();
    let folder = sandbox.root().join("said");
    fs::create_dir(&folder).unwrap();
    let writes = script(
        &sandbox,
        "writes",
        &format!("(env; echo CWD=$PWD) > {}/$BG_HOOK", folder.display()),
    );
    sandbox.configure(|config| {
        for moment in MOMENTS {
            set(config, "hooks", moment, writes.as_str());
        }
    });
    sandbox
}

const MOMENTS: [&str; 6] = [
    "before_build",
    "after_build",
    "before_switch",
    "after_switch",
    "after_rollback",
    "on_failure",
];

/// Every `BG_` variable that docs/hooks.md names, with what it holds.
const DOCUMENTED: &[&str] = &[
    "BG_APP",
    "BG_COLOR",
    "BG_COMMIT",
    "BG_FAILURE",
    "BG_HOOK",
    "BG_LIVE_COLOR",
    "BG_PORT",
    "BG_PREVIOUS_RELEASE",
    "BG_RELEASE",
    "BG_ROOT",
    "BG_RUN",
    "BG_TRAFFIC",
    "BG_URL",
    "BG_VERB",
];

#[test]
fn each_hook_is_told_what_it_may_need() {
    let sandbox = listening();
    let first = sandbox.live_release();
    let commit = sandbox.commit_edit("second", "Good day", "Hello");
    let deployed = sandbox.bg(&["deploy", "--json"]);
    deployed.assert_code(0);
    let run = deployed.result()["answer"]["run"].as_str().unwrap().to_owned();
    let second = sandbox.live_release();
    let port = sandbox
        .slot_address(bluegreen::model::color::Color::Green)
        .port()
        .to_string();
    let root = sandbox.app_root();
    let release_folder = root.join("releases").join(&second);

    for moment in ["before_build", "after_build", "before_switch", "after_switch"] {
        let env = said(&sandbox, moment);
        let expected = [
            ("BG_APP", "shop"),
            ("BG_COLOR", "green"),
            ("BG_HOOK", moment),
            (
                "BG_LIVE_COLOR",
                if moment == "after_switch" { "green" } else { "blue" },
            ),
            ("BG_PORT", &port),
            ("BG_PREVIOUS_RELEASE", &first),
            ("BG_ROOT", root.to_str().unwrap()),
            ("BG_RUN", &run),
            ("BG_URL", &format!("http://127.0.0.1:{port}")),
            ("BG_VERB", "deploy"),
            ("SHOP_SECRET", SECRET),
        ];
        for (name, value) in expected {
            assert_eq!(env.get(name).map(String::as_str), Some(value), "{moment} {name}");
        }
        let in_release = moment != "before_build";
        let folder = if in_release { &release_folder } else { &root };
        assert_eq!(Path::new(&env["CWD"]), folder, "{moment}");
        assert_eq!(env.get("BG_RELEASE"), in_release.then_some(&second), "{moment}");
        assert_eq!(env.get("BG_COMMIT"), in_release.then_some(&commit), "{moment}");
        assert_eq!(env["PATH"].contains("/venvs/"), in_release, "{moment}");
    }
    let traffic = &said(&sandbox, "after_switch")["BG_TRAFFIC"];
    assert!(traffic.starts_with("moved, green ("), "{traffic}");

    sandbox.bg(&["rollback"]).assert_code(0);
    let env = said(&sandbox, "after_rollback");
    let told = [
        "BG_VERB",
        "BG_COLOR",
        "BG_LIVE_COLOR",
        "BG_RELEASE",
        "BG_PREVIOUS_RELEASE",
    ];
    let told = told.map(|name| env[name].as_str());
    assert_eq!(told, ["rollback", "blue", "blue", &first, &second]);
}

#[test]
fn a_hook_for_failures_is_told_what_failed_and_documented_is_what_there_is() {
    let sandbox = listening();
    sandbox.commit_edit("unwell", "return {\"status\": \"ok\"}", "return \"unwell\", 500");
    sandbox.configure(|config| set(config, "gate", "timeout", "4s"));
    sandbox.bg(&["deploy"]).assert_code(1);
    let env = said(&sandbox, "on_failure");
    assert!(
        env["BG_FAILURE"].starts_with("green did not pass the gate"),
        "{env:?}"
    );
    assert!(env["BG_TRAFFIC"].starts_with("unchanged, blue ("), "{env:?}");
    assert_eq!(env["BG_LIVE_COLOR"], "blue");
    let ours: Vec<&str> = env
        .keys()
        .map(String::as_str)
        // The tests' own registry.
        .filter(|name| name.starts_with("BG_") && *name != "BG_REGISTRY")
        .collect();
    assert_eq!(ours, DOCUMENTED);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/hooks.md");
    let page = fs::read_to_string(page).unwrap();
    for name in DOCUMENTED {
        assert!(
            page.contains(&format!("`{name}`")),
            "{name} is not in docs/hooks.md"
        );
    }
}

#[test]
fn a_hook_never_has_roots_rights() {
    let Some(shared) = Shared::deployed_with(|config| {
        set(config, "hooks", "before_build", "id -un");
        set(config, "hooks", "after_switch", "id -un");
        set(config, "hooks", "after_build", "env");
        set(config, "migrate", "run", "id -un");
        let script =
            "python -c 'import os, shutil; shutil.copy(\"/etc/passwd\", os.environ[\"BG_BACKUP_FILE\"])'";
        set(config, "backup", "run", script);
    }) else {
        return;
    };
    let deployed = shared.bg_as("root", &["deploy"]);
    deployed.assert_code(0);
    for hook in ["before_build", "after_switch", "migrate"] {
        deployed.assert_says(&format!("{hook}: {OWNER}"));
    }
    deployed.assert_says(&format!("after_build: HOME={}", shared.owner.dir.display()));
    deployed.assert_says(&format!("after_build: USER={OWNER}"));
    let backups = shared.sandbox.app_root().join("backups");
    assert_eq!(shared.not_the_owners(&backups), Vec::<std::path::PathBuf>::new());
    assert_eq!(fs::read_dir(&backups).unwrap().count(), 2);
    // Also where root looks the folder over again.
    shared.bg_as("root", &["setup"]).assert_code(0);
}
