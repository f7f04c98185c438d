//! stub
use std::path::PathBuf;
use std::time::Duration;
pub struct Git {
    mirror: PathBuf,
}
pub struct Commit {
    pub sha: String,
    pub subject: String,
}
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("x")]
    X,
}
impl Git {
    pub fn new(m: PathBuf) -> Git {
        Git { mirror: m }
    }
    pub async fn fetch(&self, _u: &str, _d: Duration) -> Result<(), GitError> {
        Ok(())
    }
    pub async fn resolve(&self, _r: &str) -> Result<Commit, GitError> {
        Err(GitError::X)
    }
    pub async fn reachable(_u: &str, _d: Duration) -> Result<(), GitError> {
        Ok(())
    }
}
