//! Reads `bg.toml` and explains what is wrong with it, with the line and a caret.

use std::path::Path;

pub use super::mistake::{ConfigError, Mistake};
use super::span::Places;
use super::{Config, explain, rules};

/// Bytes of a configuration, more than any has: the starter with every key explained is 8 KiB.
/// Root reads those of others.
pub const LONGEST: usize = 256 << 10;

/// Reads the `text` of a `bg.toml`; `path` is only named in what is wrong.
///
/// Touches nothing but the text: whether folders, users and ports exist is for the host.
///
/// # Errors
/// When the text is too long or no TOML or has unknown, missing or mistyped keys: the first one. When
/// all keys are right and values are not: all of them.
pub fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
    if text.len() > LONGEST {
        let mistake = Mistake {
            span: 0..0,
            what: format!("the file is longer than {} KiB", LONGEST >> 10),
            write: "a configuration is a few pages; lists that grow belong into files of the app".into(),
            note: None,
        };
        return Err(ConfigError::new(path, "", vec![mistake]));
    }
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
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/config/broken");
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

    /// What a file can grow in: what stands before, one piece of many, what stands behind.
    const SHAPES: [(&str, &str, &str); 14] = [
        ("[env.set]\n", "A# = \"1\"\n", ""),
        ("[env.set]\n", "BG_# = \"1\"\n", ""),
        ("[env.set]\n", "A# = 1\n", ""),
        ("shared = [", "\"a#\",\n", "]"),
        ("shared = [", "\"/a#\",\n", "]"),
        ("health = [", "{ path = \"/#\" },\n", "]"),
        ("", "[[health]]\npath = \"/#\"\n", ""),
        ("", "[[health]]\npath = \"#\"\n", ""),
        ("hosts = [", "\"h#\",", "]"),
        ("hosts = [\"h1\"]\nfleet.groups.all = [", "\"h1\",", "]"),
        ("", "[[worker]]\nname = \"w#\"\nrun = \"x\"\n", ""),
        ("nginx.paths = [", "\"/#\",", "]"),
        ("", "[[nginx.static]]\nurl = \"/#/\"\nfolder = \"s\"\n", ""),
        ("hooks.before_build = [", "\"x #\",", "]"),
    ];

    fn large((before, piece, behind): (&str, &str, &str), bytes: usize) -> String {
        let mut text = SMALL.replace("        ", "") + before;
        for number in 0.. {
            let piece = piece.replace('#', &number.to_string());
            if text.len() + piece.len() + behind.len() > bytes {
                break;
            }
            text.push_str(&piece);
        }
        text + behind
    }

    /// What this thread has worked, whatever else the machine does.
    fn worked() -> std::time::Duration {
        use nix::sys::resource::{UsageWho, getrusage};
        let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
        let micros = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
        std::time::Duration::from_micros((micros(usage.user_time()) + micros(usage.system_time())) as u64)
    }

    /// One file of the full length costs about what sixteen of a sixteenth do; in the square
    /// it would be sixteen times that.
    #[test]
    fn a_long_file_costs_what_its_length_is() {
        let path = Path::new("bg.toml");
        for shape in SHAPES {
            let took = |times: usize| {
                let text = large(shape, LONGEST / times);
                let tries = (0..2).map(|_| {
                    let before = worked();
                    for _ in 0..times {
                        drop(parse(&text, path).map_err(|error| error.to_string()));
                    }
                    worked() - before
                });
                tries.min().unwrap()
            };
            let (short, long) = (took(16), took(1));
            assert!(long < short * 6, "{shape:?}: {short:?} and {long:?}");
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_refused_by_name() {
        let text = large(SHAPES[0], LONGEST + 64);
        assert!(text.len() > LONGEST);
        let error = parse(&text, Path::new("/srv/x/bg.toml")).unwrap_err().to_string();
        assert!(error.starts_with("the file is longer than 256 KiB"), "{error}");
        assert!(error.contains("/srv/x/bg.toml"), "{error}");
        assert!(error.len() < 1000, "{error}");
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

    #[test]
    fn a_path_is_shared_however_it_is_written() {
        let text = SMALL.replace("root =", "shared = [\"./uploads/\", \"data\"]\n        root =");
        let config = parse(&text, Path::new("bg.toml")).unwrap();
        for (path, entry) in [
            ("uploads", Some("uploads")),
            ("./uploads/2026", Some("uploads")),
            ("./data/", Some("data")),
            ("database", None),
            ("static/data", None),
        ] {
            assert_eq!(config.shares(Path::new(path)), entry.map(PathBuf::from), "{path}");
        }
    }
}
