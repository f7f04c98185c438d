//! What can be typed about files that are no commit over there.

use std::path::PathBuf;

use release::bundle::Uploaded;
use serde::{Deserialize, Serialize};

/// Files that are no commit of the repository yet, or never will be.
#[derive(Clone, Debug, Default, Serialize, Deserialize, clap::Args)]
pub struct Origin {
    /// Commit all changes of this work tree, push them, and deploy exactly that commit
    #[arg(long, short, value_name = "TEXT")]
    #[serde(skip)]
    pub message: Option<String>,
    /// Deploy a folder or a tarball of this machine, without git; `-m` says what it is
    #[arg(long, value_name = "PATH")]
    #[serde(skip)]
    pub from: Option<PathBuf>,
    /// Answer yes to questions
    #[arg(long, short)]
    #[serde(skip)]
    pub yes: bool,
    /// What the host has been brought.
    #[arg(skip)]
    #[serde(default)]
    pub uploaded: Option<Uploaded>,
}
