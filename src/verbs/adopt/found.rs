//! Which process of PM2's answers behind NGINX, and whether it can be adopted.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use keeper::pm2::{Proc, daemons};
use model::config::Config;
use model::failure::{Failure, in_one_line};
use nginx::dump::Dump;
use nix::unistd::{Uid, User};
use release::adopted_checkout::AdoptedCheckout;
use state::registry::Registry;
use sys::command::find_program;
use sys::process::{self, Process};
use sys::{path_security, sockets};

mod candidate;
mod refusals;

use candidate::{Candidate, refused};
use refusals::{can_be_proven, nobody, nothing_passed, several};

/// A process that can be adopted.
#[derive(Debug)]
pub struct Found {
    /// Its entry in PM2.
    pub entry: Proc,
    /// Its process.
    pub process: Process,
    /// The port that NGINX passes requests to.
    pub port: u16,
    /// The addresses that it listens on besides loopback.
    pub exposed: Option<IpAddr>,
    /// `PM2_HOME`.
    pub pm2_home: PathBuf,
    /// The process of that PM2 itself.
    pub daemon: u32,
    /// PM2's program.
    pub pm2_bin: PathBuf,
    /// Whose it is.
    pub owner: User,
    /// The folder that it runs in.
    pub folder: PathBuf,
    /// The work tree around that.
    pub tree: Option<AdoptedCheckout>,
    /// What else this PM2 keeps.
    pub others: Vec<Proc>,
    /// Those of them that are nobody's color or worker yet.
    pub strangers: Vec<Proc>,
    /// The PM2s that did not say what they keep.
    pub silent: Vec<String>,
}

impl Found {
    /// What has NGINX pass a request on to it.
    pub fn pass(&self) -> String {
        format!("proxy_pass http://127.0.0.1:{};", self.port)
    }
}

/// Looks for the process called `name`, or for the only one.
///
/// # Errors
/// Why there is none that could be adopted.
pub async fn look(dump: &Dump, name: Option<&str>, config: Option<&Config>) -> Result<Found, Failure> {
    let Asked {
        candidates: all,
        silent,
    } = candidates(dump, config).await?;
    let chosen = choose(&all, name, config, dump)?;
    let port = port_of(chosen, config)?;
    let entry = &chosen.entry;
    let twins = all
        .iter()
        .filter(|one| one.home == chosen.home && one.entry.name == entry.name);
    if twins.count() > 1 {
        return Err(refused(format!("PM2 has several entries named `{}`", entry.name))
            .hint("give each a name of its own: `pm2 delete ID`, then `pm2 start ... --name NAME`"));
    }
    let gone = || {
        refused(format!("`{}` has just ended", entry.name)).hint("look at `pm2 logs`, then `bg adopt` again")
    };
    let process = entry.pid.and_then(Process::of).ok_or_else(gone)?;
    let owner = process::owner(process.pid)
        .and_then(|uid| User::from_uid(Uid::from_raw(uid)).ok().flatten())
        .ok_or_else(gone)?;
    let exposed = alone_on(port, process)?;
    let folder = process::cwd(process.pid).ok_or_else(gone)?;
    let script = entry.script.parent().unwrap_or(Path::new("/"));
    let tree = match AdoptedCheckout::around(&folder, Some(&owner)).await {
        None => AdoptedCheckout::around(script, Some(&owner)).await,
        some => some,
    };
    let beside = |one: &&Candidate| one.home == chosen.home && one.entry.id != entry.id && !one.entry.module;
    let entries = |one: &Candidate| one.entry.clone();
    Ok(Found {
        process,
        port,
        exposed,
        pm2_home: chosen.home.home.clone(),
        daemon: chosen.home.pid,
        pm2_bin: program(config, chosen.home.pid)?,
        owner,
        folder,
        tree,
        others: all.iter().filter(beside).map(entries).collect(),
        strangers: all
            .iter()
            .filter(beside)
            .filter(|one| one.app.is_none())
            .map(entries)
            .collect(),
        entry: entry.clone(),
        silent,
    })
}

/// Everything that was asked, and who did not answer.
#[derive(Default)]
struct Asked {
    candidates: Vec<Candidate>,
    silent: Vec<String>,
}

async fn candidates(dump: &Dump, config: Option<&Config>) -> Result<Asked, Failure> {
    let ports = dump.passed_ports();
    let apps = Registry::of_this_user().entries();
    let wanted = config
        .and_then(|config| config.pm2.home.clone())
        .or_else(|| std::env::var_os("PM2_HOME").map(PathBuf::from));
    let mut all = Asked::default();
    for home in daemons::running() {
        if wanted.as_ref().is_some_and(|wanted| *wanted != home.home) {
            continue;
        }
        let entries = match home.entries().await {
            Ok(entries) => entries,
            // Anybody can be silent, or about to end; that stops nobody else's adoption.
            Err(error) if wanted.is_none() => {
                all.silent.push(format!(
                    "PM2 of {} in {} was passed over: {}",
                    path_security::name_of(home.uid),
                    home.home.display(),
                    in_one_line(&error)
                ));
                continue;
            }
            Err(error) => {
                return Err(Failure::failed(format!(
                    "cannot list the processes of PM2 in {}",
                    home.home.display()
                ))
                .because(error));
            }
        };
        let mut families = BTreeMap::new();
        for entry in entries {
            let family = entry.pid.map_or(&[][..], |pid| {
                families
                    .entry(pid)
                    .or_insert_with(|| process::tree(pid))
                    .as_slice()
            });
            let holds = |port: &u16| {
                let mut sockets = sockets::listener(*port).into_iter();
                sockets.any(|one| sockets::owner(one.inode, family).is_some())
            };
            all.candidates.push(Candidate {
                ports: ports.iter().copied().filter(holds).collect(),
                app: apps
                    .iter()
                    .find(|app| entry.script.starts_with(&app.root))
                    .map(|app| app.app.clone()),
                home: home.clone(),
                entry,
            });
        }
    }
    match all.candidates.is_empty() {
        true => Err(refused("no PM2 on this host has a process")
            .showing(all.silent)
            .hint("`PM2_HOME` or `pm2.home` in bg.toml names it; without PM2, `bg setup` and `bg deploy` start anew")),
        false => Ok(all),
    }
}

fn choose<'a>(
    all: &'a [Candidate],
    name: Option<&str>,
    config: Option<&Config>,
    dump: &Dump,
) -> Result<&'a Candidate, Failure> {
    let ports = config.map(|config| config.process.ports);
    let in_config = |one: &&Candidate| {
        ports.is_some_and(|ports| {
            one.ports
                .iter()
                .any(|port| [ports.blue, ports.green].contains(port))
        })
    };
    let named = name.filter(|name| config.is_none_or(|config| config.app != **name));
    let fitting: Vec<&Candidate> = match named {
        Some(name) => all.iter().filter(|one| one.entry.name == name).collect(),
        None if ports.is_some() => all.iter().filter(in_config).collect(),
        None => all
            .iter()
            .filter(|one| !one.ports.is_empty() && one.app.is_none())
            .collect(),
    };
    let mut with_ports = fitting.iter().filter(|one| !one.ports.is_empty());
    let (first, second) = (with_ports.next(), with_ports.next());
    match (first, second, fitting.first()) {
        (Some(one), None, _) => can_be_proven(one).map(|()| *one),
        (Some(_), Some(_), _) => Err(several(&fitting)),
        (None, _, Some(one)) => Err(can_be_proven(one)
            .err()
            .unwrap_or_else(|| nothing_passed(&one.entry, dump))),
        (None, _, None) => Err(nobody(all, named, dump)),
    }
}

fn port_of(chosen: &Candidate, config: Option<&Config>) -> Result<u16, Failure> {
    let fits = |port: &&u16| {
        config.is_none_or(|config| [config.process.ports.blue, config.process.ports.green].contains(port))
    };
    let name = &chosen.entry.name;
    match chosen.ports.iter().filter(fits).collect::<Vec<_>>().as_slice() {
        [port] => Ok(**port),
        [] => Err(
            refused(format!("`{name}` holds none of the ports in `process.ports`"))
                .hint(format!("give one color the port that it has: {:?}", chosen.ports)),
        ),
        several => Err(refused(format!(
            "NGINX passes requests to several ports of `{name}`: {several:?}"
        ))
        .hint("write a bg.toml whose `process.ports` has the app's own")),
    }
}

/// Whether nobody else shares the port; the address past loopback that it is open on.
fn alone_on(port: u16, process: Process) -> Result<Option<IpAddr>, Failure> {
    let family = process::tree(process.pid);
    let listeners = sockets::listener(port);
    for one in &listeners {
        if sockets::owner(one.inode, &family).is_none() {
            let other = sockets::holder_of(one.inode);
            let other = other.map_or("another user's process".to_owned(), |other| other.to_string());
            return Err(refused(format!("port {port} is shared with {other}"))
                .hint("stop that process: the kernel splits requests between the two"));
        }
    }
    let by_v4 = listeners
        .iter()
        .any(|one| one.address.is_ipv4() || one.address.is_unspecified());
    if !by_v4 {
        return Err(refused(format!(
            "port {port} listens on IPv6 alone, and NGINX will ask 127.0.0.1"
        ))
        .hint("bind the app to 127.0.0.1"));
    }
    Ok(listeners
        .iter()
        .map(|one| one.address)
        .find(|address| !address.is_loopback()))
}

/// An nvm-installed PM2 is on nobody's PATH and lies beside the node that runs its daemon.
fn program(config: Option<&Config>, daemon: u32) -> Result<PathBuf, Failure> {
    let wanted = config.map_or(Path::new("pm2"), |config| &config.pm2.bin);
    let beside = || {
        let node = std::fs::read_link(format!("/proc/{daemon}/exe")).ok()?;
        Some(node.parent()?.join("pm2")).filter(|pm2| pm2.exists())
    };
    find_program(wanted).or_else(beside).ok_or_else(|| {
        refused(format!("`{}` is not installed, or not on PATH", wanted.display()))
            .hint("give its absolute path as `pm2.bin` in bg.toml")
    })
}
