//! From what was typed to an exit code.

use std::process::ExitCode;
use std::sync::Arc;

use ::engine::caller::Caller;
use ::engine::preview;
use model::failure::{Failure, Kind};
use release::bundle::Bundle;
use sys::{limits, nss};

use super::args::{Args, Verb, command};
use super::client_hooks::{self, Client};
use super::context::{ConfigSource, Context};
use super::dispatch::{dispatch, launch, work};
use super::hosts::Chosen;
use super::invocation::{self, Invocation};
use super::source::{self, bundle};
use super::{complete, engine, many_hosts, rights, shell, single_host};
use crate::ui::Ui;

/// A deploy with one worker and one listener wanted 23 where measured; each further one is
/// probed on connections of its own.
const FEWEST_OPEN_FILES: u64 = 64;

/// What a login gets by default, so that nothing that is started meets more than it may be used to.
const OPEN_FILES: u64 = 1024;

/// Parses the command line, does what it says, and says how it went.
#[must_use]
pub fn main() -> ExitCode {
    pin_umask();
    nss::pin();
    if complete::answer() {
        return ExitCode::SUCCESS;
    }
    let args = match command::parse() {
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
        return ExitCode::from(ui.end(Err(launch(root, color))));
    }
    if let Verb::Work { root, instance } = args.verb {
        return ExitCode::from(ui.end(Err(work(root, &instance))));
    }
    if let Err(failure) = enough_open_files() {
        return ExitCode::from(ui.end(Err(failure)));
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

/// Whatever whoever starts this has: others may read what is not kept from them, and write
/// nothing; and the app starts with the same, whoever it was that started PM2's daemon.
fn pin_umask() {
    use nix::sys::stat::{Mode, umask};
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
}

/// In the middle of a switch is no time to find out.
fn enough_open_files() -> Result<(), Failure> {
    let allowed = limits::raise_open_files(OPEN_FILES);
    if allowed >= FEWEST_OPEN_FILES {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "this program may have {allowed} files open at once and needs {FEWEST_OPEN_FILES}"
    ))
    .hint(format!(
        "`ulimit -n {OPEN_FILES}` where this shell or job is started, or `LimitNOFILE={OPEN_FILES}` in its unit"
    )))
}

async fn carry_out(args: Args, ui: Ui) -> u8 {
    if matches!(args.verb, Verb::Engine) {
        return engine::main().await;
    }
    let mut verb = args.verb;
    if let Err(failure) = verb.read_files() {
        return ui.end(Err(failure));
    }
    let mut context = Context {
        app: args.app,
        config: args
            .config
            .map_or_else(ConfigSource::in_folder, ConfigSource::File),
        place: None,
        author: None,
    };
    let chosen = match rights::settle(&mut context, &verb, &args.hosts, args.local) {
        Ok(chosen) => chosen,
        Err(failure) => return ui.end(Err(failure)),
    };
    let (verb, bundle) = match source::prepare(verb, &context, chosen.is_some(), ui).await {
        Ok(prepared) => prepared,
        Err(failure) => return ui.end(Err(failure)),
    };
    let done = match chosen {
        Some(chosen) => match invocation(verb, chosen, bundle, &context, ui) {
            Ok(invocation) => return go(&invocation, args.accept_new_host_key).await,
            Err(failure) => Err(failure),
        },
        None => match bundle.map_or(Ok(()), |bundle| bundle::hand_over(&bundle, &context)) {
            Ok(()) => dispatch(verb, &context, &Caller::here(&ui), ui).await,
            Err(failure) => Err(failure),
        },
    };
    ui.end(done)
}

/// One host is as if it were here, several are a company.
async fn go(invocation: &Invocation, accept_new_host_key: bool) -> u8 {
    let way = match invocation::way(accept_new_host_key) {
        Ok(way) => way,
        Err(failure) => return invocation.ui.end(Err(failure)),
    };
    if let Err(failure) = client_hooks::before(invocation).await {
        return invocation.ui.end(Err(failure));
    }
    match invocation.chosen.names.as_slice() {
        [name] => single_host::run(invocation, name, &way).await,
        _ => many_hosts::run(invocation, &way).await,
    }
}

/// The command as one for other machines.
fn invocation(
    mut verb: Verb,
    chosen: Chosen,
    bundle: Option<Bundle>,
    context: &Context,
    ui: Ui,
) -> Result<Invocation, Failure> {
    // Whichever of them a balancer asks knows the link.
    if chosen.names.len() > 1
        && let Some(key) = verb.preview_key()
    {
        let made = preview::fresh_key();
        *key = Some(made.map_err(|error| Failure::failed("no link can be made").because(error))?);
    }
    Ok(Invocation {
        verb,
        app: context.app.clone(),
        config: context.to_send()?,
        client: context
            .whole_config()?
            .map(|config| Client::of(config, &context.config)),
        chosen,
        bundle: bundle.map(Arc::new),
        ui,
    })
}

/// For programs: the mistake in one line; people have read it all on stderr.
fn not_understood(error: &clap::Error) -> Failure {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    Failure::new(Kind::Usage, first.trim_start_matches("error: "))
}
