//! stub
use crate::model::layout::Layout;
use crate::model::release::Manifest;
pub struct Redactor;
impl Redactor {
    pub fn redact(&self, t: &str) -> String {
        t.to_owned()
    }
}
#[derive(Debug, thiserror::Error)]
pub enum DotenvError {
    #[error("x")]
    X,
}
pub fn redactor(_l: &Layout, _m: &Manifest) -> Redactor {
    Redactor
}
pub fn check(_l: &Layout, _m: &Manifest) -> Result<(), DotenvError> {
    Ok(())
}
