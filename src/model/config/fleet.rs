//! Which servers a client reaches, and in what company: read by the client alone, never
//! kept on a host.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Several hosts, as one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Fleet {
    /// The host of `hosts` where what must happen once per fleet happens. Default: the first.
    pub primary: Option<String>,
    /// How many hosts are worked on at the same time.
    pub parallel: usize,
    /// Names for several of `hosts`, for `--hosts NAME`.
    pub groups: BTreeMap<String, Vec<String>>,
    /// A public URL of the site, asked from the client before and after a switch.
    pub url: Option<String>,
}

impl Default for Fleet {
    fn default() -> Self {
        Fleet {
            primary: None,
            parallel: 16,
            groups: BTreeMap::new(),
            url: None,
        }
    }
}
