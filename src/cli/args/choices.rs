//! Words of which one is typed, and how long to wait.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use model::config::duration::Span;
use model::failure::{Failure, Kind};
use model::preview::PreviewKey;
use serde::{Deserialize, Serialize};

/// How long to wait for another run to end.
#[derive(Clone, Debug, Default, Serialize, Deserialize, clap::Args)]
pub struct Patience {
    /// Wait for another run to end [default when given without a time: 15m]
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "15m")]
    pub wait: Option<Span>,
}

/// Which pages are compared.
#[derive(Clone, Debug, Serialize, Deserialize, clap::Args)]
pub struct Pages {
    /// How many of the last pages
    #[arg(long, value_name = "N", default_value_t = 200, conflicts_with = "paths")]
    pub last: usize,
    /// A file with a path a line, on this machine
    #[arg(long, value_name = "FILE")]
    pub paths: Option<PathBuf>,
    /// What stands in it.
    #[arg(skip)]
    #[serde(default)]
    pub read: Option<Vec<String>>,
}

impl Pages {
    /// Reads the file, where one was named; empty lines and those that begin with `#` are left out.
    ///
    /// # Errors
    /// When it cannot be read, or a line is no path.
    pub fn read(&mut self) -> Result<(), Failure> {
        let Some(file) = &self.paths else {
            return Ok(());
        };
        let wrong = |what: String| Failure::new(Kind::Usage, what);
        let text = std::fs::read_to_string(file)
            .map_err(|error| wrong(format!("`{}` cannot be read", file.display())).because(error))?;
        let lines = text.lines().map(str::trim).enumerate();
        let paths = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let read = paths.map(|(index, line)| match line.starts_with('/') {
            true => Ok(line.to_owned()),
            false => Err(wrong(format!(
                "{}:{}: `{line}` does not begin with `/`",
                file.display(),
                index + 1
            ))
            .hint("each line is a path of the site, as `/products?page=2`")),
        });
        self.read = Some(read.collect::<Result<_, Failure>>()?);
        Ok(())
    }
}

/// A preview of what is staged.
#[derive(Clone, Debug, Default, Serialize, Deserialize, clap::Args)]
pub struct Shown {
    /// Stop after the gate, and show the release to whoever has a link [default when given without a
    /// time: for 1h]
    #[arg(
        long = "preview",
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "1h"
    )]
    pub lasts: Option<Span>,
    /// The key of the link, where several hosts are to have the same.
    #[arg(skip)]
    #[serde(default)]
    pub key: Option<PreviewKey>,
}

/// How a release is watched after the switch.
#[derive(Clone, Debug, Default, Serialize, Deserialize, clap::Args)]
pub struct Watched {
    /// Watch the release for so long at most [default: `bake.for`]
    #[arg(long, value_name = "TIME", conflicts_with = "no_bake")]
    bake: Option<Span>,
    /// Do not watch it
    #[arg(long, conflicts_with = "wait_bake")]
    no_bake: bool,
    /// Stay until there is a verdict; exit 5 where the release was taken back
    #[arg(long)]
    pub wait_bake: bool,
}

impl Watched {
    /// How long at most, where that is said.
    pub fn lasts(&self) -> Option<Span> {
        match self.no_bake {
            true => Some(Span::seconds(0)),
            false => self.bake,
        }
    }
}

/// What to do with data in a release's own folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "snake_case")]
pub enum DataAction {
    /// Move that data into `shared` while the live color keeps running, with a link in its place
    Move,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub enum OnOff {
    /// Visitors get the page.
    On,
    /// Visitors get the app.
    Off,
}

/// Shells whose prompt has a `bg` of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PromptShell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}
