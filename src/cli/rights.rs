//! Whose rights a command has. Root never acts on what others wrote: where somebody else can
//! change the configuration at hand, root becomes that user before anything else is read or
//! run. `setup`, `adopt` and `remove` go on as root, for nobody but that user; so does `check`
//! for as long as it looks at what only root can read.

use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

use crate::host::trust::{self, Untrusted};
use crate::model::failure::{Failure, Kind};
use crate::model::layout::Entry;

use super::args::Verb;
use super::here::{AtHand, Here};
use super::hosts::{self, Chosen};
use super::user::{become_owner, become_user};

/// Decides which machines the command is for, and gives root's rights up where they are not
/// root's to use. What is left in `here` can be acted on.
///
/// # Errors
/// When the configuration could be several users' word, or one's about an app of another's.
pub fn settle(
    here: &mut Here,
    verb: &Verb,
    hosts: &[String],
    local: bool,
) -> Result<Option<Chosen>, Failure> {
    if !Uid::effective().is_root() || needs_no_rights(verb) {
        return hosts::choose(hosts, local, verb, here);
    }
    let at_hand = match verb {
        Verb::Init { .. } => Some(PathBuf::from(".")),
        _ => here.path_at_hand().map(Path::to_owned),
    };
    here.author = author(at_hand.as_slice())?;
    let chosen = hosts::choose(hosts, local, verb, here)?;
    if chosen.is_some() {
        let all: Vec<PathBuf> = at_hand.into_iter().chain(read_here(here, verb)).collect();
        become_author(author(&all)?.as_ref())?;
        return Ok(chosen);
    }
    let registered = match &here.author {
        Some(author) if !matches!(verb, Verb::Init { .. }) => registered(here, author)?,
        _ => None,
    };
    if stays_root(verb) || packs_roots_own(verb) {
        return Ok(None);
    }
    match registered {
        Some(entry) => become_owner(&entry)?,
        None => become_author(here.author.as_ref())?,
    }
    // What is packed, and the work tree, are read before the app is opened.
    if let Verb::Deploy { .. } = verb {
        here.open().map(drop)?;
    }
    Ok(None)
}

/// The same for what a client sent: root by sudo acts on the word of whoever called sudo. Root's
/// own login is root's word.
///
/// # Errors
/// When sudo does not say who called, or the configuration is about an app of another's.
pub fn settle_sent(here: &mut Here, verb: &Verb) -> Result<(), Failure> {
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
    here.author = Some(caller.clone());
    let registered = registered(here, &caller)?;
    match (stays_root(verb), registered) {
        (true, _) => Ok(()),
        (false, Some(entry)) => become_owner(&entry),
        (false, None) => become_author(here.author.as_ref()),
    }
}

/// They print a text, or begin with what another part of this program has decided.
fn needs_no_rights(verb: &Verb) -> bool {
    matches!(
        verb,
        Verb::Schema
            | Verb::Completions { .. }
            | Verb::Man
            | Verb::ShellInit { .. }
            | Verb::Engine
            | Verb::Launch { .. }
            | Verb::Work { .. }
    )
}

/// What only root can do. They read the owner's files with the owner's rights. `check` looks
/// as setup does, and then becomes the owner before it starts what the configuration names.
fn stays_root(verb: &Verb) -> bool {
    matches!(
        verb,
        Verb::Setup { .. } | Verb::Adopt(_) | Verb::Remove { .. } | Verb::Check { .. }
    )
}

/// What root alone can have put there may be packed by root, also where the owner cannot read
/// it: the rest of the deploy is done as the owner.
fn packs_roots_own(verb: &Verb) -> bool {
    let Verb::Deploy { origin, .. } = verb else {
        return false;
    };
    let packed = origin.from.as_ref().map(|path| trust::author(path));
    matches!(packed, Some(Ok(None)))
}

/// What a deploy reads on this machine before it asks another: what is packed, or the work tree,
/// in which git does what is written there.
fn read_here(here: &Here, verb: &Verb) -> Option<PathBuf> {
    let Verb::Deploy { origin, .. } = verb else {
        return None;
    };
    Some(origin.from.clone().unwrap_or_else(|| here.folder()))
}

/// The one user besides root who can have written what lies at `paths`.
fn author(paths: &[PathBuf]) -> Result<Option<User>, Failure> {
    let mut found: Option<(&Path, User)> = None;
    for path in paths {
        let Some(uid) = trust::author(path).map_err(|error| several(path, error))? else {
            continue;
        };
        let user = User::from_uid(uid).ok().flatten().ok_or_else(|| {
            Failure::new(
                Kind::Config,
                format!(
                    "`{}` belongs to user {uid}, who is not known on this host",
                    path.display()
                ),
            )
            .hint("root does not act on it: `chown` it to whoever it is for")
        })?;
        match &found {
            Some((first, of)) if of.uid != user.uid => return Err(two(first, of, path, &user)),
            _ => found = Some((path, user)),
        }
    }
    Ok(found.map(|(_, user)| user))
}

fn become_author(author: Option<&User>) -> Result<(), Failure> {
    author.map_or(Ok(()), become_user)
}

/// The app that the configuration at hand names, where it is set up here. Whoever wrote that
/// has no say about the app of somebody else's.
fn registered(here: &Here, author: &User) -> Result<Option<Entry>, Failure> {
    let Ok(entry) = here.registered()? else {
        return Ok(None);
    };
    if author.name == entry.owner {
        return Ok(Some(entry));
    }
    if let AtHand::Sent(_) | AtHand::None = here.config {
        let (app, owner) = (&entry.app, &entry.owner);
        let what = format!(
            "`{app}` belongs to `{owner}`, and `{}` asks through sudo",
            author.name
        );
        return Err(Failure::new(Kind::Config, what).hint(format!(
            "connect as `{owner}` or as root, as with `--hosts root@HOST`"
        )));
    }
    Err(Failure::new(
        Kind::Config,
        format!(
            "bg.toml here is `{}`'s, and the app `{}` that it names belongs to `{}`",
            author.name, entry.app, entry.owner
        ),
    )
    .hint(format!(
        "`bg ... --app {}` goes by what is set up; to change that, use a bg.toml that only `{}` or root can write",
        entry.app, entry.owner
    )))
}

fn several(path: &Path, error: Untrusted) -> Failure {
    let (why, hint) = match &error {
        Untrusted::Open { path, mode } if mode & 0o1000 != 0 => (
            "more than one user can change it",
            format!(
                "`{}` is there for everybody: do this in a folder of root's own",
                path.display()
            ),
        ),
        Untrusted::Open { path, .. } => (
            "more than one user can change it",
            format!(
                "`chmod go-w {}`, or run this as the user whose it is: `sudo -u NAME bg ...`",
                path.display()
            ),
        ),
        Untrusted::Foreign { .. } => (
            "more than one user can change it",
            "give the file and the folders above it to one user, or to root".to_owned(),
        ),
        Untrusted::Magic(_) | Untrusted::Endless(_) | Untrusted::Unseen { .. } => (
            "who can change it cannot be seen",
            "run this as the user whose it is: `sudo -u NAME bg ...`".to_owned(),
        ),
    };
    Failure::new(
        Kind::Config,
        format!("root does not act on `{}`: {why}", path.display()),
    )
    .because(error)
    .hint(hint)
}

fn two(first: &Path, of: &User, second: &Path, other: &User) -> Failure {
    Failure::new(
        Kind::Config,
        format!(
            "`{}` is `{}`'s and `{}` is `{}`'s: root acts for one of them only",
            first.display(),
            of.name,
            second.display(),
            other.name
        ),
    )
    .hint(format!("run this as `{0}`: `sudo -u {0} bg ...`", of.name))
}
