//! The Python that environments are made with, asked once what it is.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sys::command::{Command, CommandError};

use crate::venv::VenvError;

/// An interpreter takes 20 ms to say this; one behind a cold network disk, seconds.
const DEADLINE: Duration = Duration::from_secs(20);

const QUESTION: &str = "\
import json, os, sys, sysconfig
print(json.dumps({
    'path': os.path.realpath(sys.executable),
    'version': sys.version,
    'platform': sysconfig.get_platform(),
    'abi': sysconfig.get_config_var('SOABI') or '',
}))";

/// What makes one interpreter's environments unfit for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// The program, all links and version managers resolved.
    pub path: PathBuf,
    /// `sys.version`, with build and compiler.
    pub version: String,
    /// As `linux-x86_64`.
    pub platform: String,
    /// As `cpython-311-x86_64-linux-gnu`.
    pub abi: String,
}

impl Interpreter {
    /// Asks `python`, a name on PATH or a path.
    ///
    /// # Errors
    /// When there is no such program, or it is no working Python 3.
    pub async fn ask(python: &str) -> Result<Interpreter, VenvError> {
        // -I: no PYTHON* variable, and no module from the folder we stand in.
        let command = Command::new(python)
            .args(["-I", "-c", QUESTION])
            .deadline(DEADLINE);
        let output = match command.run().await {
            Err(CommandError::NotFound { program }) => return Err(VenvError::NoPython { python: program }),
            output => output.map_err(|source| VenvError::NotPython {
                python: python.to_owned(),
                source,
            })?,
        };
        // A version manager's wrapper may say something first.
        let answer = output.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(answer).map_err(|source| VenvError::OddPython {
            python: python.to_owned(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::venv::interpreter::*;

    #[tokio::test]
    async fn the_interpreter_says_what_it_is() {
        let interpreter = Interpreter::ask("python3").await.unwrap();
        assert!(interpreter.path.is_absolute());
        assert!(!interpreter.path.is_symlink());
        assert!(interpreter.version.starts_with("3."), "{interpreter:?}");
        assert!(interpreter.platform.starts_with("linux"), "{interpreter:?}");
    }

    #[tokio::test]
    async fn what_is_no_python_is_named_with_its_key() {
        for (python, text) in [
            (
                "python3.99",
                "there is no `python3.99` on this host, see `python.version`",
            ),
            ("false", "`false` is no working Python 3, see `python.version`"),
            ("echo", "`echo` is no working Python 3, see `python.version`"),
        ] {
            assert_eq!(Interpreter::ask(python).await.unwrap_err().to_string(), text);
        }
    }
}
