//! `bg list`: every app of this host. Files alone are looked at, so that it answers at once and
//! starts nothing of anybody's; whether NGINX agrees, `bg status` of each app says.

use std::fmt::Write;
use std::path::PathBuf;

use model::failure::Deployment;
use model::layout::{Entry, Layout};
use serde::{Deserialize, Serialize};
use state::registry::Registry;
use state::releases;
use sys::link::Link;

use crate::text::Show;

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
    pub live: Option<Deployment>,
    /// Whether visitors get the maintenance page.
    pub maintenance: bool,
}

impl Show for Vec<Listed> {
    fn show(&self) -> String {
        if self.is_empty() {
            return "no app is set up on this host: `bg init`, then `bg setup`\n".to_owned();
        }
        let width = self.iter().map(|app| app.app.len()).max().unwrap_or_default();
        let mut text = String::new();
        for app in self {
            let live = match &app.live {
                None => "cannot tell what is live".to_owned(),
                Some(live) if live.release.is_none() => "nothing is live yet".to_owned(),
                Some(live) => format!("{live} is live"),
            };
            let page = if app.maintenance {
                ", visitors get the maintenance page"
            } else {
                ""
            };
            writeln!(
                text,
                "{:<width$}  {live}{page}  ({} in {})",
                app.app,
                app.owner,
                app.root.display()
            )
            .ok();
        }
        text
    }
}

/// Those that are set up for this user, sorted by name.
#[must_use]
pub fn list() -> Vec<Listed> {
    let entries = Registry::of_this_user().entries();
    let one = |entry: Entry| {
        let route = Link::new(&entry.link_folder).read().ok();
        let layout = Layout::new(&entry.root);
        Listed {
            live: route.map(|route| Deployment {
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
