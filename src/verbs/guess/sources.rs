//! The Python sources of a project, as far as a look at them is worth its time.

use std::fs;
use std::path::{Path, PathBuf};

use regex_lite::Regex;
use sys::store;

/// So many files are looked at: a large Flask app has some hundred.
const FILES: usize = 2000;

/// Folders whose code is not the web process's.
const ELSEWHERE: [&str; 5] = ["venv", "env", "node_modules", "migrations", "__pycache__"];

/// One file, without lines that are comments.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Where it lies.
    pub(super) path: PathBuf,
    /// What it says.
    pub(super) text: String,
}

impl Source {
    /// What the first group of `pattern` fits, everywhere.
    pub(super) fn all(&self, pattern: &str) -> Vec<String> {
        let Ok(pattern) = Regex::new(pattern) else {
            return Vec::new();
        };
        let found = pattern.captures_iter(&self.text).filter_map(|found| found.get(1));
        found.map(|part| part.as_str().to_owned()).collect()
    }

    /// Whether `pattern` fits somewhere.
    pub(super) fn has(&self, pattern: &str) -> bool {
        Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(&self.text))
    }
}

/// Those of [`python_files`].
pub(super) fn read(folder: &Path) -> Vec<Source> {
    let read = |path: PathBuf| {
        let text = store::read_text(&path).ok()?;
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let text = lines.collect::<Vec<_>>().join("\n");
        Some(Source { path, text })
    };
    python_files(folder).into_iter().filter_map(read).collect()
}

/// The files of Python below `folder`, without tests, environments and what is hidden. Links to
/// folders are not followed.
#[must_use]
pub fn python_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in entries(&folder) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_ours = !name.starts_with('.') && !name.starts_with("test");
            let is_elsewhere = ELSEWHERE.contains(&&*name) || path.join("pyvenv.cfg").exists();
            if path.is_dir() && !path.is_symlink() && is_ours && !is_elsewhere {
                folders.push(path);
            } else if is_ours && name.ends_with(".py") && path.is_file() {
                files.push(path);
            }
            if files.len() >= FILES {
                return files;
            }
        }
    }
    files
}

/// What lies in `folder`, by name; nothing when it cannot be read.
pub(super) fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    paths.sort();
    paths
}
