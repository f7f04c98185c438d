//! Everything on disk that a release needs before a slot is touched: commit, checkout,
//! shared files, Python environment, environment file, manifest.

mod linked_paths;

use std::path::{Path, PathBuf};
use std::time::Instant;

use engine::app::App;
use engine::run::Run;
use engine::{slot, traffic};
use jiff::Timestamp;
use model::config::Installer;
use model::config::run_command::words;
use model::event::{Event, Note, Sink, Step, Unexpanded, Warning, millis};
use model::failure::Failure;
use model::journal::Verb;
use model::release::{Manifest, ReleaseId};
use release::git::{Commit, Git};
use release::linked_paths::link_shared;
use release::venv::interpreter::Interpreter;
use release::{checkout, venv};
use state::envfile::{self, EnvFileError};
use state::releases;
use sys::dotenv::{self, DotenvError, Literal};
use sys::lock::user_name;
use sys::store;

use super::source::{self, Wanted};
use super::{assets, observe, packages};

/// Builds a release of what is wanted.
///
/// # Errors
/// The first thing that is missing or does not work; a release that is not whole has no
/// manifest, and the next clean-up removes it.
pub async fn build(run: &Run<'_>, wanted: &Wanted) -> Result<Manifest, Failure> {
    let app = run.app;
    let began = Instant::now();
    check_env_file(app, &run.sink)?;
    let reference = wanted.reference(app);
    let python = &app.config.python.version;
    let (commit, interpreter) = tokio::join!(source::commit(app, wanted), Interpreter::ask(python));
    let (commit, interpreter) = (
        commit?,
        interpreter.map_err(|error| packages::missing(app, error))?,
    );
    source::is_new(app, run.from.color, &commit, wanted)?;
    packages::can_be_had(app, &commit.sha).await?;
    assets::are_committed(app, &Git::new(app.layout.mirror()), &commit.sha).await?;
    let fleet = run.caller.fleet.as_ref();
    let named = fleet.and_then(|fleet| fleet.release.clone());
    let id = named.unwrap_or_else(|| new_id(app, &commit));
    let meant = fleet.and_then(|fleet| fleet.reference.as_deref());
    let reference = meant.unwrap_or(reference);
    run.sink.emit(Event::Began {
        app: app.name().to_owned(),
        verb: Verb::Deploy,
        live: run.live(),
        color: run.idle(),
        release: Some(id.clone()),
        subject: Some(commit.subject.clone()),
    });
    run.sink.emit(Event::Fetched {
        commit: commit.sha.clone(),
        subject: commit.subject.clone(),
        took_ms: millis(began.elapsed()),
    });
    let made = make(run, reference, commit, &interpreter, &id).await;
    if made.is_err() {
        // Nothing but room: without a manifest it is no release.
        store::discard(&app.layout.release(&id)).ok();
    }
    made
}

async fn make(
    run: &Run<'_>,
    reference: &str,
    commit: Commit,
    interpreter: &Interpreter,
    id: &ReleaseId,
) -> Result<Manifest, Failure> {
    let app = run.app;
    let folder = check_out(run, &commit, id).await?;
    let venv = environment(run, &commit, interpreter, &folder).await?;
    let env_file = envfile::snapshot_env(&app.layout, app.config.env.file.as_deref())
        .map_err(|error| refused(app, "the environment file cannot be used", error))?;
    let manifest = Manifest {
        format: Manifest::FORMAT,
        id: id.clone(),
        commit: commit.sha,
        subject: commit.subject,
        reference: reference.to_owned(),
        made_at: Timestamp::now(),
        made_by: user_name(),
        folder: app.config.source.folder.clone(),
        run: words(&app.config.process.run)
            .map_err(|error| refused(app, "`process.run` cannot be used", error))?,
        ports: app.config.process.ports,
        venv,
        env: app.config.env.set.clone(),
        env_file,
        config: app.config.clone(),
        adopted: None,
        contract: None,
        made_for: Some(run.idle()),
    };
    releases::write(&app.layout, &manifest)
        .map_err(|error| refused(app, "the manifest was not written", error))?;
    Ok(manifest)
}

/// An environment file that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("`{}` cannot be understood", .path.display())]
struct EnvSyntax {
    path: PathBuf,
    #[source]
    source: DotenvError,
}

/// Whether the host has what a build needs of it: an environment file that can be used, and an
/// interpreter.
///
/// # Errors
/// Which of them is missing or does not work.
pub async fn can_begin(app: &App, sink: &dyn Sink) -> Result<(), Failure> {
    check_env_file(app, sink)?;
    let asked = Interpreter::ask(&app.config.python.version).await;
    asked.map(drop).map_err(|error| packages::missing(app, error))
}

/// Looked at first: it is the user's own, and waiting for a build to hear of a typing error
/// in it is no pleasure.
fn check_env_file(app: &App, sink: &dyn Sink) -> Result<(), Failure> {
    let Some(file) = &app.config.env.file else {
        return Ok(());
    };
    let what = "the environment file cannot be used";
    let path = envfile::look(&app.layout, file).map_err(|error: EnvFileError| refused(app, what, error))?;
    let text = std::fs::read_to_string(&path).map_err(|error| refused(app, what, error))?;
    for literal in dotenv::literals(&text) {
        sink.emit(Event::Warned(Warning::NotExpanded(as_written(file, literal))));
    }
    dotenv::parse(&text)
        .map(drop)
        .map_err(|source| refused(app, what, EnvSyntax { path, source }))
}

/// A value of `file` that looks as if it were to be expanded.
#[must_use]
pub(super) fn as_written(file: &Path, literal: Literal) -> Unexpanded {
    Unexpanded {
        file: file.to_owned(),
        line: literal.line,
        variable: literal.name,
        reference: literal.reference,
    }
}

/// Later than every name that was given before, also to a release that never became one.
fn new_id(app: &App, commit: &Commit) -> ReleaseId {
    ReleaseId::new(Timestamp::now(), &commit.sha, observe::newest(app).as_ref())
}

/// The checkout with its shared files; returns the app's folder in it.
async fn check_out(run: &Run<'_>, commit: &Commit, id: &ReleaseId) -> Result<PathBuf, Failure> {
    let app = run.app;
    let began = Instant::now();
    let release = app.layout.release(id);
    let (source, deadline) = (&app.config.source, app.config.timeouts.fetch.0);
    let folder = source.folder.as_deref();
    let git = Git::new(app.layout.mirror());
    let exported = checkout::export(&git, &commit.sha, source, &release, deadline)
        .await
        .map_err(|error| source::not_made(app, error))?;
    for submodule in exported.submodules {
        run.sink
            .emit(Event::Warned(Warning::SubmoduleEmpty { path: submodule }));
    }
    for file in exported.excluded {
        run.sink
            .emit(Event::Warned(Warning::LfsFileExcluded { path: file }));
    }
    linked_paths::tell_changes(run, &git, &commit.sha, &release).await;
    let linked = link_shared(&app.config.shared, &app.layout.shared(), &release)
        .map_err(|error| source::not_linked(app, error))?;
    for seeded in linked.seeded {
        run.sink.emit(Event::Noted(Note::SharedSeeded { path: seeded }));
    }
    run.sink.emit(Event::ReleaseMade {
        release: id.clone(),
        took_ms: millis(began.elapsed()),
    });
    Ok(folder.map_or(release.clone(), |folder: &Path| release.join(folder)))
}

/// The Python environment, reused or built; returns its name.
async fn environment(
    run: &Run<'_>,
    commit: &Commit,
    interpreter: &Interpreter,
    folder: &Path,
) -> Result<String, Failure> {
    let app = run.app;
    let (python, deadline) = (&app.config.python, app.config.timeouts.build.0);
    let built = venv::ensure(&app.layout, interpreter, python, folder, &commit.sha, deadline)
        .await
        .map_err(|error| packages::missing(app, error))?;
    run.sink.emit(Event::EnvironmentReady {
        key: built.key.clone(),
        reused: built.reused,
        installer: if built.installer == Installer::Uv {
            "uv"
        } else {
            "pip"
        }
        .to_owned(),
        took_ms: millis(built.took),
    });
    Ok(built.key)
}

/// Compiles the app's own modules, so that its start need not; without it the app does that
/// itself. Nobody waits for it while requests of the old process are waited for.
pub async fn compile(run: &Run<'_>, manifest: &Manifest) {
    let app = run.app;
    let (folder, venv) = (
        slot::app_folder(app, manifest),
        app.layout.venvs().join(&manifest.venv),
    );
    let deadline = app.config.timeouts.build.0;
    if let Err(error) = venv::compile_release(&folder, &venv, deadline).await {
        run.sink.emit(Event::Warned(Warning::StepFailed {
            step: Step::Compile,
            problem: error.to_string(),
        }));
    }
}

fn refused(app: &App, what: &str, error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::failed(what)
        .because(error)
        .with_traffic(traffic::unchanged(app))
}
