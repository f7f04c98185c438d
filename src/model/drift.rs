//! What is not as the last run left it: somebody or something acted without bg.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::color::Color;
use crate::failure::Deployment;
use crate::journal::Left;
use crate::release::ReleaseId;

/// One thing that is not as the last run left it, where the link and NGINX agree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "drift", rename_all = "snake_case")]
pub enum Drift {
    /// PM2's daemon is down, and its list names these.
    Asleep {
        /// The names.
        processes: Vec<String>,
    },
    /// Traffic is not where the last run left it.
    Moved {
        /// Where it was left.
        left: Left,
        /// Where it is.
        now: Left,
    },
    /// The slot's link names another release than the one that it was left with and that
    /// still runs there.
    Renamed(Misnamed),
    /// Nothing serves the live color.
    Dead {
        /// It.
        live: Deployment,
        /// What PM2 says.
        problem: String,
        /// What starts it, where it is no release: it was adopted as it ran.
        by_hand: Option<String>,
    },
    /// Something serves the live color, and it is not what PM2 was told to keep there.
    Strange {
        /// The color.
        live: Deployment,
        /// What differs.
        problem: String,
    },
    /// Another user's process has the port of the live color.
    Stolen {
        /// The color.
        live: Deployment,
        /// Who has it.
        by: Foreign,
        /// Whether visitors are kept from it by the maintenance page.
        maintenance: bool,
    },
    /// The list that PM2 starts from after a reboot lacks the live color.
    Unsaved {
        /// The entry's name.
        process: String,
    },
}

/// A slot whose link names another release than the one that runs there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misnamed {
    /// What was left live, and is.
    pub live: Deployment,
    /// What the slot's link names.
    pub named: Option<ReleaseId>,
}

impl fmt::Display for Misnamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Misnamed { live, named } = self;
        let named = named.as_ref().map_or("nothing", ReleaseId::short);
        write!(f, "slot {} points to {named} but {live} is running", live.color)
    }
}

/// Somebody else's process that has a color's port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreign {
    /// The color.
    pub color: Color,
    /// Its port.
    pub port: u16,
    /// The process, where it can be seen.
    pub process: Option<ForeignProcess>,
    /// Its user.
    pub uid: u32,
    /// The user's name, where there is one.
    pub user: Option<String>,
    /// The other app of this host that has the port.
    pub app: Option<String>,
    /// Whether what NGINX sends to the color gets there.
    pub is_reached: bool,
}

/// A process of somebody else's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignProcess {
    /// Its pid.
    pub pid: u32,
    /// Its command line.
    pub command: String,
}

/// `port 8001 of blue is held by process 4711 (`nc -l 8001`) of `mallory``.
impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Foreign { port, color, .. } = self;
        match &self.app {
            Some(app) => write!(f, "port {port} of {color} belongs to app `{app}` on this host, ")?,
            None => write!(f, "port {port} of {color} is held by ")?,
        }
        match &self.process {
            Some(ForeignProcess { pid, command }) => write!(f, "process {pid} (`{command}`) of ")?,
            None => f.write_str("a process of ")?,
        }
        match &self.user {
            Some(user) => write!(f, "`{user}`"),
            None => write!(f, "user {}", self.uid),
        }
    }
}

impl Foreign {
    /// What to type.
    #[must_use]
    pub fn way_out(&self) -> String {
        let Foreign { port, color, .. } = self;
        if self.app.is_some() {
            return format!("give {color} another port in `process.ports`");
        }
        let end = match &self.process {
            Some(process) => format!("`sudo kill {}` ends it", process.pid),
            None => format!("`sudo ss -ltnp sport = :{port}` shows the process, `sudo kill PID` ends it"),
        };
        format!("{end}; or give {color} another port in `process.ports`")
    }
}
