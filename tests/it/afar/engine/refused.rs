//! It cannot be brought, or does not run: what is said, what to do, and nothing half left.

use std::process::Command;

use bluegreen::model::wire::PROTOCOL;
use nix::unistd::Uid;

use super::*;

/// A file system of its own over a folder of the host's home, until it is dropped.
struct Mounted(PathBuf);

impl Mounted {
    /// `None`, and a word about it, where nothing may be mounted.
    fn new(folder: &Path, options: &str) -> Option<Mounted> {
        fs::create_dir_all(folder).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder);
        let mounted =
            Uid::effective().is_root() && mount.output().is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("not tried: a file system of its own needs root, and to be allowed");
        }
        mounted.then(|| Mounted(folder.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

/// The page of a failure, the pid and the hash in it named; one exit code for all.
#[track_caller]
fn page(outcome: &Outcome, program: &[u8]) -> String {
    outcome.assert_code(1);
    assert_eq!(outcome.stdout, "", "{outcome}");
    let text = outcome.stderr.replace(&hash(program), "HASH");
    match text.split_once("/.new.") {
        None => text,
        Some((before, after)) => {
            format!(
                "{before}/.new.PID{}",
                after.trim_start_matches(|c: char| c.is_ascii_digit())
            )
        }
    }
}

fn own_program() -> Vec<u8> {
    fs::read(env!("CARGO_BIN_EXE_bluegreen")).unwrap()
}

fn try_it(afar: &Afar) -> Outcome {
    afar.bg(&["status", "--app", "shop", "--hosts", "web1"])
}

#[test]
fn a_full_disk_leaves_nothing_half() {
    let afar = Afar::new(1);
    let server = &afar.servers[0];
    let cache = server.sandbox.root().join("home/.cache");
    let Some(full) = Mounted::new(&cache, "size=1m") else {
        return;
    };
    let outcome = try_it(&afar);
    assert_eq!(
        page(&outcome, &own_program()),
        "error: cannot start an engine on `web1`\n\
         caused by: the program was not installed on the host (exit code 1): cat: write error: No space left on device\n\
         hint: `ssh web1 df -h .cache` shows whether there is room\n"
    );
    assert_eq!(fs::read_dir(server.engines()).unwrap().count(), 0);
    drop(full);
    ask(&afar).assert_says(&brought());
}

#[test]
fn a_program_that_arrives_damaged_is_not_used() {
    let afar = Afar::new(1);
    let server = &afar.servers[0];
    let cut = server.install("cat", "#!/bin/sh\nexec head -c 1000000\n");
    let outcome = try_it(&afar);
    assert_eq!(
        page(&outcome, &own_program()),
        "error: cannot start an engine on `web1`\n\
         caused by: the program arrived damaged: its checksum differs, or the disk of the host is full\n\
         hint: `ssh web1 df -h .cache` shows whether there is room\n"
    );
    assert_eq!(fs::read_dir(server.engines()).unwrap().count(), 0);
    fs::remove_file(cut).unwrap();
    ask(&afar).assert_says(&brought());
}

#[test]
fn a_home_where_nothing_may_be_started_names_the_way_out_which_works() {
    let afar = Afar::new(1);
    let server = &afar.servers[0];
    let cache = server.sandbox.root().join("home/.cache");
    let Some(_noexec) = Mounted::new(&cache, "noexec") else {
        return;
    };
    let outcome = try_it(&afar);
    let page = page(&outcome, &own_program());
    // Each shell numbers its lines as it likes.
    let (before, after) = page.split_once("bluegreen-upload: ").unwrap();
    let after = after.split_once(".cache").unwrap().1;
    assert_eq!(
        format!("{before}.cache{after}"),
        "error: cannot start an engine on `web1`\n\
         caused by: the program does not run on the host: \
         .cache/bluegreen/engines/HASH/.new.PID: Permission denied\n\
         hint: the home folder of `root` there is mounted noexec, it seems: put a `bluegreen` for that machine \
         into its /usr/local/bin: `ops/install.sh` does that\n"
    );
    assert_eq!(fs::read_dir(server.engines()).unwrap().count(), 0);
    let installed = server.install("bluegreen", "");
    fs::copy(env!("CARGO_BIN_EXE_bluegreen"), &installed).unwrap();
    let outcome = ask(&afar);
    assert!(!outcome.stderr.contains("installed on"), "{outcome}");
}

#[test]
fn another_cpu_or_system_is_named_beside_ours_and_nothing_is_sent() {
    for theirs in ["Linux aarch64", "Linux riscv64", "FreeBSD amd64", "Darwin arm64"] {
        let afar = Afar::new(1);
        let server = &afar.servers[0];
        server.install("uname", &format!("#!/bin/sh\necho {theirs}\n"));
        let outcome = try_it(&afar);
        assert_eq!(
            page(&outcome, &own_program()),
            format!(
                "error: cannot start an engine on `web1`\n\
                 caused by: the host is {theirs}, this program is for Linux {}\n\
                 hint: put a `bluegreen` for that machine into its /usr/local/bin: `ops/install.sh` does that\n",
                std::env::consts::ARCH
            )
        );
        assert!(!server.engines().exists());
    }
}

#[test]
fn a_program_whose_libc_is_not_there_is_told_from_one_that_is_none() {
    let afar = Afar::new(1);
    let text =
        "#!/bin/sh\necho \"./bluegreen: /lib/libc.so.6: version \\`GLIBC_2.99' not found\" >&2\nexit 1\n";
    let outcome = ask_with(&afar, &script(&afar, text));
    assert_eq!(
        page(&outcome, text.as_bytes()),
        "error: cannot start an engine on `web1`\n\
         caused by: the program does not run on the host: ./bluegreen: /lib/libc.so.6: version `GLIBC_2.99' not found\n\
         hint: this program is not a static build: `ops/build` makes one, which runs on any Linux of the same CPU\n"
    );
    assert_eq!(fs::read_dir(afar.servers[0].engines()).unwrap().count(), 0);
    let nothing = afar.desk().join("nothing");
    let outcome = ask_with(&afar, &nothing);
    assert_eq!(
        outcome.stderr,
        format!(
            "error: there is no engine to upload\n\
             caused by: `{}` cannot be read\n\
             caused by: No such file or directory (os error 2)\n",
            nothing.display()
        )
    );
    outcome.assert_code(1);
}

#[test]
fn another_protocol_names_both_versions() {
    for protocol in [0, 9] {
        let afar = Afar::new(1);
        let text = format!(
            "#!/bin/sh\n[ \"$1\" != engine ] || echo '{{\"hello\":{{\"protocol\":{protocol},\"version\":\"9.9.9\"}}}}'\n\
             cat >>\"$HOME/heard\" </dev/stdin\n"
        );
        let outcome = ask_with(&afar, &script(&afar, &text));
        assert_eq!(
            page(&outcome, text.as_bytes()),
            format!(
                "  · engine {VERSION} installed on web1\n\
error: cannot start an engine on `web1`\n\
caused by: the engine on the host is version 9.9.9 and speaks protocol {protocol}, this program is version \
{VERSION} and speaks {PROTOCOL}\n\
hint: unset `BG_ENGINE`, which names another version, or use version 9.9.9 on this machine too\n"
            )
        );
        let heard = afar.servers[0].sandbox.root().join("home/heard");
        assert_eq!(fs::read_to_string(heard).unwrap(), "", "it is told nothing");
    }
}

#[test]
fn a_home_that_cannot_be_written_says_so() {
    let afar = Afar::new(1);
    let server = &afar.servers[0];
    fs::write(server.sandbox.root().join("home/.cache"), "").unwrap();
    let outcome = try_it(&afar);
    let page = page(&outcome, &own_program());
    assert!(
        page.starts_with(
            "error: cannot start an engine on `web1`\n\
             caused by: the program was not installed on the host (exit code 1): mkdir: "
        ),
        "{page}"
    );
    assert!(
        page.ends_with(
            "hint: `root` must be able to write into `.cache` of the home folder there; or put a `bluegreen` for \
             that machine into its /usr/local/bin: `ops/install.sh` does that\n"
        ) || !Uid::effective().is_root(),
        "{page}"
    );
}

/// An engine that says hello and nothing more, as one that was stopped.
#[test]
fn one_that_says_nothing_is_not_waited_for_for_ever() {
    let afar = Afar::new(1);
    let hello = format!(r#"{{"hello":{{"protocol":{PROTOCOL},"version":"99.0.0"}}}}"#);
    afar.servers[0].install(
        "bluegreen",
        &format!("#!/bin/sh\necho '{hello}'\ncat >/dev/null\n"),
    );
    let outcome = try_it(&afar);
    outcome.assert_code(1);
    outcome.assert_says("error: the engine on `web1` has said nothing for 30 s\n");
}
