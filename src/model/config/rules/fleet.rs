//! Hosts: what SSH can be told, and names that mean one thing.

use std::collections::BTreeSet;

use super::super::Config;
use super::findings::Findings;
use super::value::{Verdict, word, wrong, wrong_part};

pub(super) fn check(config: &Config, findings: &mut Findings<'_, '_>) {
    let (hosts, fleet) = (&config.hosts, &config.fleet);
    let mut known = BTreeSet::new();
    findings.each(
        "hosts",
        hosts.iter().map(|host| {
            let is_new = known.insert(host.as_str());
            word(host, "deploy@web1.example.com")?;
            match is_new {
                true => Ok(()),
                false => wrong("is named twice", "write each host once"),
            }
        }),
    );
    let hosts = &known;
    if let Some(primary) = &fleet.primary {
        findings.value("fleet.primary", one_of(hosts, primary));
    }
    if fleet.parallel == 0 {
        findings.value(
            "fleet.parallel",
            wrong("would let no host start", "write `1` or more"),
        );
    }
    for (name, members) in &fleet.groups {
        findings.entry_name("fleet.groups", name, group_name(hosts, name));
        findings.entry("fleet.groups", name, group(hosts, members));
    }
    if let Some(url) = &fleet.url {
        findings.value("fleet.url", public_url(url));
    }
}

fn one_of(hosts: &BTreeSet<&str>, name: &str) -> Verdict {
    match hosts.contains(name) {
        true => Ok(()),
        false => wrong_part(
            name,
            format!("names `{name}`, which is not in `hosts`"),
            "write it as in `hosts`, including the user",
        ),
    }
}

fn group_name(hosts: &BTreeSet<&str>, name: &str) -> Verdict {
    word(name, "eu")?;
    match hosts.contains(name) || name.contains([',', '@']) {
        true => wrong(
            "cannot be told apart from a host",
            "write a name that no host has, as `eu`",
        ),
        false => Ok(()),
    }
}

fn group(hosts: &BTreeSet<&str>, members: &[String]) -> Verdict {
    if members.is_empty() {
        return wrong("names no host", "write those of `hosts` that it stands for");
    }
    members.iter().try_for_each(|member| one_of(hosts, member))
}

fn public_url(url: &str) -> Verdict {
    word(url, "https://shop.example.com/")?;
    match url.starts_with("https://") || url.starts_with("http://") {
        true => Ok(()),
        false => wrong(
            "is not the URL of a site",
            "write `\"https://shop.example.com/\"`",
        ),
    }
}
