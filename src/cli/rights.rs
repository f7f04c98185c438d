//! Whose rights a command has. Root never acts on what others wrote: where somebody else can
//! change the configuration at hand, root becomes that user before anything else is read or
//! run. `setup`, `adopt` and `remove` go on as root, for nobody but that user; so does `check`
//! for as long as it looks at what only root can read.

use std::path::{Path, PathBuf};

use model::failure::Failure;
use nix::unistd::{Uid, User};
use sys::path_security;

use super::args::Verb;
use super::author::{author, become_author, become_owner_or, registered};
use super::context::Context;
use super::hosts::{self, Chosen};

/// Decides which machines the command is for, and gives root's rights up where they are not
/// root's to use. What is left in `context` can be acted on.
///
/// # Errors
/// When the configuration could be several users' word, or one's about an app of another's.
pub fn settle(
    context: &mut Context,
    verb: &Verb,
    hosts: &[String],
    local: bool,
) -> Result<Option<Chosen>, Failure> {
    if !Uid::effective().is_root() || verb.kind().needs_no_rights() {
        return hosts::choose(hosts, local, verb, context);
    }
    let source = match verb {
        Verb::Init { .. } => Some(PathBuf::from(".")),
        _ => context.config_path().map(Path::to_owned),
    };
    context.author = author(source.as_slice())?;
    let chosen = hosts::choose(hosts, local, verb, context)?;
    if chosen.is_some() {
        let all: Vec<PathBuf> = source.into_iter().chain(read_here(context, verb)).collect();
        become_author(author(&all)?.as_ref())?;
        return Ok(chosen);
    }
    let registered = match &context.author {
        Some(author) if !matches!(verb, Verb::Init { .. }) => registered(context, author)?,
        _ => None,
    };
    if verb.kind().stays_root() || packs_roots_own(verb) {
        return Ok(None);
    }
    become_owner_or(context.author.as_ref(), registered)?;
    // What is packed, and the work tree, are read before the app is opened.
    if let Verb::Deploy { .. } = verb {
        context.open().map(drop)?;
    }
    Ok(None)
}

/// The same for what a client sent: root by sudo acts on the word of whoever called sudo. Root's
/// own login is root's word.
///
/// # Errors
/// When sudo does not say who called, or the configuration is about an app of another's.
pub fn settle_sent(context: &mut Context, verb: &Verb) -> Result<(), Failure> {
    if !Uid::effective().is_root() {
        return Ok(());
    }
    let Some(number) = std::env::var_os("SUDO_UID") else {
        return Ok(());
    };
    let caller = number.to_str().and_then(|number| number.parse().ok());
    let caller = caller.and_then(|uid| User::from_uid(Uid::from_raw(uid)).ok().flatten());
    let caller = caller.ok_or_else(|| Failure::failed("sudo does not say who called"))?;
    if caller.uid.is_root() {
        return Ok(());
    }
    context.author = Some(caller.clone());
    let registered = registered(context, &caller)?;
    match verb.kind().stays_root() {
        true => Ok(()),
        false => become_owner_or(context.author.as_ref(), registered),
    }
}

/// What root alone can have put there may be packed by root, also where the owner cannot read
/// it: the rest of the deploy is done as the owner.
fn packs_roots_own(verb: &Verb) -> bool {
    let Verb::Deploy { origin, .. } = verb else {
        return false;
    };
    let packed = origin.from.as_ref().map(|path| path_security::author(path));
    matches!(packed, Some(Ok(None)))
}

/// What a deploy reads on this machine before it asks another: what is packed, or the work tree,
/// in which git does what is written there.
fn read_here(context: &Context, verb: &Verb) -> Option<PathBuf> {
    let Verb::Deploy { origin, .. } = verb else {
        return None;
    };
    Some(origin.from.clone().unwrap_or_else(|| context.folder()))
}
