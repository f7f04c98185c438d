//! What a project says itself about how it is started: its Procfile, `FLASK_APP`, and the
//! scripts and tools of its `pyproject.toml`.

use std::path::Path;

use crate::verbs::starter::Start;
use release::venv::project::PYPROJECT;
use sys::store;
use toml::{Table, Value};

use crate::verbs::guess::flask::named_app;

/// What only a shell understands.
const SHELL: [char; 7] = ['&', '|', ';', '>', '<', '`', '('];

/// How the app in `folder` is started, as far as its files say.
pub(super) fn start(folder: &Path) -> Option<Start> {
    procfile(folder).or_else(|| {
        let app = flaskenv(folder).or_else(|| told_flask(folder))?;
        Some(Start::App(app))
    })
}

/// The line `web:` of a Procfile.
fn procfile(folder: &Path) -> Option<Start> {
    let text = store::read_text(&folder.join("Procfile")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("web:"))?;
    command(line)
}

/// The command of a line, where it needs no shell but for its port.
fn command(line: &str) -> Option<Start> {
    let words = shlex::split(line.trim())?;
    let quoted_call = |word: &String| word.contains(':') && word.contains('(');
    let plain = words.iter().filter(|word| !quoted_call(word));
    let needs_shell = plain.clone().any(|word| word.contains(SHELL));
    let is_ours = |word: &String| {
        let name = word.rsplit('/').next().unwrap_or(word);
        name == "gunicorn" || name == "flask" || name.starts_with("python")
    };
    let fits = words.first().is_some_and(is_ours) && !needs_shell;
    fits.then_some(Start::Command(words))
}

fn flaskenv(folder: &Path) -> Option<String> {
    let text = store::read_text(&folder.join(".flaskenv")).ok()?;
    let value = text.lines().find_map(|line| {
        let line = line.trim().strip_prefix("export ").unwrap_or(line.trim());
        let (name, value) = line.split_once('=')?;
        (name.trim() == "FLASK_APP").then(|| value.trim().trim_matches(['"', '\'']).to_owned())
    })?;
    named_app(folder, &value)
}

/// What `[project.scripts]` starts, where that is an app, or a tool starts by `gunicorn` or
/// `flask --app`.
fn told_flask(folder: &Path) -> Option<String> {
    let text = store::read_text(&folder.join(PYPROJECT)).ok()?;
    let table: Table = text.parse().ok()?;
    let scripts = table
        .get("project")
        .and_then(|project| project.get("scripts")?.as_table());
    let targets = scripts
        .into_iter()
        .flatten()
        .filter_map(|(_, target)| target.as_str());
    let is_app = |found: &String| {
        let name = found.rsplit(':').next().unwrap_or_default();
        ["app", "application", "create_app()"].contains(&name)
    };
    let mut scripts = targets
        .filter_map(|target| named_app(folder, target))
        .filter(is_app);
    scripts.next().or_else(|| {
        let mut lines = Vec::new();
        texts(table.get("tool")?, &mut lines);
        lines.iter().find_map(|line| in_command(folder, line))
    })
}

fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(list) => list.iter().for_each(|value| texts(value, found)),
        Value::Table(table) => table.iter().for_each(|(_, value)| texts(value, found)),
        _ => {}
    }
}

/// The app of `flask --app shop run`, or of `gunicorn shop:app`.
fn in_command(folder: &Path, line: &str) -> Option<String> {
    let words = shlex::split(line)?;
    let program = words
        .iter()
        .position(|word| word == "flask" || word == "gunicorn")?;
    let rest = words.get(program + 1..)?;
    if words.get(program).is_some_and(|word| word == "flask") {
        let option = rest.iter().position(|word| word == "--app" || word == "-A");
        let after = option.and_then(|at| rest.get(at + 1)).map(String::as_str);
        let named = after.or_else(|| rest.iter().find_map(|word| word.strip_prefix("--app=")))?;
        return named_app(folder, named);
    }
    rest.iter().find_map(|word| named_app(folder, word))
}

#[cfg(test)]
mod tests {
    use crate::verbs::guess::said::*;

    fn started(files: &[(&str, &str)]) -> Option<Start> {
        let temp = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let file = temp.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        start(temp.path())
    }

    #[test]
    fn what_the_project_says_is_heard() {
        let factory = ("shop/__init__.py", "def create_app(config=None):\n    pass\n");
        let app = |text: &str| Some(Start::App(text.to_owned()));
        let words = |line: &str| Some(Start::Command(shlex::split(line).unwrap()));
        let line = "gunicorn --bind 0.0.0.0:$PORT -w 3 'shop:create_app()'";
        let procfile = format!("release: flask db upgrade\nweb: {line}\n");
        let script = "[project.scripts]\nx = 'shop.cli:main'\nweb = 'shop:create_app'\n";
        let cli = ("shop/cli.py", "def main():\n    pass\n");
        assert_eq!(started(&[factory, ("Procfile", &procfile)]), words(line));
        assert_eq!(
            started(&[factory, ("Procfile", "web: cd x && gunicorn shop:app\n")]),
            None
        );
        for line in ["bin/start", "gunicorn shop:app | tee log", "python run.py > log"] {
            let procfile = format!("web: {line}\n");
            assert_eq!(started(&[factory, ("Procfile", &procfile)]), None, "{line}");
        }
        assert_eq!(
            started(&[factory, (".flaskenv", "FLASK_DEBUG=1\nexport FLASK_APP='shop'\n")]),
            app("shop:create_app()")
        );
        assert_eq!(
            started(&[factory, cli, ("pyproject.toml", script)]),
            app("shop:create_app()")
        );
        let only_a_tool = "[project.scripts]\nx = 'shop.cli:main'\n";
        assert_eq!(started(&[factory, cli, ("pyproject.toml", only_a_tool)]), None);
        let tool = "[tool.poe.tasks]\ntest = 'pytest'\nserve = 'flask --app shop run --debug'\n";
        assert_eq!(
            started(&[factory, ("pyproject.toml", tool)]),
            app("shop:create_app()")
        );
        assert_eq!(
            started(&[factory, ("pyproject.toml", "[tool.ruff]\nline-length = 9\n")]),
            None
        );
    }
}
