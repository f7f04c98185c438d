//! Who holds a lock, as the kernel knows it: what is written inside the file may be stale.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;

use nix::unistd::Uid;

use crate::{path_security, process};

/// A process that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Who {
    /// Its pid.
    pub(super) pid: u32,
    uid: Option<u32>,
}

impl Who {
    /// A process, as far as it can be seen.
    pub(super) fn of(pid: u32) -> Who {
        Who { pid, uid: user(pid) }
    }

    /// Whether it is neither root's nor ours, nor of whoever the file belongs to.
    pub(super) fn is_strange(&self, file: &File) -> bool {
        let theirs = file.metadata().map(|about| about.uid());
        let known = [0, Uid::effective().as_raw()];
        self.uid
            .is_some_and(|uid| !known.contains(&uid) && theirs.is_ok_and(|theirs| theirs != uid))
    }

    /// `process 4711 (`flock x sleep 9`) of `mallory``.
    pub(super) fn describe(&self) -> String {
        let command = process::cmdline(self.pid);
        let command = command.map_or_else(String::new, |line| format!(" (`{}`)", plain(&line)));
        let of = self.uid.map_or_else(String::new, |uid| {
            format!(" of {}", path_security::name_of(Uid::from_raw(uid)))
        });
        format!("process {}{command}{of}", self.pid)
    }
}

/// Its command line is whatever its user wants.
fn plain(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// The effective user of a process; the owner of its folder in `/proc` is root where it keeps
/// others from looking into it.
fn user(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Whether the process `pid` itself holds the lock on `file`; `None` where this user may not
/// see that. Unlike [`holder`] it keeps nobody from locking meanwhile.
pub(super) fn holds(pid: u32, file: &File) -> Option<bool> {
    let wanted = file.metadata().ok()?;
    let open = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    for entry in open.flatten() {
        let same = fs::metadata(entry.path())
            .is_ok_and(|about| (about.dev(), about.ino()) == (wanted.dev(), wanted.ino()));
        if !same {
            continue;
        }
        let number = entry.file_name();
        let about = fs::read_to_string(format!("/proc/{pid}/fdinfo/{}", number.display())).ok()?;
        if about
            .lines()
            .any(|line| line.starts_with("lock:") && line.contains(" FLOCK "))
        {
            return Some(true);
        }
    }
    Some(false)
}

/// The process that holds the lock on `file`, as the kernel's list has it; 0 for one that
/// cannot be seen from here. The kernel stops all locking for that, which took 10 to 15 ms.
pub(super) fn holder(file: &File) -> Option<u32> {
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let place = place(file)?;
    locks.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        // One that only waits has an arrow in front.
        (fields.next()? == "FLOCK").then_some(())?;
        let pid: i64 = fields.nth(2)?.parse().ok()?;
        (fields.next()? == place).then(|| u32::try_from(pid).unwrap_or(0))
    })
}

/// A file as the kernel's list of locks names it: the device of its file system, which is not
/// always the one that `stat` says, and its number there.
fn place(file: &File) -> Option<String> {
    let about = file.metadata().ok()?;
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).unwrap_or_default();
    let field = |name: &str| {
        info.lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    };
    let inode = field("ino:").map_or_else(|| about.ino().to_string(), str::to_owned);
    let device = field("mnt_id:").and_then(device).unwrap_or_else(|| {
        let device = about.dev();
        (rustix::fs::major(device), rustix::fs::minor(device))
    });
    Some(format!("{:02x}:{:02x}:{inode}", device.0, device.1))
}

/// The device of a mount.
fn device(mount: &str) -> Option<(u32, u32)> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        (fields.next()? == mount).then_some(())?;
        let (major, minor) = fields.nth(1)?.split_once(':')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    })
}
