//! A switch is proven on what visitors get, or it is undone.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bluegreen::model::color::Color;

use super::{include, site_file, write_own_site};
use crate::sandbox::{HOST, Sandbox, http, repo, set};

#[test]
fn a_location_that_goes_past_the_switch_has_it_put_back() {
    let sandbox = Sandbox::with(|_| {});
    let route = include(&sandbox, "route.conf");
    let good = format!("{route}\nlocation / {{ {} }}", include(&sandbox, "proxy.conf"));
    let old_port = sandbox.slot_address(Color::Blue);
    let past = format!("{route}\nlocation / {{\n        proxy_pass http://{old_port};\n    }}");

    // A site without the includes: setup says what it needs, and breaks nothing.
    write_own_site(&sandbox, "location / { return 200 mine; }");
    sandbox.front.reload();
    let setup = sandbox.bg(&["setup"]);
    setup.assert_code(1);
    setup.assert_says(&route);
    setup.assert_says(&include(&sandbox, "proxy.conf"));
    setup.assert_says(&site_file(&sandbox).display().to_string());
    assert!(sandbox.lock_is_free());
    assert_eq!(sandbox.get("/").body, "mine");
    assert!(
        fs::read_to_string(site_file(&sandbox))
            .unwrap()
            .starts_with("# mine")
    );
    sandbox.bg(&["deploy"]).assert_code(7);
    assert_eq!(sandbox.get("/").body, "mine");

    // With them all is well.
    write_own_site(&sandbox, &good);
    sandbox.front.reload();
    let setup = sandbox.bg(&["setup"]);
    setup.assert_code(0);
    assert_eq!(setup.stdout, "nothing to change\n");
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    sandbox.bg(&["check"]).assert_code(0);

    // The route follows and the site does not.
    write_own_site(&sandbox, &past);
    sandbox.front.reload();
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    let deploy = sandbox.bg(&["deploy"]);
    sandbox.assert_five(
        &deploy,
        5,
        "does its location have a `proxy_pass` of its own?",
        Color::Blue,
    );
    let check = sandbox.bg(&["check"]);
    check.assert_code(1);
    let line = fs::read_to_string(site_file(&sandbox))
        .unwrap()
        .lines()
        .position(|line| line.contains("proxy_pass"))
        .unwrap()
        + 1;
    let place = format!("`http://{old_port}` at {}:{line}", site_file(&sandbox).display());
    assert!(check.stdout.contains(&place), "no {place} in {check}");
    assert!(
        check.stdout.contains("goes to blue's port past the switch"),
        "{check}"
    );
    let json = sandbox.bg(&["check", "--json"]);
    json.assert_code(1);
    let result = json.result();
    assert_eq!(result["exit_code"], 1, "{result}");
    let findings = result["answer"]["report"]["findings"].as_array().unwrap();
    let wrong = findings
        .iter()
        .find(|finding| finding["subject"] == "other ways")
        .unwrap();
    assert_eq!(wrong["level"], "error", "{wrong}");
    assert!(wrong["found"].as_str().unwrap().contains(&place), "{wrong}");
    assert!(wrong["fix"].as_str().unwrap().contains("proxy.conf"), "{wrong}");
    assert!(
        findings.iter().any(|finding| finding["level"] == "fine"),
        "{result}"
    );

    write_own_site(&sandbox, &good);
    sandbox.front.reload();
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    sandbox.bg(&["check"]).assert_code(0);
}

#[test]
fn a_cache_of_open_files_hides_neither_the_link_nor_the_static_files() {
    let sandbox = Sandbox::with(|_| {});
    let cache =
        "open_file_cache max=1000 inactive=60s; open_file_cache_valid 60s; open_file_cache_errors on;";
    sandbox.front.write_conf(cache);
    sandbox.front.reload();
    sandbox.bg(&["setup"]).assert_code(0);
    for number in 0..3 {
        let style = format!("/* style {number} */");
        sandbox.commit("another style", |repo| {
            fs::write(repo.join("static/shop.css"), &style).unwrap();
        });
        let deploy = sandbox.bg(&["deploy"]);
        deploy.assert_code(0);
        let color = if number % 2 == 0 {
            Color::Blue
        } else {
            Color::Green
        };
        for _ in 0..20 {
            assert_eq!(sandbox.get("/static/shop.css").body, style, "{deploy}");
            assert_eq!(sandbox.live_color(), Some(color), "{deploy}");
        }
        assert_eq!(sandbox.link(), color.name());
    }
    for (color, number) in [(Color::Green, 1), (Color::Blue, 2), (Color::Green, 1)] {
        sandbox.bg(&["switch"]).assert_code(0);
        for _ in 0..20 {
            assert_eq!(
                sandbox.get("/static/shop.css").body,
                format!("/* style {number} */")
            );
            assert_eq!(sandbox.live_color(), Some(color));
        }
    }
}

/// After the swap nothing could be proven, nor that it was undone.
#[test]
fn a_front_that_turns_the_proof_away_is_found_before_traffic_moves() {
    let sandbox = Sandbox::with(|_| {});
    let users = sandbox.root().join("users");
    fs::write(&users, "shop:{PLAIN}pw\n").unwrap();
    let site = |front: &str| {
        let route = include(&sandbox, "route.conf");
        let pass = include(&sandbox, "proxy.conf");
        let open = format!("location = /health {{ auth_basic off; {pass} }}");
        write_own_site(
            &sandbox,
            &format!("{route}\n{open}\nlocation / {{\n{front}\n{pass}\n}}"),
        );
    };
    let sends = |header: &str| {
        let headers = format!("headers = {{ Authorization = \"{header}\" }}");
        move |config: &mut toml::Table| set(config, "nginx", "probe", headers.parse::<toml::Table>().unwrap())
    };
    write_own_site(&sandbox, "location / { return 200 mine; }");
    sandbox.front.reload();
    sandbox.bg(&["setup"]).assert_code(1);
    site("");
    sandbox.front.reload();
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    sandbox.bg(&["deploy"]).assert_code(0);

    site(&format!(
        "auth_basic shop; auth_basic_user_file {};",
        users.display()
    ));
    sandbox.front.reload();
    let place = format!("`auth_basic shop` at {}:8", site_file(&sandbox).display());
    let what = format!(
        "`/` on http://{} ({HOST}) is answered 401 by NGINX itself: {place}",
        sandbox.address()
    );
    for wrong in ["", "Basic d3Jvbmc="] {
        if !wrong.is_empty() {
            sandbox.configure(sends(wrong));
        }
        for command in ["deploy", "deploy --plan", "switch", "rollback"] {
            let words: Vec<&str> = command.split(' ').collect();
            let refused = sandbox.bg(&words);
            assert_eq!(refused.code, Some(3), "{command}: {refused}");
            refused.assert_says("no switch of this site could be verified, so nothing was changed");
            refused.assert_says(&what);
            refused.assert_says("set `nginx.paths = [\"/health\"]` in bg.toml");
            refused.assert_says("`nginx.probe.headers = { Authorization = \"Basic ...\" }` in bg.toml");
            refused.assert_says("traffic: unchanged, green");
            assert_eq!(sandbox.link(), "green", "{command}");
            assert!(sandbox.lock_is_free(), "{command}");
            assert_eq!(sandbox.get("/health").header("x-app-color"), Some("green"));
            let warm = http::get(sandbox.slot_address(Color::Blue), HOST, "/health").unwrap();
            assert_eq!(warm.status, 200, "{command}");
        }
        let check = sandbox.bg(&["check"]);
        check.assert_code(1);
        assert!(check.stdout.contains("no switch could be verified"), "{check}");
        assert!(check.stdout.contains(&place), "{check}");
    }
    sandbox.configure(sends("Basic c2hvcDpwdw=="));
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.link(), "blue");
}

/// NGINX's workers that cannot look through the link answer from blue, whatever it says.
#[test]
fn a_folder_that_workers_cannot_enter_is_named_and_nothing_is_claimed() {
    let sandbox = Sandbox::with(|_| {});
    let folder = sandbox.link_folder().parent().unwrap().to_owned();
    let named = format!("cannot enter {}, on the way", folder.display());
    close(&folder);
    let setup = sandbox.bg(&["setup"]);
    setup.assert_code(1);
    assert!(sandbox.lock_is_free());
    let check = sandbox.bg(&["check"]);
    check.assert_code(1);
    assert!(check.stdout.contains(&named), "no {named:?} in {check}");
    assert!(
        check.stdout.contains(&format!("chmod o+x {}", folder.display())),
        "{check}"
    );

    open(&folder);
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    close(&folder);
    // This is what makes it dangerous.
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    for args in [&["deploy"], &["switch"], &["rollback"]] {
        let refused = sandbox.bg(args);
        refused.assert_code(7);
        refused.assert_says("traffic: unknown");
        refused.assert_says("`bluegreen check`");
        assert!(sandbox.lock_is_free());
    }
    let check = sandbox.bg(&["check"]);
    check.assert_code(1);
    assert!(check.stdout.contains(&named), "no {named:?} in {check}");
    open(&folder);
    assert_eq!(sandbox.link(), "green");
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    sandbox.bg(&["check"]).assert_code(0);
    sandbox.bg(&["switch"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
}

/// To the workers: as root they are somebody else, otherwise they are whoever runs this,
/// and then `bg` itself is shut out as well.
fn close(folder: &Path) {
    let mode = if nix::unistd::geteuid().is_root() {
        0o700
    } else {
        0o600
    };
    fs::set_permissions(folder, Permissions::from_mode(mode)).unwrap();
}

fn open(folder: &Path) {
    fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
}

/// Two listeners of a site, one of which the owner forgot.
#[test]
fn every_listener_is_asked() {
    let sandbox = Sandbox::deployed();
    let second = crate::sandbox::ports::Port::free();
    let second = format!("127.0.0.1:{}", second.number());
    sandbox.configure(|config| {
        let both = vec![sandbox.address().to_string(), second.clone()];
        crate::sandbox::set(config, "nginx", "listen", both);
    });
    let other = format!(
        "server {{ listen {second}; server_name shop.test; location / {{ proxy_pass http://{}; }} }}",
        sandbox.slot_address(Color::Blue)
    );
    let text = fs::read_to_string(site_file(&sandbox)).unwrap();
    fs::write(site_file(&sandbox), format!("# mine\n{text}\n{other}\n")).unwrap();
    sandbox.front.reload();
    let setup = sandbox.bg(&["setup"]);
    sandbox.assert_five(&setup, 1, &second, Color::Blue);
    let whole = fs::read_to_string(site_file(&sandbox)).unwrap();
    let route = format!("server_name shop.test; {} ", include(&sandbox, "route.conf"));
    fs::write(
        site_file(&sandbox),
        whole.replace("server_name shop.test; ", &route),
    )
    .unwrap();
    repo::replace(
        &site_file(&sandbox),
        &format!("proxy_pass http://{};", sandbox.slot_address(Color::Blue)),
        &include(&sandbox, "proxy.conf"),
    );
    sandbox.front.reload();
    sandbox.bg(&["setup"]).assert_code(0);
    let deploy = sandbox.bg(&["deploy"]);
    deploy.assert_code(0);
    deploy.assert_says("proven on 1 path and 2 listeners");
}

/// A color that is reached and fails is another matter than one that is not reached.
#[test]
fn a_color_that_fails_as_the_other_does_may_be_live_and_one_that_fails_alone_may_not() {
    let sandbox = Sandbox::new();
    let down = sandbox.root().join("down");
    let body = format!(
        "def front_page():\n    if os.path.exists({:?}): return \"no database\", 500",
        down.display().to_string()
    );
    sandbox.commit_edit("needs a database", "def front_page():", &body);
    fs::write(&down, "").unwrap();
    sandbox.bg(&["setup"]).assert_code(0);
    let first = sandbox.bg(&["deploy"]);
    first.assert_code(0);
    first.assert_says("blue answers but is unhealthy: `/` on http://");
    first.assert_says("is answered 500: no database");
    first.assert_says("because nothing was live before");
    assert_eq!(sandbox.live_color(), Some(Color::Blue));

    sandbox.commit_edit("another greeting", "Good day", "Hello");
    let second = sandbox.bg(&["deploy"]);
    second.assert_code(0);
    second.assert_says("traffic moves anyway, because blue fails the same way");
    sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));

    fs::remove_file(&down).unwrap();
    sandbox.commit_edit(
        "a mistake",
        "    session[\"visits\"] = ",
        "    session[visits] = ",
    );
    let broken = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&broken, 5, "green fails requests that blue answers", Color::Blue);
    broken.assert_says("green answers but is unhealthy");

    // The way back is proven where the one who gets traffic back fails, too.
    fs::write(&down, "").unwrap();
    sandbox.commit_edit(
        "another mistake",
        "return \"no database\", 500",
        "return \"no database\", 503",
    );
    let worse = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&worse, 5, "is answered 503: no database", Color::Blue);
}
