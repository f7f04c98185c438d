//! The way that needs root, without root: through sudo, four command lines, and nothing else.

use std::fs;
use std::path::Path;

use bluegreen::model::color::Color;

use super::sudo::{self, Permit};
use crate::sandbox::outcome::Outcome;
use crate::sandbox::shared::{OWNER, Shared};
use crate::sandbox::{Sandbox, set};

/// Set up by root, in the reload way and for somebody else; nothing is released.
pub fn set_up() -> Option<Shared> {
    let shared = Shared::with(|config| {
        set(config, "nginx", "switch", "reload");
        set(config, "timeouts", "reload", "4s");
    })?;
    shared.bg_as("root", &["setup"]).assert_code(0);
    Some(shared)
}

/// The same with a first release on blue and a second on green, which is live.
pub fn released_twice() -> Option<(Shared, Permit)> {
    let shared = set_up()?;
    let permit = Permit::in_force(&shared)?;
    for color in Color::BOTH {
        shared.bg_as(OWNER, &["deploy"]).assert_code(0);
        assert_eq!(shared.sandbox.live_color(), Some(color));
    }
    Some((shared, permit))
}

/// Everything that moves traffic, as the owner, and where it is then.
fn tour(shared: &Shared) {
    let sandbox = &shared.sandbox;
    let steps: [(&[&str], Color); 4] = [
        (&["deploy"], Color::Blue),
        (&["deploy"], Color::Green),
        (&["rollback"], Color::Blue),
        (&["switch"], Color::Green),
    ];
    for (args, color) in steps {
        let outcome = shared.bg_as(OWNER, args);
        outcome.assert_code(0);
        assert_eq!(sandbox.live_color(), Some(color), "{outcome}");
        assert_eq!(sandbox.link(), color.name(), "{outcome}");
        assert!(sandbox.lock_is_free());
    }
    shared.bg_as(OWNER, &["maintenance", "on"]).assert_code(0);
    assert_eq!(
        (sandbox.get("/").status, sandbox.link().as_str()),
        (503, "maintenance-green")
    );
    shared.bg_as(OWNER, &["maintenance", "off"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    shared.bg_as(OWNER, &["repair"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
}

#[test]
fn the_owner_releases_through_roots_program_and_with_nothing_else_of_roots() {
    let Some(shared) = set_up() else { return };
    let Some(_permit) = Permit::in_force(&shared) else {
        return;
    };
    let note = sudo::noted(&shared, true);
    tour(&shared);
    let program = sudo::program(&shared);
    let calls = fs::read_to_string(&note).unwrap();
    let allowed = ["blue", "green", "maintenance-blue", "maintenance-green"]
        .map(|route| format!("-n -- {} shop {route}", program.display()));
    for call in calls.lines() {
        assert!(allowed.iter().any(|line| line == call), "{call}");
    }
    // One for each move: no reload more than that.
    assert_eq!(calls.lines().count(), 6, "{calls}");
    for (pid, line) in crate::sandbox::processes::of(&shared.sandbox.app_root()) {
        let uid =
            fs::metadata(format!("/proc/{pid}")).map(|about| std::os::unix::fs::MetadataExt::uid(&about));
        assert_ne!(uid.ok(), Some(0), "{line} runs as root");
    }
    for file in [
        shared.sandbox.link_folder(),
        shared.sandbox.link_folder().join("blue/color.conf"),
    ] {
        assert!(!shared.owner_can_write(&file), "{}", file.display());
    }
}

#[test]
fn the_live_way_asks_for_nothing_of_roots() {
    let Some(shared) = Shared::with(|_| {}) else {
        return;
    };
    shared.bg_as("root", &["setup"]).assert_code(0);
    assert!(!sudo::permit(&shared).exists());
    assert!(!sudo::program(&shared).exists());
    let note = sudo::noted(&shared, false);
    tour(&shared);
    assert_eq!(fs::read_to_string(&note).unwrap(), "", "sudo was called");
}

#[test]
fn a_broken_configuration_a_missing_program_and_a_missing_permit_move_nothing() {
    let Some((shared, permit)) = released_twice() else {
        return;
    };
    let sandbox = &shared.sandbox;
    let tried = |message: &str, says: &str| {
        for args in [&["switch"], &["deploy"]] {
            let outcome = shared.bg_as(OWNER, args);
            sandbox.assert_five(&outcome, 1, message, Color::Green);
            outcome.assert_says(says);
        }
        let outcome = shared.bg_as(OWNER, &["maintenance", "on"]);
        sandbox.assert_five(&outcome, 1, message, Color::Green);
    };
    let broken = sandbox.front.sites().join("other.conf");
    fs::write(&broken, "server { no_such_directive on; }").unwrap();
    tried("was broken already", "no_such_directive");
    fs::remove_file(&broken).unwrap();

    let program = sudo::program(&shared);
    let aside = program.with_file_name("aside");
    fs::rename(&program, &aside).unwrap();
    tried("the live link was not replaced", "bluegreen-swap shop");
    fs::rename(&aside, &program).unwrap();

    drop(permit);
    tried("the live link was not replaced", "sudo: ");
    let _permit = Permit::in_force(&shared);
    shared.bg_as(OWNER, &["switch"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
}

/// NGINX's test passes and its reload changes nothing: root's program puts the link back.
#[test]
fn a_reload_that_changes_nothing_leaves_the_link_where_it_was() {
    let Some((shared, _permit)) = released_twice() else {
        return;
    };
    let sandbox = &shared.sandbox;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = sandbox.front.sites().join("other.conf");
    fs::write(
        &other,
        format!("server {{ listen {}; }}", taken.local_addr().unwrap()),
    )
    .unwrap();
    let switch = shared.bg_as(OWNER, &["switch"]);
    sandbox.assert_five(&switch, 1, "the link was put back", Color::Green);
    switch.assert_says("still serves its old configuration");
    fs::remove_file(&other).unwrap();
    shared.bg_as(OWNER, &["switch"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
}

#[test]
fn remove_takes_the_permit_and_with_the_last_app_the_program() {
    let Some((shared, _permit)) = released_twice() else {
        return;
    };
    let sandbox = &shared.sandbox;
    assert!(sudo::permit(&shared).exists() && sudo::program(&shared).exists());
    let removed = shared.bg_as("root", &["remove", "--yes", "--purge"]);
    removed.assert_code(0);
    assert!(!sudo::permit(&shared).exists(), "{removed}");
    assert!(!sudo::program(&shared).exists(), "{removed}");
    assert!(!sandbox.app_root().exists() && !sandbox.link_folder().exists());
    assert!(no_process_of_the_app(sandbox), "{removed}");
}

fn no_process_of_the_app(sandbox: &Sandbox) -> bool {
    Color::BOTH
        .iter()
        .all(|color| crate::sandbox::http::get(sandbox.slot_address(*color), "shop.test", "/").is_err())
}

/// From the reload way to the live way and back, with the traffic where it was.
#[test]
fn the_way_can_be_changed_to_and_fro() {
    let Some((shared, _permit)) = released_twice() else {
        return;
    };
    let sandbox = &shared.sandbox;
    let folder = sandbox.link_folder();
    let load = sandbox.load();
    for (way, others) in [("live", true), ("reload", false)] {
        sandbox.configure(|config| set(config, "nginx", "switch", way));
        let outcome = shared.bg_as("root", &["setup"]);
        outcome.assert_code(0);
        assert_eq!(sandbox.live_color(), Some(Color::Green), "{outcome}");
        assert_eq!(sudo::permit(&shared).exists(), !others, "{outcome}");
        for path in [
            folder.clone(),
            folder.join("green"),
            folder.join("green/color.conf"),
        ] {
            assert_eq!(shared.owner_can_write(&path), others, "{way}: {}", path.display());
        }
        assert!(shared.owner_can_write(&folder.join("answers")));
        again_is_nothing(&shared, way);
    }
    let count = load.stop();
    assert!(!count.by_color.contains_key("blue"), "{count:?}");
    shared.bg_as(OWNER, &["switch"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
}

fn again_is_nothing(shared: &Shared, way: &str) -> Outcome {
    let again = shared.bg_as("root", &["setup"]);
    again.assert_code(0);
    assert_eq!(again.stdout, "nothing to change\n", "{way}");
    again
}

/// What setup puts on the PATH is this very program, under both names.
#[test]
fn setup_puts_the_program_on_the_path() {
    let sandbox = Sandbox::new();
    let plan = sandbox.bg(&["setup", "--plan"]);
    let place = sandbox.root().join("bin/bluegreen");
    let line = |done: &str| format!("  {done} this program at {}\n", place.display());
    assert!(plan.stdout.contains(&line("would install")), "{plan}");
    assert!(!place.exists());
    let setup = sandbox.bg(&["setup"]);
    setup.assert_code(0);
    assert!(setup.stdout.contains(&line("installed")), "{setup}");
    assert_eq!(
        fs::read(&place).unwrap(),
        fs::read(env!("CARGO_BIN_EXE_bluegreen")).unwrap()
    );
    assert_eq!(
        fs::read_link(place.with_file_name("bg")).unwrap(),
        Path::new("bluegreen")
    );
    assert_eq!(sandbox.bg(&["setup"]).stdout, "nothing to change\n");
    fs::write(&place, "another program").unwrap();
    sandbox.bg(&["setup"]).assert_code(0);
    assert_eq!(
        fs::read(&place).unwrap(),
        fs::read(env!("CARGO_BIN_EXE_bluegreen")).unwrap()
    );
}

/// Where NGINX does not take the other way, the link folder stays with whoever the old way
/// wants: the owner goes on releasing, and gets nothing that is still parsed.
#[test]
fn a_change_of_the_way_that_fails_leaves_the_folder_with_whose_it_was() {
    let Some((shared, _permit)) = released_twice() else {
        return;
    };
    let sandbox = &shared.sandbox;
    let templates = sandbox.root().join("templates");
    fs::create_dir(&templates).unwrap();
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/nginx/proxy.conf.tera");
    let proxy = fs::read_to_string(built_in).unwrap();
    let folder = sandbox.link_folder();
    for (from, to, owners) in [("reload", "live", false), ("live", "reload", true)] {
        fs::write(templates.join("proxy.conf.tera"), &proxy).unwrap();
        sandbox.configure(|config| {
            set(config, "nginx", "switch", from);
            set(config, "nginx", "templates", templates.to_str().unwrap());
        });
        shared.bg_as("root", &["setup"]).assert_code(0);
        fs::write(
            templates.join("proxy.conf.tera"),
            format!("no_such_directive;\n{proxy}"),
        )
        .unwrap();
        sandbox.configure(|config| set(config, "nginx", "switch", to));
        let failed = shared.bg_as("root", &["setup"]);
        sandbox.assert_five(&failed, 1, "its files were put back", Color::Green);
        for path in [
            folder.clone(),
            folder.join("blue"),
            folder.join("blue/color.conf"),
        ] {
            assert_eq!(
                shared.owner_can_write(&path),
                owners,
                "{from}: {}",
                path.display()
            );
        }
        sandbox.configure(|config| set(config, "nginx", "switch", from));
        shared.bg_as(OWNER, &["switch"]).assert_code(0);
        assert_eq!(sandbox.live_color(), Some(Color::Blue), "{from}");
        shared.bg_as(OWNER, &["switch"]).assert_code(0);
    }
}
