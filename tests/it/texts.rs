//! What each command says, whole, as a person reads it: a page a command in `texts/`. A hint
//! that is a command is typed as it stands there, in the state in which it is shown.
//!
//! `INSTA_UPDATE=always cargo test --features faults --test it texts` writes the pages anew;
//! read every one that changed.

mod adopting;
mod checks;
mod daily;
mod redacted;

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bluegreen::model::color::Color;
use nix::unistd::Uid;

use crate::recovery::scene::{Held, Told, slot};
use crate::sandbox::outcome::Outcome;
use crate::sandbox::ports::Port;
use crate::sandbox::shared::{OWNER, Shared};
use crate::sandbox::{Sandbox, repo, set};

/// The pages of one sandbox, in the order in which they were begun.
#[derive(Default)]
struct Book {
    pages: Vec<(&'static str, String)>,
    /// What the last command said.
    said: String,
}

impl Book {
    /// Begins a page, or goes on with it.
    fn page(&mut self, name: &'static str) {
        let at = self.pages.iter().position(|(known, _)| *known == name);
        let page = at.map_or((name, String::new()), |at| self.pages.remove(at));
        self.pages.push(page);
    }

    /// Says on the page what is so when the next command is typed.
    fn when(&mut self, what: &str) {
        let page = self.last_page();
        writeln!(page, "# {what}").unwrap();
    }

    /// Types a command, and writes down what it says.
    fn types(&mut self, sandbox: &Sandbox, line: &str) -> Outcome {
        self.types_of(sandbox, line, |_| true)
    }

    /// The same where only some of the lines are the same on every machine.
    fn types_of(&mut self, sandbox: &Sandbox, line: &str, keep: impl FnMut(&str) -> bool) -> Outcome {
        let words = shlex::split(line).unwrap();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let output = sandbox.bg_as_typed(&words).output().unwrap();
        let outcome = Outcome::new(&words, &output, std::time::Duration::ZERO);
        self.writes_down(sandbox, line, &outcome, keep);
        outcome
    }

    /// Writes down what a command has said.
    fn writes_down(
        &mut self,
        sandbox: &Sandbox,
        line: &str,
        outcome: &Outcome,
        mut keep: impl FnMut(&str) -> bool,
    ) {
        self.said = format!("{}{}", outcome.stderr, outcome.stdout);
        let mut text = format!("$ bluegreen {line}\n");
        for line in self.said.lines().filter(|line| keep(line)) {
            writeln!(text, "{line}").unwrap();
        }
        if let Some(code) = outcome.code.filter(|code| *code != 0) {
            writeln!(text, "exit code {code}").unwrap();
        }
        text.push('\n');
        let text = redacted::redacted(sandbox, &text);
        self.last_page().push_str(&text);
    }

    /// Types a command that the last one has hinted at, as it was printed.
    #[track_caller]
    fn follows(&mut self, sandbox: &Sandbox, line: &str) -> Outcome {
        self.assert_hinted(&format!("bluegreen {line}"));
        self.types(sandbox, line)
    }

    /// The last command has named this one in backticks.
    #[track_caller]
    fn assert_hinted(&self, command: &str) {
        let hint = format!("`{command}`");
        assert!(self.said.contains(&hint), "no {hint} in:\n{}", self.said);
    }

    fn last_page(&mut self) -> &mut String {
        &mut self.pages.last_mut().unwrap().1
    }

    /// Compares every page; which of them differ is said of all.
    fn compare(self) {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("texts");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let mut differing = Vec::new();
        for (name, page) in self.pages {
            let compared = settings.bind(|| {
                catch_unwind(AssertUnwindSafe(|| {
                    insta::assert_snapshot!(name, page);
                }))
            });
            if compared.is_err() {
                differing.push(name);
            }
        }
        assert!(differing.is_empty(), "pages that differ: {differing:?}");
    }
}

#[test]
fn pages_of_an_app_from_its_setup_to_its_removal_are_as_checked_in() {
    let mut sandbox = Sandbox::new();
    let mut book = Book::default();
    setting_up(&mut book, &sandbox);
    deploying(&mut book, &sandbox);
    going_back(&mut book, &sandbox);
    looking(&mut book, &sandbox);
    daily::reading(&mut book, &sandbox);
    refused(&mut book, &sandbox);
    drifting(&mut book, &sandbox);
    daily::moving_data(&mut book, &sandbox);
    daily::working(&mut book, &sandbox);
    daily::to_and_fro(&mut book, &sandbox);
    let port = Port::free();
    daily::previewing(&mut book, &sandbox, &port);
    daily::sharing(&mut book, &sandbox);
    checks::finding(&mut book, &sandbox);
    nginx_is_down(&mut book, &mut sandbox);
    removing(&mut book, &sandbox);
    book.compare();
}

fn setting_up(book: &mut Book, sandbox: &Sandbox) {
    book.page("setup");
    let no_file = |line: &str| !line.starts_with(['+', '-', '@']);
    book.when("the files that it would write are left out");
    book.types_of(sandbox, "setup --plan", no_file).assert_code(0);
    book.follows(sandbox, "setup").assert_code(0);
    book.when("nothing has changed since");
    book.types(sandbox, "setup").assert_code(0);
    book.page("status");
    book.when("nothing is deployed yet");
    book.types(sandbox, "status").assert_code(0);
    book.assert_hinted("bluegreen deploy");
    book.page("history");
    book.when("no command has run yet");
    book.types(sandbox, "history").assert_code(0);
    book.page("releases");
    book.when("nothing is deployed yet");
    book.types(sandbox, "releases").assert_code(0);
    book.assert_hinted("bluegreen deploy");
}

fn deploying(book: &mut Book, sandbox: &Sandbox) {
    book.page("deploy");
    book.when("the first");
    book.types(sandbox, "deploy").assert_code(0);
    book.when("nothing new in the repository");
    book.types(sandbox, "deploy").assert_code(1);
    book.follows(sandbox, "deploy --again").assert_code(0);
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    book.when("a new commit");
    book.types(sandbox, "deploy --plan").assert_code(0);
    book.types(sandbox, "deploy").assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
}

fn going_back(book: &mut Book, sandbox: &Sandbox) {
    book.page("rollback");
    book.when("as the last deploy has hinted");
    book.follows(sandbox, "rollback").assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    book.when("the other color is what was rolled back");
    book.types(sandbox, "rollback").assert_code(1);
    book.page("switch");
    book.when("as the refused rollback has hinted");
    book.follows(sandbox, "switch blue").assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    book.assert_hinted("bluegreen history");
    book.assert_hinted("bluegreen rollback");
    book.when("blue is live already");
    book.types(sandbox, "switch blue");
    book.page("maintenance");
    book.types(sandbox, "maintenance on").assert_code(0);
    book.types(sandbox, "status").assert_code(0);
    book.types(sandbox, "maintenance off").assert_code(0);
}

fn looking(book: &mut Book, sandbox: &Sandbox) {
    book.page("status");
    book.when("blue is live, green is warm");
    book.types(sandbox, "status").assert_code(0);
    book.page("list");
    book.types(sandbox, "list").assert_code(0);
    book.page("releases");
    book.when("after three deploys");
    book.types(sandbox, "releases").assert_code(0);
    book.page("history");
    book.when("after three deploys, a rollback, a switch and maintenance");
    book.types(sandbox, "history").assert_code(0);
}

fn refused(book: &mut Book, sandbox: &Sandbox) {
    book.page("errors");
    book.when("a release that is not kept");
    book.types(sandbox, "rollback --to 1999").assert_code(1);
    book.follows(sandbox, "releases").assert_code(0);
    book.when("a run that is not known");
    book.types(sandbox, "history 1999").assert_code(1);
    book.follows(sandbox, "history").assert_code(0);
    book.when("a branch that is not there");
    book.types(sandbox, "deploy mian").assert_code(1);
    book.when("a word that is no color");
    book.types(sandbox, "switch red").assert_code(2);
    book.when("an option that is not there");
    book.types(sandbox, "deploy --forse").assert_code(2);
    book.when("an app that is not set up");
    book.types(sandbox, "status --app shopp").assert_code(3);
    book.assert_hinted("bluegreen setup");
    book.follows(sandbox, "list").assert_code(0);

    let written = fs::read_to_string(sandbox.config()).unwrap();
    fs::write(sandbox.config(), format!("{written}\n[gates]\nsoak = \"5s\"\n")).unwrap();
    book.when("a key of bg.toml with a mistake in it");
    book.types(sandbox, "deploy").assert_code(3);
    fs::write(sandbox.config(), &written).unwrap();
    sandbox.configure(|config| set(config, "nginx", "max_body_size", "20m"));
    book.when("a key of bg.toml that setup applies has changed");
    book.types(sandbox, "deploy").assert_code(3);
    // What a reload loses depends on NGINX's version.
    book.assert_hinted("bluegreen setup");
    sandbox.bg(&["setup"]).assert_code(0);

    sandbox.commit("a new start page", |_| ());
    sandbox.configure(|config| config["health"][0]["path"] = "/healthy".into());
    book.page("deploy");
    book.when("the health check asks for a path that the app does not have");
    let outcome = book.types_of(sandbox, "deploy", |line| !line.contains("flask-green | "));
    sandbox.assert_five(&outcome, 1, "green did not pass the gate", Color::Blue);
    book.assert_hinted("bluegreen logs green");
    sandbox.bg(&["logs", "green"]).assert_code(0);
    sandbox.configure(|config| config["health"][0]["path"] = "/health".into());

    book.page("errors");
    book.when("another deploy is under way");
    let gate = Held::gate(sandbox);
    let mut first = Told::start(sandbox, &["deploy"]);
    first.wait_for(&gate.mark);
    book.types(sandbox, "switch green").assert_code(4);
    assert!(book.said.contains("hint: `--wait`"), "{}", book.said);
    gate.let_go();
    first.wait().assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
}

/// What happens to an app behind the back of `bg`, and what puts it right.
fn drifting(book: &mut Book, sandbox: &Sandbox) {
    book.page("repair");
    book.when("all is well");
    book.types(sandbox, "repair --plan").assert_code(0);

    let link = sandbox.app_root().join("slots/green");
    let right = fs::read_link(&link).unwrap();
    let other = slot(sandbox, Color::Blue).unwrap();
    fs::remove_file(&link).unwrap();
    symlink(right.with_file_name(other.as_str()), &link).unwrap();
    book.when("somebody pointed the slot of green at another release");
    book.types(sandbox, "switch").assert_code(1);
    book.follows(sandbox, "repair").assert_code(0);
    assert_eq!(fs::read_link(&link).unwrap(), right);

    sandbox.pm2(&["stop", "flask-green"]).assert_code(0);
    book.page("status");
    book.when("somebody stopped the live color");
    book.types(sandbox, "status");
    assert!(book.said.contains("`bluegreen repair`"), "{}", book.said);
    book.page("repair");
    book.when("somebody stopped the live color");
    book.types(sandbox, "repair --plan").assert_code(0);
    book.follows(sandbox, "repair").assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
}

fn nginx_is_down(book: &mut Book, sandbox: &mut Sandbox) {
    sandbox.front.stop();
    book.page("errors");
    book.when("NGINX is down");
    book.types(sandbox, "switch").assert_code(7);
    book.assert_hinted("bluegreen check");
    checks::checked(book, sandbox, &["nginx runs"], 1);
    book.page("status");
    book.when("NGINX is down");
    book.types(sandbox, "status");
    sandbox.front.start_again();
}

fn removing(book: &mut Book, sandbox: &Sandbox) {
    book.page("remove");
    book.types(sandbox, "remove").assert_code(0);
    book.follows(sandbox, "remove --yes").assert_code(0);
    book.page("list");
    book.when("no app is set up");
    book.types(sandbox, "list").assert_code(0);
}

#[test]
fn pages_before_anything_is_set_up_are_as_checked_in() {
    let sandbox = Sandbox::new();
    let mut book = Book::default();
    book.page("init");
    fs::remove_file(sandbox.config()).unwrap();
    let desk = sandbox.root().join("desk");
    repo::create(&desk);
    repo::git(
        &desk,
        &["remote", "add", "origin", "git@example.com:me/web-shop.git"],
    );
    book.when("a folder without a bg.toml");
    book.types(&sandbox, "deploy").assert_code(3);
    book.follows(&sandbox, "init").assert_code(0);
    book.when("a bg.toml with a `?` in it");
    book.types(&sandbox, "setup").assert_code(3);
    book.when("a folder with a bg.toml");
    book.types(&sandbox, "init").assert_code(2);
    book.follows(&sandbox, "init --force").assert_code(0);
    book.page("unreachable");
    book.when("a host that has no address");
    book.types(&sandbox, "status --app shop --hosts no-such-host.invalid");
    book.compare();
}

#[test]
fn page_of_a_setup_without_root_is_as_checked_in() {
    if !Uid::effective().is_root() {
        eprintln!("not tried: an app of `{OWNER}` needs root");
        return;
    }
    let shared = Shared::new().unwrap();
    let mut book = Book::default();
    book.page("not-root");
    let outcome = shared.bg_as(OWNER, &["setup"]);
    outcome.assert_code(1);
    book.writes_down(&shared.sandbox, "setup", &outcome, |_| true);
    assert!(book.said.contains("hint: run it with sudo"), "{}", book.said);
    shared.sandbox.bg(&["setup"]).assert_code(0);
    book.compare();
}
