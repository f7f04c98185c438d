//! Ctrl-C at the client: once asks, twice leaves.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How often somebody asked to stop.
#[derive(Clone, Debug)]
pub struct Interrupts(watch::Receiver<u32>);

impl Interrupts {
    /// Counts from here on; the process no longer dies of these signals.
    #[must_use]
    pub fn listen() -> Interrupts {
        let (count, counted) = watch::channel(0);
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            let Ok(mut signals) = signal(kind) else { continue };
            let count = count.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    count.send_modify(|count| *count += 1);
                }
            });
        }
        Interrupts(counted)
    }

    /// Waits for the first.
    pub async fn first(&mut self) {
        self.at_least(1).await;
    }

    /// Waits for the second.
    pub async fn second(&mut self) {
        self.at_least(2).await;
    }

    async fn at_least(&mut self, wanted: u32) {
        if self.0.wait_for(|count| *count >= wanted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
