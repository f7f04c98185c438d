//! Several hosts with one database: it is migrated once.

use std::fs;

use bluegreen::model::color::Color;
use serde_json::Value as Json;

use super::{migrate_by, ran};
use crate::hooks::apply;
use crate::hooks::webhook::Chat;
use crate::sandbox::afar::Afar;
use crate::sandbox::outcome::Outcome;
use crate::sandbox::set;

/// Each host would migrate by a script, which does `body` and says on which host it ran.
fn migrating(servers: usize, chat: &Chat, body: &str) -> Afar {
    let afar = Afar::deployed(servers);
    for server in &afar.servers {
        migrate_by(&server.sandbox, body);
        server
            .sandbox
            .configure(|config| set(config, "notify", "webhook", chat.url.as_str()));
        // The client brings no configuration.
        apply(&server.sandbox);
    }
    afar.servers[0]
        .sandbox
        .commit("Second", |repo| fs::write(repo.join("note"), "2").unwrap());
    afar
}

fn runs(afar: &Afar) -> Vec<usize> {
    afar.servers
        .iter()
        .map(|server| ran(&server.sandbox).len())
        .collect()
}

fn place(outcome: &Outcome, fits: impl Fn(&Json) -> bool) -> Vec<usize> {
    let lines = outcome.json();
    let places = lines.iter().enumerate().filter(|(_, line)| fits(line));
    places.map(|(at, _)| at).collect()
}

fn all_at(afar: &Afar, color: Color) {
    for server in &afar.servers {
        assert_eq!(server.sandbox.live_color(), Some(color), "{}", server.name);
        assert!(server.sandbox.lock_is_free(), "{}", server.name);
    }
}

#[test]
fn the_primary_migrates_once_all_have_their_release_and_the_others_wait_for_it() {
    let chat = Chat::answering(200);
    let afar = migrating(3, &chat, "echo renames a column > $BG_CONTRACT_FILE");
    let deployed = afar.everywhere(&["deploy", "--json"]);
    deployed.assert_code(0);
    all_at(&afar, Color::Green);
    assert_eq!(runs(&afar), [1, 0, 0], "{deployed}");
    // One speaks for all.
    assert_eq!(chat.heard().1["outcome"], "done");
    assert!(chat.posted.try_recv().is_err(), "{deployed}");
    let named = |name: &'static str| place(&deployed, move |line| line["event"] == name);
    let (whole, ready, started) = (named("awaits_schema"), named("schema_ready"), named("started"));
    assert_eq!((whole.len(), ready.len(), started.len()), (3, 1, 3), "{deployed}");
    assert!(whole.iter().all(|at| *at < ready[0]), "{deployed}");
    assert!(started.iter().all(|at| *at > ready[0]), "{deployed}");

    // What the primary's migration said counts on every host, also for whoever is there alone.
    for server in &afar.servers {
        let refused = server.sandbox.bg(&["rollback"]);
        server
            .sandbox
            .assert_five(&refused, 1, "does not work with the database", Color::Green);
    }
    let refused = afar.everywhere(&["rollback"]);
    refused.assert_code(1);
    all_at(&afar, Color::Green);
    afar.everywhere(&["rollback", "--force", "it only reads"])
        .assert_code(0);
    all_at(&afar, Color::Blue);
}

#[test]
fn a_migration_that_fails_leaves_every_host_as_it_was() {
    let chat = Chat::answering(200);
    let afar = migrating(2, &chat, "exit 1");
    let refused = afar.everywhere(&["deploy"]);
    refused.assert_code(1).assert_says("`migrate` failed");
    all_at(&afar, Color::Blue);
    assert_eq!(runs(&afar), [1, 0]);
    assert_eq!(chat.heard().1["error"], "`migrate` failed");
    assert!(chat.posted.try_recv().is_err(), "{refused}");
    // And one that cannot be built on another host is never begun.
    let applied = afar.servers[1].sandbox.app_root().join("bg.toml");
    let mut config: toml::Table = fs::read_to_string(&applied).unwrap().parse().unwrap();
    set(&mut config, "hooks", "after_build", "false");
    fs::write(applied, toml::to_string(&config).unwrap()).unwrap();
    let refused = afar.everywhere(&["deploy"]);
    refused.assert_code(1).assert_says("`after_build` failed");
    assert_eq!(runs(&afar), [1, 0]);
    all_at(&afar, Color::Blue);
}
