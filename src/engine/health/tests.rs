use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use testkit::server::{Server, deserted, header, read_head, reply};
use tokio::io::AsyncWriteExt;

use crate::health::*;

const AMPLE: Duration = Duration::from_secs(20);

fn target(port: u16) -> Target {
    Target {
        port,
        site_host: "shop.test".into(),
        https: true,
    }
}

fn check(path: &str) -> HealthCheck {
    HealthCheck {
        path: path.into(),
        method: "GET".into(),
        host: None,
        headers: BTreeMap::new(),
        expect: vec![200],
        contains: None,
        json: None,
    }
}

fn json(pointer: &str, equals: serde_json::Value) -> HealthCheck {
    let mut check = check("/health");
    check.json = Some(model::config::JsonCheck {
        pointer: pointer.into(),
        equals,
    });
    check
}

async fn verdict(answer: String, check: HealthCheck) -> Result<(), String> {
    let server = Server::answering(move |_| answer.clone()).await;
    let round = round(&target(server.address.port()), &[check], 1, AMPLE, Pace::InTurn).await;
    round.probes[0]
        .outcome
        .clone()
        .map_err(|unhealthy| match unhealthy.advice() {
            Some(advice) => format!("{unhealthy}: {advice}"),
            None => unhealthy.to_string(),
        })
}

#[tokio::test]
async fn a_probe_looks_like_a_visitor_behind_nginx() {
    let server = Server::answering(|_| reply("200 OK", "", "")).await;
    let mut own = check("/b");
    own.host = Some("internal".into());
    own.headers = BTreeMap::from([
        ("X-Forwarded-Proto".into(), "http".into()),
        ("X-Probe".into(), "1".into()),
    ]);
    let port = server.address.port();
    let round = round(&target(port), &[check("/a"), own], 1, AMPLE, Pace::InTurn).await;
    assert!(round.is_healthy());
    assert_eq!(round.probes[1].check, format!("GET http://127.0.0.1:{port}/b"));
    let heads = server.heads();
    let seen = |head: usize, name| header(&heads[head], name);
    assert_eq!(seen(0, "host"), Some("shop.test"));
    assert_eq!(seen(0, "x-forwarded-proto"), Some("https"));
    assert_eq!(seen(0, "x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen(0, "x-forwarded-host"), Some("shop.test"));
    assert_eq!(seen(1, "host"), Some("internal"));
    assert_eq!(seen(1, "x-forwarded-host"), Some("internal"));
    assert_eq!(seen(1, "x-forwarded-proto"), Some("http"));
    assert_eq!(seen(1, "x-probe"), Some("1"));
    assert_eq!(heads[1].matches("x-forwarded-proto").count(), 1);
}

#[tokio::test]
async fn a_full_round_asks_each_check_on_its_own_connections() {
    let connections = Arc::new(Mutex::new(HashSet::new()));
    let seen = Arc::clone(&connections);
    let server = Server::with(move |number, mut stream| {
        let seen = Arc::clone(&seen);
        async move {
            while read_head(&mut stream).await.is_some() {
                seen.lock().unwrap().insert(number);
                stream.write_all(reply("200 OK", "", "").as_bytes()).await.ok();
            }
        }
    })
    .await;
    let times = full_gate_times(2);
    let checks = [check("/a"), check("/b")];
    let round = round(
        &target(server.address.port()),
        &checks,
        times,
        AMPLE,
        Pace::InTurn,
    )
    .await;
    assert!(round.is_healthy() && round.slowest().is_some());
    assert_eq!(round.probes.len(), 12);
    assert_eq!(connections.lock().unwrap().len(), 12);
    assert_eq!(full_gate_times(0), 3);
}

/// The server answers nobody before all have asked: only requests made at once get through.
#[tokio::test]
async fn the_brief_gate_asks_all_at_once() {
    let all = Arc::new(tokio::sync::Barrier::new(6));
    let server = Server::with(move |_, mut stream| {
        let all = Arc::clone(&all);
        async move {
            read_head(&mut stream).await;
            all.wait().await;
            stream.write_all(reply("200 OK", "", "").as_bytes()).await.ok();
        }
    })
    .await;
    let round = round(
        &target(server.address.port()),
        &[check("/")],
        6,
        AMPLE,
        Pace::AtOnce,
    )
    .await;
    assert_eq!(summary(&round.probes).len(), 1, "{:?}", summary(&round.probes));
    assert!(round.is_healthy());
}

#[tokio::test]
async fn a_check_that_fails_is_not_repeated_in_its_round() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let server = Server::answering(move |head| {
        let healthy = !head.starts_with("GET /bad") || count.fetch_add(1, Ordering::SeqCst) == 0;
        reply(if healthy { "200 OK" } else { "500 No" }, "", "")
    })
    .await;
    let checks = [check("/bad"), check("/good")];
    let round = round(&target(server.address.port()), &checks, 3, AMPLE, Pace::InTurn).await;
    assert!(!round.is_healthy());
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert_eq!(round.probes.len(), 5);
}

#[tokio::test]
async fn every_refusal_says_what_to_do() {
    let cases = [
        (
            reply("301 Moved", "Location: https://shop.test/health\r\n", ""),
            "301 redirects to `https://shop.test/health`: the app wants HTTPS, another host or another path: \
             set `health.path` to a path that answers without a redirect, or say what the balancer says, as \
             `headers = { X-Forwarded-Proto = \"https\" }` of `[[health]]`; to expect the redirect would let pass \
             an app that answers nothing else",
        ),
        (
            reply("302 Found", "Location: /login\r\n", ""),
            "302 redirects to `/login`: the app wants HTTPS, another host or another path: \
             set `health.path` to a path that answers without a redirect; to expect the redirect would let pass \
             an app that answers nothing else",
        ),
        (
            reply("400 Bad", "", "Host not\n<b>trusted</b>"),
            "400: the app refuses Host `shop.test`, it seems; it said: Host not <b>trusted</b>: check the app's \
             allow-list of hosts (Flask's `TRUSTED_HOSTS`, Django's `ALLOWED_HOSTS`), or set `health.host`",
        ),
        (
            reply("401 Who", "", ""),
            "401: the path asks for a login: set `health.path` to a path without a login, or send what it wants with \
             `headers = { Authorization = \"...\" }` of `[[health]]`",
        ),
        (
            reply("404 No", "", ""),
            "404: the app has no `/health`: set `health.path` in bg.toml to a path that the app has",
        ),
        (reply("500 No", "", ""), "500: the app failed, it said: nothing"),
        (reply("201 Made", "", ""), "201 where 200 or 204 was expected"),
    ];
    for (answer, words) in cases {
        let mut check = check("/health");
        check.expect = vec![200, 204];
        assert_eq!(verdict(answer, check).await, Err(words.into()));
    }
}

#[tokio::test]
async fn a_body_is_checked() {
    let mut wanted = check("/");
    wanted.contains = Some("ready".into());
    assert_eq!(
        verdict(reply("200 OK", "", "is ready now"), wanted.clone()).await,
        Ok(())
    );
    let error = verdict(reply("200 OK", "", "warming up"), wanted)
        .await
        .unwrap_err();
    assert_eq!(error, "the body does not contain `ready`, it begins: warming up");

    let ok = || json("/checks/0/ok", true.into());
    let body = |text: &str| reply("200 OK", "", text);
    assert_eq!(verdict(body(r#"{"checks":[{"ok":true}]}"#), ok()).await, Ok(()));
    let cases = [
        (
            r#"{"checks":[{"ok":"no"}]}"#,
            "`/checks/0/ok` is \"no\" where true was expected",
        ),
        ("{}", "the JSON has no `/checks/0/ok`, it begins: {}"),
        ("<html>", "the body is not JSON, it begins: <html>"),
    ];
    for (text, words) in cases {
        assert_eq!(verdict(body(text), ok()).await, Err(words.into()));
    }
}

#[tokio::test]
async fn an_expected_redirect_is_healthy() {
    let mut check = check("/");
    check.expect = vec![301];
    assert_eq!(verdict(reply("301 Moved", "", ""), check).await, Ok(()));
}

#[tokio::test]
async fn a_summary_counts_equal_results() {
    let port = deserted().await.port();
    let mut probes = Vec::new();
    for _ in 0..12 {
        probes.extend(
            round(&target(port), &[check("/health")], 3, AMPLE, Pace::InTurn)
                .await
                .probes,
        );
    }
    let refused = format!("GET http://127.0.0.1:{port}/health: connection refused");
    assert_eq!(summary(&probes), [format!("{refused} (12 tries)")]);

    let start = probes[0].at;
    for (second, probe) in (0..).zip(probes.iter_mut()) {
        probe.at = start + Duration::from_secs(second);
    }
    probes[11].outcome = Err(Unhealthy::LoginWanted);
    let lines = summary(&probes);
    assert_eq!(lines[0], format!("{refused} (11 tries, from 0.0 s to 10.0 s)"));
    assert!(lines[1].ends_with("(1 try, at 11.0 s)"), "{lines:?}");

    for (number, probe) in (0..).zip(probes.iter_mut()) {
        probe.outcome = Err(Unhealthy::OtherStatus {
            status: number,
            expected: "200".into(),
        });
    }
    let lines = summary(&probes);
    assert_eq!((lines.len(), lines[6].as_str()), (7, "6 more results"));
}
