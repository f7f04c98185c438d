//! Deploys that cannot be made: each is refused before traffic moves.

use std::net::TcpListener;

use bluegreen::model::color::Color;
use toml::{Table, Value};

use crate::sandbox::outcome::Outcome;
use crate::sandbox::ports::Port;
use crate::sandbox::{Sandbox, set};

/// Deploys with a changed bg.toml, which must be refused; puts bg.toml back.
fn refused(
    sandbox: &Sandbox,
    args: &[&str],
    code: i32,
    says: &[&str],
    change: impl FnOnce(&mut Table),
) -> Outcome {
    let before = std::fs::read(sandbox.config()).unwrap();
    sandbox.configure(change);
    let outcome = sandbox.bg(args);
    std::fs::write(sandbox.config(), before).unwrap();
    sandbox.assert_five(&outcome, code, "error: ", Color::Blue);
    for text in says {
        outcome.assert_says(text);
    }
    assert!(
        !outcome.stderr.contains("builder error") && !outcome.stderr.contains("Err("),
        "words of the machine in {outcome}"
    );
    outcome
}

fn words(list: &[&str]) -> Value {
    Value::Array(
        list.iter()
            .map(|word| Value::String((*word).to_owned()))
            .collect(),
    )
}

#[test]
fn a_source_that_cannot_be_had_is_named() {
    let sandbox = Sandbox::deployed();
    let unchanged = "traffic: unchanged, blue (";
    let near = "`mian` is not a branch, tag or commit of the repository, did you mean `main`?";
    refused(&sandbox, &["deploy", "mian"], 1, &[near, unchanged], |_| {});
    let option = "`-x` is not a branch, tag or commit of the repository";
    refused(&sandbox, &["deploy", "--", "-x"], 1, &[option, unchanged], |_| {});
    let nowhere = sandbox.root().join("nowhere.git");
    let nowhere = nowhere.to_str().unwrap();
    let fetched = "error: the repository was not fetched";
    refused(
        &sandbox,
        &["deploy"],
        1,
        &[
            fetched,
            "does not appear to be a git repository",
            "hint: `source.git` in bg.toml names it, and `",
            unchanged,
        ],
        |config| {
            set(config, "source", "git", nowhere);
        },
    );
    let closed = Port::free().number();
    let url = format!("ssh://git@127.0.0.1:{closed}/shop.git");
    refused(
        &sandbox,
        &["deploy"],
        1,
        &[fetched, &url, "Connection refused", unchanged],
        |config| {
            set(config, "source", "git", url.as_str());
        },
    );
    refused(
        &sandbox,
        &["deploy"],
        1,
        &[
            "there is no folder `backend` in commit `",
            "see `source.folder`",
            unchanged,
        ],
        |config| set(config, "source", "folder", "backend"),
    );
    sandbox.bg(&["deploy"]).assert_code(0);
}

#[test]
fn packages_that_cannot_be_had_are_named() {
    let sandbox = Sandbox::deployed();
    let unchanged = "traffic: unchanged, blue (";
    sandbox.commit("a package of nobody's", |repo| {
        std::fs::write(
            repo.join("impossible.txt"),
            "--no-index\nno-such-package-of-ours==1\n",
        )
        .unwrap();
    });
    let failed = [
        "the packages of `python.requirements` do not install with `",
        "no-such-package-of-ours",
        unchanged,
    ];
    for installer in ["pip", "auto"] {
        refused(&sandbox, &["deploy"], 1, &failed, |config| {
            set(config, "python", "requirements", words(&["impossible.txt"]));
            set(config, "python", "installer", installer);
        });
    }
    let missing = "there is no `missing.txt`, see `python.requirements`";
    refused(&sandbox, &["deploy"], 1, &[missing, unchanged], |config| {
        set(config, "python", "requirements", words(&["missing.txt"]));
    });
    let python = "there is no `python9.9` on this host, see `python.version`";
    refused(&sandbox, &["deploy"], 1, &[python, unchanged], |config| {
        set(config, "python", "version", "python9.9");
    });
    let releases = sandbox.bg(&["releases"]);
    assert_eq!(
        releases.stdout.lines().count(),
        1,
        "what was refused is no release: {releases}"
    );
    for folder in ["releases", "venvs"] {
        let left: Vec<_> = std::fs::read_dir(sandbox.app_root().join(folder))
            .unwrap()
            .flatten()
            .collect();
        assert_eq!(left.len(), 1, "nothing is left of a refused deploy: {left:?}");
    }
    sandbox.bg(&["deploy"]).assert_code(0);
}

#[test]
fn an_app_that_cannot_start_is_stopped_and_shown() {
    let sandbox = Sandbox::deployed();
    let unchanged = "traffic: unchanged, blue (";
    let nonesuch = [
        "bin/nonesuch` cannot be started in ",
        "is it in the requirements",
        unchanged,
    ];
    refused(&sandbox, &["deploy"], 1, &nonesuch, |config| {
        set(
            config,
            "process",
            "run",
            "{{ venv }}/bin/nonesuch --port {{ port }}",
        );
    });
    let squatter = TcpListener::bind(sandbox.slot_address(Color::Green)).unwrap();
    let port = squatter.local_addr().unwrap().port();
    let taken = format!("port {port} of green is taken by ");
    refused(
        &sandbox,
        &["deploy"],
        1,
        &[&taken, "give green another port in `process.ports`", unchanged],
        |_| {},
    );
    assert!(
        TcpListener::bind(sandbox.slot_address(Color::Green)).is_err(),
        "the squatter is left alone"
    );
    drop(squatter);
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
}
