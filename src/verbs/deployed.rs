//! What came of a command that moves traffic.

use engine::run::Run;
use engine::workers::{self, WorkerStatus};
use model::config::duration::Span;
use model::failure::Deployment;
use model::journal::Verb;
use serde::{Deserialize, Serialize};

use super::canary::Stepped;
use super::preview::Link;
use super::{contract, standby};
use crate::text::Show;

/// Where traffic is after it, and what stands beside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Deployed {
    /// What was asked for.
    pub verb: Verb,
    /// What is live now.
    pub live: Deployment,
    /// What was live before, or what was staged beside it.
    pub other: Deployment,
    /// Whether traffic moved.
    pub switched: bool,
    /// Whether the other color stays up.
    pub warm: bool,
    /// Whether going back is refused, as its schema does not serve what was before.
    #[serde(default)]
    pub contract: bool,
    /// Whether it was never heard how the other hosts of the fleet did.
    pub doubt: bool,
    /// The workers of what is live.
    #[serde(default)]
    pub workers: Vec<WorkerStatus>,
    /// The share of the visitors that gets it, with `--canary`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Box<Stepped>>,
    /// The preview of what was staged, with `--preview`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preview: Option<Box<Link>>,
    /// How long at most it is watched from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watched: Option<Span>,
    /// The run's name in the history.
    pub run: String,
}

impl Deployed {
    /// What came of `run`: what is live, what stands beside it, and whether traffic moved.
    #[must_use]
    pub fn of(run: &Run<'_>, live: Deployment, other: Deployment, switched: bool) -> Deployed {
        let warm = standby::stays_warm(run.app);
        let past = (live.release.as_ref()).zip(other.release.as_ref());
        Deployed {
            contract: past
                .is_some_and(|(live, other)| contract::between(&run.app.layout, live, other).is_some()),
            verb: run.verb,
            workers: workers::statuses(run.app, live.release.as_ref()),
            live,
            other,
            switched,
            warm,
            doubt: run.is_in_doubt(),
            canary: None,
            preview: None,
            watched: None,
            run: run.id.to_string(),
        }
    }

    /// Whether somebody watches it until there is a verdict.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        let canary = self.canary.as_deref();
        self.watched.is_some() || canary.is_some_and(|canary| canary.lasts.is_some())
    }
}

impl Show for Deployed {
    fn show(&self) -> String {
        let (live, other) = (&self.live, &self.other);
        if let Some(canary) = &self.canary {
            return canary.show();
        }
        if !self.switched && other.release.is_some() && !self.contract {
            let preview = self.preview.as_deref().map_or(String::new(), Show::show);
            return format!("{live} is live; `bg switch` moves traffic to {other}\n{preview}");
        }
        // What was rolled back from is never a rollback's target.
        let back = match self.verb {
            Verb::Rollback => format!("bg switch {}", other.color),
            _ => "bg rollback".to_owned(),
        };
        let said = match &other.release {
            Some(_) if self.contract => format!(
                "{} is live. {other} does not work with the database as it is now: `{back}` refuses.\n",
                live.color
            ),
            Some(_) if !self.warm => format!(
                "{} is live. {other} was stopped: `{back}` starts it again.\n",
                live.color
            ),
            Some(_) => format!(
                "{} is live. {other} stays warm: `{back}` moves traffic back to it at once.\n",
                live.color
            ),
            None => format!("{live} is live\n"),
        };
        match self.watched {
            Some(lasts) => {
                format!("{said}It is watched for up to {lasts}: `bg status` shows what is seen.\n")
            }
            None => said,
        }
    }
}
