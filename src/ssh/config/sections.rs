//! Which lines of the SSH configuration are for a host: what `Host`, `Match` and `Include`
//! say. The values in the lines are read elsewhere.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use model::event::{SshSetting, WithoutEffect};

use crate::error::SshError;
use crate::pattern;

/// As with OpenSSH, files may include each other this deep.
const DEEPEST: usize = 16;

/// A line that is for the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub number: usize,
    /// The keyword in small letters.
    pub key: String,
    /// What stands behind it, as it is written.
    pub value: String,
}

impl Line {
    /// What is said of it where `setting`, which stands there, has no effect.
    #[must_use]
    pub fn without_effect(&self, setting: String, reason: WithoutEffect) -> SshSetting {
        SshSetting {
            file: self.file.clone(),
            line: self.number,
            setting,
            reason,
        }
    }
}

/// The lines for one host, in the order in which they count: the first one wins.
#[derive(Debug)]
pub struct Sections<'a> {
    /// The host as it was typed.
    pub typed: &'a str,
    /// The user as typed, else the one here.
    pub user: &'a str,
    /// The user here.
    pub local_user: &'a str,
    /// Whose configuration it is.
    pub home: &'a Path,
    /// What was found so far.
    pub lines: Vec<Line>,
    /// What could not be told.
    pub warnings: Vec<SshSetting>,
}

/// What a `Match` comes to.
enum Matching {
    Yes,
    No,
    /// It has this criterion, which is not evaluated here.
    Unclear(String),
}

impl Sections<'_> {
    /// Adds the lines of a file that there is. What it includes without a full path is looked
    /// for in `folder`.
    ///
    /// # Errors
    /// [`SshError::File`], [`SshError::Writable`], [`SshError::Config`].
    pub fn read(&mut self, file: &Path, folder: &Path) -> Result<(), SshError> {
        self.read_at(file, folder, 0)
    }

    fn read_at(&mut self, file: &Path, folder: &Path, depth: usize) -> Result<(), SshError> {
        let Some(text) = text_of(file)? else {
            return Ok(());
        };
        let mut is_for_us = true;
        for (at, line) in text.lines().enumerate() {
            let Some((key, value)) = key_and_value(line) else {
                continue;
            };
            let line = Line {
                file: file.to_owned(),
                number: at + 1,
                key: key.to_lowercase(),
                value: value.to_owned(),
            };
            match line.key.as_str() {
                "host" => is_for_us = pattern::list_matches(&words(value), self.typed),
                "match" => is_for_us = self.matches(&line),
                "include" if is_for_us => self.include(&line, folder, depth)?,
                _ if is_for_us => self.lines.push(line),
                _ => {}
            }
        }
        Ok(())
    }

    fn include(&mut self, line: &Line, folder: &Path, depth: usize) -> Result<(), SshError> {
        let wrong = |why: String| SshError::Config {
            file: line.file.clone(),
            line: line.number,
            why,
        };
        if depth >= DEEPEST {
            return Err(wrong("files include each other without an end".to_owned()));
        }
        for word in words(&line.value) {
            let path = match word.strip_prefix("~/") {
                Some(rest) => self.home.join(rest),
                None => folder.join(&word),
            };
            let files = glob::glob(&path.to_string_lossy())
                .map_err(|error| wrong(format!("`{word}` is no pattern: {error}")))?;
            for file in files.flatten() {
                self.read_at(&file, folder, depth + 1)?;
            }
        }
        Ok(())
    }

    /// Whether a `Match` is for us. What only `ssh` itself can evaluate counts as no, with a
    /// warning where the rest of the line does not say no by itself.
    fn matches(&mut self, line: &Line) -> bool {
        match self.matching(&words(&line.value)) {
            Matching::Yes => true,
            Matching::No => false,
            Matching::Unclear(criterion) => {
                let setting = format!("Match {criterion}");
                let warning = line.without_effect(setting, WithoutEffect::NotEvaluated);
                self.warnings.push(warning);
                false
            }
        }
    }

    fn matching(&self, words: &[String]) -> Matching {
        let mut unclear = None;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let (name, mut value) = match word.split_once('=') {
                Some((name, value)) => (name.to_lowercase(), Some(value.to_owned())),
                None => (word.to_lowercase(), None),
            };
            let (name, negated) = match name.strip_prefix('!') {
                Some(name) => (name.to_owned(), true),
                None => (name, false),
            };
            if !["all", "canonical", "final"].contains(&name.as_str()) && value.is_none() {
                value = words.next().cloned();
            }
            match self.criterion(&name, &value.unwrap_or_default()) {
                Some(holds) if holds == negated => return Matching::No,
                Some(_) => {}
                None => unclear = unclear.or(Some(name)),
            }
        }
        unclear.map_or(Matching::Yes, Matching::Unclear)
    }

    fn criterion(&self, name: &str, value: &str) -> Option<bool> {
        let patterns: Vec<&str> = value.split(',').collect();
        let is = |text: &str| Some(pattern::list_matches(&patterns, text));
        // Unlike in a `Host` line, letters are compared without regard to case here.
        let is_host = |text: &str| Some(pattern::names_match(&patterns, text));
        match name {
            "all" => Some(true),
            "originalhost" => is_host(self.typed),
            "host" => match self.first("hostname") {
                Some(host) => is_host(&host.replace("%h", self.typed)),
                None => is_host(self.typed),
            },
            "user" => is(&self.first("user").unwrap_or_else(|| self.user.to_owned())),
            "localuser" => is(self.local_user),
            _ => None,
        }
    }

    fn first(&self, key: &str) -> Option<String> {
        let line = self.lines.iter().find(|line| line.key == key)?;
        words(&line.value).into_iter().next()
    }
}

/// The text of a file, which nobody but its owner and root may be able to write.
fn text_of(file: &Path) -> Result<Option<String>, SshError> {
    let unreadable = |source| SshError::File {
        path: file.to_owned(),
        done: "read",
        source,
    };
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let about = fs::metadata(file).map_err(unreadable)?;
    let us = nix::unistd::getuid().as_raw();
    if about.mode() & 0o022 != 0 || ![0, us].contains(&about.uid()) {
        return Err(SshError::Writable {
            path: file.to_owned(),
        });
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// `Key value`, `Key=value`, `Key = value`; nothing for a comment and an empty line.
fn key_and_value(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let end = line
        .find(|c: char| c.is_whitespace() || c == '=')
        .unwrap_or(line.len());
    let (key, rest) = line.split_at_checked(end)?;
    let rest = rest.trim_start();
    Some((key, rest.strip_prefix('=').unwrap_or(rest).trim()))
}

/// The words of a value; those in double quotes may have spaces. A comment ends them.
pub fn words(value: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut letters = value.chars().peekable();
    while let Some(first) = letters.find(|c| !c.is_whitespace()) {
        if first == '#' {
            break;
        }
        let mut word = String::new();
        let mut is_quoted = first == '"';
        if !is_quoted {
            word.push(first);
        }
        while let Some(letter) = letters.next_if(|c| is_quoted || !c.is_whitespace()) {
            match letter {
                '"' => is_quoted = !is_quoted,
                letter => word.push(letter),
            }
        }
        words.push(word);
    }
    words
}
