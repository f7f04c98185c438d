//! Files and folders that an ordinary user may not write: a command is watched once, to learn
//! what it writes; then it is typed again with each of these closed. Root would not notice.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::sandbox::answering::Answering;
use crate::sandbox::outcome::Outcome;
use crate::sandbox::shared::{OWNER, Shared, everything};
use crate::sandbox::{Sandbox, set};

/// A fixed share of the cases; `BG_FAULTS=all` takes them all.
const SHARE: usize = 12;

#[test]
fn a_command_whose_files_are_closed_fails_well_and_finishes_when_they_are_open() {
    let Some(shared) = Shared::deployed() else { return };
    let share = match std::env::var("BG_FAULTS").as_deref() {
        Ok("all") => 1,
        _ => SHARE,
    };
    let (mut played, mut refused, mut all) = (0, 0, 0);
    let mut failed = Vec::new();
    for (verb, least) in [("deploy", 10), ("switch", 4), ("rollback", 4)] {
        make_ready(&shared, verb);
        let written = written_by(&shared, verb);
        assert!(written.len() >= least, "{verb}: {written:#?}");
        all += written.len();
        for path in written.iter().step_by(share) {
            let (outcome, problems) = play(&shared, verb, path);
            played += 1;
            refused += usize::from(outcome.code != Some(0));
            if !problems.is_empty() {
                let problems = problems.join("\n    ");
                failed.push(format!("{verb} with {} closed\n    {problems}", path.display()));
            }
        }
    }
    eprintln!("{played} of {all} cases, {refused} refused or unfinished");
    assert!(
        played >= all / share && refused * 3 > played,
        "{refused} of {played}"
    );
    assert!(
        failed.is_empty(),
        "{} of {played} cases:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

/// What is there of the app, and how it was last changed.
fn seen(sandbox: &Sandbox) -> BTreeMap<PathBuf, (u64, i64, i64, u64)> {
    let roots = [sandbox.app_root(), sandbox.link_folder(), sandbox.pm2_home()];
    let paths = roots.iter().flat_map(|root| everything(root));
    paths
        .filter_map(|path| {
            let about = fs::symlink_metadata(&path).ok()?;
            let can_be_closed = about.is_dir() || about.is_file();
            can_be_closed.then(|| {
                (
                    path,
                    (about.ino(), about.mtime(), about.mtime_nsec(), about.len()),
                )
            })
        })
        .collect()
}

/// The files and folders that a command changes; what it makes anew, its folder stands for.
fn written_by(shared: &Shared, verb: &str) -> Vec<PathBuf> {
    let before = seen(&shared.sandbox);
    bg(shared, verb).assert_code(0);
    let after = seen(&shared.sandbox);
    let changed = |(path, was): (PathBuf, _)| after.get(&path).is_some_and(|now| *now != was).then_some(path);
    before.into_iter().filter_map(changed).collect()
}

/// As the owner; each time with another configuration, which a deploy keeps.
fn bg(shared: &Shared, verb: &str) -> Outcome {
    shared.sandbox.configure(|config| {
        let keep = config
            .get("keep")
            .and_then(|keep| keep.get("releases")?.as_integer());
        set(config, "keep", "releases", if keep == Some(4) { 5 } else { 4 });
    });
    shared.bg_as(OWNER, &[verb])
}

/// A rollback wants something to go to.
fn make_ready(shared: &Shared, verb: &str) {
    if verb != "rollback" {
        return;
    }
    for command in ["status", "switch", "deploy"] {
        shared.bg_as(OWNER, &[command]);
        if shared.sandbox.status()["rollback"]["state"] == "ready" {
            return;
        }
    }
    panic!("no rollback is ready: {}", shared.sandbox.bg(&["status"]));
}

/// Something that nobody may write until this is dropped.
struct Closed<'a> {
    path: &'a Path,
    mode: u32,
    inode: u64,
}

impl<'a> Closed<'a> {
    fn new(path: &'a Path) -> Option<Closed<'a>> {
        let about = fs::metadata(path).ok()?;
        let mode = about.mode() & 0o7777;
        fs::set_permissions(path, Permissions::from_mode(mode & !0o222)).ok()?;
        Some(Closed {
            path,
            mode,
            inode: about.ino(),
        })
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        if fs::metadata(self.path).is_ok_and(|about| about.ino() == self.inode) {
            fs::set_permissions(self.path, Permissions::from_mode(self.mode)).unwrap();
        }
    }
}

/// One case; what was not as it must be, a sentence each.
fn play(shared: &Shared, verb: &str, path: &Path) -> (Outcome, Vec<String>) {
    make_ready(shared, verb);
    let sandbox = &shared.sandbox;
    let before = Answering::at_the_door(sandbox).unwrap();
    let closed = Closed::new(path);
    let outcome = bg(shared, verb);
    drop(closed);
    let mut problems = five(sandbox, &outcome, &before);
    problems.extend(afterwards(shared, verb, &outcome));
    if !problems.is_empty() {
        problems.push(outcome.to_string());
    }
    (outcome, problems)
}

/// The exit code, what was said, who answers, the link and the lock.
fn five(sandbox: &Sandbox, outcome: &Outcome, before: &Answering) -> Vec<String> {
    let mut problems = Vec::new();
    let moved = match outcome.code {
        Some(0 | 6) => true,
        Some(1 | 5) => false,
        code => {
            problems.push(format!("exit code {code:?}"));
            return problems;
        }
    };
    if outcome.code != Some(0) {
        for part in ["error: ", "traffic: ", "Permission denied"] {
            if !outcome.stderr.contains(part) {
                problems.push(format!("no {part:?} was said"));
            }
        }
    }
    match Answering::at_the_door(sandbox) {
        Some(now) if (now.color != before.color) == moved && (moved || now == *before) => {
            if sandbox.link() != now.color.name() {
                problems.push(format!("the link says {}, {now:?} answers", sandbox.link()));
            }
        }
        now => problems.push(format!("{now:?} answers, {before:?} did before")),
    }
    if !sandbox.lock_is_free() {
        problems.push("the lock is held".to_owned());
    }
    problems
}

/// The next command leaves all in order, and what was asked for is done when it is asked again.
fn afterwards(shared: &Shared, verb: &str, outcome: &Outcome) -> Vec<String> {
    let mut problems = Vec::new();
    let repair = shared.bg_as(OWNER, &["repair"]);
    if repair.code != Some(0) {
        problems.push(format!("the next command: {repair}"));
    }
    let status = shared.sandbox.status();
    if status["drift"] != serde_json::json!([]) {
        problems.push(format!("drift: {}", status["drift"]));
    }
    for slot in status["slots"].as_array().unwrap() {
        if slot["health"]["state"] != "healthy" {
            problems.push(format!("a slot is not warm: {slot}"));
        }
    }
    if outcome.code == Some(1) || outcome.code == Some(5) {
        let again = bg(shared, verb);
        if again.code != Some(0) {
            problems.push(format!("typed again: {again}"));
        }
    }
    problems
}
