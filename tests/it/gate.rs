//! What shuts the gate: each time the command says why in words, and nothing else happens.

mod server_log;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use bluegreen::model::color::Color;

use crate::sandbox::ports::Port;
use crate::sandbox::wait::wait_until;
use crate::sandbox::{HOST, SECRET, Sandbox, http, python, set};

/// Long enough for an app that starts on a busy machine.
fn impatient(config: &mut toml::Table) {
    set(config, "gate", "timeout", "8s");
}

const HEALTHY: &str = "return {\"status\": \"ok\"}";

#[test]
fn answers_that_are_not_healthy_are_explained_and_what_is_advised_helps() {
    let sandbox = Sandbox::deployed_with(impatient);
    sandbox.commit_edit("many answers", "@app.get(\"/whoami\")", ANSWERS);
    let cases: &[(&str, &[&str])] = &[
        (
            "path = \"/moved\"",
            &[
                "/moved: 301 redirects to `https://shop.test/moved`",
                "set `health.path`",
                "`headers = { X-Forwarded-Proto = \"https\" }`",
            ],
        ),
        (
            "path = \"/forbidden\"",
            &[
                "/forbidden: 403: the app refuses Host `shop.test`",
                "it said: not for you",
            ],
        ),
        (
            "path = \"/broken\"",
            &["/broken: 500: the app failed, it said: database is away"],
        ),
        (
            "path = \"/health\"\ncontains = \"ready\"",
            &["/health: the body does not contain `ready`, it begins: {\"status\":\"ok\"}"],
        ),
        (
            "path = \"/health\"\njson = { pointer = \"/status\", equals = \"ready\" }",
            &["/health: `/status` is \"ok\" where \"ready\" was expected"],
        ),
        (
            "path = \"/hosts\"",
            &[
                "/hosts: 400: the app refuses Host `shop.test`",
                "`TRUSTED_HOSTS`",
                "set `health.host`",
            ],
        ),
    ];
    check_with(&sandbox, cases.iter().map(|(check, _)| *check));
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&refused, 1, "green did not pass the gate", Color::Blue);
    refused.assert_says("traffic: unchanged, blue");
    for (_, words) in cases {
        for word in *words {
            refused.assert_says(word);
        }
    }
    assert_eq!(cases.len(), 6);
    // The last advice was to send another Host.
    check_with(
        &sandbox,
        ["path = \"/hosts\"\nhost = \"www.shop.test\""].into_iter(),
    );
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
}

#[test]
fn an_answer_that_does_not_change_is_not_waited_out() {
    let sandbox = Sandbox::deployed_with(|config| set(config, "gate", "timeout", "90s"));
    let broken = "@app.get(\"/broken\")\ndef broken():\n    return {}[\"no such thing\"]\n\n\n";
    sandbox.commit_edit(
        "broken",
        "@app.get(\"/whoami\")",
        &format!("{broken}@app.get(\"/whoami\")"),
    );
    for (path, why) in [("/nowhere", "404: the app has no `/nowhere`"), ("/broken", "500")] {
        check_with(&sandbox, [format!("path = \"{path}\"").as_str()].into_iter());
        let refused = sandbox.bg(&["deploy"]);
        sandbox.assert_five(&refused, 1, "waiting longer would not change that", Color::Blue);
        refused.assert_says(why);
        assert!(refused.took < Duration::from_secs(60), "{refused}");
    }
}

const ANSWERS: &str = r#"@app.get("/moved")
def moved():
    return Response(status=301, headers={"Location": "https://shop.test/moved"})


@app.get("/forbidden")
def forbidden():
    return "not for you", 403


@app.get("/broken")
def broken():
    return "database is away", 500


@app.get("/hosts")
def hosts():
    if request.host != "www.shop.test":
        return "Invalid host", 400
    return "ok"


@app.get("/whoami")"#;

fn check_with<'a>(sandbox: &Sandbox, checks: impl Iterator<Item = &'a str>) {
    let text: String = checks.map(|check| format!("[[health]]\n{check}\n")).collect();
    let health: toml::Table = text.parse().unwrap();
    sandbox.configure(|config| {
        config.insert("health".into(), health["health"].clone());
    });
}

/// Configurations that say so are refused by themselves; a script can hide it.
#[test]
fn an_app_that_is_open_to_the_network_is_refused_at_once() {
    let sandbox = Sandbox::deployed_with(|config| set(config, "gate", "timeout", "60s"));
    serve_with(&sandbox, "exec gunicorn --bind 0.0.0.0:$1 app:app");
    let refused = sandbox.bg(&["deploy"]);
    let port = sandbox.slot_address(Color::Green).port();
    let advice = format!("open to the network past NGINX: bind it with `-b 127.0.0.1:{port}`");
    sandbox.assert_five(&refused, 1, &advice, Color::Blue);
    assert!(refused.took < Duration::from_secs(30), "{refused}");
}

fn serve_with(sandbox: &Sandbox, line: &str) {
    sandbox.commit("served by a script", |repo| {
        executable(&repo.join("serve"), &format!("#!/bin/sh\n{line}\n"));
    });
    sandbox.configure(|config| set(config, "process", "run", "{{ release }}/serve {{ port }}"));
}

#[test]
fn an_app_that_listens_on_another_port_is_told_which() {
    let sandbox = Sandbox::deployed_with(impatient);
    let other = Port::free();
    let line = format!("exec gunicorn --bind 127.0.0.1:{} app:app", other.number());
    serve_with(&sandbox, &line);
    let refused = sandbox.bg(&["deploy"]);
    let told = format!("the app listens on 127.0.0.1:{} instead", other.number());
    sandbox.assert_five(&refused, 1, &told, Color::Blue);
    refused.assert_says("has to use `{{ port }}`");
}

#[test]
fn a_stranger_on_the_idle_port_that_answers_health_checks_is_named() {
    let sandbox = Sandbox::deployed();
    let stranger = Stranger::start(sandbox.root(), sandbox.slot_address(Color::Green));
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&refused, 1, "of green is taken by process", Color::Blue);
    refused.assert_says(&format!("process {} (`", stranger.pid()));
    refused.assert_says("stranger.py");
    refused.assert_says("end that process");
    assert!(stranger.answers(), "bg must leave a stranger alone");
    drop(stranger);
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
}

/// What PM2 keeps is not what listens: a server that puts itself into the background.
#[test]
fn an_app_that_leaves_its_process_is_refused_and_ended() {
    let sandbox = Sandbox::deployed_with(|config| set(config, "gate", "timeout", "60s"));
    let usual = sandbox.configured("process", "run");
    serve_with(
        &sandbox,
        "gunicorn --daemon --bind 127.0.0.1:$1 app:app\nexec sleep 600",
    );
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&refused, 1, "is held by process", Color::Blue);
    refused.assert_says("gunicorn");
    sandbox.configure(|config| set(config, "process", "run", usual));
    let deployed = sandbox.bg(&["deploy"]);
    deployed.assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green), "{deployed}");
}

/// PM2 calls a process stable after its `min_uptime`, and would start it for ever.
#[test]
fn a_crash_is_told_with_its_time_and_the_apps_words_long_before_the_deadline() {
    let sandbox = Sandbox::deployed_with(|config| {
        set(config, "gate", "timeout", "90s");
        set(config, "gate", "soak", "6s");
        set(config, "gate", "preflight", "off");
        // One process, whose end is the app's end.
        let run = "{{ venv }}/bin/python -m flask --app app run --no-reload --port {{ port }}";
        set(config, "process", "run", run);
    });
    sandbox.commit_edit("second", "Good day", "Hello");
    sandbox.bg(&["deploy"]).assert_code(0);
    let original = fs::read_to_string(sandbox.repo().join("app.py")).unwrap();

    let dies = "import threading, sys\n\ndef die():\n    print(\"the reactor is leaking\", flush=True)\n    os._exit(9)\n\nthreading.Timer(AFTER, die).start()\n";
    let cases = [
        // It answered, and died in its soak.
        (
            format!("{original}{}", dies.replace("AFTER", "4")),
            4.0,
            "the reactor is leaking",
        ),
        // It never listened, and dies again and again, slower than PM2 looks.
        (
            format!("import time, sys\ntime.sleep(2.5)\nsys.exit(\"no database\")\n{original}"),
            2.5,
            "no database",
        ),
        // An import that fails.
        (
            format!("import redis_that_nobody_has\n{original}"),
            0.0,
            "No module named 'redis_that_nobody_has'",
        ),
    ];
    for (code, after, words) in &cases {
        sandbox.commit("a crash", |repo| fs::write(repo.join("app.py"), code).unwrap());
        let refused = sandbox.bg(&["deploy"]);
        sandbox.assert_five(
            &refused,
            1,
            "blue did not pass the gate: its process ended",
            Color::Green,
        );
        refused.assert_says(words);
        refused.assert_says("flask-blue | ");
        let said = seconds_said(&refused.stderr);
        assert!((*after..after + 15.0).contains(&said), "{said} s: {refused}");
        assert!(refused.took < Duration::from_secs(60), "{refused}");
    }
    assert_eq!(cases.len(), 3);

    // What the slot held before runs there again.
    let status = sandbox.status();
    assert_eq!(status["rollback"]["state"], "ready", "{status}");
    let rollback = sandbox.bg(&["rollback"]);
    rollback.assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue), "{rollback}");
    assert!(sandbox.get("/").body.contains("Good day"), "{rollback}");
}

fn seconds_said(stderr: &str) -> f64 {
    let (_, rest) = stderr.split_once("its process ended ").unwrap();
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_gate_that_is_forced_is_on_record_and_a_dead_color_is_never_forced() {
    let sandbox = Sandbox::deployed_with(impatient);
    sandbox.commit_edit("unwell", HEALTHY, "return \"unwell\", 500");
    let reason = "the database is read-only tonight";
    let forced = sandbox.bg(&["deploy", "--force-gate", reason]);
    forced.assert_code(0).assert_says(reason);
    forced.assert_says("500: the app failed, it said: unwell");
    assert_eq!(sandbox.live_color(), Some(Color::Green), "{forced}");
    let history = sandbox.bg(&["history"]);
    assert!(history.stdout.contains(reason), "{history}");

    sandbox.commit("dead", |repo| {
        let app = repo.join("app.py");
        let text = fs::read_to_string(&app).unwrap();
        fs::write(app, format!("raise SystemExit(\"not today\")\n{text}")).unwrap();
    });
    let refused = sandbox.bg(&["deploy", "--force-gate", reason]);
    sandbox.assert_five(&refused, 1, "not today", Color::Green);
}

#[test]
fn without_a_switch_the_release_waits_in_its_slot() {
    let sandbox = Sandbox::deployed();
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    let load = sandbox.load();
    let staged = sandbox.bg(&["deploy", "--no-switch"]);
    staged.assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue), "{staged}");
    assert_eq!(sandbox.link(), "blue");
    assert!(sandbox.get("/").body.contains("Good day"));
    let green = http::get(sandbox.slot_address(Color::Green), HOST, "/").unwrap();
    assert!(green.body.contains("Hello"));
    let switched = sandbox.bg(&["switch"]);
    switched.assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green), "{switched}");
    let count = load.stop();
    assert_eq!(count.failed, 0, "{count:?}");
    sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
}

fn executable(file: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A process of nobody's that answers 200 to everything.
struct Stranger {
    child: Child,
    address: SocketAddr,
}

impl Stranger {
    fn start(root: &Path, address: SocketAddr) -> Stranger {
        let program = root.join("stranger.py");
        fs::write(&program, include_str!("sandbox/stranger.py")).unwrap();
        let child = std::process::Command::new(python::interpreter())
            .arg(program)
            .arg(address.port().to_string())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let stranger = Stranger { child, address };
        wait_until(Duration::from_secs(20), "the stranger listens", || {
            stranger.answers()
        });
        stranger
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn answers(&self) -> bool {
        http::get(self.address, HOST, "/health").is_ok_and(|answer| answer.status == 200)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// It finds what the app finds, its Python and its secrets, and tells none of them.
#[test]
fn a_smoke_command_has_the_apps_environment_and_shuts_the_gate() {
    let sandbox = Sandbox::deployed();
    let smoke = |script: &str| {
        let command = format!("python -c '{script}'");
        sandbox.configure(|config| set(config, "gate", "smoke", command));
        sandbox.bg(&["deploy"])
    };
    let refused = smoke("import flask, os, sys; sys.exit(os.environ[\"SHOP_SECRET\"] + \" is not enough\")");
    sandbox.assert_five(&refused, 1, "`gate.smoke` failed", Color::Blue);
    refused.assert_says("[SHOP_SECRET] is not enough");
    assert!(!refused.stderr.contains(SECRET), "{refused}");
    let passed = smoke("import flask, os; assert os.environ[\"BG_COLOR\"] == \"green\"");
    passed.assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
}
