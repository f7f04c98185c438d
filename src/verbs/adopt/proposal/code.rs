//! The app's code, read with its owner's rights.

use std::path::{Path, PathBuf};

use model::failure::Failure;
use model::gunicorn::Gunicorn;
use sys::{process, store, user};

use super::super::command::{self, AppFolder, Next};
use super::super::found::Found;
use crate::verbs::guess;

/// The app's code, as its owner sees it.
pub(super) struct Code {
    /// The folder that it starts in, relative to the work tree.
    pub(super) folder: PathBuf,
    /// Its requirement files, relative to that.
    pub(super) requirements: Vec<PathBuf>,
    /// A health check's path that stands in it.
    pub(super) health: Option<String>,
    /// What its author has to know.
    pub(super) notes: Vec<String>,
}

/// Looks at the code, says how it is started next, and by which interpreter.
///
/// # Errors
/// When the system refuses to act as its owner.
pub(super) fn look(found: &Found, top: &Path) -> Result<(Code, Next, String), Failure> {
    let now = command::now(found);
    let _rights = user::as_user(&found.owner)
        .map_err(|error| Failure::failed(format!("cannot act as `{}`", found.owner.name)).because(error))?;
    let script = found.entry.script.parent().unwrap_or(top);
    let in_tree = |folder: &Path| folder.starts_with(top).then(|| folder.to_owned());
    let folder = in_tree(&found.folder)
        .or_else(|| in_tree(script))
        .unwrap_or_else(|| top.to_owned());
    let below = |place: &Path| -> Vec<PathBuf> {
        let inside = place.strip_prefix(&folder).unwrap_or(Path::new(""));
        let files = guess::requirements(place);
        files.into_iter().map(|file| inside.join(file)).collect()
    };
    let mut requirements = below(&folder);
    if requirements.is_empty() && script.starts_with(&folder) {
        requirements = below(script);
    }
    let wanted = requirements
        .iter()
        .filter_map(|file| store::read_text(&folder.join(file)).ok());
    let is_named = |text: String| {
        let mut lines = text.lines().map(str::trim_start);
        // A line of its own in a list, one of several texts in a pyproject.toml.
        lines.any(|line| {
            line.starts_with("gunicorn") || line.contains("\"gunicorn") || line.contains("'gunicorn")
        })
    };
    let in_requirements = wanted.into_iter().any(is_named);
    let bin = now.python.parent().unwrap_or(Path::new("/"));
    let installed = bin.join("gunicorn").exists();
    let mut notes = Vec::new();
    if requirements.is_empty() {
        notes.push(
            "no requirements file was found: each release gets an environment of its own from one".to_owned(),
        );
    } else if installed && !in_requirements {
        notes.push(
            "gunicorn is installed and not among the requirements: add it, each release installs its own"
                .to_owned(),
        );
    }
    let place = AppFolder {
        top,
        folder: &folder,
        gunicorn: installed || in_requirements,
    };
    let mut next = command::next(&now, &place);
    let running = u32::try_from(process::tree(found.process.pid).len()).unwrap_or(u32::MAX);
    if let Some(workers) = gunicorns(&next.run, &found.folder, top, running.saturating_sub(1)) {
        next.workers = workers;
    }
    let real = std::fs::read_link(format!("/proc/{}/exe", found.process.pid)).ok();
    let python = real
        .filter(|path| is_python(path))
        .unwrap_or_else(|| real_python(&now.python));
    let code = Code {
        health: guess::health_path(&folder),
        folder: folder.strip_prefix(top).unwrap_or(Path::new("")).to_owned(),
        requirements,
        notes,
    };
    Ok((code, next, python.display().to_string()))
}

/// How many workers gunicorn starts by its command and its settings file; where only Python can
/// tell, as many as `running` now. `None` for another server.
fn gunicorns(run: &str, folder: &Path, top: &Path, running: u32) -> Option<u32> {
    let told = Gunicorn::of(run, None)?;
    let top = top.display().to_string();
    let file = ["{{ release }}", "{{release}}"].map(|word| told.file().replace(word, &top));
    let file = file.iter().find(|file| !file.contains("{{"))?;
    let text = store::read_text(&folder.join(file)).unwrap_or_default();
    let counted = told.with_file(&text).workers();
    Some(counted.map_or(running, |count| u32::try_from(count).unwrap_or(running)))
}

fn is_python(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"python"))
}

/// The interpreter that an environment was made from, which outlives it.
fn real_python(python: &Path) -> PathBuf {
    match python.canonicalize() {
        Ok(real) if is_python(&real) => real,
        _ => PathBuf::from("python3"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workers_of_a_settings_file_are_kept() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path();
        std::fs::write(top.join("gunicorn.conf.py"), "bind = 'x'\nworkers = 3\n").unwrap();
        std::fs::create_dir(top.join("deploy")).unwrap();
        std::fs::write(
            top.join("deploy/g.py"),
            "workers = multiprocessing.cpu_count() * 2 + 1\n",
        )
        .unwrap();
        let table = [
            ("python -m gunicorn app:app", Some(3)),
            ("python -m gunicorn -w 2 app:app", Some(2)),
            ("python -m gunicorn -c deploy/g.py app:app", Some(5)),
            (
                "python -m gunicorn -c '{{ release }}/deploy/g.py' app:app",
                Some(5),
            ),
            ("python -m gunicorn -c nowhere.py app:app", Some(1)),
            ("python -m flask run", None),
        ];
        for (run, workers) in table {
            assert_eq!(gunicorns(run, top, top, 5), workers, "{run}");
        }
    }
}
