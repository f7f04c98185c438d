//! What root's own program does for an app's owner: points the link at a route and brings
//! NGINX behind it. It believes nothing that anybody but root could have written.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use model::color::Route;
use model::config::{SwitchStrategy, is_app_name};
use model::failure::{Failure, Kind};
use model::layout::{Entry, NginxLayout};
use nginx::switcher::Reload;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Uid, User, getuid};
use state::registry::Registry;
use sys::self_install::THIS;
use sys::system_paths::SystemFolders;
use sys::{command, path_security};

/// Moves the traffic of `app` to `route`, for whoever asked through sudo.
///
/// # Errors
/// When it is not for the caller to ask, something on the way is not root's alone, or NGINX
/// does not take the route; the link is then where it was, unless it says otherwise.
pub async fn swap(app: &str, route: &str) -> Result<(), Failure> {
    command::forget_the_environment();
    let route = Route::from_folder(route)
        .filter(|route| route.share.is_none())
        .ok_or_else(|| usage(format!("`{route}` is not a route")))?;
    if !is_app_name(app) {
        return Err(usage(format!("`{app}` is not a valid app name")));
    }
    if !Uid::effective().is_root() {
        return Err(
            refuse("this program moves traffic with root's rights").hint("it is started through sudo")
        );
    }
    let entry = registered(app)?;
    for_its_owner(&entry)?;
    if entry.switch != SwitchStrategy::Reload {
        return Err(refuse(format!(
            "`{app}` does not switch by a reload, and needs no help"
        )));
    }
    relies_on_root(&entry, route)?;
    let done = Reload::of(&entry).apply(route, somebody_waits).await;
    done.map_err(|error| {
        Failure::failed(format!("traffic of `{app}` was not moved to {route}")).because(error)
    })
}

fn usage(what: String) -> Failure {
    let routes = Route::ALL.map(Route::folder).join(", ");
    Failure::new(Kind::Usage, what).hint(format!("give two arguments: an app and one of {routes}"))
}

fn refuse(what: impl Into<String>) -> Failure {
    Failure::failed(what)
}

/// The registry that belongs to this program's own place, whatever the environment says.
fn registered(app: &str) -> Result<Entry, Failure> {
    let this = own_place()?;
    let folders = SystemFolders::of_swap(&this)
        .ok_or_else(|| refuse(format!("`{}` is not where this program belongs", this.display())))?;
    roots(&this)?;
    let registry = Registry::in_folder(&folders.apps);
    roots(&registry.path(app))?;
    registry
        .find(app)
        .map_err(|error| refuse("the registry cannot be read").because(error))
}

fn own_place() -> Result<PathBuf, Failure> {
    let place = std::fs::read_link(THIS)
        .map_err(|error| refuse("this program does not know where it is").because(error))?;
    // A newer one was put there meanwhile.
    let text = place.to_string_lossy();
    Ok(text
        .strip_suffix(" (deleted)")
        .map_or(place.clone(), PathBuf::from))
}

fn roots(path: &Path) -> Result<(), Failure> {
    path_security::roots_alone(path).map(drop).map_err(|error| {
        refuse(format!("users other than root can change `{}`", path.display()))
            .because(error)
            .hint("`bg setup` as root fixes that")
    })
}

/// sudo says who called; without sudo it is root itself.
fn for_its_owner(entry: &Entry) -> Result<(), Failure> {
    let caller = match std::env::var("SUDO_UID") {
        Ok(number) => number
            .parse()
            .map(Uid::from_raw)
            .map_err(|error| refuse("sudo does not say who called").because(error))?,
        Err(_) => getuid(),
    };
    let owner = User::from_name(&entry.owner)
        .ok()
        .flatten()
        .map(|owner| owner.uid);
    if caller.is_root() || owner == Some(caller) {
        return Ok(());
    }
    Err(refuse(format!(
        "`{}` belongs to `{}`, not to {}",
        entry.app,
        entry.owner,
        path_security::name_of(caller)
    )))
}

/// What is run, parsed and moved: root's alone, each of it.
fn relies_on_root(entry: &Entry, route: Route) -> Result<(), Failure> {
    let files = NginxLayout::of(entry);
    roots(&entry.nginx_bin)?;
    roots(&entry.nginx_conf)?;
    roots(&files.setting(route))?;
    roots(files.link_folder())
}

/// Whether whoever asked is still there. They hold the other end of our standard input;
/// without a pipe there, nobody can tell.
fn somebody_waits() -> bool {
    let stdin = std::io::stdin();
    let mut ends = [PollFd::new(stdin.as_fd(), PollFlags::empty())];
    let asked = poll(&mut ends, PollTimeout::ZERO);
    let gone = |end: &PollFd<'_>| {
        end.revents()
            .is_some_and(|seen| seen.contains(PollFlags::POLLHUP))
    };
    asked.is_err() || !ends.iter().any(gone)
}
