//! Signals that ask a run to stop.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that ask to stop. While this is there the process no longer dies of them, so
/// that a cutover that has begun always ends.
pub(super) struct Stop {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hangup: Option<Signal>,
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
    pub(super) async fn asked(&mut self) -> &'static str {
        async fn one(signal: &mut Option<Signal>) {
            match signal {
                Some(signal) => {
                    signal.recv().await;
                }
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = one(&mut self.interrupt) => "Ctrl-C",
            () = one(&mut self.terminate) => "SIGTERM",
            () = one(&mut self.hangup) => "a lost terminal",
        }
    }
}
