//! The database is backed up, before its schema changes or because somebody asked.

use std::path::PathBuf;
use std::time::Instant;

use engine::run::Run;
use engine::traffic;
use model::config::Backup;
use model::config::backup::Kind;
use model::event::{Event, Sink, millis};
use model::failure::Failure;
use model::release::Manifest;
use release::backup::{self, BackupError, Part};

use super::hooks::{self, HookEnvironment};

/// Makes a backup as `[backup]` says; `None` where bg.toml has no such section.
///
/// # Errors
/// When there is none that looks whole: nothing may be migrated then.
pub async fn make(run: &Run<'_>, manifest: &Manifest) -> Result<Option<PathBuf>, Failure> {
    let Some(settings) = &run.app.config.backup else {
        return Ok(None);
    };
    let began = Instant::now();
    let live = run.live().release;
    let part = backup::begin(settings, &run.app.layout, run.app.name(), live.as_ref())
        .map_err(|error| not_made(run, error))?;
    let kept = match written(run, settings, manifest, &part).await {
        Ok(()) => backup::keep(settings, run.app.name(), &part)
            .await
            .map_err(|error| not_made(run, error)),
        Err(failure) => Err(failure),
    };
    if kept.is_err() {
        backup::discard(&part);
    }
    let (file, bytes) = kept?;
    run.note(format!("backup in {}", file.display()));
    run.sink.emit(Event::BackedUp {
        file: file.clone(),
        bytes,
        took_ms: millis(began.elapsed()),
    });
    Ok(Some(file))
}

async fn written(run: &Run<'_>, settings: &Backup, manifest: &Manifest, part: &Part) -> Result<(), Failure> {
    match (&settings.run, settings.kind) {
        (Some(own), _) => {
            let scene = HookEnvironment::of_release(run, manifest, run.from.color)?
                .telling("BG_HOOK", "backup")
                .telling("BG_BACKUP_FILE", &part.path.to_string_lossy());
            hooks::succeed(run, &scene, "backup", own, settings.timeout).await
        }
        (None, Some(kind)) => ready_made(run, settings, kind, manifest, part).await,
        (None, None) => Ok(()),
    }
}

async fn ready_made(
    run: &Run<'_>,
    settings: &Backup,
    kind: Kind,
    manifest: &Manifest,
    part: &Part,
) -> Result<(), Failure> {
    let layout = &run.app.layout;
    let python = layout.venvs().join(&manifest.venv).join("bin/python");
    let command = backup::command(settings, kind, layout, &python, part);
    let command = command.map_err(|error| not_made(run, error))?;
    let ended = command.run().await;
    ended.map(drop).map_err(|error| {
        Failure::failed("the database was not backed up")
            .because(error)
            .hint("docs/migrations.md says what the login must be allowed")
            .with_traffic(traffic::unchanged(run.app))
    })
}

fn not_made(run: &Run<'_>, error: BackupError) -> Failure {
    Failure::failed("the database was not backed up")
        .because(error)
        .with_traffic(traffic::unchanged(run.app))
}
