//! What is asked of `bg adopt`, and what it answers.

use std::fmt::Write;
use std::path::PathBuf;

use model::config::Config;
use serde::{Deserialize, Serialize};

use super::data::Data;
use crate::text::{Show, past, typed};

/// NGINX's main file, where nobody names another.
const CONF: &str = "/etc/nginx/nginx.conf";

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// A name in PM2, or the app's.
    pub name: Option<String>,
    /// Whether it shall be done, and not only shown.
    pub yes: bool,
    /// Whether data in the work tree shall be moved into `shared`.
    pub move_data: bool,
    /// Whether the next release shall do without that data.
    pub leave_data: bool,
    /// Whether the next release shall do without the variables that PM2 gave the process.
    pub leave_env: bool,
    /// NGINX's main file, where there is no bg.toml yet.
    pub conf: Option<PathBuf>,
    /// The root, where there is no bg.toml yet.
    pub root: Option<PathBuf>,
    /// Where a bg.toml that is proposed is written once it is used.
    pub write: Option<PathBuf>,
}

/// What was found, and what is done about it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Adopting {
    /// The app.
    pub app: String,
    /// The process, in words.
    pub process: String,
    /// Each step.
    pub steps: Vec<String>,
    /// What to know before.
    pub warnings: Vec<String>,
    /// What changes in NGINX's files, in full.
    pub diffs: Vec<String>,
    /// The bg.toml that is proposed, where there is none.
    pub config: Option<String>,
    /// Data that lies in the work tree.
    pub data: Vec<Data>,
    /// Whether it was done.
    pub done: bool,
}

impl Show for Adopting {
    fn show(&self) -> String {
        self.show_as("bg")
    }

    /// Files are shown as they are or will be; what is said around them names the program by
    /// what to type.
    fn show_as(&self, name: &str) -> String {
        let mut text = String::new();
        if !self.process.is_empty() {
            writeln!(text, "{} · {}", self.app, self.process).ok();
        }
        if !self.done {
            shown(self, &mut text);
        }
        text + &typed(&said(self), name)
    }
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
    for step in &adopting.steps {
        match adopting.done {
            true => writeln!(text, "  {}", past(step)).ok(),
            false => writeln!(text, "  would {step}").ok(),
        };
    }
    match adopting.done {
        true => text,
        false => text + "nothing was changed yet; the same command with `--yes` does it\n",
    }
}

pub(super) fn conf(ask: &Ask, config: Option<&Config>) -> PathBuf {
    let named = config.map(|config| config.nginx.conf.clone());
    named.or_else(|| ask.conf.clone()).unwrap_or_else(|| CONF.into())
}
