//! Static files follow the color, in both ways; those named by their content are found for as
//! long as a release that is kept has them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bluegreen::model::color::Color;
use bluegreen::model::config::hashed::Hashed;
use toml::{Table, Value};

use crate::sandbox::shared::{OWNER, Shared};
use crate::sandbox::{Sandbox, set};

const OLD: &str = "app.00000aaa.js";
const NEW: &str = "app.00000bbb.js";

fn url(name: &str) -> String {
    format!("/static/{name}")
}

/// `[[nginx.static]]` with `hashed`, and two releases that are kept.
fn hashed(value: impl Into<Value>) -> impl FnOnce(&mut Table) {
    let value = value.into();
    move |config| {
        let files = config["nginx"]["static"].as_array_mut().unwrap();
        files[0].as_table_mut().unwrap().insert("hashed".into(), value);
        set(config, "keep", "releases", 2);
    }
}

/// A commit in which exactly these files, which say who brought them, are named by content.
fn commit(sandbox: &Sandbox, message: &str, names: &[&str]) {
    sandbox.commit(message, |repo| write(&repo.join("static"), message, names));
}

fn write(folder: &Path, text: &str, names: &[&str]) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.file_name() != "shop.css" {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    for name in names {
        fs::write(folder.join(name), text).unwrap();
    }
}

fn follow_the_color(way: &'static str) {
    let sandbox = Sandbox::with(|config| {
        set(config, "nginx", "switch", way);
        set(config, "timeouts", "reload", "4s");
    });
    let page =
        |text: &'static str| move |repo: &Path| fs::write(repo.join("static/page.html"), text).unwrap();
    sandbox.commit("blue's", page("<p>blue"));
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.get("/static/page.html").body, "<p>blue");
    sandbox.commit("green's", page("<p>green"));
    sandbox.commit("and a new one", |repo| {
        fs::write(repo.join("static/new.txt"), "new").unwrap()
    });
    let steps: [(&[&str], &str, u16); 3] = [
        (&["deploy"], "<p>green", 200),
        (&["rollback"], "<p>blue", 404),
        (&["switch", "green"], "<p>green", 200),
    ];
    for (step, page, new) in steps {
        let moved = sandbox.bg(step);
        moved.assert_code(0);
        assert_eq!(sandbox.get("/static/page.html").body, page, "{way}: {moved}");
        assert_eq!(sandbox.get("/static/new.txt").status, new, "{way}: {moved}");
        assert_eq!(sandbox.get("/").status, 200);
    }
}

#[test]
fn static_files_follow_the_color_in_the_live_way() {
    follow_the_color("live");
}

#[test]
fn static_files_follow_the_color_in_the_reload_way() {
    follow_the_color("reload");
}

#[test]
fn a_page_from_before_a_switch_finds_its_files_until_its_release_is_deleted() {
    for way in ["live", "reload"] {
        let sandbox = Sandbox::with(|config| {
            hashed(true)(config);
            set(config, "nginx", "switch", way);
        });
        commit(&sandbox, "first", &[OLD, "plain.js", ".hid.00000aaa.js"]);
        sandbox.bg(&["setup"]).assert_code(0);
        sandbox.bg(&["deploy"]).assert_code(0);
        let body = |name: &str| {
            let answer = sandbox.get(&url(name));
            (answer.status, answer.body)
        };
        let first = (200, "first".to_owned());
        assert_eq!(body(OLD), first, "{way}");

        commit(&sandbox, "second", &[NEW]);
        sandbox.bg(&["deploy"]).assert_code(0);
        assert_eq!(sandbox.live_color(), Some(Color::Green));
        assert_eq!(body(OLD), first, "{way}: asked for by a page loaded before");
        assert_eq!(body(NEW), (200, "second".to_owned()));
        for gone in ["plain.js", ".hid.00000aaa.js", "app.0000ffff.js"] {
            assert_eq!(body(gone).0, 404, "{way}: {gone}");
        }
        assert_eq!(sandbox.get(&format!("/.bg/shop/assets/static/{OLD}")).status, 404);

        sandbox.bg(&["rollback"]).assert_code(0);
        assert_eq!(
            body(NEW),
            (200, "second".to_owned()),
            "{way}: back, with green's page"
        );
        sandbox.bg(&["switch"]).assert_code(0);

        // The slot is taken by another release, and the first one is kept: a refused one
        // is started in its place meanwhile.
        sandbox.configure(|config| set(config, "keep", "releases", 3));
        commit(&sandbox, "third", &["app.00000ccc.js"]);
        sandbox.bg(&["deploy"]).assert_code(0);
        assert_eq!(sandbox.live_color(), Some(Color::Blue));
        assert_eq!(body(OLD), first, "{way}: its slot holds the third release");

        sandbox.configure(|config| set(config, "keep", "releases", 2));
        commit(&sandbox, "fourth", &["app.00000ddd.js"]);
        sandbox.bg(&["deploy"]).assert_code(0);
        assert_eq!(body(OLD).0, 404, "{way}: its release is deleted");
        assert_eq!(body("app.00000ccc.js"), (200, "third".to_owned()));
    }
}

#[test]
fn nginx_and_bg_agree_on_which_names_carry_a_hash() {
    let names = [
        "app.3f9a2c1d.js",
        "app-3F9A2C1D4e5f.min.css",
        "logo_3f9a2c1d.png",
        "3f9a2c1d.woff2",
        "app.3f9a2c1d.js.map",
        "jquery-3.7.1.min.js",
        "app.3f9a2c1.js",
        "app.3f9a2c1x4.js",
        "app.3f9a2c1d",
        "app3f9a2c1d.js",
        "index-DX_k2-Pq.js",
        "index-DX_k2-P.js",
        "in.dex-DX_k2-Pq.js",
    ];
    let mut seen = 0;
    for (value, rule) in [
        (Value::from(true), Hashed::Hex),
        (Value::from("*-????????.js"), Hashed::Like("*-????????.js".into())),
    ] {
        let sandbox = Sandbox::with(hashed(value));
        commit(&sandbox, "all", &names);
        sandbox.bg(&["setup"]).assert_code(0);
        sandbox.bg(&["deploy"]).assert_code(0);
        for name in names {
            let answer = sandbox.get(&url(name));
            assert_eq!(answer.status, 200, "{name}");
            let cached = answer.header("cache-control") == Some("max-age=31536000");
            assert_eq!(cached, rule.names(name), "{rule:?}: {name}");
            let kept = sandbox.app_root().join("assets/static").join(name);
            assert_eq!(kept.exists(), cached, "{rule:?}: {name}");
            seen += usize::from(cached);
        }
    }
    assert_eq!(seen, 5 + 2);
}

#[test]
fn the_same_name_with_another_content_is_told_and_each_release_keeps_its_own() {
    let sandbox = Sandbox::with(hashed(true));
    commit(&sandbox, "first", &[OLD]);
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    commit(&sandbox, "second", &[OLD]);
    let deploy = sandbox.bg(&["deploy"]);
    deploy.assert_code(0);
    deploy.assert_says(&format!(
        "`/static/{OLD}` had another content in an earlier release"
    ));
    assert_eq!(sandbox.get(&url(OLD)).body, "second");
    sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(sandbox.get(&url(OLD)).body, "first");
}

#[test]
fn a_site_that_turns_it_on_has_the_files_of_its_live_release_too() {
    let sandbox = Sandbox::deployed();
    commit(&sandbox, "first", &[OLD]);
    sandbox.bg(&["deploy"]).assert_code(0);
    sandbox.configure(hashed(true));
    sandbox.bg(&["setup"]).assert_code(0);
    commit(&sandbox, "second", &[NEW]);
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.get(&url(OLD)).body, "first");
    assert_eq!(sandbox.get(&url(NEW)).body, "second");
}

#[test]
fn a_site_of_ones_own_does_it_with_the_lines_that_setup_prints() {
    let sandbox = Sandbox::with(hashed(true));
    fs::write(sandbox.repo().join("static/.secret"), "hunter2").unwrap();
    commit(&sandbox, "first", &[OLD]);
    let site = sandbox.front.sites().join("shop.conf");
    let address = sandbox.address();
    let write_site = |proxy: &str, files: &str| {
        let text = format!(
            "server {{\n listen {address};\n server_name shop.test;\n add_header X-Own yes always;\n {proxy}\n \
             location ^~ /static/ {{\n{files}\n }}\n}}\n"
        );
        fs::write(&site, text).unwrap();
    };
    write_site("", "return 404;");
    let setup = sandbox.bg(&["setup"]);
    setup
        .assert_code(1)
        .assert_says("in place of the root or alias of /static/");
    let printed = setup.stderr.split("alias of /static/:\n").nth(1).unwrap();
    let lines: Vec<&str> = printed
        .lines()
        .take_while(|line| !line.starts_with("traffic:") && !line.starts_with("hint:"))
        .map(str::trim)
        .collect();
    assert_eq!(lines.len(), 8, "{lines:?}");
    let bg = sandbox.front.conf().with_file_name("bg/shop");
    let proxy = format!(
        "include {0}/route.conf;\n location / {{ include {0}/proxy.conf; }}",
        bg.display()
    );
    write_site(&proxy, &lines.join("\n"));
    sandbox.front.reload();
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    commit(&sandbox, "second", &[NEW]);
    sandbox.bg(&["deploy"]).assert_code(0);
    for (name, body) in [(OLD, "first"), (NEW, "second"), ("shop.css", "{")] {
        let answer = sandbox.get(&url(name));
        assert!(answer.body.contains(body), "{name}: {answer:?}");
        assert_eq!(answer.header("x-own"), Some("yes"), "{name}");
    }
    assert_eq!(sandbox.get(&url("app.0000ffff.js")).status, 404);
    assert_eq!(sandbox.get(&url(".secret")).status, 404, "it is in the release");
}

#[test]
fn nginxs_workers_reach_what_an_owner_with_a_tight_umask_kept() {
    let Some(shared) = Shared::with(hashed(true)) else {
        return;
    };
    let sandbox = &shared.sandbox;
    let commit = |message: &str, name: &str| {
        write(&sandbox.repo().join("static"), message, &[name]);
        shared.give(&sandbox.repo());
        let who = ["-c", "user.name=Test", "-c", "user.email=test@shop.test"];
        for words in [&["add", "--all"][..], &["commit", "--quiet", "-m", message]] {
            let line = [&["git"], &who[..], words].concat();
            let mut git = shared.command_as(OWNER, &line);
            assert!(git.current_dir(sandbox.repo()).status().unwrap().success());
        }
    };
    commit("first", OLD);
    shared.bg_as("root", &["setup"]).assert_code(0);
    let program = shared.program();
    let deploy = || {
        let line = ["sh", "-c", "umask 077; exec \"$0\" deploy", program];
        let output = shared.command_as(OWNER, &line).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    deploy();
    commit("second", NEW);
    deploy();
    assert_eq!(sandbox.get(&url(OLD)).body, "first");
    assert_eq!(
        shared.not_the_owners(&sandbox.app_root().join("assets")),
        Vec::<std::path::PathBuf>::new()
    );
}

/// A page whose scripts and styles are missing is no release.
#[test]
fn a_release_whose_static_files_nginx_cannot_serve_is_refused() {
    let sandbox = Sandbox::deployed();
    sandbox.commit("moves its files", |repo| {
        fs::rename(repo.join("static"), repo.join("assets")).unwrap();
    });
    let releases = || fs::read_dir(sandbox.app_root().join("releases")).unwrap().count();
    // A hook might have made it, so that only the release shows it.
    for (hook, made) in [(None, 1), (Some("true"), 2)] {
        if let Some(hook) = hook {
            sandbox.configure(|config| set(config, "hooks", "after_build", hook));
        }
        let deploy = sandbox.bg(&["deploy"]);
        let says = "static` is not there, which is served as `/static/`";
        sandbox.assert_five(&deploy, 1, says, Color::Blue);
        deploy.assert_says("correct `folder` in `[[nginx.static]]`");
        assert_eq!(releases(), made, "{deploy}");
    }

    if !nix::unistd::Uid::effective().is_root() {
        eprintln!("not tried: NGINX's workers are another user only where root starts it");
        return;
    }
    sandbox.commit("moves them back, built under umask 077", |repo| {
        fs::rename(repo.join("assets"), repo.join("static")).unwrap();
    });
    sandbox.configure(|config| set(config, "hooks", "after_build", "chmod 600 static/shop.css"));
    let deploy = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&deploy, 1, "static/shop.css` (mode 0600)", Color::Blue);
    deploy.assert_says("cannot read `");
    deploy.assert_says("as the last of `hooks.after_build`");
    assert_eq!(sandbox.get("/static/shop.css").status, 200);

    let live = sandbox.app_root().join("slots/blue/static");
    let closed = |mode| fs::set_permissions(&live, fs::Permissions::from_mode(mode)).unwrap();
    closed(0o700);
    let check = sandbox.bg(&["check"]);
    check.assert_code(1);
    assert!(check.stdout.contains("static` (mode 0700)"), "{check}");
    closed(0o755);
    let check = sandbox.bg(&["check"]);
    check.assert_code(0);
    assert!(
        check
            .stdout
            .contains("NGINX can read what it serves of both colors"),
        "{check}"
    );
}
