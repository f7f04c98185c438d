//! Engines of other versions are deleted, but never one that is still named.

use std::time::{Duration, SystemTime};

use super::*;

#[test]
fn old_ones_go_but_for_the_newest_and_those_that_are_named() {
    let afar = Afar::new(1);
    let server = &afar.servers[0];
    let names: Vec<String> = (0..8).map(|number| hash(&[number])).collect();
    for (age, name) in names.iter().enumerate() {
        let folder = server.engines().join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("bluegreen"), "").unwrap();
        let hours = Duration::from_secs(3600 * (age as u64 + 1));
        fs::File::open(&folder)
            .unwrap()
            .set_modified(SystemTime::now() - hours)
            .unwrap();
    }
    let home = server.sandbox.root().join("home");
    let named = |name: &str| format!("\"{}/{name}/bluegreen\"", server.engines().display());
    let write = |file: PathBuf, text: String| {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    // By the user's own PM2, by an app's entry, by the PM2 of an app.
    write(
        home.join(".pm2/dump.pm2"),
        format!("[{{\"pm_exec_path\": {}}}]", named(&names[3])),
    );
    let other = server.sandbox.root().join("other pm2");
    write(
        server.sandbox.registry().join("blog.toml"),
        format!(
            "pm2_home = \"{}\"\nprogram = {}\n",
            other.display(),
            named(&names[4])
        ),
    );
    write(other.join("dump.pm2"), named(&names[5]));
    ask_without_an_app(&afar).assert_says(&brought());
    let own = hash(&fs::read(env!("CARGO_BIN_EXE_bluegreen")).unwrap());
    let mut expected: Vec<String> = [&own, &names[0], &names[1], &names[3], &names[4], &names[5]]
        .map(|name| format!("{name}/bluegreen"))
        .into();
    expected.sort();
    assert_eq!(files(server), expected);
}

/// Another app's entry is in the registry, and is no whole one.
fn ask_without_an_app(afar: &Afar) -> Outcome {
    let outcome = afar.bg(&["status", "--app", "shop", "--hosts", "web1"]);
    outcome
        .assert_code(3)
        .assert_says("no app `shop` is set up on this host");
    outcome
}

#[test]
fn what_a_killed_upload_left_goes_with_the_next() {
    let afar = Afar::new(1);
    let server = &afar.servers[0];
    let own = hash(&fs::read(env!("CARGO_BIN_EXE_bluegreen")).unwrap());
    let folder = server.engines().join(&own);
    fs::create_dir_all(&folder).unwrap();
    let leave = |name: &str, minutes: u64| {
        let file = fs::File::create(folder.join(name)).unwrap();
        let age = Duration::from_secs(60 * minutes);
        file.set_modified(SystemTime::now() - age).unwrap();
    };
    leave(".new.1", 90);
    // This one may be another client's that is at it now.
    leave(".new.2", 5);
    ask(&afar).assert_says(&brought());
    assert_eq!(
        files(server),
        [format!("{own}/.new.2"), format!("{own}/bluegreen")]
    );
}
