//! What can be typed.

mod adopt;
mod choices;
pub mod command;
mod examples;
mod kind;
mod options;
mod origin;
mod worker;

use std::path::PathBuf;

use clap::Subcommand;
use model::color::{Color, Share};
use model::config::duration::Span;
use model::preview::PreviewKey;
use model::release::{Beginning, ReleaseId};
use serde::{Deserialize, Serialize};

use super::candidates;
use super::checks::Checks;
pub use adopt::Adopt;
pub use choices::{DataAction, OnOff, Pages, Patience, PromptShell, Shown, Watched};
use examples::examples;
pub use kind::Kind;
pub use options::Args;
pub use origin::Origin;
pub use worker::Worker;

/// Every command.
#[derive(Clone, Debug, Serialize, Deserialize, Subcommand)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Write a starter bg.toml for the app in this folder
    #[command(after_help = examples(
        "init", "describe the app in this folder",
        "init --force", "the same, replacing the bg.toml in this folder",
    ))]
    Init {
        /// Replace an existing bg.toml
        #[arg(long)]
        force: bool,
    },
    /// Check the host and the site, and name each problem with its fix
    #[command(after_help = examples(
        "check", "find problems, each with its fix",
        "check --strict", "fail on warnings too, as in CI",
    ))]
    Check {
        /// Warnings fail too
        #[arg(long)]
        strict: bool,
    },
    /// Take over what PM2 and NGINX run today: it becomes the live color as it is
    #[command(after_help = examples(
        "adopt --plan", "show what would change, and change nothing",
        "adopt shop --yes", "take over the process that PM2 calls shop",
    ))]
    Adopt(Adopt),
    /// Prepare this host for the app: folders, registry, NGINX; undone if NGINX rejects it
    #[command(after_help = examples(
        "setup --plan", "show what setup would create and change",
        "setup", "prepare this host",
    ))]
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
    #[command(after_help = examples(
        "deploy", "release the configured branch",
        "deploy v1.4 --no-switch", "build and gate a tag, and leave traffic where it is",
    ))]
    Deploy {
        /// A branch, tag or commit [default: the configured branch]
        #[arg(value_name = "REF", conflicts_with_all = ["message", "from"])]
        reference: Option<String>,
        /// Stop after the gate; `switch` moves traffic later
        #[arg(long)]
        no_switch: bool,
        /// Send the first of `canary.steps` of the visitors to the release, and leave the others where they are
        #[arg(long, conflicts_with_all = ["no_switch", "lasts"])]
        #[serde(default)]
        canary: bool,
        /// Stop after the gate, and open a preview of the release
        #[command(flatten)]
        #[serde(default)]
        preview: Shown,
        /// How the release is watched after the switch
        #[command(flatten)]
        #[serde(default)]
        bake: Watched,
        /// Show what would be done, change nothing
        #[arg(long)]
        plan: bool,
        /// Go on although the gate failed; the reason is recorded
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
        /// Leave behind data that the live release wrote into its own folder: the new one starts without
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
    #[command(after_help = examples(
        "switch", "move traffic to the other color",
        "switch blue --wait=5m", "to blue, once another run has ended",
    ))]
    Switch {
        /// The color to make live
        #[arg(add = candidates::colors())]
        color: Option<Color>,
        /// Make this release live on every host where it is not, and settle the doubt where it is;
        /// its name in full, as `releases` prints it
        #[arg(long, alias = "converge", value_name = "RELEASE", conflicts_with = "color", add = candidates::releases())]
        reconcile: Option<ReleaseId>,
        /// Go back past a contract release; the reason is recorded
        #[arg(long, value_name = "REASON")]
        force: Option<String>,
        /// How long to wait for another run
        #[command(flatten)]
        patience: Patience,
    },
    /// Send a share of the visitors to the other color, more or fewer than before
    #[command(after_help = examples(
        "canary 10%", "ten of a hundred visitors get the other color",
        "canary 1% --wait=5m", "one of a hundred, once another run has ended",
    ))]
    Canary {
        /// The share, in whole percent
        share: Share,
        /// How long to wait for another run
        #[command(flatten)]
        patience: Patience,
    },
    /// Go on with a canary: to its next step, and after the last one to all visitors
    #[command(after_help = examples(
        "promote", "the next of `canary.steps`, or all visitors",
        "promote --all", "all visitors at once",
    ))]
    Promote {
        /// All visitors at once
        #[arg(long)]
        all: bool,
        /// How long to wait for another run
        #[command(flatten)]
        patience: Patience,
    },
    /// Have a canary stay at its step, until it is promoted
    #[command(after_help = examples(
        "pause", "it goes no further by itself",
        "pause --wait=1m", "the same, once another run has ended",
    ))]
    Pause {
        /// How long to wait for another run
        #[command(flatten)]
        patience: Patience,
    },
    /// Give a canary up: all visitors get what is live
    #[command(after_help = examples(
        "abort", "nobody gets the other color any more",
        "abort --wait=1m", "the same, once another run has ended",
    ))]
    Abort {
        /// How long to wait for another run
        #[command(flatten)]
        patience: Patience,
    },
    /// Stay with the release that is watched until there is a verdict; lead several hosts through it
    #[command(after_help = examples(
        "bake", "wait for the verdict about what was released",
        "bake --hosts web1,web2", "the same for two servers: any verdict acts on both",
    ))]
    Bake,
    /// Go back to the release that was live before
    #[command(after_help = examples(
        "rollback", "go back to the release that was live before",
        "rollback --to 2f61c0a", "go back to any kept release, by its commit",
    ))]
    Rollback {
        /// Any kept release, without rebuilding it: the beginning of its name as `releases` prints it,
        /// or of its commit
        #[arg(long, value_name = "RELEASE", add = candidates::releases())]
        to: Option<Beginning>,
        /// Move nobody: ask the warm color, through NGINX, for the pages that visitors asked for last
        #[arg(long, conflicts_with_all = ["to", "force"])]
        #[serde(default)]
        rehearse: bool,
        /// Go back past a contract release; the reason is recorded
        #[arg(long, value_name = "REASON")]
        force: Option<String>,
        /// How long to wait for another run
        #[command(flatten)]
        patience: Patience,
    },
    /// What is live, what is warm, what a rollback would do
    #[command(after_help = examples(
        "status", "what is live, and what a rollback would do",
        "status --watch", "refresh every second",
    ))]
    Status {
        /// Refresh every second until interrupted
        #[arg(long)]
        watch: bool,
    },
    /// All apps of this host, and what is live of each
    #[command(after_help = examples(
        "list", "all apps of this host",
        "list --hosts web1,web2", "all apps of two servers",
    ))]
    List,
    /// What was deployed, switched and rolled back, newest first
    #[command(after_help = examples(
        "history -n 5", "the last five runs",
        "history 20261123T181500123Z-4127 --timings", "where the time of one run went",
    ))]
    History {
        /// Show every event of this run
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
    #[command(after_help = examples(
        "logs -f", "follow the live color",
        "logs green -n 200", "the last 200 lines of green",
    ))]
    Logs {
        /// The color [default: the live one]
        #[arg(add = candidates::colors())]
        color: Option<Color>,
        /// The log of a worker instead
        #[arg(long, value_name = "NAME", conflicts_with = "color", add = candidates::workers())]
        #[serde(default)]
        worker: Option<String>,
        /// Follow new output
        #[arg(long, short)]
        follow: bool,
        /// How many lines
        #[arg(long, short = 'n', default_value_t = 50)]
        lines: usize,
    },
    /// The releases on this host
    #[command(after_help = examples(
        "releases", "what is kept, newest first",
        "releases --json", "the same for a program",
    ))]
    Releases,
    /// List data that the live release wrote into its own folder, which the next one would lack
    #[command(after_help = examples(
        "data", "list data that the live release wrote into its own folder",
        "data move", "move that data into `shared` while the app runs",
    ))]
    Data {
        /// What to do with it [default: show it]
        #[command(subcommand)]
        action: Option<DataAction>,
    },
    /// Run a command in a color's release with its environment
    #[command(after_help = examples(
        "exec green -- flask routes", "run a command in green's release",
        "exec blue -- python", "a Python prompt in blue's environment",
    ))]
    Exec {
        /// The color
        #[arg(add = candidates::colors())]
        color: Color,
        /// The command and its arguments
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Run a worker in this terminal; refused while it runs already
    #[command(after_help = examples(
        "worker run queue", "run a worker in this terminal",
        "worker run queue --app shop", "the same, with the app named",
    ))]
    Worker {
        /// What to do
        #[command(subcommand)]
        action: Worker,
    },
    /// Put up the maintenance page, or take it down
    #[command(after_help = examples(
        "maintenance on", "show visitors the maintenance page",
        "maintenance off", "show them the app again",
    ))]
    Maintenance {
        /// on or off
        state: OnOff,
        /// Whoever has a preview's link gets past the page
        #[arg(long)]
        #[serde(default)]
        but_preview: bool,
        /// How long to wait for another run
        #[command(flatten)]
        patience: Patience,
    },
    /// Ask both colors for the pages that visitors asked for last, and show what differs
    #[command(after_help = examples(
        "compare", "the last 200 different pages of the access log",
        "compare --paths pages.txt", "pages of your own, one path a line",
    ))]
    Compare {
        /// The pages
        #[command(flatten)]
        pages: Pages,
    },
    /// Show the idle color to whoever has a link, at the site's own address
    #[command(after_help = examples(
        "preview", "make a link that shows the idle color for an hour",
        "preview --off", "end all previews at once",
    ))]
    Preview {
        /// The color to show [default: the idle one]
        #[arg(add = candidates::colors())]
        color: Option<Color>,
        /// How long it is shown
        #[arg(
            long = "for",
            value_name = "TIME",
            default_value = "1h",
            conflicts_with = "off"
        )]
        lasts: Span,
        /// End the previews, or those of COLOR
        #[arg(long)]
        off: bool,
        /// The key of the link, where several hosts are to have the same
        #[arg(skip)]
        #[serde(default)]
        key: Option<PreviewKey>,
        /// How long to wait for another run
        #[command(flatten)]
        patience: Patience,
    },
    /// Finish or undo a run that died, and repair what was changed without bg
    #[command(after_help = examples(
        "repair --plan", "show what is wrong",
        "repair", "repair it",
    ))]
    Repair {
        /// Show what would be done, change nothing
        #[arg(long)]
        plan: bool,
        /// How long to wait for another run
        #[command(flatten)]
        patience: Patience,
    },
    /// Remove the app from this host: processes, NGINX files, registry entry
    #[command(after_help = examples(
        "remove", "show what would be deleted",
        "remove --yes --purge", "remove the app, its releases and its data",
    ))]
    Remove {
        /// Do it; without this the plan is shown
        #[arg(long, short)]
        yes: bool,
        /// Delete the root folder too: releases, shared files, history
        #[arg(long)]
        purge: bool,
    },
    /// Print the JSON schema of bg.toml, for editors
    #[command(after_help = examples(
        "schema > bg.schema.json", "for an editor that checks bg.toml",
        "schema --json", "as part of a result object",
    ))]
    Schema,
    /// Print completions for a shell
    #[command(after_help = examples(
        "completions bash", "completions for bash, for its start-up file",
        "completions zsh", "the same for zsh",
    ))]
    #[serde(skip)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the man page
    #[command(after_help = examples(
        "man > bluegreen.1", "keep the page",
        "man --color never", "print it",
    ))]
    Man,
    /// Print a shell function that makes `bg` work at the prompt
    #[command(after_help = examples(
        "shell-init bash", "for ~/.bashrc: `bg deploy` works at the prompt",
        "shell-init fish", "for fish's config.fish",
    ))]
    #[serde(skip)]
    ShellInit {
        /// The shell
        shell: PromptShell,
    },
    /// Watch what became live, until there is a verdict
    #[command(hide = true)]
    WatchRelease,
    /// End previews when their time is over
    #[command(hide = true)]
    EndPreviews {
        /// How long that is
        #[arg(long)]
        after: Span,
    },
    /// Stop a color when its warm time is over, unless traffic moved since
    #[command(hide = true)]
    StopStandby {
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
    Observe,
    /// How a release does that several hosts watch, for a client that leads them
    #[command(hide = true)]
    Lead {
        /// Ask the release before for what failed
        #[arg(long)]
        weigh: bool,
    },
    /// What came of a request, for a client that lost the connection to it
    #[command(hide = true)]
    Outcome {
        /// The request's name
        request_id: String,
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
        /// The worker's instance; PM2 keeps lines of earlier versions that say `--seat`
        #[arg(long, alias = "seat")]
        instance: String,
    },
}

impl Verb {
    /// Where it runs, and with whose rights.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Verb::Schema
            | Verb::Completions { .. }
            | Verb::Man
            | Verb::ShellInit { .. }
            | Verb::Engine
            | Verb::Launch { .. }
            | Verb::Work { .. } => Kind::AnyUser,
            Verb::Init { .. }
            | Verb::StopStandby { .. }
            | Verb::EndPreviews { .. }
            | Verb::WatchRelease
            | Verb::Observe
            | Verb::Lead { .. }
            | Verb::Outcome { .. }
            | Verb::Receive { .. }
            | Verb::Discard => Kind::Local,
            Verb::Deploy { plan: true, .. }
            | Verb::Status { .. }
            | Verb::List
            | Verb::History { .. }
            | Verb::Logs { .. }
            | Verb::Releases
            | Verb::Data { .. }
            | Verb::Bake
            | Verb::Compare { .. }
            | Verb::Repair { .. } => Kind::OnHost,
            Verb::Maintenance { .. }
            | Verb::Preview { .. }
            | Verb::Pause { .. }
            | Verb::Abort { .. }
            | Verb::Rollback { rehearse: true, .. } => Kind::Run,
            Verb::Deploy { .. }
            | Verb::Switch { .. }
            | Verb::Rollback { .. }
            | Verb::Canary { .. }
            | Verb::Promote { .. } => Kind::FleetRun,
            Verb::Exec { .. } | Verb::Worker { .. } => Kind::Exec,
            Verb::Check { .. } => Kind::Inspect,
            Verb::Adopt(_) | Verb::Setup { .. } | Verb::Remove { .. } => Kind::Root,
        }
    }

    /// Whether traffic goes to another color by it.
    #[must_use]
    pub fn moves_traffic(&self) -> bool {
        let stops_before = match self {
            Verb::Deploy {
                no_switch,
                preview,
                canary,
                ..
            } => *no_switch || *canary || preview.lasts.is_some(),
            _ => false,
        };
        self.kind().is_coordinated() && !stops_before
    }
}
