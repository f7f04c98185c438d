//! Why none of PM2's processes is adopted, in words.

use std::collections::BTreeSet;

use keeper::pm2::Proc;
use model::failure::Failure;
use nginx::dump::Dump;
use sys::sockets;

use super::candidate::{Candidate, refused};

/// More than one could be meant; a name helps only where they have different ones.
pub(super) fn several(fitting: &[&Candidate]) -> Failure {
    let mut reached = fitting.iter().filter(|one| !one.ports.is_empty());
    let Some(first) = reached.next() else {
        return refused("NGINX passes requests to none of PM2's processes");
    };
    let others: Vec<&&Candidate> = reached.collect();
    let name = &first.entry.name;
    if others.iter().any(|one| one.entry.name != *name) {
        return refused(format!(
            "NGINX passes requests to several of PM2's processes: {}",
            names(fitting.iter().map(|one| &one.entry))
        ))
        .hint("`bg adopt NAME` names one; each gets an app of its own");
    }
    if others.iter().any(|one| one.home != first.home) {
        let homes = fitting.iter().map(|one| one.home.home.display().to_string());
        return refused(format!(
            "several PM2s keep a `{name}`: {}",
            homes.collect::<Vec<_>>().join(", ")
        ))
        .hint("`PM2_HOME`, or `pm2.home` in bg.toml, says which is meant");
    }
    let ports: BTreeSet<u16> = fitting.iter().flat_map(|one| one.ports.iter().copied()).collect();
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    let ids: Vec<String> = others.iter().map(|one| one.entry.id.to_string()).collect();
    refused(format!(
        "PM2 runs `{name}` {} times, on port {}, and a color is one process of PM2's",
        others.len() + 1,
        ports.join(" and ")
    ))
    .hint(format!(
        "leave one: `pm2 delete {}`, and `instances: 1` in its file; gunicorn's `--workers` starts as many \
         processes behind one port. An `upstream` then has that port alone",
        ids.join(" ")
    ))
}

/// PM2 holds the port of a cluster itself, so nothing shows which of its processes answers.
pub(super) fn can_be_proven(one: &Candidate) -> Result<(), Failure> {
    let entry = &one.entry;
    if let Some(app) = &one.app {
        return Err(refused(format!(
            "`{}` belongs to the app `{app}`, which is set up already",
            entry.name
        ))
        .hint(format!("`bg status --app {app}` shows it")));
    }
    if entry.cluster {
        return Err(refused(format!("`{}` runs in PM2's cluster mode", entry.name)).hint(format!(
            "PM2 holds the port itself there, so it cannot be proven which process answers, nor one be stopped alone: \
             `pm2 delete {0}`, then `pm2 start ... --name {0}` without `-i`",
            entry.name
        )));
    }
    if !entry.is_running() {
        return Err(
            refused(format!("`{}` is {} and has no process", entry.name, entry.status))
                .hint("start it and check that the site answers, then `bg adopt` again"),
        );
    }
    Ok(())
}

pub(super) fn nothing_passed(entry: &Proc, dump: &Dump) -> Failure {
    refused(format!(
        "`{}` listens on no port that NGINX passes requests to",
        entry.name
    ))
    .showing(without_a_port(dump))
    .hint("it needs a TCP port of its own on 127.0.0.1, and a `proxy_pass` to it")
}

/// The lines that may lead to it all the same, and what to write there.
fn without_a_port(dump: &Dump) -> Vec<String> {
    let ways = dump.ways_without_a_port().into_iter();
    ways.flat_map(|way| {
        let (what, fix) = match way.text.contains("unix:") {
            true => (
                "a unix socket, through which two colors cannot be told apart",
                "bind the app to a port, `127.0.0.1:PORT`, and write `proxy_pass http://127.0.0.1:PORT;`",
            ),
            false => (
                "a variable, which can lead anywhere",
                "write the address itself, `proxy_pass http://127.0.0.1:PORT;`, in a `location` for each",
            ),
        };
        [
            format!("{}: `{}` is {what}", way.place, way.text),
            format!("    {fix}"),
        ]
    })
    .collect()
}

pub(super) fn nobody(all: &[Candidate], named: Option<&str>, dump: &Dump) -> Failure {
    let strangers = all.iter().filter(|one| one.app.is_none());
    let known = names(strangers.map(|one| &one.entry));
    if let Some(name) = named {
        return refused(format!("PM2 has no `{name}`")).hint(format!("it has {known}"));
    }
    // A cluster's port is held by PM2's daemon.
    let daemons: Vec<u32> = all.iter().map(|one| one.home.pid).collect();
    let ports = dump.passed_ports();
    let mut sockets = ports.iter().flat_map(|port| sockets::listener(*port));
    let clustered = all.iter().find(|one| one.entry.cluster);
    if let Some(one) = clustered
        && sockets.any(|one| sockets::owner(one.inode, &daemons).is_some())
        && let Err(failure) = can_be_proven(one)
    {
        return failure;
    }
    refused("NGINX passes requests to none of PM2's processes")
        .showing(without_a_port(dump))
        .hint(format!(
            "PM2 has {}; a `proxy_pass` to the port of one of them is needed",
            if known.is_empty() { "nothing else" } else { &known }
        ))
}

fn names<'a>(entries: impl Iterator<Item = &'a Proc>) -> String {
    let mut names: Vec<String> = entries.map(|entry| format!("`{}`", entry.name)).collect();
    names.dedup();
    names.join(", ")
}
