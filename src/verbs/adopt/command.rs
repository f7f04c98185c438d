//! How the next release is to be started, from how the process runs now: on a port that is
//! told, as two of them run at once.

use std::path::{Path, PathBuf};

use sys::{process, sockets, store};

use super::found::Found;
use crate::verbs::guess;

/// Stands for `{{ port }}` until the line is whole: shells leave it alone.
const PORT: &str = "@@port@@";
/// Stands for `{{ release }}`.
const RELEASE: &str = "@@release@@";

/// The command of the next release, and what its author has to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Next {
    /// `process.run`.
    pub run: String,
    /// `process.workers`.
    pub workers: u32,
    /// What has to be done before it works.
    pub notes: Vec<String>,
}

/// The Python that runs now, and the words behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now {
    /// The interpreter, as it was called.
    pub python: PathBuf,
    words: Vec<String>,
}

/// Who listens was started like this; where it has changed its title, what PM2 was told.
#[must_use]
pub fn now(found: &Found) -> Now {
    let family = process::tree(found.process.pid);
    let sockets = sockets::listener(found.port);
    let holder = family.iter().find(|pid| {
        sockets
            .iter()
            .any(|one| sockets::owner(one.inode, &[**pid]).is_some())
    });
    let told = holder.and_then(|pid| words_of(*pid)).and_then(python);
    told.unwrap_or_else(|| of_entry(found))
}

fn words_of(pid: u32) -> Option<Vec<String>> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    Some(
        text.trim_end_matches('\0')
            .split('\0')
            .map(str::to_owned)
            .collect(),
    )
}

fn python(words: Vec<String>) -> Option<Now> {
    let (first, rest) = words.split_first()?;
    is_python(first).then(|| Now {
        python: first.into(),
        words: rest
            .iter()
            .skip_while(|word| is_python_flag(word))
            .cloned()
            .collect(),
    })
}

fn is_python(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or(word);
    name.strip_prefix("python")
        .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

/// `-u` and its like, which take no value.
fn is_python_flag(word: &str) -> bool {
    word.len() > 1
        && word
            .strip_prefix('-')
            .is_some_and(|flags| flags.chars().all(|c| "bBdEIOqsSuvx".contains(c)))
}

fn of_entry(found: &Found) -> Now {
    let entry = &found.entry;
    let script = entry.script.display().to_string();
    let line = entry
        .args
        .get(1)
        .filter(|_| script.ends_with("sh") && entry.args.first().is_some_and(|a| a == "-c"));
    let words = match line.and_then(|line| shlex::split(line)) {
        Some(words) => words,
        None => std::iter::once(script)
            .chain(entry.args.iter().cloned())
            .collect(),
    };
    python(words.clone()).unwrap_or(Now {
        python: entry.interpreter.clone().into(),
        words,
    })
}

/// The command for a release that is started by `words` in `folder`, with gunicorn at hand.
#[must_use]
pub fn next_of(words: Vec<String>, folder: &Path) -> Next {
    let now = python(words.clone()).unwrap_or(Now {
        python: "python3".into(),
        words,
    });
    let place = AppFolder {
        top: folder,
        folder,
        gunicorn: true,
    };
    next(&now, &place)
}

/// What is known about the place that the app runs in.
#[derive(Clone, Debug)]
pub struct AppFolder<'a> {
    /// The top of the work tree.
    pub top: &'a Path,
    /// The folder that it runs in.
    pub folder: &'a Path,
    /// Whether gunicorn is installed for it, or among its requirements.
    pub gunicorn: bool,
}

/// The command for the next release.
#[must_use]
pub fn next(now: &Now, place: &AppFolder<'_>) -> Next {
    let words: Vec<&str> = now.words.iter().map(String::as_str).collect();
    let name = |word: &str| word.rsplit('/').next().unwrap_or_default().to_owned();
    match words.as_slice() {
        ["-m", "gunicorn", args @ ..] => gunicorn(args, place),
        ["-m", "flask", args @ ..] => flask(args, place),
        [script, args @ ..] if name(script) == "gunicorn" => gunicorn(args, place),
        [script, args @ ..] if name(script) == "flask" => flask(args, place),
        [script, args @ ..] if script.ends_with(".py") => program(script, args, place),
        other => unknown(other, place),
    }
}

fn line(words: &[String], place: &AppFolder<'_>) -> String {
    let top = place.top.display().to_string();
    let one = |word: &String| {
        // A path into the work tree would run its code and not the release's.
        let word = word.replace(&top, RELEASE);
        shlex::try_quote(&word).map_or_else(|_| word.clone(), |quoted| quoted.into_owned())
    };
    let words: Vec<String> = words.iter().map(one).collect();
    format!("{{{{ venv }}}}/bin/python {}", words.join(" "))
        .replace(PORT, "{{ port }}")
        .replace(RELEASE, "{{ release }}")
}

fn gunicorn(args: &[&str], place: &AppFolder<'_>) -> Next {
    let mut words: Vec<String> = ["-m", "gunicorn", "-b"].map(str::to_owned).to_vec();
    words.push(format!("127.0.0.1:{PORT}"));
    let mut args = args.iter().copied();
    while let Some(arg) = args.next() {
        match left_out(arg) {
            Some(values) => args.by_ref().take(values).for_each(drop),
            None => words.push(arg.to_owned()),
        }
    }
    Next {
        run: line(&words, place),
        workers: workers(&words).unwrap_or(1),
        notes: Vec::new(),
    }
}

/// An option of gunicorn's that cannot be the same for two of them, and how many words
/// behind it are its value; `None` for all others.
fn left_out(arg: &str) -> Option<usize> {
    match arg {
        "-b" | "--bind" | "-p" | "--pid" => Some(1),
        "-D" | "--daemon" => Some(0),
        _ if arg.starts_with("--bind=") || arg.starts_with("--pid=") => Some(0),
        _ if arg.starts_with("-b") || arg.starts_with("-p") => Some(0),
        _ => None,
    }
}

fn workers(words: &[String]) -> Option<u32> {
    let at = words.iter().position(|word| word == "-w" || word == "--workers");
    if let Some(count) = at.and_then(|at| words.get(at + 1)) {
        return count.parse().ok();
    }
    let glued = |word: &String| {
        let count = word.strip_prefix("--workers=").or(word.strip_prefix("-w"))?;
        count.parse().ok()
    };
    words.iter().find_map(glued)
}

fn flask(args: &[&str], place: &AppFolder<'_>) -> Next {
    let mut words: Vec<String> = ["-m", "flask"].map(str::to_owned).to_vec();
    let mut args = args.iter().copied();
    while let Some(arg) = args.next() {
        match arg.split('=').next().unwrap_or(arg) {
            "-p" | "--port" | "-h" | "--host" => {
                if !arg.contains('=') {
                    args.next();
                }
            }
            _ => words.push(arg.to_owned()),
        }
    }
    words.extend(["--host", "127.0.0.1", "--port", PORT].map(str::to_owned));
    Next {
        run: line(&words, place),
        workers: 1,
        notes: vec![
            "`flask run` is a server for development and cuts requests off when it is stopped: gunicorn does not"
                .to_owned(),
        ],
    }
}

/// `python backend/app.py`: the app behind gunicorn where that is at hand, since the port
/// stands in the program.
fn program(script: &str, args: &[&str], place: &AppFolder<'_>) -> Next {
    let path = place.folder.join(script);
    let stem = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let above = path.parent().unwrap_or(place.folder);
    let below = above.strip_prefix(place.folder).unwrap_or(Path::new(""));
    let source = store::read_text(&path).unwrap_or_default();
    if let Some(app) = guess::app_in(&source).filter(|_| place.gunicorn) {
        let mut words = vec!["-m".to_owned(), "gunicorn".to_owned()];
        if !below.as_os_str().is_empty() {
            words.extend(["--pythonpath".to_owned(), below.display().to_string()]);
        }
        words.extend(["-b".to_owned(), format!("127.0.0.1:{PORT}")]);
        // What it is now answers each request on a thread of its own; NGINX keeps idle
        // connections for 60 s, and must be the first to close them.
        words.extend(
            [
                "--worker-class",
                "gthread",
                "--threads",
                "8",
                "--keep-alive",
                "75",
            ]
            .map(str::to_owned),
        );
        words.push(format!("{stem}:{app}"));
        return Next {
            run: line(&words, place),
            workers: 1,
            notes: vec![format!(
                "`python {}` becomes gunicorn, which is installed: its port is fixed at {}, and two colors run at once",
                path.strip_prefix(place.top).unwrap_or(&path).display(),
                shown(&path, &source)
            )],
        };
    }
    let inside = path.strip_prefix(place.folder).unwrap_or(&path);
    let mut words = vec![inside.display().to_string()];
    words.extend(args.iter().map(|arg| (*arg).to_owned()));
    words.push(PORT.to_owned());
    Next {
        run: line(&words, place),
        workers: 1,
        notes: vec![format!(
            "the app does not read its port, and two must run at once. Either add gunicorn to the requirements \
             and write `run = \"{{{{ venv }}}}/bin/python -m gunicorn -b 127.0.0.1:{{{{ port }}}} {stem}:app\"`, \
             or have {} take it: `import sys` and `app.run(host=\"127.0.0.1\", port=int(sys.argv[1]))`",
            shown(&path, &source)
        )],
    }
}

/// The line of a program in which its port stands, as far as one can be found.
fn shown(path: &Path, source: &str) -> String {
    let at = source.lines().position(|line| {
        let line = line.trim_start();
        !line.starts_with('#') && (line.contains("port=") || line.contains(".run("))
    });
    match at {
        Some(at) => format!("{}:{}", path.display(), at + 1),
        None => path.display().to_string(),
    }
}

fn unknown(words: &[&str], place: &AppFolder<'_>) -> Next {
    let words: Vec<String> = words
        .iter()
        .map(|word| (*word).to_owned())
        .chain([PORT.to_owned()])
        .collect();
    Next {
        run: line(&words, place),
        workers: 1,
        notes: vec![format!(
            "cannot tell how `{}` gets its port: write `process.run` with `{{{{ port }}}}` in bg.toml",
            words.join(" ").replace(PORT, "").trim()
        )],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next_of(line: &str, gunicorn: bool, folder: &Path) -> Next {
        let now = python(shlex::split(line).unwrap()).unwrap();
        let place = AppFolder {
            top: folder,
            folder,
            gunicorn,
        };
        next(&now, &place)
    }

    #[test]
    fn gunicorn_keeps_what_it_was_told_but_for_its_port() {
        let folder = Path::new("/site");
        let table = [
            (
                "/v/bin/python3 /v/bin/gunicorn -w 3 -b 0.0.0.0:5000 app:app",
                "-w 3 app:app",
                3,
            ),
            (
                "python -u -m gunicorn --bind=127.0.0.1:5000 --workers=2 --pid /run/x 'shop:create_app()'",
                "'--workers=2' 'shop:create_app()'",
                2,
            ),
            (
                "python3.11 gunicorn -b:5000 -D -c /site/conf.py -w4 app:app",
                "-c {{ release }}/conf.py -w4 app:app",
                4,
            ),
            ("python gunicorn app:app", "app:app", 1),
        ];
        for (line, rest, workers) in table {
            let next = next_of(line, true, folder);
            let run = format!("{{{{ venv }}}}/bin/python -m gunicorn -b 127.0.0.1:{{{{ port }}}} {rest}");
            assert_eq!((next.run, next.workers), (run, workers), "{line}");
        }
        assert_eq!(table.len(), 4);
    }

    #[test]
    fn a_program_with_its_port_in_it_goes_behind_gunicorn_where_that_is_at_hand() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path();
        std::fs::create_dir(folder.join("backend")).unwrap();
        let source = "from flask import Flask\nweb = Flask(__name__)\nweb.run(port=5000)\n";
        std::fs::write(folder.join("backend/app.py"), source).unwrap();
        let with = next_of("python3 backend/app.py", true, folder);
        assert_eq!(
            with.run,
            "{{ venv }}/bin/python -m gunicorn --pythonpath backend -b 127.0.0.1:{{ port }} \
             --worker-class gthread --threads 8 --keep-alive 75 app:web"
        );
        assert!(with.notes[0].contains("backend/app.py:3"), "{with:?}");
        let without = next_of("python3 backend/app.py", false, folder);
        assert_eq!(without.run, "{{ venv }}/bin/python backend/app.py {{ port }}");
        assert!(without.notes[0].contains("two must run at once"), "{without:?}");
        assert!(without.notes[0].contains("backend/app.py:3"), "{without:?}");
    }

    #[test]
    fn flasks_own_server_is_told_its_port() {
        let next = next_of(
            "python -m flask --app shop run -p 5000 --host=0.0.0.0 --no-reload",
            true,
            Path::new("/x"),
        );
        assert_eq!(
            next.run,
            "{{ venv }}/bin/python -m flask --app shop run --no-reload --host 127.0.0.1 --port {{ port }}"
        );
    }
}
