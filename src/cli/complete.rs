//! What a shell offers when Tab is pressed: our commands and options, and what there is of the
//! things that they name.

use clap_complete::CompleteEnv;
use clap_complete::env::Shells;

use super::args::command;

/// Set where a shell asks. Not `COMPLETE`, which another program may have left set.
const VARIABLE: &str = "BLUEGREEN_COMPLETE";

/// Our program's names.
const NAMES: [&str; 2] = ["bluegreen", "bg"];

/// Answers a shell; `false` where none asks.
#[must_use]
pub fn answer() -> bool {
    let folder = std::env::current_dir().ok();
    CompleteEnv::with_factory(command::public)
        .var(VARIABLE)
        .try_complete(std::env::args_os(), folder.as_deref())
        .unwrap_or(true)
}

/// What has `shell` ask, by both names of the program.
#[must_use]
pub fn script(shell: clap_complete::Shell) -> String {
    let mut text = Vec::new();
    if let Some(completer) = Shells::builtins().completer(&shell.to_string()) {
        for name in NAMES {
            // Into memory, where nothing fails.
            completer
                .write_registration(VARIABLE, name, name, "bluegreen", &mut text)
                .ok();
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}
