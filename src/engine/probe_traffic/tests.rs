use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use site::endpoint::{Manner, PROOF_HEADER};
use testkit::server::{Server, deserted, header, read_head, reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::probe_traffic::*;

mod nginx;

const OLD: &str = "127.0.0.1:5000";
const NEW: &str = "127.0.0.1:5001";
const WINDOW: Duration = Duration::from_millis(600);

fn evidence(address: SocketAddr) -> ProbeTraffic {
    ProbeTraffic {
        endpoint: Endpoint {
            address,
            tls: false,
            host: "shop.test".into(),
            secret: None,
            manner: Manner::default(),
            pace: None,
        },
        path: "/a b?c".into(),
        old: Some(OLD.parse().unwrap()),
        maintenance: false,
        window: WINDOW,
    }
}

fn answer(head: &str, status: &str, upstream: &str) -> String {
    let nonce = header(head, PROOF_HEADER).unwrap_or_default();
    reply(status, &format!("X-Bg-Proof: {nonce} {upstream}\r\n"), "hello")
}

/// Watches `server` until it has been asked `requests` times, swaps, and goes on.
async fn count(evidence: ProbeTraffic, asked: &AtomicUsize, requests: usize, swap: impl FnOnce()) -> Counted {
    let running = evidence.start().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while asked.load(Ordering::SeqCst) < requests {
        assert!(Instant::now() < deadline, "the prober does not ask");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    swap();
    running.swapped();
    running.finish().await
}

/// Serves one connection by `answer`, which says `None` to close it instead.
async fn serve(mut stream: tokio::net::TcpStream, answer: impl Fn(usize, &str) -> Option<String>) {
    for n in 0.. {
        let Some(head) = read_head(&mut stream).await else {
            return;
        };
        let Some(reply) = answer(n, &head) else { return };
        if stream.write_all(reply.as_bytes()).await.is_err() || reply.contains("Connection: close") {
            return;
        }
    }
}

/// Serves every connection by `answer`, which is told the number of the connection and that
/// of the request on it; and counts the requests.
async fn counting(
    answer: impl Fn(usize, usize, &str) -> Option<String> + Copy + Send + Sync + 'static,
) -> (Server, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let server = Server::with(move |number, stream| {
        let asked = count.clone();
        serve(stream, move |n, head| {
            asked.fetch_add(1, Ordering::SeqCst);
            answer(number, n, head)
        })
    });
    (server.await, asked)
}

#[tokio::test]
async fn a_switch_without_a_lost_request_counts_none() {
    let asked = Arc::new(AtomicUsize::new(0));
    let connections = Arc::new(AtomicUsize::new(0));
    let green = Arc::new(AtomicBool::new(false));
    let (count_asked, count_connections, is_green) = (asked.clone(), connections.clone(), green.clone());
    let server = Server::with(move |_, stream| {
        count_connections.fetch_add(1, Ordering::SeqCst);
        let (asked, green) = (count_asked.clone(), is_green.clone());
        serve(stream, move |_, head| {
            assert!(head.starts_with("GET /a%20b?c HTTP/1.1\r\n"), "{head}");
            assert_eq!(header(head, "user-agent"), Some(USER_AGENT));
            assert_eq!(header(head, "host"), Some("shop.test"));
            asked.fetch_add(1, Ordering::SeqCst);
            Some(answer(
                head,
                "200 OK",
                if green.load(Ordering::SeqCst) { NEW } else { OLD },
            ))
        })
    })
    .await;
    let swap = || green.store(true, Ordering::SeqCst);
    let counted = count(evidence(server.address), &asked, 40, swap).await;
    assert_eq!((counted.failed, counted.failures.len()), (0, 0), "{counted:?}");
    assert!(counted.enough && counted.window >= WINDOW, "{counted:?}");
    assert_eq!(counted.sent, asked.load(Ordering::SeqCst) as u64);
    assert!(counted.last_old_ms.is_none_or(|late| late < 500.0), "{counted:?}");
    // Two kept-alive connections carry more than the fresh ones.
    assert!(
        connections.load(Ordering::SeqCst) as u64 <= counted.sent * 2 / 3,
        "{counted:?}"
    );
}

#[tokio::test]
async fn the_last_old_answer_is_timed() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count_asked = asked.clone();
    let since = Arc::new(std::sync::Mutex::new(None::<Instant>));
    let swapped = since.clone();
    let late = Duration::from_millis(250);
    let server = Server::with(move |_, stream| {
        let (asked, swapped) = (count_asked.clone(), swapped.clone());
        serve(stream, move |_, head| {
            asked.fetch_add(1, Ordering::SeqCst);
            let new = swapped
                .lock()
                .unwrap()
                .is_some_and(|swap: Instant| swap.elapsed() > late);
            Some(answer(head, "200 OK", if new { NEW } else { OLD }))
        })
    })
    .await;
    let swap = || *since.lock().unwrap() = Some(Instant::now());
    let counted = count(evidence(server.address), &asked, 10, swap).await;
    let last = counted.last_old_ms.unwrap();
    assert!(
        (100.0..WINDOW.as_secs_f64() * 1000.0).contains(&last),
        "{counted:?}"
    );
}

#[tokio::test]
async fn a_kept_alive_connection_closed_in_place_of_an_answer_is_a_failure() {
    let (server, asked) = counting(|_, n, head| (n < 3).then(|| answer(head, "200 OK", NEW))).await;
    let counted = count(evidence(server.address), &asked, 20, || {}).await;
    assert!(counted.reused_closed > 0, "{counted:?}");
    assert_eq!(counted.reused_closed, counted.failed, "{counted:?}");
    assert!(counted.failed_before < counted.failed, "{counted:?}");
    let words = "a kept-alive connection was closed in place of an answer (";
    assert!(
        counted.failures.len() == 1 && counted.failures[0].starts_with(words),
        "{counted:?}"
    );
}

/// Idle connections closed by the server between two requests, and an announced close:
/// nothing was sent on them, so nothing is lost.
#[tokio::test]
async fn a_connection_closed_while_idle_or_as_announced_is_no_failure() {
    let (server, asked) = counting(|number, n, head| {
        let answer = answer(head, "200 OK", NEW);
        let closing = n == 2 || number % 2 == 0;
        Some(if closing {
            answer.replace("\r\nX-Bg", "\r\nConnection: close\r\nX-Bg")
        } else {
            answer
        })
    })
    .await;
    let counted = count(evidence(server.address), &asked, 20, || {}).await;
    assert_eq!(counted.failed, 0, "{counted:?}");
    assert!(counted.enough, "{counted:?}");

    let silent = Server::with(move |_, mut stream| async move {
        if let Some(head) = read_head(&mut stream).await {
            stream
                .write_all(answer(&head, "200 OK", NEW).as_bytes())
                .await
                .ok();
            stream.shutdown().await.ok();
        }
    })
    .await;
    let running = evidence(silent.address).start().unwrap();
    let counted = running.finish().await;
    assert!(counted.sent > 0, "{counted:?}");
    assert_eq!(counted.failed, 0, "{counted:?}");
}

#[tokio::test]
async fn server_errors_are_failures_unless_maintenance_is_expected() {
    for (maintenance, status, fails) in [
        (false, "500 No", true),
        (true, "503 Away", false),
        (true, "502 No", true),
    ] {
        let (server, asked) = counting(move |_, _, head| Some(answer(head, status, ""))).await;
        let evidence = ProbeTraffic {
            maintenance,
            ..evidence(server.address)
        };
        let counted = count(evidence, &asked, 5, || {}).await;
        assert_eq!(counted.failed > 0, fails, "{status}: {counted:?}");
        if fails {
            assert_eq!(counted.failed, counted.sent);
            let words = format!("answered {} by NGINX itself (", &status[..3]);
            assert!(counted.failures[0].starts_with(&words), "{counted:?}");
        }
    }
}

#[tokio::test]
async fn nobody_there_is_counted_and_starting_takes_no_time() {
    let address = deserted().await;
    let begun = Instant::now();
    let brief = ProbeTraffic {
        window: Duration::from_millis(100),
        ..evidence(address)
    };
    let running = brief.start().unwrap();
    assert!(begun.elapsed() < Duration::from_millis(100));
    running.swapped();
    let counted = running.finish().await;
    assert!(
        counted.sent > 0 && counted.failed == counted.sent && !counted.enough,
        "{counted:?}"
    );
    assert!(
        counted.failures[0].starts_with("connection refused ("),
        "{counted:?}"
    );
    assert!(evidence(address).start().is_ok());
    let bad = ProbeTraffic {
        path: "nowhere".into(),
        ..evidence(address)
    };
    assert!(bad.start().is_err());
}

#[tokio::test]
async fn an_answer_that_is_cut_off_or_never_comes_is_a_failure() {
    let server = Server::with(|number, mut stream| async move {
        read_head(&mut stream).await;
        if number % 2 == 0 {
            let short = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
            stream.write_all(short).await.ok();
        } else {
            stream.read_u8().await.ok();
        }
    })
    .await;
    let begun = Instant::now();
    let brief = ProbeTraffic {
        window: Duration::from_millis(200),
        ..evidence(server.address)
    };
    let counted = brief.start().unwrap().finish().await;
    assert!(
        begun.elapsed() < DEADLINE + Duration::from_secs(3),
        "asked on after the end"
    );
    assert_eq!(counted.failed, counted.sent, "{counted:?}");
    assert_eq!(counted.failures.len(), 2, "{counted:?}");
    assert!(
        counted.failures[0].starts_with("no answer within 5 s"),
        "{counted:?}"
    );
    assert!(counted.window < DEADLINE, "{counted:?}");
}

/// The proof after the swap may take longer than the window.
#[tokio::test]
async fn asking_ends_by_itself_after_the_window() {
    let (server, asked) = counting(|_, _, head| Some(answer(head, "200 OK", NEW))).await;
    let mut running = evidence(server.address).start().unwrap();
    running.swapped();
    // A reload may take longer than the window, and what it cuts off is to be seen.
    let early = tokio::time::timeout(WINDOW * 2, running.tasks.join_next()).await;
    assert!(early.is_err(), "ended before NGINX was behind the swap");
    running.followed();
    let swapped = Instant::now();
    while running.tasks.join_next().await.is_some() {}
    assert!(swapped.elapsed() >= WINDOW, "{:?}", swapped.elapsed());
    let at_the_end = asked.load(Ordering::SeqCst);
    let counted = running.finish().await;
    assert_eq!(counted.sent, at_the_end as u64);
    assert!(counted.window < WINDOW * 4, "{counted:?}");
}

#[tokio::test]
async fn a_slow_app_is_asked_less() {
    let busy = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let asked = Arc::new(AtomicUsize::new(0));
    let (now, peak, count) = (busy.clone(), most.clone(), asked.clone());
    let server = Server::with(move |_, mut stream| {
        let (busy, most, asked) = (now.clone(), peak.clone(), count.clone());
        async move {
            while let Some(head) = read_head(&mut stream).await {
                asked.fetch_add(1, Ordering::SeqCst);
                most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(100)).await;
                busy.fetch_sub(1, Ordering::SeqCst);
                let reply = answer(&head, "200 OK", NEW);
                stream.write_all(reply.as_bytes()).await.ok();
            }
        }
    })
    .await;
    let counted = evidence(server.address).start().unwrap().finish().await;
    assert_eq!(counted.failed, 0, "{counted:?}");
    // Three visitors, each at most every 200 ms within 600 ms and while the first answers
    // are awaited four fresh ones; undisturbed they would be asking 40 times.
    assert!(most.load(Ordering::SeqCst) <= KEPT_ALIVE + FRESH_AT_ONCE);
    assert!((6..=18).contains(&counted.sent), "{counted:?}");
    assert_eq!(counted.sent, asked.load(Ordering::SeqCst) as u64);
}

#[tokio::test]
async fn many_kinds_of_failure_take_little_room() {
    let asked = Arc::new(AtomicUsize::new(0));
    let server = Server::with(move |_, stream| {
        let asked = asked.clone();
        serve(stream, move |_, head| {
            let n = asked.fetch_add(1, Ordering::SeqCst);
            Some(answer(head, "500 No", &format!("10.0.0.1:{n}")))
        })
    })
    .await;
    let counted = evidence(server.address).start().unwrap().finish().await;
    assert_eq!(counted.failures.len(), 9, "{counted:?}");
    assert!(counted.failures[8].starts_with("other failures ("), "{counted:?}");
}

#[tokio::test]
async fn tls_doors_are_watched_too() {
    let signed = rcgen::generate_simple_self_signed(["another.test".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let names = Arc::new(AtomicUsize::new(0));
    let seen = names.clone();
    let server = Server::with(move |_, stream| {
        let (acceptor, seen) = (acceptor.clone(), seen.clone());
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            assert_eq!(stream.get_ref().1.server_name(), Some("shop.test"));
            let mut head = Vec::new();
            while let Ok(byte) = stream.read_u8().await {
                head.push(byte);
                if head.ends_with(b"\r\n\r\n") {
                    seen.fetch_add(1, Ordering::SeqCst);
                    stream.write_all(reply("200 OK", "", "").as_bytes()).await.ok();
                    head.clear();
                }
            }
        }
    })
    .await;
    let mut evidence = evidence(server.address);
    evidence.endpoint.tls = true;
    let counted = evidence.start().unwrap().finish().await;
    assert!(counted.sent > 0 && counted.failed == 0, "{counted:?}");
    assert_eq!(names.load(Ordering::SeqCst) as u64, counted.sent);
}
