//! The limits on memory that a process lives under besides the machine's own: its control
//! groups, as systemd's `MemoryMax` or a container sets them.

use std::fs;
use std::path::{Path, PathBuf};

/// A group with a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The group, as `/system.slice/pm2-deploy.service`.
    pub group: PathBuf,
    /// What those in it can still take, in bytes, pages of files that can be dropped included.
    pub left: u64,
}

/// How one version of the kernel's interface names things.
struct Names {
    limit: &'static str,
    used: &'static str,
    /// Fields of `memory.stat` that the kernel takes back before it kills anything.
    droppable: &'static [&'static str],
}

const FIRST: Names = Names {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    droppable: &["total_inactive_file", "total_active_file"],
};

const SECOND: Names = Names {
    limit: "memory.max",
    used: "memory.current",
    droppable: &["inactive_file", "active_file", "slab_reclaimable"],
};

/// The group above `pid` that leaves least; `None` when no limit can be read.
#[must_use]
pub fn tightest(pid: u32) -> Option<Limit> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let (names, mount, group) = of_memory(&text)?;
    least(names, Path::new(mount), group)
}

/// Where the lines of `/proc/<pid>/cgroup` put a process: `4:memory:/a` before `0::/a`, which
/// says nothing of memory where both are there.
fn of_memory(text: &str) -> Option<(&'static Names, &'static str, &Path)> {
    let lines = || {
        text.lines()
            .filter_map(|line| line.split_once(':')?.1.split_once(':'))
    };
    let first = lines().find(|(kinds, _)| kinds.split(',').any(|kind| kind == "memory"));
    let second = lines().find(|(kinds, _)| kinds.is_empty());
    first
        .map(|(_, group)| (&FIRST, "/sys/fs/cgroup/memory", Path::new(group)))
        .or_else(|| second.map(|(_, group)| (&SECOND, "/sys/fs/cgroup", Path::new(group))))
}

/// A group that is not below `mount` is above the container that this is: what is there counts.
fn least(names: &Names, mount: &Path, group: &Path) -> Option<Limit> {
    let limits = group.ancestors().filter_map(|group| {
        let folder = mount.join(group.strip_prefix("/").unwrap_or(group));
        let left = left(names, &folder)?;
        Some(Limit {
            group: group.to_owned(),
            left,
        })
    });
    limits.min_by_key(|limit| limit.left)
}

fn left(names: &Names, folder: &Path) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    let (limit, used) = (number(names.limit)?, number(names.used)?);
    let stat = read("memory.stat").unwrap_or_default();
    let droppable = stat
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(name, _)| names.droppable.contains(name))
        .filter_map(|(_, bytes)| bytes.trim().parse::<u64>().ok())
        .fold(0, u64::saturating_add);
    Some(limit.saturating_sub(used.saturating_sub(droppable)))
}

#[cfg(test)]
mod tests {
    use crate::cgroup::*;

    #[test]
    fn the_line_that_speaks_of_memory_is_found() {
        let table = [
            (
                "0::/a.slice/b.service\n",
                Some(("/sys/fs/cgroup", "/a.slice/b.service")),
            ),
            (
                "9:name=systemd:/\n4:cpu,memory:/one\n0::/two\n",
                Some(("/sys/fs/cgroup/memory", "/one")),
            ),
            ("3:cpuset:/\n", None),
            ("", None),
        ];
        for (text, expected) in table {
            let found = of_memory(text).map(|(_, mount, group)| (mount, group.to_str().unwrap()));
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn the_tightest_group_counts_and_what_can_be_dropped_is_free() {
        let mount = tempfile::tempdir().unwrap();
        let group = |path: &str, limit: &str, used: &str, stat: &str| {
            let folder = mount.path().join(path);
            fs::create_dir_all(&folder).unwrap();
            for (name, text) in [
                ("memory.max", limit),
                ("memory.current", used),
                ("memory.stat", stat),
            ] {
                fs::write(folder.join(name), text).unwrap();
            }
        };
        group(
            "a",
            "1000\n",
            "900\n",
            "anon 500\ninactive_file 200\nactive_file 100\n",
        );
        group("a/b", "max\n", "5\n", "");
        group("c", "100\n", "300\n", "slab_reclaimable 50\n");
        let of = |path: &str| {
            let least = least(&SECOND, mount.path(), Path::new(path))?;
            Some((least.group.to_str().unwrap().to_owned(), least.left))
        };
        assert_eq!(of("/a/b"), Some(("/a".to_owned(), 400)));
        assert_eq!(of("/c"), Some(("/c".to_owned(), 0)));
        assert_eq!(of("/elsewhere"), None);
    }
}
