//! Python for the sandboxes: the interpreter, and the sample app's packages as wheels,
//! fetched once and kept in `target/tmp`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::repo;

/// The system's own interpreter where it can make environments: any user may run it.
pub fn interpreter() -> PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            ["/usr/bin/python3", "python3"]
                .into_iter()
                .find(|python| {
                    let tried = Command::new(python)
                        .args(["-c", "import venv, ensurepip"])
                        .output();
                    tried.is_ok_and(|output| output.status.success())
                })
                .map(PathBuf::from)
                .expect("python3 with venv and ensurepip: `ops/bootstrap` installs it")
        })
        .clone()
}

/// The folder of the wheels.
pub fn wheels() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let requirements = repo::sample_app().join("requirements.txt");
        let python = said_by(Command::new(interpreter()).args([
            "-c",
            "import platform, sys; print(sys.implementation.cache_tag, platform.machine(), sep='-')",
        ]));
        let wanted = fs::read_to_string(&requirements).unwrap();
        let name: String = format!("wheels-{python}-{}", wanted.trim())
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "-.".contains(c) {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        // Another run of the tests may be fetching them.
        let lock = File::create(folder.with_extension("lock")).unwrap();
        lock.lock().unwrap();
        if !folder.exists() {
            fetch(&requirements, &folder);
        }
        folder
    })
}

fn fetch(requirements: &Path, folder: &Path) {
    let half = folder.with_extension("half");
    fs::remove_dir_all(&half).ok();
    let venv = half.join("venv");
    said_by(Command::new(interpreter()).args(["-m", "venv"]).arg(&venv));
    said_by(
        Command::new(venv.join("bin/python"))
            .args(["-m", "pip", "wheel", "--quiet", "--requirement"])
            .arg(requirements)
            .arg("--wheel-dir")
            .arg(half.join("wheels")),
    );
    fs::rename(half.join("wheels"), folder).unwrap();
    fs::remove_dir_all(half).ok();
}

fn said_by(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
