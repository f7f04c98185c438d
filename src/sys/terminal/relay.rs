//! Passes on what is typed, what is shown, the terminal's size and the signals.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, read};
use rustix::termios::{self, OptionalActions, Termios};
use tokio::signal::unix::{SignalKind, signal};

use crate::terminal::pair::{Pair, resize};

/// How long what was shown last may take to come once the program has ended, in milliseconds:
/// it lies in the terminal by then.
const LAST_WORDS: u8 = 50;

/// What is passed on at once.
const PIECE: usize = 4096;

/// Puts our terminal back as it was when it is dropped.
struct Raw(Termios);

impl Raw {
    fn begin(usual: &Termios) -> io::Result<Raw> {
        let raw = Raw(usual.clone());
        let mut settings = usual.clone();
        settings.make_raw();
        termios::tcsetattr(io::stdin(), OptionalActions::Drain, &settings)?;
        Ok(raw)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.0).ok();
    }
}

/// Starts `again` and stands between until it ends.
///
/// # Errors
/// When it cannot be started.
pub(super) async fn run(
    again: std::process::Command,
    pair: Option<Pair>,
    connected: [bool; 3],
) -> io::Result<ExitStatus> {
    // All that may end us is the program's to end by: it must not leave our terminal as it is.
    let mut signals = Signals::listen()?;
    let mut command = tokio::process::Command::from(again);
    let mut child = command.spawn()?;
    // Our own ends of its terminal would keep it open.
    drop(command);
    let group = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .map(Pid::from_raw);
    let is_over = Arc::new(AtomicBool::new(false));
    let (ours, showing, raw) = match pair {
        None => (None, None, None),
        Some(Pair { ours, theirs, usual }) => {
            drop(theirs);
            let raw = match (connected, usual) {
                ([true, ..], Some(usual)) => Some(Raw::begin(&usual)?),
                _ => None,
            };
            let ours = Arc::new(ours);
            let (to, over) = (Arc::clone(&ours), Arc::clone(&is_over));
            let showing = thread::spawn(move || show(&to, &over, connected));
            if connected[0] {
                let to = Arc::clone(&ours);
                // It waits for a key for as long as this process lives.
                thread::spawn(move || pass(&to));
            }
            (Some(ours), Some(showing), raw)
        }
    };
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            signal = signals.next() => match signal {
                Signal::SIGWINCH => {
                    if let Some(ours) = &ours {
                        resize(ours, connected);
                    }
                }
                signal => {
                    if let Some(group) = group {
                        killpg(group, signal).ok();
                    }
                }
            },
        }
    };
    is_over.store(true, Ordering::Release);
    if let Some(showing) = showing {
        showing.join().ok();
    }
    drop(raw);
    Ok(status)
}

/// What is typed, until nobody can type any more.
fn pass(to: &OwnedFd) {
    let mut piece = [0; PIECE];
    while let Ok(count @ 1..) = read(io::stdin(), &mut piece) {
        if write_all(to.as_fd(), piece.get(..count).unwrap_or_default()).is_err() {
            return;
        }
    }
}

/// What is shown, until the program has ended and no more comes.
fn show(from: &OwnedFd, is_over: &AtomicBool, connected: [bool; 3]) {
    let mut piece = [0; PIECE];
    loop {
        let was_over = is_over.load(Ordering::Acquire);
        let mut waited = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
        match poll(&mut waited, PollTimeout::from(LAST_WORDS)) {
            Ok(0) if was_over => return,
            Ok(0) | Err(nix::Error::EINTR) => continue,
            Ok(_) => {}
            Err(_) => return,
        }
        let Ok(count @ 1..) = read(from, &mut piece) else {
            // Nobody holds its other end.
            return;
        };
        let piece = piece.get(..count).unwrap_or_default();
        let shown = match connected {
            [_, true, _] => write_all(io::stdout().as_fd(), piece),
            [_, _, true] => write_all(io::stderr().as_fd(), piece),
            _ => write_all(io::stdin().as_fd(), piece),
        };
        if shown.is_err() {
            return;
        }
    }
}

fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> nix::Result<()> {
    while !bytes.is_empty() {
        match nix::unistd::write(to, bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The signals that are passed on.
struct Signals {
    window: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> io::Result<Signals> {
        Ok(Signals {
            window: signal(SignalKind::window_change())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.window.recv() => Signal::SIGWINCH,
            _ = self.hangup.recv() => Signal::SIGHUP,
            _ = self.interrupt.recv() => Signal::SIGINT,
            _ = self.quit.recv() => Signal::SIGQUIT,
            _ = self.terminate.recv() => Signal::SIGTERM,
        }
    }
}
