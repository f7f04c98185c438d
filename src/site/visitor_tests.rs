//! What visitors try, with a real NGINX in front of an app that says what it was asked.

mod paths;

use std::os::unix::fs::symlink;

use model::color::{Color, Route};
use model::config::SwitchStrategy;

use crate::rehearsal::{Answer, Rehearsal, Scene};

const WAYS: [SwitchStrategy; 2] = [SwitchStrategy::Live, SwitchStrategy::Reload];

fn request(target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nConnection: close\r\n{headers}\r\n")
}

async fn get(r: &Rehearsal, target: &str) -> Answer {
    r.raw(&request(target, "Host: shop.example\r\n")).await
}

/// The lines of the request that the app got.
fn lines<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    let lines = answer.body.lines().filter_map(|line| line.split_once(": "));
    lines
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
        .collect()
}

#[tokio::test]
async fn only_websockets_are_upgraded() {
    let r = Rehearsal::start(Scene::default()).await;
    let ask = async |upgrade: &str| {
        let headers = format!("Host: shop.example\r\nConnection: Upgrade, HTTP2-Settings\r\n{upgrade}");
        r.raw(&format!("GET / HTTP/1.1\r\n{headers}Content-Length: 0\r\n\r\n"))
            .await
    };
    for socket in ["websocket", "WebSocket", "WEBSOCKET"] {
        let answer = ask(&format!("Upgrade: {socket}\r\nConnection: close\r\n")).await;
        assert_eq!(lines(&answer, "Upgrade"), ["websocket"], "{socket}");
        assert_eq!(lines(&answer, "Connection"), ["upgrade"], "{socket}");
    }
    for other in [
        "h2c",
        "H2C",
        "h2c, websocket",
        "websocket, h2c",
        "websocket;h2c",
        "websockets",
        "TLS/1.0",
        "",
    ] {
        let answer = ask(&format!(
            "Upgrade: {other}\r\nHTTP2-Settings: AAMAAABk\r\nConnection: close\r\n"
        ))
        .await;
        assert_eq!(lines(&answer, "Upgrade"), Vec::<&str>::new(), "{other}");
        assert_eq!(lines(&answer, "Connection"), Vec::<&str>::new(), "{other}");
        assert_eq!(lines(&answer, "HTTP2-Settings"), Vec::<&str>::new(), "{other}");
    }
    let twice = ask("Upgrade: websocket\r\nUpgrade: h2c\r\nConnection: close\r\n").await;
    assert!(!lines(&twice, "Upgrade").contains(&"h2c"), "{}", twice.body);
}

#[tokio::test]
async fn what_only_a_proxy_may_say_is_not_passed_on() {
    let r = Rehearsal::start(Scene::default()).await;
    let names = [
        "Forwarded",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-Protocol",
        "X-Forwarded-Scheme",
        "X-Forwarded-Server",
        "X-Forwarded-Ssl",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Scheme",
        "X-Script-Name",
        "X-Url-Scheme",
        "Front-End-Https",
        "Proxy",
        "x-forwarded-prefix",
        "X_Forwarded_Prefix",
        "SCRIPT_NAME",
    ];
    let headers: String = names.iter().map(|name| format!("{name}: forged\r\n")).collect();
    let answer = r
        .raw(&request(
            "/",
            &format!("Host: shop.example\r\nX-Forwarded-Proto: forged\r\nX-Forwarded-Host: forged\r\nX-Real-IP: forged\r\n{headers}"),
        ))
        .await;
    assert_eq!(answer.color(), "blue");
    assert!(!answer.body.contains("forged"), "{}", answer.body);
    assert_eq!(lines(&answer, "X-Forwarded-Proto"), ["http"]);
    let log = std::fs::read_to_string(r.error_log()).unwrap();
    assert!(!log.contains("[warn]"), "{log}");
}

/// The Host that the app gets, which must be X-Forwarded-Host as well.
async fn host(r: &Rehearsal, target: &str, headers: &str) -> String {
    let answer = r.raw(&request(target, headers)).await;
    assert_eq!(answer.color(), "blue", "{target} {headers}: {}", answer.head);
    let host = lines(&answer, "Host");
    assert_eq!(host.len(), 1, "{}", answer.body);
    assert_eq!(lines(&answer, "X-Forwarded-Host"), host);
    host[0].to_owned()
}

#[tokio::test]
async fn the_app_hears_no_name_but_the_sites() {
    let own_site = r#"server {
        listen 0.0.0.0:{port};
        include {bg}/route.conf;
        location / { include {bg}/proxy.conf; }
        location ~ ^/user/([0-9]+)$ { include {bg}/proxy.conf; proxy_set_header X-User $1; }
    }"#;
    for site in [None, Some(own_site)] {
        let r = Rehearsal::start(Scene {
            site,
            ..Scene::default()
        })
        .await;
        let here = r.port;
        let own = format!("shop.example:{here}");
        let table = [
            ("/", "Host: shop.example\r\n".to_owned(), "shop.example"),
            ("/", "Host: SHOP.Example\r\n".to_owned(), "shop.example"),
            ("/", "Host: shop.example.\r\n".to_owned(), "shop.example"),
            ("/", "Host: shop.example.:81\r\n".to_owned(), "shop.example:81"),
            ("/", "Host: shop.example:8443\r\n".to_owned(), "shop.example:8443"),
            ("/", "Host: Shop.Example:8443\r\n".to_owned(), "shop.example:8443"),
            ("/", "Host: shop.example:\r\n".to_owned(), "shop.example"),
            (
                "/",
                "Host: shop.example:80@evil.example\r\n".to_owned(),
                "shop.example",
            ),
            (
                "/",
                "Host: shop.example:80,evil.example:80\r\n".to_owned(),
                "shop.example",
            ),
            ("/", "Host: shop.example:123456\r\n".to_owned(), "shop.example"),
            ("/", "Host: shop.example:evil\r\n".to_owned(), "shop.example"),
            (
                "/",
                "Host: shop.example.evil.example\r\n".to_owned(),
                "shop.example",
            ),
            ("/", "Host: evil.example\r\n".to_owned(), "shop.example"),
            ("/", "Host: evil.example:9\r\n".to_owned(), "shop.example"),
            ("/", format!("Host: evil.example:{here}\r\n"), &own),
            ("/", format!("Host: evil@shop.example:{here}\r\n"), &own),
            ("/", format!("Host: [::1]:{here}\r\n"), &own),
            ("/", "Host: [::1]\r\n".to_owned(), "shop.example"),
            ("/", "Host: 127.0.0.1\r\n".to_owned(), "shop.example"),
            ("/", "Host: shop_example\r\n".to_owned(), "shop.example"),
            ("/", "Host: _\r\n".to_owned(), "shop.example"),
            (
                "http://evil.example/",
                "Host: shop.example\r\n".to_owned(),
                "shop.example",
            ),
            (
                "http://evil.example/",
                "Host: evil.example\r\n".to_owned(),
                "shop.example",
            ),
            (
                "http://evil.example:9/",
                "Host: shop.example:81\r\n".to_owned(),
                "shop.example",
            ),
            (
                "http://shop.example/",
                "Host: evil.example\r\n".to_owned(),
                "shop.example",
            ),
            (
                "http://shop.example/",
                "Host: evil.example:666\r\n".to_owned(),
                "shop.example",
            ),
            (
                "http://shop.example:81/",
                "Host: shop.example:81\r\n".to_owned(),
                "shop.example:81",
            ),
            (
                "http://SHOP.example/",
                "Host: SHOP.example\r\n".to_owned(),
                "shop.example",
            ),
        ];
        for (target, headers, expected) in &table {
            assert_eq!(host(&r, target, headers).await, *expected, "{target} {headers}");
        }
        assert_eq!(table.len(), 28);
        // Without the header at all, as HTTP/1.0 and HTTP/3 may come.
        let bare = r.raw("GET / HTTP/1.0\r\n\r\n").await;
        assert_eq!(lines(&bare, "Host"), ["shop.example"]);
        if site.is_some() {
            for name in ["shop.example:81", "evil.example"] {
                let answer = r.raw(&request("/user/42", &format!("Host: {name}\r\n"))).await;
                assert_eq!(lines(&answer, "X-User"), ["42"], "{name}");
            }
        }
    }
}

#[tokio::test]
async fn wildcards_are_names_of_the_site_and_nothing_else_is() {
    let r = Rehearsal::start(Scene {
        names: r#", "*.wild.example", ".dot.example", "www.tail.*", "UPPER.example", "under_score.example""#,
        ..Scene::default()
    })
    .await;
    for name in [
        "a.wild.example",
        "a.b.wild.example",
        "dot.example",
        "www.dot.example",
        "www.tail.org",
        "upper.example",
        "under_score.example",
        "a.wild.example:81",
    ] {
        assert_eq!(host(&r, "/", &format!("Host: {name}\r\n")).await, name);
    }
    for name in [
        "wild.example",
        "xdot.example",
        "tail.org",
        "evil.example:80@a.wild.example",
    ] {
        assert_eq!(
            host(&r, "/", &format!("Host: {name}\r\n")).await,
            "shop.example",
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_redirect_of_nginx_itself_names_no_host() {
    let r = Rehearsal::start(Scene {
        nginx: r#"paths = ["/api/"]"#,
        ..Scene::default()
    })
    .await;
    let answer = r.raw(&request("/api", "Host: evil.example\r\n")).await;
    assert_eq!((answer.status, answer.header("Location")), (301, Some("/api/")));
}

#[tokio::test]
async fn a_link_in_a_static_folder_serves_nothing_from_above_it() {
    for way in WAYS {
        let r = Rehearsal::start(Scene {
            way,
            top: r#"shared = ["static/uploads", "static/robots.txt", "media", ".env"]"#,
            nginx: r#"static = [{ url = "/static/", folder = "static", hashed = true }, { url = "/media/", folder = "media/all" }]"#,
            ..Scene::default()
        })
        .await;
        let shared = r.layout.shared();
        for (path, text) in [
            ("static/uploads/a.png", "upload"),
            ("static/uploads/.hidden", "secret"),
            ("static/robots.txt", "robots"),
            ("media/all/b.png", "media"),
            (".env", "secret"),
            ("other/c", "secret"),
        ] {
            std::fs::create_dir_all(shared.join(path).parent().unwrap()).unwrap();
            std::fs::write(shared.join(path), text).unwrap();
        }
        symlink(shared.join(".env"), shared.join("static/uploads/env.txt")).unwrap();
        symlink("/etc", shared.join("media/all/etc")).unwrap();
        for color in Color::BOTH {
            let release = r.layout.releases().join(format!("of-{color}"));
            std::fs::create_dir_all(release.join("static/deep")).unwrap();
            std::fs::create_dir_all(release.join("static/uploads-old")).unwrap();
            std::fs::write(release.join("static/a.css"), "style").unwrap();
            std::fs::write(release.join("static/deep/app.0123456789.js"), "hashed").unwrap();
            std::fs::write(release.join("static/uploads-old/x"), "old").unwrap();
            std::fs::write(release.join("app.py"), "secret").unwrap();
            symlink("../app.py", release.join("static/app.txt")).unwrap();
            symlink("..", release.join("static/up")).unwrap();
            symlink("../../app.py", release.join("static/deep/b.0123456789.js")).unwrap();
            symlink(&shared, release.join("static/all")).unwrap();
            symlink(shared.join("static/uploads"), release.join("static/uploads")).unwrap();
            symlink(
                shared.join("static/robots.txt"),
                release.join("static/robots.txt"),
            )
            .unwrap();
            symlink(shared.join("media"), release.join("media")).unwrap();
            std::fs::create_dir_all(r.layout.slots()).unwrap();
            let slot = r.layout.slot(color);
            symlink(format!("../releases/of-{color}"), slot).unwrap();
            r.switch(Route::to(color)).await;
            for (path, text) in [
                ("/static/a.css", "style"),
                ("/static/deep/app.0123456789.js", "hashed"),
                ("/static/uploads/a.png", "upload"),
                ("/static/uploads-old/x", "old"),
                ("/static/robots.txt", "robots"),
                ("/media/b.png", "media"),
            ] {
                let answer = get(&r, path).await;
                assert_eq!(
                    (answer.status, answer.body.as_str()),
                    (200, text),
                    "{way:?} {path}"
                );
            }
            for path in [
                "/static/app.txt",
                "/static/up/app.py",
                "/static/deep/b.0123456789.js",
                "/static/all/.env",
                "/static/all/other/c",
                "/static/uploads/env.txt",
                "/static/uploads/.hidden",
                "/static/uploads../other/c",
                "/media/etc/hostname",
                "/media/../other/c",
            ] {
                let answer = get(&r, path).await;
                assert!(
                    [400, 403, 404].contains(&answer.status),
                    "{path} {}",
                    answer.status
                );
                assert!(!answer.body.contains("secret"), "{path}");
            }
        }
    }
}
