use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use testkit::server::{Server, deserted, header, reply};

use crate::endpoint::*;

mod nginx;

const OLD: &str = "127.0.0.1:5000";
const NEW: &str = "127.0.0.1:5001";

fn endpoint(server: &Server) -> Endpoint {
    Endpoint {
        address: server.address,
        tls: false,
        host: "shop.test".into(),
        secret: None,
        manner: Manner::default(),
        pace: None,
    }
}

fn new() -> SocketAddr {
    NEW.parse().unwrap()
}

/// What NGINX answers about the route.
fn live(headers: &str, body: &str) -> String {
    reply("200 OK", headers, body)
}

fn green() -> String {
    let body = r#"{"app":"shop","color":"green","release":"r2"}"#;
    live("X-Bg-Color: green\r\nX-Bg-Maintenance: \r\n", body)
}

/// The proof that NGINX adds to an answer to `head`.
fn proof(head: &str, upstream: &str) -> String {
    let nonce = header(head, PROOF_HEADER).unwrap_or_default();
    format!("X-Bg-Proof: {nonce} {upstream}\r\n")
}

async fn live_of(answer: String) -> Result<LiveAnswer, String> {
    let server = Server::answering(move |_| answer.clone()).await;
    let endpoint = endpoint(&server);
    let answer = live_answer(&endpoint, "shop").await;
    assert!(server.heads()[0].starts_with("GET /.bg/shop/live "));
    answer.map_err(|error| error.to_string().replace(&endpoint.to_string(), "ENDPOINT"))
}

#[tokio::test]
async fn the_live_answer_is_read() {
    let answer = live_of(green()).await.unwrap();
    assert_eq!(answer.route(), Route::to(Color::Green));
    assert_eq!(answer.release.as_deref(), Some("r2"));
    let headers = "X-Bg-Color: blue\r\nX-Bg-Maintenance: 1\r\n";
    let answer = live_of(live(headers, r#"{"app":"shop","release":""}"#))
        .await
        .unwrap();
    assert_eq!(answer.route().folder(), "maintenance-blue");
    assert_eq!(answer.release, None);
}

#[tokio::test]
async fn what_is_not_a_live_answer_is_explained() {
    let color = "X-Bg-Color: green\r\n";
    let include = "`include bg/shop/route.conf;`";
    let not_ours = |said: &str| {
        format!(
            "ENDPOINT answered something else than the live color: {include} is not reached on this listener; it said: {said}"
        )
    };
    let cases = [
        (
            reply("404 No", "", ""),
            format!("ENDPOINT answered 404: {include} is not reached on this listener"),
        ),
        (
            reply("500 No", "", ""),
            format!("ENDPOINT answered 500: a server block without {include}, it seems"),
        ),
        (
            reply("301 Moved", "Location: https://shop.test/\r\n", ""),
            format!("ENDPOINT redirects to `https://shop.test/` before {include} is reached"),
        ),
        (
            reply("403 No", "", "denied"),
            "ENDPOINT answered 403 where NGINX should say which color is live: denied".into(),
        ),
        (live(color, "<h1>Shop</h1>"), not_ours("<h1>Shop</h1>")),
        (live("", r#"{"app":"shop"}"#), not_ours(r#"{"app":"shop"}"#)),
        (
            live("X-Bg-Color: mauve\r\n", r#"{"app":"shop"}"#),
            not_ours(r#"{"app":"shop"}"#),
        ),
        (
            live(color, r#"{"app":"blog","color":"green"}"#),
            "ENDPOINT answered for the app `blog`, not for `shop`".into(),
        ),
        (
            live(color, r#"{"app":"shop","color":"blue"}"#),
            "ENDPOINT contradicts itself: the body says blue, NGINX's variable says green".into(),
        ),
    ];
    for (answer, words) in cases {
        assert_eq!(live_of(answer).await, Err(words));
    }
    let endpoint = Endpoint {
        address: deserted().await,
        tls: false,
        host: "shop.test".into(),
        secret: None,
        manner: Manner::default(),
        pace: None,
    };
    let error = live_answer(&endpoint, "shop").await.unwrap_err();
    assert_eq!(error, EndpointError::NotListening { endpoint });
}

async fn proven_by(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Result<Verified, String> {
    let server = Server::answering(answer).await;
    let endpoint = endpoint(&server);
    let proven = verify(&endpoint, "/a", "shop", new(), 3, &Nonce::fresh()).await;
    proven.map_err(|failure| failure.to_string().replace(&endpoint.to_string(), "ENDPOINT"))
}

#[tokio::test]
async fn a_proof_is_the_nonce_and_the_slot() {
    let proven = proven_by(|head| reply("302 Found", &proof(head, NEW), "")).await;
    assert_eq!(
        proven,
        Ok(Verified {
            requests: 3,
            status: 302,
            sick: None
        })
    );
}

#[tokio::test]
async fn what_is_not_a_proof_is_explained() {
    let words = |result: Result<Verified, String>| result.unwrap_err();
    assert_eq!(
        words(proven_by(|head| reply("200 OK", &proof(head, OLD), "")).await),
        "`/a` on ENDPOINT still goes to 127.0.0.1:5000, not to 127.0.0.1:5001"
    );
    assert_eq!(
        words(proven_by(|_| reply("200 OK", "", "")).await),
        "`/a` on ENDPOINT answered 200 without passing through `include bg/shop/proxy.conf;`: \
         does its location have a `proxy_pass` of its own?"
    );
    let two = format!("{NEW}, {OLD}");
    assert_eq!(
        words(proven_by(move |head| reply("200 OK", &proof(head, &two), "")).await),
        "`/a` on ENDPOINT went to more than one upstream: 127.0.0.1:5001, 127.0.0.1:5000"
    );
    assert_eq!(
        words(proven_by(|head| reply("401 Who", &proof(head, ""), "")).await),
        "`/a` on ENDPOINT was answered 401 by NGINX itself: no slot was asked"
    );
    assert_eq!(
        words(proven_by(|head| reply("502 No", &proof(head, NEW), "oh")).await),
        "`/a` on ENDPOINT was answered 502 by 127.0.0.1:5001: oh"
    );
    let stale = format!("X-Bg-Proof: {} {NEW}\r\n", Nonce::fresh().as_str());
    assert_eq!(
        words(proven_by(move |_| reply("200 OK", &stale, "")).await),
        "`/a` on ENDPOINT came with the proof of another request: a cache in between answers"
    );
    assert_eq!(
        words(proven_by(|_| "\r\n\r\nConnection: close".into()).await),
        "`/a` on ENDPOINT was not answered: the answer is not HTTP, or its headers are far too large"
    );
}

#[tokio::test]
async fn a_slot_that_fails_is_reached_and_told() {
    let failing = |head: &str| match head.starts_with("GET /.bg/") {
        true => green(),
        false => reply("500 Oh", &proof(head, NEW), "no\ndatabase"),
    };
    let server = Server::answering(failing).await;
    let wanted = wanted(Route::to(Color::Green));
    let deadline = Duration::from_millis(300);
    let proven = verify_all(&[endpoint(&server)], &["/".into()], &wanted, deadline).await;
    let sick: Vec<String> = proven.unwrap().sick.iter().map(ToString::to_string).collect();
    let told = format!("`/` on {} is answered 500: no database", endpoint(&server));
    assert_eq!(sick, [told]);
}

#[tokio::test]
async fn a_slot_that_comes_to_itself_is_healthy() {
    let failures = AtomicUsize::new(3);
    let take = |left: usize| left.checked_sub(1);
    let server = Server::answering(move |head| {
        if head.starts_with("GET /.bg/") {
            return green();
        }
        let failed = failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
        let status = if failed.is_ok() { "503 Wait" } else { "200 OK" };
        reply(status, &proof(head, NEW), "")
    })
    .await;
    let wanted = wanted(Route::to(Color::Green));
    let deadline = Duration::from_secs(20);
    let proven = verify_all(&[endpoint(&server)], &["/".into()], &wanted, deadline).await;
    assert_eq!(proven.unwrap().sick, []);
}

#[tokio::test]
async fn one_old_answer_among_new_ones_is_no_proof() {
    let asked = AtomicUsize::new(0);
    let proven = proven_by(move |head| {
        let third = asked.fetch_add(1, Ordering::SeqCst) == 2;
        reply("200 OK", &proof(head, if third { OLD } else { NEW }), "")
    });
    assert!(proven.await.unwrap_err().contains("still goes to"));
}

fn wanted(route: Route) -> Expectation {
    Expectation {
        app: "shop".into(),
        route,
        release: Some("r2".into()),
        upstream: new(),
        fresh: 2,
        cookie: None,
    }
}

/// NGINX as it answers while old workers are still there: the first answers are old.
async fn settling(old_answers: usize) -> Server {
    let left = AtomicUsize::new(old_answers);
    Server::answering(move |head| {
        if head.starts_with("GET /.bg/") {
            return green();
        }
        let take = |left: usize| left.checked_sub(1);
        let old = left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
            .is_ok();
        reply("200 OK", &proof(head, if old { OLD } else { NEW }), "")
    })
    .await
}

#[tokio::test]
async fn every_path_on_every_listener_is_proven_again_until_it_holds() {
    let (one, two) = (settling(5).await, settling(0).await);
    let endpoints = [endpoint(&one), endpoint(&two)];
    let paths = ["/".to_owned(), "/api".to_owned()];
    let deadline = Duration::from_secs(20);
    let proven = verify_all(&endpoints, &paths, &wanted(Route::to(Color::Green)), deadline).await;
    assert_eq!(
        proven,
        Ok(VerifiedAll {
            paths: 2,
            listeners: 2,
            sick: Vec::new()
        })
    );
    // Of each path on the quiet listener two requests, and one about the route.
    assert_eq!(two.heads().len(), 5);
}

#[tokio::test]
async fn without_a_proof_before_the_deadline_each_last_failure_is_told() {
    let (one, two) = (settling(usize::MAX).await, settling(0).await);
    let endpoints = [endpoint(&one), endpoint(&two)];
    let mut wanted = wanted(Route::to(Color::Green));
    wanted.release = Some("r3".into());
    let deadline = Duration::from_millis(300);
    let unverified = verify_all(&endpoints, &["/".into()], &wanted, deadline)
        .await
        .unwrap_err();
    assert_eq!(unverified.failures.len(), 3, "{unverified}");
    let text = unverified.to_string();
    assert!(text.starts_with("no proof within 0.3 s\n  "), "{text}");
    assert!(text.contains("still goes to 127.0.0.1:5000"), "{text}");
    assert_eq!(text.matches("names the release `r2`").count(), 2, "{text}");
}

#[tokio::test]
async fn in_maintenance_the_route_alone_is_the_proof() {
    let body = r#"{"app":"shop","color":"green","release":"r2"}"#;
    let server = Server::answering(move |head| {
        assert!(head.starts_with("GET /.bg/shop/live "), "{head}");
        live("X-Bg-Color: green\r\nX-Bg-Maintenance: 1\r\n", body)
    })
    .await;
    let endpoints = [endpoint(&server)];
    let route = Route {
        color: Color::Green,
        maintenance: true,
        share: None,
    };
    let deadline = Duration::from_secs(20);
    let proven = verify_all(&endpoints, &["/".into()], &wanted(route), deadline).await;
    assert_eq!(
        proven,
        Ok(VerifiedAll {
            paths: 0,
            listeners: 1,
            sick: Vec::new()
        })
    );
    let other = verify_route(&endpoints[0], "shop", Route::to(Color::Green), None)
        .await
        .unwrap_err();
    assert!(
        other
            .to_string()
            .contains("green behind the maintenance page is live, not green"),
        "{other}"
    );
}

#[tokio::test]
async fn nothing_asked_is_nothing_proven() {
    let server = settling(0).await;
    let wanted = wanted(Route::to(Color::Green));
    let soon = Duration::from_secs(1);
    assert!(verify_all(&[], &["/".into()], &wanted, soon).await.is_err());
    assert!(
        verify_all(&[endpoint(&server)], &[], &wanted, soon)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_listener_that_hangs_is_named_at_the_deadline() {
    let server = Server::with(|_, stream| async move {
        stream.readable().await.ok();
        std::future::pending::<()>().await;
    })
    .await;
    let wanted = wanted(Route::to(Color::Green));
    let deadline = Duration::from_millis(200);
    let unverified = verify_all(&[endpoint(&server)], &["/".into()], &wanted, deadline)
        .await
        .unwrap_err();
    assert_eq!(unverified.failures.len(), 2);
    assert!(
        unverified.to_string().contains("no answer within 0.2 s"),
        "{unverified}"
    );
}

#[test]
fn a_nonce_is_new_each_time_and_fits_its_alphabet() {
    let (one, two) = (Nonce::fresh(), Nonce::fresh());
    assert_ne!(one, two);
    let text = one.nth(u64::MAX).as_str().to_owned();
    assert!((8..=64).contains(&text.len()), "{text}");
    assert!(
        text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'),
        "{text}"
    );
}
