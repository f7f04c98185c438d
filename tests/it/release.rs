//! The main job: deploy, switch, rollback, on the real parts.

use bluegreen::model::color::Color;

use crate::sandbox::Sandbox;

#[test]
fn a_good_release_goes_live_and_back_under_load_without_a_failed_request() {
    let sandbox = Sandbox::deployed();
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    let load = sandbox.load();
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    let deploy = sandbox.bg(&["deploy"]);
    deploy.assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green), "{deploy}");
    assert!(sandbox.get("/").body.contains("Hello"));
    let rollback = sandbox.bg(&["rollback"]);
    rollback.assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue), "{rollback}");
    let count = load.stop();
    assert_eq!(count.failed, 0, "{count:?}");
    assert!(count.requests > 100, "{count:?}");
    eprintln!("{deploy}{rollback}");
}
