//! `[python]`: the Python environment.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The Python environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Python {
    /// The interpreter: a name on PATH or an absolute path, as `python3` or `python3.12`.
    pub version: String,
    /// What names the packages, relative to the app's folder: requirement files, with what they
    /// name by `-r` and `-c`, or `pyproject.toml`, with `uv.lock` where that lies beside it. Without
    /// this, and without a `requirements.txt`, the one of them that is there.
    pub requirements: Vec<PathBuf>,
    /// What installs them.
    pub installer: Installer,
}

impl Default for Python {
    fn default() -> Self {
        Python {
            version: "python3".into(),
            requirements: vec!["requirements.txt".into()],
            installer: Installer::Auto,
        }
    }
}

/// What installs Python packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Installer {
    /// `uv` where the host has it, else `pip`.
    Auto,
    /// `python -m pip`.
    Pip,
    /// `uv pip`.
    Uv,
}
