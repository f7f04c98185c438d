//! File systems of a test's own: small ones, read-only ones, and files of the kernel's that say
//! something else. All is gone when the test ends.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::getuid;

/// Set in the process that may mount.
const INSIDE: &str = "BG_TEST_OWN_MOUNTS";

/// Runs `test` in a mount namespace of its own, so that nothing stays mounted however it
/// ends. Only root may do that: anybody else is told that the test was not run, and in CI
/// that is a failure.
pub fn with_mounts(name: &str, test: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    let can = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    if !getuid().is_root() || !can(Command::new("unshare").args(["--mount", "true"])) {
        assert!(
            std::env::var_os("CI").is_none(),
            "{name} needs root that may mount"
        );
        eprintln!("NOT RUN: {name} needs root that may mount a file system");
        return;
    }
    let inside = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&inside.stdout) + String::from_utf8_lossy(&inside.stderr);
    assert!(inside.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

/// A file system of its own, and what fills it.
pub struct Disk {
    /// Where it is.
    pub folder: PathBuf,
}

impl Disk {
    /// Mounts it over `folder`.
    pub fn mount(folder: PathBuf, size: &str, inodes: u32) -> Disk {
        fs::create_dir_all(&folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("size={size},nr_inodes={inodes},mode=755"))
            .arg("none")
            .arg(&folder)
            .status();
        assert!(mounted.unwrap().success());
        Disk { folder }
    }

    /// Takes every byte.
    pub fn fill(&self) {
        let mut file = fs::File::create(self.folder.join("ballast")).unwrap();
        for piece in [64 << 10, 4 << 10, 1] {
            let piece = vec![1; piece];
            let error = loop {
                if let Err(error) = file.write_all(&piece) {
                    break error;
                }
            };
            assert_eq!(error.kind(), ErrorKind::StorageFull);
        }
        assert!(fs::write(self.folder.join("more"), "a byte").is_err());
        fs::remove_file(self.folder.join("more")).ok();
    }

    /// Takes all but some bytes.
    pub fn fill_but(&self, bytes: u64) {
        self.fill();
        let file = fs::OpenOptions::new()
            .write(true)
            .open(self.folder.join("ballast"))
            .unwrap();
        file.set_len(file.metadata().unwrap().len() - bytes).unwrap();
    }

    /// Takes every inode.
    pub fn fill_inodes(&self) {
        let folder = self.folder.join("crumbs");
        fs::create_dir(&folder).unwrap();
        let taken = (0..).take_while(|number| fs::File::create(folder.join(number.to_string())).is_ok());
        assert!(taken.count() > 50, "it was full before");
        assert!(fs::File::create(self.folder.join("more")).is_err());
    }

    /// Makes room again.
    pub fn free(&self) {
        fs::remove_file(self.folder.join("ballast")).ok();
        fs::remove_dir_all(self.folder.join("crumbs")).ok();
    }
}

/// Something that lies over another, until it is dropped.
pub struct Over {
    path: PathBuf,
}

impl Over {
    /// Has a file or folder be read-only.
    pub fn read_only(path: &Path) -> Over {
        let over = Over::bound(path, path);
        mount(&["-o", "remount,bind,ro"], &[path]);
        over
    }

    /// Has `path` be what `source` is.
    pub fn bound(source: &Path, path: &Path) -> Over {
        mount(&["--bind"], &[source, path]);
        Over {
            path: path.to_owned(),
        }
    }
}

impl Drop for Over {
    fn drop(&mut self) {
        let gone = Command::new("umount").arg("--lazy").arg(&self.path).status();
        if !std::thread::panicking() {
            assert!(gone.unwrap().success());
        }
    }
}

fn mount(how: &[&str], paths: &[&Path]) {
    let mounted = Command::new("mount").args(how).args(paths).status();
    assert!(mounted.unwrap().success());
}
