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
use model::instance::Instance;
use model::layout::Layout;
use sys::identity;

use super::args::{self, DataAction, OnOff, Patience, Verb, command};
use super::context::Context;
use super::user::keep_the_terminal;
use super::{adopt, complete, man, outcome, shell};
use crate::remote::interrupts::Interrupts;
use crate::ui::Ui;
use crate::verbs::check::{self, Checked};
use crate::verbs::deploy::{self, Ask};
use crate::verbs::logs::{self, Whose};
use crate::verbs::source::Wanted;
use crate::verbs::switch::Promoted;
use crate::verbs::{
    Answer, bake, canary, compare, data, history, init, lead, list, maintenance, observe, plan, preview,
    rehearse, releases, remove, repair, setup, standby, status, switch, watch,
};

/// How long `bg status --watch` rests between two looks.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Does `verb` here, for `caller`; `None` when there is nothing to tell.
///
/// # Errors
/// As the verb.
pub async fn dispatch(
    verb: Verb,
    context: &Context,
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
            let report = check::check(&context.config_for_setup()?).await?;
            Answer::Checked(Checked { report, strict })
        }
        Verb::Adopt(asked) => {
            let done = adopt::adopt(&asked, context, caller, ui).await?;
            return Ok(done.map(Answer::Adopting));
        }
        Verb::Setup { plan, overwrite } => {
            let ask = setup::Ask { plan, overwrite };
            Answer::SetUp(setup::setup(context.config_for_setup()?, ask, caller).await?)
        }
        Verb::Deploy {
            reference,
            no_switch,
            canary,
            preview,
            bake,
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
                    uploaded: origin.uploaded,
                    again,
                },
                checks: checks.into(),
                no_switch: no_switch || canary || preview.lasts.is_some(),
                canary,
                preview: preview.lasts.map(|lasts| deploy::Previewed {
                    lasts,
                    key: preview.key,
                }),
                bake: bake.lasts(),
                wait_bake: bake.wait_bake,
                force_gate,
                backup,
                contract,
                leave_data,
                patience: time(&patience),
            };
            let app = context.app_to_deploy()?;
            match plan {
                true => Answer::Planned(plan::plan(&app, &ask, caller).await?),
                false => Answer::Deployed(deploy::deploy(&app, &ask, caller).await?),
            }
        }
        Verb::Switch {
            color,
            reconcile,
            force,
            patience,
        } => {
            let (app, force, patience) = (context.open()?, force.as_deref(), time(&patience));
            Answer::Deployed(match reconcile {
                Some(release) => switch::reconcile(&app, release, force, patience, caller).await?,
                None => switch::switch(&app, color, force, patience, caller).await?,
            })
        }
        Verb::Rollback {
            rehearse: true,
            patience,
            ..
        } => {
            let app = context.open()?;
            Answer::Compared(rehearse::rehearse(&app, time(&patience), caller).await?)
        }
        Verb::Rollback {
            to, force, patience, ..
        } => {
            let app = context.open()?;
            let to = to.map(|to| releases::named(&app, &to)).transpose()?;
            let done = switch::rollback(&app, to, force.as_deref(), time(&patience), caller);
            Answer::Deployed(done.await?)
        }
        Verb::Status { watch: false } => look(&context.open()?).await,
        Verb::Status { watch: true } => return watch_status(&context.open()?, caller, ui).await,
        Verb::List => Answer::Listed(list::list()),
        Verb::History {
            run: Some(run),
            timings,
            ..
        } => {
            let log = history::log_of(&context.open()?, &run)?;
            match timings {
                true => Answer::Timings(history::timings(&log)),
                false => Answer::Run(log),
            }
        }
        Verb::History { run: None, lines, .. } => Answer::History(history::history(&context.open()?, lines)?),
        Verb::Logs {
            color,
            worker,
            follow,
            lines,
        } => {
            let app = context.open()?;
            let whose = logs::whose(&app, color, worker)?;
            show_logs(&app, &whose, follow, lines, caller, ui).await?;
            Answer::Shown(whose)
        }
        Verb::Releases => Answer::Releases(releases::kept(&context.open()?)?),
        Verb::Data { action } => {
            let app = context.app_to_deploy()?;
            Answer::Data(match action {
                None => data::show(&app).await?,
                Some(DataAction::Move) => data::move_to_shared(&app, caller).await?,
            })
        }
        Verb::Exec { color, command } => {
            keep_the_terminal(&context.entry()?).await?;
            return Err(logs::exec(&context.open()?, color, &command, || ui.hand_over()));
        }
        Verb::Worker {
            action: args::Worker::Run { name },
        } => {
            keep_the_terminal(&context.entry()?).await?;
            return Err(workers::run_by_hand(&context.open()?, &name, || ui.hand_over()).await);
        }
        Verb::Maintenance {
            state,
            but_preview,
            patience,
        } => {
            let ask = maintenance::Ask {
                on: state == OnOff::On,
                but_preview,
            };
            let app = context.open()?;
            Answer::Maintenance(maintenance::maintenance(&app, ask, time(&patience), caller).await?)
        }
        Verb::Canary { share, patience } => {
            Answer::Stepped(canary::canary(&context.open()?, share, time(&patience), caller).await?)
        }
        Verb::Promote { all, patience } => {
            let app = context.open()?;
            match switch::promote(&app, all, time(&patience), caller).await? {
                Promoted::Step(stepped) => Answer::Stepped(stepped),
                Promoted::All(deployed) => Answer::Deployed(deployed),
            }
        }
        Verb::Pause { patience } => {
            Answer::Stepped(canary::pause(&context.open()?, time(&patience), caller).await?)
        }
        Verb::Abort { patience } => {
            Answer::Stepped(canary::abort(&context.open()?, time(&patience), caller).await?)
        }
        Verb::Bake => Answer::Baked(Box::new(bake::stay(&context.open()?).await?)),
        Verb::Compare { pages } => {
            let source = match pages.read {
                Some(paths) => compare::Source::Paths(paths),
                None => compare::Source::Last(pages.last),
            };
            Answer::Compared(compare::compare(&context.open()?, &source).await?)
        }
        Verb::Preview {
            color,
            lasts,
            off,
            key,
            patience,
        } => {
            let (app, patience) = (context.open()?, time(&patience));
            Answer::Previewed(match off {
                true => preview::off(&app, color, patience, caller).await?,
                false => {
                    let ask = preview::Ask {
                        color,
                        lasts,
                        key,
                        patience,
                    };
                    preview::open(&app, ask, caller).await?
                }
            })
        }
        Verb::Repair { plan, patience } => {
            let app = context.open()?;
            Answer::Repaired(match plan {
                true => repair::plan(&app).await?,
                false => repair::repair(&app, time(&patience), caller).await?,
            })
        }
        Verb::Remove { yes, purge } => Answer::Removed(match context.left_behind()?.filter(|_| purge) {
            Some(config) => remove::purge(&config, yes, caller)?,
            None => remove::remove(&context.open_as_is()?, yes, purge, caller).await?,
        }),
        Verb::Schema => return print(ui, &schema::schema()),
        Verb::Completions { shell } => return print(ui, &complete::script(shell)),
        Verb::Man => return print(ui, &man()?),
        Verb::ShellInit { shell } => return print(ui, &shell::init(shell, &command::public())),
        Verb::WatchRelease => {
            watch::to_its_end(&context.open()?, caller).await?;
            return Ok(None);
        }
        Verb::EndPreviews { after } => {
            preview::end_in(&context.open()?, after.0, caller).await?;
            return Ok(None);
        }
        Verb::StopStandby { color, after } => {
            standby::later(&context.open()?, color, after.0, caller).await?;
            return Ok(None);
        }
        Verb::Observe => Answer::Observed(observe::observe(&context.open()?).await?),
        Verb::Lead { weigh } => Answer::Led(Box::new(lead::lead(&context.open()?, weigh).await?)),
        Verb::Outcome { request_id } => return outcome::of(&context.open()?, &request_id).await,
        Verb::Discard => return remove::discard(&context.open()?).await.map(|()| None),
        Verb::Launch { root, color } => return Err(launch(root, color)),
        Verb::Work { root, instance } => return Err(work(root, &instance)),
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
        _ = caller.control.stopped() => Ok(None),
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
            _ = caller.control.stopped() => return Ok(()),
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
pub(super) fn work(root: PathBuf, instance: &str) -> Failure {
    let instance = Instance::named(instance);
    if !is_app_name(&instance.worker) {
        return Failure::new(
            Kind::Usage,
            format!("`{}` is not a valid worker name", instance.worker.escape_debug()),
        );
    }
    let Err(error) = launcher::work(&Layout::new(root), &instance);
    Failure::failed(format!("worker {instance} cannot be started")).because(error)
}
