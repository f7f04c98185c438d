//! From what was typed to an exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::host::{identity, launcher, names};
use crate::model::color::Color;
use crate::model::failure::{Failure, Kind};
use crate::model::layout::Layout;
use crate::ui::Ui;
use crate::verbs::answer::Answer;
use crate::verbs::caller::Caller;

use super::afar::Errand;
use super::args::{Args, Verb};
use super::dispatch::dispatch;
use super::here::{AtHand, Here};
use super::{engine, hosts, shell};

/// Parses the command line, does what it says, and says how it went.
#[must_use]
pub fn main() -> ExitCode {
    names::pin();
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
    match runtime {
        Ok(runtime) => ExitCode::from(runtime.block_on(carry_out(args, ui))),
        Err(error) => ExitCode::from(told(
            ui,
            Err(Failure::failed("this program cannot start").because(error)),
        )),
    }
}

async fn carry_out(args: Args, ui: Ui) -> u8 {
    if matches!(args.verb, Verb::Engine) {
        return engine::main().await;
    }
    let here = Here {
        app: args.app,
        config: args.config.map_or(AtHand::InFolder, AtHand::File),
    };
    match afar(&args.hosts, args.local, &args.verb, &here, ui) {
        Ok(None) => {}
        Ok(Some(errand)) => return errand.run(args.accept_new_host_key).await,
        Err(failure) => return told(ui, Err(failure)),
    }
    let done = dispatch(args.verb, &here, &Caller::here(&ui), ui).await;
    told(ui, done)
}

/// The command as one for other machines, if it is.
fn afar(hosts: &[String], local: bool, verb: &Verb, here: &Here, ui: Ui) -> Result<Option<Errand>, Failure> {
    let Some(chosen) = hosts::choose(hosts, local, verb, here)? else {
        return Ok(None);
    };
    Ok(Some(Errand {
        verb: verb.clone(),
        app: here.app.clone(),
        config: here.to_send()?,
        chosen,
        ui,
    }))
}

/// Says how it went; returns the exit code.
pub(super) fn told(ui: Ui, done: Result<Option<Answer>, Failure>) -> u8 {
    match done {
        Ok(Some(answer)) => {
            ui.answer(&answer);
            answer.exit_code()
        }
        Ok(None) => 0,
        Err(failure) => {
            ui.failure(&failure);
            failure.exit_code()
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
pub(super) fn launch(root: PathBuf, color: Color) -> Failure {
    let nonce = std::env::var(identity::NONCE).unwrap_or_default();
    let Err(error) = launcher::launch(&Layout::new(root), color, &nonce);
    Failure::failed(format!("{color} cannot be started")).because(error)
}
