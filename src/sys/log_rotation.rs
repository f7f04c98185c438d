//! Whether a log is ever cut: by logrotate's files, or by PM2's own module for it.

use std::fs;
use std::path::{Path, PathBuf};

use model::layout::{Entry, Layout};

/// PM2's module.
pub const MODULE: &str = "pm2-logrotate";

/// A block of logrotate's settings that covers a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The file it stands in.
    pub file: PathBuf,
    /// Whether whoever writes the log goes on in the new one: it is copied and cut, or PM2 is
    /// told to open it again.
    pub goes_on: bool,
}

/// The first block below `etc` that covers `log`.
#[must_use]
pub fn of(etc: &Path, log: &Path) -> Option<Rotation> {
    let mut files = vec![etc.join("logrotate.conf")];
    let folder = fs::read_dir(etc.join("logrotate.d"));
    let mut further: Vec<PathBuf> = folder
        .into_iter()
        .flatten()
        .flatten()
        .map(|one| one.path())
        .collect();
    further.sort();
    files.append(&mut further);
    let whole: String = files
        .first()
        .map(fs::read_to_string)
        .and_then(Result::ok)
        .unwrap_or_default();
    let everywhere = outside(&whole).contains("copytruncate");
    files.into_iter().find_map(|file| {
        let text = fs::read_to_string(&file).ok()?;
        let body = body_for(&text, log)?;
        let told = body.contains("reloadLogs");
        Some(Rotation {
            goes_on: told
                || (!body.contains("nocopytruncate") && (everywhere || body.contains("copytruncate"))),
            file,
        })
    })
}

/// A file for logrotate that covers the logs of an app.
#[must_use]
pub fn proposal(entry: &Entry, group: &str) -> String {
    let layout = Layout::new(&entry.root);
    let logs = layout.root().join("logs");
    format!(
        "\"{}/*.log\" {{\n    su {} {group}\n    daily\n    rotate 14\n    maxsize 100M\n    missingok\n    notifempty\n    \
         compress\n    delaycompress\n    copytruncate\n}}",
        logs.display(),
        entry.owner
    )
}

/// What stands in the braces behind a pattern that `log` fits.
fn body_for(text: &str, log: &Path) -> Option<String> {
    let plain = without_comments(text);
    let mut rest = plain.as_str();
    while let Some((head, after)) = rest.split_once('{') {
        let (body, next) = after.split_once('}').unwrap_or((after, ""));
        // Settings for all logs may stand before the patterns, each on a line of its own.
        let patterns = shlex::split(head).unwrap_or_default();
        let covers = |pattern: &String| {
            pattern.starts_with('/') && glob::Pattern::new(pattern).is_ok_and(|one| one.matches_path(log))
        };
        if patterns.iter().any(covers) {
            return Some(body.to_owned());
        }
        rest = next;
    }
    None
}

/// What stands outside of all braces.
fn outside(text: &str) -> String {
    let plain = without_comments(text);
    plain
        .split('}')
        .filter_map(|piece| piece.split('{').next())
        .collect()
}

fn without_comments(text: &str) -> String {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().to_owned() + "\n")
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::log_rotation::*;

    fn etc(main: &str, own: &str) -> tempfile::TempDir {
        let etc = tempfile::tempdir().unwrap();
        fs::create_dir(etc.path().join("logrotate.d")).unwrap();
        fs::write(etc.path().join("logrotate.conf"), main).unwrap();
        fs::write(etc.path().join("logrotate.d/shop"), own).unwrap();
        etc
    }

    #[test]
    fn a_log_is_covered_by_the_pattern_it_fits() {
        let log = Path::new("/srv/shop/logs/blue.log");
        let table = [
            ("", "/srv/shop/logs/*.log {\n copytruncate\n}", Some(true)),
            ("", "\"/srv/shop/logs/blue.log\" /x { daily\n}", Some(false)),
            (
                "",
                "/x {\n}\n/srv/*/logs/blue.log\n/y\n{\n postrotate\n pm2 reloadLogs\n endscript\n}",
                Some(true),
            ),
            ("weekly\ncopytruncate\n", "/srv/shop/logs/*.log {\n}", Some(true)),
            (
                "copytruncate\n",
                "/srv/shop/logs/*.log { nocopytruncate\n}",
                Some(false),
            ),
            ("", "# /srv/shop/logs/*.log {\n# copytruncate\n# }", None),
            ("", "/srv/shop/logs/*.txt { copytruncate }", None),
            ("/srv/shop/logs/*.log { copytruncate }", "", Some(true)),
            (
                "/var/log/x { copytruncate }",
                "/srv/shop/logs/*.log { daily }",
                Some(false),
            ),
        ];
        for (main, own, expected) in table {
            let etc = etc(main, own);
            let found = of(etc.path(), log).map(|rotation| rotation.goes_on);
            assert_eq!(found, expected, "{main:?} {own:?}");
        }
        assert_eq!(table.len(), 9);
    }

    #[test]
    fn no_logrotate_is_no_rotation() {
        let etc = tempfile::tempdir().unwrap();
        assert_eq!(of(etc.path(), Path::new("/srv/shop/logs/blue.log")), None);
    }
}
