//! What came of a command on several hosts: where traffic is, and in what they differ. A table
//! for people, and below it what should not be.

use std::collections::BTreeMap;
use std::fmt::Write;

use model::failure::Traffic;
use model::wire::Failed;
use serde::{Deserialize, Serialize};

use super::Answer;
use super::status::{Health, RollbackStatus, Status};
use crate::text::{self, Show};

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

impl OnHost {
    /// Where this host's traffic is, in words.
    #[must_use]
    pub fn traffic(&self) -> String {
        match (&self.failure, self.answer.as_deref()) {
            (Some(failed), _) => match &failed.traffic {
                Traffic::Untouched => "unchanged".to_owned(),
                traffic => traffic.to_string(),
            },
            (None, Some(Answer::Deployed(done))) if done.switched => format!("moved, {} is live", done.live),
            (None, Some(Answer::Deployed(done))) => format!("unchanged, {} is live", done.live),
            (None, Some(Answer::Maintenance(set))) => format!("{} is live", set.live),
            (None, Some(Answer::Status(now))) => now
                .live
                .as_ref()
                .map_or("unknown".to_owned(), |live| format!("{live} is live")),
            _ => "unchanged".to_owned(),
        }
    }
}

/// What of a host is compared.
type View = fn(&Status) -> String;

impl Fleet {
    /// In what the hosts differ that should be the same everywhere.
    #[must_use]
    pub fn differences(&self) -> Vec<String> {
        let statuses = self.hosts.iter().filter_map(|host| match host.answer.as_deref() {
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
            ("the switch strategy", |now| {
                format!("{:?}", now.switch).to_lowercase()
            }),
        ];
        let statuses: Vec<_> = statuses.collect();
        let mut found = Vec::new();
        for (what, view) in views {
            let mut seen: BTreeMap<String, Vec<&str>> = BTreeMap::new();
            for (host, now) in &statuses {
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

impl Show for Fleet {
    fn show(&self) -> String {
        let plain = self.hosts.iter().all(|host| {
            matches!(
                host.answer.as_deref(),
                None | Some(Answer::Status(_) | Answer::Deployed(_) | Answer::Maintenance(_))
            )
        });
        let mut text = if plain { rows(self) } else { pages(self) };
        if let Some(skew) = self.skew_ms {
            writeln!(text, "  first and last switch {skew:.0} ms apart").ok();
        }
        for difference in &self.differ {
            writeln!(text, "  ! {difference}").ok();
        }
        if let Some(hook) = &self.hook {
            writeln!(text, "  ! traffic moved and stays, but on this machine {hook}").ok();
        }
        if let Some(public) = &self.public {
            writeln!(
                text,
                "  ! the public URL answered before the switch and does not answer now: {public}"
            )
            .ok();
        }
        text
    }

    /// The worst of the hosts': 7 before 6 before 5, then what went wrong first; hosts that
    /// were only held back by another come last.
    fn exit_code(&self) -> u8 {
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

fn rows(fleet: &Fleet) -> String {
    let rows: Vec<[String; 4]> = fleet.hosts.iter().map(row).collect();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    for [mark, host, traffic, rest] in &rows {
        let line = format!(
            "  {mark:<a$} {host:<b$}  {traffic:<c$}  {rest}",
            a = widths[0],
            b = widths[1],
            c = widths[2]
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(host: &OnHost) -> [String; 4] {
    let mark = if host.exit_code == 0 { "✓" } else { "✗" };
    let rest = match (&host.failure, host.answer.as_deref()) {
        (Some(failed), _) => failed.what.clone(),
        (None, Some(Answer::Status(now))) => glance(now),
        _ => String::new(),
    };
    [mark.to_owned(), host.host.clone(), host.traffic(), rest]
}

/// What of a status fits a line.
fn glance(now: &Status) -> String {
    let mut parts = Vec::new();
    if now.maintenance {
        parts.push("maintenance page up".to_owned());
    }
    if now.doubt.is_some() {
        parts.push("in doubt".to_owned());
    }
    for slot in &now.slots {
        if let Health::Unhealthy(why) | Health::Down(why) = &slot.health {
            parts.push(format!("{} {why}", slot.color));
        }
    }
    for worker in &now.workers {
        match &worker.problem {
            Some(problem) => parts.push(format!("worker {} {problem}", worker.name)),
            None => parts.push(format!("worker {} runs", worker.name)),
        }
    }
    parts.push(match &now.rollback {
        RollbackStatus::Ready { to } => format!("rollback ready, to {to}"),
        RollbackStatus::Cold { to, .. } => format!("rollback to {to} would be started first"),
        RollbackStatus::Nothing { .. } => "no rollback".to_owned(),
    });
    parts.extend(now.drift.iter().cloned());
    parts.join("; ")
}

/// Answers that are pages of their own, each below its host's name.
fn pages(fleet: &Fleet) -> String {
    let mut text = String::new();
    for host in &fleet.hosts {
        match host.answer.as_deref() {
            Some(Answer::Shown(_)) => {}
            Some(answer) => {
                writeln!(text, "{}", host.host).ok();
                text.push_str(&text::page(answer, "bg"));
            }
            None => {
                let what = host
                    .failure
                    .as_ref()
                    .map_or("done", |failed| failed.what.as_str());
                writeln!(text, "{}: {what}", host.host).ok();
            }
        }
    }
    text
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
