//! Room: on disk and in memory.

use std::fmt;
use std::path::Path;

/// Room on a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    /// Bytes that this user may still use.
    pub bytes: u64,
    /// Inodes that are left; `None` on file systems that have no fixed number.
    pub inodes: Option<u64>,
}

impl fmt::Display for Free {
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

/// Room where `path` lies.
///
/// # Errors
/// When the system does not say.
pub fn free(path: &Path) -> std::io::Result<Free> {
    let about = nix::sys::statvfs::statvfs(path)?;
    Ok(Free {
        bytes: about.blocks_available() * about.fragment_size(),
        inodes: (about.files() > 0).then(|| about.files_available()),
    })
}

/// Memory that programs can get without swapping, bytes.
#[must_use]
pub fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    kilobytes(&text, "MemAvailable:")
}

/// Memory that processes hold, bytes, shared pages divided among those who share them
/// where the kernel says.
#[must_use]
pub fn resident(pids: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok();
        let status = || std::fs::read_to_string(format!("/proc/{pid}/status")).ok();
        rollup
            .and_then(|text| kilobytes(&text, "Pss:"))
            .or_else(|| kilobytes(&status()?, "VmRSS:"))
    };
    pids.iter().filter_map(of).sum()
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let count: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(count << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_some() {
        assert!(free(Path::new("/")).unwrap().bytes > 0);
        assert!(free_memory().unwrap() > 0);
        assert!(resident(&[std::process::id()]) > 100 << 10);
    }
}
