//! Folders that are not the user's, and folders from which nothing may run.
//!
//! Becoming another user and mounting need root. Where the tests run as somebody else, what
//! can be tried is tried, and the rest says so.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use nix::unistd::{Uid, User};

use super::{Desk, program, run, script, sum};
use crate::sandbox::outcome::Outcome;

/// Somebody with no rights.
const SOMEBODY: &str = "nobody";

/// The installation, done by [`SOMEBODY`] with the programs that `path` has, after `before`
/// was done by root in a mount namespace of its own.
fn install_as_somebody(desk: &Desk, path: &Path, before: &str) -> Outcome {
    let user = User::from_name(SOMEBODY).unwrap().unwrap();
    for folder in [desk.file(""), desk.temporary()] {
        chown(folder, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    }
    // The script itself may lie where somebody cannot look.
    let copy = desk.file("install.sh");
    fs::copy(script(), &copy).unwrap();
    let line = format!(
        "{before} exec setpriv --reuid={0} --regid={1} --clear-groups \"$@\"",
        user.uid, user.gid
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &line, "sh", "env"]);
    command.arg(format!("PATH={}", path.display()));
    command.arg(copy).arg("--to").arg(desk.to());
    let args = ["bluegreen", &sum(&program())];
    command.args(args);
    desk.prepare(&mut command);
    run(command, &args)
}

fn is_root() -> bool {
    let root = Uid::effective().is_root();
    if !root {
        eprintln!("not tried: becoming `{SOMEBODY}` and mounting need root");
    }
    root
}

/// A folder with every program of the system but one.
fn all_but(desk: &Desk, left_out: &str) -> std::path::PathBuf {
    let folder = desk.folder.join("programs");
    fs::create_dir(&folder).unwrap();
    for program in fs::read_dir("/usr/bin").unwrap().flatten() {
        if program.file_name() != left_out {
            symlink(program.path(), folder.join(program.file_name())).unwrap();
        }
    }
    folder
}

#[test]
fn a_folder_of_others_needs_root_or_sudo() {
    let desk = Desk::with_an_old_one();
    let path = all_but(&desk, "sudo");
    let outcome = if is_root() {
        install_as_somebody(&desk, &path, "")
    } else {
        fs::set_permissions(desk.to(), fs::Permissions::from_mode(0o555)).unwrap();
        let args = ["bluegreen", &sum(&program())];
        let mut command = desk.command(&args);
        command.env("PATH", &path);
        run(command, &args)
    };
    fs::set_permissions(desk.to(), fs::Permissions::from_mode(0o755)).unwrap();
    outcome
        .assert_code(1)
        .assert_says(&format!(
            "cannot write to {}, and there is no sudo",
            desk.to().display()
        ))
        .assert_says("hint: run this as root, or name a folder of yours: --to ~/.local/bin");
    desk.assert_untouched(&outcome);
}

#[test]
fn sudo_is_used_where_it_is_needed_and_its_refusal_is_reported() {
    if !is_root() {
        return;
    }
    if !Path::new("/etc/sudoers").exists() {
        eprintln!("not tried: there is no sudo");
        return;
    }
    let path = Path::new("/usr/sbin:/usr/bin:/sbin:/bin");
    for (rights, allowed) in [("", false), ("nobody ALL=(root) NOPASSWD: ALL\n", true)] {
        let desk = Desk::with_an_old_one();
        let sudoers = desk.folder.join("sudoers");
        fs::write(&sudoers, rights).unwrap();
        fs::set_permissions(&sudoers, fs::Permissions::from_mode(0o440)).unwrap();
        let before = format!("mount --bind {} /etc/sudoers &&", sudoers.display());
        let outcome = install_as_somebody(&desk, path, &before);
        outcome.assert_says(&format!(
            "nobody cannot write to {}; sudo can",
            desk.to().display()
        ));
        if allowed {
            desk.assert_installed(&outcome);
            assert_eq!(fs::metadata(desk.installed()).unwrap().uid(), 0, "{outcome}");
        } else {
            outcome.assert_code(1).assert_says("and sudo has refused");
            desk.assert_untouched(&outcome);
        }
    }
}

#[test]
fn a_folder_of_ones_own_needs_no_sudo() {
    if !is_root() {
        return;
    }
    let desk = Desk::with_an_old_one();
    let user = User::from_name(SOMEBODY).unwrap().unwrap();
    chown(desk.to(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    let path = all_but(&desk, "sudo");
    let outcome = install_as_somebody(&desk, &path, "");
    desk.assert_installed(&outcome);
    assert_eq!(fs::metadata(desk.installed()).unwrap().uid(), user.uid.as_raw());
}

#[test]
fn a_folder_from_which_nothing_may_run_is_named_as_such() {
    if !is_root() {
        return;
    }
    let desk = Desk::with_an_old_one();
    let args = ["bluegreen", &sum(&program())];
    // Nothing but the mount is in the folder afterwards, and that ends with the namespace.
    for (options, said) in [
        ("noexec", "is mounted noexec"),
        ("ro", "is it on a read-only file system?"),
    ] {
        let line = "mount -t tmpfs -o \"$0\" none \"$1\" && \"$2\" --to \"$1\" \"$3\" \"$4\"; code=$?; ls -A \"$1\"; exit $code";
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", line, options]);
        command.arg(desk.to()).arg(script()).args(args);
        desk.prepare(&mut command);
        let outcome = run(command, &args);
        outcome.assert_code(1).assert_says(said);
        assert_eq!(outcome.stdout, "", "{outcome}");
        desk.assert_untouched(&outcome);
    }
}
