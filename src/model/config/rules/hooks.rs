//! Commands around a release, the database's schema and its backup, and who is told.

use super::super::hooks::{Hook, Moment, RunsOn};
use super::super::{Backup, Config, Migrate, Notify};
use super::duration::{not_too_long, some_time};
use super::findings::Findings;
use super::value::{Verdict, absolute, no_option, text, wrong, wrong_part};

/// What only a shell understands.
const SHELL: [&str; 7] = ["&&", "||", "|", ";", ">", "<", "&"];

pub(super) fn check(config: &Config, findings: &mut Findings<'_, '_>) {
    for moment in Moment::ALL {
        let key = format!("hooks.{}", moment.name());
        for hook in config.hooks.of(moment) {
            findings.value(&key, one(moment, hook));
        }
    }
    if let Some(migrate) = &config.migrate {
        self::migrate(migrate, findings);
    }
    if let Some(backup) = &config.backup {
        self::backup(backup, findings);
    }
    notify(&config.notify, findings);
}

fn one(moment: Moment, hook: &Hook) -> Verdict {
    command(&hook.run)?;
    if hook.on == RunsOn::Client && !moment.can_be_the_clients() {
        return wrong_part(
            "client",
            "cannot run on the client: the connection may be lost between two steps of the host",
            "write `on = \"host\"`, or use `before_build` or `after_switch`",
        );
    }
    some_time(hook.timeout).and_then(|()| not_too_long(hook.timeout))
}

/// One command, without what only a shell understands.
fn command(line: &str) -> Verdict {
    let Some(words) = shlex::split(line) else {
        return wrong("has quotes that do not pair up", "close each quote");
    };
    if words.first().is_none_or(String::is_empty) {
        return wrong("is empty", "write a command, as `\"bin/notify\"`");
    }
    match words.iter().find(|word| SHELL.contains(&word.as_str())) {
        Some(word) => wrong_part(
            word,
            format!("contains `{word}`, but the command runs without a shell"),
            "write one command; put more than one into a script of the repository",
        ),
        None => Ok(()),
    }
}

fn migrate(migrate: &Migrate, findings: &mut Findings<'_, '_>) {
    findings.value("migrate.run", command(&migrate.run));
    if let Some(pending) = &migrate.pending {
        findings.value("migrate.pending", command(pending));
    }
    findings.each(
        "migrate.paths",
        migrate.paths.iter().map(|path| glob(path, "migrations/**")),
    );
    let timeout = some_time(migrate.timeout).and_then(|()| not_too_long(migrate.timeout));
    findings.value("migrate.timeout", timeout);
}

/// A pattern of files from the root of the repository on.
pub(super) fn glob(path: &str, example: &str) -> Verdict {
    text(path, example)?;
    if path.starts_with('/') {
        return wrong(
            "is an absolute path",
            format!("write it from the root of the repository on, as `\"{example}\"`"),
        );
    }
    match glob::Pattern::new(path) {
        Ok(_) => Ok(()),
        Err(error) => wrong(
            format!("is not a valid pattern: {}", error.msg),
            format!("write something like `\"{example}\"`"),
        ),
    }
}

fn backup(backup: &Backup, findings: &mut Findings<'_, '_>) {
    findings.value("backup", says_how(backup));
    if let Some(run) = &backup.run {
        findings.value("backup.run", command(run));
    }
    if let Some(database) = &backup.database {
        findings.value("backup.database", self::database(database));
    }
    if let Some(file) = &backup.options_file {
        findings.value("backup.options_file", text(&file.to_string_lossy(), "backup.cnf"));
    }
    if let Some(folder) = &backup.folder {
        findings.value("backup.folder", absolute(folder, "/var/backups/shop"));
    }
    if backup.keep == 0 {
        findings.value(
            "backup.keep",
            wrong("keeps none", "write `1` or more: the one before the migration"),
        );
    }
    let timeout = some_time(backup.timeout).and_then(|()| not_too_long(backup.timeout));
    findings.value("backup.timeout", timeout);
}

fn says_how(backup: &Backup) -> Verdict {
    match (backup.kind, &backup.run, &backup.database) {
        (None, None, _) => wrong(
            "has neither `kind` nor `run`",
            "add `kind = \"mysql\"` with `database`, or `run`",
        ),
        (Some(_), None, None) => wrong("names no database", "add `database = \"shop\"`"),
        _ => Ok(()),
    }
}

/// A name is an argument of a program, which must not take it for an option.
fn database(name: &str) -> Verdict {
    text(name, "shop")?;
    no_option(name, "shop")
}

fn notify(notify: &Notify, findings: &mut Findings<'_, '_>) {
    if let Some(url) = &notify.webhook {
        findings.value("notify.webhook", webhook(url));
    }
    if let Some(name) = &notify.webhook_env {
        findings.value("notify.webhook_env", text(name, "CHAT_WEBHOOK"));
    }
}

fn webhook(url: &str) -> Verdict {
    text(url, "https://chat.example.com/hooks/1")?;
    match url.starts_with("https://") || url.starts_with("http://") {
        true => Ok(()),
        false => wrong(
            "is not a URL",
            "write `\"https://chat.example.com/hooks/1\"`, or its variable under `webhook_env`",
        ),
    }
}
