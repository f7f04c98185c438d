//! PM2's daemon, brought back where it died. Starting a single process would start a daemon
//! that keeps nothing else, and saving that one's list would take every other app of this
//! PM2 out of the next reboot.

use keeper::pm2::{Daemon, Pm2Error, Saved};
use model::event::{Event, Repair, Sink, Step, Warning};

use crate::app::App;

/// Where the daemon is down: starts it with all that it kept, the live color among them.
/// `true` when it was down. A daemon that does not come back is told and stops nothing:
/// a rollback must work without.
pub async fn resurrect(app: &App, sink: &dyn Sink) -> bool {
    let kept = match kept_by_a_dead_one(app).await {
        Ok(kept) if kept.is_empty() => return false,
        Ok(kept) => kept,
        Err(error) => {
            warn(sink, &error);
            return false;
        }
    };
    match app.pm2.resurrect().await {
        Ok(_) => sink.emit(Event::Recovered(Repair::Pm2Started {
            processes: kept.into_iter().map(|one| one.name).collect(),
        })),
        Err(error) => warn(sink, &error),
    }
    true
}

async fn kept_by_a_dead_one(app: &App) -> Result<Vec<Saved>, Pm2Error> {
    match app.pm2.list().await? {
        Daemon::Up(_) => Ok(Vec::new()),
        Daemon::Down => app.pm2.dump(),
    }
}

fn warn(sink: &dyn Sink, error: &Pm2Error) {
    sink.emit(Event::Warned(Warning::StepFailed {
        step: Step::ResurrectProcesses,
        problem: error.to_string(),
    }));
}
