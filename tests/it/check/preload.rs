//! What cannot be made wrong on a machine that others use too is made so for one program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The kernel's words for a clock that is kept right, and for one that is not.
pub(super) const RIGHT: &str = "0";
pub(super) const WRONG: &str = "5";

/// Has `command` loaded with a clock, a kernel and a resolver of ours; the variables that
/// `preload.c` reads say what they tell.
pub(super) fn into(command: &mut Command) -> &mut Command {
    command.env("LD_PRELOAD", library())
}

fn library() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/check/preload.c");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let half = folder.join(format!("preload-{}.so", std::process::id()));
        let made = Command::new("cc")
            .args(["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&half)
            .arg(source)
            .arg("-ldl")
            .status()
            .unwrap();
        assert!(made.success());
        // Another run of the tests may have it loaded: it keeps the old one.
        let library = folder.join("preload.so");
        fs::rename(half, &library).unwrap();
        library
    })
}
