//! stub
use crate::model::color::Color;
use std::net::SocketAddr;
use std::time::Duration;
#[derive(Clone, Debug)]
pub struct Door {
    pub address: SocketAddr,
    pub tls: bool,
    pub host: String,
}
#[derive(Debug, thiserror::Error)]
pub enum FrontError {
    #[error("x")]
    X,
}
#[derive(Debug, thiserror::Error)]
pub enum NotProven {
    #[error("x")]
    X,
}
pub struct LiveAnswer {
    pub color: Color,
    pub maintenance: bool,
    pub release: Option<String>,
}
pub struct Proven {
    pub paths: usize,
    pub listeners: usize,
}
pub async fn live_answer(_d: &Door, _a: &str) -> Result<LiveAnswer, FrontError> {
    Err(FrontError::X)
}
pub async fn live_answers(_d: &[Door], _a: &str) -> Result<LiveAnswer, FrontError> {
    Err(FrontError::X)
}
pub async fn prove_route(_d: &[Door], _a: &str, _c: Color, _m: bool, _t: Duration) -> Result<(), NotProven> {
    Ok(())
}
pub async fn prove_all(
    _d: &[Door],
    _p: &[String],
    _s: SocketAddr,
    _f: u32,
    _t: Duration,
) -> Result<Proven, NotProven> {
    Err(NotProven::X)
}
pub async fn status(_d: &Door, _p: &str) -> Result<u16, FrontError> {
    Err(FrontError::X)
}
