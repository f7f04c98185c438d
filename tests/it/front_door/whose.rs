//! What belongs to others on the same NGINX: names, listeners, files.

use std::fs;

use toml::{Table, Value};

use super::{rendered, site_file};
use crate::sandbox::{Sandbox, http, set};

fn words(words: &[&str]) -> Value {
    Value::Array(words.iter().map(|word| (*word).into()).collect())
}

/// Who answers for `host`: `theirs`, or whatever else.
fn answer(sandbox: &Sandbox, host: &str) -> String {
    http::get(sandbox.address(), host, "/").map_or_else(|error| error.to_string(), |answer| answer.body)
}

/// Somebody else's site, and what of it ours would take.
struct Theirs {
    listen: &'static str,
    names: &'static str,
    asked: &'static str,
    ours: &'static [&'static str],
}

const fn theirs(
    listen: &'static str,
    names: &'static str,
    asked: &'static str,
    ours: &'static [&'static str],
) -> Theirs {
    Theirs {
        listen,
        names,
        asked,
        ours,
    }
}

const TAKEN: [Theirs; 13] = [
    theirs("127.0.0.1:{port}", "shop.test", "shop.test", &["shop.test"]),
    theirs("127.0.0.1:{port}", "SHOP.Test", "shop.test", &["shop.test"]),
    theirs("127.0.0.1:{port}", "shop.test", "shop.test", &["Shop.TEST"]),
    theirs("127.0.0.1:{port}", "shop.test.", "shop.test", &["shop.test"]),
    theirs(
        "127.0.0.1:{port}",
        "shop.test",
        "shop.test",
        &["x.test", "shop.test."],
    ),
    theirs("127.0.0.1:{port}", ".shop.test", "shop.test", &["shop.test"]),
    theirs(
        "127.0.0.1:{port}",
        "x.test .shop.test",
        "www.shop.test",
        &["www.shop.test"],
    ),
    theirs(
        "127.0.0.1:{port}",
        "*.shop.test",
        "www.shop.test",
        &["www.shop.test"],
    ),
    theirs("127.0.0.1:{port}", "shop.test", "shop.test", &[".shop.test"]),
    theirs(
        "127.0.0.1:{port}",
        r"~^(www\.)?shop\.test$",
        "shop.test",
        &["shop.test"],
    ),
    theirs(
        "127.0.0.1:{port} default_server",
        "*.test",
        "a.shop.test",
        &["*.shop.test"],
    ),
    // An address goes before all: whatever the name is.
    theirs("{port}", "their.test", "their.test", &["shop.test"]),
    theirs("*:{port}", "their.test", "their.test", &["shop.test"]),
];

#[test]
fn a_name_or_an_address_of_another_site_is_not_taken() {
    for (n, theirs) in TAKEN.iter().enumerate() {
        let sandbox = Sandbox::new();
        let other = sandbox.front.sites().join("their.conf");
        let listen = theirs
            .listen
            .replace("{port}", &sandbox.address().port().to_string());
        let text = format!(
            "# mine\nserver {{\n    listen {listen};\n    server_name {};\n    return 200 theirs;\n}}\n",
            theirs.names
        );
        fs::write(&other, &text).unwrap();
        sandbox.front.reload();
        assert_eq!(answer(&sandbox, theirs.asked), "theirs", "{}", theirs.names);
        sandbox.configure(|config| set(config, "nginx", "server_names", words(theirs.ours)));
        let setup = sandbox.bg(&["setup"]);
        setup.assert_code(3);
        setup.assert_says(&format!("{}:2", other.display()));
        assert!(!site_file(&sandbox).exists());
        assert_eq!(answer(&sandbox, theirs.asked), "theirs", "{}", theirs.names);
        if n % 5 == 0 || theirs.listen != TAKEN[0].listen {
            let check = sandbox.bg(&["check"]);
            let place = format!("{}:2", other.display());
            assert!(check.stdout.contains(&place), "{check}");
        }
    }
}

#[test]
fn a_site_beside_others_is_set_up() {
    let sandbox = Sandbox::new();
    let (address, port) = (sandbox.address(), sandbox.address().port());
    let server = |listen: &str, name: &str| {
        format!("server {{ listen {listen}; server_name {name}; return 200 theirs; }}\n")
    };
    let all = [
        server(&address.to_string(), "notshop.test"),
        server(&address.to_string(), "shop.test.example"),
        server(&address.to_string(), "*.shop.test"),
        // Their last resort has no name to be taken.
        server(&address.to_string(), "~."),
        server(&address.to_string(), "_"),
        // An address that is there already takes nothing more from whoever listens on any.
        server(&port.to_string(), "their.test"),
    ];
    fs::write(sandbox.front.sites().join("their.conf"), all.concat()).unwrap();
    sandbox.front.reload();
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(answer(&sandbox, "a.shop.test"), "theirs");
    assert!(sandbox.live_color().is_some());
    assert_eq!(sandbox.bg(&["setup"]).stdout, "nothing to change\n");
}

/// The same sandbox's app by another name, with places of its own.
fn second(sandbox: &Sandbox, app: &str) -> Vec<String> {
    let text = fs::read_to_string(sandbox.config()).unwrap();
    let mut config: Table = text.parse().unwrap();
    let path = |name: &str| sandbox.root().join(name).to_str().unwrap().to_owned();
    config.insert("app".into(), app.into());
    config.insert("root".into(), path("srv/second").into());
    set(&mut config, "process", "name", "second");
    let ports: Table = "blue = 1\ngreen = 2".parse().unwrap();
    set(&mut config, "process", "ports", Value::Table(ports));
    set(&mut config, "nginx", "server_names", words(&["second.test"]));
    set(&mut config, "nginx", "link_folder", path("link/second"));
    let file = sandbox.root().join("desk/second.toml");
    fs::create_dir_all(sandbox.root().join("srv/second/shared")).unwrap();
    fs::write(sandbox.root().join("srv/second/shared/app.env"), "A=1\n").unwrap();
    fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
    vec![
        "--config".to_owned(),
        file.to_str().unwrap().to_owned(),
        "setup".to_owned(),
    ]
}

fn run(sandbox: &Sandbox, args: &[String]) -> crate::sandbox::outcome::Outcome {
    sandbox.bg(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn an_app_whose_name_begins_as_our_files_do_keeps_them_apart() {
    let sandbox = Sandbox::deployed();
    let hook = sandbox.front.sites().join("bg-shop.conf");
    let before = fs::read_to_string(&hook).unwrap();
    let args = second(&sandbox, "bg-shop");
    run(&sandbox, &args).assert_code(0);
    assert_eq!(fs::read_to_string(&hook).unwrap(), before);
    assert!(sandbox.front.sites().join("bg-shop.site.conf").exists());
    assert!(sandbox.live_color().is_some());
    assert_eq!(run(&sandbox, &args).stdout, "nothing to change\n");
    assert_eq!(sandbox.bg(&["setup"]).stdout, "nothing to change\n");
}

#[test]
fn an_app_that_was_set_up_by_an_earlier_version_goes_on_and_is_not_written_over() {
    let sandbox = Sandbox::new();
    let args = second(&sandbox, "bg-shop");
    run(&sandbox, &args).assert_code(0);
    // As it was called.
    let old = sandbox.front.sites().join("bg-shop.conf");
    fs::rename(sandbox.front.sites().join("bg-shop.site.conf"), &old).unwrap();
    let entry = sandbox.registry().join("bg-shop.toml");
    let text = fs::read_to_string(&entry).unwrap();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("nginx_site"))
        .collect();
    fs::write(&entry, lines.join("\n") + "\n").unwrap();
    let site = fs::read_to_string(&old).unwrap();
    assert_eq!(run(&sandbox, &args).stdout, "nothing to change\n");
    // The other of the two comes second.
    let setup = sandbox.bg(&["setup"]);
    setup.assert_code(3);
    setup.assert_says("belongs to app `bg-shop`");
    assert_eq!(fs::read_to_string(&old).unwrap(), site);
}

#[test]
fn a_file_that_somebody_else_wrote_is_not_written_over() {
    let sandbox = Sandbox::new();
    let hook = sandbox.front.sites().join("bg-shop.conf");
    let address = sandbox.address();
    for theirs in [
        format!("server {{ listen {address}; server_name their.test; return 200 theirs; }}\n"),
        "# Written by bg for shop-api; pulls its upstreams and maps into `http`.\n".to_owned(),
        "# Written by bg for shop. And no more.\n".to_owned(),
        "# nothing but a word\n".to_owned(),
        String::new(),
    ] {
        fs::write(&hook, &theirs).unwrap();
        let setup = sandbox.bg(&["setup"]);
        setup.assert_code(3);
        setup.assert_says(&hook.display().to_string());
        assert_eq!(fs::read_to_string(&hook).unwrap(), theirs);
        let check = sandbox.bg(&["check"]);
        let said = format!("✗ set-up: `{}`", hook.display());
        assert!(check.stdout.contains(&said), "{check}");
    }
    fs::remove_file(&hook).unwrap();
    // The site's file of another app.
    let theirs = "# Written by bg for shop-api. `bluegreen setup` writes it again\n";
    fs::write(site_file(&sandbox), theirs).unwrap();
    let setup = sandbox.bg(&["setup"]);
    setup.assert_code(3);
    setup.assert_says("belongs to app `shop-api`");
    assert_eq!(fs::read_to_string(site_file(&sandbox)).unwrap(), theirs);
    fs::remove_file(site_file(&sandbox)).unwrap();
    sandbox.bg(&["setup"]).assert_code(0);

    // What is not ours any more is not removed either.
    let mine = format!(
        "# mine now\ninclude \"{}\";\n# and more\nmap $uri $mine {{ default 1; }}\n",
        rendered(&sandbox, "upstreams.conf").display()
    );
    fs::write(&hook, &mine).unwrap();
    sandbox.bg(&["remove", "--yes"]);
    assert_eq!(fs::read_to_string(&hook).unwrap(), mine);
}

fn asked(sandbox: &Sandbox, host: &str) -> Option<u16> {
    http::get(sandbox.address(), host, "/whoami")
        .ok()
        .map(|answer| answer.status)
}

#[test]
fn unknown_names_are_refused_where_nobody_else_answers_for_them() {
    let sandbox = Sandbox::deployed();
    assert_eq!(asked(&sandbox, "evil.test"), Some(200));
    sandbox.configure(|config| set(config, "nginx", "refuse_unknown_names", true));
    sandbox.bg(&["setup"]).assert_code(0);
    for host in ["evil.test", "127.0.0.1", "shop.test.evil.test", "_"] {
        assert_eq!(asked(&sandbox, host), None, "{host}");
    }
    for host in ["shop.test", "SHOP.test", "shop.test."] {
        assert_eq!(asked(&sandbox, host), Some(200), "{host}");
    }
    assert_eq!(sandbox.bg(&["setup"]).stdout, "nothing to change\n");
    sandbox.bg(&["deploy"]).assert_code(0);
    sandbox.bg(&["rollback"]).assert_code(0);
    sandbox.bg(&["check"]).assert_code(0);

    // Somebody else's site comes later: ours stays what it is.
    let (address, other) = (sandbox.address(), sandbox.front.sites().join("their.conf"));
    fs::write(
        &other,
        format!("server {{ listen {address}; server_name their.test; return 200 theirs; }}\n"),
    )
    .unwrap();
    sandbox.front.reload();
    assert_eq!(sandbox.bg(&["setup"]).stdout, "nothing to change\n");
    assert_eq!(
        (asked(&sandbox, "their.test"), asked(&sandbox, "evil.test")),
        (Some(200), None)
    );
    sandbox.configure(|config| set(config, "nginx", "refuse_unknown_names", false));
    sandbox.bg(&["setup"]).assert_code(0);
    assert_eq!(asked(&sandbox, "evil.test"), Some(200));

    // By now somebody else may be the one who is asked.
    for word in ["", " default_server", " default"] {
        fs::write(
            &other,
            format!("server {{ listen {address}{word}; server_name their.test; return 200 theirs; }}\n"),
        )
        .unwrap();
        sandbox.front.reload();
        let before = answer(&sandbox, "evil.test");
        sandbox.configure(|config| set(config, "nginx", "refuse_unknown_names", true));
        sandbox.bg(&["setup"]).assert_code(0);
        assert_eq!(answer(&sandbox, "evil.test"), before, "{word}");
        sandbox.configure(|config| set(config, "nginx", "refuse_unknown_names", false));
        sandbox.bg(&["setup"]).assert_code(0);
    }
}
