//! The annotated `bg.toml` that `bg init` writes.

use std::io::{self, Write};
use std::path::PathBuf;

use tera::{Context, Tera};

const TEMPLATE: &str = include_str!("../../../templates/bg.toml.tera");

/// The template's name; values are written as TOML where it ends like this.
const NAME: &str = "bg.toml";

/// What could be found out about an app from its folder. Everything is a guess that the
/// user reads and corrects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guess {
    /// The app's name, valid as `app`.
    pub app: String,
    /// A git URL, or the absolute path of the repository.
    pub git: String,
    /// The branch that is checked out.
    pub branch: String,
    /// The folder with the app, relative to the repository; none for the repository itself.
    pub folder: Option<PathBuf>,
    /// What gunicorn is to load: `app:app`, `wsgi:application`, `shop:create_app()`.
    pub module: String,
    /// Requirement files, relative to the app's folder.
    pub requirements: Vec<PathBuf>,
    /// The site's name.
    pub server_name: String,
    /// The path of a health check.
    pub health: String,
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
    let requirements: Vec<String> = guess
        .requirements
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    let mut context = Context::new();
    context.insert("app", &guess.app);
    context.insert("root", &format!("/srv/{}", guess.app));
    context.insert("git", &guess.git);
    context.insert("branch", &guess.branch);
    context.insert("folder", &guess.folder);
    context.insert("run", &run(&guess.module));
    context.insert(
        "requirements_are_default",
        &(requirements == ["requirements.txt"]),
    );
    context.insert("requirements", &requirements);
    context.insert("server_name", &guess.server_name);
    context.insert("health", &guess.health);
    tera.render(NAME, &context)
}

/// `python -m gunicorn`, because the first line of the script `gunicorn` cannot hold a long path.
fn run(module: &str) -> String {
    let module = shlex::try_quote(module).unwrap_or(module.into());
    format!("{{{{ venv }}}}/bin/python -m gunicorn -w 2 -b 127.0.0.1:{{{{ port }}}} {module}")
}

fn as_toml(text: &str, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}", toml::Value::from(text))
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use super::super::Config;
    use super::super::read::parse;
    use super::*;

    pub(in super::super) fn sample() -> Guess {
        Guess {
            app: "shop".into(),
            git: "git@example.com:you/shop.git".into(),
            branch: "main".into(),
            folder: None,
            module: "app:app".into(),
            requirements: vec!["requirements.txt".into()],
            server_name: "example.com".into(),
            health: "/health".into(),
        }
    }

    /// The starter with its commented keys switched on; `examples` too, or only defaults.
    pub(in super::super) fn uncommented(starter: &str, examples: bool) -> String {
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
            git: r#"/home/you/my "shop" \ {{ app }}"#.into(),
            branch: "it's".into(),
            folder: Some("back end".into()),
            module: "shop:create_app()".into(),
            requirements: vec!["requirements/prod.txt".into(), "a \"b\".txt".into()],
            ..sample()
        };
        let config = read(&starter(&guess).unwrap());
        assert_eq!(config.source.git, Some(guess.git));
        assert_eq!(config.source.branch, guess.branch);
        assert_eq!(config.source.folder, guess.folder);
        assert_eq!(config.python.requirements, guess.requirements);
        let words = super::super::run::words(&config.process.run).unwrap();
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
        let changed = super::super::difference::difference(&plain, &config);
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
}
