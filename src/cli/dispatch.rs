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
    match verb {
        Verb::Init { force } => {
            let folder =
                std::env::current_dir().map_err(|error| Failure::failed("where are we?").because(error))?;
            init::init(&folder, force).await.map(Answer::Started).map(Some)
        }
        Verb::Check { strict } => check(here, strict).await.map(Some),
        Verb::Adopt(asked) => {
            let done = adopt::adopt(&asked, here, caller, ui).await?;
            Ok(done.map(Answer::Adopting))
        }
        Verb::Setup { plan, overwrite } => {
            let config = here.config_for_setup()?;
            setup::setup(config, setup::Ask { plan, overwrite }, caller)
                .await
                .map(Answer::SetUp)
                .map(Some)
        }
        Verb::Deploy { .. } | Verb::Switch { .. } | Verb::Rollback { .. } | Verb::Maintenance { .. } => {
            change(verb, here, caller).await.map(Some)
        }
        Verb::Status { watch: false } => Ok(Some(look(&here.open()?).await)),
        Verb::Status { watch: true } => watch_status(&here.open()?, caller, ui).await,
        Verb::History {
            run: Some(run),
            timings,
            ..
        } => {
            let story = history::story_of(&here.open()?, &run)?;
            Ok(Some(match timings {
                true => Answer::Timings(history::timings(&story)),
                false => Answer::Run(story),
            }))
        }
        Verb::History { run: None, lines, .. } => history::history(&here.open()?, lines)
            .map(Answer::History)
            .map(Some),
        Verb::Logs {
            color,
            worker,
            follow,
            lines,
        } => {
            let app = here.open()?;
            let whose = logs::whose(&app, color, worker)?;
            show_logs(&app, whose, follow, lines, caller, ui).await
        }
        Verb::Worker {
            action: args::Worker::Run { name },
        } => {
            keep_the_terminal(&here.entry()?).await?;
            Err(workers::run_by_hand(&here.open()?, &name, || ui.hand_over()).await)
        }
        Verb::List => Ok(Some(Answer::Listed(list::list()))),
        Verb::Releases => releases::kept(&here.open()?).map(Answer::Releases).map(Some),
        Verb::Data { action: None } => data::show(&here.app_to_deploy()?)
            .await
            .map(Answer::Data)
            .map(Some),
        Verb::Data {
            action: Some(DataAction::Move),
        } => data::move_to_shared(&here.app_to_deploy()?, caller)
            .await
            .map(Answer::Data)
            .map(Some),
        Verb::Exec { color, command } => {
            keep_the_terminal(&here.entry()?).await?;
            Err(logs::exec(&here.open()?, color, &command, || ui.hand_over()))
        }
        Verb::Repair { plan: true, .. } => repair::plan(&here.open()?).await.map(Answer::Repaired).map(Some),
        Verb::Repair {
            plan: false,
            patience,
        } => repair::repair(&here.open()?, time(&patience), caller)
            .await
            .map(Answer::Repaired)
            .map(Some),
        Verb::Remove { yes, purge } => {
            let removed = match here.left_behind()?.filter(|_| purge) {
                Some(config) => remove::purge(&config, yes, caller),
                None => remove::remove(&here.open_as_is()?, yes, purge, caller).await,
            };
            removed.map(Answer::Removed).map(Some)
        }
        Verb::Schema => print(ui, &schema::schema()),
        Verb::Completions { shell } => print(ui, &complete::script(shell)),
        Verb::Man => print(ui, &man()?),
        Verb::ShellInit { shell } => print(ui, &shell::init(shell, &command::public())),
        Verb::Cool { color, after } => cool::later(&here.open()?, color, after.0, caller)
            .await
            .map(|()| None),
        Verb::Discard => remove::discard(&here.open()?).await.map(|()| None),
        Verb::Sight => sight::sight(&here.open()?).await.map(Answer::Sighted).map(Some),
        Verb::Outcome { ticket } => outcome::of(&here.open()?, &ticket).await,
        Verb::Launch { root, color } => Err(launch(root, color)),
        Verb::Work { root, seat } => Err(work(root, &seat)),
        Verb::Engine | Verb::Receive { .. } => {
            Err(Failure::failed("an engine was asked for inside an engine"))
        }
    }
}

/// What moves traffic, or gets ready to.
async fn change(verb: Verb, here: &Here, caller: &Caller<'_>) -> Result<Answer, Failure> {
    match verb {
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
                true => plan::plan(&app, &ask, caller).await.map(Answer::Planned),
                false => deploy::deploy(&app, &ask, caller).await.map(Answer::Deployed),
            }
        }
        Verb::Switch {
            converge: Some(release),
            force,
            patience,
            ..
        } => switch::converge(&here.open()?, release, force.as_deref(), time(&patience), caller)
            .await
            .map(Answer::Deployed),
        Verb::Switch {
            color,
            force,
            patience,
            ..
        } => switch::switch(&here.open()?, color, force.as_deref(), time(&patience), caller)
            .await
            .map(Answer::Deployed),
        Verb::Rollback { to, force, patience } => {
            let app = here.open()?;
            let to = to.map(|to| releases::named(&app, &to)).transpose()?;
            switch::rollback(&app, to, force.as_deref(), time(&patience), caller)
                .await
                .map(Answer::Deployed)
        }
        Verb::Maintenance { state, patience } => {
            let on = state == OnOff::On;
            maintenance::maintenance(&here.open()?, on, time(&patience), caller)
                .await
                .map(Answer::Maintenance)
        }
        _ => Err(Failure::failed("that changes nothing")),
    }
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

async fn check(here: &Here, strict: bool) -> Result<Answer, Failure> {
    let config = here.config_for_setup()?;
    let report = check::check(&config).await?;
    Ok(Answer::Checked(Checked { report, strict }))
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
    whose: Whose,
    follow: bool,
    lines: usize,
    caller: &Caller<'_>,
    ui: Ui,
) -> Result<Option<Answer>, Failure> {
    let (mut log, tail) = logs::open(app, &whose, lines)?;
    ui.lines(&tail);
    if !follow {
        ui.lines(&log.rest());
        return Ok(Some(Answer::Shown(whose)));
    }
    let mut interrupts = Interrupts::listen();
    loop {
        tokio::select! {
            more = log.wait() => ui.lines(&more),
            () = interrupts.first() => return Ok(Some(Answer::Shown(whose))),
            _ = caller.orders.stopped() => return Ok(Some(Answer::Shown(whose))),
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
            format!("`{}` is no name of a worker", seat.worker.escape_debug()),
        );
    }
    let Err(error) = launcher::work(&Layout::new(root), &seat);
    Failure::failed(format!("worker {seat} cannot be started")).because(error)
}
