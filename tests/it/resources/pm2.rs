//! A list of PM2's that cannot be written.

use std::fs;

use bluegreen::model::color::Color;

use crate::recovery::scene::{answering, two_releases};
use crate::sandbox::mounts::{Over, with_mounts};
use crate::sandbox::{Sandbox, set};

#[test]
fn traffic_moves_where_pm2s_list_cannot_be_written_and_the_list_is_left_alone() {
    with_mounts(
        "resources::pm2::traffic_moves_where_pm2s_list_cannot_be_written_and_the_list_is_left_alone",
        || {
            let sandbox = Sandbox::deployed();
            two_releases(&sandbox);
            let dump = sandbox.pm2_home().join("dump.pm2");
            let dumped = || fs::read_to_string(&dump).unwrap();
            let saved = dumped();
            let save = format!("PM2_HOME={} pm2 save", sandbox.pm2_home().display());
            let untold = |verb: &str, live: Color, closed: &str| {
                let moved = sandbox.bg(&[verb]);
                sandbox.assert_five(&moved, 6, "the process list was not saved", live);
                for text in [
                    "a reboot would bring back the old one",
                    closed,
                    "Read-only file system",
                    &format!("traffic: moved, {live}"),
                    &save,
                ] {
                    moved.assert_says(text);
                }
                assert_eq!(dumped(), saved, "{moved}");
            };

            // The list is as it was saved: nothing needs to be written.
            let over = Over::read_only(&sandbox.pm2_home());
            sandbox.bg(&["rollback"]).assert_code(0);
            assert_eq!(sandbox.live_color(), Some(Color::Blue));
            drop(over);

            // Somebody else's process, which nobody has saved yet.
            let neighbour = ["start", "/bin/sleep", "--name", "neighbour", "--", "300"];
            sandbox.pm2(&neighbour).assert_code(0);
            let over = Over::read_only(&sandbox.pm2_home());
            untold("switch", Color::Green, "dump.pm2` cannot be written");
            drop(over);
            let over = Over::read_only(&dump);
            untold("rollback", Color::Blue, "dump.pm2` cannot be written");
            untold("deploy", Color::Green, "dump.pm2` cannot be written");
            drop(over);
            sandbox.bg(&["switch", "blue"]).assert_code(0);
            assert!(dumped().contains("neighbour"));
        },
    );
}

#[test]
fn what_is_left_after_a_switch_is_done_whatever_became_of_the_rest() {
    with_mounts(
        "resources::pm2::what_is_left_after_a_switch_is_done_whatever_became_of_the_rest",
        || {
            let sandbox = Sandbox::deployed_with(|config| {
                set(config, "keep", "warm", "never");
                set(config, "keep", "releases", 3);
            });
            let (first, second) = two_releases(&sandbox);
            sandbox.commit("the third", |_| {});
            sandbox.bg(&["deploy"]).assert_code(0);
            let has = |release: &str| sandbox.app_root().join("releases").join(release).is_dir();
            let dump = sandbox.pm2_home().join("dump.pm2");
            let deploy = |what: &str, live: Color| {
                sandbox.commit(what, |_| {});
                let over = Over::read_only(&dump);
                let moved = sandbox.bg(&["deploy"]);
                drop(over);
                sandbox.assert_five(&moved, 6, "the process list was not saved", live);
                assert_eq!(answering(&sandbox, live.other()), None, "{moved}");
                moved
            };

            assert!(has(first.as_str()));
            let moved = deploy("the fourth", Color::Green);
            moved.assert_says("also: the process list was not saved");
            moved.assert_says("1 old release");
            assert!(!has(first.as_str()), "{moved}");

            // Nobody knows what a list needs that cannot be read.
            let kept = fs::read(&dump).unwrap();
            fs::write(&dump, "[{\"name\": ").unwrap();
            for (what, live) in [("the fifth", Color::Blue), ("the sixth", Color::Green)] {
                let moved = deploy(what, live);
                moved.assert_says("also: old releases were not deleted: ");
                assert!(has(second.as_str()), "{moved}");
            }
            fs::write(&dump, kept).unwrap();
            sandbox.commit("the seventh", |_| {});
            sandbox.bg(&["deploy"]).assert_code(0);
            assert!(!has(second.as_str()));
        },
    );
}
