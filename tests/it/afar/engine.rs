//! The engine on a host: brought once, tried, kept private; and what is said when it cannot
//! be brought. `bg status` of an app that is not set up is asked, which ends with 3.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::sandbox::afar::{Afar, Server};
use crate::sandbox::outcome::Outcome;

mod brought;
mod flood;
mod pruned;
mod refused;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is told when an engine was brought.
fn brought() -> String {
    format!("engine {VERSION} installed on web1")
}

/// A request that needs an engine and nothing else, answered by one.
#[track_caller]
fn ask(afar: &Afar) -> Outcome {
    let outcome = afar.bg(&["status", "--app", "shop", "--hosts", "web1"]);
    outcome
        .assert_code(3)
        .assert_says("error: no app `shop` is set up on this host");
    outcome
}

/// The same with another program to bring.
fn ask_with(afar: &Afar, engine: &Path) -> Outcome {
    let args = ["status", "--app", "shop", "--hosts", "web1"];
    let output = afar.command(&args).env("BG_ENGINE", engine).output().unwrap();
    Outcome::new(&args, &output, std::time::Duration::ZERO)
}

/// A program at the client that could be brought.
fn script(afar: &Afar, text: &str) -> PathBuf {
    let file = afar.desk().join("engine");
    fs::write(&file, text).unwrap();
    file
}

fn hash(program: &[u8]) -> String {
    Sha256::digest(program)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// All files below the folder of the engines, with their folders' names.
fn files(server: &Server) -> Vec<String> {
    let mut found = Vec::new();
    for folder in fs::read_dir(server.engines()).into_iter().flatten().flatten() {
        for file in fs::read_dir(folder.path()).unwrap().flatten() {
            let path = file.path();
            found.push(path.strip_prefix(server.engines()).unwrap().display().to_string());
        }
    }
    found.sort();
    found
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// What changes when a file or folder is written anew.
fn identity(path: &Path) -> (u64, i64, i64) {
    let about = fs::metadata(path).unwrap();
    (about.ino(), about.mtime(), about.mtime_nsec())
}
