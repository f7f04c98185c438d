//! stub
use std::path::Path;
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("x")]
    X,
}
impl IdentityError {
    pub fn may_pass(&self) -> bool {
        true
    }
}
pub fn check(_pid: u32, _port: u16, _f: &Path, _n: Option<&str>) -> Result<(), IdentityError> {
    unimplemented!()
}
