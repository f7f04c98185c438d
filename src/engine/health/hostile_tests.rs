use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use model::config::JsonCheck;
use proptest::prelude::*;
use reqwest::header::{HeaderMap, HeaderValue, LOCATION};
use testkit::hostile;
use testkit::server::{Server, reply};
use web::http::BODY_LIMIT;

use crate::health::verdict::judge;
use crate::health::*;

const BODIES: &[&str] = &[
    r#"{"status": "ok", "checks": [{"name": "db", "load": 0.5}]}"#,
    "<!doctype html>\n<title>Internal Server Error</title>\n",
];

fn check(contains: Option<&str>, json: bool) -> HealthCheck {
    HealthCheck {
        path: "/health".into(),
        method: "GET".into(),
        host: None,
        headers: BTreeMap::new(),
        expect: vec![200],
        contains: contains.map(str::to_owned),
        json: json.then(|| JsonCheck {
            pointer: "/checks/0/load".into(),
            equals: 0.5.into(),
        }),
    }
}

proptest! {
    #![proptest_config(hostile::few())]

    /// What is said of it is short and steers no terminal, whatever it is.
    #[test]
    fn whatever_is_answered_is_told_in_a_line(
        body in hostile::bytes(BODIES),
        status in prop_oneof![Just(200_u16), Just(302), 100_u16..1000],
        location in proptest::option::of(hostile::bytes(&["/login?next=%2F", "https://shop.test/"])),
        contains in proptest::option::of(Just("ok")),
        json in any::<bool>(),
    ) {
        let mut headers = HeaderMap::new();
        let location = location.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok());
        headers.extend(location.map(|value| (LOCATION, value)));
        let answer = Answer { status, headers, body, took: Duration::ZERO };
        if let Err(unhealthy) = judge(&answer, &check(contains, json), "shop.test") {
            let said = unhealthy.to_string();
            prop_assert!(!said.contains(|c: char| c.is_control() && c != '\n'), "{:?}", said);
            prop_assert!(said.len() < 4 << 10, "{} bytes", said.len());
        }
    }
}

#[test]
fn depth_is_no_danger() {
    let body = b"[".repeat(BODY_LIMIT);
    let answer = Answer {
        status: 200,
        headers: HeaderMap::new(),
        body,
        took: Duration::ZERO,
    };
    let said = judge(&answer, &check(None, true), "shop.test")
        .unwrap_err()
        .to_string();
    assert!(said.len() < 1024, "{said}");
}

/// A slow app that is healthy each time would be asked on and on otherwise.
#[tokio::test]
async fn no_probe_is_begun_after_the_deadline_and_what_was_cut_short_is_not_healthy() {
    let server = Server::answering(|_| reply("200 OK", "", "ok")).await;
    let target = Target {
        port: server.address.port(),
        site_host: "shop.test".into(),
        https: false,
    };
    let checks = [check(None, false), check(Some("ok"), false)];
    let ample = Duration::from_secs(20);
    let late = round(&target, &checks, 3, ample, Pace::Until(Instant::now())).await;
    assert_eq!(late.probes.len(), 1, "one is always made");
    assert!(late.probes[0].outcome.is_ok() && !late.is_healthy());
    let in_time = round(&target, &checks, 3, ample, Pace::Until(Instant::now() + ample)).await;
    assert_eq!(in_time.probes.len(), 6);
    assert!(in_time.is_healthy());
}
