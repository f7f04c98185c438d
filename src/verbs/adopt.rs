//! `bg adopt`: what runs already becomes the live color without being started again. What
//! would be done is shown first; done, it can be undone until the first deploy.

mod asked;
mod carry;
mod command;
pub mod data;
mod found;
mod later;
mod plan;
mod proposal;
pub mod record;
mod seen;
mod shown;
mod undo;
mod variables;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::host::registry::Registry;
use crate::model::config::Config;
use crate::model::event::Sink;
use crate::model::failure::Failure;

use data::Data;

pub(super) use command::next_of;
pub use later::{leave, move_data};
pub use undo::undo;

/// NGINX's main file, where nobody names another.
const CONF: &str = "/etc/nginx/nginx.conf";

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// A name in PM2, or the app's.
    pub name: Option<String>,
    /// Whether it shall be done, and not only shown.
    pub yes: bool,
    /// Whether data in the work tree shall be moved into `shared`.
    pub move_data: bool,
    /// Whether the next release shall do without that data.
    pub leave_data: bool,
    /// Whether the next release shall do without the variables that PM2 gave the process.
    pub leave_env: bool,
    /// NGINX's main file, where there is no bg.toml yet.
    pub conf: Option<PathBuf>,
    /// The root, where there is no bg.toml yet.
    pub root: Option<PathBuf>,
    /// Where a bg.toml that is proposed is written once it is used.
    pub write: Option<PathBuf>,
}

/// What was found, and what is done about it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Adopting {
    /// The app.
    pub app: String,
    /// The process, in words.
    pub process: String,
    /// Each step.
    pub steps: Vec<String>,
    /// What to know before.
    pub warnings: Vec<String>,
    /// What changes in NGINX's files, in full.
    pub diffs: Vec<String>,
    /// The bg.toml that is proposed, where there is none.
    pub config: Option<String>,
    /// Data that lies in the work tree.
    pub data: Vec<Data>,
    /// Whether it was done.
    pub done: bool,
}

/// Looks, and does it where that is asked for.
///
/// # Errors
/// Why it cannot be done; then nothing is changed, or everything put back.
pub async fn adopt(ask: &Ask, config: Option<Config>, sink: &dyn Sink) -> Result<Adopting, Failure> {
    if let Some(app) = config.as_ref().map(|config| &config.app).or(ask.name.as_ref())
        && let Ok(entry) = Registry::of_this_user().find(app)
    {
        later::refuse_unless_unfinished(&entry)?;
    }
    let conf = conf(ask, config.as_ref());
    let interrupted = undo::unfinished(&conf, ask.name.as_deref(), config.as_ref())?;
    if let Some(record) = interrupted {
        if !ask.yes {
            return Ok(undo::shown(&record));
        }
        if let Some(done) = carry::finish(&record, sink).await? {
            return Ok(done);
        }
        undo::put_back(&record, sink).await?;
    }
    let plan = plan::plan(ask, config, &conf).await?;
    let mut adopting = plan.shown(ask)?;
    if !ask.yes {
        return Ok(adopting);
    }
    carry::carry_out(&plan, ask, sink).await?;
    adopting.done = true;
    Ok(adopting)
}

fn conf(ask: &Ask, config: Option<&Config>) -> PathBuf {
    let named = config.map(|config| config.nginx.conf.clone());
    named.or_else(|| ask.conf.clone()).unwrap_or_else(|| CONF.into())
}
