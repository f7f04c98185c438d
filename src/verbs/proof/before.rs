//! What the paths of the site answered from the old color, asked just before it is
//! replaced: a color that fails where the other failed in the same way takes nothing away.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::host::app::App;
use crate::host::front::{self, Door, Nonce, Sick};
use crate::model::color::Route;

/// The swap waits no longer for these answers. The requests are on their way by then, and
/// the old color still answers them.
const HEAD_START: Duration = Duration::from_millis(100);

/// The answers of the old color, as they come in.
#[derive(Debug, Default)]
pub struct Before {
    asked: JoinSet<Option<Answered>>,
    known: Vec<Answered>,
    /// No release was live: there is nothing to compare with, and nothing to lose.
    nothing_was_live: bool,
}

#[derive(Debug)]
struct Answered {
    door: Door,
    path: String,
    status: u16,
}

impl Before {
    /// Asks each path on each listener once.
    pub async fn ask(app: &App, from: Route, was_live: bool) -> Before {
        let mut before = Before {
            nothing_was_live: !was_live,
            ..Before::default()
        };
        if !was_live || from.maintenance {
            return before;
        }
        let port = app.config.process.ports.of(from.color);
        let slot = SocketAddr::from(([127, 0, 0, 1], port));
        for door in &app.doors {
            for path in &app.config.nginx.paths {
                let (door, path, name) = (door.clone(), path.clone(), app.name().to_owned());
                before.asked.spawn(async move {
                    let answer = front::prove(&door, &path, &name, slot, 1, &Nonce::fresh()).await;
                    let status = answer.ok()?.status;
                    Some(Answered { door, path, status })
                });
            }
        }
        tokio::time::timeout(HEAD_START, before.rest()).await.ok();
        before
    }

    async fn rest(&mut self) {
        while let Some(answered) = self.asked.join_next().await {
            self.known.extend(answered.ok().flatten());
        }
    }

    /// Whether visitors lose nothing by what is `sick`: each of it answered so before, or
    /// nothing was there to answer.
    pub async fn was_alike(&mut self, sick: &[Sick]) -> bool {
        if self.nothing_was_live {
            return true;
        }
        self.rest().await;
        sick.iter().all(|now| {
            self.known.iter().any(|before| {
                (&before.door, &before.path, before.status) == (&now.door, &now.path, now.status)
            })
        })
    }
}
