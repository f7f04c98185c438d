//! The apps of a host, a line each.

use std::fmt::Write as _;

use crate::verbs::list::Listed;

/// What `bg list` prints.
pub(super) fn text(apps: &[Listed]) -> String {
    if apps.is_empty() {
        return "no app is set up here: `bg init`, then `bg setup`\n".to_owned();
    }
    let width = apps.iter().map(|app| app.app.len()).max().unwrap_or_default();
    let mut text = String::new();
    for app in apps {
        let live = match &app.live {
            None => "it is not known what is live".to_owned(),
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
