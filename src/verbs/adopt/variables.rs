//! The variables that a process has from PM2: their names, never their values.

use keeper::pm2::entry::hashed;
use sys::process;

use super::found::Found;

/// Variables that come from a shell, a session or PM2 itself, and that no app was given on
/// purpose.
const NOT_THE_APPS: [&str; 41] = [
    "COLORTERM",
    "COLUMNS",
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "EDITOR",
    "HISTCONTROL",
    "HOME",
    "HOSTNAME",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LANG",
    "LESSCLOSE",
    "LESSOPEN",
    "LINES",
    "LOGNAME",
    "LS_COLORS",
    "MAIL",
    "MOTD_SHOWN",
    "NODE_APP_INSTANCE",
    "NODE_CHANNEL_FD",
    "NODE_CHANNEL_SERIALIZATION_MODE",
    "OLDPWD",
    "PATH",
    "PROMPT_COMMAND",
    "PS1",
    "PWD",
    "PYTHONUNBUFFERED",
    "SHELL",
    "SHLVL",
    "SILENT",
    "STY",
    "SYSTEMD_EXEC_PID",
    "TERM",
    "TERM_PROGRAM",
    "TMPDIR",
    "TMUX",
    "TMUX_PANE",
    "USER",
    "VIRTUAL_ENV",
    "VIRTUAL_ENV_PROMPT",
    "unique_id",
];

/// How the names of others begin.
const FAMILIES: [&str; 6] = ["PM2_", "NVM_", "SSH_", "XDG_", "SUDO_", "_"];

/// Everything that the app may have been given.
#[must_use]
pub fn all(found: &Found) -> Vec<String> {
    let names = found.entry.variables.iter();
    names
        .filter(|(name, value)| is_the_apps(name, **value, found))
        .map(|(name, _)| name.clone())
        .collect()
}

/// Those of them that PM2 itself does not have, or has otherwise: they were given to this one.
#[must_use]
pub fn its_own(found: &Found) -> Vec<String> {
    let text = process::env(found.daemon).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let of_pm2: Vec<(&str, u64)> = text
        .split('\0')
        .filter_map(|one| one.split_once('='))
        .map(|(name, value)| (name, hashed(value)))
        .collect();
    let is_own = |name: &String| {
        let value = found.entry.variables.get(name);
        let mut shared = of_pm2.iter();
        !shared.any(|(known, hash)| known == name && Some(hash) == value)
    };
    all(found).into_iter().filter(is_own).collect()
}

fn is_the_apps(name: &str, value: u64, found: &Found) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    // PM2 adds one that is called like the entry, and the port is told by `process.run`.
    let is_pm2s = *name == found.entry.name && value == hashed("{}");
    let is_port = name == "PORT" && value == hashed(&found.port.to_string());
    !name.is_empty()
        && name.chars().all(is_name)
        && !is_pm2s
        && !is_port
        && !NOT_THE_APPS.contains(&name)
        && !FAMILIES.iter().any(|family| name.starts_with(family))
}
