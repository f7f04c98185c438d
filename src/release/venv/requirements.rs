//! What an environment is made from: the requirement files and all that they include.

pub mod line;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use model::config::Python;
use sys::store::{self, FileError};

use crate::venv::VenvError;
use crate::venv::project::{self, Files, Project, UV_LOCK};
use crate::venv::tool::Tool;
pub use line::Reach;
use line::{Line, classify, logical_lines};

/// A list with the hashes of a thousand packages has a tenth of it.
const LONGEST: u64 = 4 << 20;

/// The requirement files of an app, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirements {
    /// Each file once, in the order of reading, as named and with its content.
    pub files: Vec<(PathBuf, Vec<u8>)>,
    /// What decides about the rest.
    pub reach: Reach,
    /// Those that are lists of requirements, as `python.requirements` names them.
    pub lists: Vec<PathBuf>,
    /// Those that are projects.
    pub projects: Vec<Project>,
}

/// The files in the folder of an app.
#[derive(Debug)]
pub struct OnDisk<'a>(pub &'a Path);

impl Files for OnDisk<'_> {
    fn has(&self, path: &Path) -> bool {
        self.0.join(path).is_file()
    }

    fn pyproject(&self, path: &Path) -> Option<String> {
        let content = store::read_plain(&self.0.join(path), LONGEST).ok()?;
        Some(String::from_utf8_lossy(&content).into_owned())
    }
}

/// Reads what `python` requires, relative to `app_folder`, and every file that a list of
/// requirements includes with `-r` or `-c`, which is relative to the file that includes it.
///
/// # Errors
/// When a file is missing or cannot be read, or `tool` cannot install what it says.
pub fn read(app_folder: &Path, python: &Python, tool: &Tool) -> Result<Requirements, VenvError> {
    let mut requirements = Requirements {
        files: Vec::new(),
        reach: Reach::Text,
        lists: Vec::new(),
        projects: Vec::new(),
    };
    let mut seen = BTreeSet::new();
    let files = OnDisk(app_folder);
    for file in project::required(python, &files) {
        let project = match files.has(&file) {
            true => project::of(&file, &files, python.installer, tool)?,
            false => None,
        };
        match project {
            Some(project) => requirements.add_project(app_folder, project)?,
            None => {
                requirements.add_list(app_folder, &file, &mut seen)?;
                requirements.lists.push(file);
            }
        }
    }
    Ok(requirements)
}

impl Requirements {
    fn add_project(&mut self, app_folder: &Path, project: Project) -> Result<(), VenvError> {
        let mut lock = None;
        for file in project.files() {
            let content = content(app_folder, &file, None)?;
            if file.file_name().is_some_and(|name| name == UV_LOCK) {
                lock = Some(String::from_utf8_lossy(&content).into_owned());
            }
            self.files.push((file, content));
        }
        self.reach = self.reach.max(project.reach(lock.as_deref()));
        self.projects.push(project);
        Ok(())
    }

    fn add_list(
        &mut self,
        app_folder: &Path,
        file: &Path,
        seen: &mut BTreeSet<PathBuf>,
    ) -> Result<(), VenvError> {
        let mut ahead: Vec<(PathBuf, Option<PathBuf>)> = vec![(file.to_owned(), None)];
        while let Some((file, included_from)) = ahead.pop() {
            let path = app_folder.join(&file);
            let content = content(app_folder, &file, included_from)?;
            if !seen.insert(fs::canonicalize(&path).unwrap_or(path)) {
                continue;
            }
            for line in logical_lines(&String::from_utf8_lossy(&content)) {
                match classify(&line) {
                    Line::Includes(name) => {
                        let beside = file.parent().unwrap_or(Path::new("")).join(name);
                        ahead.push((beside, Some(file.clone())));
                    }
                    Line::Reaches(reach) => self.reach = self.reach.max(reach),
                }
            }
            self.files.push((file, content));
        }
        Ok(())
    }
}

fn content(app_folder: &Path, file: &Path, included_from: Option<PathBuf>) -> Result<Vec<u8>, VenvError> {
    let path = app_folder.join(file);
    match store::read_plain(&path, LONGEST + 1) {
        Err(error) if error.kind() == ErrorKind::NotFound => Err(VenvError::NoRequirements {
            path: file.to_owned(),
            included_from,
            there: project::proposed(&OnDisk(app_folder)),
        }),
        content => Ok(content.and_then(whole).map_err(FileError::at("read", &path))?),
    }
}

fn whole(content: Vec<u8>) -> io::Result<Vec<u8>> {
    match content.len() as u64 > LONGEST {
        true => Err(io::Error::other("it has more than 4 MiB")),
        false => Ok(content),
    }
}

#[cfg(test)]
mod tests {
    use crate::venv::requirements::*;

    /// With the usual `python.requirements`, installed by pip.
    fn usual(folder: &Path) -> Result<Requirements, VenvError> {
        read(folder, &Python::default(), &Tool::Pip)
    }

    #[test]
    fn every_way_to_include_a_file_is_followed_once() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path();
        fs::create_dir(folder.join("req")).unwrap();
        let files = [
            ("requirements.txt", "-r req/base.txt # the base\nflask\n"),
            (
                "req/base.txt",
                "-rmore.txt\n--constraint=../pins.txt\n--requirement \\\n last.txt\n",
            ),
            ("req/more.txt", "-r ../requirements.txt\n# -r missing.txt\n"),
            ("req/last.txt", "x#-r missing.txt\n"),
            ("pins.txt", "flask==3.1.0"),
        ];
        for (name, content) in files {
            fs::write(folder.join(name), content).unwrap();
        }
        let read = usual(folder).unwrap();
        let mut names: Vec<_> = read
            .files
            .iter()
            .map(|(name, _)| fs::canonicalize(folder.join(name)).unwrap())
            .collect();
        names.sort();
        let mut expected: Vec<_> = files
            .iter()
            .map(|(name, _)| fs::canonicalize(folder.join(name)).unwrap())
            .collect();
        expected.sort();
        assert_eq!(names, expected);
    }

    #[test]
    fn what_never_ends_or_is_far_too_long_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let list = temp.path().join("requirements.txt");
        fs::write(temp.path().join("long.txt"), vec![b'x'; LONGEST as usize + 1]).unwrap();
        nix::unistd::mkfifo(&temp.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for (name, why) in [
            ("/dev/zero", "it is no file"),
            ("pipe", "it is no file"),
            ("long.txt", "it has more than 4 MiB"),
        ] {
            fs::write(&list, format!("-r {name}\n")).unwrap();
            let VenvError::File(error) = usual(temp.path()).unwrap_err() else {
                panic!("{name}");
            };
            assert_eq!(
                std::error::Error::source(&error).unwrap().to_string(),
                why,
                "{name}"
            );
        }
    }

    #[test]
    fn a_missing_file_is_named_with_the_one_that_includes_it() {
        let temp = tempfile::tempdir().unwrap();
        let missing = temp.path().join("requirements.txt");
        assert_eq!(
            usual(temp.path()).unwrap_err().to_string(),
            "there is no `requirements.txt`, see `python.requirements`"
        );
        fs::write(&missing, "-r dev.txt\n").unwrap();
        assert_eq!(
            usual(temp.path()).unwrap_err().to_string(),
            "there is no `dev.txt`, which `requirements.txt` includes, see `python.requirements`"
        );
    }
}
