//! The rendered files in a real NGINX.

use std::path::PathBuf;

use super::rehearsal::{Rehearsal, Scene, ask, outside};
use super::render::{RenderError, link_targets, render, render_site, site_mark};
use crate::model::color::{Color, Route};
use crate::model::config::SwitchWay;
use crate::model::layout::{Layout, NginxLayout};

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
    for way in [SwitchWay::Live, SwitchWay::Reload] {
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
        assert_eq!(r.get("/.bg/other").await.status, 404);
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
    for way in [SwitchWay::Live, SwitchWay::Reload] {
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
            assert_eq!(r.get("/own").await.status, 503);
            assert_eq!(r.get("/.bg/../own").await.status, 503);
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
        "/static/../secret",
        "/.env",
        "/.git/config",
        "/bg.toml",
        "/elsewhere",
    ] {
        assert_eq!(r.get(hidden).await.status, 404, "{hidden}");
    }
}

#[tokio::test]
async fn no_value_breaks_out_of_its_word() {
    let folder = "it's \"q\"; } server { #x é";
    let r = Rehearsal::start(Scene {
        folder,
        site: None,
        ..Scene::default()
    })
    .await;
    assert_eq!(r.get("/").await.color(), "blue");
    r.switch(Route::to(Color::Green)).await;
    assert_eq!(
        r.get("/.bg/shop/live").await.body,
        r#"{"app":"shop","color":"green"}"#
    );

    let refused = |change: &dyn Fn(&mut crate::model::config::Config)| {
        let mut config = r.config.clone();
        change(&mut config);
        let layout = Layout::new(&config.root);
        let site = render_site(
            &config,
            &layout,
            &NginxLayout::new(&config),
            SwitchWay::Live,
            true,
        );
        site.unwrap_err().to_string()
    };
    let messages = [
        refused(&|c| c.app = "Shop".into()),
        refused(&|c| c.app = "a".repeat(32)),
        refused(&|c| c.root = "/srv/$document_root".into()),
        refused(&|c| c.root = "/srv/a\nroot /;".into()),
        refused(&|c| c.root = "srv".into()),
        refused(&|c| c.nginx.link_folder = Some("/var/lib/a*".into())),
        refused(&|c| c.nginx.server_names = vec!["a b".into()]),
        refused(&|c| c.nginx.server_names.clear()),
        refused(&|c| c.nginx.paths = vec!["api".into()]),
        refused(&|c| c.nginx.max_body_size = "10m; root /".into()),
        refused(&|c| c.nginx.listen = vec!["80; root /".into()]),
        refused(&|c| c.nginx.listen = vec!["443 ssl".into()]),
        refused(&|c| {
            c.nginx.static_files = vec![crate::model::config::StaticFiles {
                url: "/s/".into(),
                folder: "a/../..".into(),
            }];
        }),
    ];
    let expected = [
        "app `Shop` cannot be used in NGINX: expected lower-case letters, digits and dashes",
        "app `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa` cannot be used in NGINX: NGINX's variables take names of up to 31 letters",
        "root `/srv/$document_root` cannot be used in NGINX: NGINX has no way to write a `$` that is no variable",
        "root `/srv/a\nroot /;` cannot be used in NGINX: it holds a line end or another control character",
        "root `srv` cannot be used in NGINX: expected an absolute path",
        "the folder of the live link `/var/lib/a*` cannot be used in NGINX: `include` would read `*`, `?` or `[` as a pattern",
        "nginx.server_names `a b` cannot be used in NGINX: a name holds no space",
        "nginx.server_names `` cannot be used in NGINX: expected at least one name",
        "nginx.paths `api` cannot be used in NGINX: expected a path that begins with `/`",
        "nginx.max_body_size `10m; root /` cannot be used in NGINX: expected a size as `10m`",
        "`nginx.listen` names `80; root /`",
        "`443 ssl` speaks TLS and `nginx.tls` names no certificate",
        "nginx.static.folder `a/../..` cannot be used in NGINX: expected a folder inside the repository, never its root",
    ];
    assert_eq!(messages, expected);
}

#[tokio::test]
async fn apps_share_no_name_and_the_longest_one_fits() {
    let r = Rehearsal::prepare(&Scene::default()).await;
    for app in ["shop-proof", "shop-maintenance", &"a".repeat(31)] {
        let mut config = r.config.clone();
        config.app = app.to_owned();
        let (layout, files) = (Layout::new(&config.root), NginxLayout::new(&config));
        let mut all = render(&config, &layout, &files, SwitchWay::Live, true).unwrap();
        all.push(render_site(&config, &layout, &files, SwitchWay::Live, true).unwrap());
        assert!(all.last().unwrap().text.starts_with(&site_mark(app)));
        super::files::apply(super::files::plan(&all).unwrap(), &files.folder().join("backup")).unwrap();
    }
    let dump = r.nginx.dump(super::rehearsal::PATIENCE).await.unwrap();
    let mut names = Vec::new();
    for (_, text) in &dump.files {
        for line in text
            .lines()
            .filter(|line| line.starts_with("map ") || line.starts_with("upstream "))
        {
            names.push(line.split_whitespace().rev().nth(1).unwrap().to_owned());
        }
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!((count, names.len()), (4 * 10, 4 * 10));
}

#[tokio::test]
async fn templates_of_the_users_own_win() {
    let mut r = Rehearsal::prepare(&Scene::default()).await;
    let folder = r.layout.root().join("nginx-templates");
    std::fs::create_dir_all(&folder).unwrap();
    r.config.nginx.templates = Some(PathBuf::from("nginx-templates"));
    std::fs::write(folder.join("hook.conf.tera"), "# {{ app }} \"{{ link }}\"\n").unwrap();
    let again = |r: &Rehearsal| render(&r.config, &r.layout, &r.files, SwitchWay::Live, true);
    let hook = again(&r).unwrap().pop().unwrap();
    assert_eq!(
        hook.text,
        format!("# shop \"{}\"\n", r.files.link_folder().display())
    );
    std::fs::write(folder.join("hook.conf.tera"), "{{ nonsense }}").unwrap();
    let error = again(&r).unwrap_err();
    assert!(
        matches!(
            error,
            RenderError::Template {
                name: "hook.conf.tera",
                ..
            }
        ),
        "{error}"
    );
    r.config.nginx.templates = Some("not-there".into());
    assert!(matches!(again(&r).unwrap_err(), RenderError::TemplateFile { .. }));
    let page = link_targets(&r.config, &r.layout, &r.files, Some("<p>ours"));
    assert!(matches!(page.unwrap_err(), RenderError::TemplateFile { .. }));
}
