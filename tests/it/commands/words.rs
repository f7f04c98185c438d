//! What is said where nothing is live yet.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::sandbox::Sandbox;

#[test]
fn before_anything_is_live_nothing_is_said_to_be() {
    let sandbox = Sandbox::new();
    fs::set_permissions(sandbox.config(), fs::Permissions::from_mode(0o600)).unwrap();
    let early = sandbox.bg(&["deploy"]);
    early
        .assert_code(3)
        .assert_says("`bluegreen setup` sets up what bg.toml describes");
    assert!(!early.stderr.contains("--app"), "{early}");

    sandbox.bg(&["setup"]).assert_code(0);
    let kept = fs::metadata(sandbox.app_root().join("bg.toml")).unwrap();
    assert_eq!(
        kept.permissions().mode() & 0o007,
        0,
        "others could read what only the owner may"
    );
    sandbox.commit("broken", |repo| {
        let app = repo.join("app.py");
        let text = fs::read_to_string(&app).unwrap();
        fs::write(app, format!("import a_module_that_nobody_has\n{text}")).unwrap();
    });
    let refused = sandbox.bg(&["deploy"]);
    refused
        .assert_code(1)
        .assert_says("traffic: unchanged, nothing is live\n");
    refused.assert_says("a_module_that_nobody_has");
    assert!(sandbox.lock_is_free());
    let status = sandbox.bg(&["status"]);
    assert!(status.stdout.contains("nothing is live yet"), "{status}");
    assert!(!status.stdout.contains("●"), "{status}");
}
