//! The name of a Python environment: a hash of all that decides what is in it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::host::command::{Command, CommandError};
use crate::model::config::Python;

/// What an interpreter says of itself: version, platform, ABI, and where it lies.
const ASK: &str = "import sys, sysconfig; print(sys.version, sysconfig.get_platform(), \
                   sysconfig.get_config_var('SOABI'), sys.base_prefix)";

/// The key cannot be found.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The interpreter does not answer.
    #[error("`{python}` cannot be used: `python.version` in bg.toml names the interpreter")]
    Interpreter {
        /// The interpreter.
        python: String,
        /// Why.
        #[source]
        source: CommandError,
    },
    /// A requirement file is missing.
    #[error("there is no `{}`: `python.requirements` in bg.toml, or a `-r` line, names it", .path.display())]
    Missing {
        /// The file, as named.
        path: PathBuf,
        /// Why it cannot be read.
        #[source]
        source: std::io::Error,
    },
}

/// The key for what `folder` requires. Requirements that are folders of the repository
/// cannot be told apart by their files' names, so `commit` then is part of it.
pub(super) async fn key(python: &Python, folder: &Path, commit: &str) -> Result<String, KeyError> {
    let asked = Command::new(&python.version).args(["-c", ASK]).run().await;
    let says = asked.map_err(|source| KeyError::Interpreter {
        python: python.version.clone(),
        source,
    })?;
    let mut hash = Sha256::new();
    hash.update(says.stdout.trim());
    let mut reader = Reader {
        seen: BTreeSet::new(),
        local: false,
        folder,
        hash: &mut hash,
    };
    for file in &python.requirements {
        reader.read(file)?;
    }
    if reader.local {
        hash.update(commit);
    }
    Ok(hash
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

struct Reader<'a> {
    seen: BTreeSet<PathBuf>,
    local: bool,
    folder: &'a Path,
    hash: &'a mut Sha256,
}

impl Reader<'_> {
    /// A requirement file and those that it includes, which are relative to it.
    fn read(&mut self, file: &Path) -> Result<(), KeyError> {
        if !self.seen.insert(file.to_owned()) {
            return Ok(());
        }
        let text = std::fs::read_to_string(self.folder.join(file)).map_err(|source| KeyError::Missing {
            path: file.to_owned(),
            source,
        })?;
        self.hash.update(file.as_os_str().as_encoded_bytes());
        self.hash.update([0]);
        self.hash.update(&text);
        self.hash.update([0]);
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            match included(line) {
                Some(name) => self.read(&file.parent().unwrap_or(Path::new("")).join(name))?,
                None => self.local |= is_local(line),
            }
        }
        Ok(())
    }
}

/// The file that `-r x`, `-rx`, `--requirement x`, `--requirement=x` and their like for
/// constraints include.
fn included(line: &str) -> Option<&str> {
    let rest = ["--requirement", "--constraint", "-r", "-c"]
        .iter()
        .find_map(|flag| line.strip_prefix(flag))?;
    Some(rest.trim_start_matches(['=', ' ', '\t']).trim_end())
}

fn is_local(line: &str) -> bool {
    line.starts_with("-e")
        || line.starts_with("--editable")
        || line.starts_with('.')
        || line.starts_with('/')
        || line.contains("file:")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn key_of(folder: &Path, commit: &str) -> Result<String, KeyError> {
        key(&Python::default(), folder, commit).await
    }

    #[tokio::test]
    async fn the_same_requirements_have_the_same_key_and_others_another() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("requirements.txt"), "-r base.txt\nflask\n").unwrap();
        std::fs::write(folder.path().join("base.txt"), "gunicorn\n").unwrap();
        let first = key_of(folder.path(), "a").await.unwrap();
        assert_eq!(first, key_of(folder.path(), "b").await.unwrap());
        std::fs::write(folder.path().join("base.txt"), "gunicorn==27\n").unwrap();
        assert_ne!(first, key_of(folder.path(), "a").await.unwrap());
    }

    #[tokio::test]
    async fn a_local_requirement_makes_the_commit_count() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("requirements.txt"), "-e ./lib\n").unwrap();
        let (first, other) = (
            key_of(folder.path(), "a").await.unwrap(),
            key_of(folder.path(), "b").await.unwrap(),
        );
        assert_ne!(first, other);
    }

    #[tokio::test]
    async fn a_missing_file_is_named_and_a_circle_ends() {
        let folder = tempfile::tempdir().unwrap();
        let error = key_of(folder.path(), "a").await.unwrap_err();
        assert!(
            error.to_string().starts_with("there is no `requirements.txt`"),
            "{error}"
        );
        std::fs::write(folder.path().join("requirements.txt"), "-r requirements.txt\n").unwrap();
        assert!(key_of(folder.path(), "a").await.is_ok());
    }
}
