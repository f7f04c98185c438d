//! From a command to the verb that does it, on this host.

use std::path::PathBuf;
use std::time::Duration;

use engine::app::App;
use engine::caller::Caller;
use engine::workers;
use keeper::launcher;
use model::color::Color;
use model::config::{is_app_name, schema};
use model::failure::{Failure, Kind};
use model::layout::Layout;
use model::seat::Seat;
use sys::identity;

use super::args::{self, DataAction, OnOff, Patience, Verb, command};
use super::here::Here;
use super::user::keep_the_terminal;
use super::{adopt, complete, man, outcome, shell};
use crate::remote::interrupts::Interrupts;
use crate::ui::Ui;
use crate::verbs::Answer;
use crate::verbs::check::Checked;
use crate::verbs::deploy::Ask;
use crate::verbs::logs::Whose;
use crate::verbs::source::Wanted;
use crate::verbs::{
    check, cool, data, deploy, history, init, list, logs, maintenance, plan, releases, remove, repair, setup,
    sight, status, switch,
};

/// How long `bg status --watch` rests between two looks.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Does `verb` here, for `caller`; `None` when there is nothing to tell.
///
/// # Errors
/// As the verb.
pub async fn dispatch(
    verb: Verb,
    here: &Here,
    caller: &Caller<'_>,
    ui: Ui,
) -> Result<Option<Answer>, Failure> {
    let answer = match verb {
        Verb::Init { force } => {
            let folder = std::env::current_dir()
                .map_err(|error| Failure::failed("cannot read the current directory").because(error))?;
            Answer::Started(init::init(&folder, force).await?)
        }
        Verb::Check { strict } => {
            let report = check::check(&here.config_for_setup()?).await?;
            Answer::Checked(Checked { report, strict })
        }
        Verb::Adopt(asked) => {
            let done = adopt::adopt(&asked, here, caller, ui).await?;
            return Ok(done.map(Answer::Adopting));
        }
        Verb::Setup { plan, overwrite } => {
            let ask = setup::Ask { plan, overwrite };
            Answer::SetUp(setup::setup(here.config_for_setup()?, ask, caller).await?)
        }
        Verb::Deploy {
            reference,
            no_switch,
            plan,
            force_gate,
            backup,
            contract,
            leave_data,
            again,
            origin,
            checks,
            patience,
        } => {
            let ask = Ask {
                wanted: Wanted {
                    reference,
                    brought: origin.brought,
                    again,
                },
                checks: checks.into(),
                no_switch,
                force_gate,
                backup,
                contract,
                leave_data,
                patience: time(&patience),
            };
            let app = here.app_to_deploy()?;
            match plan {
                true => Answer::Planned(plan::plan(&app, &ask, caller).await?),
                false => Answer::Deployed(deploy::deploy(&app, &ask, caller).await?),
            }
        }
        Verb::Switch {
            color,
            converge,
            force,
            patience,
        } => {
            let (app, force, patience) = (here.open()?, force.as_deref(), time(&patience));
            Answer::Deployed(match converge {
                Some(release) => switch::converge(&app, release, force, patience, caller).await?,
                None => switch::switch(&app, color, force, patience, caller).await?,
            })
        }
        Verb::Rollback { to, force, patience } => {
            let app = here.open()?;
            let to = to.map(|to| releases::named(&app, &to)).transpose()?;
            let done = switch::rollback(&app, to, force.as_deref(), time(&patience), caller);
            Answer::Deployed(done.await?)
        }
        Verb::Status { watch: false } => look(&here.open()?).await,
        Verb::Status { watch: true } => return watch_status(&here.open()?, caller, ui).await,
        Verb::List => Answer::Listed(list::list()),
        Verb::History {
            run: Some(run),
            timings,
            ..
        } => {
            let log = history::log_of(&here.open()?, &run)?;
            match timings {
                true => Answer::Timings(history::timings(&log)),
                false => Answer::Run(log),
            }
        }
        Verb::History { run: None, lines, .. } => Answer::History(history::history(&here.open()?, lines)?),
        Verb::Logs {
            color,
            worker,
            follow,
            lines,
        } => {
            let app = here.open()?;
            let whose = logs::whose(&app, color, worker)?;
            show_logs(&app, &whose, follow, lines, caller, ui).await?;
            Answer::Shown(whose)
        }
        Verb::Releases => Answer::Releases(releases::kept(&here.open()?)?),
        Verb::Data { action } => {
            let app = here.app_to_deploy()?;
            Answer::Data(match action {
                None => data::show(&app).await?,
                Some(DataAction::Move) => data::move_to_shared(&app, caller).await?,
            })
        }
        Verb::Exec { color, command } => {
            keep_the_terminal(&here.entry()?).await?;
            return Err(logs::exec(&here.open()?, color, &command, || ui.hand_over()));
        }
        Verb::Worker {
            action: args::Worker::Run { name },
        } => {
            keep_the_terminal(&here.entry()?).await?;
            return Err(workers::run_by_hand(&here.open()?, &name, || ui.hand_over()).await);
        }
        Verb::Maintenance { state, patience } => {
            let (app, on) = (here.open()?, state == OnOff::On);
            Answer::Maintenance(maintenance::maintenance(&app, on, time(&patience), caller).await?)
        }
        Verb::Repair { plan, patience } => {
            let app = here.open()?;
            Answer::Repaired(match plan {
                true => repair::plan(&app).await?,
                false => repair::repair(&app, time(&patience), caller).await?,
            })
        }
        Verb::Remove { yes, purge } => Answer::Removed(match here.left_behind()?.filter(|_| purge) {
            Some(config) => remove::purge(&config, yes, caller)?,
            None => remove::remove(&here.open_as_is()?, yes, purge, caller).await?,
        }),
        Verb::Schema => return print(ui, &schema::schema()),
        Verb::Completions { shell } => return print(ui, &complete::script(shell)),
        Verb::Man => return print(ui, &man()?),
        Verb::ShellInit { shell } => return print(ui, &shell::init(shell, &command::public())),
        Verb::Cool { color, after } => {
            cool::later(&here.open()?, color, after.0, caller).await?;
            return Ok(None);
        }
        Verb::Sight => Answer::Sighted(sight::sight(&here.open()?).await?),
        Verb::Outcome { ticket } => return outcome::of(&here.open()?, &ticket).await,
        Verb::Discard => return remove::discard(&here.open()?).await.map(|()| None),
        Verb::Launch { root, color } => return Err(launch(root, color)),
        Verb::Work { root, seat } => return Err(work(root, &seat)),
        Verb::Engine | Verb::Receive { .. } => {
            return Err(Failure::failed("an engine was asked for inside an engine"));
        }
    };
    Ok(Some(answer))
}

fn time(patience: &Patience) -> Duration {
    patience.wait.map_or(Duration::ZERO, |span| span.0)
}

/// Nothing is left to tell of it.
fn print(ui: Ui, text: &str) -> Result<Option<Answer>, Failure> {
    ui.text(text);
    Ok(None)
}

fn man() -> Result<String, Failure> {
    let page = man::page(command::public())
        .map_err(|error| Failure::failed("the man page cannot be made").because(error))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

async fn look(app: &App) -> Answer {
    Answer::Status(Box::new(status::status(app).await))
}

/// Each look is shown as it is taken, so that nothing is left to tell at the end.
async fn watch_status(app: &App, caller: &Caller<'_>, ui: Ui) -> Result<Option<Answer>, Failure> {
    let mut interrupts = Interrupts::listen();
    let looking = async {
        loop {
            ui.look(&look(app).await);
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    };
    tokio::select! {
        never = looking => never,
        () = interrupts.first() => Ok(None),
        _ = caller.orders.stopped() => Ok(None),
    }
}

async fn show_logs(
    app: &App,
    whose: &Whose,
    follow: bool,
    lines: usize,
    caller: &Caller<'_>,
    ui: Ui,
) -> Result<(), Failure> {
    let (mut log, tail) = logs::open(app, whose, lines)?;
    ui.lines(&tail);
    if !follow {
        ui.lines(&log.rest());
        return Ok(());
    }
    let mut interrupts = Interrupts::listen();
    loop {
        tokio::select! {
            more = log.wait() => ui.lines(&more),
            () = interrupts.first() => return Ok(()),
            _ = caller.orders.stopped() => return Ok(()),
        }
    }
}

/// Becomes the app, before there is a runtime: the app must not inherit its threads' signals.
pub(super) fn launch(root: PathBuf, color: Color) -> Failure {
    let nonce = std::env::var(identity::NONCE).unwrap_or_default();
    let Err(error) = launcher::launch(&Layout::new(root), color, &nonce);
    Failure::failed(format!("{color} cannot be started")).because(error)
}

/// Becomes a worker, in the same way.
pub(super) fn work(root: PathBuf, seat: &str) -> Failure {
    let seat = Seat::named(seat);
    if !is_app_name(&seat.worker) {
        return Failure::new(
            Kind::Usage,
            format!("`{}` is not a valid worker name", seat.worker.escape_debug()),
        );
    }
    let Err(error) = launcher::work(&Layout::new(root), &seat);
    Failure::failed(format!("worker {seat} cannot be started")).because(error)
}
