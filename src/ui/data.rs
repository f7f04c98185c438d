//! What `bg data` found and moved, for people.

use std::fmt::Write;

use crate::verbs::data::{DataFound, DataPlace, sized};

/// What lies where, where it belongs, and what to type next.
pub(super) fn text(found: &DataFound) -> String {
    let mut text = String::new();
    match (found.places.is_empty(), found.moved) {
        (true, _) => writeln!(text, "{} has no data in its own folder", found.live).ok(),
        (false, true) => writeln!(
            text,
            "moved to {}, and {} goes on with it:",
            found.folder.display(),
            found.live
        )
        .ok(),
        (false, false) => writeln!(
            text,
            "the data of {} lies in its own folder, and the next release would start without it:",
            found.live
        )
        .ok(),
    };
    let width = found
        .places
        .iter()
        .map(|place| shown(place).chars().count())
        .max();
    for place in &found.places {
        let width = width.unwrap_or_default();
        writeln!(text, "  {:<width$}  {}", shown(place), what(place)).ok();
    }
    if let Some(line) = &found.shared {
        writeln!(text, "write in bg.toml: {line}").ok();
    }
    if !found.places.is_empty() {
        let next = match found.moved {
            true => "then `bg deploy`\n".to_owned(),
            false => format!(
                "`bg data move` moves it to {} while {} goes on\n",
                found.folder.display(),
                found.live.color
            ),
        };
        text.push_str(&next);
    }
    for older in &found.older {
        writeln!(text, "kept for its data: {older}").ok();
    }
    text
}

fn shown(place: &DataPlace) -> String {
    place.path.display().to_string()
}

fn what(place: &DataPlace) -> String {
    if place.mounted {
        return "a file system that is mounted there: mount it below `shared` instead".to_owned();
    }
    let files = if place.files == 1 { "file" } else { "files" };
    let database = if place.database {
        ", a SQLite database among them"
    } else {
        ""
    };
    format!("{} {files}, {}{database}", place.files, sized(place.bytes))
}
