//! What a release wants of its workers.

use model::config::Worker;
use model::release::{Manifest, ReleaseId};

use crate::app::App;
use crate::slot;

/// A worker of a release.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) worker: &'a Worker,
}

/// The manifest of a release that is kept.
pub(super) fn manifest_of(app: &App, release: Option<&ReleaseId>) -> Option<Manifest> {
    slot::read_manifest(app, release?).ok()
}
