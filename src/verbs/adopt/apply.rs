//! Adopting, step by step. What is about to be changed is written down first; each step can
//! be the last that a killed run took.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use engine::app::App;
use jiff::Timestamp;
use model::color::Route;
use model::config::Config;
use model::event::{Event, Note, Repair, Sink};
use model::failure::{Deployment as Live, Failure};
use model::journal::{Record as Entry, RunId, Verb};
use nginx::files;
use state::journal::Journal;
use state::registry::Registry;
use state::releases;
use sys::lock::user_name;
use sys::store::{self, FileError};
use sys::user;

use super::super::setup;
use super::plan::Plan;
use super::record::{FileState, Record};
use super::request::{Adopting, Ask};
use super::{data, seen, undo};
use crate::text::notices;

/// Does it.
///
/// # Errors
/// When a step fails; then everything is as it was.
pub(super) async fn carry_out(plan: &Plan, ask: &Ask, sink: &dyn Sink) -> Result<(), Failure> {
    if let Some((text, path)) = plan.config_text.as_ref().zip(ask.write.as_ref()) {
        write_config(path, text)?;
    }
    let moves = if ask.move_data { paths(plan) } else { Vec::new() };
    let mut record = Record {
        format: Record::FORMAT,
        done: false,
        entry: plan.app.entry.clone(),
        config: plan.app.config.clone(),
        color: plan.color,
        release: plan.release.clone(),
        files: plan.files(),
        seen: plan.looked.seen.clone(),
        checkout: plan.adopted(Vec::new()).checkout,
        moved: Vec::new(),
    };
    record.write()?;
    if let Err(failure) = steps(plan, ask, &record, sink).await {
        return Err(match undo::put_back(&record, sink).await {
            Ok(()) => failure,
            Err(worse) => failure.hint(format!(
                "undoing the change failed, `bg adopt --undo` tries again: {}",
                worse.what
            )),
        });
    }
    if !moves.is_empty() {
        record.moved.clone_from(&moves);
        record.write()?;
        move_data(plan, &moves)?;
        sink.emit(Event::Noted(Note::DataShared { paths: moves }));
    }
    end(&plan.app, &mut record)?;
    sink.emit(Event::Noted(Note::Adopted {
        process: plan.found.entry.name.clone(),
        color: plan.color,
    }));
    Ok(())
}

fn paths(plan: &Plan) -> Vec<PathBuf> {
    plan.data.iter().map(|data| data.path.clone()).collect()
}

/// As whoever the folder belongs to: root must not be led elsewhere.
fn write_config(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = || Failure::failed(format!("`{}` cannot be written", path.display()));
    let _rights = user::as_author(path).map_err(|error| failed().because(error))?;
    store::write_whole(path, text.as_bytes(), Config::MODE).map_err(|error| failed().because(error))
}

async fn steps(plan: &Plan, ask: &Ask, record: &Record, sink: &dyn Sink) -> Result<(), Failure> {
    let (app, facts) = (&plan.app, &plan.facts);
    let wanted = setup::wanted(app, facts)?;
    setup::lay_out(app, facts)?;
    let _lock = setup::lock(app, facts).await?;
    wanted.programs.permit(app).await?;
    stand_in(plan, ask)?;
    sink.emit(Event::Noted(Note::LaidOut {
        path: app.layout.root().to_owned(),
    }));
    let mut changes = wanted.nginx;
    changes.extend(
        files::plan(&plan.rendered())
            .map_err(|error| Failure::failed("a file cannot be compared").because(error))?,
    );
    setup::nginx::change_over(app, facts, changes, &wanted.targets, sink).await?;
    let route = Route::to(plan.color);
    let proven = seen::proven(app, &record.seen, route, &plan.release)
        .await
        .map_err(|error| {
            Failure::failed("the site answered differently after the change, so its files were put back")
                .because(error)
                .hint("`bg adopt` without `--yes` shows what was changed")
        })?;
    let mut names: Vec<String> = Vec::new();
    for seen in record.seen.iter().filter(|seen| seen.to_the_app) {
        if !names.contains(&seen.host) {
            names.push(seen.host.clone());
        }
    }
    sink.emit(Event::Noted(Note::AdoptionProven {
        color: plan.color,
        by_the_app: proven.by_the_app,
        by_others: proven.by_others,
        names,
    }));
    setup::register(app, facts, &Registry::of_this_user())?;
    wanted.programs.place(app)
}

/// The slot, with a folder in place of a release: links to what NGINX serves from the work
/// tree, and to nothing else of it.
fn stand_in(plan: &Plan, ask: &Ask) -> Result<(), Failure> {
    let (app, facts) = (&plan.app, &plan.facts);
    let mut manifest = plan.manifest()?;
    if let Some(adopted) = &mut manifest.adopted {
        adopted.data = if ask.leave_data { Vec::new() } else { paths(plan) };
        if ask.leave_env {
            adopted.variables.clear();
        }
        let _rights = setup::owner::rights(facts)?;
        let folder = app.layout.release(&plan.release);
        let failed = |error: FileError| Failure::failed("the slot cannot be made").because(error);
        fs::create_dir_all(&folder)
            .map_err(FileError::at("make", &folder))
            .map_err(failed)?;
        for served in &plan.takeover.statics {
            link(
                &adopted.checkout.join(&served.folder),
                &folder.join(&served.folder),
            )
            .map_err(failed)?;
        }
    }
    let _rights = setup::owner::rights(facts)?;
    releases::write(&app.layout, &manifest)
        .and_then(|()| releases::point_slot(&app.layout, plan.color, &plan.release))
        .map_err(|error| Failure::failed("the slot cannot be made").because(error))
}

fn link(target: &Path, at: &Path) -> Result<(), FileError> {
    // What lies in a folder that is linked already is there.
    if fs::symlink_metadata(at).is_ok() {
        return Ok(());
    }
    let folder = at.parent().unwrap_or(at);
    fs::create_dir_all(folder).map_err(FileError::at("make", folder))?;
    symlink(target, at).map_err(FileError::at("make", at))
}

fn move_data(plan: &Plan, paths: &[PathBuf]) -> Result<(), Failure> {
    let checkout = plan.adopted(Vec::new()).checkout;
    data::share(&checkout, &plan.app.layout.shared(), paths, &plan.found.owner)
        .map_err(|failure| failure.hint("the process is adopted all the same"))
}

/// The journal's word, and the end of the record.
fn end(app: &App, record: &mut Record) -> Result<(), Failure> {
    write_history(app, record)?;
    record.done = true;
    record.write()
}

fn write_history(app: &App, record: &Record) -> Result<(), Failure> {
    let failed = |error| Failure::failed("the history cannot be written").because(error);
    let owner = super::super::remove::owner(app)?;
    let _rights = super::super::remove::rights(&owner)?;
    let mut journal = Journal::open(&app.layout.journal()).map_err(failed)?;
    let run = RunId::new(Timestamp::now(), std::process::id(), None);
    let from = Route::to(record.color);
    let begin = Entry::Begin {
        run: run.clone(),
        at: Timestamp::now(),
        verb: Verb::Adopt,
        by: user_name(),
        from,
        was: Some(record.release.clone()),
        fleet: false,
        request_id: None,
    };
    let name = releases::read(&app.layout, &record.release)
        .ok()
        .and_then(|manifest| manifest.adopted);
    let commit = Entry::Commit {
        run,
        at: Timestamp::now(),
        verb: Verb::Adopt,
        live: Live {
            color: record.color,
            release: Some(record.release.clone()),
        },
        maintenance: false,
        share: None,
        was: Some(record.release.clone()),
        summary: format!(
            "{} ({} adopted as it runs)",
            record.color,
            name.map_or_else(|| "a process".to_owned(), |adopted| adopted.pm2_name)
        ),
        doubt: false,
    };
    journal
        .write(begin)
        .and_then(|()| journal.write(commit))
        .map_err(failed)
}

/// A run that was killed at its very end only has that left to do; `None` for one that has
/// to be put back first.
///
/// # Errors
/// When it cannot be written down.
pub(super) async fn finish(record: &Record, sink: &dyn Sink) -> Result<Option<Adopting>, Failure> {
    let registered = Registry::of_this_user()
        .find(&record.entry.app)
        .is_ok_and(|entry| entry == record.entry);
    let applied = record.files.iter().all(|file| file.state() == FileState::After);
    let Ok(app) = App::with(record.entry.clone(), record.config.clone()) else {
        return Ok(None);
    };
    let route = Route::to(record.color);
    if !registered
        || !applied
        || seen::proven(&app, &record.seen, route, &record.release)
            .await
            .is_err()
    {
        return Ok(None);
    }
    let owner = super::super::remove::owner(&app)?;
    data::share(&record.checkout, &app.layout.shared(), &record.moved, &owner)?;
    let mut record = record.clone();
    end(&app, &mut record)?;
    let finished = Repair::AdoptionFinished;
    let text = notices::repair(&finished);
    sink.emit(Event::Recovered(finished));
    Ok(Some(Adopting {
        app: app.name().to_owned(),
        steps: vec![text],
        done: true,
        ..Adopting::default()
    }))
}
