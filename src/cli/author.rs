//! Who wrote the configuration at hand: root acts on it as that user, and for that user's apps
//! alone.

use std::path::{Path, PathBuf};

use model::failure::{Failure, Kind};
use model::layout::Entry;
use nix::unistd::{Uid, User};
use sys::path_security::{self, Untrusted};

use super::context::{ConfigSource, Context};
use super::user::{become_owner, become_user};

/// Where this is root, it becomes whoever wrote the configuration at hand.
///
/// # Errors
/// When that could be several users' word, or is one's about an app of another's.
pub(super) fn act_as_author(context: &mut Context) -> Result<(), Failure> {
    if !Uid::effective().is_root() {
        return Ok(());
    }
    let source = context.config_path().map(Path::to_owned);
    context.author = author(source.as_slice())?;
    let registered = match &context.author {
        Some(author) => registered(context, author)?,
        None => None,
    };
    become_owner_or(context.author.as_ref(), registered)
}

/// The owner of an app that is set up here, else the author.
pub(super) fn become_owner_or(author: Option<&User>, registered: Option<Entry>) -> Result<(), Failure> {
    match registered {
        Some(entry) => become_owner(&entry),
        None => become_author(author),
    }
}

/// The one user besides root who can have written what lies at `paths`.
pub(super) fn author(paths: &[PathBuf]) -> Result<Option<User>, Failure> {
    let mut found: Option<(&Path, User)> = None;
    for path in paths {
        let Some(uid) = path_security::author(path).map_err(|error| several(path, error))? else {
            continue;
        };
        let user = User::from_uid(uid).ok().flatten().ok_or_else(|| {
            Failure::new(
                Kind::Config,
                format!(
                    "`{}` belongs to uid {uid}, and this host has no such user",
                    path.display()
                ),
            )
            .hint("`chown` the file to the user who deploys")
        })?;
        match &found {
            Some((first, of)) if of.uid != user.uid => return Err(two(first, of, path, &user)),
            _ => found = Some((path, user)),
        }
    }
    Ok(found.map(|(_, user)| user))
}

pub(super) fn become_author(author: Option<&User>) -> Result<(), Failure> {
    author.map_or(Ok(()), become_user)
}

/// The app that the configuration at hand names, where it is set up here. Whoever wrote that
/// has no say about the app of somebody else's.
pub(super) fn registered(context: &Context, author: &User) -> Result<Option<Entry>, Failure> {
    let Ok(entry) = context.registered()? else {
        return Ok(None);
    };
    if author.name == entry.owner {
        return Ok(Some(entry));
    }
    if let ConfigSource::Sent(_) | ConfigSource::None = context.config {
        let (app, owner) = (&entry.app, &entry.owner);
        let what = format!(
            "`{app}` belongs to `{owner}`, and `{}` may not act on it through sudo",
            author.name
        );
        return Err(Failure::new(Kind::Config, what).hint(format!(
            "connect as `{owner}` or as root, as with `--hosts root@HOST`"
        )));
    }
    Err(Failure::new(
        Kind::Config,
        format!(
            "this bg.toml belongs to `{}`, but the app `{}` in it belongs to `{}`",
            author.name, entry.app, entry.owner
        ),
    )
    .hint(format!(
        "`bg ... --app {}` uses the configuration that is set up; to change that, use a bg.toml that only `{}` or root can write",
        entry.app, entry.owner
    )))
}

fn several(path: &Path, error: Untrusted) -> Failure {
    let (why, hint) = match &error {
        Untrusted::Open { path, mode } if mode & 0o1000 != 0 => (
            "more than one user can change it",
            format!(
                "everybody can write to `{}`: run this in a folder that belongs to root",
                path.display()
            ),
        ),
        Untrusted::Open { path, .. } => (
            "more than one user can change it",
            format!(
                "`chmod go-w {}`, or run this as the file's owner: `sudo -u NAME bg ...`",
                path.display()
            ),
        ),
        Untrusted::Foreign { .. } => (
            "more than one user can change it",
            "give the file and the folders above it to one user, or to root".to_owned(),
        ),
        Untrusted::Magic(_) | Untrusted::Endless(_) | Untrusted::Unseen { .. } => (
            "cannot tell who can change it",
            "run this as the file's owner: `sudo -u NAME bg ...`".to_owned(),
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
            "`{}` belongs to `{}` and `{}` to `{}`: root acts for one user at a time",
            first.display(),
            of.name,
            second.display(),
            other.name
        ),
    )
    .hint(format!("run this as `{0}`: `sudo -u {0} bg ...`", of.name))
}
