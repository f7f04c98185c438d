//! Another user of the host, who would keep everybody from deploying for ever.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use super::reloading::released_twice;
use crate::sandbox::outcome::Outcome;
use crate::sandbox::python::interpreter;
use crate::sandbox::shared::{OTHER, OWNER, Shared, everything};
use crate::sandbox::wait::wait_until;

/// Every file that is locked by its kernel lock, wherever `bg` or what it runs makes one.
fn locks(shared: &Shared) -> Vec<PathBuf> {
    let sandbox = &shared.sandbox;
    let places = [
        sandbox.app_root(),
        sandbox.pm2_home(),
        sandbox.front.conf().parent().unwrap().to_owned(),
    ];
    let all = places.iter().flat_map(|place| everything(place));
    all.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name == "lock" || name.ends_with(".lock") || name.starts_with("hold-")
    })
    .filter(|path| path.is_file())
    .collect()
}

/// Has every lock be as earlier versions left it.
fn as_it_was(shared: &Shared) -> Vec<PathBuf> {
    let locks = locks(shared);
    for lock in &locks {
        fs::set_permissions(lock, fs::Permissions::from_mode(0o644)).unwrap();
    }
    locks
}

fn may_open(shared: &Shared, user: &str, lock: &str) -> bool {
    let line = ["test", "-r", lock];
    shared.command_as(user, &line).output().unwrap().status.success()
}

#[track_caller]
fn assert_closed(shared: &Shared, locks: &[PathBuf]) {
    for lock in locks {
        let mode = fs::metadata(lock).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", lock.display());
        assert!(
            !may_open(shared, OTHER, lock.to_str().unwrap()),
            "{}",
            lock.display()
        );
    }
}

fn with_worker(config: &mut toml::Table) {
    let worker: toml::Table = "name = 'sync'\nrun = 'sleep 1000000'".parse().unwrap();
    config.insert("worker".into(), toml::Value::Array(vec![worker.into()]));
}

#[test]
fn nobody_else_can_open_a_lock_and_those_of_earlier_versions_are_closed() {
    let Some(shared) = Shared::deployed_with(with_worker) else {
        return;
    };
    let found = locks(&shared);
    let names: Vec<_> = found
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy())
        .collect();
    for name in ["lock", "bluegreen.lock", "sync.lock", ".lock"] {
        let there = name == ".lock" || names.iter().any(|found| found.as_ref() == name);
        assert!(there, "{name} is not among {names:?}");
    }
    assert_closed(&shared, &found);
    let ours = |path: &PathBuf| !path.to_string_lossy().contains("/venvs/");
    let old: Vec<_> = as_it_was(&shared).into_iter().filter(ours).collect();
    assert!(
        old.iter()
            .any(|lock| may_open(&shared, OTHER, lock.to_str().unwrap()))
    );
    let check = shared.bg_as("root", &["check"]);
    let all = format!("{}{}", check.stdout, check.stderr);
    assert!(
        all.contains("chmod 600 ") && all.contains("block every command"),
        "{check}"
    );
    // Whoever uses one closes it, and setup all of them.
    shared.bg_as(OWNER, &["deploy"]).assert_code(0);
    let used = |path: &PathBuf| !path.ends_with("bg/reload.lock");
    assert_closed(
        &shared,
        &old.iter().filter(|path| used(path)).cloned().collect::<Vec<_>>(),
    );
    as_it_was(&shared);
    shared.bg_as("root", &["setup"]).assert_code(0);
    assert_closed(&shared, &old);
}

#[test]
fn the_lock_of_reloads_is_closed_as_well() {
    let Some((shared, _permit)) = released_twice() else {
        return;
    };
    let found = locks(&shared);
    assert!(
        found.iter().any(|path| path.ends_with("bg/reload.lock")),
        "{found:?}"
    );
    assert_closed(&shared, &found);
    let old: Vec<_> = as_it_was(&shared)
        .into_iter()
        .filter(|path| path.ends_with("bg/reload.lock"))
        .collect();
    shared.bg_as("root", &["maintenance", "on"]).assert_code(0);
    assert_closed(&shared, &old);
}

struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn held_by(shared: &Shared, user: &str, lock: &str) -> Held {
    let script = "import fcntl, sys, signal; file = open(sys.argv[1]); \
                  fcntl.flock(file, fcntl.LOCK_SH); print('held', flush=True); signal.pause()";
    // A member of the owner's group, whoever it is.
    let uid = nix::unistd::User::from_name(user).unwrap().unwrap().uid;
    let uid = format!("--reuid={uid}");
    let gid = format!("--regid={}", shared.owner.gid);
    let python = interpreter();
    let python = python.to_str().unwrap();
    let line = [
        "setpriv",
        &uid,
        &gid,
        "--clear-groups",
        python,
        "-c",
        script,
        lock,
    ];
    let mut command = shared.command_as("root", &line);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut said = [0; 4];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
    Held(child)
}

#[test]
fn who_holds_a_lock_is_named_and_not_whoever_is_written_in_it() {
    let Some(shared) = Shared::deployed() else { return };
    let lock = shared.sandbox.app_root().join("state/lock");
    let path = lock.to_str().unwrap();
    let named = |outcome: &Outcome, held: &Held, user: &str| {
        outcome.assert_says(&format!("process {} (`{} ", held.0.id(), interpreter().display()));
        outcome.assert_says(&format!("of `{user}`"));
        assert!(!outcome.stderr.contains("`deploy` by"), "{outcome}");
    };
    let written = fs::read_to_string(&lock).unwrap();
    assert!(written.contains("\"command\":\"deploy\""), "{written}");
    // What is written there may even be of somebody who lives.
    let forged = written.replace("\"pid\":", &format!("\"pid\":{},\"was\":", std::process::id()));
    for text in [written, forged, String::new(), "{}".into()] {
        fs::write(&lock, &text).unwrap();
        fs::set_permissions(&lock, fs::Permissions::from_mode(0o644)).unwrap();
        let held = held_by(&shared, OTHER, path);
        let refused = shared.bg_as(OWNER, &["deploy"]);
        refused.assert_code(4);
        named(&refused, &held, OTHER);
        refused.assert_says(&format!("sudo kill -9 {}", held.0.id()));
        let status = shared.bg_as(OWNER, &["status"]);
        assert!(
            status.stdout.contains(&format!("process {}", held.0.id())),
            "{status}"
        );
        assert!(
            !may_open(&shared, OTHER, path),
            "it was closed by the one that was refused"
        );
    }
    // One of the owner's own is no stranger, and what is written is not believed.
    let held = held_by(&shared, OWNER, path);
    let refused = shared.bg_as(OWNER, &["deploy"]);
    refused.assert_code(4);
    named(&refused, &held, OWNER);
    assert!(!refused.stderr.contains("should not be able to"), "{refused}");
    drop(held);
    wait_until(std::time::Duration::from_secs(10), "the lock is free", || {
        shared.sandbox.lock_is_free()
    });
    shared.bg_as(OWNER, &["deploy"]).assert_code(0);
}

#[test]
fn check_names_the_sockets_of_pm2_that_a_shared_group_may_write_into() {
    let Some(shared) = Shared::deployed() else { return };
    let home = shared.sandbox.pm2_home();
    let sockets = ["rpc.sock", "pub.sock"].map(|name| home.join(name));
    let said = || {
        let check = shared.bg_as(OWNER, &["check"]);
        format!("{}{}", check.stdout, check.stderr)
    };
    let set = |mode: u32| {
        for socket in &sockets {
            fs::set_permissions(socket, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).unwrap();
    for socket in &sockets {
        // Only one of them, in turn.
        set(0o755);
        assert!(!said().contains("pm2 sockets"), "{}", said());
        fs::set_permissions(socket, fs::Permissions::from_mode(0o775)).unwrap();
        let found = said();
        let fix = format!("chmod g-w,o-w {}", socket.display());
        assert!(
            found.contains("group `nogroup`") && found.contains(&fix),
            "{found}"
        );
    }
    // Nobody of the group gets there.
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    assert!(!said().contains("pm2 sockets"), "{}", said());
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).unwrap();
    set(0o777);
    assert!(said().contains("every user can write"), "{}", said());
}
