//! The same, where all that runs prints the secrets in every form that programs give them.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use super::files_with;
use crate::hooks::script;
use crate::sandbox::outcome::Outcome;
use crate::sandbox::{SECRET, Sandbox, processes, python, set};
use crate::worker::scene::{add, worker};

/// With all that has to be escaped somewhere.
const OTHERS: [(&str, &str); 3] = [
    ("SHOP_PASSWORD", "p4 <&ss>/+%\"wörd\"=?"),
    ("SHOP_URL", "postgres://shop:hunter2hunter2@db.internal/shop"),
    ("SHOP_PIN", "84z1"),
];

const SHOUT: &str = include_str!("shout.py");

/// Each form of each secret, as Python writes them.
fn forms() -> BTreeSet<String> {
    let output = Command::new(python::interpreter())
        .args(["-c", SHOUT, SECRET, "hunter2hunter2"])
        .args(OTHERS.map(|(_, value)| value))
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn shouting(sandbox: &Sandbox, healthy: bool, worker: &str) {
    sandbox.commit("it shouts", |repo| {
        fs::write(repo.join("shout.py"), SHOUT).unwrap();
        fs::write(repo.join("work.py"), worker).unwrap();
        let app = fs::read_to_string(repo.join("app.py")).unwrap();
        let status = if healthy { 200 } else { 500 };
        let (before, _) = app.split_once("# shouting\n").unwrap_or((&app, ""));
        let shouts = format!(
            "# shouting\nimport sys\nfrom shout import shout\nsys.argv = sys.argv[:1]\n\
             print(*shout(), sep='\\n', flush=True)\nprint(*shout(), sep='\\n', file=sys.stderr, flush=True)\n\
             app.view_functions['health'] = lambda: ('; '.join(shout()), {status})\n"
        );
        fs::write(repo.join("app.py"), before.to_owned() + &shouts).unwrap();
    });
}

#[test]
fn no_form_of_a_secret_is_in_what_is_printed_kept_or_passed_on() {
    let sandbox = Sandbox::deployed_with(|config| set(config, "gate", "timeout", "6s"));
    let env = sandbox.app_root().join("shared/app.env");
    let mut lines = fs::read_to_string(&env).unwrap();
    for (name, value) in OTHERS {
        lines.push_str(&format!("{name}='{value}'\n"));
    }
    fs::write(&env, lines).unwrap();
    let shout = sandbox.root().join("scripts/shout.py");
    fs::create_dir_all(shout.parent().unwrap()).unwrap();
    fs::write(&shout, SHOUT).unwrap();
    let says = format!("{} {}", python::interpreter().display(), shout.display());
    let loud = script(&sandbox, "loud", &format!("{says}\n{says} >&2"));
    let fails = script(&sandbox, "fails", &format!("{says}\n{says} >&2\nexit 3"));
    let mut said: Vec<Outcome> = Vec::new();

    // The gate refuses, after hooks and a migration that talk.
    sandbox.configure(|config| {
        for hook in [
            "before_build",
            "after_build",
            "before_switch",
            "after_switch",
            "on_failure",
        ] {
            set(config, "hooks", hook, loud.as_str());
        }
        set(config, "migrate", "run", loud.as_str());
    });
    shouting(&sandbox, false, "");
    said.push(sandbox.bg(&["deploy"]).assert_code(1).clone());
    said.push(sandbox.bg(&["deploy", "--json"]).assert_code(1).clone());
    // The migration fails.
    sandbox.configure(|config| set(config, "migrate", "run", fails.as_str()));
    said.push(sandbox.bg(&["deploy"]).assert_code(1).clone());
    // A worker that does not start, after traffic has moved.
    sandbox.configure(|config| {
        set(config, "migrate", "run", loud.as_str());
        add(config, worker("sync", ""));
    });
    shouting(
        &sandbox,
        true,
        "import shout, sys\nprint(*shout.shout(), sep='\\n', flush=True)\nsys.exit(3)\n",
    );
    said.push(sandbox.bg(&["deploy"]).assert_code(6).clone());
    // A hook fails, in JSON.
    sandbox.configure(|config| set(config, "hooks", "before_build", fails.as_str()));
    said.push(sandbox.bg(&["deploy", "--json"]).assert_code(1).clone());

    for color in ["blue", "green"] {
        let logs = sandbox.bg(&["logs", color, "-n", "1000"]);
        said.push(logs);
    }
    assert!(
        said.iter()
            .any(|outcome| outcome.stdout.contains("[SHOP_PASSWORD]")),
        "nobody shouted"
    );
    said.push(sandbox.bg(&["logs", "green", "-n", "1000", "--json"]));
    said.push(sandbox.bg(&["logs", "--worker", "sync"]));
    for args in [
        &["status"][..],
        &["status", "--json"],
        &["history"],
        &["history", "--json"],
        &["check"],
    ] {
        said.push(sandbox.bg(args));
    }
    let runs = fs::read_dir(sandbox.app_root().join("state/runs"))
        .unwrap()
        .flatten();
    for run in runs {
        let run = run.file_name().to_str().unwrap().replace(".ndjson", "");
        said.push(sandbox.bg(&["history", &run]));
        said.push(sandbox.bg(&["history", &run, "--json"]));
    }
    said.push(sandbox.pm2(&["jlist"]));
    let commands = processes::of(sandbox.root());
    let forms = Vec::from_iter(forms());
    for form in &forms {
        for outcome in &said {
            assert!(!outcome.stdout.contains(form), "{form}: {outcome}");
            assert!(!outcome.stderr.contains(form), "{form}: {outcome}");
        }
        for (pid, command) in &commands {
            assert!(!command.contains(form), "{form}: {pid}: {command}");
        }
    }
    // The file itself, its copies, and the app's own log, which is the app's.
    let mut holding = files_with(sandbox.root(), &forms);
    let root = sandbox.app_root();
    let own = [root.join("envs"), root.join("logs"), root.join("shared/app.env")];
    assert!(holding.contains(&own[2]), "{holding:?}");
    holding.retain(|file| !own.iter().any(|own| file.starts_with(own)));
    assert!(holding.is_empty(), "{holding:?}");
}
