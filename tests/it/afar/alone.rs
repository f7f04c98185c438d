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
    afar.bg(&["rollback"]).assert_code(0);
    assert_eq!(server.live_color(), Some(Color::Blue));
}
