//! Reads `bg.toml` and explains what is wrong with it, with the line and a caret.

use std::path::Path;

use super::Config;
use super::explain;
pub use super::mistake::{ConfigError, Mistake};
use super::place::Places;
use super::rules;

/// Reads the `text` of a `bg.toml`; `path` is only named in what is wrong.
///
/// Touches nothing but the text: whether folders, users and ports exist is for the host.
///
/// # Errors
/// When the text is no TOML or has unknown, missing or mistyped keys: the first one. When
/// all keys are right and values are not: all of them.
pub fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
    let refuse = |mistakes: Vec<Mistake>| ConfigError::new(path, text, mistakes);
    let places = Places::parse(text).map_err(|error| refuse(vec![explain::syntax(&error, text)]))?;
    if let Some(mistake) = explain::list_for_table(&places) {
        return Err(refuse(vec![mistake]));
    }
    let config = places
        .config()
        .map_err(|error| refuse(vec![explain::shape(&error, text, &places)]))?;
    let mistakes = rules::broken(&config, &places);
    if mistakes.is_empty() {
        Ok(config)
    } else {
        Err(refuse(mistakes))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    const SMALL: &str = r#"
        app = "shop"
        root = "/srv/my shop"
        source.git = "/home/you/shop"
        process.run = "{{ venv }}/bin/python -m gunicorn -b 127.0.0.1:{{ port }} app:app"
        process.ports = { blue = 5001, green = 5002 }
        nginx.server_names = ["example.com"]
    "#;

    const LARGE: &str = r#"
        app = "shop"
        root = "/srv/shop"
        owner = "deploy"
        shared = ["uploads", "instance/shop.db"]
        env = { file = ".env", set = { LOG_LEVEL = "info", GREETING = "two\nlines" } }
        [source]
        git = "https://example.com/you/shop.git"
        branch = "release/2026"
        folder = "backend"
        [process]
        name = "shop.web"
        run = "{{venv}}/bin/waitress-serve --listen=127.0.0.1:{{ port }} '{{ release }}:app'"
        ports.blue = 6001
        ports.green = 6002
        stop_timeout = "1m 500ms"
        workers = 4
        [python]
        version = "/opt/python/bin/python3.12"
        requirements = ["requirements/prod.txt", "requirements/extra.txt"]
        installer = "uv"
        [[health]]
        path = "/health?deep=1"
        method = "POST"
        host = "shop.example.com:8443"
        headers = { Accept = "application/json" }
        expect = [200, 204]
        contains = "ok"
        json = { pointer = "/checks/0", equals = { ok = true, load = 0.5, names = ["a"] } }
        [[health]]
        path = "/"
        [gate]
        timeout = "1m"
        smoke = "bin/smoke --fast"
        [nginx]
        server_names = ["example.com", "*.example.com"]
        listen = ["80", "[::]:80", "443 ssl http2"]
        paths = ["/", "/api/"]
        static = [{ url = "/static/", folder = "shop/static" }]
        tls = { certificate = "/etc/ssl/shop.pem", key = "/etc/ssl/shop.key" }
        switch = "live"
        templates = "/etc/bluegreen/templates"
        max_body_size = "64m"
        link_folder = "/var/lib/shop"
        maintenance_page = "maintenance.html"
        [keep]
        releases = 2
        warm = "15m"
        [drain]
        connections = "wait"
        [evidence]
        path = "/health"
        [pm2]
        bin = "/usr/bin/pm2"
        home = "/home/deploy/.pm2"
        [hooks]
        before_build = "bin/one 'two words'"
        after_build = ["bin/one", "bin/two"]
        after_switch = { run = "bin/one", on = "client", timeout = "1s" }
        on_failure = ["bin/one", { run = "bin/two", timeout = "9s" }]
        [migrate]
        run = "flask db upgrade"
        paths = ["migrations/**"]
        [backup]
        kind = "mysql"
        database = "shop"
        options_file = "backup.cnf"
        [notify]
        webhook_env = "HOOK"
        format = "slack"
    "#;

    #[test]
    fn what_is_written_reads_back_the_same() {
        for text in [SMALL, LARGE] {
            let config = parse(text, Path::new("bg.toml")).unwrap_or_else(|error| panic!("{error}"));
            let written = toml::to_string(&config).unwrap();
            let again = parse(&written, Path::new("bg.toml")).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(config, again, "{written}");
        }
    }

    /// Each `tests/config/broken/*.toml` against the `.txt` beside it. `BLESS=1` writes
    /// the `.txt` files anew; read every one that changed.
    #[test]
    fn each_broken_file_gets_its_exact_message() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/broken");
        let listed = std::fs::read_dir(folder).unwrap();
        let (cases, rest): (Vec<PathBuf>, Vec<PathBuf>) = listed
            .map(|entry| entry.unwrap().path())
            .partition(|path| path.extension().is_some_and(|extension| extension == "toml"));
        assert!(cases.len() >= 36, "only {} cases", cases.len());
        let mut differing = Vec::new();
        for case in &cases {
            let text = std::fs::read_to_string(case).unwrap();
            let message = match parse(&text, Path::new("bg.toml")) {
                Ok(_) => panic!("{} is not broken", case.display()),
                Err(error) => format!("{error}\n"),
            };
            let expected = case.with_extension("txt");
            if std::env::var_os("BLESS").is_some() {
                std::fs::write(&expected, &message).unwrap();
            } else if std::fs::read_to_string(&expected).ok().as_ref() != Some(&message) {
                differing.push(format!("{}:\n{message}", case.display()));
            }
        }
        assert!(differing.is_empty(), "{}", differing.join("\n"));
        for path in rest {
            assert!(
                path.with_extension("toml").is_file(),
                "{} has no case",
                path.display()
            );
        }
    }

    #[test]
    fn a_file_with_many_mistakes_shows_ten() {
        let names: Vec<String> = (0..12).map(|number| format!("\"{number} !\"")).collect();
        let text = SMALL.replace("\"example.com\"", &names.join(", "));
        let error = parse(&text, Path::new("bg.toml")).unwrap_err();
        assert_eq!(error.mistakes().len(), 12);
        let shown = error.to_string();
        assert!(shown.starts_with("12 mistakes in `bg.toml`\n"), "{shown}");
        assert!(shown.ends_with("\n\nand 2 more"), "{shown}");
        assert_eq!(shown.matches(" --> bg.toml:").count(), 10, "{shown}");
    }
}
