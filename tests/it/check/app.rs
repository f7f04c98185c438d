//! The app's own settings, what it opens, and what the kernel lets it.

use std::fs;

use toml::Table;

use super::secure::{Secure, run};
use super::{assert_found, bad_about};
use crate::sandbox::ports::Port;
use crate::sandbox::{Sandbox, repo, set};

fn with_run(options: &str) -> impl FnOnce(&mut Table) {
    let run = format!("{{{{ venv }}}}/bin/python -m gunicorn -b 127.0.0.1:{{{{ port }}}} {options} app:app");
    move |config| set(config, "process", "run", run)
}

#[test]
fn settings_of_gunicorn_that_lose_requests_are_found() {
    let sandbox = Sandbox::new();
    let bad = |options: &str| {
        sandbox.configure(with_run(options));
        bad_about(&sandbox.bg(&["check", "--json"]), "app server")
    };
    sandbox.bg(&["setup"]).assert_code(0);
    let table = [
        (
            "--threads 4 --keep-alive 1",
            "closes idle connections after 1 s and NGINX keeps them for 1 s",
            "`--keep-alive 75`",
        ),
        ("--keep-alive 75", "`--keep-alive` has no effect", "gthread"),
        (
            "--graceful-timeout 20",
            "gives requests 20 s to end, and `process.stop_timeout` kills it after 10 s",
            "`--graceful-timeout 8`",
        ),
        (
            "--graceful-timeout 8 --reload",
            "`--reload` is for development",
            "remove `--reload`",
        ),
        (
            "-w 2 --graceful-timeout 8 --max-requests 500",
            "without `--max-requests-jitter`",
            "`--max-requests-jitter 50`",
        ),
        (
            "-w 3 --graceful-timeout 8",
            "starts 3 workers and `process.workers` is 1",
            "`process.workers = 3`",
        ),
    ];
    for (options, found, fix) in table {
        assert_found(&bad(options), "warning", found, fix);
    }
    assert_eq!(table.len(), 6);
    let good = bad("--threads 4 --keep-alive 75 --graceful-timeout 8");
    assert!(good.is_empty(), "{good:#?}");
}

#[test]
fn a_settings_file_of_the_release_is_read() {
    let sandbox = Sandbox::new();
    sandbox.commit("settings", |repo| {
        fs::write(repo.join("gunicorn.conf.py"), "reload = True\n").unwrap()
    });
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    let bad = || bad_about(&sandbox.bg(&["check", "--json"]), "app server");
    assert_found(&bad(), "warning", "`--reload` is for development", "");
    sandbox.commit("no settings", |repo| {
        fs::remove_file(repo.join("gunicorn.conf.py")).unwrap()
    });
    sandbox.bg(&["deploy"]).assert_code(0);
    assert!(bad().is_empty(), "{:#?}", bad());
}

/// The gate looks at the app's own port; this is another one.
#[test]
fn a_port_that_the_app_opens_to_the_network_is_found() {
    let port = Port::free();
    let sandbox = Sandbox::new();
    sandbox.commit("metrics", |folder| {
        let open = format!(
            "import socket\nmetrics = socket.create_server((\"0.0.0.0\", {}))\n\napp = Flask(__name__)\n",
            port.number()
        );
        repo::replace(&folder.join("app.py"), "app = Flask(__name__)\n", &open);
    });
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    let bad = || bad_about(&sandbox.bg(&["check", "--json"]), "loopback");
    let found = format!(
        "listens on 0.0.0.0:{}, which other machines can reach past NGINX",
        port.number()
    );
    assert_found(
        &bad(),
        "warning",
        &found,
        &format!("bind it to 127.0.0.1:{}", port.number()),
    );
    sandbox.commit("metrics at home", |folder| {
        repo::replace(
            &folder.join("app.py"),
            "metrics = socket.create_server((\"0.0.0.0\", ",
            "metrics = str((\"\", ",
        );
    });
    // The warm color is one that can be reached, too.
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_found(&bad(), "warning", &found, "");
    sandbox.bg(&["deploy"]).assert_code(0);
    assert!(bad().is_empty(), "{:#?}", bad());
}

#[test]
fn workers_of_nginx_with_too_few_files_are_found() {
    let sandbox = Sandbox::new();
    sandbox.bg(&["setup"]).assert_code(0);
    let bad = || bad_about(&sandbox.bg(&["check", "--json"]), "limits");
    assert!(bad().is_empty(), "{:#?}", bad());
    let conf = sandbox.front.conf();
    let text = fs::read_to_string(&conf).unwrap();
    fs::write(&conf, format!("worker_rlimit_nofile 512;\n{text}")).unwrap();
    sandbox.front.reload();
    assert_found(
        &bad(),
        "warning",
        "a worker of NGINX may open 512 files and has 1024 `worker_connections`",
        "`worker_rlimit_nofile 2048;`",
    );
}

#[test]
fn an_app_with_too_few_files_and_connections_that_the_kernel_cuts_off_are_found() {
    let secure = Secure::new();
    secure.bg(&["setup"]).assert_code(0);
    let bad = || bad_about(&secure.bg(&["check", "--json"]), "limits");
    assert!(bad().is_empty(), "{:#?}", bad());
    // The first deploy starts PM2's daemon, which the app has its limits from.
    let deploy = secure.command(&["deploy"]);
    let mut limited = secure.sandbox.command("sh");
    limited
        .args(["-c", "ulimit -n 900; exec \"$0\" deploy"])
        .arg(deploy.get_program())
        .current_dir(deploy.get_current_dir().unwrap());
    run(limited, &["deploy"]).assert_code(0);
    assert_found(
        &bad(),
        "warning",
        "blue may open 900 files",
        "`LimitNOFILE=65536`",
    );
    secure
        .sandbox
        .configure(with_run("--graceful-timeout 8 --backlog 1000000"));
    assert_found(
        &bad(),
        "warning",
        "gunicorn has 1000000 connections wait and the kernel lets ",
        "net.core.somaxconn=1000000",
    );
}

#[test]
fn code_that_two_colors_run_twice_and_values_that_nobody_expands_are_found_without_sbin_on_the_path() {
    let sandbox = Sandbox::new();
    sandbox.commit("a scheduler", |folder| {
        repo::replace(
            &folder.join("app.py"),
            "app = Flask(__name__)\n",
            "app = Flask(__name__)\napp.secret_key = os.urandom(24)\n",
        );
        let text = "from apscheduler import Scheduler\n\ndef begin():\n    jobs = BackgroundScheduler()\n";
        fs::write(folder.join("jobs.py"), text).unwrap();
        fs::create_dir(folder.join("tests")).unwrap();
        fs::write(folder.join("tests/test_jobs.py"), text).unwrap();
    });
    sandbox.configure(|config| set(config, "nginx", "bin", "nginx"));
    let file = sandbox.app_root().join("shared/app.env");
    let before = fs::read_to_string(&file).unwrap();
    fs::write(&file, before + "DATABASE_URL=postgres://${DB_USER}@db/shop\n").unwrap();
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox
        .bg(&["deploy"])
        .assert_code(0)
        .assert_says("`${DB_USER}` in `DATABASE_URL` is not expanded");
    // The PATH of an ordinary user on Debian.
    let path = crate::sandbox::path_with_tools();
    let folders = std::env::split_paths(&path).filter(|folder| !folder.ends_with("sbin"));
    let output = sandbox
        .bg_command(&["check", "--json"])
        .env("PATH", std::env::join_paths(folders).unwrap())
        .output()
        .unwrap();
    let check = crate::sandbox::outcome::Outcome::new(&["check"], &output, std::time::Duration::ZERO);
    assert!(!check.stdout.contains("is not installed"), "{check}");
    for (subject, found, fix) in [
        (
            "scheduler",
            "jobs.py line 4 starts a `BackgroundScheduler`",
            "[[worker]]",
        ),
        (
            "secret key",
            "another `SECRET_KEY` at every start",
            "environment file",
        ),
        (
            "environment file",
            "`${DB_USER}` in `DATABASE_URL`",
            "nothing is expanded",
        ),
    ] {
        let bad = bad_about(&check, subject);
        assert_found(&bad, "warning", found, fix);
        assert_eq!(bad.len(), 1, "{check}");
    }
}

#[test]
fn data_that_the_sources_name_is_named_where_shared_lacks_it() {
    let sandbox = Sandbox::new();
    sandbox.commit("a database", |repo| {
        fs::write(repo.join("settings.py"), "DATABASE = \"store/shop.db\"\n").unwrap();
    });
    let about = || bad_about(&sandbox.bg(&["check", "--json"]), "data");
    let found = "by its sources the app keeps data in `store/shop.db`, beside its code";
    let fix = "write `shared = [\"store/shop.db\"]` in bg.toml";
    assert_found(&about(), "warning", found, fix);
    for (key, value) in [("shared", "store"), ("scratch", "*.db")] {
        let before = fs::read(sandbox.config()).unwrap();
        sandbox.configure(|config| {
            config.insert(key.to_owned(), vec![value].into());
        });
        let left = about();
        assert!(left.is_empty(), "{key}: {left:#?}");
        fs::write(sandbox.config(), before).unwrap();
    }
}
