//! Programs of the app's owner, and the terminal of root, who typed the command.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::sandbox::shared::{OWNER, Shared};
use crate::sandbox::{again, set};

/// Puts a program where the owner's programs find it.
fn put(shared: &Shared, name: &str, text: &str) -> PathBuf {
    let file = shared.sandbox.root().join("home").join(name);
    fs::write(&file, text).unwrap();
    shared.give(&file);
    file
}

struct Attack {
    operator: PathBuf,
    typist: PathBuf,
    report: PathBuf,
    seen: PathBuf,
}

impl Attack {
    fn ready(shared: &Shared) -> Attack {
        Attack {
            operator: put(shared, "screen.py", include_str!("screen.py")),
            typist: put(shared, "typist.py", include_str!("typist.py")),
            report: shared.sandbox.root().join("home/report"),
            seen: shared.sandbox.root().join("seen"),
        }
    }

    fn line(&self) -> String {
        format!("python3 {} {}", self.typist.display(), self.report.display())
    }

    /// Root, at a terminal; what the terminal has to tell afterwards.
    fn at_a_terminal(&self, shared: &Shared, user: &str, typed: &str, command: &[&str]) -> Value {
        fs::remove_file(&self.report).ok();
        let (program, command) = ([shared.program()], &again(command)[..]);
        let operator = [
            "python3",
            self.operator.to_str().unwrap(),
            self.seen.to_str().unwrap(),
            typed,
        ];
        let lent = user != "root";
        let as_user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        let as_user: &[&str] = if lent { &as_user } else { &[] };
        let line = [&operator[..], as_user, &program, command].concat();
        let output = shared.command_as("root", &line).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        serde_json::from_slice(&fs::read(&self.seen).unwrap()).unwrap()
    }

    fn found(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.report).expect("the attacker's program ran");
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Nothing was typed into the terminal, and no program of the owner's had it.
    #[track_caller]
    fn assert_kept(&self, seen: &Value) {
        assert_eq!(seen["arrived"], "", "it was typed into root's terminal: {seen}");
        for found in self.found() {
            assert_ne!(found["tty_nr"], seen["nr"], "{found} {seen}");
            let terminals = found["terminals"].as_object().unwrap();
            let theirs = seen["terminal"].as_str().unwrap();
            assert!(!terminals.contains_key(theirs), "{found} {seen}");
            if found["tty_nr"] == 0 {
                assert_ne!(found["dev_tty"], "typed", "{found}");
            }
        }
    }
}

fn hooked(shared: &Shared, line: &str) {
    shared.sandbox.configure(|config| {
        for moment in ["before_build", "before_switch", "after_switch"] {
            set(config, "hooks", moment, line);
        }
        set(config, "gate", "smoke", line);
        // Who root becomes has no home that uv could keep anything in.
        set(config, "python", "installer", "pip");
    });
}

#[test]
fn nothing_that_a_deploy_starts_can_type_into_roots_terminal() {
    let Some(shared) = Shared::new() else { return };
    let attack = Attack::ready(&shared);
    hooked(&shared, &attack.line());
    shared.bg_as("root", &["setup"]).assert_code(0);
    let seen = attack.at_a_terminal(&shared, "root", "", &["deploy"]);
    assert_eq!(seen["code"], 0, "{seen}");
    assert!(attack.found().len() >= 4, "{:?}", attack.found());
    attack.assert_kept(&seen);
    for found in attack.found() {
        assert_eq!(found["tty_nr"], 0, "{found}");
        assert_eq!(found["dev_tty"], "No such device or address", "{found}");
    }
    // The terminal is no one's of the ones that go on, either.
    for (pid, command) in crate::sandbox::processes::of(shared.sandbox.root()) {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let number = stat
            .rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(4));
        assert_ne!(
            number.map(str::to_owned),
            Some(seen["nr"].to_string()),
            "{command}"
        );
    }
    // As `sudo -u` lends a terminal.
    let seen = attack.at_a_terminal(&shared, OWNER, "", &["deploy"]);
    assert_eq!(seen["code"], 0, "{seen}");
    attack.assert_kept(&seen);
}

fn code(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn what_exec_runs_has_a_terminal_of_its_own_or_none() {
    let Some(shared) = Shared::deployed() else { return };
    let attack = Attack::ready(&shared);
    let (typist, report) = (code(&attack.typist), code(&attack.report));
    let typist = ["exec", "blue", "--", "python3", &typist, &report];
    for user in ["root", OWNER] {
        let seen = attack.at_a_terminal(&shared, user, "", &typist);
        assert_eq!(seen["code"], 0, "{seen}");
        attack.assert_kept(&seen);
        assert_eq!(seen["restored"], true, "{seen}");
        let found = attack.found();
        assert_ne!(found[0]["tty_nr"], 0, "it has one: {found:?}");
        // With every stream elsewhere, and the terminal only the session's.
        let seen = attack.at_a_terminal(&shared, user, "-", &typist);
        assert_eq!(seen["code"], 0, "{seen}");
        attack.assert_kept(&seen);
        assert_eq!(attack.found()[0]["tty_nr"], 0, "{seen}");
    }

    // And it is a terminal that works: a line is read, the end of the input, a code, a size.
    let script = "import os, sys; print('ready'); print('got', input()); print(sys.stdin.read() == ''); print(os.isatty(0)); sys.exit(7)";
    let line = ["exec", "blue", "--", "python3", "-c", script];
    let seen = attack.at_a_terminal(&shared, "root", "hello\\r\\x04", &line);
    assert_eq!(seen["code"], 7, "{seen}");
    assert_eq!(seen["restored"], true, "{seen}");
    let shown = seen["shown"].as_str().unwrap();
    assert!(
        shown.contains("got hello") && shown.contains("True\r\nTrue"),
        "{seen}"
    );

    // A signal to it is the program's, which ends by it; the terminal is as it was.
    let seen = attack.at_a_terminal(
        &shared,
        "root",
        "",
        &["exec", "blue", "--", "sh", "-c", "kill -TERM $$"],
    );
    assert_eq!(seen["code"], 143, "{seen}");
    assert_eq!(seen["restored"], true, "{seen}");
    let seen = attack.at_a_terminal(
        &shared,
        "root",
        "\\x03",
        &["exec", "blue", "--", "sh", "-c", "echo ready; exec sleep 600"],
    );
    assert_eq!(seen["code"], 130, "{seen}");
    assert_eq!(seen["restored"], true, "{seen}");
}

#[test]
fn a_worker_that_is_run_by_hand_has_a_terminal_of_its_own() {
    let Some(shared) = Shared::new() else { return };
    let attack = Attack::ready(&shared);
    let body = format!(
        "import os, signal, subprocess\nsubprocess.run({:?}.split())\nif not os.isatty(0): signal.pause()\n",
        attack.line()
    );
    let worker = put(&shared, "worker.py", &body);
    shared.sandbox.configure(|config| {
        let line = format!("/usr/bin/python3 {}", worker.display());
        let mut one: toml::Table = "name = 'sync'\nhandover = 'overlap'".parse().unwrap();
        one.insert("run".into(), line.into());
        config.insert("worker".into(), toml::Value::Array(vec![one.into()]));
    });
    shared.bg_as("root", &["setup"]).assert_code(0);
    shared.bg_as(OWNER, &["deploy"]).assert_code(0);
    for user in ["root", OWNER] {
        let seen = attack.at_a_terminal(&shared, user, "", &["worker", "run", "sync"]);
        assert_eq!(seen["code"], 0, "{seen}");
        attack.assert_kept(&seen);
        assert_eq!(seen["restored"], true, "{seen}");
        let found = attack.found();
        assert_ne!(found[0]["tty_nr"], 0, "it has one: {found:?}");
    }
}
