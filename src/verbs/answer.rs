//! What a command found or did: one type for stdout, for `--json` and for the wire.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::color::Color;

use super::adopt::Adopting;
use super::check::Report;
use super::data::DataFound;
use super::deployed::Deployed;
use super::fleet::Fleet;
use super::history::{Kept, Line, Timing};
use super::init::Started;
use super::list::Listed;
use super::maintenance::MaintenanceSet;
use super::plan::Planned;
use super::remove::Removed;
use super::repair::Repaired;
use super::setup::SetUp;
use super::sight::Sighted;
use super::status::Status;

/// Every answer there is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// `bg init`.
    Started(Started),
    /// `bg check`.
    Checked {
        /// What was found.
        report: Report,
        /// Whether warnings count as errors.
        #[serde(skip)]
        strict: bool,
    },
    /// `bg adopt`.
    Adopting(Adopting),
    /// `bg setup`.
    SetUp(SetUp),
    /// `bg deploy`, `bg switch`, `bg rollback`.
    Deployed(Deployed),
    /// `bg deploy --plan`.
    Planned(Planned),
    /// `bg status`.
    Status(Box<Status>),
    /// `bg history`.
    History(Vec<Line>),
    /// `bg history RUN`.
    Run(Vec<Value>),
    /// `bg history RUN --timings`.
    Timings(Vec<Timing>),
    /// `bg list`.
    Listed(Vec<Listed>),
    /// `bg releases`.
    Releases(Vec<Kept>),
    /// `bg data`, `bg data move`.
    Data(DataFound),
    /// `bg maintenance`.
    Maintenance(MaintenanceSet),
    /// `bg repair`.
    Repaired(Repaired),
    /// `bg remove`.
    Removed(Removed),
    /// `bg logs`: the lines themselves were shown as they came.
    Shown {
        /// Whose they were.
        color: Color,
    },
    /// `bg logs --worker`.
    ShownOf {
        /// Whose they were.
        worker: String,
    },
    /// `bg schema`, `bg completions`, `bg man`, `bg shell-init`: for another program.
    Text {
        /// The whole of it.
        text: String,
    },
    /// The same command on several hosts.
    Fleet(Fleet),
    /// What a client must know before it asks for a change.
    Sighted(Sighted),
}

impl Answer {
    /// 0, but for a check that found something.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Answer::Checked { report, strict } => u8::from(!report.passes(*strict)),
            Answer::Fleet(fleet) => fleet.exit_code(),
            Answer::Status(status) if status.live.is_none() => 7,
            _ => 0,
        }
    }

    /// The answer as `--json` shows it: without its kind, which whoever asked knows.
    #[must_use]
    pub fn bare(&self) -> Value {
        match serde_json::to_value(self) {
            Ok(Value::Object(tagged)) => tagged.into_iter().next().map_or(Value::Null, |(_, bare)| bare),
            _ => Value::Null,
        }
    }
}
