//! Whether the site's names lead to this host.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use engine::app::App;
use futures_util::future::join_all;
use sys::dns;

use super::finding::Report;
use super::tls;

/// A resolver that is there answers in milliseconds; its own patience is half a minute.
const DEADLINE: Duration = Duration::from_secs(3);

/// Endings that no name server of the internet knows (RFC 6761): asking it would be of no use.
const RESERVED: [&str; 4] = ["test", "example", "invalid", "localhost"];

pub(super) async fn look(report: &mut Report, app: &App) {
    let own = dns::own_addresses();
    // A pattern's own names may well not be there.
    let written = app.config.nginx.server_names.iter();
    let written: Vec<String> = written.filter(|name| !name.contains('*')).cloned().collect();
    let mut names = tls::names(&written);
    names.retain(|name| name.parse::<IpAddr>().is_err());
    let public = names.iter().filter(|name| !is_reserved(name));
    let answers =
        join_all(public.map(|name| async move { (name, dns::addresses(name, DEADLINE).await) })).await;
    for name in names.iter().filter(|name| is_reserved(name)) {
        report.fine("dns", format!("`{name}` is not a public DNS name"));
    }
    for (name, answer) in answers {
        match answer {
            Ok(found) => one(report, name, &found, &own),
            Err(error) => report.warn(
                "dns",
                format!("`{name}` does not resolve on this host: {error}"),
                "add an A or AAAA record that points to this host, or remove the name from `server_name`",
            ),
        }
    }
}

fn is_reserved(name: &str) -> bool {
    let ending = name.trim_end_matches('.').rsplit('.').next().unwrap_or(name);
    RESERVED.contains(&ending)
}

fn one(report: &mut Report, name: &str, found: &BTreeSet<IpAddr>, own: &BTreeSet<IpAddr>) {
    let there = list(found);
    if found
        .iter()
        .any(|address| own.contains(address) || dns::is_loopback(*address))
    {
        report.fine("dns", format!("`{name}` leads here ({there})"));
    } else if own.iter().all(|address| dns::is_private(*address)) {
        report.fine(
            "dns",
            format!("`{name}` leads to {there}; this host has private addresses only, so it cannot be seen from here whether that ends here"),
        );
    } else {
        let here: BTreeSet<IpAddr> = own.iter().copied().filter(|one| !dns::is_private(*one)).collect();
        report.warn(
            "dns",
            format!("`{name}` leads to {there}, and this host has {}", list(&here)),
            "point its A or AAAA record to this host, unless a load balancer or a CDN is in front",
        );
    }
}

fn list(addresses: &BTreeSet<IpAddr>) -> String {
    let all: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    all.join(", ")
}
