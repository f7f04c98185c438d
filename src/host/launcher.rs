//! stub
use crate::model::color::Color;
use crate::model::layout::Layout;
use crate::model::release::Manifest;
use std::convert::Infallible;
use std::path::Path;
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error("x")]
    X,
}
pub fn launch(_l: &Layout, _c: Color, _n: &str) -> Result<Infallible, LaunchError> {
    Err(LaunchError::X)
}
pub fn install(_e: &Path, _l: &Layout) -> Result<(), LaunchError> {
    Ok(())
}
pub fn become_command(_l: &Layout, _c: Color, _m: &Manifest, _w: &[String]) -> LaunchError {
    LaunchError::X
}
