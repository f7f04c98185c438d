//! A preview: the idle color through the front door, for whoever has the link and nobody else.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bluegreen::model::color::Color;
use serde_json::Value;
use toml::Table;

use crate::recovery::scene::LONG;
use crate::sandbox::afar::Afar;
use crate::sandbox::http::{Answer, get_with};
use crate::sandbox::ports::Port;
use crate::sandbox::wait::wait_until;
use crate::sandbox::{APP, HOST, Sandbox, set};

/// A host whose NGINX has a port for previews, with one release on blue.
fn previewing() -> (Sandbox, Port) {
    let port = Port::free();
    let sandbox = Sandbox::deployed_with(|config| give(config, &port));
    (sandbox, port)
}

fn give(config: &mut Table, port: &Port) {
    set(config, "nginx", "loopback_port", i64::from(port.number()));
}

/// What came of a command that opened one: the link's path, and the token.
fn opened(answer: &Value) -> (String, String) {
    let link = answer["link"].as_str().unwrap();
    let (site, path) = link.split_once("/.bg/").unwrap();
    assert!(site.starts_with(&format!("http://{HOST}:")), "{link}");
    let token = path.strip_prefix(&format!("{APP}/preview/")).unwrap();
    assert_eq!(answer["header"], token);
    (format!("/.bg/{path}"), token.to_owned())
}

fn ask(sandbox: &Sandbox, path: &str, token: &str) -> Answer {
    let cookie = format!("theme=dark; bg_shop_preview={token}");
    get_with(sandbox.address(), HOST, path, &[("Cookie", &cookie)]).unwrap()
}

/// Who answers to whoever has `token`.
fn shown(sandbox: &Sandbox, token: &str) -> (u16, Option<Color>) {
    let answer = ask(sandbox, "/whoami", token);
    let color = answer.header("x-app-color").map(|color| color.parse().unwrap());
    assert_eq!(
        color.map(|color: Color| color.name()),
        answer.header("x-bg-preview"),
        "{answer:?}"
    );
    (answer.status, color)
}

/// Every file below `folder` that holds `text`.
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => found.extend(holding(&path, text)),
            kind if kind.is_file() => {
                let bytes = fs::read(&path).unwrap_or_default();
                if String::from_utf8_lossy(&bytes).contains(text) {
                    found.push(path.display().to_string());
                }
            }
            _ => {}
        }
    }
    found
}

#[test]
fn a_staged_release_is_shown_to_whoever_has_the_link_until_the_switch() {
    let (sandbox, _port) = previewing();
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    let load = sandbox.load();
    let deployed = sandbox.bg(&["deploy", "--preview=8h", "--json"]);
    deployed.assert_code(0);
    let deployed = deployed.result();
    let answer = &deployed["answer"];
    assert_eq!(
        (&answer["switched"], &answer["preview"]["color"]),
        (&false.into(), &"green".into())
    );
    let (path, token) = opened(&answer["preview"]);

    let link = sandbox.get(&path);
    assert_eq!((link.status, link.header("location")), (302, Some("/")));
    let cookie = link.header("set-cookie").unwrap();
    assert!(
        cookie.starts_with(&format!("bg_shop_preview={token};")),
        "{cookie}"
    );
    assert_eq!(shown(&sandbox, &token), (200, Some(Color::Green)));
    assert!(ask(&sandbox, "/", &token).body.contains("Hello"));
    let by_header = get_with(sandbox.address(), HOST, "/whoami", &[("X-Bg-Preview", &token)]).unwrap();
    assert_eq!(by_header.header("x-app-color"), Some("green"));
    assert!(sandbox.get("/").body.contains("Good day"));
    assert_eq!(sandbox.live_color(), Some(Color::Blue));

    let status = sandbox.bg(&["status"]);
    let line = status
        .stdout
        .lines()
        .find(|line| line.contains("  preview: green, for another "));
    assert!(line.is_some_and(|line| line.contains("opened by ")), "{status}");
    assert_eq!(sandbox.status()["previews"][0]["color"], "green");
    // The token is the name of one file, and stands in none.
    let kept = holding(sandbox.root(), &token);
    assert_eq!(kept, Vec::<String>::new());
    let files = fs::read_dir(sandbox.link_folder().join("preview")).unwrap();
    let names: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, std::slice::from_ref(&token));

    let switched = sandbox.bg(&["switch"]);
    switched.assert_code(0).assert_says("the preview of green");
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    let over = ask(&sandbox, "/whoami", &token);
    assert_eq!((over.status, over.header("x-app-color")), (410, None));
    assert!(over.body.contains("This preview is over"), "{over:?}");
    assert_eq!(sandbox.get(&path).status, 404);
    assert_eq!(sandbox.status().get("previews"), None);
    let counted = load.stop();
    assert_eq!((counted.failed, counted.wrong), (0, 0), "{counted:?}");
    assert!(counted.requests > 100, "{counted:?}");
}

#[test]
fn a_preview_ends_when_its_time_is_over_when_it_is_ended_and_when_its_color_changes() {
    let (sandbox, _port) = previewing();
    sandbox.bg(&["deploy"]).assert_code(0);
    let open = |args: &[&str]| {
        let done = sandbox.bg(&[&["preview", "--json"], args].concat());
        done.assert_code(0);
        opened(&done.result()["answer"]["opened"]).1
    };
    // Blue, which is idle by now, and green, which is live.
    let (short, blue, green) = (open(&["--for", "2s"]), open(&[]), open(&["green"]));
    assert!(short.starts_with("blue-") && short != blue, "{short}");
    assert_eq!(shown(&sandbox, &blue), (200, Some(Color::Blue)));
    assert_eq!(shown(&sandbox, &green), (200, Some(Color::Green)));
    wait_until(LONG, "the end of a preview of two seconds", || {
        shown(&sandbox, &short) == (410, None)
    });
    assert_eq!(shown(&sandbox, &blue), (200, Some(Color::Blue)));

    let off = sandbox.bg(&["preview", "blue", "--off"]);
    off.assert_code(0);
    assert_eq!(off.stdout, "1 preview ended\n");
    assert_eq!(shown(&sandbox, &blue), (410, None));
    assert_eq!(shown(&sandbox, &green), (200, Some(Color::Green)));
    assert_eq!(
        sandbox.bg(&["preview", "blue", "--off"]).stdout,
        "there is no preview\n"
    );

    // Another release in the color.
    let blue = open(&[]);
    let staged = sandbox.bg(&["deploy", "--no-switch"]);
    staged.assert_code(0).assert_says("the preview of blue");
    assert_eq!(shown(&sandbox, &blue), (410, None));
    assert_eq!(shown(&sandbox, &green), (200, Some(Color::Green)));
    let history = sandbox.bg(&["history"]);
    assert!(history.stdout.contains("preview of blue ("), "{history}");
    assert!(history.stdout.contains("1 preview ended"), "{history}");

    // A switch that somebody made and whose process died: the next command ends it.
    let preview = sandbox.link_folder().join("preview").join(&green);
    let terms = fs::read_to_string(&preview).unwrap();
    fs::write(&preview, terms.replace(r#""live":"green""#, r#""live":"blue""#)).unwrap();
    sandbox.bg(&["repair"]).assert_code(0);
    sandbox
        .bg(&["switch", "green"])
        .assert_says("the preview of green");
    assert_eq!(shown(&sandbox, &green), (410, None));
}

#[test]
fn the_maintenance_page_lets_previewers_past_where_that_was_asked_for() {
    let (sandbox, _port) = previewing();
    sandbox.bg(&["deploy"]).assert_code(0);
    let done = sandbox.bg(&["preview", "--json"]);
    let (_, token) = opened(&done.result()["answer"]["opened"]);
    sandbox.bg(&["maintenance", "on"]).assert_code(0);
    for path in ["/", "/whoami"] {
        assert_eq!(
            (sandbox.get(path).status, ask(&sandbox, path, &token).status),
            (503, 503)
        );
    }
    let past = sandbox.bg(&["maintenance", "on", "--but-preview"]);
    past.assert_code(0);
    assert!(
        past.stdout
            .contains("but whoever has a preview's link gets the preview"),
        "{past}"
    );
    assert_eq!(sandbox.get("/").status, 503);
    assert_eq!(shown(&sandbox, &token), (200, Some(Color::Blue)));
    sandbox.bg(&["maintenance", "on"]).assert_code(0);
    assert_eq!(ask(&sandbox, "/", &token).status, 503);
    sandbox.bg(&["maintenance", "off"]).assert_code(0);
    assert_eq!(shown(&sandbox, &token), (200, Some(Color::Blue)));
    assert_eq!(sandbox.live_color(), Some(Color::Green));
}

#[test]
fn where_there_can_be_no_preview_the_command_says_what_to_change() {
    let sandbox = Sandbox::deployed();
    let none = sandbox.bg(&["preview"]);
    sandbox.assert_five(&none, 1, "NGINX is not set up for a preview", Color::Blue);
    none.assert_says("`nginx.loopback_port = 5010` in bg.toml");
    let staged = sandbox.bg(&["deploy", "--preview"]);
    sandbox.assert_five(&staged, 1, "NGINX is not set up for a preview", Color::Blue);
    sandbox
        .bg(&["maintenance", "on", "--but-preview"])
        .assert_code(1)
        .assert_says("NGINX is not set up for a preview");

    // Somebody else's port, which NGINX would only name in its log.
    let port = Port::free();
    let theirs = std::net::TcpListener::bind(("127.0.0.1", port.number())).unwrap();
    sandbox.configure(|config| give(config, &port));
    let taken = sandbox.bg(&["setup"]);
    taken.assert_code(3).assert_says(&format!(
        "`nginx.loopback_port` in bg.toml is {}, and process",
        port.number()
    ));
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    drop(theirs);
    sandbox.bg(&["setup"]).assert_code(0);
    assert_eq!(sandbox.bg(&["setup"]).stdout, "nothing to change\n");

    let empty = sandbox.bg(&["preview"]);
    sandbox.assert_five(
        &empty,
        1,
        "green is empty: there is nothing to preview",
        Color::Blue,
    );
    sandbox.bg(&["preview", "--for", "0s"]).assert_code(2);
    sandbox.bg(&["preview", "--for", "8d"]).assert_code(2);
    sandbox.bg(&["preview", "--off", "--for", "1h"]).assert_code(2);

    sandbox.configure(|config| {
        let nginx = config["nginx"].as_table_mut().unwrap();
        nginx.insert("switch".into(), "reload".into());
    });
    sandbox.bg(&["setup"]).assert_code(0);
    let reload = sandbox.bg(&["preview"]);
    reload
        .assert_code(1)
        .assert_says("there is no preview with the `reload` strategy");
    reload.assert_says("`nginx.switch = \"live\"` in bg.toml, then");
    assert!(reload.took < Duration::from_secs(10), "{reload}");
}

#[test]
fn a_preview_that_nginx_does_not_show_is_not_opened() {
    let (sandbox, _port) = previewing();
    sandbox.bg(&["deploy"]).assert_code(0);
    // Templates of the owner's own, from before there were previews.
    let upstreams = sandbox
        .front
        .conf()
        .with_file_name("bg")
        .join(APP)
        .join("upstreams.conf");
    let text = fs::read_to_string(&upstreams).unwrap();
    fs::write(
        &upstreams,
        text.replace("add_header X-Bg-Preview", "add_header X-Other"),
    )
    .unwrap();
    sandbox.front.reload();
    let unseen = sandbox.bg(&["preview"]);
    sandbox.assert_five(&unseen, 1, "the preview of blue was not seen", Color::Green);
    unseen.assert_says(" setup` writes NGINX's files");
    assert_eq!(sandbox.status().get("previews"), None);
}

#[test]
fn hosts_behind_one_name_show_what_one_link_asks_for() {
    let ports = [Port::free(), Port::free()];
    let afar = Afar::deployed_with(2, |number, config| give(config, &ports[number]));
    let staged = afar.everywhere(&["deploy", "--preview", "--json"]);
    staged.assert_code(0);
    let of_host = |answer: &Value, number: usize| answer["answer"]["hosts"][number]["answer"].clone();
    let links = [0, 1].map(|number| opened(&of_host(&staged.result(), number)["deployed"]["preview"]).1);
    assert_eq!(links[0], links[1]);
    let again = afar.everywhere(&["preview", "--json"]);
    again.assert_code(0);
    let more = [0, 1].map(|number| opened(&of_host(&again.result(), number)["previewed"]["opened"]).1);
    assert_eq!(more[0], more[1]);
    assert_ne!(more[0], links[0]);
    for server in &afar.servers {
        for token in [&links[0], &more[0]] {
            assert_eq!(shown(&server.sandbox, token), (200, Some(Color::Green)));
            // What came of the request is kept for a client that lost the connection, without it.
            assert_eq!(holding(server.sandbox.root(), token), Vec::<String>::new());
        }
        assert_eq!(server.sandbox.live_color(), Some(Color::Blue));
    }
    let page = afar.everywhere(&["preview"]);
    page.assert_code(0);
    assert_eq!(
        page.stdout
            .matches("is shown for 1h to whoever has this link")
            .count(),
        2,
        "{page}"
    );
    afar.everywhere(&["preview", "--off"]).assert_code(0);
    for server in &afar.servers {
        assert_eq!(shown(&server.sandbox, &links[0]), (410, None));
    }
}

/// Every fault at every step that a preview adds: nobody is shown anything, or the command said so.
#[cfg(feature = "faults")]
#[test]
fn a_preview_that_fails_half_way_shows_nothing_and_is_over_with_the_next_command() {
    let (sandbox, _port) = previewing();
    sandbox.bg(&["deploy"]).assert_code(0);
    let trace = sandbox.root().join("trace");
    let previews = sandbox.link_folder().join("preview");
    let watched = |args: &[&str]| {
        fs::remove_file(&trace).ok();
        let mut command = sandbox.bg_command(args);
        assert!(command.env("BG_FAULT_TRACE", &trace).status().unwrap().success());
        let steps = fs::read_to_string(&trace).unwrap();
        let mine = |line: &&str| ["preview/", "is-special"].iter().any(|part| line.contains(part));
        let points = steps
            .lines()
            .filter(mine)
            .map(|line| line.split_once(' ').unwrap().1.to_owned());
        points.collect::<Vec<_>>()
    };
    let cases = [
        (&["preview"][..], watched(&["preview"])),
        (&["preview", "--off"], watched(&["preview", "--off"])),
    ];
    let mut played = 0;
    for (args, points) in cases {
        assert!(!points.is_empty(), "{args:?}");
        for point in points {
            for kind in ["die", "cut", "eio", "enospc", "eacces"] {
                if args.len() > 1 {
                    sandbox.bg(&["preview"]).assert_code(0);
                }
                let mut command = sandbox.bg_command(args);
                command.env("BG_FAULT", format!("{point}:{kind}"));
                let output = command.output().unwrap();
                let outcome = crate::sandbox::outcome::Outcome::new(args, &output, Duration::ZERO);
                let case = format!("{point}:{kind} {outcome}");
                assert!(outcome.code != Some(0), "{case}");
                assert_eq!(outcome.code.is_none(), ["die", "cut"].contains(&kind), "{case}");
                if outcome.code.is_some() {
                    sandbox.assert_five(&outcome, 1, "preview", Color::Green);
                }
                assert_eq!(sandbox.live_color(), Some(Color::Green), "{case}");
                // Whatever is left is told, and goes when that is asked for.
                let left = sandbox.status()["previews"].as_array().map_or(0, Vec::len);
                let over = sandbox.bg(&["preview", "--off"]);
                over.assert_code(0);
                assert_eq!(
                    over.stdout.contains("ended"),
                    left > 0,
                    "{left} left by {case}: {over}"
                );
                let shown = fs::read_dir(&previews).unwrap().flatten();
                let shown = shown.filter(|file| !file.file_name().to_string_lossy().starts_with('.'));
                assert_eq!(shown.count(), 0, "{case}");
                played += 1;
            }
        }
    }
    assert!(played >= 30, "{played}");
}
