//! stub
use super::Config;
use std::path::Path;
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("x")]
    X,
}
pub fn parse(_t: &str, _p: &Path) -> Result<Config, ConfigError> {
    Err(ConfigError::X)
}
