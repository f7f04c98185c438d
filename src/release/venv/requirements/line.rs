//! The lines of a list of requirements: what each has installed.

/// How far the text of the requirement files says what will be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// The text says all.
    Text,
    /// It names local files or another place's list, so the same commit is asked for.
    Commit,
    /// It has something installed in place (`-e`): the environment then holds the path of the
    /// release folder and can serve no other release.
    Release,
}

/// How far a requirement says what is installed.
pub fn reach_of(line: &str) -> Reach {
    match classify(line) {
        Line::Reaches(reach) => reach,
        Line::Includes(_) => Reach::Commit,
    }
}

/// Lines without comments, those that end with a backslash joined.
pub(super) fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = vec![];
    let mut open = String::new();
    for line in text.lines() {
        if let Some(part) = line.strip_suffix('\\') {
            open.push_str(part);
            continue;
        }
        open.push_str(line);
        lines.push(without_comment(&std::mem::take(&mut open)));
    }
    lines.push(without_comment(&open));
    lines.retain(|line| !line.is_empty());
    lines
}

/// A `#` begins a comment at the start of a line or after a blank; elsewhere it is part of
/// an address.
fn without_comment(line: &str) -> String {
    let start = line.match_indices('#').map(|(at, _)| at).find(|at| {
        line.get(..*at)
            .is_some_and(|before| before.is_empty() || before.ends_with([' ', '\t']))
    });
    line.get(..start.unwrap_or(line.len()))
        .unwrap_or(line)
        .trim()
        .to_owned()
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Another file.
    Includes(String),
    /// A requirement or an option.
    Reaches(Reach),
}

pub(super) fn classify(line: &str) -> Line {
    let option = |names: &[&str]| names.iter().find_map(|name| value_of(line, name));
    if option(&["-e", "--editable"]).is_some() {
        return Line::Reaches(Reach::Release);
    }
    match option(&["-r", "--requirement", "-c", "--constraint"]) {
        Some(place) if place.contains("://") => return Line::Reaches(Reach::Commit),
        Some(file) => return Line::Includes(file),
        None => {}
    }
    if let Some(place) = option(&["-f", "--find-links"]) {
        // A folder of this host is an index like one on the network: not the commit's.
        return Line::Reaches(if is_address(&place) || place.starts_with('/') {
            Reach::Text
        } else {
            Reach::Commit
        });
    }
    let local = !line.starts_with('-') && names_local_file(line);
    Line::Reaches(if local { Reach::Commit } else { Reach::Text })
}

/// The value in `-r value`, `-rvalue`, `--requirement value` or `--requirement=value`.
fn value_of(line: &str, name: &str) -> Option<String> {
    let rest = line.strip_prefix(name)?;
    let value = rest.trim_start_matches([' ', '\t', '=']);
    let long = name.starts_with("--");
    let apart = rest.len() > value.len();
    (apart || !long)
        .then(|| value.trim_matches(['"', '\'']).to_owned())
        .filter(|value| !value.is_empty())
}

fn is_address(text: &str) -> bool {
    text.contains("://") && !text.starts_with("file:")
}

/// `./libs/foo`, `libs/foo[extra]`, `foo.whl`, `foo @ file:///...`; but not `foo @ https://...`.
fn names_local_file(line: &str) -> bool {
    let (_, after_name) = line.split_once(" @ ").unwrap_or(("", line));
    let what = after_name.split(';').next().unwrap_or(after_name).trim();
    if what.contains("file:") {
        return true;
    }
    if is_address(what) {
        return false;
    }
    let archive = [".whl", ".tar.gz", ".zip", ".tar.bz2"]
        .iter()
        .any(|ending| what.ends_with(ending));
    what.starts_with(['.', '/', '~']) || what.contains('/') || archive
}

#[cfg(test)]
mod tests {
    use crate::venv::requirements::line::*;

    fn reach(line: &str) -> Reach {
        match classify(line) {
            Line::Reaches(reach) => reach,
            Line::Includes(file) => panic!("{line} includes {file}"),
        }
    }

    #[test]
    fn what_the_text_does_not_say_is_seen() {
        for line in [
            "flask==3.1.0 --hash=sha256:00aa",
            "flask[async]>=3; python_version > '3.8'",
            "lib @ https://example.org/lib-1.0.whl",
            "lib @ git+ssh://git@example.org/lib.git@v1",
            "https://example.org/lib-1.0.tar.gz",
            "--find-links https://example.org/wheels",
            "--find-links /var/cache/wheels",
            "--index-url https://example.org/simple",
            "--extra-index-url=https://example.org/simple",
        ] {
            assert_eq!(reach(line), Reach::Text, "{line}");
        }
        for line in [
            ".",
            "./libs/foo",
            "libs/foo[extra]",
            "/opt/wheels/foo-1.0-py3-none-any.whl",
            "foo-1.0-py3-none-any.whl",
            "foo @ file:///srv/foo",
            "foo@file:///srv/foo",
            "foo @ ./libs/foo ; python_version > '3'",
            "--find-links wheels",
            "-f ./wheels",
            "-r https://example.org/requirements.txt",
        ] {
            assert_eq!(reach(line), Reach::Commit, "{line}");
        }
        for line in [
            "-e .",
            "--editable=./libs/foo",
            "-e git+https://example.org/lib.git",
        ] {
            assert_eq!(reach(line), Reach::Release, "{line}");
        }
    }
}
