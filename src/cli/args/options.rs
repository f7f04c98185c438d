//! What can be typed with any command.

use std::path::PathBuf;

use clap::Parser;
use model::failure::Failure;
use model::preview::PreviewKey;

use super::Verb;
use crate::cli::candidates;

/// Zero-downtime blue-green releases for Flask behind NGINX
#[derive(Debug, Parser)]
#[command(
    name = "bluegreen",
    version,
    max_term_width = 100,
    next_help_heading = "Common options",
    after_help = "Exit codes say where traffic is: 0 done, 1 failed and traffic unchanged, 2 usage, 3 config, \
                  4 locked, 5 switched then put back, 6 switched but clean-up unfinished, 7 unknown: look now, \
                  130 interrupted before traffic moved."
)]
pub struct Args {
    /// The app; needed only where the host has several and no bg.toml names it
    #[arg(long, short, global = true, env = "BG_APP", value_name = "NAME", add = candidates::apps())]
    pub app: Option<String>,

    /// The configuration [default: ./bg.toml if there is one, else what was last applied]
    #[arg(long, short, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Servers over SSH: names, `user@host:port`, or groups of bg.toml [default: its `hosts`]
    #[arg(
        long,
        alias = "host",
        global = true,
        value_name = "HOST,...",
        value_delimiter = ',',
        add = candidates::hosts()
    )]
    pub hosts: Vec<String>,

    /// Act on this machine, whatever `hosts` bg.toml names
    #[arg(long, global = true, conflicts_with = "hosts")]
    pub local: bool,

    /// Add the key of a server that is not known yet to known_hosts; a changed key is still refused
    #[arg(long, global = true)]
    pub accept_new_host_key: bool,

    /// Print events as JSON lines on stdout, then one result object
    #[arg(long, global = true)]
    pub json: bool,

    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

impl Verb {
    /// Reads the files that it names and that are on this machine whatever other it is for.
    ///
    /// # Errors
    /// When one cannot be read, or has something else in it.
    pub fn read_files(&mut self) -> Result<(), Failure> {
        match self {
            Verb::Compare { pages } => pages.read(),
            _ => Ok(()),
        }
    }

    /// The key of the preview that it opens, if it opens one.
    pub fn preview_key(&mut self) -> Option<&mut Option<PreviewKey>> {
        match self {
            Verb::Preview { off: false, key, .. } => Some(key),
            Verb::Deploy { preview, .. } if preview.lasts.is_some() => Some(&mut preview.key),
            _ => None,
        }
    }
}
