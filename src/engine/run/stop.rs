//! Signals that ask a run to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that ask to stop. While this is there the process no longer dies of them, so
/// that a cutover that has begun always ends.
pub(super) struct Stop {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hangup: Option<Signal>,
}

/// How a run is asked to stop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Interrupted,
    Terminated,
    TerminalLost,
}

impl Asked {
    /// As people call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Asked::Interrupted => "Ctrl-C",
            Asked::Terminated => "SIGTERM",
            Asked::TerminalLost => "a lost terminal",
        }
    }
}

impl Stop {
    pub(super) fn listen() -> Stop {
        let listen = |kind| signal(kind).ok();
        Stop {
            interrupt: listen(SignalKind::interrupt()),
            terminate: listen(SignalKind::terminate()),
            hangup: listen(SignalKind::hangup()),
        }
    }

    /// Waits for one; one that came since [`Stop::listen`] counts.
    pub(super) async fn asked(&mut self) -> Asked {
        async fn one(signal: &mut Option<Signal>) {
            match signal {
                Some(signal) => {
                    signal.recv().await;
                }
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = one(&mut self.interrupt) => Asked::Interrupted,
            () = one(&mut self.terminate) => Asked::Terminated,
            () = one(&mut self.hangup) => Asked::TerminalLost,
        }
    }

    /// The same, but for a terminal that is gone: what is over for traffic goes on without.
    pub(super) async fn asked_by_somebody(&mut self) {
        while self.asked().await == Asked::TerminalLost {}
    }
}
