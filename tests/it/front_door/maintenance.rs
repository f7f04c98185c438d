//! The maintenance page: the same link, the same moment, and never a color that is not live.

use std::fs;

use bluegreen::model::color::Color;

use super::watch::Watch;
use super::{include, write_own_site};
use crate::load::{Kind, Load, Plan};
use crate::sandbox::{HOST, Sandbox, set};

const ROUNDS: usize = 20;

#[test]
fn there_and_back_in_a_loop_nobody_sees_a_color_that_is_not_live() {
    let sandbox = Sandbox::deployed_with(|config| set(config, "evidence", "window", "0s"));
    sandbox.bg(&["deploy"]).assert_code(0);
    sandbox.bg(&["switch", "blue"]).assert_code(0);
    let mut plan = Plan::new(
        sandbox.address(),
        HOST,
        &[(Kind::Get, 2), (Kind::Post, 1), (Kind::FreshPost, 1)],
    );
    plan.accept = vec![503];
    let load = Load::run(plan);
    let mut watch = Watch::start(&sandbox, 3, "blue");
    for round in 0..ROUNDS {
        // On and off behind each color in turn; between them the colors change while the
        // page is up, when no color may be seen at all.
        let (here, there) = if round % 2 == 0 {
            ("blue", "green")
        } else {
            ("green", "blue")
        };
        let steps: [(&[&str], &str, String); 4] = [
            (&["maintenance", "on"], "page", format!("maintenance-{here}")),
            (&["switch"], "page", format!("maintenance-{there}")),
            (&["switch"], "page", format!("maintenance-{here}")),
            (&["maintenance", "off"], here, here.to_owned()),
        ];
        for (args, seen, link) in steps {
            let outcome = watch.during(seen, || sandbox.bg(args));
            outcome.assert_code(0);
            assert_eq!(sandbox.link(), link, "{outcome}");
        }
        watch.during(there, || sandbox.bg(&["switch"])).assert_code(0);
    }
    let (answers, wrong) = watch.stop();
    assert!(wrong.is_empty(), "{} of {answers}: {wrong:?}", wrong.len());
    assert!(answers > ROUNDS * 50, "{answers}");
    let count = load.stop();
    assert_eq!((count.failed, count.wrong), (0, 0), "{count:?}");
    for status in [200, 503] {
        assert!(count.by_status[&status] > 100, "{count:?}");
    }
    assert!(sandbox.lock_is_free());
}

#[test]
fn the_page_wins_over_the_sites_own_and_lets_through_what_must_go_on() {
    let sandbox = Sandbox::with(|config| set(config, "nginx", "maintenance_page", "closed.html"));
    let page = "<p>Back in a moment, says the shop</p>";
    fs::write(sandbox.app_root().join("shared/closed.html"), page).unwrap();
    fs::write(sandbox.root().join("challenge"), "token").unwrap();
    let own = "error_page 503 /own503.html;\n\
               location = /own503.html { return 200 own; }";
    let challenge = format!(
        "location = /.well-known/acme-challenge/token {{ alias {}; }}",
        sandbox.root().join("challenge").display()
    );
    let site = |route: &str, proxy: &str| {
        write_own_site(
            &sandbox,
            &format!(
                "{own}\n{challenge}\n{route}\nlocation / {{ {proxy} }}\n\
                 location /deep/ {{ error_page 503 /own503.html; {proxy} }}"
            ),
        );
    };
    site("", "return 200 mine;");
    sandbox.front.reload();
    sandbox.bg(&["setup"]).assert_code(1);
    site(&include(&sandbox, "route.conf"), &include(&sandbox, "proxy.conf"));
    sandbox.front.reload();
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);

    sandbox.bg(&["maintenance", "on"]).assert_code(0);
    assert_eq!(sandbox.link(), "maintenance-blue");
    for path in ["/", "/whoami", "/deep/down", "/own503.html", "/.env"] {
        let answer = sandbox.get(path);
        assert_eq!((answer.status, answer.body.as_str()), (503, page), "{path}");
        assert_eq!(answer.header("retry-after"), Some("60"), "{path}");
        assert_eq!(answer.header("x-app-color"), None, "{path}");
    }
    let token = sandbox.get("/.well-known/acme-challenge/token");
    assert_eq!((token.status, token.body.as_str()), (200, "token"));

    // A deploy goes on behind it, and is seen when it is taken away.
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    let deploy = sandbox.bg(&["deploy"]);
    deploy.assert_code(0);
    deploy.assert_says("proven behind the maintenance page");
    assert_eq!(sandbox.link(), "maintenance-green");
    assert_eq!(sandbox.get("/").status, 503);
    // Twice is no mistake.
    sandbox.bg(&["maintenance", "on"]).assert_code(0);
    sandbox.bg(&["maintenance", "off"]).assert_code(0);
    assert_eq!(sandbox.link(), "green");
    assert!(sandbox.get("/").body.contains("Hello"));
    assert_eq!(sandbox.live_color(), Some(Color::Green));

    // A release that is refused behind the page changes neither.
    sandbox.bg(&["maintenance", "on"]).assert_code(0);
    sandbox.commit_edit("no health", "@app.get(\"/health\")", "@app.get(\"/healthy\")");
    sandbox.configure(|config| set(config, "gate", "timeout", "4s"));
    let refused = sandbox.bg(&["deploy"]);
    refused.assert_code(1);
    assert_eq!(sandbox.link(), "maintenance-green");
    assert_eq!(sandbox.get("/").status, 503);
    assert!(sandbox.lock_is_free());
    sandbox.bg(&["maintenance", "off"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
}
