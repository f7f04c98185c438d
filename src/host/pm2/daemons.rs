//! Every PM2 daemon of this machine, by the title that it gives itself.

use std::path::PathBuf;

use nix::unistd::Uid;

use crate::host::process;

/// A daemon that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its `PM2_HOME`.
    pub home: PathBuf,
    /// Its process.
    pub pid: u32,
}

/// Those that this user can speak to: all for root.
#[must_use]
pub fn running() -> Vec<Running> {
    let me = Uid::effective();
    let may_speak = |pid: &u32| me.is_root() || process::owner(*pid) == Some(me.as_raw());
    process::all()
        .into_iter()
        .filter(may_speak)
        .filter_map(|pid| {
            let home = home(&process::cmdline(pid)?)?;
            Some(Running { home, pid })
        })
        .collect()
}

/// `PM2 v7.0.4: God Daemon (/home/deploy/.pm2)`.
fn home(title: &str) -> Option<PathBuf> {
    let (name, rest) = title.split_once(": God Daemon (")?;
    let home = rest.trim_end().strip_suffix(')')?;
    name.starts_with("PM2 v").then(|| PathBuf::from(home))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_says_where_its_home_is() {
        let title = "PM2 v7.0.4: God Daemon (/home/a (b)/.pm2)";
        assert_eq!(home(title), Some("/home/a (b)/.pm2".into()));
        for other in ["grep God Daemon (", "PM2 v7", "x: God Daemon (/y)"] {
            assert_eq!(home(other), None, "{other}");
        }
    }
}
