//! The words of `bg adopt`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What to take over, and how far to go.
#[derive(Clone, Debug, Default, Serialize, Deserialize, clap::Args)]
pub struct Adopt {
    /// The process's name in PM2, or the app's [default: the only one that NGINX passes requests to]
    pub name: Option<String>,
    /// Show what would be done, change nothing
    #[arg(long)]
    pub plan: bool,
    /// Do it without asking
    #[arg(long, short)]
    pub yes: bool,
    /// Put the site back as it was, until the first deploy
    #[arg(long)]
    pub undo: bool,
    /// Move data that lies in the work tree into `shared`, with a link in its place
    #[arg(long, conflicts_with = "undo")]
    pub move_data: bool,
    /// Leave that data where it is: the next release starts without it
    #[arg(long, conflicts_with_all = ["undo", "move_data"])]
    pub leave_data: bool,
    /// Start the next release without the variables that PM2 gave the process
    #[arg(long, conflicts_with = "undo")]
    #[serde(default)]
    pub leave_env: bool,
    /// Write the bg.toml that fits what runs here, and stop
    #[arg(long, conflicts_with_all = ["undo", "yes"])]
    pub propose: bool,
    /// NGINX's main file, where there is no bg.toml yet [default: /etc/nginx/nginx.conf]
    #[arg(long, value_name = "FILE")]
    pub nginx: Option<PathBuf>,
    /// The app's root, where there is no bg.toml yet [default: /srv/NAME]
    #[arg(long, value_name = "FOLDER")]
    pub root: Option<PathBuf>,
}
