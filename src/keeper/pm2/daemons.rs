//! Every PM2 daemon of this machine, by the title that it gives itself. Anybody can give that
//! title to a program of theirs: each is asked with the rights of its own user, believed about
//! processes of that user only, and no `pm2` of root's is ever started on its home.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use nix::unistd::Uid;
use sys::path_security;
use sys::process::{self, Process};

use crate::pm2::rpc::RpcError;
use crate::pm2::{Pm2, Pm2Error, Proc, entry};

/// So many entries of one daemon are looked at; two hundred are many on a real host.
const MOST_ENTRIES: usize = 1000;

/// A daemon that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its `PM2_HOME`.
    pub home: PathBuf,
    /// Its process.
    pub pid: u32,
    /// Whose it is, and its home too.
    pub uid: Uid,
}

/// Those that this user can speak to: all for root.
#[must_use]
pub fn running() -> Vec<Running> {
    let me = Uid::effective();
    let found = process::all().into_iter().filter_map(|pid| {
        let uid = process::owner(pid).map(Uid::from_raw)?;
        let home = home(&process::cmdline(pid)?, || given_home(pid))?;
        Some((Process::of(pid)?.started, Running { home, pid, uid }))
    });
    let mine = |(_, daemon): &(u64, Running)| (me.is_root() || daemon.uid == me) && daemon.has_its_own_home();
    oldest_of_each_home(found.filter(mine).collect())
}

/// What a daemon starts has the daemon's title until its own program is loaded; the daemon is
/// the older of the two.
fn oldest_of_each_home(mut found: Vec<(u64, Running)>) -> Vec<Running> {
    found.sort_by_key(|(started, one)| (*started, one.pid));
    let mut daemons: Vec<Running> = Vec::new();
    for (_, one) in found {
        let is_it = |known: &Running| known.home == one.home && known.uid == one.uid;
        if !daemons.iter().any(is_it) {
            daemons.push(one);
        }
    }
    daemons
}

impl Running {
    /// PM2 loads modules from its home: one that somebody else can write is not asked for root.
    fn has_its_own_home(&self) -> bool {
        if self.uid.is_root() {
            return path_security::roots_alone(&self.home).is_ok();
        }
        std::fs::metadata(&self.home).is_ok_and(|about| about.uid() == self.uid.as_raw())
    }

    /// What it keeps, as far as it is its own user's.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn entries(&self) -> Result<Vec<Proc>, Pm2Error> {
        let pm2 = Pm2::new("pm2", &self.home);
        let mut entries = match Uid::effective().is_root() {
            false => pm2.list().await?.entries(),
            // Over the socket and in no other way: whoever is silent has nothing of theirs started.
            true => {
                let list = pm2.call("getMonitorData").await.map_err(Pm2Error::List)?;
                let odd = |_| Pm2Error::List(RpcError::Odd("a list of entries"));
                entry::from_json(list).map_err(odd)?
            }
        };
        entries.truncate(MOST_ENTRIES);
        let is_theirs = |pid: u32| process::owner(pid) == Some(self.uid.as_raw());
        entries.retain(|entry| entry.pid.is_none_or(is_theirs));
        Ok(entries)
    }
}

/// `PM2 v7.0.4: God Daemon (/home/deploy/.pm2)`. A title has no more room than the command line
/// had, some 50 characters: of a longer home it has the beginning, and the rest is in `given`.
fn home(title: &str, given: impl FnOnce() -> Option<PathBuf>) -> Option<PathBuf> {
    let (name, rest) = title.split_once(": God Daemon (")?;
    if !name.starts_with("PM2 v") {
        return None;
    }
    let rest = rest.trim_end();
    match rest.strip_suffix(')') {
        Some(home) => Some(PathBuf::from(home)),
        None => given().filter(|home| home.to_string_lossy().starts_with(rest)),
    }
}

/// The `PM2_HOME` that PM2 starts its daemon with.
fn given_home(pid: u32) -> Option<PathBuf> {
    let variables = process::env(pid)?;
    let mut variables = variables.split(|byte| *byte == 0);
    let home = variables.find_map(|variable| variable.strip_prefix(b"PM2_HOME="))?;
    Some(PathBuf::from(OsStr::from_bytes(home)))
}

#[cfg(test)]
mod tests {
    use crate::pm2::daemons::*;

    #[test]
    fn what_a_daemon_has_just_started_is_no_second_daemon() {
        let one = |pid: u32, home: &str, uid: u32| Running {
            home: home.into(),
            pid,
            uid: Uid::from_raw(uid),
        };
        let found = vec![
            (70, one(12, "/a", 1)),
            (50, one(900, "/a", 1)),
            (60, one(30, "/b", 1)),
            (60, one(31, "/b", 1)),
            (65, one(32, "/b", 2)),
        ];
        let pids: Vec<u32> = oldest_of_each_home(found).iter().map(|one| one.pid).collect();
        assert_eq!(pids, [900, 30, 32]);
    }

    #[test]
    fn a_daemon_says_where_its_home_is() {
        let title = "PM2 v7.0.4: God Daemon (/home/a (b)/.pm2)";
        let nowhere = || None;
        assert_eq!(home(title, nowhere), Some("/home/a (b)/.pm2".into()));
        let cut = "PM2 v7.0.4: God Daemon (/home/somebody/a lo";
        let given = || Some(PathBuf::from("/home/somebody/a long name/.pm2"));
        assert_eq!(home(cut, given), given());
        assert_eq!(home(cut, nowhere), None);
        assert_eq!(home(cut, || Some("/elsewhere".into())), None);
        for other in [
            "grep God Daemon (",
            "PM2 v7",
            "x: God Daemon (/y)",
            "x: God Daemon (/home",
        ] {
            assert_eq!(home(other, given), None, "{other}");
        }
    }
}
