use super::*;

fn around() -> Around {
    Around {
        upstream_idle: Duration::from_secs(60),
        stop_timeout: Duration::from_secs(30),
        workers: 4,
    }
}

fn dangers(options: &str) -> Vec<Danger> {
    let run = format!("{{{{ venv }}}}/bin/python -m gunicorn -b 127.0.0.1:{{{{ port }}}} {options} app:app");
    Gunicorn::of(&run, None).unwrap().dangers(around())
}

#[test]
fn each_danger_is_seen_by_itself() {
    let short = |app| Danger::ShortKeepAlive { app, nginx: 60 };
    let table = [
        ("--worker-class gthread", vec![short(2)]),
        ("-k gthread --keep-alive 60", vec![short(60)]),
        ("-kgevent --keep-alive=5", vec![short(5)]),
        ("--threads 4", vec![short(2)]),
        ("--keep-alive 75", vec![Danger::NoKeepAlive]),
        ("-k sync --keep-alive=75", vec![Danger::NoKeepAlive]),
        (
            "--graceful-timeout 40",
            vec![Danger::Killed {
                graceful: 40,
                stop: 30,
            }],
        ),
        ("--reload", vec![Danger::Reload]),
        ("-w 2 --max-requests 1000", vec![Danger::NoJitter { each: 1000 }]),
        ("-w 5", vec![Danger::Workers { started: 5, said: 4 }]),
    ];
    for (options, expected) in &table {
        assert_eq!(&dangers(options), expected, "{options}");
        assert!(expected.iter().all(|danger| !danger.fix().is_empty()));
    }
    assert_eq!(table.len(), 10);
}

#[test]
fn what_is_well_is_left_alone() {
    let table = [
        "",
        "-w 2",
        "-k gthread --threads 8 --keep-alive 75 --graceful-timeout 30",
        "--threads 1",
        "--max-requests 1000",
        "-w 4 --max-requests 1000 --max-requests-jitter 100",
        "--max-requests 0 -w 3",
    ];
    for options in table {
        assert_eq!(dangers(options), [], "{options}");
    }
    assert_eq!(table.len(), 7);
}

#[test]
fn the_command_wins_over_the_variable_and_both_over_the_file() {
    let run = "gunicorn -b 127.0.0.1:{{ port }} --threads 2 app:app";
    let found = Gunicorn::of(run, Some("--keep-alive 10 --threads 1")).unwrap();
    assert_eq!(
        found.dangers(around()),
        [Danger::ShortKeepAlive { app: 10, nginx: 60 }]
    );
    let file = "# ours\nkeepalive = 5\nworkers = multiprocessing.cpu_count() * 2 + 1\nreload = True  # at work\n\
                max_requests = 10\n\ndef post_fork(server, worker):\n    threads = 4\n";
    assert_eq!(
        found.with_file(file).dangers(around())[0],
        Danger::ShortKeepAlive { app: 10, nginx: 60 }
    );
    let found = Gunicorn::of(run, None).unwrap().with_file(file);
    let expected = [
        Danger::ShortKeepAlive { app: 5, nginx: 60 },
        Danger::Reload,
        Danger::NoJitter { each: 10 },
    ];
    assert_eq!(found.dangers(around()), expected);
}

#[test]
fn what_only_python_can_tell_is_not_guessed() {
    let run = "gunicorn -b 127.0.0.1:{{ port }} app:app";
    let file = "worker_class = choose()\nkeepalive = os.environ['HEARTBEAT_INTERVAL']\nworkers = 2 * 3\nbacklog = limit()\n";
    let found = Gunicorn::of(run, None).unwrap().with_file(file);
    assert_eq!(found.dangers(around()), []);
    assert_eq!(found.backlog(), None);
    assert_eq!(Gunicorn::of(run, None).unwrap().backlog(), Some(2048));
}

#[test]
fn other_servers_are_none_of_its_business() {
    assert_eq!(
        Gunicorn::of("waitress-serve --port={{ port }} app:app", None),
        None
    );
    let named = Gunicorn::of("gunicorn -c conf/prod.py app:app -b :{{ port }}", None).unwrap();
    assert_eq!(named.file(), "conf/prod.py");
    assert_eq!(
        Gunicorn::of("gunicorn app:app", None).unwrap().file(),
        "gunicorn.conf.py"
    );
}

#[test]
fn the_error_log_is_named_by_the_command_or_by_a_plain_text_in_the_file() {
    let of = |options: &str, file: &str| {
        let run = format!("gunicorn -b :{{{{ port }}}} {options} app:app");
        let found = Gunicorn::of(&run, None).unwrap().with_file(file).error_log();
        found.map(|path| path.display().to_string())
    };
    let table = [
        ("", "", None),
        ("--error-logfile logs/error.log", "", Some("logs/error.log")),
        ("--log-file=/var/log/shop.log", "", Some("/var/log/shop.log")),
        ("--error-logfile -", "errorlog = 'a.log'", None),
        ("--chdir web --log-file a.log", "", Some("web/a.log")),
        (
            "",
            "errorlog = \"logs/error.log\"  # ours",
            Some("logs/error.log"),
        ),
        ("", "errorlog='logs/a#b.log'", Some("logs/a#b.log")),
        ("", "errorlog = None", None),
        ("", "errorlog = '-'", None),
        ("", "errorlog = os.path.join(HERE, 'error.log')", None),
        ("", "errorlog = 'logs/' + NAME", None),
        ("", "errorlog = f\"{HERE}/error.log\"", None),
        ("", "errorlog = 'a\\x20b.log'", None),
        ("", "chdir = pick()\nerrorlog = 'a.log'", None),
    ];
    for (options, file, expected) in table {
        assert_eq!(of(options, file).as_deref(), expected, "{options} {file}");
    }
    assert_eq!(table.len(), 14);
}
