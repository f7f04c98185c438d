//! Root gives its rights up before it reads anything that the app's owner can write, and
//! anyone else is told what to type.

use std::os::unix::process::ExitStatusExt;

use model::failure::{Failure, Kind};
use model::layout::Entry;
use nix::unistd::{Uid, User};
use sys::{lock, terminal, user};

/// Becomes the owner of an app.
///
/// # Errors
/// Names the `sudo` line when this user is neither the owner nor root.
pub fn become_owner(entry: &Entry) -> Result<(), Failure> {
    let me = Uid::effective();
    let owner = User::from_name(&entry.owner).ok().flatten().ok_or_else(|| {
        Failure::new(
            Kind::Config,
            format!("the user `{}` no longer exists on this host", entry.owner),
        )
        .hint("set `owner` in bg.toml to a user of this host, then `bg setup`")
    })?;
    if owner.uid == me {
        return Ok(());
    }
    if !me.is_root() {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let what = format!("`{}` belongs to `{}`", entry.app, entry.owner);
        if words == ["engine"] {
            let me = lock::user_name();
            return Err(Failure::new(Kind::Usage, what).hint(format!(
                "connect as `{0}`, not as `{me}`: `{0}@HOST` in `hosts` or `--hosts`, or `User {0}` in ~/.ssh/config",
                entry.owner
            )));
        }
        let line = shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default();
        return Err(
            Failure::new(Kind::Usage, what).hint(format!("type: sudo -u {} bluegreen {line}", entry.owner))
        );
    }
    become_user(&owner)
}

/// Gives root's rights up for `user`'s.
///
/// # Errors
/// When the system refuses.
pub fn become_user(user: &User) -> Result<(), Failure> {
    user::become_user(user)
        .map_err(|error| Failure::failed(format!("cannot become `{}`", user.name)).because(error))
}

/// Before a command becomes a program of the app's owner: where it has a terminal that they
/// must not reach, it is run once more on one of its own, and this process ends as it does.
///
/// # Errors
/// When that cannot be done.
pub async fn keep_the_terminal(entry: &Entry) -> Result<(), Failure> {
    let owner = User::from_name(&entry.owner).ok().flatten();
    if !owner.is_some_and(|owner| terminal::is_kept_from(&owner)) {
        return Ok(());
    }
    let ended = terminal::stand_between().await.map_err(|error| {
        Failure::failed(format!("`{}` cannot be given a terminal of its own", entry.owner)).because(error)
    })?;
    let code = ended.code().or_else(|| Some(128 + ended.signal()?));
    std::process::exit(code.unwrap_or(1))
}
