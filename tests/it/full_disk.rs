//! Full disks: small file systems in memory, filled to the last byte and the last inode.

use std::fs;
use std::path::Path;

use bluegreen::model::color::Color;

use crate::recovery::scene::{answering, drop_last_commit, slot, two_releases};
use crate::sandbox::Sandbox;
use crate::sandbox::mounts::{Disk, with_mounts};

/// Names below `folder` that no finished command leaves there.
fn half_made(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().flatten();
    names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.starts_with('.') && !name.starts_with(".next-"))
        .collect()
}

#[test]
fn traffic_moves_on_a_full_disk_and_a_deploy_leaves_nothing_half_made() {
    with_mounts(
        "full_disk::traffic_moves_on_a_full_disk_and_a_deploy_leaves_nothing_half_made",
        || {
            let sandbox = Sandbox::new();
            let root = sandbox.app_root();
            let link = Disk::mount(sandbox.link_folder(), "2m", 400);
            let state = Disk::mount(root.join("state"), "2m", 400);
            let releases = Disk::mount(root.join("releases"), "4m", 400);
            let venvs = Disk::mount(root.join("venvs"), "200m", 20_000);
            sandbox.bg(&["setup"]).assert_code(0);
            sandbox.bg(&["deploy"]).assert_code(0);
            let (first, second) = two_releases(&sandbox);
            let load = sandbox.load();

            let mut ways = 0;
            for fill in [Disk::fill, Disk::fill_inodes] {
                for disk in [&link, &state, &releases] {
                    fill(disk);
                }
                for (command, color) in [
                    (&["rollback"][..], Color::Blue),
                    (&["rollback", "--to", &second.to_string()], Color::Green),
                    (&["switch", "blue"], Color::Blue),
                    (&["switch", "green"], Color::Green),
                    (&["maintenance", "on"], Color::Green),
                    (&["maintenance", "off"], Color::Green),
                ] {
                    let moved = sandbox.bg(command);
                    moved.assert_code(0);
                    if command[0] != "maintenance" {
                        assert_eq!(sandbox.live_color(), Some(color), "{moved}");
                    }
                }
                let deploy = sandbox.bg(&["deploy"]);
                sandbox.assert_five(&deploy, 1, "there is no room left in", Color::Green);
                deploy.assert_says("traffic: unchanged, green");
                assert_eq!(
                    answering(&sandbox, Color::Blue),
                    Some(first.to_string()),
                    "{deploy}"
                );
                for disk in [&link, &state, &releases] {
                    disk.free();
                }
                ways += 1;
            }
            assert_eq!(ways, 2);

            // Room at first, and then not enough.
            sandbox.commit("a film", |repo| {
                fs::write(repo.join("film"), vec![7; 6 << 20]).unwrap();
            });
            let deploy = sandbox.bg(&["deploy"]);
            sandbox.assert_five(&deploy, 1, "the release was not made", Color::Green);
            deploy.assert_says("there is no room left in");
            assert_eq!(half_made(&root.join("releases")), [] as [String; 0], "{deploy}");
            assert_eq!(half_made(&root.join("state")), [] as [String; 0], "{deploy}");
            assert_eq!(slot(&sandbox, Color::Blue), Some(first), "{deploy}");

            drop_last_commit(&sandbox);
            sandbox.commit("another package", |repo| {
                let file = repo.join("requirements.txt");
                let text = fs::read_to_string(&file).unwrap();
                fs::write(file, format!("{text}\nitsdangerous\n")).unwrap();
            });
            let kept = |folder: &str| fs::read_dir(root.join(folder)).unwrap().count();
            let before = (kept("releases"), kept("venvs"));
            venvs.fill_but(1 << 20);
            let deploy = sandbox.bg(&["deploy"]);
            sandbox.assert_five(&deploy, 1, "the python environment was not built", Color::Green);
            venvs.free();
            assert_eq!((kept("releases"), kept("venvs")), before, "{deploy}");

            sandbox.bg(&["deploy"]).assert_code(0);
            assert_eq!(sandbox.live_color(), Some(Color::Blue));
            let count = load.stop();
            // The maintenance page answers 503, and is no loss of a request.
            let lost: Vec<_> = count
                .failures
                .iter()
                .filter(|failure| !failure.contains("503"))
                .collect();
            assert!(lost.is_empty(), "{count:?}");
        },
    );
}

#[test]
fn with_pm2_on_a_full_disk_traffic_moves_and_the_unsaved_list_is_told() {
    with_mounts(
        "full_disk::with_pm2_on_a_full_disk_traffic_moves_and_the_unsaved_list_is_told",
        || {
            let sandbox = Sandbox::new();
            let pm2 = Disk::mount(sandbox.pm2_home(), "8m", 400);
            sandbox.bg(&["setup"]).assert_code(0);
            sandbox.bg(&["deploy"]).assert_code(0);
            let (first, second) = two_releases(&sandbox);
            let dumped = || fs::read_to_string(sandbox.pm2_home().join("dump.pm2")).unwrap_or_default();
            let both = |dump: &str| [&first, &second].iter().all(|id| dump.contains(&id.to_string()));
            assert!(both(&dumped()));
            let load = sandbox.load();

            // The list is as it was saved: nothing needs room.
            pm2.fill();
            sandbox.bg(&["rollback"]).assert_code(0);
            assert_eq!(sandbox.live_color(), Some(Color::Blue));
            assert!(both(&dumped()));
            pm2.free();

            // Somebody else's process, which nobody has saved yet.
            let neighbour = ["start", "/bin/sleep", "--name", "neighbour", "--", "300"];
            sandbox.pm2(&neighbour).assert_code(0);
            pm2.fill();
            for color in [Color::Green, Color::Blue] {
                let moved = sandbox.bg(&["switch", color.name()]);
                sandbox.assert_five(&moved, 6, "the process list was not saved", color);
                moved.assert_says(&format!("traffic: moved, {color}"));
                moved.assert_says("there is no room in");
                moved.assert_says("pm2 save");
                assert!(
                    both(&dumped()),
                    "a reboot still finds what it needs: {}",
                    dumped()
                );
            }
            pm2.free();
            sandbox.bg(&["switch", "green"]).assert_code(0);
            assert_eq!(sandbox.live_color(), Some(Color::Green));
            assert!(dumped().contains("neighbour"));
            let count = load.stop();
            assert_eq!(count.failed, 0, "{count:?}");
        },
    );
}
