//! A process of PM2's that may be the one to adopt.

use keeper::pm2::{Proc, daemons};
use model::failure::{Failure, Kind};

/// One entry and the ports that it holds and NGINX passes to.
pub(super) struct Candidate {
    pub(super) home: daemons::Running,
    pub(super) entry: Proc,
    pub(super) ports: Vec<u16>,
    /// The app of `bg`'s whose color or worker it is.
    pub(super) app: Option<String>,
}

pub(super) fn refused(what: impl Into<String>) -> Failure {
    Failure::new(Kind::Config, what)
}
