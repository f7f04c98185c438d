//! Signals that ask a run to stop.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::host::process;

use super::{CHILD_GRACE, Run};

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
    async fn asked_by_somebody(&mut self) {
        while self.asked().await == Asked::TerminalLost {}
    }
}

impl Run<'_> {
    /// Does `work`, when nothing more happens to traffic, unless somebody asks to stop from
    /// here on: `None` then, once the programs that `work` had started are gone. A client
    /// that is gone asks for nothing.
    pub async fn until_told_to_stop<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let orders = &self.caller.orders;
        let mut stop = self.stop.lock().await;
        let client = async {
            match orders.stop_was_asked() {
                true => std::future::pending().await,
                false => orders.stop_asked().await,
            }
        };
        tokio::select! {
            biased;
            () = stop.asked_by_somebody() => {}
            () = client => {}
            done = work => return Some(done),
        }
        process::end_marked(&self.id.0, CHILD_GRACE).await;
        None
    }
}
