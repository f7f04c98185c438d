//! From what was typed to an exit code.

use std::process::ExitCode;

use clap::Parser;

use crate::host::names;
use crate::model::failure::{Failure, Kind};
use crate::ui::Ui;
use crate::verbs::caller::Caller;

use super::args::{Args, Verb};
use super::desk::{self, Desk};
use super::dispatch::{dispatch, launch};
use super::errand::{self, Errand};
use super::here::{AtHand, Here};
use super::{alone, engine, fleet, hosts, shell};

/// Parses the command line, does what it says, and says how it went.
#[must_use]
pub fn main() -> ExitCode {
    names::pin();
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
    match runtime {
        Ok(runtime) => ExitCode::from(runtime.block_on(carry_out(args, ui))),
        Err(error) => {
            ExitCode::from(ui.end(Err(Failure::failed("this program cannot start").because(error))))
        }
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
        Ok(Some(errand)) => return go(&errand, args.accept_new_host_key).await,
        Err(failure) => return ui.end(Err(failure)),
    }
    let done = dispatch(args.verb, &here, &Caller::here(&ui), ui).await;
    ui.end(done)
}

/// One host is as if it were here, several are a company.
async fn go(errand: &Errand, accept_new_host_key: bool) -> u8 {
    let way = match errand::way(accept_new_host_key) {
        Ok(way) => way,
        Err(failure) => return errand.ui.end(Err(failure)),
    };
    if let Err(failure) = desk::before(errand).await {
        return errand.ui.end(Err(failure));
    }
    match errand.chosen.names.as_slice() {
        [name] => alone::alone(errand, name, &way).await,
        _ => fleet::together(errand, &way).await,
    }
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
        desk: here.whole_config()?.map(|config| Desk::of(config, &here.config)),
        chosen,
        ui,
    }))
}

/// For programs: the mistake in one line; people have read it all on stderr.
fn not_understood(error: &clap::Error) -> Failure {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    Failure::new(Kind::Usage, first.trim_start_matches("error: "))
}
