//! What is left of the disk and of memory.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use nix::sys::statvfs::statvfs;

use crate::{cgroup, limits, process};

/// Room on a file system, for an ordinary user: what is reserved for root is not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// Free bytes.
    pub bytes: u64,
    /// Free inodes; none when the file system has no limit of its own.
    pub inodes: Option<u64>,
}

impl fmt::Display for DiskSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bytes {
            bytes if bytes >= 1 << 20 => write!(f, "{} MB", bytes >> 20)?,
            bytes => write!(f, "{} kB", bytes >> 10)?,
        }
        match self.inodes {
            Some(inodes) => write!(f, " and {inodes} inodes free"),
            None => f.write_str(" free"),
        }
    }
}

/// The room where `path` is or will be: its nearest parent that exists is asked.
///
/// # Errors
/// When none of them can be asked.
pub fn disk_space(path: &Path) -> io::Result<DiskSpace> {
    let existing = path.ancestors().find(|ancestor| ancestor.exists());
    let about = statvfs(existing.unwrap_or(Path::new("/")))?;
    Ok(DiskSpace {
        bytes: about.blocks_available() * about.fragment_size(),
        inodes: (about.files() > 0).then(|| about.files_available()),
    })
}

/// Memory that can be used without swapping, in bytes: `MemAvailable`.
///
/// # Errors
/// When `/proc/meminfo` cannot be read or lacks it.
pub fn free_memory() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    kilobytes(&text, "MemAvailable:").ok_or_else(|| io::Error::other("/proc/meminfo has no MemAvailable"))
}

/// Memory that one more process beside `pid` would find before the kernel has to kill one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// In bytes, swap included.
    pub bytes: u64,
    /// The control group whose limit that is; none when it is the machine's own.
    pub group: Option<PathBuf>,
}

/// What the machine, and the groups that `pid` lives in, leave.
///
/// # Errors
/// As [`free_memory`].
pub fn memory_beside(pid: u32) -> io::Result<Memory> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let free = free_memory()?.saturating_add(kilobytes(&text, "SwapFree:").unwrap_or(0));
    let machine = Memory {
        bytes: limits::left_to_commit().map_or(free, |left| left.min(free)),
        group: None,
    };
    let group = cgroup::tightest(pid).filter(|limit| limit.left < machine.bytes);
    Ok(group.map_or(machine, |limit| Memory {
        bytes: limit.left,
        group: Some(limit.group),
    }))
}

/// Memory in use by the processes `roots` and all below them, in bytes. What several of them
/// share is counted once, where the kernel says so (`Pss`; needs the same user or root), else
/// once for each (`VmRSS`). Processes that are gone count nothing.
#[must_use]
pub fn memory_of(roots: &[u32]) -> u64 {
    process::trees(roots).into_iter().map(memory_of_one).sum()
}

fn memory_of_one(pid: u32) -> u64 {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    kilobytes(&read("smaps_rollup"), "Pss:")
        .or_else(|| kilobytes(&read("status"), "VmRSS:"))
        .unwrap_or(0)
}

/// The value of a line as `Pss:   812 kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(number * 1024)
}

#[cfg(test)]
mod tests {
    use crate::capacity::*;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    #[test]
    fn the_room_of_a_path_is_that_of_its_parent_that_exists() {
        let temp = tempfile::tempdir().unwrap();
        let here = disk_space(temp.path()).unwrap();
        let deep = disk_space(&temp.path().join("not/there/yet")).unwrap();
        assert!(here.bytes > 0);
        assert!(here.bytes.abs_diff(deep.bytes) < 1 << 30);
        assert_eq!(disk_space(Path::new("/proc")).unwrap().bytes, 0);
    }

    #[test]
    fn free_memory_is_part_of_all_memory() {
        let text = fs::read_to_string("/proc/meminfo").unwrap();
        let all = kilobytes(&text, "MemTotal:").unwrap();
        let free = free_memory().unwrap();
        assert!(free > 0 && free < all, "{free} of {all}");
    }

    #[test]
    fn the_children_count_with_their_parent() {
        let size = 64 << 20;
        let hold = format!("x = bytearray({size}); print(1, flush=True); input()");
        let script = format!("python3 -c '{hold}'; true");
        let mut shell = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0];
        io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut ready).unwrap();
        let pid = shell.id();
        let (alone, tree) = (memory_of_one(pid), memory_of(&[pid, pid]));
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert!(alone < size, "{alone}");
        assert!(tree > size && tree < 2 * size, "{tree}");
        let deadline = Instant::now() + Duration::from_secs(5);
        while memory_of(&[pid]) > 0 {
            assert!(Instant::now() < deadline);
        }
    }
}
