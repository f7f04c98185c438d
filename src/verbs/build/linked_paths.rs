//! Changes of tracked files where the app works on what is shared.

use std::path::Path;

use engine::run::Run;
use model::event::{Event, SharedChange, Sink, Warning};
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
    let files = changed.len();
    let mut change = SharedChange {
        commit: sha.to_owned(),
        live: live.commit,
        repository: app.layout.mirror(),
        folder: shared,
        files,
        changed: Vec::new(),
        deleted: Vec::new(),
        below: Vec::new(),
    };
    if files > NAMED {
        change.below.clone_from(list);
    } else {
        (change.changed, change.deleted) = changed.into_iter().partition(|path| release.join(path).exists());
    }
    run.sink.emit(Event::Warned(Warning::SharedChanged(change)));
}
