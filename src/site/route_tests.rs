//! The rendered files in a real NGINX.

use model::color::{Color, Route};
use model::config::SwitchStrategy;

use crate::rehearsal::{Rehearsal, Scene, ask, outside};

const NONCE: &str = "X-Bg-Proof: 0123-abcd-nonce\r\n";

const OWN_SITE: &str = r#"server {
    listen 0.0.0.0:{port};
    error_page 503 /own-503;
    add_header X-Own yes always;
    include {bg}/route.conf;
    location / { include {bg}/proxy.conf; }
    location /strip/ { include {bg}/proxy.conf; rewrite ^/strip/(.*)$ /$1 break; }
    location ~ ^/user/([0-9]+)$ { include {bg}/proxy.conf; proxy_set_header X-User $1; }
    location = /own { return 200 own; }
    location = /own-503 { return 200 own-503; }
    location /.well-known/acme-challenge/ { return 200 challenge; }
}"#;

#[tokio::test]
async fn both_ways_follow_the_link() {
    for way in [SwitchStrategy::Live, SwitchStrategy::Reload] {
        let scene = Scene {
            way,
            ..Scene::default()
        };
        let r = Rehearsal::start(scene).await;
        for color in [Color::Blue, Color::Green, Color::Blue] {
            r.switch(Route::to(color)).await;
            let page = r.get("/a/b?c=d%20e").await;
            assert_eq!((page.status, page.color()), (200, color.name()), "{way:?}");
            assert!(
                page.body.starts_with("GET /a/b?c=d%20e HTTP/1.1"),
                "{}",
                page.body
            );
            let live = r.get("/.bg/shop/live").await;
            assert_eq!(live.status, 200, "{}", live.head);
            assert_eq!(live.body, format!(r#"{{"app":"shop","color":"{color}"}}"#));
            assert_eq!(live.header("Content-Type"), Some("application/json"));
            assert_eq!(live.header("X-Bg-Color"), Some(color.name()));
            assert_eq!(live.header("X-Bg-Maintenance"), Some("0"));
            assert_eq!(live.header("Cache-Control"), Some("no-store"));
        }
        for hidden in ["/.bg/other", "/.bg/shop/maintenance", "/.env", "/.git/config"] {
            assert_eq!(r.get(hidden).await.status, 404, "{hidden}");
        }
        assert_eq!(r.get("/.well-known/security.txt").await.status, 200);
    }
}

#[tokio::test]
async fn a_flip_is_seen_although_http_caches_what_is_open() {
    let r = Rehearsal::start(Scene {
        http: "open_file_cache max=1000; open_file_cache_valid 60s; open_file_cache_errors on; open_file_cache_min_uses 1;",
        ..Scene::default()
    })
    .await;
    for color in [Color::Blue, Color::Green, Color::Blue, Color::Green] {
        r.switch(Route::to(color)).await;
        for _ in 0..20 {
            assert_eq!(r.get("/").await.color(), color.name());
            assert_eq!(
                r.get("/.bg/shop/live").await.header("X-Bg-Color"),
                Some(color.name())
            );
        }
    }
}

#[tokio::test]
async fn only_this_machine_hears_the_route() {
    let r = Rehearsal::start(Scene {
        http: "set_real_ip_from 0.0.0.0/0; real_ip_header X-Client;",
        site: Some(OWN_SITE),
        ..Scene::default()
    })
    .await;
    assert!(r.build.realip);
    let Some(own) = outside() else {
        println!("no address besides loopback: nothing can be asked from outside");
        return;
    };
    let path = "/.bg/shop/live";
    for forged in [
        "",
        "X-Client: 127.0.0.1\r\n",
        "X-Client: ::1\r\n",
        "X-Forwarded-For: 127.0.0.1\r\n",
        "X-Real-IP: 127.0.0.1\r\n",
    ] {
        let live = r.ask_from_outside(path, forged).await.unwrap();
        assert_eq!((live.status, live.header("X-Bg-Color")), (404, None), "{forged}");
        let page = r
            .ask_from_outside("/", &format!("{NONCE}{forged}"))
            .await
            .unwrap();
        assert_eq!((page.status, page.header("X-Bg-Proof")), (200, None), "{forged}");
    }
    assert_eq!(r.get(path).await.status, 200);
    // Real client addresses are no business of the route: the peer is this machine.
    assert_eq!(
        r.ask("GET", path, "X-Client: 203.0.113.9\r\n", "").await.status,
        200
    );
    let to_own_address = ask(own, (own, r.port).into(), "GET", path, "", "").await;
    assert_eq!(to_own_address.status, 200);
    // What a proxy on this machine passes on comes from somebody else.
    for passed_on in [
        "X-Forwarded-For: 203.0.113.9\r\n",
        "Forwarded: for=203.0.113.9\r\n",
        "Via: 1.1 cache\r\n",
    ] {
        assert_eq!(r.ask("GET", path, passed_on, "").await.status, 404, "{passed_on}");
        let page = r.ask("GET", "/", &format!("{NONCE}{passed_on}"), "").await;
        assert_eq!(page.header("X-Bg-Proof"), None, "{passed_on}");
    }
}

#[tokio::test]
async fn a_proof_names_the_slot_that_answered() {
    let r = Rehearsal::start(Scene {
        site: Some(OWN_SITE),
        ..Scene::default()
    })
    .await;
    for color in [Color::Green, Color::Blue] {
        r.switch(Route::to(color)).await;
        let slot = format!("0123-abcd-nonce 127.0.0.1:{}", r.config.process.ports.of(color));
        for (method, path, seen, body) in [
            ("GET", "/a%20b/c?d=e%26f", "/a%20b/c?d=e%26f", ""),
            ("POST", "/form?x=1", "/form?x=1", "a=1&b=2"),
            ("PUT", "/strip/abc?q=1", "/abc?q=1", "whole"),
            ("GET", "/user/42", "/user/42", ""),
        ] {
            let proof = r.ask(method, path, NONCE, body).await;
            assert_eq!((proof.status, proof.color()), (200, color.name()), "{path}");
            assert_eq!(proof.header("X-Bg-Proof"), Some(slot.as_str()), "{path}");
            let plain = r.ask(method, path, "", body).await;
            assert_eq!(plain.header("X-Bg-Proof"), None, "{path}");
            assert_eq!(plain.header("X-Own"), Some("yes"), "{path}");
            for answer in [&proof, &plain] {
                assert!(
                    answer.body.starts_with(&format!("{method} {seen} HTTP/1.1\r\n")),
                    "{}",
                    answer.body
                );
                assert!(
                    answer.body.ends_with(&format!("\r\n\r\n{body}")),
                    "{}",
                    answer.body
                );
                assert!(
                    answer.body.contains("\r\nHost: shop.example:81\r\n"),
                    "{}",
                    answer.body
                );
                assert_eq!(
                    answer.body.contains("X-User: 42\r\n"),
                    path == "/user/42",
                    "{}",
                    answer.body
                );
            }
        }
    }
    for odd in ["short", "with space in it", "0123456789;", &"x".repeat(65)] {
        let answer = r.ask("GET", "/", &format!("X-Bg-Proof: {odd}\r\n"), "").await;
        assert_eq!((answer.status, answer.header("X-Bg-Proof")), (200, None), "{odd}");
    }
    let own = r.ask("GET", "/own", NONCE, "").await;
    assert_eq!((own.body.as_str(), own.header("X-Bg-Proof")), ("own", None));
}

#[tokio::test]
async fn websockets_are_upgraded_and_others_keep_their_connection() {
    let r = Rehearsal::start(Scene::default()).await;
    let socket = r.ask("GET", "/ws", "Upgrade: websocket\r\n", "").await.body;
    assert!(
        socket.contains("Upgrade: websocket\r\n") && socket.contains("Connection: upgrade\r\n"),
        "{socket}"
    );
    let plain = r.get("/").await.body;
    assert!(!plain.contains("Connection:"), "{plain}");
    assert!(
        plain.contains("X-Forwarded-For: 127.0.0.1\r\n") && plain.contains("X-Forwarded-Proto: http\r\n"),
        "{plain}"
    );
}

#[tokio::test]
async fn the_maintenance_page_wins_and_leaves_what_must_go_on() {
    for way in [SwitchStrategy::Live, SwitchStrategy::Reload] {
        let r = Rehearsal::start(Scene {
            way,
            site: Some(OWN_SITE),
            ..Scene::default()
        })
        .await;
        for color in [Color::Green, Color::Blue] {
            let closed = Route {
                color,
                maintenance: true,
                share: None,
            };
            r.switch(closed).await;
            for method in ["GET", "POST", "DELETE"] {
                let page = r.ask(method, "/form", "", "").await;
                assert_eq!((page.status, page.color()), (503, "none"), "{way:?} {method}");
                assert!(page.body.contains("Back in a moment"), "{method} {}", page.body);
                assert_eq!(page.header("Content-Type"), Some("text/html; charset=utf-8"));
                assert_eq!(page.header("Retry-After"), Some("60"));
                assert_eq!(page.header("Cache-Control"), Some("no-store"));
            }
            // NGINX takes 1 MB here, and an app's own location may take more.
            let upload = r.ask("POST", "/form", "", &"x".repeat(2 << 20)).await;
            assert_eq!((upload.status, upload.header("Retry-After")), (503, Some("60")));
            assert_eq!(r.get("/own").await.status, 503);
            assert_eq!(r.get("/.bg/../own").await.status, 400);
            let live = r.get("/.bg/shop/live").await;
            assert_eq!(
                (live.status, live.header("X-Bg-Color")),
                (200, Some(color.name()))
            );
            assert_eq!(live.header("X-Bg-Maintenance"), Some("1"));
            assert_eq!(r.get("/.well-known/acme-challenge/x").await.body, "challenge");
            assert_eq!(r.get("/.bg/shop/maintenance").await.status, 404);
            r.switch(Route::to(color)).await;
            assert_eq!(r.get("/").await.color(), color.name());
        }
    }
}

#[tokio::test]
async fn static_files_follow_the_color_and_hide_what_begins_with_a_dot() {
    let r = Rehearsal::start(Scene {
        nginx: r#"static = [{ url = "/static", folder = "web files/static" }]
                  paths = ["/api/"]"#,
        ..Scene::default()
    })
    .await;
    for color in Color::BOTH {
        let folder = r.layout.slot(color).join("web files/static/.git");
        std::fs::create_dir_all(&folder).unwrap();
        for path in ["../a b.css", "config", "../.env", "../../secret"] {
            std::fs::write(folder.join(path), color.name()).unwrap();
        }
        r.switch(Route::to(color)).await;
        assert_eq!(r.get("/static/a%20b.css").await.body, color.name());
        assert_eq!(r.get("/api/x").await.color(), color.name());
    }
    for hidden in [
        "/static/.git/config",
        "/static/.env",
        "/static../secret",
        "/.env",
        "/.git/config",
        "/bg.toml",
        "/elsewhere",
    ] {
        assert_eq!(r.get(hidden).await.status, 404, "{hidden}");
    }
    assert_eq!(r.get("/static/../secret").await.status, 400);
}
