//! `bg adopt`: what runs already becomes the live color without being started again. What
//! would be done is shown first; done, it can be undone until the first deploy.

mod apply;
mod asked;
mod command;
pub mod data;
mod found;
mod later;
mod manifest;
mod plan;
mod proposal;
pub mod record;
mod request;
mod seen;
mod shown;
mod undo;
mod variables;

use model::config::Config;
use model::event::Sink;
use model::failure::Failure;
use state::registry::Registry;

pub(super) use command::next_of;
pub use later::{leave, move_data};
use request::conf;
pub use request::{Adopting, Ask};
pub use undo::undo;

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
        if let Some(done) = apply::finish(&record, sink).await? {
            return Ok(done);
        }
        undo::put_back(&record, sink).await?;
    }
    let plan = plan::plan(ask, config, &conf).await?;
    let mut adopting = plan.shown(ask)?;
    if !ask.yes {
        return Ok(adopting);
    }
    apply::carry_out(&plan, ask, sink).await?;
    adopting.done = true;
    Ok(adopting)
}
