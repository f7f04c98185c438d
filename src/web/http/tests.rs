use std::sync::Arc;

use testkit::server::{Server, deserted, header, read_head, reply};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::http::*;

const NOT_HTTP: &str = "the answer is not HTTP, or its headers are far too large";
const SOON: Duration = Duration::from_millis(300);
const AMPLE: Duration = Duration::from_secs(20);

async fn ask(address: SocketAddr, deadline: Duration) -> Result<Answer, HttpError> {
    let client = Client::new(address, "shop.test", false).unwrap();
    client.ask("GET", "/", HeaderMap::new(), deadline).await
}

async fn saying(bytes: &'static [u8]) -> Server {
    Server::with(move |_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(bytes).await.ok();
    })
    .await
}

#[tokio::test]
async fn the_site_is_named_and_the_given_address_asked_on_fresh_connections() {
    let server = Server::answering(|_| reply("200 OK", "", "hello")).await;
    let client = Client::new(server.address, "Shop.test", false).unwrap();
    for _ in 0..3 {
        let answer = client
            .ask("GET", "/a?b=c", HeaderMap::new(), AMPLE)
            .await
            .unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"hello"[..]));
    }
    let heads = server.heads();
    assert_eq!(heads.len(), 3);
    for head in heads {
        assert!(head.starts_with("GET /a?b=c HTTP/1.1"), "{head}");
        assert_eq!(header(&head, "host"), Some("Shop.test"));
        assert_eq!(header(&head, "user-agent"), Some(USER_AGENT));
    }
}

#[tokio::test]
async fn each_request_has_a_connection_of_its_own() {
    let server = Server::with(|number, mut stream| async move {
        while read_head(&mut stream).await.is_some() {
            let answer = reply("200 OK", "", &number.to_string());
            stream.write_all(answer.as_bytes()).await.ok();
        }
    })
    .await;
    let client = Client::new(server.address, "shop.test", false).unwrap();
    for number in 0..3 {
        let answer = client.ask("GET", "/", HeaderMap::new(), AMPLE).await.unwrap();
        assert_eq!(answer.excerpt(), number.to_string());
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let server = Server::answering(|_| reply("301 Moved", "Location: https://elsewhere.test/\r\n", "")).await;
    let answer = ask(server.address, AMPLE).await.unwrap();
    assert_eq!(answer.status, 301);
    assert_eq!(answer.header("location"), Some("https://elsewhere.test/"));
    assert_eq!(server.heads().len(), 1);
}

#[tokio::test]
async fn every_failure_has_its_own_words() {
    let silent = Server::with(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream.read_u8().await.ok();
    })
    .await;
    let closing = saying(b"").await;
    let rude = Server::with(|_, stream| async move { stream.set_zero_linger().unwrap() }).await;
    let ssh = saying(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
    let short = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await;
    let stuck = Server::with(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            .await
            .ok();
        stream.read_u8().await.ok();
    })
    .await;
    let bomb = Server::with(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.ok();
        while stream.write_all(b"X-Bomb: 0123456789abcdef\r\n").await.is_ok() {}
    })
    .await;
    let cases = [
        (deserted().await, AMPLE, "connection refused"),
        (silent.address, SOON, "no answer within 0.3 s"),
        (
            closing.address,
            AMPLE,
            "the connection was closed before an answer",
        ),
        (rude.address, AMPLE, "the connection was closed before an answer"),
        (ssh.address, AMPLE, NOT_HTTP),
        (
            short.address,
            AMPLE,
            "the connection was closed in the middle of the answer",
        ),
        (stuck.address, SOON, "the answer did not end within 0.3 s"),
        (bomb.address, AMPLE, NOT_HTTP),
    ];
    for (address, deadline, words) in cases {
        let error = ask(address, deadline).await.unwrap_err();
        assert_eq!(error.to_string(), words, "{error:?}");
    }
}

#[tokio::test]
async fn an_endless_body_is_read_to_the_limit_only() {
    let server = Server::with(|_, mut stream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok();
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let answer = ask(server.address, AMPLE).await.unwrap();
    assert_eq!(answer.body.len(), BODY_LIMIT);
}

#[tokio::test]
async fn a_request_that_cannot_be_made_is_named() {
    let address = deserted().await;
    let client = Client::new(address, "shop.test", false).unwrap();
    for (method, path, what) in [("GET", "evil", "evil"), ("G T", "/", "G T")] {
        let error = client
            .ask(method, path, HeaderMap::new(), AMPLE)
            .await
            .unwrap_err();
        assert_eq!(error, HttpError::BadRequest { what: what.into() });
    }
    assert!(Client::new(address, "a\r\nb", false).is_err());
}

#[tokio::test]
async fn tls_carries_the_name_and_does_not_ask_who_signed() {
    install_ring();
    let signed = rcgen::generate_simple_self_signed(["another.test".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![signed.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let server = Server::with(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await.unwrap();
            let name = stream.get_ref().1.server_name().unwrap_or("none").to_owned();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let body = format!("{name} {}", header(&head, "host").unwrap());
            stream
                .write_all(reply("200 OK", "", &body).as_bytes())
                .await
                .unwrap();
            stream.shutdown().await.ok();
        }
    })
    .await;
    for (host, seen) in [
        ("shop.test", "shop.test shop.test"),
        ("*.shop.test", "none *.shop.test"),
    ] {
        let client = Client::new(server.address, host, true).unwrap();
        let answer = client.ask("GET", "/", HeaderMap::new(), AMPLE).await.unwrap();
        assert_eq!(answer.excerpt(), seen);
    }
    let loud = Server::with(|_, mut stream| async move {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.ok();
        stream.read_u8().await.ok();
    })
    .await;
    let client = Client::new(loud.address, "shop.test", true).unwrap();
    let error = client.ask("GET", "/", HeaderMap::new(), AMPLE).await.unwrap_err();
    assert_eq!(error.to_string(), "TLS failed: the other side does not speak TLS");
}

/// The variable is set for a child only: the environment of a test process is shared by
/// its threads. The child runs the test above, which asks a server on loopback.
#[test]
fn a_proxy_in_the_environment_does_not_matter() {
    let test = this_test("the_site_is_named_and_the_given_address_asked_on_fresh_connections");
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &test])
        .env("http_proxy", "http://127.0.0.1:9")
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .env("all_proxy", "http://127.0.0.1:9")
        .env_remove("no_proxy")
        .env_remove("NO_PROXY")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&status.stdout);
    assert!(status.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn an_excerpt_is_one_line_that_a_terminal_can_bear() {
    assert_eq!(excerpt("a\n\n b\u{1b}[31mc"), "a b [31mc");
    let long = "é".repeat(200);
    assert_eq!(excerpt(&long), format!("{}...", "é".repeat(120)));
}

/// As the runner of the tests calls the test `name` of this file.
fn this_test(name: &str) -> String {
    let (_, module) = module_path!().split_once("::").unwrap();
    format!("{module}::{name}")
}
