//! The annotated `bg.toml` that `bg init` writes.

use std::io::{self, Write};
use std::path::PathBuf;

use tera::{Context, Tera};

use model::config::{OPEN, Ports};

const TEMPLATE: &str = include_str!("../../templates/bg.toml.tera");

/// The template's name; values are written as TOML where it ends like this.
const NAME: &str = "bg.toml";

/// How many workers gunicorn gets where nothing says how many.
const WORKERS: u32 = 2;

/// How an app is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// What gunicorn is to load: `app:app`, `wsgi:application`, `shop:create_app()`.
    App(String),
    /// The words of a command of the project's own.
    Command(Vec<String>),
    /// `process.run`, and how many workers that starts.
    Run(String, u32),
}

/// What could be found out about an app from its folder, and about the host. Everything is a
/// guess that the user reads and corrects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guess {
    /// The app's name, valid as `app`.
    pub app: String,
    /// `process.name`, where others of the host have the usual one.
    pub process: Option<String>,
    /// Ports that nobody has.
    pub ports: Ports,
    /// A git URL, or the absolute path of the repository.
    pub git: Option<String>,
    /// The branch that is checked out.
    pub branch: Option<String>,
    /// The folder with the app, relative to the repository; none for the repository itself.
    pub folder: Option<PathBuf>,
    /// How it is started.
    pub start: Option<Start>,
    /// What names its packages, relative to the app's folder.
    pub requirements: Vec<PathBuf>,
    /// The site's name.
    pub server_name: Option<String>,
    /// The path of a health check.
    pub health: Option<String>,
    /// What it keeps beside its code, relative to the repository.
    pub shared: Vec<PathBuf>,
}

impl Guess {
    /// The keys for which nothing was found.
    #[must_use]
    pub fn open(&self) -> Vec<&'static str> {
        let keys = [
            ("source.git", self.git.is_none()),
            ("process.run", self.start.is_none()),
            ("python.requirements", self.requirements.is_empty()),
            ("nginx.server_names", self.server_name.is_none()),
        ];
        keys.into_iter()
            .filter(|(_, open)| *open)
            .map(|(key, _)| key)
            .collect()
    }
}

/// The starter for an app: needed keys with what was guessed, all others commented out with
/// their defaults, each explained.
///
/// # Errors
/// Never with the built-in template, which the tests render; the error is Tera's.
pub fn starter(guess: &Guess) -> Result<String, tera::Error> {
    let mut tera = Tera::default();
    tera.autoescape_on([NAME]);
    tera.set_escape_fn(as_toml);
    tera.add_raw_template(NAME, TEMPLATE)?;
    let texts =
        |paths: &[PathBuf]| -> Vec<String> { paths.iter().map(|path| path.display().to_string()).collect() };
    let requirements = match guess.requirements.as_slice() {
        [] => vec![OPEN.to_owned()],
        files => texts(files),
    };
    let (run, workers) = match &guess.start {
        Some(Start::Run(run, workers)) => (run.clone(), *workers),
        Some(Start::App(app)) => (run(app), WORKERS),
        Some(Start::Command(_)) | None => (run(OPEN), WORKERS),
    };
    let open = |found: &Option<String>| found.clone().unwrap_or(OPEN.to_owned());
    let mut context = Context::new();
    context.insert("app", &guess.app);
    context.insert("root", &format!("/srv/{}", guess.app));
    context.insert("process", &guess.process);
    context.insert("blue", &guess.ports.blue);
    context.insert("green", &guess.ports.green);
    context.insert("git", &open(&guess.git));
    context.insert("branch", &guess.branch);
    context.insert("folder", &guess.folder);
    context.insert("run", &run);
    context.insert("workers", &workers);
    context.insert("shared", &texts(&guess.shared));
    context.insert(
        "requirements_are_default",
        &(requirements == ["requirements.txt"]),
    );
    context.insert("requirements", &requirements);
    context.insert("server_name", &open(&guess.server_name));
    context.insert("health", guess.health.as_deref().unwrap_or("/"));
    tera.render(NAME, &context)
}

/// `python -m gunicorn`, because the first line of the script `gunicorn` cannot hold a long path.
fn run(module: &str) -> String {
    let module = shlex::try_quote(module).unwrap_or(module.into());
    format!("{{{{ venv }}}}/bin/python -m gunicorn -w {WORKERS} -b 127.0.0.1:{{{{ port }}}} {module}")
}

fn as_toml(text: &str, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}", toml::Value::from(text))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use model::config::read::parse;
    use model::config::{Config, difference, run_command, schema};
    use serde_json::Value;

    use super::*;

    fn sample() -> Guess {
        Guess {
            app: "shop".into(),
            process: None,
            ports: Ports {
                blue: 5001,
                green: 5002,
            },
            git: Some("git@example.com:you/shop.git".into()),
            branch: Some("main".into()),
            folder: None,
            start: Some(Start::App("app:app".into())),
            requirements: vec!["requirements.txt".into()],
            server_name: Some("example.com".into()),
            health: Some("/health".into()),
            shared: vec![],
        }
    }

    /// The starter with its commented keys switched on; `examples` too, or only defaults.
    fn uncommented(starter: &str, examples: bool) -> String {
        let lines = starter.lines().map(|line| match line.strip_prefix('#') {
            Some(key) if !key.starts_with(' ') && (examples || !key.ends_with("# example")) => key,
            _ => line,
        });
        let text: Vec<&str> = lines.collect();
        text.join("\n")
    }

    fn read(text: &str) -> Config {
        parse(text, Path::new("bg.toml")).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn the_starter_reads_as_what_was_guessed() {
        let config = read(&starter(&sample()).unwrap());
        assert_eq!(config.app, "shop");
        assert_eq!(config.root, Path::new("/srv/shop"));
        assert_eq!(config.source.git.as_deref(), Some("git@example.com:you/shop.git"));
        assert_eq!(config.source.folder, None);
        assert_eq!(
            config.process.run,
            "{{ venv }}/bin/python -m gunicorn -w 2 -b 127.0.0.1:{{ port }} app:app"
        );
        assert_eq!(config.health[0].path, "/health");
    }

    #[test]
    fn guesses_with_odd_characters_stay_what_they_are() {
        let guess = Guess {
            git: Some(r#"/home/you/my "shop" \ {{ app }}"#.into()),
            branch: Some("it's".into()),
            folder: Some("back end".into()),
            start: Some(Start::App("shop:create_app()".into())),
            process: Some("shop".into()),
            ports: Ports {
                blue: 5003,
                green: 5004,
            },
            shared: vec!["instance".into(), "my \"data\"".into()],
            requirements: vec!["requirements/prod.txt".into(), "a \"b\".txt".into()],
            ..sample()
        };
        let config = read(&starter(&guess).unwrap());
        assert_eq!(config.source.git, guess.git);
        assert_eq!(Some(config.source.branch), guess.branch);
        assert_eq!(config.process.name, "shop");
        assert_eq!(config.process.ports, guess.ports);
        assert_eq!(config.shared, guess.shared);
        assert_eq!(config.source.folder, guess.folder);
        assert_eq!(config.python.requirements, guess.requirements);
        let words = run_command::words(&config.process.run).unwrap();
        assert_eq!(words.last().unwrap(), "shop:create_app()");
    }

    #[test]
    fn what_the_starter_calls_a_default_is_the_default() {
        let text = starter(&sample()).unwrap();
        let uncommented = uncommented(&text, false);
        assert_ne!(text, uncommented);
        assert_eq!(read(&text), read(&uncommented));
    }

    #[test]
    fn every_example_in_the_starter_is_valid_and_no_default() {
        let text = starter(&sample()).unwrap();
        let plain = read(&text);
        let all = uncommented(&text, true).replace(r#"listen = ["80"]"#, r#"listen = ["80", "443 ssl"]"#);
        let config = read(&all);
        let changed = difference::difference(&plain, &config);
        let examples = text
            .lines()
            .filter(|line| line.ends_with("# example") && line.contains(" = "))
            .count();
        // `json` has two values of its own, and `listen` was changed above.
        assert_eq!(changed.len(), examples + 2, "{changed:#?}");
    }

    #[test]
    fn the_starter_fits_a_terminal() {
        let text = starter(&sample()).unwrap();
        let long: Vec<&str> = text.lines().filter(|line| line.len() > 92).collect();
        assert!(long.is_empty(), "{long:#?}");
    }

    #[test]
    fn schema_and_starter_name_the_same_keys() {
        let tree: Value = serde_json::from_str(&schema::schema()).unwrap();
        let mut known = BTreeSet::new();
        collect_schema(&tree, &tree, "", &mut known);
        let starter = uncommented(&starter(&sample()).unwrap(), true);
        let written: Value = toml::from_str(&starter).unwrap();
        let mut shown = BTreeSet::new();
        collect_written(&written, "", &mut shown);
        assert_eq!(known, shown);
    }

    /// The dotted keys below `part`, lists of tables without their numbers.
    fn collect_schema(tree: &Value, part: &Value, path: &str, keys: &mut BTreeSet<String>) {
        let part = resolve(tree, part);
        if let Some(properties) = part["properties"].as_object() {
            for (key, value) in properties {
                collect_schema(tree, value, &format!("{path}.{key}"), keys);
            }
        } else if resolve(tree, &part["items"])["properties"].is_object() {
            collect_schema(tree, &part["items"], path, keys);
        } else {
            keys.insert(path.to_owned());
        }
    }

    fn resolve<'t>(tree: &'t Value, part: &'t Value) -> &'t Value {
        let one = part["anyOf"].get(0).unwrap_or(part);
        match one["$ref"].as_str() {
            Some(reference) => tree.pointer(reference.trim_start_matches('#')).unwrap(),
            None => one,
        }
    }

    fn collect_written(part: &Value, path: &str, keys: &mut BTreeSet<String>) {
        let free = [
            ".env.set",
            ".health.headers",
            ".nginx.probe.headers",
            ".fleet.groups",
        ]
        .contains(&path);
        match part {
            Value::Object(table) if !free => {
                for (key, value) in table {
                    collect_written(value, &format!("{path}.{key}"), keys);
                }
            }
            Value::Array(list) if list.iter().any(Value::is_object) => {
                for value in list {
                    collect_written(value, path, keys);
                }
            }
            _ => {
                keys.insert(path.to_owned());
            }
        }
    }
}
