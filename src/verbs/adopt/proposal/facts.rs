//! What a proposed bg.toml is made of.

use std::path::Path;

use nginx::dump::Dump;
use site::takeover::Takeover;

use super::super::data::Data;
use super::super::found::Found;

/// What the text is made of.
pub struct SiteFacts<'a> {
    /// The process.
    pub found: &'a Found,
    /// The site.
    pub takeover: &'a Takeover,
    /// NGINX's configuration.
    pub dump: &'a Dump,
    /// NGINX's main file.
    pub conf: &'a Path,
    /// The data in the work tree.
    pub data: &'a [Data],
    /// The root, where it was named.
    pub root: Option<&'a Path>,
}

pub(super) fn quoted(text: impl ToString) -> String {
    toml::Value::from(text.to_string()).to_string()
}
