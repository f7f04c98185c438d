//! The ports of a slot: the one that its release was made for, the one where NGINX asks, and
//! who else has it.

use std::net::{IpAddr, Ipv4Addr};

use model::color::Color;
use model::drift::{Foreign, ForeignProcess};
use model::failure::Failure;
use model::layout::{Entry, Layout};
use model::release::Manifest;
use nix::unistd::{Uid, User};
use state::registry::Registry;
use state::releases;
use sys::process;
use sys::sockets::{self, Listener};

use crate::app::{App, read_config};
use crate::{adopted, traffic};

/// NGINX asks for a color where `process.ports` says, and a kept release listens where that
/// said when the release was made.
///
/// # Errors
/// When these are two ports.
pub fn is_where_nginx_asks(app: &App, color: Color, manifest: &Manifest) -> Result<(), Failure> {
    let (made, asked) = (manifest.ports.of(color), app.config.process.ports.of(color));
    if made == asked {
        return Ok(());
    }
    let short = manifest.id.short();
    Err(Failure::failed(format!(
        "{short} listens on {made} as {color}, and NGINX asks for {color} on {asked}"
    ))
    .hint(format!("`bg deploy` of its commit makes a release for {asked}")))
}

/// The port of what a slot holds, which `process.ports` may not name any more.
#[must_use]
pub fn port_of_old(app: &App, color: Color) -> u16 {
    let held = releases::slot(&app.layout, color).and_then(|id| releases::read(&app.layout, &id).ok());
    held.map_or(app.config.process.ports, |manifest| manifest.ports)
        .of(color)
}

/// Who has the port of a color, where it is not the app's owner: whoever listens there is
/// judged by their user, which no program can choose for itself. Or another app of the owner's.
pub async fn foreign(app: &App, color: Color) -> Option<Foreign> {
    let asked = app.config.process.ports.of(color);
    match foreign_on(app, color, asked).await {
        None if port_of_old(app, color) != asked => foreign_on(app, color, port_of_old(app, color)).await,
        found => found,
    }
}

async fn foreign_on(app: &App, color: Color, port: u16) -> Option<Foreign> {
    let owner = User::from_name(&app.entry.owner).ok().flatten();
    let owner = owner.map_or(Uid::effective(), |owner| owner.uid);
    let listeners = sockets::listener(port);
    let whose = app_with(app, port, &listeners);
    let mut others = listeners;
    others.retain(|one| whose.is_some() || one.uid != owner.as_raw());
    // A program of root's can become somebody else before it listens.
    if owner.is_root() && whose.is_none() && !others.is_empty() {
        let kept = app.pm2.named(&adopted::process_name(app, color)).await;
        let first = kept.unwrap_or_default().into_iter().filter_map(|entry| entry.pid);
        let family: Vec<u32> = first.flat_map(process::tree).collect();
        others.retain(|one| sockets::owner(one.inode, &family).is_none());
    }
    // First the one that gets what NGINX sends.
    others.sort_by_key(|one| !takes_what_nginx_sends(one.address));
    let one = others.first()?;
    let process = sockets::holder_of(one.inode).map(|holder| ForeignProcess {
        pid: holder.pid,
        command: holder.command,
    });
    let user = User::from_uid(Uid::from_raw(one.uid)).ok().flatten();
    Some(Foreign {
        color,
        port,
        process,
        uid: one.uid,
        user: user.map(|user| user.name),
        app: whose,
        is_reached: takes_what_nginx_sends(one.address),
    })
}

/// The other app of this host whose port it is, where something listens there that was not
/// started for this one.
fn app_with(app: &App, port: u16, listeners: &[Listener]) -> Option<String> {
    let first = listeners.first()?;
    let has_it = |other: &Entry| {
        let theirs = read_config(&Layout::new(&other.root).config()).map(|config| config.process.ports);
        theirs.is_ok_and(|ports| ports.blue == port || ports.green == port)
    };
    let mut entries = Registry::of_this_user().entries().into_iter();
    let other = entries.find(|other| other.app != app.name() && has_it(other))?;
    // Asked last: whose socket it is costs a look at every process.
    let holder = sockets::holder_of(first.inode);
    let is_ours = holder.is_some_and(|holder| process::env_has(holder.pid, "BG_APP", app.name()));
    (!is_ours).then_some(other.app)
}

/// NGINX asks 127.0.0.1; `[::]` takes that as well, unless it was told not to.
fn takes_what_nginx_sends(address: IpAddr) -> bool {
    address == IpAddr::V4(Ipv4Addr::LOCALHOST) || address.is_unspecified()
}

/// The color's port is there for its app.
///
/// # Errors
/// When somebody else's process has it: what is started there would not get it.
pub async fn is_ours_to_take(app: &App, color: Color) -> Result<(), Failure> {
    match foreign(app, color).await {
        None => Ok(()),
        Some(foreign) => Err(Failure::failed(foreign.to_string())
            .hint(foreign.way_out())
            .or_traffic(traffic::unchanged(app))),
    }
}
