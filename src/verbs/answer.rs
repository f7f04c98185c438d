//! What a command found or did: one type for stdout, for `--json` and for the wire.

use model::color::Color;
use model::wire::Failed;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::adopt::Adopting;
use super::check::Report;
use super::data::DataFound;
use super::deployed::Deployed;
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

/// What came of a command on several hosts, in the order in which they were named.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fleet {
    /// The hosts.
    pub hosts: Vec<OnHost>,
    /// From the first switch to the last, as the client heard of them.
    pub skew_ms: Option<f64>,
    /// In what the hosts differ that should be the same everywhere.
    pub differ: Vec<String>,
    /// What the public URL answered after the switch, if that was not as before.
    pub public: Option<String>,
    /// What of the client's own hooks failed after traffic had moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<String>,
}

/// One of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OnHost {
    /// Its name, as it was typed.
    pub host: String,
    /// The exit code of the command there.
    pub exit_code: u8,
    /// What it found or did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Box<Answer>>,
    /// Why it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failed>,
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

impl Fleet {
    /// The worst of the hosts': 7 before 6 before 5, then what went wrong first; hosts that
    /// were only held back by another come last.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let codes = || self.hosts.iter().map(|host| host.exit_code);
        let moved = codes().filter(|code| (5..=7).contains(code)).max();
        let first = codes().find(|code| ![0, 130].contains(code));
        let public = self.public.as_ref().or(self.hook.as_ref()).map(|_| 6);
        moved
            .or(first)
            .or_else(|| codes().find(|code| *code == 130))
            .or(public)
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_the_worst_one_that_tells_something() {
        let of = |codes: &[u8]| {
            let hosts = codes.iter().map(|code| OnHost {
                host: "h".into(),
                exit_code: *code,
                answer: None,
                failure: None,
            });
            let fleet = Fleet {
                hosts: hosts.collect(),
                skew_ms: None,
                differ: Vec::new(),
                public: None,
                hook: None,
            };
            fleet.exit_code()
        };
        let table: [(&[u8], u8); 8] = [
            (&[0, 0, 0], 0),
            (&[130, 1, 130], 1),
            (&[4, 1], 4),
            (&[130, 130], 130),
            (&[5, 1, 5], 5),
            (&[5, 5, 7], 7),
            (&[0, 6, 5], 6),
            (&[0, 3], 3),
        ];
        let mut seen = 0;
        for (codes, expected) in table {
            assert_eq!(of(codes), expected, "{codes:?}");
            seen += 1;
        }
        assert_eq!(seen, 8);
    }
}
