//! Changes of tracked files where the app works on what is shared.

use std::path::{Path, PathBuf};

use engine::adopted;
use engine::run::Run;
use model::event::{Event, Sink};
use release::git::Git;
use release::linked_paths::changes;
use state::releases;

/// More files than these are not named one by one.
const NAMED: usize = 8;

/// Says what `sha` changes since the live release below a path of `shared`, and how to have it
/// there. `release` is its checkout, not linked yet.
pub(super) async fn tell_changes(run: &Run<'_>, git: &Git, sha: &str, release: &Path) {
    let app = run.app;
    let live = run.live().release;
    let Some(live) = live.and_then(|live| releases::read(&app.layout, &live).ok()) else {
        return;
    };
    let (shared, list) = (app.layout.shared(), &app.config.shared);
    let commits = (live.commit.as_str(), sha);
    let changed = changes::unshared(git, commits, list, &shared, release).await;
    // The live one's commit may be of another repository, or gone from it.
    let changed = changed.unwrap_or_default();
    if changed.is_empty() {
        return;
    }
    let mirror = app.layout.mirror();
    let ways = if changed.len() > NAMED {
        format!(
            "`git -C {} diff --name-only {} {sha} -- {}` lists {} files",
            mirror.display(),
            live.commit,
            words(list),
            changed.len()
        )
    } else {
        let (there, gone): (Vec<PathBuf>, Vec<PathBuf>) =
            changed.into_iter().partition(|path| release.join(path).exists());
        let take = (!there.is_empty()).then(|| {
            format!(
                "`git -C {} archive {sha} -- {} | tar -x -C {}` takes the commit's {}",
                mirror.display(),
                words(&there),
                shared.display(),
                adopted::listed(&there)
            )
        });
        let delete = (!gone.is_empty()).then(|| format!("it deletes {}", adopted::listed(&gone)));
        take.into_iter().chain(delete).collect::<Vec<_>>().join("; ")
    };
    run.sink.emit(Event::Warned {
        text: format!(
            "{} changes shared files, but the app keeps using those in `{}`: {ways}",
            sha.get(..7).unwrap_or(sha),
            shared.display()
        ),
    });
}

/// As they are typed.
fn words(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    shlex::try_join(names.iter().map(String::as_str)).unwrap_or_default()
}
