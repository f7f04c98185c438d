//! stub
use super::git::Git;
use std::path::{Path, PathBuf};
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    #[error("x")]
    X,
}
pub async fn export(_g: &Git, _s: &str, _i: &Path) -> Result<(), CheckoutError> {
    Ok(())
}
pub fn link_shared(_s: &[PathBuf], _f: &Path, _t: &Path) -> Result<(), CheckoutError> {
    Ok(())
}
