//! What `bg adopt` found and did, for people.

use std::fmt::Write;

use super::human::typed;
use crate::verbs::adopt::Adopting;

/// Files are shown as they are or will be; what is said around them names the program by
/// what to type.
pub(super) fn text(adopting: &Adopting, name: &str) -> String {
    let mut text = String::new();
    if !adopting.process.is_empty() {
        writeln!(text, "{} · {}", adopting.app, adopting.process).ok();
    }
    if !adopting.done {
        shown(adopting, &mut text);
    }
    text + &typed(&said(adopting), name)
}

fn shown(adopting: &Adopting, text: &mut String) {
    if let Some(config) = &adopting.config {
        writeln!(text, "--- bg.toml, as proposed\n{config}---").ok();
    }
    for diff in &adopting.diffs {
        text.push_str(diff);
    }
    for data in &adopting.data {
        writeln!(
            text,
            "  data in the work tree: {} ({})",
            data.path.display(),
            data.what
        )
        .ok();
    }
}

fn said(adopting: &Adopting) -> String {
    let mut text = String::new();
    for warning in &adopting.warnings {
        writeln!(text, "  ! {warning}").ok();
    }
    let would = if adopting.done { "" } else { "would " };
    for step in &adopting.steps {
        writeln!(text, "  {would}{step}").ok();
    }
    match adopting.done {
        true => text + "done\n",
        false => text + "nothing was changed yet; `--yes` does it\n",
    }
}
