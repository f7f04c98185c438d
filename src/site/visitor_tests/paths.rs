//! Paths by which the one that decides and the one that answers mean different things.

use model::color::{Color, Route};

use crate::rehearsal::{Rehearsal, Scene};
use crate::visitor_tests::{WAYS, get};

const OWN_SITE: &str = r#"server {
    listen 0.0.0.0:{port};
    server_name shop.example;
    include {bg}/route.conf;
    location / { include {bg}/pass.conf; proxy_set_header Host $host; }
    location ~ ^/user/([0-9]+)$ { include {bg}/proxy.conf; proxy_set_header X-User $1; }
    location /admin { return 403; }
    location /.well-known/acme-challenge/ { return 200 challenge; }
}"#;

/// Ways to write `.` or `..` and the slashes around it, of which the app gets the raw ones.
const UPWARDS: &[&str] = &[
    "/api/../admin",
    "/api/..%2fadmin",
    "/api/..%2Fadmin",
    "/api%2f../admin",
    "/api%2F..%2Fadmin",
    "/api/%2e%2e/admin",
    "/api/.%2e/admin",
    "/api/%2E./admin",
    "/api/%2e%2e%2fadmin",
    "/api/%252e%252e/admin",
    "/api/%252e%252e%252fadmin",
    "/api/..%252fadmin",
    "/api/%25252e./admin",
    "/api/..;/admin",
    "/api/..;x=y/admin",
    "/api/..%3b/admin",
    "/api/..%5cadmin",
    "/api%5c..%5cadmin",
    "/api/..\\admin",
    "/api//../admin",
    "/api//..//admin",
    "/api/./../admin",
    "/api/./admin",
    "/api/%2e/admin",
    "/api/.;/admin",
    "/./admin",
    "/../admin",
    "/..",
    "/.",
    "/api/..",
    "/api/.",
    "/api/..?x",
    "/api/..#x",
    "/api/%2e%2e?x=/../",
    "/.bg/..%2fadmin",
    "/.bg/../admin",
    "/.well-known/acme-challenge/../../admin",
    "/.well-known/acme-challenge/..%2f..%2fadmin",
    "/.well-known/acme-challenge/%2e%2e/%2e%2e/admin",
];

/// What must reach the app as it is.
const USUAL: &[&str] = &[
    "/api/a.b",
    "/api/..a",
    "/api/a..",
    "/api/.a",
    "/api/...",
    "/api/.../x",
    "/api/a../x",
    "/api/.hidden/x",
    "/api/v1.2/x.tar.gz",
    "/api/a%2eb",
    "/api/%2e%2ea",
    "/api/a%2fb",
    "/api/report2f./x",
    "/api/x;v=1.2/y",
    "/api/x?next=/../y",
    "/api/x?next=..%2f..%2fy",
    "/api/x?/./?/../",
    "/api/100%25/x",
    "/api//x",
    "/api/%E2%80%A6/x",
    "/api/x.?y",
];

#[tokio::test]
async fn a_path_that_leads_upwards_is_refused_in_every_spelling() {
    for way in WAYS {
        for site in [None, Some(OWN_SITE)] {
            let r = Rehearsal::start(Scene {
                way,
                site,
                nginx: r#"paths = ["/api/"]"#,
                ..Scene::default()
            })
            .await;
            for path in UPWARDS {
                let answer = get(&r, path).await;
                assert_eq!((answer.status, answer.color()), (400, "none"), "{way:?} {path}");
            }
            for path in USUAL {
                let answer = get(&r, path).await;
                let asked = format!("GET {path} HTTP/1.");
                assert_eq!((answer.status, answer.color()), (200, "blue"), "{way:?} {path}");
                assert!(answer.body.starts_with(&asked), "{path}: {}", answer.body);
            }
            // A server that takes `admin` for a host would pass `/api/x` on as another path.
            for path in ["//api/x", "//admin/api/x", "///api/x"] {
                assert_eq!(get(&r, path).await.color(), "none", "{path}");
            }
        }
    }
    let whole = Rehearsal::start(Scene::default()).await;
    assert_eq!(
        get(&whole, "//a").await.color(),
        "blue",
        "nothing is closed there"
    );
    assert_eq!(get(&whole, "/.well-known/security.txt").await.color(), "blue");
}

#[tokio::test]
async fn nothing_reaches_the_app_past_the_maintenance_page_but_one_token() {
    for way in WAYS {
        for site in [None, Some(OWN_SITE)] {
            let r = Rehearsal::start(Scene {
                way,
                site,
                ..Scene::default()
            })
            .await;
            let closed = Route {
                color: Color::Green,
                maintenance: true,
                share: None,
            };
            r.switch(closed).await;
            let below = [
                "/.well-known/acme-challenge/",
                "/.well-known/acme-challenge/a/b",
                "/.well-known/acme-challenge/a%2fb",
                "/.well-known/acme-challenge/a.b",
                "/.well-known/acme-challenge/a;b",
                "/.well-known/acme-challenge/a?b",
                "/.well-known/acme-challenge/%61",
                "/.well-known//acme-challenge/a",
                "//.well-known/acme-challenge/a",
                "/%2ewell-known/acme-challenge/a",
                "/.well-known/acme-challenge",
                "/.well-known/other",
                "/.bg//x",
                "/.bgx",
                "/",
            ];
            for path in below.iter().chain(UPWARDS) {
                let answer = get(&r, path).await;
                assert_eq!(answer.color(), "none", "{way:?} {path}");
                assert!(
                    [400, 404, 503].contains(&answer.status),
                    "{path} {}",
                    answer.status
                );
            }
            let token = get(&r, "/.well-known/acme-challenge/aZ0_-").await;
            match site {
                Some(_) => assert_eq!(token.body, "challenge"),
                None => assert_eq!(token.color(), "green", "{way:?} {}", token.head),
            }
            r.switch(Route::to(Color::Green)).await;
            assert_eq!(get(&r, "/").await.color(), "green");
        }
    }
}
