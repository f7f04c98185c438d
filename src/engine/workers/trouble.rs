//! A worker that does not run as it should, and what is said about it.

use model::config::worker::OnFailure;
use model::event::{Event, Sink, Warning, WorkerTrouble};
use model::failure::Failure;
use model::release::ReleaseId;

/// Why a worker does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// In a sentence without a final stop.
    pub(super) text: String,
    /// Its own last lines, secrets taken out.
    pub(super) log: Vec<String>,
}

impl Problem {
    pub(super) fn new(text: impl Into<String>) -> Problem {
        Problem {
            text: text.into(),
            log: Vec::new(),
        }
    }
}

/// A worker that is not where it should be.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) worker: String,
    pub(super) on_failure: OnFailure,
    /// The release that it should run; none where it should not run.
    pub(super) release: Option<ReleaseId>,
    pub(super) problem: Problem,
    /// The release that it runs instead.
    pub(super) runs: Option<ReleaseId>,
    /// Why it does not run that either.
    pub(super) back: Option<Problem>,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Why(String);

impl Trouble {
    pub(super) fn told(&self) -> WorkerTrouble {
        WorkerTrouble {
            worker: self.worker.clone(),
            release: self.release.clone(),
            runs: self.runs.clone(),
            back: self.back.as_ref().map(|problem| problem.text.clone()),
            problem: self.problem.text.clone(),
        }
    }

    fn into_failure(self) -> Failure {
        let hint = match (&self.release, &self.runs) {
            (None, _) | (_, None) => "`bg repair` tries again",
            _ => "fix the worker and `bg deploy`, or `bg rollback`; `bg repair` tries this release again",
        };
        Failure::failed(self.told().to_string())
            .because(Why(self.problem.text))
            .showing(self.problem.log)
            .hint(format!("`bg logs --worker {}` shows the whole log", self.worker))
            .hint(hint)
    }
}

/// The first of them as a failure, the others as warnings.
pub(super) fn first(troubles: Vec<Trouble>, sink: &dyn Sink) -> Result<(), Failure> {
    let mut troubles = troubles.into_iter();
    let Some(first) = troubles.next() else {
        return Ok(());
    };
    for other in troubles {
        sink.emit(Event::Warned(Warning::WorkerFailed(other.told())));
    }
    Err(first.into_failure())
}
