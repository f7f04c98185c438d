//! What `bg repair` does about each kind of drift. Whatever serves visitors is left alone.

use engine::app::App;
use engine::{drift, process_list, run, slot, traffic};
use jiff::Timestamp;
use model::color::Route;
use model::drift::Drift;
use model::event::{Event, Repair, Sink};
use model::failure::{Deployment, Failure, Traffic};
use model::journal::{Left, Record, RunId, Verb};
use state::journal::Journal;
use state::{releases, run_logs};
use sys::lock::user_name;

/// Mends one thing; what only a person can mend is told again.
///
/// # Errors
/// What could not be done, with what is live as it was.
pub async fn mend(app: &App, journal: &mut Journal, drift: &Drift, sink: &dyn Sink) -> Result<(), Failure> {
    match drift {
        Drift::Moved { left, now } => note(app, journal, left, now)?,
        Drift::Renamed(misnamed) => rename(app, &misnamed.live)?,
        // That it was started again is a fact of its own.
        Drift::Dead {
            live, by_hand: None, ..
        } => return start(app, live, sink).await,
        Drift::Unsaved { .. } => keep(app).await?,
        // The daemon was brought back before, or said why it does not come.
        Drift::Asleep { .. } => return Ok(()),
        Drift::Dead { .. } | Drift::Strange { .. } | Drift::Stolen { .. } => {
            return drift::tell(std::slice::from_ref(drift), sink);
        }
    }
    sink.emit(Event::Recovered(Repair::DriftMended(drift.clone())));
    Ok(())
}

/// A person moved traffic: that is a switch which the journal did not see.
fn note(app: &App, journal: &mut Journal, left: &Left, now: &Left) -> Result<(), Failure> {
    let run = RunId::new(
        Timestamp::now(),
        std::process::id(),
        run_logs::forget_old(&app.layout).as_ref(),
    );
    let begin = Record::Begin {
        run: run.clone(),
        at: Timestamp::now(),
        verb: Verb::Repair,
        by: user_name(),
        from: Route {
            color: now.live.color,
            maintenance: now.maintenance,
            share: now.share,
        },
        was: left.live.release.clone(),
        fleet: false,
        request_id: None,
    };
    let commit = Record::Commit {
        run,
        at: Timestamp::now(),
        verb: Verb::Repair,
        live: now.live.clone(),
        maintenance: now.maintenance,
        share: now.share,
        was: left.live.release.clone(),
        summary: format!("{} was made live without bg", now.live),
        doubt: false,
    };
    journal
        .write(begin)
        .and_then(|()| journal.write(commit))
        .map_err(|error| run::journal_failure(app, error))
}

fn rename(app: &App, live: &Deployment) -> Result<(), Failure> {
    let Some(release) = &live.release else {
        return Ok(());
    };
    let failed = |error| Failure::failed(format!("cannot point the slot at {live}")).because(error);
    releases::point_slot(&app.layout, live.color, release).map_err(failed)?;
    releases::write_answer(&app.nginx_files, app.name(), live.color, Some(release)).map_err(failed)
}

async fn start(app: &App, live: &Deployment, sink: &dyn Sink) -> Result<(), Failure> {
    let Some(release) = &live.release else {
        return Ok(());
    };
    let Some(down) = drift::dead_slot(app, live).await else {
        return Ok(());
    };
    let other = live.color.other();
    let failed = |failure: Failure| {
        failure
            .hint(format!(
                "`bg switch {other}` or `bg rollback` moves traffic away from it"
            ))
            .with_traffic(Traffic::Unchanged { live: live.clone() })
    };
    slot::discard(app, &down).await.map_err(failed)?;
    let nonce = format!("repair-{}", std::process::id());
    slot::revive(app, down, release, &nonce, sink)
        .await
        .map_err(failed)?;
    keep(app).await
}

async fn keep(app: &App) -> Result<(), Failure> {
    process_list::save(app).await.map_err(|error| {
        Failure::failed("PM2's list was not saved for a reboot")
            .because(error)
            .with_traffic(traffic::unchanged(app))
    })
}
