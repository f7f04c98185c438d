//! The database's schema and its backup, on the way of a release.

mod contract;
mod databases;
mod fleet;
mod order;

use std::fs;
use std::path::{Path, PathBuf};

use bluegreen::model::color::Color;

use crate::hooks::script;
use crate::sandbox::outcome::Outcome;
use crate::sandbox::{Sandbox, set};

/// Where the migrations of a host write that they ran.
pub fn ledger(sandbox: &Sandbox) -> PathBuf {
    sandbox.root().join("ledger")
}

/// The lines in it.
pub fn ran(sandbox: &Sandbox) -> Vec<String> {
    let text = fs::read_to_string(ledger(sandbox)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Deployed once; from then on a deploy migrates by a script, which does `body` too.
pub fn migrating(body: &str) -> Sandbox {
    let sandbox = Sandbox::deployed();
    migrate_by(&sandbox, body);
    sandbox
}

/// The migration's script says that it ran, and does `body`.
pub fn migrate_by(sandbox: &Sandbox, body: &str) {
    let says = format!("echo $BG_RELEASE >> {}\n{body}", ledger(sandbox).display());
    let run = script(sandbox, "migrate", &says);
    sandbox.configure(|config| set(config, "migrate", "run", run));
}

/// A backup by a script, which does `body`.
pub fn back_up_by(sandbox: &Sandbox, body: &str) {
    let run = script(sandbox, "backup", body);
    sandbox.configure(|config| set(config, "backup", "run", run));
}

/// The backups that are kept, oldest first.
pub fn backups(sandbox: &Sandbox) -> Vec<PathBuf> {
    let folder = sandbox.app_root().join("backups");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files
}

/// The names of the events of a `--json` run, and what came of it.
pub fn events(outcome: &Outcome) -> Vec<String> {
    let lines = outcome.json();
    let names = lines.iter().filter_map(|line| line["event"].as_str());
    names.map(str::to_owned).collect()
}

/// Commits a change of `file` and returns what is live after a deploy of it.
pub fn deploy_change(sandbox: &Sandbox, file: &str, args: &[&str]) -> String {
    sandbox.commit(&format!("change {file}"), |repo| touch(&repo.join(file)));
    let before = sandbox.live_color().unwrap();
    sandbox.bg(&[&["deploy"], args].concat()).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(before.other()));
    sandbox.live_release()
}

fn touch(file: &Path) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let text = fs::read_to_string(file).unwrap_or_default();
    fs::write(file, text + "x").unwrap();
}

/// The process that answers in a slot.
pub fn pid_of(sandbox: &Sandbox, color: Color) -> i64 {
    let status = sandbox.status();
    let slots = status["slots"].as_array().unwrap();
    let slot = slots.iter().find(|slot| slot["color"] == color.name()).unwrap();
    slot["pid"].as_i64().unwrap()
}
