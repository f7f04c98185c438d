//! What `bg data` found and moved, for people.

use std::fmt::Write;

use super::{DataFound, DataPlace};
use crate::text::Show;
use crate::text::notices::sized;

impl Show for DataFound {
    fn show(&self) -> String {
        let mut text = String::new();
        match (self.places.is_empty(), self.moved) {
            (true, _) => writeln!(text, "{} has no data in its own folder", self.live).ok(),
            (false, true) => writeln!(
                text,
                "moved to {}, and {} goes on with it:",
                self.folder.display(),
                self.live
            )
            .ok(),
            (false, false) => writeln!(
                text,
                "the data of {} lies in its own folder, and the next release would start without it:",
                self.live
            )
            .ok(),
        };
        let width = self.places.iter().map(|place| shown(place).chars().count()).max();
        for place in &self.places {
            let width = width.unwrap_or_default();
            writeln!(text, "  {:<width$}  {}", shown(place), what(place)).ok();
        }
        if let Some(line) = &self.shared {
            writeln!(text, "write in bg.toml: {line}").ok();
        }
        if !self.places.is_empty() {
            let next = match self.moved {
                true => "then `bg deploy`\n".to_owned(),
                false => format!(
                    "`bg data move` moves it to {} while {} keeps running\n",
                    self.folder.display(),
                    self.live.color
                ),
            };
            text.push_str(&next);
        }
        for older in &self.older {
            writeln!(text, "kept for its data: {older}").ok();
        }
        text
    }
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
