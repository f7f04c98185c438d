//! Links where files and folders belong, planted where the owner can write, and root's own
//! commands run over them.

use bluegreen::model::color::Color;

use super::bait::{Bait, plant};
use crate::sandbox::outcome::Outcome;
use crate::sandbox::set;
use crate::sandbox::shared::{OWNER, Shared};

/// What is planted, and how it is taken away again; `{root}`, `{link}` and `{bait}` are folders.
const PLANTS: [(&str, &str); 15] = [
    (
        "mv '{root}/shared/page.html' '{root}/p'; mkfifo '{root}/shared/page.html'",
        "rm '{root}/shared/page.html'; mv '{root}/p' '{root}/shared/page.html'",
    ),
    (
        "rm '{root}/state/lock'; ln -s '{bait}/victim' '{root}/state/lock'",
        "rm '{root}/state/lock'",
    ),
    (
        "mv '{root}/state' '{root}/s'; ln -s '{bait}' '{root}/state'",
        "rm '{root}/state'; mv '{root}/s' '{root}/state'",
    ),
    (
        "mv '{root}/bg.toml' '{root}/b'; ln -s '{bait}/secret' '{root}/bg.toml'",
        "mv '{root}/b' '{root}/bg.toml'",
    ),
    (
        "mv '{root}/bg.toml' '{root}/b'; mkfifo '{root}/bg.toml'",
        "rm '{root}/bg.toml'; mv '{root}/b' '{root}/bg.toml'",
    ),
    (
        "mv '{root}/bg.toml' '{root}/b'; ln -s '{bait}/victim' '{root}/.bg.toml.tmp'",
        "rm -f '{root}/.bg.toml.tmp'; mv '{root}/b' '{root}/bg.toml'",
    ),
    (
        "mv '{root}/bin' '{root}/b'; ln -s '{bait}' '{root}/bin'",
        "rm '{root}/bin'; mv '{root}/b' '{root}/bin'",
    ),
    (
        "ln -s '{bait}/victim' '{root}/bin/bluegreen'",
        "rm '{root}/bin/bluegreen'",
    ),
    (
        "mv '{root}/envs' '{root}/e'; ln -s '{bait}' '{root}/envs'",
        "rm '{root}/envs'; mv '{root}/e' '{root}/envs'",
    ),
    (
        "mv '{root}/manifests' '{root}/m'; ln -s '{bait}' '{root}/manifests'",
        "rm '{root}/manifests'; mv '{root}/m' '{root}/manifests'",
    ),
    (
        "mv '{root}/shared/page.html' '{root}/p'; ln -s '{bait}/secret' '{root}/shared/page.html'",
        "rm '{root}/shared/page.html'; mv '{root}/p' '{root}/shared/page.html'",
    ),
    (
        "rm -f '{root}/state/runs/'*; rmdir '{root}/state/runs'; ln -s '{bait}' '{root}/state/runs'",
        "rm '{root}/state/runs'; mkdir '{root}/state/runs'",
    ),
    (
        "mv '{link}/answers/blue.json' '{root}/a'; ln -s '{bait}/secret' '{link}/answers/blue.json'",
        "rm '{link}/answers/blue.json'; mv '{root}/a' '{link}/answers/blue.json'",
    ),
    (
        "rm -r '{link}/answers/'*; ln -s '{bait}/victim' '{link}/answers/.blue.json.tmp'",
        "rm -f '{link}/answers/.blue.json.tmp'",
    ),
    (
        "mv '{root}/releases' '{root}/r'; ln -s '{bait}' '{root}/releases'",
        "rm '{root}/releases'; mv '{root}/r' '{root}/releases'",
    ),
];

/// The same for the folder of the link, which is the owner's in the live way alone.
const IN_THE_LINK_FOLDER: [(&str, &str); 8] = [
    (
        "rm '{link}/maintenance.html'; mkfifo '{link}/maintenance.html'",
        "rm '{link}/maintenance.html'",
    ),
    (
        "rm '{link}/maintenance.html'; ln -s '{bait}/victim' '{link}/maintenance.html'",
        "rm '{link}/maintenance.html'",
    ),
    (
        "rm '{link}/maintenance.html'; ln -s '{bait}/secret' '{link}/maintenance.html'",
        "rm '{link}/maintenance.html'",
    ),
    (
        "mv '{link}/answers' '{root}/a'; ln -s '{bait}' '{link}/answers'",
        "rm '{link}/answers'; mv '{root}/a' '{link}/answers'",
    ),
    (
        "mv '{link}/maintenance-green' '{root}/g'; ln -s '{bait}' '{link}/maintenance-green'",
        "rm '{link}/maintenance-green'; mv '{root}/g' '{link}/maintenance-green'",
    ),
    (
        "rm '{link}/.next-green'; ln -s '{bait}/victim' '{link}/.next-green'",
        "rm -f '{link}/.next-green'",
    ),
    (
        "rm '{link}/blue/color.conf'; ln -s '{bait}/victim' '{link}/blue/color.conf'",
        "rm '{link}/blue/color.conf'",
    ),
    (
        "mv '{link}' '{root}/l'; ln -s '{bait}' '{link}'",
        "rm '{link}'; mv '{root}/l' '{link}'",
    ),
];

#[test]
fn no_planted_link_leads_root_anywhere_in_the_live_way() {
    let plants: Vec<_> = PLANTS.into_iter().chain(IN_THE_LINK_FOLDER).collect();
    assert_eq!(tried("live", &plants), 23);
}

#[test]
fn no_planted_link_leads_root_anywhere_in_the_reload_way() {
    assert_eq!(tried("reload", &PLANTS), 15);
}

fn tried(way: &'static str, plants: &[(&str, &str)]) -> usize {
    let Some(shared) = Shared::with(|config| {
        set(config, "nginx", "switch", way);
        set(config, "nginx", "maintenance_page", "page.html");
    }) else {
        return plants.len();
    };
    let sandbox = &shared.sandbox;
    std::fs::write(sandbox.app_root().join("shared/page.html"), "a page\n").unwrap();
    // The folder around the link is the owner's too, as where an administrator gave them all.
    if way == "live" {
        shared.give(sandbox.link_folder().parent().unwrap());
    }
    shared.bg_as("root", &["setup"]).assert_code(0);
    let bait = Bait::new(&shared);
    let nginx = || super::bait::state(&sandbox.front.conf().with_file_name("bg"));
    let parsed = nginx();
    let mut count = 0;
    for (planted, taken_away) in plants {
        let filled = |line: &str| {
            line.replace("{root}", sandbox.app_root().to_str().unwrap())
                .replace("{link}", sandbox.link_folder().to_str().unwrap())
                .replace("{bait}", bait.folder().to_str().unwrap())
        };
        plant(&shared, &filled(planted));
        for args in [
            &["setup", "--plan"][..],
            &["setup"],
            &["check"],
            &["status"],
            &["repair"],
            &["maintenance", "on"],
            &["remove"],
        ] {
            let outcome = within_a_minute(&shared, args);
            bait.assert_untouched(&format!("{planted}\n{outcome}"));
            bait.assert_untold(&shared, &outcome);
        }
        // With no bg.toml at hand the one that is applied counts, which the owner can write.
        let line = [shared.program(), "setup", "--app", "shop"];
        shared
            .command_as("root", &line)
            .current_dir("/")
            .output()
            .unwrap();
        bait.assert_untouched(planted);
        plant(&shared, &filled(taken_away));
        shared.bg_as("root", &["maintenance", "off"]);
        let mended = shared.bg_as("root", &["setup"]);
        mended.assert_code(0);
        assert_eq!(locks_aside(nginx()), locks_aside(parsed.clone()), "{planted}");
        count += 1;
    }
    shared.bg_as(OWNER, &["status"]).assert_code(0);
    count
}

/// As root, who waits for nothing that the owner could hold back.
fn within_a_minute(shared: &Shared, args: &[&str]) -> Outcome {
    let started = std::time::Instant::now();
    let line: Vec<&str> = ["timeout", "60", shared.program()]
        .into_iter()
        .chain(args.iter().copied())
        .collect();
    let output = shared.command_as("root", &line).output().unwrap();
    let outcome = Outcome::new(args, &output, started.elapsed());
    assert_ne!(outcome.code, Some(124), "{outcome}");
    outcome
}

fn locks_aside(
    mut all: std::collections::BTreeMap<std::path::PathBuf, String>,
) -> std::collections::BTreeMap<std::path::PathBuf, String> {
    all.retain(|path, _| !path.ends_with("reload.lock"));
    all
}

/// The owner has the link folder, and root takes it back for the reload way: with what they
/// left in it, and what they still have open.
#[test]
fn a_folder_that_root_takes_back_holds_nothing_of_theirs_that_is_parsed() {
    let Some(shared) = Shared::deployed() else { return };
    let (sandbox, bait) = (&shared.sandbox, Bait::new(&shared));
    let link = sandbox.link_folder();
    let evil = sandbox.root().join("home/evil");
    plant(
        &shared,
        &format!(
            "mkdir '{evil}'; echo 'no_such_directive;' > '{evil}/color.conf'; \
         cd '{link}'; echo 'no_such_directive;' > blue/color.conf; \
         rm -r green; ln -s '{evil}' green; \
         rm -r maintenance-blue; mkdir -p maintenance-blue/color.conf; \
         rm maintenance-green/color.conf; ln -s '{evil}/color.conf' maintenance-green/color.conf; \
         rm .next-green; ln -s '{evil}' .next-green",
            evil = evil.display(),
            link = link.display(),
        ),
    );
    let open = std::fs::OpenOptions::new()
        .write(true)
        .open(link.join("blue/color.conf"))
        .unwrap();
    sandbox.configure(|config| set(config, "nginx", "switch", "reload"));
    shared.bg_as("root", &["setup"]).assert_code(0);
    // Through what they had open nothing reaches what NGINX parses.
    std::os::unix::fs::FileExt::write_all_at(&open, b"no_such_directive;", 0).unwrap();
    for route in ["blue", "green", "maintenance-blue", "maintenance-green"] {
        let text = std::fs::read_to_string(link.join(route).join("color.conf")).unwrap();
        assert!(text.starts_with("set $bg_shop_maintenance "), "{route}: {text}");
        assert!(!shared.owner_can_write(&link.join(route)), "{route}");
        let about = std::fs::symlink_metadata(link.join(route)).unwrap();
        assert!(
            about.is_dir() && std::os::unix::fs::MetadataExt::uid(&about) == 0,
            "{route}"
        );
    }
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    bait.assert_untouched("it was taken back");

    // A live link that is none is not made into one of root's.
    sandbox.configure(|config| set(config, "nginx", "switch", "live"));
    shared.bg_as("root", &["setup"]).assert_code(0);
    plant(
        &shared,
        &format!(
            "cd '{}'; rm live; cp -r '{}' live",
            link.display(),
            evil.display()
        ),
    );
    sandbox.configure(|config| set(config, "nginx", "switch", "reload"));
    let outcome = shared.bg_as("root", &["setup"]);
    assert_ne!(outcome.code, Some(0), "{outcome}");
    let parsed = std::fs::read_to_string(sandbox.front.conf().with_file_name("bg/shop/route.conf")).unwrap();
    assert!(!parsed.contains("color.conf"), "{outcome}");
}

/// NGINX reads what it serves with rights that the owner has not.
#[test]
fn a_link_in_place_of_what_is_served_is_not_followed() {
    let Some(shared) = Shared::deployed() else { return };
    let sandbox = &shared.sandbox;
    let theirs = sandbox.root().join("for-nginx-alone");
    std::fs::write(&theirs, "of another site").unwrap();
    let worker = nix::unistd::User::from_name("www-data").unwrap().unwrap();
    std::os::unix::fs::chown(&theirs, Some(worker.uid.as_raw()), None).unwrap();
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&theirs, closed).unwrap();
    let link = sandbox.link_folder();
    let secret = std::fs::read_to_string(sandbox.app_root().join("state/proof-secret")).unwrap();
    let known = [("X-Bg-Secret", secret.trim())];
    let ask = || {
        let (to, host) = (sandbox.address(), crate::sandbox::HOST);
        crate::sandbox::http::get_with(to, host, "/.bg/shop/live", &known).unwrap()
    };
    assert_eq!(ask().status, 200);
    plant(
        &shared,
        &format!(
            "cd '{}'; ln -sf '{1}' answers/blue.json; ln -sf '{1}' maintenance.html",
            link.display(),
            theirs.display()
        ),
    );
    assert_ne!(ask().status, 200);
    assert!(!ask().body.contains("another site"));
    plant(
        &shared,
        &format!(
            "cd '{}'; ln -s maintenance-blue new; mv -T new live",
            link.display()
        ),
    );
    let page = sandbox.get("/");
    assert!(!page.body.contains("another site"), "{}", page.body);
    assert_ne!(page.status, 200);
}
