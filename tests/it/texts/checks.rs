//! Findings of `bg check`, each with the fault that it finds made on the host.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use bluegreen::model::color::Color;

use super::Book;
use crate::sandbox::{Sandbox, set};

/// What is looked at on the page. Other lines depend on the machine.
const SUBJECTS: &[&str] = &[
    "set-up",
    "environment file",
    "proof secret",
    "locks",
    "app server",
    "other ways",
    "file cache",
    "data",
    "privacy",
];

/// Makes many faults at once, and puts them right as the page says.
pub fn finding(book: &mut Book, sandbox: &Sandbox) {
    let root = sandbox.app_root();
    let secrets = root.join("shared/app.env");
    let right = fs::read_to_string(&secrets).unwrap();
    fs::write(&secrets, format!("{right}export\n")).unwrap();
    open_to_all(&secrets);
    open_to_all(&root.join("state/lock"));
    open_to_all(&root.join("state/proof-secret"));
    fs::set_permissions(root.join("repo.git"), Permissions::from_mode(0o755)).unwrap();
    let past = sandbox.front.sites().join("status.conf");
    let straight = format!(
        "server {{ listen {}; server_name status.test; open_file_cache max=10; location / {{ proxy_pass http://{}; }} }}\n",
        sandbox.address(),
        sandbox.slot_address(Color::Blue)
    );
    fs::write(&past, straight).unwrap();
    let written = fs::read_to_string(sandbox.config()).unwrap();
    sandbox.configure(|config| {
        let run =
            "{{ venv }}/bin/python -m gunicorn -b 127.0.0.1:{{ port }} --reload --max-requests 500 app:app";
        set(config, "process", "run", run);
        set(config, "nginx", "max_body_size", "30m");
    });
    book.page("check");
    book.when("much is wrong; what is right, or differs between machines, is left out");
    checked(book, sandbox, SUBJECTS, 1);
    fs::write(sandbox.config(), written).unwrap();
    fs::remove_file(past).unwrap();
    assert_eq!(typed(&book.said), 3, "{}", book.said);
    book.assert_hinted("bluegreen setup");
    sandbox.bg(&["setup"]).assert_code(0);
    book.when("each `chmod` and `bluegreen setup` were typed, bg.toml and that server are as they were");
    checked(book, sandbox, SUBJECTS, 1);
    fs::write(&secrets, right).unwrap();
    book.when("the environment file is as it was");
    checked(book, sandbox, SUBJECTS, 0);
}

/// Types `check`, and writes down what is not well among `subjects`.
pub fn checked(book: &mut Book, sandbox: &Sandbox, subjects: &[&str], code: i32) {
    let mut of_interest = false;
    let keep = |line: &str| wanted(line, subjects, &mut of_interest);
    book.types_of(sandbox, "check", keep).assert_code(code);
}

/// Types each command in backticks that a shell has.
fn typed(said: &str) -> usize {
    let commands = said.split('`').filter(|part| part.starts_with("chmod "));
    let mut count = 0;
    for command in commands {
        let done = Command::new("sh").args(["-c", command]).status().unwrap();
        assert!(done.success(), "{command}");
        count += 1;
    }
    count
}

fn open_to_all(file: &Path) {
    fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
}

/// A finding about one of `subjects` that is not well, and its fix below it.
fn wanted(line: &str, subjects: &[&str], of_interest: &mut bool) -> bool {
    if !line.starts_with(' ') {
        let subject = line.strip_prefix(['!', '✗']).unwrap_or_default();
        let subject = subject.split(':').next().unwrap_or_default().trim();
        *of_interest = subjects.contains(&subject);
    }
    *of_interest
}
