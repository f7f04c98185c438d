//! What came of a command on several hosts: where traffic is, and in what they differ.

use std::collections::BTreeMap;

use model::failure::Traffic;

use super::answer::Answer;
pub use super::answer::{Fleet, OnHost};
use super::status::Status;

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
}
