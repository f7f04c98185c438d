//! What an operator can ask for, and what a host answers. Each verb reads as the story that it
//! tells.

pub mod adopt;
pub mod assets;
pub mod backup;
pub mod bake;
pub mod build;
pub mod canary;
pub mod check;
pub mod compare;
pub mod contract;
pub mod data;
pub mod deploy;
pub mod deployed;
pub mod disk;
pub mod finish;
pub mod guess;
pub mod history;
pub mod hooks;
pub mod host_table;
pub mod init;
pub mod lead;
pub mod list;
pub mod logs;
pub mod maintenance;
pub mod memory;
pub mod migrate;
pub mod notify;
pub mod observe;
pub mod packages;
pub mod plan;
pub mod preflight;
pub mod preview;
pub mod prune;
pub mod rehearse;
pub mod releases;
pub mod remove;
pub mod repair;
pub mod setup;
pub mod source;
pub mod standby;
pub mod starter;
pub mod status;
pub mod switch;
pub mod watch;

#[cfg(test)]
mod hostile_tests;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::text::Show;

/// What a command found or did on a host: one type for stdout, for `--json` and for the wire.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// `bg init`.
    Started(init::Started),
    /// `bg check`.
    Checked(check::Checked),
    /// `bg adopt`.
    Adopting(adopt::Adopting),
    /// `bg setup`.
    SetUp(setup::SetUp),
    /// `bg deploy`, `bg switch`, `bg rollback`.
    Deployed(deployed::Deployed),
    /// `bg deploy --plan`.
    Planned(plan::Planned),
    /// `bg status`.
    Status(Box<status::Status>),
    /// `bg history`.
    History(Vec<history::Line>),
    /// `bg history RUN`.
    Run(history::RunLog),
    /// `bg history RUN --timings`.
    Timings(Vec<history::Timing>),
    /// `bg list`.
    Listed(Vec<list::Listed>),
    /// `bg releases`.
    Releases(Vec<releases::Kept>),
    /// `bg data`, `bg data move`.
    Data(data::DataFound),
    /// `bg maintenance`.
    Maintenance(maintenance::MaintenanceSet),
    /// `bg canary`, `bg promote`, `bg abort`.
    Stepped(canary::Stepped),
    /// `bg bake`.
    Baked(Box<bake::Baked>),
    /// `bg compare`.
    Compared(compare::Compared),
    /// `bg preview`.
    Previewed(preview::Previewed),
    /// `bg repair`.
    Repaired(repair::Repaired),
    /// `bg remove`.
    Removed(remove::Removed),
    /// `bg logs`: the lines themselves were shown as they came.
    Shown(logs::Whose),
    /// What a client must know before it asks for a change.
    Observed(observe::Observed),
    /// What whoever leads several hosts must know of each.
    Led(Box<lead::Led>),
}

impl Answer {
    /// The answer as `--json` shows it: without its kind, which whoever asked knows.
    #[must_use]
    pub fn bare(&self) -> Value {
        match serde_json::to_value(self) {
            Ok(Value::Object(tagged)) => tagged.into_iter().next().map_or(Value::Null, |(_, bare)| bare),
            _ => Value::Null,
        }
    }

    /// The same without what opens a preview, for a record.
    #[must_use]
    pub fn without_token(self) -> Answer {
        match self {
            Answer::Previewed(previewed) => Answer::Previewed(preview::Previewed {
                opened: previewed.opened.map(preview::Link::without_token),
                ..previewed
            }),
            Answer::Deployed(deployed) => Answer::Deployed(deployed::Deployed {
                preview: deployed.preview.map(|link| Box::new(link.without_token())),
                ..deployed
            }),
            other => other,
        }
    }

    fn shown(&self) -> &dyn Show {
        match self {
            Answer::Started(answer) => answer,
            Answer::Checked(answer) => answer,
            Answer::Adopting(answer) => answer,
            Answer::SetUp(answer) => answer,
            Answer::Deployed(answer) => answer,
            Answer::Planned(answer) => answer,
            Answer::Status(answer) => answer.as_ref(),
            Answer::History(answer) => answer,
            Answer::Run(answer) => answer,
            Answer::Timings(answer) => answer,
            Answer::Listed(answer) => answer,
            Answer::Releases(answer) => answer,
            Answer::Data(answer) => answer,
            Answer::Maintenance(answer) => answer,
            Answer::Stepped(answer) => answer,
            Answer::Baked(answer) => answer.as_ref(),
            Answer::Compared(answer) => answer,
            Answer::Previewed(answer) => answer,
            Answer::Repaired(answer) => answer,
            Answer::Removed(answer) => answer,
            Answer::Shown(answer) => answer,
            Answer::Observed(answer) => answer,
            Answer::Led(answer) => answer.as_ref(),
        }
    }
}

impl Show for Answer {
    fn show(&self) -> String {
        self.shown().show()
    }

    fn show_as(&self, name: &str) -> String {
        self.shown().show_as(name)
    }

    fn exit_code(&self) -> u8 {
        self.shown().exit_code()
    }
}
