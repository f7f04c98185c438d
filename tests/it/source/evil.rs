//! What must not come out of a folder or a tarball, named and refused before a host hears of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use bluegreen::model::color::Color;
use tar::{Builder, EntryType, Header};

use super::brought::folder;
use crate::sandbox::wait::wait_until;
use crate::sandbox::{Sandbox, repo};

/// A tarball with the app, and one more entry of this kind.
fn tarball(sandbox: &Sandbox, name: &str, kind: EntryType, target: &str) -> PathBuf {
    let path = sandbox.root().join("evil.tar");
    let mut tar = Builder::new(fs::File::create(&path).unwrap());
    tar.append_dir_all(".", sandbox.root().join("app")).unwrap();
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(if kind == EntryType::Regular { 4 } else { 0 });
    // As it is: the checks of whoever writes tarballs are not meant to help here.
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    let content: &[u8] = if kind == EntryType::Regular { b"evil" } else { b"" };
    tar.append(&header, content).unwrap();
    tar.finish().unwrap();
    path
}

#[test]
fn names_links_and_devices_that_lead_elsewhere_are_refused_by_name() {
    let sandbox = Sandbox::deployed();
    let app = folder(&sandbox);
    let leftover = sandbox.root().join("evil");
    let refused = |path: &Path, why: &str| {
        let deploy = sandbox.bg(&["deploy", "--from", path.to_str().unwrap()]);
        sandbox.assert_five(&deploy, 1, "cannot be deployed", Color::Blue);
        deploy.assert_says(why);
        assert!(!leftover.exists(), "{deploy}");
        let incoming = fs::read_dir(sandbox.app_root().join("state/uploads"));
        assert_eq!(incoming.map_or(0, Iterator::count), 0, "{deploy}");
    };
    let absolute = leftover.to_str().unwrap();
    let long = format!("{absolute}/under");
    let table = [
        (
            "../evil",
            EntryType::Regular,
            "",
            "it holds `../evil`, which leads out of it",
        ),
        (
            "a/../../evil",
            EntryType::Regular,
            "",
            "it holds `a/../../evil`, which leads out of it",
        ),
        (absolute, EntryType::Regular, "", "an absolute path"),
        (&long, EntryType::Directory, "", "an absolute path"),
        ("up/..", EntryType::Directory, "", "which leads out of it"),
        (
            ".git/hooks/x",
            EntryType::Regular,
            "",
            "it holds `.git/hooks/x`, which is git's own",
        ),
        ("a/.GIT/config", EntryType::Regular, "", "which is git's own"),
        (
            "leak",
            EntryType::Symlink,
            "../shared/app.env",
            "the link `leak` leads out of it, to `../shared/app.env`",
        ),
        (
            "leak",
            EntryType::Symlink,
            "/etc/passwd",
            "the link `leak` leads out of it, to `/etc/passwd`",
        ),
        ("again", EntryType::Link, "/etc/passwd", "an absolute path"),
        ("again", EntryType::Link, "../../x", "which leads out of it"),
        (
            "again",
            EntryType::Link,
            "nothing",
            "a second name for a file that is not there",
        ),
        ("null", EntryType::Char, "", "it holds `null`, a device"),
        ("disk", EntryType::Block, "", "it holds `disk`, a device"),
        ("pipe", EntryType::Fifo, "", "it holds `pipe`, a pipe"),
    ];
    for (name, kind, target, why) in table {
        refused(&tarball(&sandbox, name, kind, target), why);
    }
    // The whole one is fine, so it was the one entry each time.
    let whole = tarball(&sandbox, "fine", EntryType::Regular, "");
    sandbox
        .bg(&["deploy", "--plan", "--from", whole.to_str().unwrap()])
        .assert_code(0);

    let pipe = std::process::Command::new("mkfifo")
        .arg(app.join("pipe"))
        .status();
    assert!(pipe.unwrap().success());
    refused(&app, "it holds `pipe`, a pipe");
    fs::remove_file(app.join("pipe")).unwrap();
    symlink("../elsewhere", app.join("leak")).unwrap();
    refused(&app, "the link `leak` leads out of it");
    fs::remove_file(app.join("leak")).unwrap();

    let text = sandbox.root().join("note.txt");
    fs::write(&text, "not a tarball ".repeat(200)).unwrap();
    refused(&text, "is neither a folder nor a tarball");
    let cut = sandbox.root().join("cut.tar.gz");
    let packed = std::process::Command::new("tar")
        .arg("-czf")
        .arg(&cut)
        .arg("-C")
        .arg(&app)
        .arg(".")
        .status();
    assert!(packed.unwrap().success());
    let bytes = fs::read(&cut).unwrap();
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    refused(&cut, "is neither a folder nor a tarball");
    let empty = sandbox.root().join("empty");
    fs::create_dir(&empty).unwrap();
    refused(&empty, "holds no files");
    refused(&sandbox.root().join("missing"), "cannot read");
}

#[test]
fn what_is_cut_off_or_swapped_on_its_way_is_not_deployed() {
    let sandbox = Sandbox::deployed();
    let ask = |verb: serde_json::Value, rest: &[u8]| {
        use std::io::Write;
        let request = serde_json::json!({"app": "shop", "verb": verb});
        let mut command = sandbox.bg_command(&["engine"]);
        command.stdin(std::process::Stdio::piped());
        let mut engine = crate::sandbox::outcome::Running::start(command, &["engine"]);
        let mut line = engine.stdin();
        line.write_all(format!("{request}\n").as_bytes()).unwrap();
        line.write_all(rest).unwrap();
        if !rest.is_empty() {
            drop(line);
            return engine.wait();
        }
        let ended = engine.wait();
        drop(line);
        ended
    };
    let incoming = sandbox.app_root().join("state/uploads");
    let files = || fs::read_dir(&incoming).unwrap().count();
    let sha = "0123456789012345678901234567890123456789";
    let receive =
        |commit: &str, bytes: u64| serde_json::json!({"receive": {"commit": commit, "bytes": bytes}});
    let cut = ask(receive(sha, 100), b"only this");
    cut.assert_code(1);
    assert!(cut.stdout.contains("9 of 100 bytes arrived"), "{cut}");
    assert_eq!(files(), 0, "{cut}");
    for odd in ["../../x", "main", ""] {
        let named = ask(receive(odd, 4), b"evil");
        named.assert_code(1);
        assert!(named.stdout.contains("is no commit"), "{named}");
    }

    // A whole bundle, and another content than was announced.
    let other = sandbox.root().join("other.git");
    repo::git(
        &sandbox.repo(),
        &["clone", "--quiet", "--bare", ".", other.to_str().unwrap()],
    );
    repo::git(&other, &["update-ref", "refs/bg/from", "main"]);
    repo::git(&other, &["bundle", "create", "--quiet", "bundle", "refs/bg/from"]);
    let bundle = fs::read(other.join("bundle")).unwrap();
    ask(receive(sha, bundle.len() as u64), &bundle).assert_code(0);
    assert_eq!(files(), 1);
    let deploy = |sha: &str| {
        let uploaded = serde_json::json!({"commit": sha, "subject": "swapped"});
        let verb = serde_json::json!({"deploy": {
            "reference": sha, "no_switch": false, "plan": false, "force_gate": null,
            "patience": {"wait": null}, "origin": {"uploaded": uploaded},
        }});
        ask(verb, b"")
    };
    let swapped = deploy(sha);
    swapped.assert_code(1);
    assert!(
        swapped.stdout.contains("its content has another hash"),
        "{swapped}"
    );
    let never = deploy("9876543210987654321098765432109876543210");
    never.assert_code(1);
    assert!(
        never.stdout.contains("were not uploaded, or were deleted since"),
        "{never}"
    );
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    let refs = repo::git(&sandbox.app_root().join("repo.git"), &["for-each-ref", "refs/bg"]);
    assert_eq!(refs, "");
}

/// One more entry, of which the header says what it wants.
fn entry(tar: &mut Builder<fs::File>, name: &str, kind: EntryType, target: &str, mode: u32) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(0);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
    header.set_cksum();
    tar.append(&header, &b""[..]).unwrap();
}

#[test]
fn a_link_gets_no_second_name_from_which_it_would_lead_out() {
    let sandbox = Sandbox::deployed();
    folder(&sandbox);
    let path = sandbox.root().join("links.tar");
    let (file, link, hard) = (EntryType::Regular, EntryType::Symlink, EntryType::Link);
    type Entries<'a> = &'a [(&'a str, EntryType, &'a str)];
    let table: &[(&str, Entries)] = &[
        (
            "the plain one",
            &[("d/e/x", link, "../../app.py"), ("y", hard, "d/e/x")],
        ),
        (
            "over another",
            &[
                ("d/e/x", link, "../../app.py"),
                ("a", hard, "d/e/x"),
                ("y", hard, "a"),
            ],
        ),
        (
            "a file that became a link",
            &[
                ("d/e/x", file, ""),
                ("d/e/x", link, "../../app.py"),
                ("y", hard, "d/e/x"),
            ],
        ),
        (
            "a file that became a folder",
            &[
                ("d/e/x", file, ""),
                ("d/e/x/l", link, "../../../app.py"),
                ("y", hard, "d/e/x"),
            ],
        ),
        (
            "a folder that became a file",
            &[
                ("d/x/l", link, "../../app.py"),
                ("d/x", file, ""),
                ("y", hard, "d/x/l"),
            ],
        ),
    ];
    for (what, entries) in table {
        let mut tar = Builder::new(fs::File::create(&path).unwrap());
        tar.append_dir_all(".", sandbox.root().join("app")).unwrap();
        for (name, kind, target) in *entries {
            entry(&mut tar, name, *kind, target, 0o644);
        }
        tar.finish().unwrap();
        let deploy = sandbox.bg(&["deploy", "--from", path.to_str().unwrap()]);
        sandbox.assert_five(&deploy, 1, "it holds `", Color::Blue);
        deploy.assert_says("a second name for a ");
        assert!(deploy.stderr.contains("cannot be deployed"), "{what}: {deploy}");
    }
    // What a mode says beside who may execute it stays outside.
    let mut tar = Builder::new(fs::File::create(&path).unwrap());
    tar.append_dir_all(".", sandbox.root().join("app")).unwrap();
    entry(&mut tar, "bin/tool", file, "", 0o6777);
    entry(&mut tar, "bin/again", hard, "bin/tool", 0o6777);
    tar.finish().unwrap();
    sandbox
        .bg(&["deploy", "--from", path.to_str().unwrap()])
        .assert_code(0);
    let release = sandbox.app_root().join("releases").join(sandbox.live_release());
    for name in ["bin/tool", "bin/again"] {
        use std::os::unix::fs::PermissionsExt;
        let found = crate::sandbox::shared::everything(&release);
        let tool = found.iter().find(|path| path.ends_with(name)).unwrap();
        let mode = fs::metadata(tool).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode & 0o7022, 0, "{mode:o}");
    }
}

/// Where the client unpacks, apart from what other tests leave there.
fn scratch(sandbox: &Sandbox) -> PathBuf {
    let scratch = sandbox.root().join("scratch");
    fs::create_dir_all(&scratch).unwrap();
    scratch
}

fn sh(sandbox: &Sandbox, line: &str) {
    let done = sandbox
        .command("sh")
        .args(["-ec", line])
        .current_dir(sandbox.root())
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

#[test]
fn a_small_file_does_not_fill_the_disk_of_whoever_deploys_it() {
    let sandbox = Sandbox::deployed();
    folder(&sandbox);
    let scratch = scratch(&sandbox);
    sh(
        &sandbox,
        "mkdir bomb; cp app/* bomb/ 2>/dev/null || :; truncate -s 3G bomb/zeros",
    );
    sh(
        &sandbox,
        "tar --sparse --format=gnu -cf old.tar -C bomb .; tar --sparse --format=posix -cf new.tar -C bomb .",
    );
    sh(
        &sandbox,
        "gzip -k old.tar new.tar; truncate -s 1G bomb/zeros; tar -cf - -C bomb . | gzip > plain.tar.gz",
    );
    let mut all = vec!["old.tar", "new.tar", "old.tar.gz", "new.tar.gz", "plain.tar.gz"];
    if sandbox
        .command("zstd")
        .arg("--version")
        .output()
        .is_ok_and(|found| found.status.success())
    {
        sh(&sandbox, "zcat plain.tar.gz | zstd -q -o plain.tar.zst");
        all.push("plain.tar.zst");
    }
    for name in all {
        let tarball = sandbox.root().join(name);
        let mut command = sandbox.bg_command(&["deploy", "--from", tarball.to_str().unwrap()]);
        command.env("TMPDIR", &scratch);
        // The limit is the kernel's here: none of it is ever written.
        let mut most = 0;
        let mut child = command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        while child.try_wait().unwrap().is_none() {
            most = most.max(used(&scratch));
            std::thread::yield_now();
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {said}");
        assert!(
            said.contains("with holes") || said.contains("more than 256 MB"),
            "{name}: {said}"
        );
        assert!(most < 600 << 20, "{name} took {most} bytes");
        assert_eq!(
            fs::read_dir(&scratch).unwrap().count(),
            0,
            "{name} left something"
        );
    }
}

fn used(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let all = crate::sandbox::shared::everything(folder);
    all.iter()
        .filter_map(|path| fs::symlink_metadata(path).ok())
        .map(|about| about.blocks() * 512)
        .sum()
}

#[test]
fn nothing_stays_of_a_deploy_that_is_killed_while_it_packs() {
    let sandbox = Sandbox::deployed();
    folder(&sandbox);
    let scratch = scratch(&sandbox);
    sh(
        &sandbox,
        "head -c 200M /dev/urandom > app/much; tar -czf much.tar.gz -C app .",
    );
    for signal in ["TERM", "INT", "HUP", "KILL"] {
        let tarball = sandbox.root().join("much.tar.gz");
        let mut command = sandbox.bg_command(&["deploy", "--from", tarball.to_str().unwrap()]);
        command
            .env("TMPDIR", &scratch)
            .stdout(std::process::Stdio::null());
        let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
        let long = std::time::Duration::from_secs(30);
        wait_until(long, "it has begun", || used(&scratch) > 20 << 20);
        sh(&sandbox, &format!("kill -{signal} {}", child.id()));
        child.wait().unwrap();
        wait_until(long, "nothing is left", || {
            fs::read_dir(&scratch).unwrap().count() == 0
        });
    }
}
