//! The engine as a client sees it: one request in, lines out.

use std::io::Write;
use std::process::{ChildStdin, Stdio};

use bluegreen::model::color::Color;
use bluegreen::model::wire::PROTOCOL;
use serde_json::{Value, json};

use crate::sandbox::outcome::{Outcome, Running};
use crate::sandbox::{APP, Sandbox, repo};

/// Starts an engine; what is written to the pipe is all that it hears.
fn engine(sandbox: &Sandbox) -> (ChildStdin, Running) {
    let mut command = sandbox.bg_command(&["engine"]);
    command.stdin(Stdio::piped());
    let mut running = Running::start(command, &["engine"]);
    (running.stdin(), running)
}

/// Asks for one thing, with the line open until the engine ends.
fn ask(sandbox: &Sandbox, request: &Value) -> (Outcome, Vec<Value>) {
    let (mut stdin, running) = engine(sandbox);
    writeln!(stdin, "{request}").unwrap();
    let outcome = running.wait();
    drop(stdin);
    let said = outcome.json();
    assert_eq!(said[0]["hello"]["protocol"], PROTOCOL, "{outcome}");
    (outcome, said)
}

fn failure(said: &[Value]) -> &Value {
    &said.last().unwrap()["failure"]
}

#[test]
fn a_request_that_saw_something_else_live_is_refused_and_so_is_one_that_comes_twice() {
    let sandbox = Sandbox::deployed_with(|config| {
        crate::sandbox::set(config, "drain", "quiet", "0s");
    });
    let first = sandbox.live_release();
    sandbox.commit("Second", |repo| std::fs::write(repo.join("note"), "2").unwrap());
    sandbox.bg(&["deploy"]).assert_code(0);
    let second = sandbox.live_release();
    let switch = json!({
        "app": APP,
        "verb": {"switch": {"color": null, "reconcile": null, "patience": {"wait": null}}},
        "expected": {"live": second},
    });
    let (outcome, said) = ask(&sandbox, &switch);
    outcome.assert_code(0);
    assert_eq!(
        said.last().unwrap()["answer"]["answer"]["deployed"]["switched"],
        true
    );
    assert_eq!(sandbox.live_color(), Some(Color::Blue));

    let journal = std::fs::read(sandbox.app_root().join("state/journal.jsonl")).unwrap();
    let (outcome, said) = ask(&sandbox, &switch);
    sandbox.assert_five(&outcome, 1, "", Color::Blue);
    let what = failure(&said)["what"].as_str().unwrap();
    assert_eq!(
        what,
        format!("the live release changed from {second} to {first} after this command was issued")
    );
    let after = std::fs::read(sandbox.app_root().join("state/journal.jsonl")).unwrap();
    assert_eq!(journal, after, "a refused request is no run");
}

#[test]
fn a_request_that_makes_no_sense_is_told_so() {
    let sandbox = Sandbox::new();
    let table = [
        ("nonsense", 2, "the request cannot be parsed"),
        (
            "{\"verb\": {\"fly\": {}}}",
            2,
            "the engine on the host does not know this command",
        ),
        ("", 2, "the request cannot be parsed"),
    ];
    let mut tried = 0;
    for (line, code, what) in table {
        let (mut stdin, running) = engine(&sandbox);
        writeln!(stdin, "{line}").unwrap();
        let outcome = running.wait();
        outcome.assert_code(code);
        assert_eq!(failure(&outcome.json())["what"], what, "{outcome}");
        tried += 1;
    }
    assert_eq!(tried, 3);

    let (mut stdin, running) = engine(&sandbox);
    let long = vec![b'x'; 2 << 20];
    stdin.write_all(&long).ok();
    drop(stdin);
    let outcome = running.wait();
    outcome.assert_code(2);
    assert_eq!(
        failure(&outcome.json())["what"],
        "the request is longer than a megabyte"
    );

    let (stdin, running) = engine(&sandbox);
    drop(stdin);
    running.wait().assert_code(2);
}

#[test]
fn what_came_of_a_request_is_told_to_whoever_has_its_id() {
    let sandbox = Sandbox::deployed();
    let (_, said) = ask(
        &sandbox,
        &json!({"app": APP, "verb": {"rollback": {"to": null, "patience": {"wait": null}}}, "request_id": "20261125T000000Z-x"}),
    );
    let asked = |request_id: &str| {
        let (outcome, said) = ask(
            &sandbox,
            &json!({"app": APP, "verb": {"outcome": {"request_id": request_id}}}),
        );
        (outcome, failure(&said).clone())
    };
    let (outcome, told) = asked("20261125T000000Z-x");
    outcome.assert_code(1);
    assert_eq!(&told, failure(&said));
    assert_eq!(told["what"], "cannot tell what to roll back to");
    let (outcome, told) = asked("20261125T000000Z-y");
    outcome.assert_code(1);
    assert_eq!(
        told["what"],
        "the request was not carried out: the connection was lost before it began"
    );
    assert_eq!(told["traffic"]["live"]["color"], "blue");
}

#[test]
fn an_engine_whose_client_goes_away_before_traffic_moves_undoes_what_it_did() {
    let sandbox = Sandbox::deployed_with(|config| {
        crate::sandbox::set(config, "drain", "quiet", "0s");
    });
    let applied = sandbox.app_root().join("bg.toml");
    repo::replace(&applied, "soak = \"0s\"", "soak = \"1m\"");
    let (mut stdin, running) = engine(&sandbox);
    let deploy = json!({"app": APP, "verb": {"deploy": {
        "reference": null, "no_switch": false, "plan": false, "force_gate": null, "patience": {"wait": null},
    }}});
    writeln!(stdin, "{deploy}").unwrap();
    crate::sandbox::wait::wait_until(std::time::Duration::from_secs(60), "green answers", || {
        std::net::TcpStream::connect(sandbox.slot_address(Color::Green)).is_ok()
    });
    drop(stdin);
    let outcome = running.wait();
    sandbox.assert_five(&outcome, 130, "", Color::Blue);
    assert_eq!(
        failure(&outcome.json())["what"],
        "interrupted by a lost connection before traffic moved"
    );
    let status = sandbox.status();
    assert_eq!(status["slots"][1]["health"]["state"], "empty", "{status}");
}
