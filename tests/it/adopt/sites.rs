//! Sites as people write them: what the app is asked, and what visitors get back, is the same
//! before and after, and by the next release.

use std::fs;

use bluegreen::model::color::Color;

use super::scene::{Site, by_hand};
use crate::sandbox::{HOST, http, set};

/// What the app is asked for each of these, and what comes back.
fn answers(site: &Site, host: &str, paths: &[&str]) -> Vec<String> {
    let one = |path: &&str| {
        let answer = http::get(site.sandbox.address(), host, path).unwrap();
        let location = answer.header("location").unwrap_or_default().to_owned();
        format!("{path} {} {location} {}", answer.status, answer.body)
    };
    paths.iter().map(one).collect()
}

const PATHS: [&str; 9] = [
    "/echo/plain?x=1&y=%3F",
    "/echo/a%20b//c/d",
    "/api/echo?z=1",
    "/api/a%20b%2Fc",
    "/api/x%0Ay",
    "/away",
    "/api/away",
    "/bare/echo",
    "/user/7",
];

/// Every trap of `proxy_pass` with a variable in one server.
fn with_traps(site: &Site) -> String {
    let (address, port) = (site.sandbox.address(), site.port());
    format!(
        "proxy_set_header X-Outer yes;\n\
         upstream backend {{ server 127.0.0.1:{port}; keepalive 4; }}\n\
         server {{\n\
         \x20   listen {address} default_server;\n\
         \x20   server_name {HOST};\n\
         \x20   location / {{ proxy_pass http://127.0.0.1:{port}; proxy_set_header Host $host; proxy_set_header X-Own $scheme; }}\n\
         \x20   location /api/ {{\n\
         \x20       proxy_pass http://127.0.0.1:{port}/v1/; # cut off\n\
         \x20   }}\n\
         \x20   location /bare/ {{ rewrite ^/bare/(.*)$ /echo/$1 break; proxy_pass http://backend; }}\n\
         \x20   location ~ ^/user/([0-9]+)$ {{ rewrite ^ /echo/user-$1; }}\n\
         }}\n\
         # somebody else's site in the same file\n\
         server {{ listen {address}; server_name other.test; return 204; }}\n\
         server {{\n\
         \x20   listen {address};\n\
         \x20   server_name second.test;\n\
         \x20   location / {{ include conf.d/to-the-app.snippet; }}\n\
         }}\n"
    )
}

#[test]
fn what_the_app_is_asked_stays_the_same() {
    let mut site = Site::with(by_hand, |config| set(config, "process", "workers", 1));
    let snippet = site.sandbox.front.sites().join("to-the-app.snippet");
    let snippet_text = format!("# shared\nproxy_pass http://localhost:{}/v1/;\n", site.port());
    fs::write(&snippet, &snippet_text).unwrap();
    let text = with_traps(&site);
    site.serve(&text);
    let all = |site: &Site| {
        let mut all = answers(site, HOST, &PATHS);
        all.extend(answers(site, "second.test", &["/plain", "/away", "/a%20b?q"]));
        all.push(
            http::get(site.sandbox.address(), "other.test", "/")
                .unwrap()
                .status
                .to_string(),
        );
        all
    };
    let before = all(&site);
    assert!(before[2].contains("/v1/echo?z=1"), "{before:?}");

    site.sandbox.bg(&["adopt", "--yes"]).assert_code(0);
    assert_eq!(all(&site), before, "{}", site.vhost_text());
    // NGINX chose a location by another path than the app got.
    let upwards = http::get(site.sandbox.address(), HOST, "/echo/c/../d").unwrap();
    assert_eq!(upwards.status, 400);
    let after = site.vhost_text();
    assert!(
        after.contains("# cut off")
            && after.contains("# somebody else's site in the same file\nserver { listen")
    );
    assert!(fs::read_to_string(&snippet).unwrap().starts_with("# shared\n"));
    site.sandbox.bg(&["check"]).assert_code(0);

    site.sandbox.commit_edit("the second", "Good day", "Second");
    site.sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(site.sandbox.live_color(), Some(Color::Green));
    assert_eq!(all(&site), before, "by the release");
    site.sandbox.bg(&["rollback"]).assert_code(0);

    // Each file as it was.
    let site_text = text;
    assert_ne!(site.vhost_text(), site_text);
    assert_ne!(fs::read_to_string(&snippet).unwrap(), snippet_text);
}

#[test]
fn several_files_are_put_back_byte_for_byte() {
    let mut site = Site::new();
    let snippet = site.sandbox.front.sites().join("to-the-app.snippet");
    let snippet_text = format!("proxy_pass http://localhost:{}/v1/;\n\n\n", site.port());
    fs::write(&snippet, &snippet_text).unwrap();
    let text = with_traps(&site);
    site.serve(&text);
    site.sandbox.bg(&["adopt", "--yes"]).assert_code(0);
    assert_ne!(fs::read_to_string(&snippet).unwrap(), snippet_text);
    site.sandbox.bg(&["adopt", "--undo", "--yes"]).assert_code(0);
    assert_eq!(fs::read_to_string(&snippet).unwrap(), snippet_text);
    site.assert_untouched(&text);
}
