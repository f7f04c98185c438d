//! What starts PM2 and NGINX when the machine starts, from the files that say so: systemd's
//! units, OpenRC's and System V's scripts. Nothing is asked, as a container has none of them.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders below `/etc` that say what is started at boot on machines without systemd.
const SCRIPTS: [&str; 6] = ["runlevels/default", "rc2.d", "rc3.d", "rc4.d", "rc5.d", "rc.d"];

/// Something that brings PM2's processes back at boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its file.
    pub file: PathBuf,
    /// Who it runs as; root where it does not say.
    pub user: String,
    /// The `PM2_HOME` it brings back; `None` where it does not say.
    pub home: Option<PathBuf>,
    /// The program it starts.
    pub program: Option<PathBuf>,
    /// Whether it is started at boot.
    pub enabled: bool,
    /// Whether it waits for the network, as far as its kind can say that.
    pub after_network: bool,
}

impl Unit {
    /// Its name without its folder.
    #[must_use]
    pub fn name(&self) -> String {
        let name = self.file.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }
}

/// Everything below `etc` that runs `pm2 resurrect`, by name.
#[must_use]
pub fn units(etc: &Path) -> Vec<Unit> {
    let systemd = etc.join("systemd/system");
    let mut found: Vec<Unit> = files(&systemd)
        .into_iter()
        .filter(|file| file.extension().is_some_and(|ending| ending == "service"))
        .filter_map(|file| service(&systemd, file))
        .collect();
    found.extend(
        files(&etc.join("init.d"))
            .into_iter()
            .filter_map(|file| script(etc, file)),
    );
    found
}

/// Whether a service of this name is started at boot; `None` where nothing below `etc` says
/// what is.
#[must_use]
pub fn is_enabled(etc: &Path, name: &str) -> Option<bool> {
    let systemd = etc.join("systemd/system");
    if systemd.is_dir() {
        return Some(is_wanted(&systemd, &format!("{name}.service")) || is_in_a_runlevel(etc, name));
    }
    let any = SCRIPTS.iter().any(|folder| etc.join(folder).is_dir());
    any.then(|| is_in_a_runlevel(etc, name))
}

fn service(systemd: &Path, file: PathBuf) -> Option<Unit> {
    let text = fs::read_to_string(&file).ok()?;
    let start = values(&text, "ExecStart").find(|line| is_resurrection(line))?;
    let program = start
        .split_whitespace()
        .next()
        .map(|word| word.trim_start_matches(['-', '@', '+', '!', ':']));
    let name = file.file_name()?.to_str()?.to_owned();
    let home = values(&text, "Environment").find_map(|line| variable(line, "PM2_HOME"));
    Some(Unit {
        user: values(&text, "User").last().unwrap_or("root").to_owned(),
        home: home.map(PathBuf::from),
        program: program.map(PathBuf::from),
        enabled: is_wanted(systemd, &name),
        after_network: values(&text, "After").any(|line| line.contains("network")),
        file,
    })
}

fn script(etc: &Path, file: PathBuf) -> Option<Unit> {
    let text = fs::read_to_string(&file).ok()?;
    if !text
        .lines()
        .any(|line| is_resurrection(line) || line.contains("command_args=\"resurrect\""))
    {
        return None;
    }
    let set = |name: &str| text.lines().find_map(|line| variable(line, name));
    let user = set("USER").or_else(|| set("user")).unwrap_or_default();
    let name = file.file_name()?.to_str()?.to_owned();
    Some(Unit {
        // OpenRC's script lets another file say who: `${PM2_USER:-shop}`.
        user: user
            .rsplit(":-")
            .next()
            .unwrap_or_default()
            .trim_end_matches('}')
            .to_owned(),
        home: set("PM2_HOME")
            .filter(|home| !home.contains('$'))
            .map(PathBuf::from),
        program: set("PM2").map(PathBuf::from),
        enabled: is_in_a_runlevel(etc, &name),
        after_network: text.contains("$network") || text.contains("need net"),
        file,
    })
}

/// `pm2 resurrect`, by whatever path; `super $PM2 resurrect` in PM2's own script.
fn is_resurrection(line: &str) -> bool {
    line.to_lowercase().contains("pm2") && line.split_whitespace().any(|word| word == "resurrect")
}

/// What stands behind `name=` at the start of a line.
fn values<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    text.lines()
        .filter_map(move |line| line.trim().strip_prefix(name)?.trim_start().strip_prefix('='))
        .map(str::trim)
}

/// The value of a variable in `NAME=value "OTHER=its value"`, with or without `export`.
fn variable(line: &str, name: &str) -> Option<String> {
    let words = shlex::split(line)?;
    let value = words
        .iter()
        .find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    value.map(|value| value.trim_end_matches('/').to_owned())
}

fn is_wanted(systemd: &Path, name: &str) -> bool {
    let is_wants = |folder: &PathBuf| folder.to_string_lossy().ends_with(".target.wants");
    let folders = files(systemd).into_iter().filter(is_wants);
    folders.into_iter().any(|folder| exists(&folder.join(name)))
}

/// `/etc/rc2.d/S20nginx`, `/etc/runlevels/default/nginx`.
fn is_in_a_runlevel(etc: &Path, name: &str) -> bool {
    let is_start = |file: &PathBuf| {
        let file = file.file_name().unwrap_or_default().to_string_lossy();
        let numbered = file
            .strip_prefix('S')
            .map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
        file == name || numbered == Some(name)
    };
    SCRIPTS
        .iter()
        .any(|folder| files(&etc.join(folder)).iter().any(is_start))
}

/// The link itself: in a container what it names may be elsewhere.
fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    all.sort();
    all
}

#[cfg(test)]
mod tests;
