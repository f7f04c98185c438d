//! The engine as a file: this program, or the static build of it, by the hash of its
//! content.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use sys::self_install::{THIS, sha256};

/// Names a program to upload in place of this one.
const CHOSEN: &str = "BG_ENGINE";

/// Where a static build lies beside a program that is not one.
const BESIDE: &str = "bluegreen-engine";

/// A program that can be an engine.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    /// SHA-256 of its content, in hex.
    pub hash: String,
    /// Read when the first host needs it, and then shared by all.
    content: Arc<OnceLock<Bytes>>,
}

/// There is no program to upload.
#[derive(Debug, thiserror::Error)]
#[error("`{}` cannot be read", .path.display())]
pub struct NoProgram {
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

impl Program {
    /// The one that `BG_ENGINE` names, else this program when it needs nothing of a host's,
    /// else a static build beside it, else this program all the same: whether it runs over
    /// there is seen when it is tried.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn find() -> Result<Program, NoProgram> {
        let path = match std::env::var_os(CHOSEN) {
            Some(chosen) => PathBuf::from(chosen),
            None => own(),
        };
        let unread = |source| NoProgram {
            path: path.clone(),
            source,
        };
        let hash = sha256(&path).map_err(unread)?;
        let hash = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Program {
            path,
            hash,
            content: Arc::default(),
        })
    }

    /// All of it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn content(&self) -> Result<Bytes, NoProgram> {
        if let Some(content) = self.content.get() {
            return Ok(content.clone());
        }
        let content = std::fs::read(&self.path).map_err(|source| NoProgram {
            path: self.path.clone(),
            source,
        })?;
        Ok(self.content.get_or_init(|| content.into()).clone())
    }
}

fn own() -> PathBuf {
    let own = PathBuf::from(THIS);
    if cfg!(target_feature = "crt-static") {
        return own;
    }
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.join(BESIDE)))
        .filter(|beside| beside.is_file());
    beside.unwrap_or(own)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn its_name_is_the_hash_of_its_content() {
        let program = Program::find().unwrap();
        let hash: String = Sha256::digest(program.content().unwrap())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(program.hash, hash);
        assert_eq!(hash.len(), 64);
    }
}
