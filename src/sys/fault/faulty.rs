//! The points where they are something.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::fault::started::Started;

/// One fault, as asked for in the environment.
struct Asked {
    name: String,
    time: u32,
    kind: String,
}

fn asked() -> Option<&'static Asked> {
    static ASKED: OnceLock<Option<Asked>> = OnceLock::new();
    ASKED
        .get_or_init(|| {
            let fault = std::env::var("BG_FAULT").ok()?;
            let (point, kind) = fault.rsplit_once(':')?;
            let (name, time) = point.rsplit_once('#').unwrap_or((point, "1"));
            Some(Asked {
                name: name.to_owned(),
                time: time.parse().ok()?,
                kind: kind.to_owned(),
            })
        })
        .as_ref()
}

/// Counts this time at `name`, writes it down, and returns the kind of fault, if it is here.
fn pass(class: &str, name: &str) -> Option<&'static str> {
    static TIMES: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());
    let mut times = TIMES.lock().unwrap_or_else(PoisonError::into_inner);
    let time = times.entry(name.to_owned()).or_default();
    *time += 1;
    if let Some(trace) = std::env::var_os("BG_FAULT_TRACE") {
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(trace)
            .and_then(|mut file| file.write_all(format!("{class} {name}#{time}\n").as_bytes()))
            .ok();
    }
    let asked = asked()?;
    (asked.name == name && asked.time == *time).then_some(asked.kind.as_str())
}

fn die_or_fail(kind: &str) -> io::Result<()> {
    let error = match kind {
        "die" => die(),
        "cut" => {
            lose_the_unflushed();
            die();
        }
        "eio" => Errno::EIO,
        "enospc" => Errno::ENOSPC,
        "eacces" => Errno::EACCES,
        _ => return Ok(()),
    };
    Err(error.into())
}

fn die() -> ! {
    kill(Pid::this(), Signal::SIGKILL).ok();
    // The signal is on its way.
    loop {
        std::thread::park();
    }
}

/// Files that are appended to, with the length up to which they survive a power cut.
static FLUSHED: Mutex<BTreeMap<PathBuf, u64>> = Mutex::new(BTreeMap::new());

fn length(file: io::Result<&File>) -> u64 {
    file.and_then(File::metadata).map_or(0, |about| about.len())
}

pub(super) fn flushed(file: &File, path: &Path) {
    let mut files = FLUSHED.lock().unwrap_or_else(PoisonError::into_inner);
    files.insert(path.to_owned(), length(Ok(file)));
}

fn lose_the_unflushed() {
    let files = FLUSHED.lock().unwrap_or_else(PoisonError::into_inner);
    for (path, length) in files.iter() {
        let cut = File::options()
            .write(true)
            .open(path)
            .and_then(|file| file.set_len(*length));
        cut.ok();
    }
}

pub(super) fn file(what: &str, path: &Path) -> io::Result<()> {
    if what == "append to" {
        let mut files = FLUSHED.lock().unwrap_or_else(PoisonError::into_inner);
        let now = || length(File::open(path).as_ref().map_err(|error| error.kind().into()));
        files.entry(path.to_owned()).or_insert_with(now);
    }
    let name = format!("{what} {}", in_general(path));
    pass("file", &name).map_or(Ok(()), die_or_fail)
}

/// `true` where the step must only be said to be done.
pub(super) fn step(what: &str, path: &Path) -> io::Result<bool> {
    let name = format!("{what} {}", in_general(path));
    let kind = pass("step", &name);
    kind.map_or(Ok(()), die_or_fail)?;
    Ok(kind == Some("lie"))
}

pub(super) fn start<'a>(program: &Path, args: impl Iterator<Item = Cow<'a, str>>) -> io::Result<Started> {
    let program = program.file_name().unwrap_or_default().to_string_lossy();
    // The first two words that are no option, no path and no number say what is done.
    let words = args.filter(|word| !word.starts_with(|c: char| c == '-' || c.is_ascii_digit()));
    let words = words.filter(|word| !word.contains(['/', '=', '.']) && !is_id(word));
    let words: Vec<Cow<'_, str>> = words.take(2).collect();
    let name = format!("run {program} {}", words.join(" "));
    let Some(kind) = pass("run", name.trim_end()) else {
        return Ok(Started::AsAsked);
    };
    die_or_fail(kind)?;
    Ok(match kind {
        "hang" => Started::Hanging,
        "lie" => Started::Lying,
        "garbage" => Started::Garbled,
        _ => Started::AsAsked,
    })
}

/// The last two names of a path; ids, dates and colors in them left out, which differ from
/// one time to the next.
fn in_general(path: &Path) -> String {
    let names: Vec<String> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_string_lossy()),
            _ => None,
        })
        .map(|name| {
            let parts = name.split('.').map(|part| if is_id(part) { "ID" } else { part });
            let name = parts.collect::<Vec<_>>().join(".");
            name.replace("blue", "COLOR").replace("green", "COLOR")
        })
        .collect();
    names
        .iter()
        .rev()
        .take(2)
        .rev()
        .cloned()
        .collect::<Vec<_>>()
        .join("/")
}

fn is_id(part: &str) -> bool {
    part.len() > 30 || part.len() > 6 && part.contains(|c: char| c.is_ascii_digit())
}
