//! What people read: answers, the story of a run, and what others wrote, made fit for a terminal.

pub mod clean;
pub mod events;
pub mod notices;

use std::fmt::{Debug, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// As it should be.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// To be looked at.
pub const CARE: Style = AnsiColor::Yellow.on_default();

/// What a command found or did.
pub trait Show {
    /// All of it, in lines. Commands in it are written with `bg`.
    fn show(&self) -> String;

    /// The same for whoever types `name` for this program.
    fn show_as(&self, name: &str) -> String {
        typed(&self.show(), name)
    }

    /// The exit code of the command: 0 unless the answer itself is bad news.
    fn exit_code(&self) -> u8 {
        0
    }
}

/// An answer with what others wrote in it made safe; `name` is what to type for this program.
pub fn page<A: Show + Serialize + DeserializeOwned + Debug>(answer: &A, name: &str) -> String {
    match clean::answer(answer) {
        Some(answer) => answer.show_as(name),
        None => clean::debug(answer),
    }
}

/// Commands in texts are written with `bg`; at a prompt where that is the shell's own
/// builtin they are shown as what works there.
#[must_use]
pub fn typed(text: &str, name: &str) -> String {
    text.replace("`bg ", &format!("`{name} "))
}

/// A line with a sign in front of it.
#[must_use]
pub fn sign(style: Style, mark: &str, text: &str) -> String {
    format!("  {style}{mark}{style:#} {text}\n")
}

/// `0.4s`, `12s`, `3m 5s`; two digits below a tenth of a second.
#[must_use]
pub fn seconds(ms: f64) -> String {
    match ms {
        ms if ms < 100.0 => format!("{:.2}s", ms / 1000.0),
        ms if ms < 10_000.0 => format!("{:.1}s", ms / 1000.0),
        ms if ms < 120_000.0 => format!("{:.0}s", ms / 1000.0),
        ms => {
            let whole = (ms / 1000.0).round();
            format!("{:.0}m {:.0}s", (whole / 60.0).floor(), whole % 60.0)
        }
    }
}

/// `45s`, `12m`, `3h 5m`, `2d 4h`: as exact as people need it of a longer time.
pub(crate) fn rough(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m"),
        3600..86_400 => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// `1 file`, `2 files`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// A commit as people say it.
pub(crate) fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

/// Steps that were taken, or that `otherwise` takes.
#[must_use]
pub fn steps(steps: &[String], done: bool, otherwise: &str) -> String {
    let mut text = String::new();
    for step in steps {
        let step = if done { past(step) } else { step.clone() };
        writeln!(text, "  {step}").ok();
    }
    if !done {
        writeln!(text, "nothing was changed; {otherwise}").ok();
    }
    text
}

/// The words that steps begin with, and how each says that it was done.
const PAST: [(&str, &str); 14] = [
    ("change", "changed"),
    ("create", "created"),
    ("delete", "deleted"),
    ("enter", "entered"),
    ("install", "installed"),
    ("keep", "kept"),
    ("leave", "left"),
    ("link", "linked"),
    ("move", "moved"),
    ("reload", "reloaded"),
    ("remove", "removed"),
    ("replace", "replaced"),
    ("stop", "stopped"),
    ("write", "wrote"),
];

/// A step once it was taken: `wrote FILE` for `write FILE`. What would have happened otherwise
/// stands behind a semicolon, and did not.
#[must_use]
pub fn past(step: &str) -> String {
    let (step, _otherwise) = step.split_once("; ").unwrap_or((step, ""));
    let (first, rest) = step.split_once(' ').unwrap_or((step, ""));
    match PAST.iter().find(|(word, _)| *word == first) {
        Some((_, past)) => format!("{past} {rest}"),
        None => step.to_owned(),
    }
}
