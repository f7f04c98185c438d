//! A site is asked as its own front wants to be asked: by a name that leads to it, and by the
//! PROXY protocol where a listener expects that.

use super::scene::{Site, by_hand};
use crate::sandbox::{HOST, set};

/// A site by a pattern behind a balancer, beside one that refuses every other name.
fn behind_a_balancer(site: &Site, name: &str) -> String {
    let address = site.sandbox.address();
    let listen = format!("{address} proxy_protocol");
    let own = by_hand(site)
        .replace(&address.to_string(), &listen)
        .replace(&format!("{HOST} www.{HOST}"), name);
    format!("server {{ listen {listen} default_server; return 444; }}\n{own}")
}

#[test]
fn a_site_by_a_pattern_behind_a_balancer_is_adopted_and_released() {
    let mut site = Site::new();
    let (listen, pattern) = (
        format!("{} proxy_protocol", site.sandbox.address()),
        format!("*.{HOST}"),
    );
    let text = behind_a_balancer(&site, &pattern);
    site.serve(&text);
    site.sandbox.configure(|config| {
        set(config, "nginx", "listen", vec![listen]);
        set(config, "nginx", "server_names", vec![pattern]);
    });
    let adopted = site.sandbox.bg(&["adopt", "--yes"]);
    adopted.assert_code(0);
    adopted.assert_says(&format!(
        "1 path through NGINX answered by blue, as before, asked for as `www.{HOST}`"
    ));
    let deployed = site.sandbox.bg(&["deploy"]);
    deployed.assert_code(0);
    deployed.assert_says("proven on 1 path and 1 listener");
    deployed.assert_says(", 0 failed");
    assert_eq!(site.sandbox.link(), "green");
    let check = site.sandbox.bg(&["check"]);
    check.assert_code(0);
    let answers = format!("listener: {} answers from green", site.sandbox.address());
    assert!(check.stdout.contains(&answers), "{check}");
}

#[test]
fn a_site_that_no_request_reaches_is_refused_before_anything_is_changed() {
    let mut site = Site::new();
    // By a socket alone, and by a name that nobody can ask for.
    let socket = site.sandbox.root().join("site.sock");
    let by_socket = site.vhost_text().replace(
        &site.sandbox.address().to_string(),
        &format!("unix:{}", socket.display()),
    );
    let by_no_name = format!(
        "server {{ listen {} default_server; return 444; }}\n{}",
        site.sandbox.address(),
        site.vhost_text().replace(&format!("{HOST} www.{HOST}"), "_")
    );
    for (text, way) in [
        (by_socket, "`listen 127.0.0.1:8080;` in that server"),
        (by_no_name, "the first of those names has to lead to the site"),
    ] {
        site.serve(&text);
        let refused = site.sandbox.bg(&["adopt", "--yes"]);
        refused.assert_code(3);
        refused.assert_says("no switch of this site could be verified, so nothing was changed");
        refused.assert_says(&format!(
            "`/` on http://{} ({HOST}) leads to no server of the site",
            site.sandbox.address()
        ));
        refused.assert_says(way);
        assert_eq!((site.vhost_text(), site.reloads()), (text, 0));
        assert!(!site.sandbox.link_folder().exists());
    }
}

#[test]
fn a_site_that_limits_requests_is_asked_below_its_limit() {
    let mut site = Site::new();
    let limited = site
        .vhost_text()
        .replace("# straight to flask", "limit_req zone=one;");
    let zone = "limit_req_zone $binary_remote_addr zone=one:1m rate=10r/s;";
    site.serve(&format!("{zone}\n{limited}"));
    site.sandbox.bg(&["adopt", "--yes"]).assert_code(0);
    for args in [&["deploy"], &["rollback"]] {
        let switched = site.sandbox.bg(args);
        switched.assert_code(0);
        switched.assert_says("proven on 1 path and 1 listener");
        switched.assert_says(", 0 failed");
        assert!(!switched.stderr.contains("by NGINX itself"), "{switched}");
    }
    assert_eq!(site.sandbox.link(), "blue");
}
