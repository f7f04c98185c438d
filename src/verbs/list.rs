//! `bg list`: every app of this host. Files alone are looked at, so that it answers at once and
//! starts nothing of anybody's; whether NGINX agrees, `bg status` of each app says.

use std::path::PathBuf;

use model::failure::Standing;
use model::layout::{Entry, Layout};
use serde::{Deserialize, Serialize};
use state::registry::Registry;
use state::releases;
use sys::link::Link;

/// One app of this host.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Listed {
    /// Its name.
    pub app: String,
    /// Whose it is.
    pub owner: String,
    /// Where it lies.
    pub root: PathBuf,
    /// What the link names; `None` where it cannot be read.
    pub live: Option<Standing>,
    /// Whether visitors get the maintenance page.
    pub maintenance: bool,
}

/// Those that are set up for this user, sorted by name.
#[must_use]
pub fn list() -> Vec<Listed> {
    let entries = Registry::of_this_user().entries();
    let one = |entry: Entry| {
        let route = Link::new(&entry.link_folder).read().ok();
        let layout = Layout::new(&entry.root);
        Listed {
            live: route.map(|route| Standing {
                color: route.color,
                release: releases::slot(&layout, route.color),
            }),
            maintenance: route.is_some_and(|route| route.maintenance),
            app: entry.app,
            owner: entry.owner,
            root: entry.root,
        }
    };
    entries.into_iter().map(one).collect()
}
