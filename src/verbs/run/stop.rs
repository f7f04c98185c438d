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

    /// The same, but for a terminal that is gone: what is over for traffic goes on without.
    async fn asked_in_words(&mut self) {
        while self.asked().await == "a lost terminal" {}
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
            () = stop.asked_in_words() => {}
            () = client => {}
            done = work => return Some(done),
        }
        process::end_marked(&self.id.0, CHILD_GRACE).await;
        None
    }
}
