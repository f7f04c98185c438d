//! What the front door tells nobody: the route to strangers, and files that are no site.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bluegreen::model::color::Color;

use super::{include, outside, write_own_site};
use crate::sandbox::{HOST, Sandbox};

const LIVE: &str = "/.bg/shop/live";

#[test]
fn strangers_hear_nothing_of_the_route() {
    let sandbox = Sandbox::with(|_| {});
    let real_ip = "set_real_ip_from 0.0.0.0/0; real_ip_header X-Forwarded-For;";
    sandbox.front.write_conf(real_ip);
    sandbox.front.reload();
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    let own = outside().expect("an address besides loopback, to ask from");
    let nonce = "X-Bg-Proof: 0123-abcd-nonce\r\n";
    for forged in [
        "",
        "X-Forwarded-For: 127.0.0.1\r\n",
        "X-Forwarded-For: ::1\r\n",
        "X-Real-IP: 127.0.0.1\r\n",
        "Forwarded: for=127.0.0.1\r\n",
    ] {
        for path in [
            LIVE,
            "/.bg/shop/",
            "/.bg/shop/maintenance",
            "/.bg/shop/answers/blue.json",
        ] {
            let answer = ask(own, sandbox.address(), path, &format!("{forged}{nonce}"));
            assert!(answer.starts_with("HTTP/1.1 404 "), "{path} {forged}{answer}");
            leaks_nothing(&answer);
        }
        // The app answers them, and says nothing of the slot behind it.
        let page = ask(own, sandbox.address(), "/health", &format!("{forged}{nonce}"));
        assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
        assert!(!page.to_lowercase().contains("x-bg-"), "{page}");
        let port = sandbox.slot_address(Color::Blue).port().to_string();
        assert!(!page.contains(&port), "{page}");
    }
    let here: IpAddr = "127.0.0.1".parse().unwrap();
    let kept = sandbox.app_root().join("state/proof-secret");
    let secret = std::fs::read_to_string(&kept).unwrap();
    let secret = format!("X-Bg-Secret: {}\r\n", secret.trim());
    let told = ask(here, sandbox.address(), LIVE, &secret);
    assert!(told.contains("X-Bg-Color: blue\r\n"), "{told}");
    // A forwarder on this machine, as `ssh -L`, makes every visitor a local one.
    let forwarder = forward(sandbox.address());
    let wrong = format!("X-Bg-Secret: {}\r\n", "0".repeat(32));
    for guessed in ["", "X-Bg-Secret: \r\n", "X-Bg-Secret: 1\r\n", &wrong] {
        for to in [forwarder, sandbox.address()] {
            let answer = ask(here, to, LIVE, guessed);
            assert!(answer.starts_with("HTTP/1.1 404 "), "{guessed}{answer}");
            leaks_nothing(&answer);
            let page = ask(here, to, "/health", &format!("{guessed}{nonce}"));
            assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
            assert!(!page.to_lowercase().contains("x-bg-"), "{page}");
        }
    }
    // Nobody else reads it, nor gets to see it.
    let parsed = super::rendered(&sandbox, "secret.conf");
    for file in [&kept, &parsed] {
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(file).unwrap());
        assert_eq!(mode & 0o077, 0, "{}", file.display());
    }
    let word = secret["X-Bg-Secret: ".len()..].trim();
    std::fs::remove_file(&kept).unwrap();
    for args in [&["setup", "--plan"][..], &["setup"], &["check"], &["setup"]] {
        let outcome = sandbox.bg(args);
        assert!(!format!("{outcome}").contains(word), "{args:?}");
    }
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(std::fs::read_to_string(&kept).unwrap().trim(), word);
    assert_eq!(sandbox.bg(&["setup"]).stdout, "nothing to change\n");
    // What a proxy on this machine passes on comes from somebody else.
    let passed_on = "X-Forwarded-For: 203.0.113.9\r\n";
    let answer = ask(here, sandbox.address(), LIVE, passed_on);
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    leaks_nothing(&answer);
}

/// A port of this machine whose connections end at `to`.
fn forward(to: SocketAddr) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut visitor in listener.incoming().flatten() {
            let mut site = std::net::TcpStream::connect(to).unwrap();
            let (mut back, mut sink) = (site.try_clone().unwrap(), visitor.try_clone().unwrap());
            std::thread::spawn(move || {
                std::io::copy(&mut visitor, &mut site).ok();
            });
            std::thread::spawn(move || {
                std::io::copy(&mut back, &mut sink).ok();
                sink.shutdown(std::net::Shutdown::Both).ok();
            });
        }
    });
    address
}

fn leaks_nothing(answer: &str) {
    let answer = answer.to_lowercase();
    for word in ["x-bg-", "blue", "green", "127.0.0.1"] {
        assert!(!answer.contains(word), "{word}: {answer}");
    }
}

/// The whole answer to a `GET` from this machine's address `from`.
fn ask(from: IpAddr, to: SocketAddr, path: &str, headers: &str) -> String {
    let connected = async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from, 0))?;
        socket.connect(to).await?.into_std()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let mut stream = runtime.unwrap().block_on(connected).unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{headers}\r\n"
    )
    .unwrap();
    let mut whole = Vec::new();
    stream.read_to_end(&mut whole).unwrap();
    String::from_utf8_lossy(&whole).into_owned()
}

#[test]
fn what_is_no_site_is_not_served_and_check_would_see_it() {
    let sandbox = Sandbox::with(|_| {});
    sandbox.commit("something hidden", |repo| {
        std::fs::write(repo.join("static/.hidden"), "secret").unwrap();
        std::fs::write(repo.join("bg.toml"), "# secret").unwrap();
    });
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.get("/static/shop.css").status, 200);
    for path in [
        "/.env",
        "/.git/config",
        "/bg.toml",
        "/app.py",
        "/static/.hidden",
        "/static/../app.py",
        "/static../app.py",
        "/static/%2e%2e/app.py",
        "/static/",
        "/state/journal.jsonl",
        "/shared/app.env",
    ] {
        let answer = sandbox.get(path);
        assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
        assert!(!answer.body.contains("secret"), "{path}: {answer:?}");
    }
    let check = sandbox.bg(&["check", "--json"]);
    check.assert_code(0);
    let result = check.result();
    let findings = result["answer"]["report"]["findings"].as_array().unwrap();
    for path in ["/.env", "/.git/config", "/bg.toml"] {
        let found = findings
            .iter()
            .find(|finding| finding["found"].as_str().unwrap().contains(path))
            .unwrap_or_else(|| panic!("{path} was not looked at: {check}"));
        assert_eq!(found["level"], "fine");
    }
    // A site that serves the whole release.
    let slot = sandbox.app_root().join("slots/blue");
    let inside = format!(
        "{}\nlocation / {{ {} }}\nlocation = /bg.toml {{ root {}; }}",
        include(&sandbox, "route.conf"),
        include(&sandbox, "proxy.conf"),
        slot.display(),
    );
    write_own_site(&sandbox, &inside);
    sandbox.front.reload();
    assert_eq!(sandbox.get("/bg.toml").status, 200);
    let check = sandbox.bg(&["check"]);
    check.assert_code(1);
    assert!(check.stdout.contains("answers `/bg.toml` with 200"), "{check}");
}
