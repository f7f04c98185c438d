//! A slot that holds an adopted process: what it is known by, how it is let go, and what
//! there is to say about code that may change under it.

use std::path::{Path, PathBuf};

use keeper::pm2::Proc;
use model::adopted::Adopted;
use model::color::Color;
use model::event::{Event, Note, Sink};
use model::failure::Failure;
use model::journal::NoRollback;
use model::release::Manifest;
use release::adopted_checkout;
use state::{envfile, releases};
use sys::process::{self, Process};
use sys::{dotenv, sockets};

use crate::app::App;
use crate::traffic;

/// The adopted process that stands in a slot, if one does.
#[must_use]
pub fn in_slot(app: &App, color: Color) -> Option<Adopted> {
    let release = releases::slot(&app.layout, color)?;
    releases::read(&app.layout, &release).ok()?.adopted
}

/// The name under which PM2 keeps what a slot holds.
#[must_use]
pub fn process_name(app: &App, color: Color) -> String {
    in_slot(app, color).map_or_else(|| app.process(color), |adopted| adopted.pm2_name)
}

/// The process that was adopted, as long as it holds its port, whether PM2 knows it or not.
#[must_use]
pub fn still_there(adopted: &Adopted) -> Option<Process> {
    let known = Process {
        pid: adopted.pid,
        started: adopted.started,
    };
    let holds = |pid: u32| {
        let family = process::tree(pid);
        let mut sockets = sockets::listener(adopted.port).into_iter();
        sockets.any(|one| sockets::owner(one.inode, &family).is_some())
    };
    (known.alive() && holds(known.pid)).then_some(known)
}

/// Stops it as it always was, by PM2 with its entry, and ends what PM2 has lost of it. Its
/// work tree is left as it is.
///
/// # Errors
/// When PM2 does not let go.
pub async fn retire(app: &App, adopted: &Adopted, old: &[Process]) -> Result<(), Failure> {
    let failed = || {
        Failure::failed(format!(
            "the adopted process `{}` cannot be ended",
            adopted.pm2_name
        ))
        .with_traffic(traffic::unchanged(app))
    };
    let deleted = app.pm2.delete(&adopted.pm2_name).await;
    deleted.map_err(|error| failed().because(error))?;
    for process in old {
        let ended = process::end(*process, app.config.process.stop_timeout.0).await;
        ended.map_err(|error| failed().because(error))?;
    }
    Ok(())
}

/// Says that it is gone for good.
pub fn tell_retired(adopted: &Adopted, sink: &dyn Sink) {
    sink.emit(Event::Noted(Note::AdoptedRetired {
        process: adopted.pm2_name.clone(),
        checkout: adopted.checkout.clone(),
    }));
}

/// A release that cannot be started, because it never was one: refused before anything is
/// touched for it.
///
/// # Errors
/// When `manifest` stands for an adopted process.
pub fn can_be_started(app: &App, manifest: &Manifest) -> Result<(), Failure> {
    let Some(adopted) = &manifest.adopted else {
        return Ok(());
    };
    Err(Failure::failed(format!(
        "{} is the process `{}` that was adopted, and cannot be started as a release",
        manifest.id.short(),
        adopted.pm2_name
    ))
    .hint(format!(
        "its work tree is still in {}: `bg deploy {}` makes a release of the commit that it ran",
        adopted.checkout.display(),
        manifest.id.short()
    ))
    .with_traffic(traffic::unchanged(app)))
}

/// The command with which PM2 starts it again.
#[must_use]
pub fn restart(app: &App, adopted: &Adopted) -> String {
    format!(
        "PM2_HOME={} pm2 restart {}",
        app.entry.pm2_home.display(),
        adopted.pm2_name
    )
}

/// Why an adopted process that should take traffic cannot, and how PM2 brings it back.
#[must_use]
pub fn not_warm(app: &App, adopted: &Adopted, problem: &str) -> Failure {
    Failure::failed(format!(
        "the adopted process `{}` does not answer as it should: {problem}",
        adopted.pm2_name
    ))
    .hint(format!(
        "`{}` starts it from {}; then again",
        restart(app, adopted),
        adopted.checkout.display()
    ))
    .with_traffic(traffic::unchanged(app))
}

/// What there is to know about the adopted process in a slot.
pub async fn notes(app: &App, color: Color) -> Vec<String> {
    let Some(release) = releases::slot(&app.layout, color) else {
        return Vec::new();
    };
    let Ok(manifest) = releases::read(&app.layout, &release) else {
        return Vec::new();
    };
    let Some(adopted) = &manifest.adopted else {
        return Vec::new();
    };
    let mut notes = vec![format!(
        "{color} is the adopted process `{}` from {}: it is stopped for good when a deploy needs its slot",
        adopted.pm2_name,
        adopted.checkout.display()
    )];
    let entries = app.pm2.named(&adopted.pm2_name).await.unwrap_or_default();
    notes.extend(restarted(color, adopted, &entries));
    let by_itself = entries
        .first()
        .and_then(|entry| starts_again(&app.entry.pm2_home, entry));
    notes.extend(by_itself);
    notes.extend(changed(color, &manifest, adopted).await);
    let data = left_behind(adopted);
    if !data.is_empty() {
        notes.push(format!(
            "its data still lies in the work tree ({}): {}",
            listed(&data),
            WHAT_TO_DO
        ));
    }
    let missing = missing_variables(app, adopted);
    if !missing.is_empty() {
        notes.push(format!(
            "PM2 gave it variables that a release would start without ({}): {WHERE_VARIABLES_GO}",
            missing.join(", ")
        ));
    }
    notes
}

/// What makes PM2 start an entry again while visitors are on it, and what takes that off. PM2
/// has no word for no limit of memory: 0 is one that every process exceeds.
#[must_use]
pub fn starts_again(pm2_home: &Path, entry: &Proc) -> Option<String> {
    let by = &entry.starts_again_by;
    let off = by.iter().map(|name| match *name {
        "cron_restart" => " --cron-restart 0",
        "max_memory_restart" => " --max-memory-restart 1000G",
        // It turns what is on off.
        _ => " --watch",
    });
    let off: String = off.collect();
    let named: Vec<String> = by.iter().map(|name| format!("`{name}`")).collect();
    (!by.is_empty()).then(|| {
        format!(
            "PM2 restarts `{}` while visitors use it, because of its {}, and they get 502: \
             `PM2_HOME={} pm2 restart {}{off}` removes that setting, with one last restart",
            entry.name,
            named.join(", "),
            pm2_home.display(),
            entry.name
        )
    })
}

fn restarted(color: Color, adopted: &Adopted, entries: &[Proc]) -> Option<String> {
    let now = entries.first().and_then(|entry| Process::of(entry.pid?))?;
    let same = (now.pid, now.started) == (adopted.pid, adopted.started);
    (!same).then(|| {
        format!(
            "{color} is not the process that was adopted any more: PM2 has started `{}` again (pid {})",
            adopted.pm2_name, now.pid
        )
    })
}

async fn changed(color: Color, manifest: &Manifest, adopted: &Adopted) -> Option<String> {
    let known = adopted.changes.as_ref()?;
    let place = adopted.checkout.display();
    let now = adopted_checkout::state(&adopted.checkout, None).await?;
    if now.commit != manifest.commit {
        return Some(format!(
            "the work tree {place} of {color} was at {} when it was adopted and is at {} now: a restart runs that",
            short(&manifest.commit),
            short(&now.commit)
        ));
    }
    (now.changes != *known).then(|| {
        format!(
            "files in the work tree {place} of {color} changed since it was adopted: a restart runs those"
        )
    })
}

fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

/// What a user can do about data in the work tree.
const WHAT_TO_DO: &str =
    "`bg adopt --move-data` moves the data into `shared`, `bg adopt --leave-data` goes on without the data";

/// What lies there as it did: moved, it is a link.
#[must_use]
pub fn left_behind(adopted: &Adopted) -> Vec<PathBuf> {
    let lies = |path: &&PathBuf| {
        std::fs::symlink_metadata(adopted.checkout.join(path)).is_ok_and(|about| !about.is_symlink())
    };
    adopted.data.iter().filter(lies).cloned().collect()
}

/// Paths in a sentence.
#[must_use]
pub fn listed(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    names.join(", ")
}

/// A release that would start without the data that the adopted process works on is not
/// made: it would pass every check, empty.
///
/// # Errors
/// Names the data, and the two ways to go on.
pub fn data_is_where_it_belongs(app: &App, live: Color) -> Result<(), Failure> {
    let left = in_slot(app, live).map_or_else(Vec::new, |adopted| left_behind(&adopted));
    if left.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "data of the adopted process lies in its work tree, and a new release would start without it: {}",
        listed(&left)
    ))
    .hint(WHAT_TO_DO)
    .with_traffic(traffic::unchanged(app)))
}

/// Which of the variables that PM2 gave an adopted process a release would not have, by what
/// bg.toml and its environment file say now.
#[must_use]
pub fn missing_variables(app: &App, adopted: &Adopted) -> Vec<String> {
    let env = &app.config.env;
    let in_file = env.file.as_ref().map(|file| {
        let path = match envfile::look(&app.layout, file) {
            Ok(path) => path,
            Err(envfile::EnvFileError::Missing(_)) => return Some(dotenv::Variables::new()),
            Err(_) => return None,
        };
        let text = std::fs::read_to_string(path).ok()?;
        dotenv::parse(&text).ok()
    });
    // A file that cannot be used stops the build, which says so better.
    let Some(in_file) = in_file.unwrap_or_else(|| Some(dotenv::Variables::new())) else {
        return Vec::new();
    };
    let mut names = adopted.variables.clone();
    names.retain(|name| !env.set.contains_key(name) && !in_file.contains_key(name));
    names
}

/// What a user can do about variables that a release would not have.
pub const WHERE_VARIABLES_GO: &str = "write them into a file in `shared`, mode 0600, that `env.file` in bg.toml names, or those that \
     are no secrets into `env.set`; `pm2 env ID` shows the values; `bg adopt --leave-env` does without them";

/// A release that would start without variables that the adopted process has is not made: on
/// another database it would pass every check.
///
/// # Errors
/// Names the variables, and the ways to go on.
pub fn variables_are_given(app: &App, live: Color) -> Result<(), Failure> {
    let missing = in_slot(app, live).map_or_else(Vec::new, |adopted| missing_variables(app, &adopted));
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "PM2 gave the adopted process variables that a new release would start without: {}",
        missing.join(", ")
    ))
    .hint(WHERE_VARIABLES_GO)
    .with_traffic(traffic::unchanged(app)))
}

/// What a rollback would go to, where that is an adopted process whose slot was needed.
#[must_use]
pub fn gone(app: &App, why: &NoRollback) -> Option<Failure> {
    let NoRollback::Gone(release) = why else {
        return None;
    };
    let adopted = releases::read(&app.layout, release).ok()?.adopted?;
    Some(
        Failure::failed(format!(
            "there is nothing to roll back to: the adopted process `{}` was stopped when a deploy needed its slot",
            adopted.pm2_name
        ))
        .hint(format!(
            "its work tree is still in {}: `bg deploy {}` makes a release of the commit that it ran",
            adopted.checkout.display(),
            release.short()
        )),
    )
}
