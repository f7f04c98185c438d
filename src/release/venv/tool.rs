//! What installs the packages of an environment: pip or uv.

use std::path::{Path, PathBuf};

use model::config::Installer;
use sys::command::{self, find_program};

use crate::venv::VenvError;

/// What was chosen for this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tool {
    /// The `pip` of the environment itself.
    Pip,
    /// `uv`, at this path.
    Uv(PathBuf),
}

impl Tool {
    /// The tool that `wanted` means here. `uv` is also looked for where its own installer puts
    /// it, which is not on the PATH of a non-interactive login.
    ///
    /// # Errors
    /// When `uv` is asked for and missing.
    pub fn choose(wanted: Installer) -> Result<Tool, VenvError> {
        let uv = || {
            let home = command::home().unwrap_or_default();
            find_program(Path::new("uv")).or_else(|| find_program(&home.join(".local/bin/uv")))
        };
        match wanted {
            Installer::Pip => Ok(Tool::Pip),
            Installer::Uv => uv().map(Tool::Uv).ok_or(VenvError::NoUv),
            Installer::Auto => Ok(uv().map_or(Tool::Pip, Tool::Uv)),
        }
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn installer(&self) -> Installer {
        match self {
            Tool::Pip => Installer::Pip,
            Tool::Uv(_) => Installer::Uv,
        }
    }
}
