//! Several hosts as one.

use std::fs;

use bluegreen::model::color::Color;

use crate::sandbox::afar::Afar;

fn all_answer(afar: &Afar, color: Color) {
    for server in &afar.servers {
        assert_eq!(server.sandbox.live_color(), Some(color), "{}", server.name);
    }
}

#[test]
fn three_hosts_move_together_and_back() {
    let afar = Afar::deployed(3);
    let first = afar.servers[0].sandbox.live_release();
    afar.servers[0]
        .sandbox
        .commit("Second", |repo| fs::write(repo.join("note"), "2").unwrap());
    let deploy = afar.everywhere(&["deploy", "--json"]);
    deploy.assert_code(0);
    all_answer(&afar, Color::Green);
    let releases: Vec<String> = afar
        .servers
        .iter()
        .map(|server| server.sandbox.live_release())
        .collect();
    assert!(
        releases.iter().all(|release| *release == releases[0]),
        "{releases:?}"
    );
    let answer = deploy.result()["answer"].take();
    assert!(
        answer["skew_ms"].as_f64().is_some_and(|skew| skew >= 0.0),
        "{answer}"
    );
    assert_eq!(answer["hosts"][2]["host"], "web3");
    let status = afar.everywhere(&["status"]);
    status.assert_code(0);
    let ready = format!("rollback ready, to {first}");
    assert_eq!(status.stdout.matches(&ready).count(), 3, "{status}");
    afar.everywhere(&["rollback"]).assert_code(0);
    all_answer(&afar, Color::Blue);
}
