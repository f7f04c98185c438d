//! What a client and the engine on a host say to each other: one request, orders while it
//! is carried out, events, one result. A line of JSON each, over the engine's standard
//! input and output.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::failure::{Failure, Kind, Traffic};
use crate::release::ReleaseId;

/// Raised whenever a line of an older version would be misread.
pub const PROTOCOL: u32 = 3;

/// How often a client says that it is still there.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(2);

/// How long an engine goes on without hearing from its client, before traffic moves and
/// while it waits for the other hosts: six [`HEARTBEAT_INTERVAL`]s, of which a bad network loses some.
pub const LEASE: Duration = Duration::from_secs(12);

/// How long a client waits for an engine that says nothing: longer than [`LEASE`], so that
/// the engine has given up by then what it may.
pub const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The first line of an engine. What a login shell prints before it is skipped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The protocol it speaks.
    pub protocol: u32,
    /// Its version.
    pub version: String,
}

/// What a client wants; the engine's first line of input.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The app, where it was named.
    pub app: Option<String>,
    /// The command, as `cli::args` has it.
    pub verb: serde_json::Value,
    /// The `bg.toml` at the client's hand.
    pub config: Option<ConfigText>,
    /// A name for what comes of it, by which a client that lost the connection asks again.
    pub request_id: Option<String>,
    /// What the client saw live; the request is refused when that has changed.
    pub expected: Option<Expected>,
    /// What a run needs that takes part in one on several hosts.
    pub fleet: Option<Participant>,
    /// Which of its hosts the configuration means.
    #[serde(default)]
    pub place: Option<HostRole>,
}

/// A host as the client's configuration knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRole {
    /// Its name there.
    pub host: String,
    /// Whether what must happen once per fleet happens on it.
    pub primary: bool,
}

/// A configuration, and what to call it in a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigText {
    /// Its name, as it was typed.
    pub name: String,
    /// All of it.
    pub text: String,
}

/// What a client saw live before it asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// The release, `None` when nothing was deployed yet.
    pub live: Option<ReleaseId>,
}

/// One host's part in a run over several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// The name of a new release, the same on every host.
    pub release: Option<ReleaseId>,
    /// What was asked for, where the request names the commit that it meant.
    pub reference: Option<String>,
    /// Whether what must happen once per fleet happens here; unsaid by an older client.
    #[serde(default)]
    pub primary: Option<bool>,
}

/// What a client says while its request is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientMessage {
    /// It is still there.
    Heartbeat,
    /// Stop, if traffic has not moved.
    Stop,
    /// Every host has its release: migrate the schema, on the primary.
    Migrate,
    /// That is done: start the release.
    Start,
    /// That is done, and earlier releases do not work with it: start the release.
    StartContracted,
    /// Every host is ready: move traffic.
    Go,
    /// Every host has moved: stay there.
    Stay,
    /// One has not: put traffic back.
    Back,
}

/// What an engine says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineMessage {
    /// Its first line.
    Hello(Hello),
    /// It is still at work; said every [`HEARTBEAT_INTERVAL`].
    Alive,
    /// A fact.
    Event(Event),
    /// A line of the app's log, or several.
    Lines(String),
    /// What it found, when it goes on looking until it is asked to stop.
    Look {
        /// As in [`EngineMessage::Answer`].
        answer: serde_json::Value,
    },
    /// What it found or did.
    Answer {
        /// The exit code.
        exit_code: u8,
        /// The answer, as `verbs::Answer` has it.
        answer: serde_json::Value,
    },
    /// It failed.
    Failure(Failed),
    /// It was done, and there is nothing to tell.
    Done,
}

/// A [`Failure`] without its types.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Its kind.
    pub kind: Kind,
    /// What failed.
    pub what: String,
    /// Why, outermost first.
    pub causes: Vec<String>,
    /// Lines that show it.
    pub excerpt: Vec<String>,
    /// Where traffic is.
    pub traffic: Traffic,
    /// What to do next.
    pub hints: Vec<String>,
}

impl From<&Failure> for Failed {
    fn from(failure: &Failure) -> Failed {
        Failed {
            kind: failure.kind,
            what: failure.what.clone(),
            causes: failure.causes(),
            excerpt: failure.excerpt.clone(),
            traffic: failure.traffic.clone(),
            hints: failure.hints.clone(),
        }
    }
}

impl From<Failed> for Failure {
    fn from(failed: Failed) -> Failure {
        let mut failure = Failure::new(failed.kind, failed.what)
            .showing(failed.excerpt)
            .with_traffic(failed.traffic);
        failure.hints = failed.hints;
        failure.cause = failed.causes.into_iter().rev().fold(None, |source, text| {
            Some(Box::new(Cause { text, source }) as Box<dyn Error + Send + Sync>)
        });
        failure
    }
}

/// One layer of a cause that came over the wire.
#[derive(Debug)]
struct Cause {
    text: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.source {
            Some(source) => Some(source.as_ref()),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_arrives_as_it_was_sent() {
        let inner = std::io::Error::other("disk on fire");
        let outer = Failed::from(&Failure::failed("y").because(inner));
        let sent = Failure::new(Kind::Locked, "the release was not built")
            .because(Cause {
                text: "git failed".to_owned(),
                source: Some(Box::new(std::io::Error::other("no space"))),
            })
            .showing(["a line".to_owned()])
            .hint("`bg status`")
            .with_traffic(Traffic::Unknown { seen: "x".into() });
        assert_eq!(outer.causes, ["disk on fire"]);
        let line = serde_json::to_string(&EngineMessage::Failure(Failed::from(&sent))).unwrap();
        let EngineMessage::Failure(failed) = serde_json::from_str(&line).unwrap() else {
            panic!("{line}");
        };
        let arrived = Failure::from(failed);
        assert_eq!(arrived.causes(), ["git failed", "no space"]);
        assert_eq!(Failed::from(&arrived), Failed::from(&sent));
        assert_eq!(arrived.exit_code(), sent.exit_code());
    }

    #[test]
    fn every_line_of_the_wire_reads_back() {
        let request = Request {
            app: None,
            verb: serde_json::json!({"deploy": {"reference": "it's\nodd"}}),
            config: Some(ConfigText {
                name: "bg.toml".into(),
                text: "app = \"shop\"\n".into(),
            }),
            request_id: Some("t".into()),
            expected: Some(Expected { live: None }),
            fleet: None,
            place: Some(HostRole {
                host: "web1".into(),
                primary: true,
            }),
        };
        let line = serde_json::to_string(&request).unwrap();
        assert!(!line.contains('\n'), "{line}");
        assert_eq!(serde_json::from_str::<Request>(&line).unwrap(), request);
        let orders = [
            ClientMessage::Heartbeat,
            ClientMessage::Stop,
            ClientMessage::Migrate,
            ClientMessage::Start,
            ClientMessage::StartContracted,
            ClientMessage::Go,
            ClientMessage::Stay,
            ClientMessage::Back,
        ];
        for order in orders {
            let line = serde_json::to_string(&order).unwrap();
            assert_eq!(serde_json::from_str::<ClientMessage>(&line).unwrap(), order);
        }
    }
}
