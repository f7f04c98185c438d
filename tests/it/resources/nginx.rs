//! NGINX's folders on a file system that is read-only.

use std::fs;

use bluegreen::model::color::Color;
use toml::Value;

use crate::recovery::scene::{answering, journal, two_releases};
use crate::sandbox::mounts::{Over, with_mounts};
use crate::sandbox::{Sandbox, set};

#[test]
fn the_live_way_with_folders_that_are_read_only() {
    with_mounts(
        "resources::nginx::the_live_way_with_folders_that_are_read_only",
        || the_links_folder(&deployed("live")),
    );
}

#[test]
fn the_reload_way_with_folders_that_are_read_only() {
    with_mounts(
        "resources::nginx::the_reload_way_with_folders_that_are_read_only",
        || {
            let sandbox = deployed("reload");
            the_links_folder(&sandbox);
            the_configuration(&sandbox);
        },
    );
}

fn deployed(way: &str) -> Sandbox {
    let sandbox = Sandbox::deployed_with(|config| set(config, "nginx", "switch", way));
    two_releases(&sandbox);
    sandbox
}

/// Where the link cannot be replaced, nothing is built or started for it.
fn the_links_folder(sandbox: &Sandbox) {
    let over = Over::read_only(&sandbox.link_folder());
    let told = fs::read_to_string(journal(sandbox)).unwrap().lines().count();
    let deploy = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&deploy, 1, "a deploy needs to write in", Color::Green);
    deploy.assert_says(sandbox.link_folder().to_str().unwrap());
    deploy.assert_says("Read-only file system");
    deploy.assert_says("traffic: unchanged, green");
    assert!(!deploy.stderr.contains("fetched"), "{deploy}");
    for (command, told) in [
        (&["rollback"][..], "the live link was not replaced"),
        (&["switch", "blue"], "the live link was not replaced"),
        (&["maintenance", "on"], "the live link was not replaced"),
    ] {
        let refused = sandbox.bg(command);
        sandbox.assert_five(&refused, 1, told, Color::Green);
        refused.assert_says("Read-only file system");
        refused.assert_says("traffic: unchanged, green");
    }
    let now = fs::read_to_string(journal(sandbox)).unwrap();
    assert!(now.lines().count() > told, "each was begun, and given up: {now}");
    drop(over);
    assert!(answering(sandbox, Color::Blue).is_some());
    sandbox.bg(&["rollback"]).assert_code(0);
    sandbox.bg(&["switch"]).assert_code(0);
}

/// A release changes nothing there; setup does, and says that it cannot.
fn the_configuration(sandbox: &Sandbox) {
    let folders = [sandbox.front.sites(), sandbox.front.conf().with_file_name("bg")];
    let over = folders.each_ref().map(|folder| Over::read_only(folder));
    for (command, live) in [("rollback", Color::Blue), ("deploy", Color::Green)] {
        let moved = sandbox.bg(&[command]);
        moved.assert_code(0);
        assert_eq!(sandbox.live_color(), Some(live), "{moved}");
    }
    sandbox.configure(|config| {
        set(
            config,
            "nginx",
            "server_names",
            vec![Value::from("www.shop.test")],
        );
    });
    let setup = sandbox.bg(&["setup"]);
    sandbox.assert_five(&setup, 1, "Read-only file system", Color::Green);
    drop(over);
    sandbox.bg(&["setup"]).assert_code(0);
}
