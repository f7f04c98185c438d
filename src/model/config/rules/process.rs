//! How the app is started, and its environment.

use super::super::run_command::{self, RunError, VARIABLES};
use super::super::{Config, Env, Ports};
use super::findings::Findings;
use super::value::{Verdict, relative, wrong, wrong_part};

/// Options by which servers for Python are told where to listen.
const BIND: [&str; 5] = ["-b", "--bind", "--host", "--listen", "--http-socket"];

/// Hosts that mean every address of the machine.
const OPEN: [&str; 5] = ["0.0.0.0", "[::]", "::", "*", ""];

/// What only a shell understands.
const SHELL: [&str; 6] = ["&&", "||", "|", ";", ">", "&"];

pub(super) fn check(config: &Config, findings: &mut Findings<'_, '_>) {
    let process = &config.process;
    findings.value("process.name", name(&process.name));
    findings.value("process.run", command(&process.run));
    ports(process.ports, findings);
    if !(1..=512).contains(&process.workers) {
        findings.value(
            "process.workers",
            wrong(
                format!("is {}", process.workers),
                "write how many workers `run` starts, from 1 to 512",
            ),
        );
    }
    environment(&config.env, findings);
}

fn name(name: &str) -> Verdict {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match !name.is_empty() && !name.starts_with('-') && name.chars().all(fits) {
        true => Ok(()),
        false => wrong(
            "is not a valid name for a PM2 process",
            "write letters, digits, `.`, `_` and `-`, no dash first, as `\"shop\"`",
        ),
    }
}

fn command(line: &str) -> Verdict {
    let words = match run_command::words(line) {
        Ok(words) => words,
        Err(error) => return cannot_split(&error),
    };
    no_shell(&words)?;
    let gunicorn = words
        .iter()
        .any(|word| word.rsplit('/').next() == Some("gunicorn"));
    if let Some(word) = words.iter().find(|word| *word == "--daemon" || *word == "-D")
        && gunicorn
    {
        return wrong_part(
            word,
            format!("sends gunicorn to the background with `{word}`, where PM2 loses it"),
            format!("leave `{word}` out"),
        );
    }
    if let Some(host) = open_host(&words) {
        return wrong_part(
            host,
            "listens on every address, open to any network",
            "write `127.0.0.1:{{ port }}`: NGINX stands in front of it",
        );
    }
    match words.iter().any(|word| word.contains("{{port}}")) {
        true => Ok(()),
        false => wrong(
            "does not mention `{{ port }}`",
            "add it, as `-b 127.0.0.1:{{ port }}`: each color has a port of its own",
        ),
    }
}

/// What only a shell would understand.
pub(super) fn no_shell(words: &[String]) -> Verdict {
    if let Some(word) = words.iter().find(|word| SHELL.contains(&word.as_str())) {
        return wrong_part(
            word,
            format!("contains `{word}`, but the command runs without a shell"),
            "write one command; put more than one into a script of the repository",
        );
    }
    match words.first().and_then(|word| word.split_once('=')) {
        Some((name, _)) => wrong_part(
            name,
            format!("sets `{name}`, but the command runs without a shell"),
            "write the variable under `[env.set]`",
        ),
        None => Ok(()),
    }
}

pub(super) fn cannot_split(error: &RunError) -> Verdict {
    let what = format!("cannot be read: {error}");
    match error {
        RunError::Quotes => wrong(what, "close every quote, or escape it"),
        RunError::Empty => wrong(
            "is empty",
            "write `\"{{ venv }}/bin/python -m gunicorn -b 127.0.0.1:{{ port }} app:app\"`",
        ),
        RunError::Open(part) => wrong_part(part, what, "close it, as `{{ port }}`"),
        RunError::Braces(tag) => wrong_part(
            tag,
            what,
            "write `{{ port }}`; there is no other template syntax here",
        ),
        RunError::Variable(name) => {
            let known: Vec<String> = VARIABLES
                .iter()
                .map(|name| format!("`{{{{ {name} }}}}`"))
                .collect();
            wrong_part(name, what, format!("expected one of {}", known.join(", ")))
        }
    }
}

/// The host of the first address that is reachable from outside.
fn open_host(words: &[String]) -> Option<&str> {
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        let value = match word.split_once('=') {
            Some((option, value)) if BIND.contains(&option) => Some(value),
            _ if BIND.contains(&word) => words.peek().copied(),
            _ => word.strip_prefix("-b"),
        };
        if let Some(host) = value.map(host_of).filter(|host| OPEN.contains(host)) {
            return Some(host);
        }
    }
    None
}

fn host_of(address: &str) -> &str {
    match address.rsplit_once(':') {
        Some((host, _)) if address != "::" => host,
        _ => address,
    }
}

fn ports(ports: Ports, findings: &mut Findings<'_, '_>) {
    for (key, port) in [
        ("process.ports.blue", ports.blue),
        ("process.ports.green", ports.green),
    ] {
        if port == 0 {
            findings.value(key, wrong("is 0", "write a port from 1 to 65535"));
        }
    }
    if ports.blue == ports.green {
        findings.value(
            "process.ports.green",
            wrong(
                format!("is blue's port, {}", ports.blue),
                "write another one: both colors run at once",
            ),
        );
    }
}

fn environment(env: &Env, findings: &mut Findings<'_, '_>) {
    if let Some(file) = &env.file {
        findings.value("env.file", relative(file, "`<root>/shared`", ".env"));
    }
    for (name, value) in &env.set {
        findings.entry_name("env.set", name, variable(name));
        if value.contains('\0') {
            findings.entry(
                "env.set",
                name,
                wrong(
                    "contains a NUL, which ends a variable's value",
                    "write it without",
                ),
            );
        }
    }
}

fn variable(name: &str) -> Verdict {
    let fits = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty();
    if !fits {
        return wrong(
            "is not a valid variable name",
            "write letters, digits and `_`, no digit first",
        );
    }
    if name == "PORT" {
        return wrong(
            "would make gunicorn listen on 0.0.0.0, open to every network",
            "remove it, and write `{{ port }}` in `process.run`",
        );
    }
    if name.starts_with("BG_") {
        return wrong(
            "is set by this program: `BG_` is its own prefix",
            "write another name",
        );
    }
    Ok(())
}
