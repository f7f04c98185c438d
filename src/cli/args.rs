//! What can be typed.

mod adopt;
mod choices;
pub mod command;
mod examples;
mod kinds;
mod origin;
mod worker;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use model::color::Color;
use model::config::duration::Span;
use model::release::{Beginning, ReleaseId};
use serde::{Deserialize, Serialize};

use super::candidates;
use super::checks::Checks;
pub use adopt::Adopt;
pub use choices::{DataAction, OnOff, Patience, PromptShell};
pub use origin::Origin;
pub use worker::Worker;

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
    /// The app; needed only where the host has several and no bg.toml is at hand
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

    /// Add the key of a server that is not known yet to known_hosts; a changed key is refused all the same
    #[arg(long, global = true)]
    pub accept_new_host_key: bool,

    /// Print events as JSON lines on stdout, then one result object
    #[arg(long, global = true)]
    pub json: bool,

    /// What to do
    #[command(subcommand)]
    pub verb: Verb,
}

/// Every command.
#[derive(Clone, Debug, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Write a starter bg.toml for the app in this folder
    Init {
        /// Replace an existing bg.toml
        #[arg(long)]
        force: bool,
    },
    /// Look over the host and the site, and say what stands in the way
    Check {
        /// Warnings fail too
        #[arg(long)]
        strict: bool,
    },
    /// Take over what PM2 and NGINX run today: it becomes the live color as it is
    Adopt(Adopt),
    /// Prepare this host for the app: folders, registry, NGINX; put back where NGINX refuses it
    Setup {
        /// Show what would be done, change nothing
        #[arg(long)]
        plan: bool,
        /// Replace what others, as certbot, changed in a file that bg wrote
        #[arg(long)]
        #[serde(default)]
        overwrite: bool,
    },
    /// Build a release, start it in the idle color, gate it, and move traffic to it
    Deploy {
        /// A branch, tag or commit [default: the configured branch]
        #[arg(value_name = "REF", conflicts_with_all = ["message", "from"])]
        reference: Option<String>,
        /// Stop after the gate; `switch` moves traffic later
        #[arg(long)]
        no_switch: bool,
        /// Show what would be done, change nothing
        #[arg(long)]
        plan: bool,
        /// Go on when the gate is not passed; the reason is recorded
        #[arg(long, value_name = "REASON")]
        force_gate: Option<String>,
        /// Back the database up, also where no migration is due
        #[arg(long)]
        #[serde(default)]
        backup: bool,
        /// Earlier releases do not work with this one's schema: going back to them is refused
        #[arg(long)]
        #[serde(default)]
        contract: bool,
        /// Leave behind what the live release wrote into its own folder: the new one starts without it
        #[arg(long)]
        #[serde(default)]
        leave_data: bool,
        /// Release once more what is live already, with the same configuration and environment
        #[arg(long)]
        #[serde(default)]
        again: bool,
        /// Files that are no commit over there yet
        #[command(flatten)]
        #[serde(default)]
        origin: Origin,
        /// How much `bg check` looks at first; what it finds wrong stops the deploy
        #[arg(long, value_enum, value_name = "HOW", default_value_t)]
        #[serde(default)]
        checks: Checks,
        /// How long to wait for another run
        #[command(flatten)]
        patience: Patience,
    },
    /// Move traffic to the other color, or to the one named
    Switch {
        /// The color that is to be live
        #[arg(add = candidates::colors())]
        color: Option<Color>,
        /// Make this release live on every host where it is not, and end the doubt where it is;
        /// its name in full, as `releases` prints it
        #[arg(long, value_name = "RELEASE", conflicts_with = "color", add = candidates::releases())]
        converge: Option<ReleaseId>,
        /// Go back past a contract release; the reason is recorded
        #[arg(long, value_name = "REASON")]
        force: Option<String>,
        /// How long to wait for another run
        #[command(flatten)]
        patience: Patience,
    },
    /// Go back to what served before
    Rollback {
        /// Any kept release, without rebuilding it: the beginning of its name as `releases` prints it,
        /// or of its commit
        #[arg(long, value_name = "RELEASE", add = candidates::releases())]
        to: Option<Beginning>,
        /// Go back past a contract release; the reason is recorded
        #[arg(long, value_name = "REASON")]
        force: Option<String>,
        /// How long to wait for another run
        #[command(flatten)]
        patience: Patience,
    },
    /// What is live, what is warm, what a rollback would do
    Status {
        /// Look again every second until interrupted
        #[arg(long)]
        watch: bool,
    },
    /// All apps of this host, and what is live of each
    List,
    /// What was deployed, switched and rolled back, newest first
    History {
        /// Show everything that this run told
        #[arg(add = candidates::runs())]
        run: Option<String>,
        /// Show where the time of this run went
        #[arg(long, requires = "run")]
        timings: bool,
        /// How many runs
        #[arg(long, short = 'n', default_value_t = 20, conflicts_with = "run")]
        lines: usize,
    },
    /// What the app printed
    Logs {
        /// The color [default: the live one]
        #[arg(add = candidates::colors())]
        color: Option<Color>,
        /// A worker instead
        #[arg(long, value_name = "NAME", conflicts_with = "color", add = candidates::workers())]
        #[serde(default)]
        worker: Option<String>,
        /// Go on as it prints more
        #[arg(long, short)]
        follow: bool,
        /// How many lines
        #[arg(long, short = 'n', default_value_t = 50)]
        lines: usize,
    },
    /// The releases on this host
    Releases,
    /// What the live release wrote into its own folder, which the next one would start without
    Data {
        /// What to do with it [default: show it]
        #[command(subcommand)]
        action: Option<DataAction>,
    },
    /// Run a command in a color's release with its environment
    Exec {
        /// The color
        #[arg(add = candidates::colors())]
        color: Color,
        /// The command and its arguments
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Run a worker by hand, never beside one that runs already
    Worker {
        /// What to do
        #[command(subcommand)]
        action: Worker,
    },
    /// Put up the maintenance page, or take it away
    Maintenance {
        /// on or off
        state: OnOff,
        /// How long to wait for another run
        #[command(flatten)]
        patience: Patience,
    },
    /// Finish or undo what a killed run left behind, and mend what was done without bg
    Repair {
        /// Show what would be done, change nothing
        #[arg(long)]
        plan: bool,
        /// How long to wait for another run
        #[command(flatten)]
        patience: Patience,
    },
    /// Take the app off this host: processes, NGINX files, registry entry
    Remove {
        /// Do it; without this the plan is shown
        #[arg(long, short)]
        yes: bool,
        /// Delete the root folder too: releases, shared files, history
        #[arg(long)]
        purge: bool,
    },
    /// Print the JSON schema of bg.toml, for editors
    Schema,
    /// Print completions for a shell
    #[serde(skip)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the man page
    Man,
    /// Print a shell function that makes `bg` work at the prompt
    #[serde(skip)]
    ShellInit {
        /// The shell
        shell: PromptShell,
    },
    /// Stop a color when its warm time is over, unless traffic moved since
    #[command(hide = true)]
    Cool {
        /// The color
        #[arg(long)]
        color: Color,
        /// The warm time
        #[arg(long)]
        after: Span,
    },
    /// Carry out one request that comes in over standard input
    #[command(hide = true)]
    Engine,
    /// What is live, for a client that is about to ask for a change
    #[command(hide = true)]
    Sight,
    /// What came of a request, for a client that lost the connection to it
    #[command(hide = true)]
    Outcome {
        /// The request's name
        ticket: String,
    },
    /// Take the files that come in over standard input, for a deploy that follows
    #[command(hide = true)]
    Receive {
        /// The commit that they are
        commit: String,
        /// How many bytes come
        bytes: u64,
    },
    /// Stop both colors and have PM2 forget them: what `remove` does as the app's owner
    #[command(hide = true)]
    Discard,
    /// What PM2 starts: wait while the slot is held, then become the app
    #[command(hide = true)]
    Launch {
        /// The app's root
        #[arg(long)]
        root: PathBuf,
        /// The color
        #[arg(long)]
        color: Color,
    },
    /// What PM2 starts for a worker: wait until nobody does its work, then become it
    #[command(hide = true)]
    Work {
        /// The app's root
        #[arg(long)]
        root: PathBuf,
        /// The worker's seat
        #[arg(long)]
        seat: String,
    },
}
