//! One host over SSH is as if one sat in front of it.

use bluegreen::model::color::Color;

use crate::sandbox::afar::Afar;

#[test]
fn the_whole_way_from_setup_to_rollback_goes_over_ssh() {
    let afar = Afar::new(1);
    afar.write_config(0, |_| {});
    let server = &afar.servers[0].sandbox;
    let setup = afar.bg(&["setup"]);
    setup.assert_code(0).assert_says("engine");
    let deploy = afar.bg(&["deploy"]);
    deploy.assert_code(0);
    assert_eq!(server.live_color(), Some(Color::Blue), "{deploy}");
    server.commit("Greet", |repo| std::fs::write(repo.join("note"), "1").unwrap());
    afar.bg(&["deploy"]).assert_code(0);
    assert_eq!(server.live_color(), Some(Color::Green));
    let status = afar.bg(&["status"]);
    status.assert_code(0);
    assert!(status.stdout.contains("rollback: ready"), "{status}");
    // Whoever types decides on colors; the host has no say.
    for (when, is_colored) in [("always", true), ("never", false)] {
        let status = afar.bg(&["status", "--color", when]);
        status.assert_code(0);
        assert_eq!(status.stdout.contains("\u{1b}["), is_colored, "{status}");
    }
    afar.bg(&["rollback"]).assert_code(0);
    assert_eq!(server.live_color(), Some(Color::Blue));
}

#[test]
fn a_site_that_is_gone_for_the_world_after_a_switch_is_told() {
    let afar = Afar::deployed(1);
    let server = &afar.servers[0].sandbox;
    let address = server.address();
    afar.write_config(0, |config| {
        crate::sandbox::set(config, "fleet", "url", format!("http://{address}/slow?seconds=0"));
    });
    server.commit("Well", |repo| std::fs::write(repo.join("note"), "1").unwrap());
    afar.bg(&["deploy"]).assert_code(0);
    // What is checked and proven answers; what the world looks at does not.
    server.commit_edit("Ill", "return {\"slept\": seconds}", "return {\"slept\": 1 / 0}");
    let deploy = afar.bg(&["deploy"]);
    deploy.assert_code(6);
    deploy.assert_says("error: the public URL answered before the switch and does not answer now");
    deploy.assert_says(&format!(
        "caused by: `http://{address}/slow?seconds=0` answers 500"
    ));
    deploy.assert_says("traffic: moved, blue (");
    assert_eq!(server.live_color(), Some(Color::Blue));
    // What was not there before is no news after.
    let rollback = afar.bg(&["rollback"]);
    rollback.assert_code(0).assert_says("already before this command");
    assert_eq!(server.live_color(), Some(Color::Green));
}
