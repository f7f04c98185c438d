//! A terminal of its own for what somebody else's program is to run in: whoever can reach
//! the one that a shell of root's reads can type into that shell, and read what is typed.

mod pair;
mod relay;

use std::fs::OpenOptions;
use std::io::{self, IsTerminal};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::process::ExitStatus;

use nix::fcntl::OFlag;
use nix::unistd::{Uid, User};

use crate::command;
use crate::process::Stat;
use crate::self_install::THIS;
use pair::{OURS, Pair};

/// Whether a program of `owner` must not get the terminal that this process has.
#[must_use]
pub fn is_kept_from(owner: &User) -> bool {
    if owner.uid.is_root() || was_made_for_us() {
        return false;
    }
    let me = Uid::effective();
    let connected = connected();
    if me.is_root() || command::acts_for_somebody() {
        return connected.contains(&true) || has_one();
    }
    // By `sudo -u` say, which may lend the terminal that it was typed at.
    let descriptors = ["/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/2"];
    let mut owners = connected
        .iter()
        .zip(descriptors)
        .filter(|(is_terminal, _)| **is_terminal)
        .filter_map(|(_, path)| Some(std::fs::metadata(path).ok()?.uid()));
    owners.any(|uid| uid != me.as_raw()) || controlling_owner().is_some_and(|uid| uid != me.as_raw())
}

/// Which of the three standard streams are terminals.
fn connected() -> [bool; 3] {
    [
        io::stdin().is_terminal(),
        io::stdout().is_terminal(),
        io::stderr().is_terminal(),
    ]
}

fn has_one() -> bool {
    let flags = (OFlag::O_NOCTTY | OFlag::O_CLOEXEC).bits();
    OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open("/dev/tty")
        .is_ok()
}

/// Who owns the controlling terminal, where it is a pseudo-terminal.
fn controlling_owner() -> Option<u32> {
    let number = Stat::own()?.terminal;
    let (major, minor) = (
        (number >> 8) & 0xfff,
        (number & 0xff) | ((number >> 12) & 0xf_ff00),
    );
    let path = (major == 136).then(|| format!("/dev/pts/{minor}"))?;
    Some(std::fs::metadata(path).ok()?.uid())
}

fn was_made_for_us() -> bool {
    let number = Stat::own().map_or(0, |stat| stat.terminal);
    number != 0 && std::env::var(OURS).is_ok_and(|made| made == number.to_string())
}

/// Runs this very command again in a session of its own, on a terminal of its own where it
/// has one now, and passes on what is typed and what is shown until it ends.
///
/// # Errors
/// When no terminal can be had, or the program cannot be started.
pub async fn stand_between() -> io::Result<ExitStatus> {
    // Whoever became the owner must not be looked into by programs of theirs.
    nix::sys::prctl::set_dumpable(false)?;
    let connected = connected();
    let mut words = std::env::args_os();
    let mut again = std::process::Command::new(THIS);
    if let Some(name) = words.next() {
        again.arg0(name);
    }
    again.args(words);
    let pair = match connected.contains(&true) {
        true => Some(Pair::open(connected)?),
        false => None,
    };
    command::begin_session(&mut again);
    if let Some(pair) = &pair {
        pair.connect(&mut again, connected)?;
    }
    relay::run(again, pair, connected).await
}
