//! Data that the app writes into its own release: no deploy starts without it, it is moved
//! while the app writes on, and nothing deletes it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use bluegreen::model::color::Color;
use toml::Value;

use crate::recovery::scene::{LONG, slot};
use crate::sandbox::mounts::{Disk, with_mounts};
use crate::sandbox::wait::wait_until;
use crate::sandbox::{HOST, Sandbox, http, set};

const WRITING: &str = include_str!("data/writing.py");

/// A host whose app writes beside its code.
fn sandbox(keep: i64) -> Sandbox {
    let sandbox = Sandbox::with(|config| set(config, "keep", "releases", keep));
    sandbox.commit("it writes", |repo| {
        let app = repo.join("app.py");
        let text = fs::read_to_string(&app).unwrap();
        fs::write(&app, text + WRITING).unwrap();
    });
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    sandbox
}

/// Somebody who has something written all the while.
struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(BTreeSet<u32>, Vec<String>)>,
}

impl Writer {
    fn start(sandbox: &Sandbox) -> Writer {
        let (stop, address) = (Arc::new(AtomicBool::new(false)), sandbox.address());
        let stopped = stop.clone();
        let write = move || {
            let (mut kept, mut failed) = (BTreeSet::new(), Vec::new());
            for n in 1.. {
                match http::get(address, HOST, &format!("/write/{n}")) {
                    Ok(answer) if answer.body == "kept" => drop(kept.insert(n)),
                    other => failed.push(format!("{n}: {other:?}")),
                }
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
            }
            (kept, failed)
        };
        Writer {
            stop,
            thread: thread::spawn(write),
        }
    }

    fn stop(self) -> (BTreeSet<u32>, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// The numbers in a database, asked as anybody would who opens it.
fn rows(sandbox: &Sandbox, database: &Path) -> BTreeSet<u32> {
    let script = "import sqlite3, sys\n\
                  for row in sqlite3.connect(sys.argv[1]).execute('select n from numbers'): print(row[0])";
    let output = sandbox
        .command(crate::sandbox::python::interpreter().to_str().unwrap())
        .args(["-c", script])
        .arg(database)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    numbers(&String::from_utf8(output.stdout).unwrap())
}

fn numbers(text: &str) -> BTreeSet<u32> {
    text.lines().map(|line| line.parse().unwrap()).collect()
}

/// Writes into bg.toml what a refusal says.
fn obey(sandbox: &Sandbox, said: &str) {
    let line = said
        .split('`')
        .find(|part| part.starts_with("shared = ["))
        .unwrap();
    let told: toml::Table = line.parse().unwrap();
    sandbox.configure(|config| drop(config.insert("shared".into(), told["shared"].clone())));
}

fn next_release(sandbox: &Sandbox, what: &str) {
    sandbox.commit(what, |_| {});
    sandbox.bg(&["deploy"]).assert_code(0);
}

#[test]
fn nothing_that_the_app_wrote_beside_its_code_is_lost() {
    let sandbox = sandbox(2);
    let writer = Writer::start(&sandbox);
    wait_until(LONG, "something is written", || {
        sandbox.get("/write/0").body == "kept"
    });
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(
        &refused,
        1,
        "the next release would start without it",
        Color::Blue,
    );
    refused.assert_says("instance/shop.db (a SQLite database");
    refused.assert_says("data move` moves it into");
    assert!(
        slot(&sandbox, Color::Green).is_none(),
        "nothing was built: {refused}"
    );
    sandbox.bg(&["check"]).stdout.contains("data of blue");

    let moved = sandbox.bg(&["data", "move"]);
    moved.assert_code(0);
    assert!(sandbox.lock_is_free());
    let shared = sandbox.app_root().join("shared");
    for name in [
        "instance",
        "orders.sqlite3",
        "visits.sqlite3",
        "uploads",
        "ledger.txt",
        "first",
    ] {
        assert!(moved.stdout.contains(name), "no {name} in {moved}");
        assert!(fs::symlink_metadata(shared.join(name)).is_ok(), "{name}: {moved}");
    }
    // Moved is half of it: the next release is to have the links as well.
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&refused, 1, "that `shared` does not name", Color::Blue);
    obey(&sandbox, &refused.stderr);

    for number in 1..=3 {
        next_release(&sandbox, &format!("release {number}"));
    }
    sandbox.bg(&["rollback"]).assert_code(0);
    next_release(&sandbox, "release 4");
    sandbox.bg(&["rollback"]).assert_code(0);
    next_release(&sandbox, "release 5");
    let (kept, failed) = writer.stop();
    assert!(
        failed.is_empty() && kept.len() > 50,
        "{} kept, {failed:#?}",
        kept.len()
    );
    let releases = fs::read_dir(sandbox.app_root().join("releases")).unwrap().count();
    assert!(releases <= 3, "old ones were deleted: {releases}");
    for name in ["instance/shop.db", "orders.sqlite3", "visits.sqlite3"] {
        let rows = rows(&sandbox, &shared.join(name));
        let lost: Vec<_> = kept.difference(&rows).collect();
        assert!(lost.is_empty(), "{name} lacks {lost:?}");
    }
    let ledger = numbers(&fs::read_to_string(shared.join("ledger.txt")).unwrap());
    assert!(kept.is_subset(&ledger), "{:?}", kept.difference(&ledger));
    let lies = |n: &u32| shared.join(format!("uploads/2026/11/{n}.txt")).exists();
    assert!(kept.iter().all(lies));
    assert_eq!(fs::read_to_string(shared.join("first")).unwrap(), "x");
    assert!(
        sandbox
            .bg(&["data"])
            .stdout
            .contains("has no data in its own folder")
    );
}

#[test]
fn what_is_left_behind_is_told_and_never_deleted_until_it_is_called_scratch() {
    let sandbox = sandbox(2);
    assert_eq!(sandbox.get("/write/1").body, "kept");
    let first = sandbox.live_release();
    let plan = sandbox.bg(&["deploy", "--plan"]);
    sandbox.assert_five(&plan, 1, "the next release would start without it", Color::Blue);
    for _ in 0..3 {
        sandbox.commit("another", |_| {});
        let deploy = sandbox.bg(&["deploy", "--leave-data"]);
        deploy.assert_code(0);
        deploy.assert_says("left, as asked");
    }
    let releases = sandbox.bg(&["releases"]);
    let line = releases.stdout.lines().position(|line| line.starts_with(&first));
    let below = releases.stdout.lines().nth(line.unwrap() + 1).unwrap();
    assert!(
        below.contains("holds data") && below.contains("shop.db"),
        "{releases}"
    );
    let rollback = sandbox.bg(&["rollback"]);
    rollback.assert_code(0);
    rollback.assert_says("does not see it");
    let release = sandbox.app_root().join("releases").join(&first);
    assert!(release.join("instance/shop.db").exists());

    sandbox.configure(|config| {
        let scratch = ["*.sqlite3", "instance", "uploads/", "ledger.txt", "first"];
        let scratch = scratch.map(|name| Value::String(name.to_owned()));
        config.insert("scratch".into(), Value::Array(scratch.to_vec()));
    });
    next_release(&sandbox, "scratch");
    assert!(!release.exists());
}

#[test]
fn what_is_mounted_in_a_release_is_neither_moved_nor_deleted_with_it() {
    let name = "data::what_is_mounted_in_a_release_is_neither_moved_nor_deleted_with_it";
    with_mounts(name, || {
        let sandbox = Sandbox::deployed_with(|config| set(config, "keep", "releases", 2));
        let media = sandbox
            .app_root()
            .join("releases")
            .join(sandbox.live_release())
            .join("media");
        let disk = Disk::mount(media, "1m", 100);
        fs::write(disk.folder.join("a.jpg"), "picture").unwrap();
        let refused = sandbox.bg(&["deploy"]);
        sandbox.assert_five(
            &refused,
            1,
            "media (a file system that is mounted there)",
            Color::Blue,
        );
        let refused = sandbox.bg(&["data", "move"]);
        sandbox.assert_five(&refused, 1, "was not moved into `shared`", Color::Blue);
        for _ in 0..3 {
            sandbox.commit("another", |_| {});
            sandbox.bg(&["deploy", "--leave-data"]).assert_code(0);
        }
        assert_eq!(fs::read_to_string(disk.folder.join("a.jpg")).unwrap(), "picture");
        let unmounted = std::process::Command::new("umount").arg(&disk.folder).status();
        assert!(unmounted.unwrap().success());
    });
}

/// What git tracks below a shared path begins as it is in the first commit, and is the app's then.
#[test]
fn later_changes_of_tracked_files_below_shared_are_told_with_a_command_that_takes_them() {
    let sandbox = Sandbox::with(|config| {
        config.insert("shared".into(), toml::Value::Array(vec!["texts".into()]));
    });
    let write = |name: &str, text: &str| {
        sandbox.commit(name, |repo| {
            fs::create_dir_all(repo.join("texts")).unwrap();
            fs::write(repo.join("texts").join(name), text).unwrap();
        })
    };
    write("terms.txt", "old");
    write("an old page.txt", "kept");
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    let shared = sandbox.app_root().join("shared");
    let kept = |name: &str| fs::read_to_string(shared.join("texts").join(name)).unwrap();

    fs::write(shared.join("texts/terms.txt"), "by the app").unwrap();
    write("terms.txt", "new");
    write("a new page.txt", "page");
    let commit = sandbox.commit("an old page goes", |repo| {
        fs::remove_file(repo.join("texts/an old page.txt")).unwrap();
    });
    let told = sandbox.bg(&["deploy"]);
    told.assert_code(0)
        .assert_says(&format!("{} changes shared files", &commit[..7]));
    told.assert_says("; it deletes texts/an old page.txt");
    assert_eq!(
        (kept("terms.txt"), kept("an old page.txt")),
        ("by the app".into(), "kept".into())
    );
    let line = told
        .stderr
        .split('`')
        .find(|part| part.starts_with("git -C "))
        .unwrap();
    let typed = sandbox.command("sh").args(["-c", line]).output().unwrap();
    assert!(typed.status.success(), "{typed:?}");
    assert_eq!(
        (kept("terms.txt"), kept("a new page.txt")),
        ("new".into(), "page".into())
    );

    // A commit that leaves them alone, or brings what is there already, is no news.
    sandbox.commit("code", |repo| fs::write(repo.join("note"), "1").unwrap());
    fs::write(shared.join("texts/terms.txt"), "newer").unwrap();
    write("terms.txt", "newer");
    let quiet = sandbox.bg(&["deploy"]);
    quiet.assert_code(0);
    assert!(!quiet.stderr.contains("changes shared files"), "{quiet}");
}
