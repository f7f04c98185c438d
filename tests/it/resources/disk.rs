//! One disk full at a time, before a deploy and in the middle of one.

use std::fs;

use bluegreen::model::color::Color;
use toml::Value;

use crate::recovery::scene::{answering, two_releases};
use crate::sandbox::mounts::{Disk, with_mounts};
use crate::sandbox::outcome::Outcome;
use crate::sandbox::{Sandbox, set};

/// Every byte, by a hook.
const BYTES: &str = "cat /dev/zero > ballast";
/// Every inode.
const INODES: &str = "mkdir crumbs; i=0; while touch crumbs/$i; do i=$((i+1)); done";

struct Scene {
    sandbox: Sandbox,
    state: Disk,
    releases: Disk,
    link: Disk,
}

impl Scene {
    /// Disks of its own; the second release live on green, the first warm on blue.
    fn new() -> Scene {
        let sandbox = Sandbox::new();
        let root = sandbox.app_root();
        let scene = Scene {
            state: Disk::mount(root.join("state"), "2m", 400),
            releases: Disk::mount(root.join("releases"), "4m", 400),
            link: Disk::mount(sandbox.link_folder(), "2m", 400),
            sandbox,
        };
        scene.sandbox.bg(&["setup"]).assert_code(0);
        scene.sandbox.bg(&["deploy"]).assert_code(0);
        two_releases(&scene.sandbox);
        scene
    }

    /// A deploy in the middle of which a hook fills `disk`, and ends with `code`.
    fn filled(&self, hook: &str, disk: &Disk, how: &str, code: u8) -> Outcome {
        let script = self.sandbox.root().join("fill");
        let lines = format!("cd {} || exit 9\n{how}\nexit {code}\n", disk.folder.display());
        fs::write(&script, lines).unwrap();
        self.sandbox.configure(|config| {
            let line = format!("sh {}", script.display());
            set(config, "hooks", hook, Value::from(line));
        });
        let deploy = self.sandbox.bg(&["deploy"]);
        self.sandbox.configure(|config| {
            config.remove("hooks");
        });
        deploy
    }

    fn rollback_is_ready(&self) -> bool {
        self.sandbox.status()["rollback"]["state"] == "ready"
    }
}

#[test]
fn one_full_disk_is_named_before_a_deploy_and_survived_in_the_middle_of_one() {
    with_mounts(
        "resources::disk::one_full_disk_is_named_before_a_deploy_and_survived_in_the_middle_of_one",
        || {
            let scene = Scene::new();
            one_is_full(&scene);
            it_fills_before_a_slot_is_touched(&scene);
            it_fills_beside_a_candidate_that_is_not_taken(&scene);
            it_fills_when_all_is_ready(&scene);
        },
    );
}

/// Traffic moves all the same.
fn one_is_full(scene: &Scene) {
    let sandbox = &scene.sandbox;
    let mut live = Color::Green;
    for disk in [&scene.state, &scene.releases, &scene.link] {
        for fill in [Disk::fill, Disk::fill_inodes] {
            fill(disk);
            let deploy = sandbox.bg(&["deploy"]);
            let what = format!("there is no room left in `{}`", disk.folder.display());
            sandbox.assert_five(&deploy, 1, &what, live);
            let moved = sandbox.bg(&["switch"]);
            moved.assert_code(0);
            live = live.other();
            assert_eq!(sandbox.live_color(), Some(live), "{moved}");
            disk.free();
        }
    }
    assert_eq!(live, Color::Green);
}

fn it_fills_before_a_slot_is_touched(scene: &Scene) {
    let mut refused = 0;
    for disk in [&scene.state, &scene.releases, &scene.link] {
        for how in [BYTES, INODES] {
            let deploy = scene.filled("after_build", disk, how, 0);
            let what = format!("there is no room left in `{}`", disk.folder.display());
            scene.sandbox.assert_five(&deploy, 1, &what, Color::Green);
            deploy.assert_says("traffic: unchanged, green");
            disk.free();
            refused += 1;
        }
    }
    assert_eq!(refused, 6);
    assert!(scene.rollback_is_ready());
}

/// The slot gets back what it held; where that is not possible either, as soon as it is.
fn it_fills_beside_a_candidate_that_is_not_taken(scene: &Scene) {
    let sandbox = &scene.sandbox;
    let blue = answering(sandbox, Color::Blue);
    for (disk, how) in [(&scene.state, INODES), (&scene.releases, BYTES)] {
        let deploy = scene.filled("before_switch", disk, how, 1);
        sandbox.assert_five(&deploy, 1, "`before_switch` failed", Color::Green);
        assert_eq!(answering(sandbox, Color::Blue), blue, "{deploy}");
        assert!(scene.rollback_is_ready(), "{deploy}");
        disk.free();
    }
    let deploy = scene.filled("before_switch", &scene.link, INODES, 1);
    sandbox.assert_five(&deploy, 1, "`before_switch` failed", Color::Green);
    deploy.assert_says("restores what blue held");
    assert!(!scene.rollback_is_ready(), "{deploy}");
    scene.link.free();
    let repair = sandbox.bg(&["repair"]);
    repair
        .assert_code(0)
        .assert_says("restore the release that blue held");
    assert_eq!(answering(sandbox, Color::Blue), blue, "{repair}");
    assert!(scene.rollback_is_ready(), "{repair}");
}

/// The swap needs no room.
fn it_fills_when_all_is_ready(scene: &Scene) {
    let mut live = Color::Green;
    for (disk, how) in [(&scene.state, BYTES), (&scene.link, INODES)] {
        let deploy = scene.filled("before_switch", disk, how, 0);
        deploy.assert_code(0);
        live = live.other();
        assert_eq!(scene.sandbox.live_color(), Some(live), "{deploy}");
        disk.free();
        assert!(scene.rollback_is_ready(), "{deploy}");
    }
}
