//! It is brought where there is none, and only there.

use bluegreen::model::wire::PROTOCOL;

use super::*;

#[test]
fn it_is_brought_once_named_by_its_hash_and_nobody_elses() {
    let afar = Afar::new(1);
    let server = &afar.servers[0];
    ask(&afar).assert_says(&brought());
    let program = fs::read(env!("CARGO_BIN_EXE_bluegreen")).unwrap();
    let folder = server.engines().join(hash(&program));
    assert_eq!(files(server), [format!("{}/bluegreen", hash(&program))]);
    let file = folder.join("bluegreen");
    assert!(fs::read(&file).unwrap() == program, "every byte of it is there");
    assert_eq!(mode(&server.engines()), 0o700);
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&file), 0o755);
    let before = [&server.engines(), &folder, &file].map(|path| identity(path));
    for args in [&["status"][..], &["history"], &["status", "--json"]] {
        let outcome = afar.bg(&[args, &["--app", "shop", "--hosts", "web1"]].concat());
        outcome.assert_code(3);
        assert!(!outcome.to_string().contains("installed on"), "{outcome}");
    }
    let after = [&server.engines(), &folder, &file].map(|path| identity(path));
    assert_eq!(before, after, "nothing is written a second time");
}

#[test]
fn programs_are_told_once_that_it_was_brought() {
    let afar = Afar::new(1);
    let outcome = afar.bg(&["status", "--json", "--app", "shop", "--hosts", "web1"]);
    let lines = outcome.assert_code(3).json();
    assert_eq!(lines.len(), 2, "{outcome}");
    assert_eq!(
        lines[0],
        serde_json::json!({
            "version": 1, "event": "noted", "notice": "engine_installed",
            "on": "web1", "engine": VERSION, "text": brought(),
        })
    );
    assert_eq!(lines[1]["result"], "failed");
}

#[test]
fn what_a_login_shell_prints_first_is_skipped() {
    let mut afar = Afar::new(1);
    // sshd takes the first ForceCommand that it reads.
    afar.servers[0].reopen(&[
        "ForceCommand for n in 1 2 3 4 5 6 7 8 9 10; do echo \"Welcome $n\"; done; \
         echo 'no mail' >&2; printf 'Last login: never '; \
         cd \"$HOME\" && eval \"exec $SSH_ORIGINAL_COMMAND\"",
    ]);
    ask(&afar).assert_says(&brought());
    let again = ask(&afar);
    assert!(!again.stderr.contains("Welcome"), "{again}");
    assert!(!again.stderr.contains("installed on"), "{again}");
    assert_eq!(again.stdout, "");
    // One that says nothing else is no way to an engine.
    afar.servers[0].reopen(&["ForceCommand echo Sorry, go away; exit 4"]);
    let outcome = afar.bg(&["status", "--app", "shop", "--hosts", "web1"]);
    outcome
        .assert_code(1)
        .assert_says("cannot start an engine on `web1`");
}

#[test]
fn an_installed_one_that_is_no_older_is_used() {
    let afar = Afar::new(1);
    let server = &afar.servers[0];
    let installed = server.install("bluegreen", "");
    fs::remove_file(&installed).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_bluegreen"), &installed).unwrap();
    let outcome = ask(&afar);
    assert!(!outcome.stderr.contains("installed on"), "{outcome}");
    assert!(!server.engines().exists());
    // One of a later version speaks for itself.
    let real = server.install("real", "");
    fs::rename(&installed, &real).unwrap();
    server.install(
        "bluegreen",
        &format!(
            "#!/bin/sh\necho '{{\"hello\":{{\"protocol\":{PROTOCOL},\"version\":\"99.0.0\"}}}}'\n\
             {} \"$@\" | sed -u 1d\n",
            real.display()
        ),
    );
    let outcome = ask(&afar);
    assert!(!outcome.stderr.contains("installed on"), "{outcome}");
    assert!(!server.engines().exists());
}

#[test]
fn an_installed_one_of_an_older_version_or_another_protocol_is_not_used() {
    let hello = |protocol: u32, version: &str| {
        format!(r#"{{"hello":{{"protocol":{protocol},"version":"{version}"}}}}"#)
    };
    for hello in [
        hello(PROTOCOL, "0.0.9"),
        hello(PROTOCOL - 1, "99.0.0"),
        hello(PROTOCOL + 1, "99.0.0"),
        "bluegreen 99.0.0".to_owned(),
    ] {
        let afar = Afar::new(1);
        let script = format!("#!/bin/sh\necho '{hello}'\necho used >>\"$HOME/used\"\ncat >>\"$HOME/used\"\n");
        afar.servers[0].install("bluegreen", &script);
        ask(&afar).assert_says(&brought());
        let used = fs::read_to_string(afar.servers[0].sandbox.root().join("home/used")).unwrap();
        assert_eq!(used, "used\n", "it was looked at, and told nothing: {hello}");
        let again = ask(&afar);
        assert!(!again.stderr.contains("installed on"), "{again}");
    }
}

#[test]
fn several_clients_at_once_bring_it_together() {
    let afar = Afar::new(1);
    let args = ["status", "--app", "shop", "--hosts", "web1"];
    let clients: Vec<_> = (0..4).map(|_| afar.start(&args)).collect();
    let outcomes: Vec<Outcome> = clients.into_iter().map(|client| client.wait()).collect();
    for outcome in &outcomes {
        outcome
            .assert_code(3)
            .assert_says("error: no app `shop` is set up on this host");
    }
    let bringing = outcomes
        .iter()
        .filter(|outcome| outcome.stderr.contains("installed on"));
    assert!(bringing.count() >= 1);
    assert_eq!(files(&afar.servers[0]).len(), 1, "{:?}", files(&afar.servers[0]));
    ask(&afar);
}
