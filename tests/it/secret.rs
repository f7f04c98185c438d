//! The environment file's values are nowhere but in that file and in the app.

mod forms;

use std::fs;
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;
use bluegreen::model::color::Color;

use crate::sandbox::outcome::Outcome;
use crate::sandbox::{SECRET, Sandbox, processes, set};

#[test]
fn a_secret_is_nowhere_even_where_the_app_prints_it() {
    let sandbox = Sandbox::deployed_with(|config| {
        set(config, "gate", "timeout", "8s");
    });
    let mut said: Vec<Outcome> = Vec::new();
    sandbox.commit_edit(
        "talks too much",
        "@app.get(\"/health\")",
        "print(\"the key is\", os.environ[\"SHOP_SECRET\"], flush=True)\n\n\n@app.get(\"/health\")",
    );
    said.push(sandbox.bg(&["deploy"]));
    sandbox.commit_edit(
        "unwell",
        "return {\"status\": \"ok\"}",
        "return os.environ[\"SHOP_SECRET\"], 500",
    );
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&refused, 1, "the key is ", Color::Green);
    refused.assert_says("500: the app failed, it said: ");
    let runs = fs::read_dir(sandbox.app_root().join("state/runs"))
        .unwrap()
        .flatten();
    let runs: Vec<String> = runs
        .map(|run| run.file_name().to_str().unwrap().replace(".ndjson", ""))
        .collect();
    assert_eq!(runs.len(), 3, "{runs:?}");
    said.push(sandbox.bg(&["deploy", "--json"]).assert_code(1).clone());
    said.push(
        sandbox
            .bg(&["deploy", "--force-gate", "we know"])
            .assert_code(0)
            .clone(),
    );
    let logs = sandbox.bg(&["logs", "blue", "-n", "1000"]);
    assert!(logs.stdout.contains("the key is "), "{logs}");
    said.push(logs);
    said.push(sandbox.bg(&["logs", "green"]));
    said.push(sandbox.bg(&["status", "--json"]));
    said.push(sandbox.bg(&["history"]));
    said.extend(runs.iter().map(|run| sandbox.bg(&["history", run])));
    said.push(sandbox.pm2(&["jlist"]));
    said.push(refused);
    for outcome in &said {
        assert!(!outcome.stdout.contains(SECRET), "{outcome}");
        assert!(!outcome.stderr.contains(SECRET), "{outcome}");
    }
    for (pid, command) in processes::of(sandbox.root()) {
        assert!(!command.contains(SECRET), "{pid}: {command}");
    }

    let mut holding: Vec<PathBuf> = files_with(sandbox.root(), &[SECRET]);
    // The file itself, its copies for the releases, and what the app printed of its own will.
    holding.retain(|file| {
        let private = file.starts_with(sandbox.app_root().join("envs")) || file.ends_with("shared/app.env");
        if private {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                fs::metadata(file).unwrap().permissions().mode() & 0o777,
                0o600,
                "{file:?}"
            );
        }
        !private && !file.starts_with(sandbox.app_root().join("logs"))
    });
    assert_eq!(holding, Vec::<PathBuf>::new());
}

/// The files below `folder` that hold one of `texts`.
pub fn files_with<T: AsRef<[u8]>>(folder: &Path, texts: &[T]) -> Vec<PathBuf> {
    holding(folder, &AhoCorasick::new(texts).unwrap())
}

fn holding(folder: &Path, search: &AhoCorasick) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            found.extend(holding(&path, search));
        } else if kind.is_file() && search.is_match(&fs::read(&path).unwrap_or_default()) {
            found.push(path);
        }
    }
    found
}
