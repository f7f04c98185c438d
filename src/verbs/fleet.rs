//! What came of a command on several hosts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::failure::Traffic;
use crate::model::wire::Failed;

use super::answer::Answer;
use super::status::Status;

/// All of them, in the order in which they were named.
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

impl OnHost {
    /// Where this host's traffic is, in words.
    #[must_use]
    pub fn traffic(&self) -> String {
        match (&self.failure, self.answer.as_deref()) {
            (Some(failed), _) => match &failed.traffic {
                Traffic::Untouched => "as it was".to_owned(),
                traffic => traffic.to_string(),
            },
            (None, Some(Answer::Deployed(done))) if done.switched => format!("moved, {} is live", done.live),
            (None, Some(Answer::Deployed(done))) => format!("unchanged, {} is live", done.live),
            (None, Some(Answer::Maintenance(set))) => format!("{} is live", set.live),
            (None, Some(Answer::Status(now))) => now
                .live
                .as_ref()
                .map_or("unknown".to_owned(), |live| format!("{live} is live")),
            _ => "as it was".to_owned(),
        }
    }
}

/// What of a host is compared.
type View = fn(&Status) -> String;

impl Fleet {
    /// In what the hosts differ that should be the same everywhere.
    #[must_use]
    pub fn differences(&self) -> Vec<String> {
        let standings = self.hosts.iter().filter_map(|host| match host.answer.as_deref() {
            Some(Answer::Status(now)) => Some((&host.host, now)),
            _ => None,
        });
        let views: [(&str, View); 3] = [
            ("what is live", |now| {
                let release = now.live.as_ref().and_then(|live| live.release.as_ref());
                release.map_or("nothing".to_owned(), ToString::to_string)
            }),
            ("maintenance", |now| {
                if now.maintenance { "on" } else { "off" }.to_owned()
            }),
            ("the switch way", |now| format!("{:?}", now.switch).to_lowercase()),
        ];
        let standings: Vec<_> = standings.collect();
        let mut found = Vec::new();
        for (what, view) in views {
            let mut seen: BTreeMap<String, Vec<&str>> = BTreeMap::new();
            for (host, now) in &standings {
                seen.entry(view(now)).or_default().push(host);
            }
            if seen.len() > 1 {
                let each = seen
                    .iter()
                    .map(|(value, hosts)| format!("{value} on {}", hosts.join(", ")));
                found.push(format!("{what} differs: {}", each.collect::<Vec<_>>().join("; ")));
            }
        }
        found
    }

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
