//! The database's schema follows the new release: once, from that release, before it is
//! started, and after a backup. The live release works with the new schema from then on.

use std::path::PathBuf;
use std::time::Instant;

use engine::app::App;
use engine::run::Run;
use engine::{migration, traffic};
use model::config::Migrate;
use model::event::{Event, Sink, millis};
use model::failure::{Failure, Kind};
use model::release::Manifest;
use release::git::Git;
use sys::command::CommandError;

use super::deploy::ask::Ask;
use super::hooks::{self, HookEnvironment};
use super::{backup, contract};

/// Whose work it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// This host's: there is no other.
    Alone,
    /// This host's, once every other has its release.
    Primary,
    /// The primary's.
    Another,
}

/// Brings the schema to what `manifest` needs, and notes in it what that means for earlier
/// releases.
///
/// # Errors
/// When the backup or the migration fails: no slot is touched yet.
pub async fn schema(run: &Run<'_>, manifest: &mut Manifest, ask: &Ask) -> Result<(), Failure> {
    manifest.contract = contract::inherited(run);
    if let Some(earlier) = &manifest.contract {
        contract::warn_of_older_code(run, manifest, earlier).await;
        contract::keep(run, manifest)?;
    }
    let contract = contract::announced(run, manifest, ask.contract).await?;
    let settings = &run.app.config;
    if ask.backup && settings.backup.is_none() {
        return Err(
            Failure::new(Kind::Config, "`--backup` needs a section `[backup]` in bg.toml")
                .hint("docs/migrations.md shows one"),
        );
    }
    if settings.migrate.is_none() && !ask.backup {
        return contract.map_or(Ok(()), |why| contract::mark(run, manifest, why, None));
    }
    match part(run)? {
        Part::Another => {
            await_schema(run, manifest);
            run.caller.control.start().await;
            let here = || {
                run.caller
                    .control
                    .is_contracted()
                    .then(|| "its migration said so".to_owned())
            };
            if let Some(why) = contract.or_else(here) {
                contract::mark(run, manifest, why, None)?;
            }
        }
        Part::Primary => {
            await_schema(run, manifest);
            run.caller.control.migrate().await;
            here(run, manifest, ask, contract).await?;
        }
        Part::Alone => here(run, manifest, ask, contract).await?,
    }
    Ok(())
}

fn part(run: &Run<'_>) -> Result<Part, Failure> {
    match &run.caller.fleet {
        None => Ok(Part::Alone),
        Some(step) => match step.primary {
            Some(true) => Ok(Part::Primary),
            Some(false) => Ok(Part::Another),
            None => Err(Failure::failed(
                "the client is too old to choose the host that migrates the database",
            )
            .hint("install the same version on the client as on the hosts")),
        },
    }
}

fn await_schema(run: &Run<'_>, manifest: &Manifest) {
    run.sink.emit(Event::AwaitsSchema {
        release: manifest.id.clone(),
    });
}

/// Does it on this host.
async fn here(
    run: &Run<'_>,
    manifest: &mut Manifest,
    ask: &Ask,
    mut contract: Option<String>,
) -> Result<(), Failure> {
    let began = Instant::now();
    let settings = run.app.config.migrate.as_ref();
    let due = match settings {
        Some(settings) if is_due(run, settings, manifest).await? => Some(settings),
        _ => None,
    };
    let backup = match due.is_some() || ask.backup {
        true => backup::make(run, manifest).await?,
        false => None,
    };
    if let Some(why) = &contract {
        contract::mark(run, manifest, why.clone(), backup.clone())?;
    }
    if let Some(settings) = due {
        let said = migrate(run, settings, manifest, backup.clone()).await?;
        if let Some(why) = said.filter(|_| contract.is_none()) {
            contract::mark(run, manifest, why.clone(), backup)?;
            contract = Some(why);
        }
    }
    run.sink.emit(Event::SchemaReady {
        release: manifest.id.clone(),
        migrated: due.is_some(),
        contract,
        took_ms: millis(began.elapsed()),
    });
    Ok(())
}

/// Whether anything may be pending: always, unless bg.toml says how to know better.
async fn is_due(run: &Run<'_>, settings: &Migrate, manifest: &Manifest) -> Result<bool, Failure> {
    if settings.paths.is_empty() && settings.pending.is_none() {
        return Ok(true);
    }
    let live = contract::live_commit(run);
    if !settings.paths.is_empty() && has_changed(run.app, settings, live.as_deref(), &manifest.commit).await {
        return Ok(true);
    }
    match &settings.pending {
        Some(pending) => is_pending(run, settings, pending, manifest).await,
        None => Ok(false),
    }
}

/// Whether a file that counts differs between what is live and `commit`. What cannot be
/// compared counts as changed: one migration too many finds nothing to do.
pub async fn has_changed(app: &App, settings: &Migrate, live: Option<&str>, commit: &str) -> bool {
    let Some(live) = live else { return true };
    let git = Git::new(app.layout.mirror());
    match git.changed(live, commit).await {
        Ok(changed) => changed.iter().any(|file| settings.counts(file)),
        Err(_) => true,
    }
}

async fn is_pending(
    run: &Run<'_>,
    settings: &Migrate,
    pending: &str,
    manifest: &Manifest,
) -> Result<bool, Failure> {
    let scene = scene(run, manifest)?;
    let ended = hooks::hear(run, &scene, "migrate", pending, settings.timeout, |_| {}).await;
    let error = match ended {
        Ok(status) if status.success() => return Ok(false),
        Ok(status) if status.code() == Some(1) => return Ok(true),
        Ok(status) => CommandError::Failed {
            command: pending.to_owned(),
            status,
            output: String::new(),
        },
        Err(error) => error,
    };
    Err(Failure::failed("cannot tell whether a migration is pending")
        .because(error)
        .hint("`migrate.pending` exits 0 when nothing is pending, and 1 when something is")
        .with_traffic(traffic::unchanged(run.app)))
}

fn scene(run: &Run<'_>, manifest: &Manifest) -> Result<HookEnvironment, Failure> {
    let note = run.app.layout.contract_note();
    let scene = HookEnvironment::of_release(run, manifest, run.from.color)?;
    Ok(scene
        .telling("BG_HOOK", "migrate")
        .telling("BG_CONTRACT_FILE", &note.to_string_lossy()))
}

/// Runs the migration; returns why it is a contract, where it says so.
async fn migrate(
    run: &Run<'_>,
    settings: &Migrate,
    manifest: &Manifest,
    backup: Option<PathBuf>,
) -> Result<Option<String>, Failure> {
    let layout = &run.app.layout;
    let scene = scene(run, manifest)?;
    std::fs::remove_file(layout.contract_note()).ok();
    migration::begin(run, &manifest.id, backup.clone())?;
    let ran = hooks::succeed(run, &scene, "migrate", &settings.run, settings.timeout).await;
    migration::end(run);
    run.note(if ran.is_ok() {
        "migrated"
    } else {
        "the migration failed"
    });
    ran.map_err(|failure| {
        let failure = failure.hint("the migration may have changed part of the database: check its schema");
        match backup {
            Some(backup) => failure.hint(format!(
                "`{}` is the backup from before the migration",
                backup.display()
            )),
            None => failure,
        }
    })?;
    Ok(note(run))
}

/// The first line that the migration has left, secrets taken out.
fn note(run: &Run<'_>) -> Option<String> {
    let path = run.app.layout.contract_note();
    let text = std::fs::read_to_string(&path).ok()?;
    std::fs::remove_file(path).ok();
    let redactor = sys::dotenv::Redactor::of_app(&run.app.config, &[hooks::secrets(run)]);
    let line = text.lines().find(|line| !line.trim().is_empty())?;
    Some(redactor.redact(line.trim()))
}
