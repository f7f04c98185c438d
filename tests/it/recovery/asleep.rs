//! A run that was killed, and PM2's daemon with it.

use std::fs;

use super::scene::{Held, Told, two_releases};
use crate::pm2::kill_daemon;
use crate::sandbox::Sandbox;

/// A daemon that is started for one process alone would keep, and save, nothing else.
#[test]
fn the_next_command_brings_back_all_that_pm2_kept_before_it_starts_anything() {
    let sandbox = Sandbox::deployed();
    two_releases(&sandbox);
    let other = ["start", "/bin/sleep", "--interpreter", "none", "--name", "other"];
    sandbox.pm2(&[&other[..], &["--", "600"]].concat()).assert_code(0);
    sandbox.pm2(&["save"]).assert_code(0);
    let gate = Held::gate(&sandbox);
    let mut deploy = Told::start(&sandbox, &["deploy"]);
    deploy.wait_for(&gate.mark);
    deploy.kill();
    gate.let_go();
    kill_daemon(&sandbox);

    let load = sandbox.load();
    let rollback = sandbox.bg(&["rollback"]);
    rollback.assert_code(0).assert_says("died while replacing");
    rollback.assert_says("PM2's daemon was down");
    let list = sandbox.pm2(&["jlist"]).stdout;
    let dump = fs::read_to_string(sandbox.pm2_home().join("dump.pm2")).unwrap();
    for kept in ["other", "flask-blue", "flask-green"] {
        let name = format!("\"name\":\"{kept}\"");
        assert!(list.contains(&name), "{kept} is not in {list}");
        assert!(dump.replace(": ", ":").contains(&name), "{kept} is not in {dump}");
    }
    assert_eq!(load.stop().failed, 0);
}
