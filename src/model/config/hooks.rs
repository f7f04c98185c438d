//! `[hooks]`: commands of the operator's own around a release.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::duration::Span;

/// How long a hook may take that does not say.
pub const USUAL_TIMEOUT: Span = Span::seconds(300);

/// Commands around a release, each one command, a table with `run`, `on` and `timeout`, or
/// a list of them, run in turn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Hooks {
    /// Before anything is fetched.
    pub before_build: Commands,
    /// In the new release, once it is whole.
    pub after_build: Commands,
    /// In the release that passed the gate, before a deploy or a switch moves traffic.
    pub before_switch: Commands,
    /// In the release that is live now, after a deploy or a switch.
    pub after_switch: Commands,
    /// In the release that is live again, after a rollback.
    pub after_rollback: Commands,
    /// After a deploy, switch or rollback that failed.
    pub on_failure: Commands,
}

/// The moments that have hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before anything is fetched.
    BeforeBuild,
    /// The new release is whole.
    AfterBuild,
    /// The gate was passed.
    BeforeSwitch,
    /// A deploy or switch moved traffic.
    AfterSwitch,
    /// A rollback moved traffic.
    AfterRollback,
    /// It failed.
    OnFailure,
}

impl Moment {
    /// All of them, in the order in which they come.
    pub const ALL: [Moment; 6] = [
        Moment::BeforeBuild,
        Moment::AfterBuild,
        Moment::BeforeSwitch,
        Moment::AfterSwitch,
        Moment::AfterRollback,
        Moment::OnFailure,
    ];

    /// The key in `[hooks]`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Moment::BeforeBuild => "before_build",
            Moment::AfterBuild => "after_build",
            Moment::BeforeSwitch => "before_switch",
            Moment::AfterSwitch => "after_switch",
            Moment::AfterRollback => "after_rollback",
            Moment::OnFailure => "on_failure",
        }
    }

    /// Whether a client over SSH can do its part: before it asks for anything, or when all
    /// is over. Between two steps of the host it may be gone.
    #[must_use]
    pub fn can_be_the_clients(self) -> bool {
        !matches!(self, Moment::AfterBuild | Moment::BeforeSwitch)
    }
}

impl Hooks {
    /// The commands of a moment.
    #[must_use]
    pub fn of(&self, moment: Moment) -> &[Hook] {
        match moment {
            Moment::BeforeBuild => &self.before_build.0,
            Moment::AfterBuild => &self.after_build.0,
            Moment::BeforeSwitch => &self.before_switch.0,
            Moment::AfterSwitch => &self.after_switch.0,
            Moment::AfterRollback => &self.after_rollback.0,
            Moment::OnFailure => &self.on_failure.0,
        }
    }
}

/// Where a hook runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunsOn {
    /// On the host, as the app's owner.
    #[default]
    Host,
    /// Where `bg` was typed.
    Client,
}

/// One command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// The command, split into words, without a shell.
    pub run: String,
    /// Where it runs.
    #[serde(default)]
    pub on: RunsOn,
    /// Its deadline, after which it is killed.
    #[serde(default = "usual_timeout")]
    pub timeout: Span,
}

fn usual_timeout() -> Span {
    USUAL_TIMEOUT
}

impl From<&str> for Hook {
    fn from(run: &str) -> Hook {
        Hook {
            run: run.to_owned(),
            on: RunsOn::Host,
            timeout: USUAL_TIMEOUT,
        }
    }
}

/// The commands of one moment, run in turn; the first that fails ends it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Commands(pub Vec<Hook>);

/// What may stand for them.
struct Written;

/// What may stand for one of them.
struct One(Hook);

impl<'de> Visitor<'de> for Written {
    type Value = Commands;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a command as `\"bin/notify\"`, a table with `run`, or a list of them")
    }

    fn visit_str<E: Error>(self, run: &str) -> Result<Commands, E> {
        Ok(Commands(vec![run.into()]))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Commands, A::Error> {
        Hook::deserialize(MapAccessDeserializer::new(map)).map(|hook| Commands(vec![hook]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Commands, A::Error> {
        let mut hooks = Vec::new();
        while let Some(One(hook)) = list.next_element()? {
            hooks.push(hook);
        }
        Ok(Commands(hooks))
    }
}

impl<'de> Deserialize<'de> for Commands {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

impl<'de> Visitor<'de> for One {
    type Value = One;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a command as `\"bin/notify\"`, or a table with `run`")
    }

    fn visit_str<E: Error>(self, run: &str) -> Result<One, E> {
        Ok(One(run.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<One, A::Error> {
        Hook::deserialize(MapAccessDeserializer::new(map)).map(One)
    }
}

impl<'de> Deserialize<'de> for One {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(One("".into()))
    }
}

/// As short as it can be written: words, or tables where one has more to say.
impl Serialize for Commands {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let plain = self.0.iter().all(|hook| *hook == hook.run.as_str().into());
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for hook in &self.0 {
            match plain {
                true => list.serialize_element(&hook.run)?,
                false => list.serialize_element(hook)?,
            }
        }
        list.end()
    }
}

impl JsonSchema for Commands {
    fn schema_name() -> Cow<'static, str> {
        "Commands".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "object", "array"],
            "examples": ["bin/notify", {"run": "bin/notify", "on": "client", "timeout": "30s"}]
        })
    }
}
