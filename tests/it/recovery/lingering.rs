//! `kill -9` of a command that has just told the idle color to end. What was told answers for
//! a while still, and would look warm.

use std::fs;

use bluegreen::model::color::Color;

use super::scene::{Told, answering, two_releases};
use crate::pm2::kill_daemon;
use crate::sandbox::{Sandbox, set};

#[test]
fn a_color_that_a_killed_command_has_told_to_end_gets_no_traffic() {
    let sandbox = Sandbox::with(|config| {
        let run = "{{ venv }}/bin/python lingering.py {{ port }}";
        set(config, "process", "run", run);
    });
    let mark = sandbox.root().join("told-to-end");
    let server = include_str!("lingering.py").replace("TOLD", &format!("{mark:?}"));
    sandbox.commit("a server that takes its time to end", |repo| {
        fs::write(repo.join("lingering.py"), server).unwrap();
    });
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    let (first, second) = two_releases(&sandbox);
    let killed_when_told = |args: &[&str]| {
        fs::remove_file(&mark).ok();
        let mut command = Told::start(&sandbox, args);
        command.wait_for(&mark);
        command.kill();
    };

    // A deploy, which takes the slot's process away for its own.
    sandbox.commit("the third", |_| ());
    killed_when_told(&["deploy"]);
    let load = sandbox.load();
    sandbox.bg(&["rollback"]).assert_code(0).assert_says("died while");
    assert_eq!(answering(&sandbox, Color::Blue).as_deref(), Some(first.as_str()));
    assert_eq!(sandbox.live_color(), Some(Color::Blue));

    // A switch to a color that PM2 has lost, which starts it anew.
    kill_daemon(&sandbox);
    sandbox.bg(&["repair"]).assert_code(0);
    killed_when_told(&["switch", "green"]);
    sandbox.bg(&["repair"]).assert_code(0).assert_says("died while");
    let green = sandbox.status()["slots"][1].clone();
    assert_eq!(green["health"]["state"], "healthy", "{green}");
    sandbox.bg(&["switch", "green"]).assert_code(0);
    assert_eq!(
        answering(&sandbox, Color::Green).as_deref(),
        Some(second.as_str())
    );
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    let count = load.stop();
    assert_eq!(count.failed, 0, "{count:?}");
}
