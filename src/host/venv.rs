//! stub
use crate::model::config::Python;
use crate::model::layout::Layout;
use crate::model::release::Manifest;
use std::path::Path;
use std::time::Duration;
pub struct Built {
    pub key: String,
    pub reused: bool,
    pub took: Duration,
    pub installer: String,
}
#[derive(Debug, thiserror::Error)]
pub enum VenvError {
    #[error("x")]
    X,
}
pub async fn ensure(_l: &Layout, _p: &Python, _f: &Path, _c: &str, _d: Duration) -> Result<Built, VenvError> {
    Err(VenvError::X)
}
pub async fn compile_release(_l: &Layout, _m: &Manifest) {}
