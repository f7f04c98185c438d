//! `[migrate]`: how the database's schema follows a release.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Span;

/// The command that brings the schema up to date, once for each deploy, before the gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Migrate {
    /// The command, run in the new release with the app's environment, without a shell.
    pub run: String,
    /// Files of the repository, as globs: it runs when one of them differs between the
    /// release that is live and the new one. Without this and `pending` it always runs.
    #[serde(default)]
    pub paths: Vec<String>,
    /// A command that exits 0 when nothing is pending and 1 when something is.
    #[serde(default)]
    pub pending: Option<String>,
    /// The deadline of each of the two.
    #[serde(default = "usual_timeout")]
    pub timeout: Span,
}

impl Migrate {
    /// Whether a change of `file`, from the repository's root on, may change the schema.
    #[must_use]
    pub fn counts(&self, file: &str) -> bool {
        let options = glob::MatchOptions {
            require_literal_separator: true,
            ..glob::MatchOptions::new()
        };
        let fits =
            |path: &String| glob::Pattern::new(path).is_ok_and(|pattern| pattern.matches_with(file, options));
        self.paths.iter().any(fits)
    }
}

fn usual_timeout() -> Span {
    Span::seconds(900)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_counts_for_files_at_its_own_depth_and_two_stars_for_all() {
        let migrate = Migrate {
            run: "x".into(),
            paths: vec!["db/*.sql".into(), "migrations/**".into(), "models.py".into()],
            pending: None,
            timeout: usual_timeout(),
        };
        let counted = [
            "db/1.sql",
            "migrations/a.py",
            "migrations/versions/b.py",
            "models.py",
        ];
        let not = [
            "db/old/1.sql",
            "app/migrations/a.py",
            "shop/models.py",
            "migrations.py",
        ];
        assert!(counted.iter().all(|file| migrate.counts(file)));
        assert!(!not.iter().any(|file| migrate.counts(file)));
    }
}
