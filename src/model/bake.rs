//! A release that is watched: what NGINX wrote down of a request, and what is known so far.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::color::{Color, Route, Share};
use crate::config::Act;
use crate::failure::Deployment;
use crate::judge::{self, Counts, Evidence};

/// The longest path that NGINX writes down, cut there.
const LONGEST: usize = 300;

/// Of so many releases of an app a verdict is only told, unless `bake.act` says otherwise.
const DRY: u32 = 3;

/// How many different visitors must have met what no other color was asked for.
const SEVERAL: usize = 3;

/// As many requests as this is the share of a canary worth that it is meant to have, beside those
/// that were counted.
const MEANT: f64 = 100.0;

/// How many paths that failed are kept.
const PATHS: usize = 5;

/// A request as `upstreams.conf.tera` has it written down.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact<'a> {
    /// When it was answered, in seconds since 1970.
    pub at: f64,
    /// The color that was to answer.
    pub color: Color,
    /// What each color that was asked answered, that one first; none where it was not asked.
    pub upstream: Vec<u16>,
    /// How long that one took, in milliseconds, to the end of its answer.
    pub took_ms: Option<f64>,
    /// Who asked, as one of a hundred.
    pub who: &'a str,
    /// What `bg` sent along to find it here.
    pub nonce: &'a str,
    /// The path: its beginning, or all of it where a color failed.
    pub path: &'a str,
}

impl<'a> Fact<'a> {
    /// Reads one, `None` where it is none.
    #[must_use]
    pub fn read(line: &'a str) -> Option<Fact<'a>> {
        let mut fields = line.splitn(10, '|');
        let mut next = || fields.next();
        let at = next()?.parse().ok()?;
        let color = next()?.parse().ok()?;
        let (_status, upstream) = (next()?, next()?);
        let (took, _method, _completion) = (next()?, next()?, next()?);
        let own = took.split(", ").next().and_then(|took| took.parse().ok());
        let upstream = upstream.split(", ").filter(|status| *status != "-");
        Some(Fact {
            at,
            color,
            upstream: upstream
                .map(|status| status.parse().ok())
                .collect::<Option<_>>()?,
            took_ms: own.map(|took: f64| took * 1000.0),
            who: next()?,
            nonce: next()?,
            path: next()?,
        })
    }

    /// The beginning of the path, as it is written down of what did not fail.
    #[must_use]
    pub fn place(&self) -> &'a str {
        const LONGEST: usize = 80;
        let end = self.path.bytes().skip(1).take(LONGEST);
        let end = end.take_while(|byte| *byte != b'/').count();
        self.path.get(..=end).unwrap_or(self.path)
    }

    /// Whether an answer is a failure of the app.
    #[must_use]
    pub fn failed(status: u16) -> bool {
        matches!(status, 500 | 502..=504)
    }

    /// The path as it can be asked for: NGINX has decoded it, and then written some of its bytes as
    /// `\xHH`. `None` where it is not whole.
    #[must_use]
    pub fn path_to_ask(path: &str) -> Option<String> {
        let mut asked = String::new();
        let mut rest = path.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            let (byte, after) = match (first, after) {
                (b'\\', [b'x', high, low, after @ ..]) => {
                    let digits = [*high, *low];
                    let digits = str::from_utf8(&digits).ok()?;
                    (u8::from_str_radix(digits, 16).ok()?, after)
                }
                _ => (*first, after),
            };
            rest = after;
            match byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
                true => asked.push(char::from(byte)),
                false => asked.push_str(&format!("%{byte:02X}")),
            }
        }
        (path.len() < LONGEST).then_some(asked)
    }

    /// What it says about the color that was to answer.
    #[must_use]
    pub fn says(&self) -> Said {
        match self.upstream.as_slice() {
            // A websocket is one line at its end, and a visitor who went away before is none.
            [] | [101, ..] => Said::Nothing,
            [status] if Fact::failed(*status) => Said::Failed { caught: false },
            [status, ..] if !Fact::failed(*status) => Said::Fine,
            // The other one does not answer at all, which says nothing about this one.
            [.., 502 | 504] => Said::Failed { caught: false },
            // It fails as well: it is not the release.
            [.., last] if Fact::failed(*last) => Said::BothFailed,
            _ => Said::Failed { caught: true },
        }
    }
}

/// What a request says about the color that was to answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing.
    Nothing,
    /// It answered.
    Fine,
    /// It failed; with the net, the other one answered.
    Failed {
        /// Whether the visitor got that answer.
        caught: bool,
    },
    /// Both failed.
    BothFailed,
}

/// How a bake ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ended", rename_all = "snake_case")]
pub enum Verdict {
    /// A release in which one request of twenty fails would have shown.
    Clean,
    /// The time is over, and nothing was found.
    Over,
    /// Too little was seen to say anything.
    NoData {
        /// Why.
        why: String,
    },
    /// It is worse than the one before, and was taken back.
    TakenBack,
    /// A step of a canary is over without a fault: the next one comes.
    NextStep,
    /// Nothing was found, and the canary stays at its step all the same.
    Stays {
        /// Why.
        why: String,
    },
    /// It is worse, and nothing was done.
    Told {
        /// Why not.
        why: String,
    },
    /// Traffic moved, or the slot changed, before there was one.
    Superseded,
}

/// A place at which a release is slower than the one before, visitors' requests and those that asked
/// both in turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slow {
    /// The beginning of the path.
    pub place: String,
    /// What 95 of 100 requests took at most before, in milliseconds.
    pub before_ms: u64,
    /// What they take now.
    pub now_ms: u64,
}

/// A step of a canary that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// How many of the visitors get the release.
    pub share: Share,
    /// Whether the next step comes by itself, when the time is over.
    pub goes_on: bool,
}

/// A bake, as it is kept while it goes on and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bake {
    /// What is watched.
    pub release: Deployment,
    /// What was live before; in a canary, what still is.
    pub before: Deployment,
    /// The step of a canary; none where all visitors get the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// Since when.
    pub since: Timestamp,
    /// Until when at most.
    pub until: Timestamp,
    /// What is done when it is worse.
    pub act: Act,
    /// Whether this is one host of several, which does nothing alone.
    #[serde(default)]
    pub one_of_several: bool,
    /// How many of this app's releases were watched to an end before.
    pub earlier: u32,
    /// Whether the release before answers what this one fails.
    pub net: bool,
    /// What was counted, and what that says.
    pub evidence: Evidence,
    /// All requests and failures, whatever they say.
    pub seen: Counts,
    /// Those of what was live before, in a canary.
    #[serde(default)]
    pub beside: Counts,
    /// How many requests there were at this step of a canary, of the release and of both.
    #[serde(default)]
    pub at_step: [u64; 2],
    /// How many of the failures a visitor met.
    pub met: u64,
    /// How many the net caught.
    pub caught: u64,
    /// How often both colors failed.
    pub both: u64,
    /// The paths that failed, and how often.
    pub paths: BTreeMap<String, u64>,
    /// Who met what the other color was not asked for, as one of a hundred.
    pub by: BTreeSet<String>,
    /// Up to where the facts were read.
    pub read: u64,
    /// When this was last kept, which says for how long it was watched.
    #[serde(default)]
    pub kept: Timestamp,
    /// How often the evidence was dropped because the release before failed as well.
    pub acquitted: u32,
    /// What was watched before, until visitors are proven to be here: it is so again where a command dies
    /// before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<Box<Bake>>,
    /// Whether it is worse, and whoever leads the hosts is to do something about it.
    #[serde(default)]
    pub worse: bool,
    /// Where it is slower.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<Slow>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

impl Bake {
    /// Takes in a request.
    pub fn take(&mut self, fact: &Fact<'_>, counts: bool) {
        let said = fact.says();
        if fact.color != self.release.color {
            return self.take_beside(said, counts);
        }
        let failed = match said {
            Said::Nothing => return,
            Said::Fine => false,
            Said::BothFailed => {
                self.both += 1;
                false
            }
            Said::Failed { caught } => {
                match caught {
                    true => self.caught += 1,
                    false => {
                        self.met += 1;
                        self.by.insert(fact.who.to_owned());
                    }
                }
                if self.paths.len() < PATHS || self.paths.contains_key(fact.path) {
                    *self.paths.entry(fact.path.to_owned()).or_default() += 1;
                }
                true
            }
        };
        let one = Counts {
            requests: 1,
            failed: u64::from(failed),
        };
        match self.stage {
            None if counts => self.evidence.add(one),
            Some(_) if counts && failed => self.add_beside(one),
            _ => {}
        }
        self.at_step = self.at_step.map(|count| count + 1);
        self.seen.requests += 1;
        self.seen.failed += u64::from(failed);
    }

    /// Takes over what was known of the same canary at an earlier step.
    pub fn goes_on_from(&mut self, last: Bake) {
        self.evidence = last.evidence;
        (self.seen, self.beside) = (last.seen, last.beside);
        (self.met, self.caught, self.both) = (last.met, last.caught, last.both);
        (self.paths, self.by) = (last.paths, last.by);
        self.acquitted = last.acquitted;
    }

    /// In a canary each failure is a trial, and the other color's speaks for the release.
    fn take_beside(&mut self, said: Said, counts: bool) {
        let failed = matches!(said, Said::Failed { .. } | Said::BothFailed);
        if self.stage.is_none() || said == Said::Nothing {
            return;
        }
        if failed && counts {
            let one = Counts {
                requests: 1,
                failed: 0,
            };
            self.add_beside(one);
        }
        let [own, all] = self.at_step;
        self.at_step = [own, all + 1];
        self.beside.requests += 1;
        self.beside.failed += u64::from(failed);
    }

    /// Where so few are left beside it that nothing can be told, nothing is.
    fn add_beside(&mut self, one: Counts) {
        if let Some(limit) = self.limit_beside() {
            self.evidence.add_beside(limit, one);
        }
    }

    /// What the failures of a canary are held against: how many requests it gets at this step, which is
    /// not the share of its visitors.
    fn limit_beside(&self) -> Option<f64> {
        let meant = f64::from(self.stage?.share.percent()) / 100.0 * MEANT;
        let [own, all] = self.at_step.map(|count| count as f64);
        judge::limit_beside((meant + own) / (MEANT + all))
    }

    /// How likely a release whose requests fail at `rate` would have been found by now.
    #[must_use]
    pub fn finds(&self, rate: f64) -> f64 {
        let requests = self.seen.requests;
        match (self.stage, self.limit_beside()) {
            (None, _) => self.evidence.finds(rate),
            (_, Some(limit)) => self.evidence.finds_beside(limit, requests, rate),
            (_, None) => 0.0,
        }
    }

    /// Whether there is enough beside a canary to tell anything.
    #[must_use]
    pub fn has_a_measure(&self) -> bool {
        self.stage.is_none() || self.limit_beside().is_some()
    }

    /// Whether a release in which one request of twenty fails would have shown by now.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        match self.stage {
            None => self.evidence.is_clean(),
            Some(_) => self.finds(0.05) >= 0.95 && !self.evidence.warns(),
        }
    }

    /// Where the live link points while it is watched.
    #[must_use]
    pub fn route(&self) -> Route {
        match self.stage {
            None => Route::to(self.release.color),
            Some(stage) => Route {
                share: Some(stage.share),
                ..Route::to(self.before.color)
            },
        }
    }

    /// Whether the release is found guilty. One visitor alone cannot bring that about: what the other
    /// color was not asked for may be what was asked.
    #[must_use]
    pub fn convicts(&self) -> bool {
        let is_proven = self.caught >= SEVERAL as u64 || self.by.len() >= SEVERAL;
        is_proven && self.evidence.convicts()
    }

    /// The same release as several hosts see it, as one.
    #[must_use]
    pub fn with(mut self, other: &Bake) -> Bake {
        let sum = |one: Counts, more: Counts| Counts {
            requests: one.requests + more.requests,
            failed: one.failed + more.failed,
        };
        self.evidence = self.evidence.with(&other.evidence);
        self.seen = sum(self.seen, other.seen);
        self.beside = sum(self.beside, other.beside);
        let ([own, all], [more, all_more]) = (self.at_step, other.at_step);
        self.at_step = [own + more, all + all_more];
        self.met += other.met;
        self.caught += other.caught;
        self.both += other.both;
        for (path, times) in &other.paths {
            *self.paths.entry(path.clone()).or_default() += times;
        }
        self.by.extend(other.by.iter().cloned());
        self.slow = self.slow.or_else(|| other.slow.clone());
        self
    }

    /// Why nothing is done about a release that is worse, where it is only told.
    #[must_use]
    pub fn only_tells(&self) -> Option<String> {
        match self.act {
            Act::Always => None,
            Act::Rollback if self.earlier >= DRY => None,
            Act::Rollback => Some(format!(
                "of an app's first {DRY} watched releases it is only told"
            )),
            Act::Pause if self.stage.is_some() => {
                Some("`bake.act` says that it stays at its step".to_owned())
            }
            Act::Tell | Act::Pause => Some("`bake.act` says so".to_owned()),
        }
    }

    /// Begins anew with what is counted: the other color fails as well.
    pub fn acquit(&mut self) {
        self.acquitted += 1;
        self.evidence = Evidence::against(self.evidence.limit());
        self.paths.clear();
        self.by.clear();
    }

    /// Whether a release in which one request of twenty fails would rather have shown than not.
    #[must_use]
    pub fn says_something(&self) -> bool {
        self.finds(0.05) >= 0.5 || self.is_clean()
    }

    /// Whether it is still watched.
    #[must_use]
    pub fn goes_on(&self) -> bool {
        self.verdict.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(upstream: &str) -> Option<Said> {
        let line = format!("1796072460.123|green|200|{upstream}|0.002|GET|OK|0714||/a|b");
        let fact = Fact::read(&line)?;
        assert_eq!((fact.color, fact.who, fact.path), (Color::Green, "0714", "/a|b"));
        assert_eq!(fact.place(), "/a|b");
        Some(fact.says())
    }

    #[test]
    fn a_line_says_what_became_of_a_request() {
        let caught = |caught| Some(Said::Failed { caught });
        assert_eq!(said("200"), Some(Said::Fine));
        assert_eq!(said("404"), Some(Said::Fine));
        assert_eq!(said("501"), Some(Said::Fine));
        assert_eq!(said("-"), Some(Said::Nothing));
        assert_eq!(said("101"), Some(Said::Nothing));
        assert_eq!(said("500"), caught(false));
        assert_eq!(said("502"), caught(false));
        assert_eq!(said("500, 200"), caught(true));
        assert_eq!(said("504, 404"), caught(true));
        assert_eq!(said("500, 502"), caught(false));
        assert_eq!(said("500, 500"), Some(Said::BothFailed));
        assert_eq!(said("x"), None);
        for torn in [
            "",
            "1|green",
            "1|red|200|200|1|GET|OK|0000||/",
            "x|green|200|200|1|GET|OK|0000||/",
        ] {
            assert_eq!(Fact::read(torn), None, "{torn}");
        }
        let line = |path: &str| format!("1|green|500|500|1|GET|OK|00||{path}");
        for (path, place) in [("/", "/"), ("/a", "/a"), ("/a/b/c", "/a"), ("//b", "/"), ("", "")] {
            assert_eq!(Fact::read(&line(path)).unwrap().place(), place);
        }
        let long = line(&format!("/{}/b", "x".repeat(90)));
        assert_eq!(Fact::read(&long).unwrap().place().len(), 81);
        let asked = |path: &str| Fact::path_to_ask(path);
        assert_eq!(asked("/a b/c.d").as_deref(), Some("/a%20b/c.d"));
        assert_eq!(asked("/caf\\xC3\\xA9?").as_deref(), Some("/caf%C3%A9%3F"));
        assert_eq!(asked("/\\xZZ"), None);
        assert_eq!(asked(&"/a".repeat(150)), None);
    }
}
