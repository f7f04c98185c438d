//! Workers: names that mean one thing, commands without a port, hosts that there are.

use std::collections::BTreeSet;

use super::super::{Config, run_command};
use super::duration::{not_too_long, some_time};
use super::findings::Findings;
use super::process::{cannot_split, no_shell};
use super::source::is_app_name;
use super::value::{Verdict, text, wrong, wrong_part};

pub(super) fn check(config: &Config, findings: &mut Findings<'_, '_>) {
    let hosts: BTreeSet<&str> = config.hosts.iter().map(String::as_str).collect();
    let (mut names, mut replaced) = (BTreeSet::new(), BTreeSet::new());
    for (index, worker) in config.workers.iter().enumerate() {
        let key = |name: &str| format!("worker.{index}.{name}");
        let is_new = names.insert(worker.name.as_str());
        findings.value(&key("name"), name(is_new, &worker.name));
        findings.value(&key("run"), command(&worker.run));
        if let Some(ready) = &worker.ready_command {
            findings.value(&key("ready_command"), command(ready));
        }
        findings.value(&key("ready"), not_too_long(worker.ready));
        for (name, span) in [
            ("ready_timeout", worker.ready_timeout),
            ("stop_timeout", worker.stop_timeout),
        ] {
            findings.value(&key(name), some_time(span).and_then(|()| not_too_long(span)));
        }
        findings.each(
            &key("hosts"),
            worker.hosts.iter().map(|host| one_of(&hosts, host)),
        );
        if let Some(entry) = &worker.replaces {
            let is_new = replaced.insert(entry.as_str());
            findings.value(&key("replaces"), replaces(config, is_new, entry));
        }
    }
}

fn name(is_new: bool, name: &str) -> Verdict {
    if !is_app_name(name) {
        return wrong(
            "is not a valid worker name",
            "write lower-case letters, digits and dashes, as `\"sync\"`",
        );
    }
    if name.ends_with("-blue") || name.ends_with("-green") {
        return wrong(
            "ends like the half of an overlapping worker",
            "write a name that does not end in `-blue` or `-green`",
        );
    }
    match is_new {
        true => Ok(()),
        false => wrong("is the name of another worker", "write each name once"),
    }
}

fn command(line: &str) -> Verdict {
    let words = match run_command::words(line) {
        Ok(words) => words,
        Err(error) => return cannot_split(&error),
    };
    no_shell(&words)?;
    match words.iter().any(|word| word.contains("{{port}}")) {
        true => wrong_part(
            "{{",
            "uses `{{ port }}`, but a worker has no port",
            "remove it; the live color's port is in the variable `BG_PORT`",
        ),
        false => Ok(()),
    }
}

fn one_of(hosts: &BTreeSet<&str>, name: &str) -> Verdict {
    match hosts.contains(name) {
        true => Ok(()),
        false => wrong(
            format!("names `{name}`, which is not in `hosts`"),
            "write it as in `hosts`, including the user",
        ),
    }
}

fn replaces(config: &Config, is_new: bool, replaced: &str) -> Verdict {
    text(replaced, "shop-sync")?;
    let own = format!("{}-", config.process.name);
    if replaced
        .strip_prefix(&own)
        .is_some_and(|rest| rest == "blue" || rest == "green" || rest.starts_with("worker-"))
    {
        return wrong(
            "is a PM2 entry that `bg` itself manages",
            "write the name of the entry that did this job before",
        );
    }
    match is_new {
        true => Ok(()),
        false => wrong(
            "is replaced by another worker already",
            "write it for one worker only",
        ),
    }
}
