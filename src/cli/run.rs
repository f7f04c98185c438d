//! From what was typed to the verb that does it, and back to an exit code.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::host::app::{App, AppError, read_config};
use crate::host::registry::{Registry, RegistryError};
use crate::host::{identity, launcher};
use crate::model::color::Color;
use crate::model::config::{Config, difference, schema};
use crate::model::failure::{Failure, Kind};
use crate::model::layout::{Entry, Layout};
use crate::ui::Ui;
use crate::ui::report::Answer;
use crate::verbs::deploy::Ask;
use crate::verbs::{
    check, cool, deploy, history, init, logs, maintenance, plan, remove, repair, setup, status, switch,
};

use super::args::{self, Args, OnOff, Patience, Verb};
use super::{man, shell};

/// Parses the command line, does what it says, and says how it went.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(code) = super::swap::main() {
        return code;
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            error.print().ok();
            if error.use_stderr() && std::env::args().any(|word| word == "--json") {
                Ui::Json.failure(&not_understood(&error));
            }
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let ui = if args.json {
        Ui::Json
    } else {
        Ui::Human {
            name: shell::name_to_type(),
        }
    };
    if let Verb::Launch { root, color } = args.verb {
        let failure = launch(root, color);
        ui.failure(&failure);
        return ExitCode::from(failure.exit_code());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(args, ui)),
        Err(error) => Err(Failure::failed("this program cannot start").because(error)),
    };
    match done {
        Ok(Some(answer)) => {
            ui.answer(&answer);
            ExitCode::from(answer.exit_code())
        }
        Ok(None) => ExitCode::SUCCESS,
        Err(failure) => {
            ui.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// For programs: the mistake in one line; people have read it all on stderr.
fn not_understood(error: &clap::Error) -> Failure {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    Failure::new(Kind::Usage, first.trim_start_matches("error: "))
}

/// Becomes the app, before there is a runtime: the app must not inherit its threads' signals.
fn launch(root: PathBuf, color: Color) -> Failure {
    let nonce = std::env::var(identity::NONCE).unwrap_or_default();
    let Err(error) = launcher::launch(&Layout::new(root), color, &nonce);
    Failure::failed(format!("{color} cannot be started")).because(error)
}

async fn dispatch(args: Args, ui: Ui) -> Result<Option<Answer>, Failure> {
    let here = Here {
        app: args.app,
        config: args.config,
    };
    match args.verb {
        Verb::Init { force } => {
            let folder =
                std::env::current_dir().map_err(|error| Failure::failed("where are we?").because(error))?;
            init::init(&folder, force).await.map(Answer::Started).map(Some)
        }
        Verb::Check { strict } => check(&here, strict).await.map(Some),
        Verb::Setup { plan, yes: _ } => {
            let config = here.config_for_setup()?;
            setup::setup(config, plan, &ui).await.map(Answer::SetUp).map(Some)
        }
        Verb::Deploy {
            reference,
            no_switch,
            plan: true,
            ..
        } => {
            let app = here.app_to_deploy()?;
            plan::plan(&app, reference, no_switch)
                .await
                .map(Answer::Planned)
                .map(Some)
        }
        Verb::Deploy {
            reference,
            no_switch,
            plan: false,
            force_gate,
            patience,
        } => {
            let app = here.app_to_deploy()?;
            let ask = Ask {
                reference,
                no_switch,
                force_gate,
                patience: time(&patience),
            };
            deploy::deploy(&app, &ask, &ui)
                .await
                .map(Answer::Deployed)
                .map(Some)
        }
        Verb::Switch { color, patience } => switch::switch(&here.open()?, color, time(&patience), &ui)
            .await
            .map(Answer::Deployed)
            .map(Some),
        Verb::Rollback { to, patience } => switch::rollback(&here.open()?, to, time(&patience), &ui)
            .await
            .map(Answer::Deployed)
            .map(Some),
        Verb::Status { watch } => show_status(&here.open()?, watch, ui).await.map(Some),
        Verb::History { run: Some(run), .. } => {
            history::story_of(&here.open()?, &run).map(Answer::Run).map(Some)
        }
        Verb::History { run: None, lines } => history::history(&here.open()?, lines)
            .map(Answer::History)
            .map(Some),
        Verb::Logs { color, follow, lines } => show_logs(&here.open()?, color, follow, lines, ui).await,
        Verb::Releases => history::kept(&here.open()?).map(Answer::Releases).map(Some),
        Verb::Exec { color, command } => Err(logs::exec(&here.open()?, color, &command)),
        Verb::Maintenance { state, patience } => {
            let on = state == OnOff::On;
            maintenance::maintenance(&here.open()?, on, time(&patience), &ui)
                .await
                .map(Answer::Maintenance)
                .map(Some)
        }
        Verb::Repair { plan: true, .. } => repair::plan(&here.open()?).await.map(Answer::Repaired).map(Some),
        Verb::Repair {
            plan: false,
            patience,
        } => repair::repair(&here.open()?, time(&patience), &ui)
            .await
            .map(Answer::Repaired)
            .map(Some),
        Verb::Remove { yes, purge } => remove::remove(&here.open_as_is()?, yes, purge, &ui)
            .await
            .map(Answer::Removed)
            .map(Some),
        Verb::Schema => Ok(print(schema::schema())),
        Verb::Completions { shell } => Ok(print(completions(shell))),
        Verb::Man => man(),
        Verb::ShellInit { shell } => Ok(print(shell::init(shell))),
        Verb::Cool { color, after } => cool::later(&here.open()?, color, after.0, &ui)
            .await
            .map(|()| None),
        Verb::Discard => remove::discard(&here.open()?).await.map(|()| None),
        Verb::Launch { root, color } => Err(launch(root, color)),
    }
}

fn time(patience: &Patience) -> Duration {
    patience.wait.map_or(Duration::ZERO, |span| span.0)
}

fn print(text: impl Into<String>) -> Option<Answer> {
    Some(Answer::Text { text: text.into() })
}

fn completions(shell: clap_complete::Shell) -> String {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut args::public(), "bluegreen", &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

fn man() -> Result<Option<Answer>, Failure> {
    let page = man::page(args::public())
        .map_err(|error| Failure::failed("the man page cannot be made").because(error))?;
    Ok(print(String::from_utf8_lossy(&page)))
}

async fn check(here: &Here, strict: bool) -> Result<Answer, Failure> {
    let config = here.config_for_setup()?;
    Ok(Answer::Checked {
        report: check::check(&config).await?,
        strict,
    })
}

async fn show_status(app: &App, watch: bool, ui: Ui) -> Result<Answer, Failure> {
    loop {
        let now = Answer::Status(Box::new(status::status(app).await));
        if !watch {
            return Ok(now);
        }
        ui.answer(&now);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn show_logs(
    app: &App,
    color: Option<Color>,
    follow: bool,
    lines: usize,
    ui: Ui,
) -> Result<Option<Answer>, Failure> {
    let color = color.map_or_else(|| logs::live_color(app), Ok)?;
    let (mut log, tail) = logs::open(app, color, lines)?;
    ui.lines(&tail);
    if !follow {
        ui.lines(&log.rest());
        return Ok(Some(Answer::Shown { color }));
    }
    loop {
        tokio::select! {
            more = log.wait() => ui.lines(&more),
            _ = tokio::signal::ctrl_c() => return Ok(Some(Answer::Shown { color })),
        }
    }
}

/// Which app is meant: by name, by the configuration at hand, or the only one there is.
struct Here {
    app: Option<String>,
    config: Option<PathBuf>,
}

impl Here {
    fn config_at_hand(&self) -> Result<Option<Config>, Failure> {
        let (path, asked) = match &self.config {
            Some(path) => (path.as_path(), true),
            None => (Path::new("bg.toml"), false),
        };
        if !asked && (self.app.is_some() || !path.exists()) {
            return Ok(None);
        }
        read_config(path).map(Some).map_err(config_failure)
    }

    fn config_for_setup(&self) -> Result<Config, Failure> {
        if let Some(config) = self.config_at_hand()? {
            return Ok(config);
        }
        match self.open_as_is() {
            Ok(app) => Ok(of_its_owner(app)),
            Err(_) if self.app.is_none() => {
                Err(Failure::new(Kind::Config, "there is no bg.toml here").hint("`bg init` writes a starter"))
            }
            Err(failure) => Err(failure),
        }
    }

    /// Opens the app as its owner: root gives its rights up first.
    fn open(&self) -> Result<App, Failure> {
        let entry = self.entry()?;
        super::user::become_owner(&entry)?;
        App::open(entry).map_err(config_failure)
    }

    /// Opens the app with the rights that this process has, for what only setup may do.
    fn open_as_is(&self) -> Result<App, Failure> {
        App::open(self.entry()?).map_err(config_failure)
    }

    fn entry(&self) -> Result<Entry, Failure> {
        let registry = Registry::of_this_user();
        let named = match &self.app {
            Some(app) => Some(app.clone()),
            None => self.config_at_hand()?.map(|config| config.app),
        };
        let entry = match named {
            Some(app) => registry.find(&app),
            None => registry.only(),
        };
        entry.map_err(registry_failure)
    }

    /// The app with the configuration at hand, if that may be used without `bg setup`.
    fn app_to_deploy(&self) -> Result<App, Failure> {
        let app = self.open()?;
        let Some(config) = self.config_at_hand()? else {
            return Ok(app);
        };
        let changes = difference::difference(&app.config, &config);
        if difference::needs_setup(&changes) {
            let keys: Vec<String> = changes.iter().map(|change| format!("`{}`", change.key)).collect();
            return Err(Failure::new(
                Kind::Config,
                format!("bg.toml changed what `bg setup` prepares: {}", keys.join(", ")),
            )
            .hint("`bg setup` applies it; then deploy again"));
        }
        App::with(app.entry, config).map_err(config_failure)
    }
}

/// The configuration as applied lies where the app's owner can write; whose the app is,
/// the registry says.
fn of_its_owner(app: App) -> Config {
    let named = app
        .config
        .owner
        .clone()
        .or_else(|| std::env::var("SUDO_USER").ok());
    let mut config = app.config;
    if named.is_some_and(|named| named != app.entry.owner) {
        config.owner = Some(app.entry.owner);
    }
    config
}

fn config_failure(error: AppError) -> Failure {
    match error {
        AppError::Config(error) => Failure::new(Kind::Config, error.to_string()),
        other => Failure::new(Kind::Config, "the configuration cannot be used").because(other),
    }
}

fn registry_failure(error: RegistryError) -> Failure {
    let hint = match error {
        RegistryError::Unknown { ref known, .. } | RegistryError::Which { ref known }
            if !known.is_empty() =>
        {
            "`--app NAME` names one"
        }
        RegistryError::Unknown { .. } | RegistryError::Which { .. } => "`bg init`, then `bg setup`",
        _ => "`bg setup` writes it anew",
    };
    Failure::new(Kind::Config, error.to_string()).hint(hint)
}
