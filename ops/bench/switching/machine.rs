//! What it was measured on, and with which versions.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde::Serialize;

use crate::measured;
use crate::mechanism::{Ground, program};
use crate::sandbox::{front, path_with_tools};

/// This machine.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Machine {
    /// Processors that this process may use.
    pub cores: usize,
    /// As the kernel names it.
    pub processor: String,
    /// Its release.
    pub kernel: String,
    /// How many others wanted a processor when the measuring began, over the last minute.
    pub load: String,
    /// By program; those that are not here are not in it.
    pub versions: BTreeMap<&'static str, String>,
}

impl Machine {
    /// As it is now.
    pub fn look(ground: &Ground) -> Machine {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let first_word = |text: String| text.split_whitespace().next().unwrap_or_default().to_owned();
        Machine {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: processor(&read("/proc/cpuinfo")),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: first_word(read("/proc/loadavg")),
            versions: versions(ground),
        }
    }
}

fn processor(cpuinfo: &str) -> String {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(": "));
    name.map_or("unknown", |(_, name)| name).to_owned()
}

fn versions(ground: &Ground) -> BTreeMap<&'static str, String> {
    let mut python = Command::new(ground.python());
    let packages =
        "import flask, gunicorn, importlib.metadata as m; print(m.version('flask'), gunicorn.__version__)";
    let python_says = said(python.args(["-c", packages]));
    let (flask, gunicorn) = python_says.split_once(' ').unwrap_or_default();
    let mut found = BTreeMap::from([
        ("bg", said(Command::new(measured::program()).arg("--version"))),
        ("NGINX", said(Command::new(front::program()).arg("-v"))),
        ("Flask", flask.to_owned()),
        ("gunicorn", gunicorn.to_owned()),
        ("Python", said(Command::new(ground.python()).arg("--version"))),
    ]);
    let others = [
        ("HAProxy", "haproxy", "-v"),
        ("Caddy", "caddy", "version"),
        ("PM2", "pm2", "--version"),
    ];
    for (name, command, word) in others {
        if let Some(path) = program(command) {
            let mut command = Command::new(path);
            command
                .env("PATH", path_with_tools())
                .env("PM2_HOME", ground.app().join("pm2"));
            found.insert(name, said(command.arg(word)));
        }
    }
    found.values_mut().for_each(|text| *text = number_in(text));
    found
}

/// Both outputs.
fn said(command: &mut Command) -> String {
    let Ok(output) = command.output() else {
        return String::new();
    };
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// `1.22.1` of `nginx version: nginx/1.22.1`; nothing of the picture that PM2 shows first.
fn number_in(text: &str) -> String {
    let words = text.split(|letter: char| !(letter.is_ascii_digit() || letter == '.'));
    let is_number = |word: &&str| {
        let mut parts = word.split('.');
        parts.clone().count() > 1 && parts.all(|part| !part.is_empty())
    };
    words.into_iter().find(is_number).unwrap_or("unknown").to_owned()
}
