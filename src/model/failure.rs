//! The one error that leaves a verb: what failed, why, where traffic is now, what to type
//! next. Kind and traffic decide the exit code, here and nowhere else.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::color::Color;
use crate::release::ReleaseId;

/// A color and what it runs, as people speak of it: `blue (2f61c0a)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The color.
    pub color: Color,
    /// Its release, unless the slot is empty.
    pub release: Option<ReleaseId>,
}

impl fmt::Display for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.release {
            Some(release) => write!(f, "{} ({})", self.color, release.short()),
            None => write!(f, "{} (empty)", self.color),
        }
    }
}

/// Where traffic is when a command ends without having done what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Traffic {
    /// The command never came near it.
    Untouched,
    /// Where it was before.
    Unchanged {
        /// What is live.
        live: Deployment,
    },
    /// It moved and was put back.
    PutBack {
        /// What is live.
        live: Deployment,
    },
    /// It moved and stays there; something after that failed.
    Moved {
        /// What is live.
        live: Deployment,
    },
    /// Nobody can say.
    Unknown {
        /// What was seen.
        seen: String,
    },
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Traffic::Untouched => f.write_str("untouched"),
            Traffic::Unchanged { live } if live.release.is_none() => {
                f.write_str("unchanged, nothing is live")
            }
            Traffic::PutBack { live } if live.release.is_none() => f.write_str("put back, nothing is live"),
            Traffic::Unchanged { live } => write!(f, "unchanged, {live} is live"),
            Traffic::PutBack { live } => write!(f, "put back, {live} is live again"),
            Traffic::Moved { live } => write!(f, "moved, {live} is live"),
            Traffic::Unknown { seen } => write!(f, "unknown: {seen}"),
        }
    }
}

/// Why a command ended, as far as its exit code tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It failed; what traffic does is in [`Traffic`].
    Failed,
    /// The command line was wrong.
    Usage,
    /// `bg.toml` or the host's set-up was wrong.
    Config,
    /// Another run holds the lock.
    Locked,
    /// Interrupted before the cutover.
    Interrupted,
}

/// A failed command.
#[derive(Debug)]
pub struct Failure {
    /// What kind.
    pub kind: Kind,
    /// What failed, in a sentence without a final stop.
    pub what: String,
    /// Why.
    pub cause: Option<Box<dyn Error + Send + Sync>>,
    /// Lines that show it: probes, the app's own log.
    pub excerpt: Vec<String>,
    /// Where traffic is now.
    pub traffic: Traffic,
    /// What to type or change next.
    pub hints: Vec<String>,
}

impl Failure {
    /// A failure of `kind` before anything was looked at.
    #[must_use]
    pub fn new(kind: Kind, what: impl Into<String>) -> Failure {
        Failure {
            kind,
            what: what.into(),
            cause: None,
            excerpt: Vec::new(),
            traffic: Traffic::Untouched,
            hints: Vec::new(),
        }
    }

    /// A plain failure.
    #[must_use]
    pub fn failed(what: impl Into<String>) -> Failure {
        Failure::new(Kind::Failed, what)
    }

    /// Traffic is not where it should be, or cannot be seen.
    #[must_use]
    pub fn unknown(what: impl Into<String>, seen: impl Into<String>) -> Failure {
        Failure::failed(what).with_traffic(Traffic::Unknown { seen: seen.into() })
    }

    /// With its cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Failure {
        self.cause = Some(cause.into());
        self
    }

    /// With lines that show it.
    #[must_use]
    pub fn showing(mut self, lines: impl IntoIterator<Item = String>) -> Failure {
        self.excerpt.extend(lines);
        self
    }

    /// With what failed besides.
    #[must_use]
    pub fn and(mut self, other: Failure) -> Failure {
        self.excerpt.push(format!("also: {}", other.in_one_line()));
        self.excerpt.extend(other.excerpt);
        for hint in other.hints {
            if !self.hints.contains(&hint) {
                self.hints.push(hint);
            }
        }
        self
    }

    /// With what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hints.push(hint.into());
        self
    }

    /// With where traffic is.
    #[must_use]
    pub fn with_traffic(mut self, traffic: Traffic) -> Failure {
        self.traffic = traffic;
        self
    }

    /// Where traffic is, unless that is already said.
    #[must_use]
    pub fn or_traffic(mut self, traffic: Traffic) -> Failure {
        if self.traffic == Traffic::Untouched {
            self.traffic = traffic;
        }
        self
    }

    /// With its causes, outermost first.
    #[must_use]
    pub fn in_one_line(&self) -> String {
        let mut texts = self.causes();
        texts.insert(0, self.what.clone());
        texts.join(": ")
    }

    /// Each message of the chain of causes, outermost first.
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
        let mut texts = Vec::new();
        let mut next: Option<&(dyn Error + 'static)> = match &self.cause {
            Some(cause) => Some(cause.as_ref()),
            None => None,
        };
        while let Some(error) = next {
            texts.push(error.to_string());
            next = error.source();
        }
        texts
    }

    /// The exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match (self.kind, &self.traffic) {
            (_, Traffic::Unknown { .. }) => 7,
            (_, Traffic::PutBack { .. }) => 5,
            (_, Traffic::Moved { .. }) => 6,
            (Kind::Usage, _) => 2,
            (Kind::Config, _) => 3,
            (Kind::Locked, _) => 4,
            (Kind::Interrupted, _) => 130,
            (Kind::Failed, _) => 1,
        }
    }
}

/// An error with its causes, outermost first.
#[must_use]
pub fn in_one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_says_where_traffic_is() {
        let live = Deployment {
            color: Color::Blue,
            release: None,
        };
        let of = |kind, traffic| Failure::new(kind, "x").with_traffic(traffic).exit_code();
        let unchanged = || Traffic::Unchanged { live: live.clone() };
        let table = [
            (Kind::Failed, unchanged(), 1),
            (Kind::Usage, Traffic::Untouched, 2),
            (Kind::Config, unchanged(), 3),
            (Kind::Locked, unchanged(), 4),
            (Kind::Failed, Traffic::PutBack { live: live.clone() }, 5),
            (Kind::Failed, Traffic::Moved { live: live.clone() }, 6),
            (
                Kind::Failed,
                Traffic::Unknown {
                    seen: "nothing".into(),
                },
                7,
            ),
            (
                Kind::Interrupted,
                Traffic::Unknown {
                    seen: "nothing".into(),
                },
                7,
            ),
            (Kind::Interrupted, unchanged(), 130),
            (Kind::Usage, Traffic::Moved { live: live.clone() }, 6),
        ];
        let mut seen = 0;
        for (kind, traffic, code) in table {
            assert_eq!(of(kind, traffic.clone()), code, "{kind:?} {traffic:?}");
            seen += 1;
        }
        assert_eq!(seen, 10);
    }

    #[test]
    fn each_layer_of_the_cause_speaks_once() {
        let inner = std::io::Error::other("disk on fire");
        let failure = Failure::failed("the release was not built").because(inner);
        assert_eq!(failure.causes(), ["disk on fire"]);
    }
}
