//! The PM2 that is installed, asked without its command line: that starts a daemon for the
//! least question, in the session of whoever asks.

use std::fs;
use std::path::PathBuf;

use sys::command::{Command, CommandError};

use crate::pm2::Pm2;

/// A program that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Its version, where it lies in a package that says so.
    pub version: Option<String>,
    /// The Node.js that it runs on.
    pub node: String,
}

impl Pm2 {
    /// Looks at the package of the program, and asks the Node.js that would run it.
    ///
    /// # Errors
    /// When no Node.js answers.
    pub async fn installed(&self) -> Result<Installed, CommandError> {
        let node = Command::new("node").arg("--version").env("PATH", self.path());
        let output = node.run().await?;
        Ok(Installed {
            version: self.package().as_deref().and_then(version),
            node: output.stdout.trim().to_owned(),
        })
    }

    /// `<package>/bin/pm2` is what links on PATH lead to.
    fn package(&self) -> Option<String> {
        let program = fs::canonicalize(&self.bin).ok()?;
        let folder: PathBuf = program.parent()?.parent()?.to_owned();
        fs::read_to_string(folder.join("package.json")).ok()
    }
}

fn version(package: &str) -> Option<String> {
    let package: serde_json::Value = serde_json::from_str(package).ok()?;
    let is_it = package.get("name")?.as_str()? == "pm2";
    is_it.then(|| package.get("version")?.as_str().map(str::to_owned))?
}
