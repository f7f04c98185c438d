//! The program that is measured: `BG_BENCH_PROGRAM`, a release build that the bench's own
//! script makes and names.

use std::path::PathBuf;
use std::process::Command;

use crate::sandbox::Sandbox;

/// Where it is.
pub fn program() -> PathBuf {
    std::env::var_os("BG_BENCH_PROGRAM")
        .expect("BG_BENCH_PROGRAM: the bench's script builds the program and names it")
        .into()
}

/// The program with these words, on the host of `sandbox`, where its `bg.toml` is.
pub fn command(sandbox: &Sandbox, words: &[&str]) -> Command {
    let mut command = sandbox.command(program().to_str().unwrap());
    let desk = sandbox.config();
    command.args(words).current_dir(desk.parent().unwrap());
    command
}
