//! A release: one immutable checkout with everything needed to start it again.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::adopted::Adopted;
use crate::color::Color;
use crate::config::{Config, Ports};

/// Name of a release: the moment it was made and the commit, `20261123T181500Z-3f6f782`.
/// Ids of one host sort by age.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseId(String);

/// Text that is no release id.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a release: expected a name as `20261123T181500Z-3f6f782`")]
pub struct NotARelease(String);

impl ReleaseId {
    /// The id of a release made at `now` from `commit`, later than `newest` whatever the
    /// clock says.
    #[must_use]
    pub fn new(now: Timestamp, commit: &str, newest: Option<&ReleaseId>) -> ReleaseId {
        let mut at = now;
        loop {
            let id = ReleaseId::at(at, commit);
            match newest {
                Some(newest) if id.stamp() <= newest.stamp() => {
                    let last = newest.made_at().unwrap_or(at).max(at);
                    at = last + jiff::SignedDuration::from_secs(1);
                }
                _ => return id,
            }
        }
    }

    fn at(at: Timestamp, commit: &str) -> ReleaseId {
        let short: String = commit.chars().take(7).collect();
        ReleaseId(format!("{}-{short}", at.strftime("%Y%m%dT%H%M%SZ")))
    }

    /// The name, as in the folder `releases/<id>`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The commit's first seven digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0
            .split_once('-')
            .map_or(self.0.as_str(), |(_, commit)| commit)
    }

    fn stamp(&self) -> &str {
        self.0.split_once('-').map_or(self.0.as_str(), |(stamp, _)| stamp)
    }

    /// When it was made, to the second.
    #[must_use]
    pub fn made_at(&self) -> Option<Timestamp> {
        let civil = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", self.stamp()).ok()?;
        jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()
    }
}

impl TryFrom<String> for ReleaseId {
    type Error = NotARelease;

    fn try_from(text: String) -> Result<Self, NotARelease> {
        let id = ReleaseId(text);
        let commit_ok = id.0.split_once('-').is_some_and(|(_, commit)| {
            !commit.is_empty() && commit.len() <= 40 && commit.chars().all(|c| c.is_ascii_alphanumeric())
        });
        if commit_ok && id.stamp().len() == 16 && id.made_at().is_some() {
            Ok(id)
        } else {
            Err(NotARelease(id.0))
        }
    }
}

impl std::str::FromStr for ReleaseId {
    type Err = NotARelease;

    fn from_str(text: &str) -> Result<Self, NotARelease> {
        ReleaseId::try_from(text.to_owned())
    }
}

impl From<ReleaseId> for String {
    fn from(id: ReleaseId) -> String {
        id.0
    }
}

impl fmt::Display for ReleaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<Path> for ReleaseId {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

/// The beginning of a release's name or of its commit, as people type it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Beginning(String);

/// Text that no release's name or commit begins with.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is not a release: expected a name as `20261123T181500Z-3f6f782`, four characters or more of it, \
     or a commit"
)]
pub struct NoBeginning(String);

impl Beginning {
    /// Whether the release may be meant.
    #[must_use]
    pub fn fits(&self, id: &ReleaseId) -> bool {
        let short = id.short();
        id.0.starts_with(&self.0) || short.starts_with(&self.0) || self.0.starts_with(short)
    }

    /// The release, where the name is a whole one.
    #[must_use]
    pub fn whole(&self) -> Option<ReleaseId> {
        self.0.parse().ok()
    }
}

impl TryFrom<String> for Beginning {
    type Error = NoBeginning;

    fn try_from(text: String) -> Result<Self, NoBeginning> {
        let fits = |c: char| c.is_ascii_digit() || "abcdefTZ-".contains(c);
        match (4..=64).contains(&text.len()) && text.chars().all(fits) {
            true => Ok(Beginning(text)),
            false => Err(NoBeginning(text)),
        }
    }
}

impl std::str::FromStr for Beginning {
    type Err = NoBeginning;

    fn from_str(text: &str) -> Result<Self, NoBeginning> {
        Beginning::try_from(text.to_owned())
    }
}

impl From<Beginning> for String {
    fn from(beginning: Beginning) -> String {
        beginning.0
    }
}

impl From<ReleaseId> for Beginning {
    fn from(id: ReleaseId) -> Beginning {
        Beginning(id.0)
    }
}

impl fmt::Display for Beginning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The whole snapshot of a release, kept beside its checkout, so that an old release
/// always starts with its own settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format of this file.
    pub format: u32,
    /// The release.
    pub id: ReleaseId,
    /// The full commit.
    pub commit: String,
    /// The commit's first line.
    pub subject: String,
    /// What was asked for: a branch, a tag, a commit.
    pub reference: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// Who made it.
    pub made_by: String,
    /// The app's folder inside the checkout.
    pub folder: Option<PathBuf>,
    /// The command, not yet rendered, one word each.
    pub run: Vec<String>,
    /// The ports it was made for.
    pub ports: Ports,
    /// Its Python environment, a folder of `venvs`.
    pub venv: String,
    /// Variables that are no secrets.
    pub env: BTreeMap<String, String>,
    /// Its copy of the environment file, a file of `envs`, named by content.
    pub env_file: Option<String>,
    /// The configuration as it was.
    pub config: Config,
    /// The process that stands for it, where it was not built here but adopted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<Adopted>,
    /// The newest release, this one or an earlier one, whose schema does not serve what was
    /// made before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<Contract>,
    /// The color that it was made for, where a deploy made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_for: Option<Color>,
}

/// A release after whose migration earlier ones do not work any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    /// The release.
    pub release: ReleaseId,
    /// What its migration took away, or who said so.
    pub why: String,
    /// The backup from just before, if one was made.
    pub backup: Option<PathBuf>,
}

impl Manifest {
    /// The format this version writes and reads.
    pub const FORMAT: u32 = 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_id_names_the_moment_and_the_commit() {
        let id = ReleaseId::new(at("2026-11-23T18:15:00Z"), "3f6f782aa01b", None);
        assert_eq!(id.as_str(), "20261123T181500Z-3f6f782");
        assert_eq!(id.short(), "3f6f782");
        assert_eq!(id.made_at(), Some(at("2026-11-23T18:15:00Z")));
    }

    #[test]
    fn ids_stay_ordered_when_the_clock_stands_or_jumps_back() {
        let first = ReleaseId::new(at("2026-11-23T18:15:00Z"), "aaaaaaa", None);
        let same_second = ReleaseId::new(at("2026-11-23T18:15:00Z"), "0000000", Some(&first));
        let jumped_back = ReleaseId::new(at("2020-01-01T00:00:00Z"), "0000000", Some(&same_second));
        assert!(first < same_second && same_second < jumped_back);
        assert_eq!(jumped_back.as_str(), "20261123T181502Z-0000000");
    }

    #[test]
    fn what_could_leave_the_folder_is_no_release() {
        for text in [
            "",
            "..",
            "20261123T181500Z-",
            "20261123T181500Z-../../x",
            "2026-3f6f782",
            "-x",
        ] {
            assert!(text.parse::<ReleaseId>().is_err(), "{text}");
        }
        assert!("20261123T181500Z-3f6f782".parse::<ReleaseId>().is_ok());
    }
}
