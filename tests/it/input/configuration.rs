//! bg.toml and the command line: what is wrong is shown where it is.

use bluegreen::model::color::Color;

use crate::sandbox::{Sandbox, set};

#[test]
fn a_bg_toml_with_a_mistake_is_shown_with_a_caret_and_nothing_is_done() {
    let sandbox = Sandbox::deployed();
    let good = std::fs::read_to_string(sandbox.config()).unwrap();
    let broken = good.replace("soak = \"0s\"", "soak = \"0 parsecs\"");
    let line = 1 + broken.lines().position(|line| line.contains("parsecs")).unwrap();
    std::fs::write(sandbox.config(), &broken).unwrap();
    for verb in ["deploy", "setup", "check", "switch", "status"] {
        let outcome = sandbox.bg(&[verb]);
        sandbox.assert_five(&outcome, 3, &format!("bg.toml:{line}:"), Color::Blue);
        outcome.assert_says("0 parsecs").assert_says("^");
    }
    std::fs::write(sandbox.config(), good.replace("[gate]", "[gaet]")).unwrap();
    let outcome = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&outcome, 3, "`gate`", Color::Blue);
    std::fs::write(sandbox.config(), "app = \"shop\nroot = 1\n").unwrap();
    let outcome = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&outcome, 3, "bg.toml:1:", Color::Blue);
    // The host's own copy is what counts where the broken one is not at hand.
    let outcome = sandbox.bg(&["--app", "shop", "status"]);
    outcome.assert_code(0);
}

#[test]
fn a_change_of_what_setup_prepares_is_not_deployed_but_set_up() {
    let sandbox = Sandbox::deployed();
    sandbox.configure(|config| {
        let names: Vec<toml::Value> = vec!["shop.test".into(), "www.shop.test".into()];
        set(config, "nginx", "server_names", names);
    });
    let outcome = sandbox.bg(&["deploy"]);
    sandbox.assert_five(
        &outcome,
        3,
        "bg.toml has changes that `bluegreen setup` must apply",
        Color::Blue,
    );
    outcome
        .assert_says("`nginx.server_names`")
        .assert_says("hint: `bluegreen setup` applies them; then deploy again");
    sandbox.bg(&["deploy", "--plan"]).assert_code(3);
    sandbox.bg(&["setup"]).assert_code(0);
    let site = std::fs::read_dir(sandbox.front.sites()).unwrap().flatten();
    let written = site
        .filter_map(|file| std::fs::read_to_string(file.path()).ok())
        .any(|text| text.contains("www.shop.test"));
    assert!(written, "NGINX knows the new name");
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
}

#[test]
fn what_is_typed_wrong_is_a_usage_error_and_what_is_not_there_a_configuration_error() {
    let sandbox = Sandbox::new();
    let mut tried = 0;
    for (args, says) in [
        (vec!["frobnicate"], "frobnicate"),
        (vec!["deploi"], "deploy"),
        (vec!["deploy", "--frob"], "--frob"),
        (vec!["switch", "purple"], "purple"),
        (vec!["maintenance"], "<STATE>"),
        (vec!["exec", "blue"], "COMMAND"),
        (vec!["rollback", "--to", "yesterday"], "yesterday"),
        (vec!["deploy", "--wait=soon"], "soon"),
        (vec![], "Usage"),
    ] {
        let outcome = sandbox.bg(&args);
        outcome.assert_code(2).assert_says(says);
        assert_eq!(outcome.stdout, "", "stdout is for answers: {outcome}");
        tried += 1;
    }
    assert_eq!(tried, 9);
    let nothing_set_up = sandbox.bg(&["deploy"]);
    nothing_set_up
        .assert_code(3)
        .assert_says("no app `shop` is set up on this host");
    nothing_set_up.assert_says("hint: `bluegreen setup` sets up what bg.toml describes");
    std::fs::remove_file(sandbox.config()).unwrap();
    for verb in ["setup", "check"] {
        let outcome = sandbox.bg(&[verb]);
        outcome
            .assert_code(3)
            .assert_says("this folder has no bg.toml")
            .assert_says("`bluegreen init`");
    }
    let outcome = sandbox.bg(&["deploy"]);
    outcome
        .assert_code(3)
        .assert_says("no app is set up on this host")
        .assert_says("hint: `bluegreen init`, then");
    assert!(
        !outcome.stderr.contains("--app"),
        "there is no app to name: {outcome}"
    );
    let outcome = sandbox.bg(&["--config", "other.toml", "deploy"]);
    outcome.assert_code(3).assert_says("`other.toml` cannot be read");
}

#[test]
fn an_app_that_is_not_there_is_named_beside_those_that_are() {
    let sandbox = Sandbox::deployed();
    for args in [
        ["--app", "shopp", "deploy"],
        ["--app", "shopp", "status"],
        ["--app", "shopp", "rollback"],
    ] {
        let outcome = sandbox.bg(&args);
        sandbox.assert_five(
            &outcome,
            3,
            "no app `shopp` is set up on this host (there is shop)",
            Color::Blue,
        );
        outcome.assert_says("and `--app NAME` chooses one");
    }
    // On the host, with nothing at hand, the only app there is needs no name.
    std::fs::remove_file(sandbox.config()).unwrap();
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
}
