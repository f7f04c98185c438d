//! What the kernel allows: to a process, and to sockets that wait.

use std::fs;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// How many files and sockets `pid` may have open, the limit in force; `None` when that
/// cannot be read, or there is none.
#[must_use]
pub fn open_files(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    soft(&text, "Max open files")
}

/// Has this program, and what it starts, be allowed `wanted` open files where that is more than
/// it was given and no more than it may take; returns what is in force then.
#[must_use]
pub fn raise_open_files(wanted: u64) -> u64 {
    // Without a limit to read there is none to run into.
    let Ok((given, most)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return wanted;
    };
    let more = wanted.min(most);
    if more > given && setrlimit(Resource::RLIMIT_NOFILE, more, most).is_ok() {
        return more;
    }
    given
}

/// The most connections that may wait for any one server to take them: what a server asks for
/// beyond it is cut off in silence.
#[must_use]
pub fn waiting_connections() -> Option<u64> {
    let text = fs::read_to_string("/proc/sys/net/core/somaxconn").ok()?;
    text.trim().parse().ok()
}

/// What a process could still have if each gets all that it asks for, in bytes: `None` unless
/// this host refuses memory by what was asked for instead of by what is used.
#[must_use]
pub fn left_to_commit() -> Option<u64> {
    let strict = fs::read_to_string("/proc/sys/vm/overcommit_memory").ok()?.trim() == "2";
    let text = strict.then(|| fs::read_to_string("/proc/meminfo").ok())??;
    commitment(&text)
}

fn soft(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn commitment(meminfo: &str) -> Option<u64> {
    let of = |name: &str| soft(meminfo, name).map(|kilobytes| kilobytes << 10);
    Some(of("CommitLimit:")?.saturating_sub(of("Committed_AS:")?))
}

#[cfg(test)]
mod tests {
    use crate::limits::*;

    #[test]
    fn this_process_has_a_limit() {
        let (own, _) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(open_files(std::process::id()), Some(own));
        assert_eq!(open_files(u32::MAX), None);
    }

    #[test]
    fn what_has_no_limit_has_none() {
        let text = "Limit                     Soft Limit           Hard Limit           Units\n\
                    Max open files            unlimited            unlimited            files\n";
        assert_eq!(soft(text, "Max open files"), None);
        assert_eq!(
            soft(&text.replace("unlimited", "1024"), "Max open files"),
            Some(1024)
        );
    }

    #[test]
    fn what_is_promised_already_is_not_left() {
        let text = |used: u64| format!("CommitLimit:     1000 kB\nCommitted_AS:    {used} kB\n");
        assert_eq!(commitment(&text(400)), Some(600 << 10));
        assert_eq!(commitment(&text(4000)), Some(0));
        assert_eq!(commitment("CommitLimit: 1 kB\n"), None);
    }
}
