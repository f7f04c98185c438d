//! stub
use crate::model::{
    color::Color,
    layout::{Layout, NginxLayout},
    release::{Manifest, ReleaseId},
};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    #[error("x")]
    X,
}
pub struct Pruned {
    pub releases: Vec<ReleaseId>,
    pub venvs: Vec<String>,
}
pub fn slot(_l: &Layout, _c: Color) -> Option<ReleaseId> {
    None
}
pub fn point_slot(_l: &Layout, _c: Color, _r: &ReleaseId) -> Result<(), ReleaseError> {
    Ok(())
}
pub fn empty_slot(_l: &Layout, _c: Color) -> Result<(), ReleaseError> {
    Ok(())
}
pub fn write_answer(_n: &NginxLayout, _a: &str, _c: Color, _r: &ReleaseId) -> Result<(), ReleaseError> {
    Ok(())
}
pub fn manifest(_l: &Layout, _r: &ReleaseId) -> Result<Manifest, ReleaseError> {
    Err(ReleaseError::X)
}
pub fn write_manifest(_l: &Layout, _m: &Manifest) -> Result<(), ReleaseError> {
    Ok(())
}
pub fn ids(_l: &Layout) -> Vec<ReleaseId> {
    Vec::new()
}
pub fn snapshot_env(_l: &Layout, _f: &Path) -> Result<String, ReleaseError> {
    Err(ReleaseError::X)
}
pub fn check_env_source(_l: &Layout, _f: &Path) -> Result<(), ReleaseError> {
    Ok(())
}
pub fn lay_out(_l: &Layout) -> Result<Vec<PathBuf>, ReleaseError> {
    Ok(Vec::new())
}
pub fn write_whole(_p: &Path, _b: &[u8]) -> Result<(), ReleaseError> {
    Ok(())
}
pub fn prune(
    _l: &Layout,
    _k: usize,
    _n: &BTreeSet<ReleaseId>,
    _d: &[PathBuf],
) -> Result<Pruned, ReleaseError> {
    Err(ReleaseError::X)
}
