//! The load generator can fail: servers that misbehave in each way it must notice.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use crate::load::{Count, Kind, Load, Plan};
use crate::sandbox::wait::wait_until;

const GOOD: &str = r#"{"color":"blue"}"#;

#[test]
fn an_answer_cut_off_on_a_reused_connection_is_a_failure() {
    let count = count_of(Kind::Get, |mut peer, number| {
        read_request(&mut peer)?;
        if number == 0 {
            write!(peer, "{}", answer("", GOOD))?;
            read_request(&mut peer)?;
        }
        // Closed after the request has come, without a word.
        Ok(())
    });
    assert_eq!(count.failed, count.requests - 1, "{count:?}");
    assert!(
        count.failures.iter().any(|why| why.contains("reused connection")),
        "{count:?}"
    );
    assert!(
        count.failures.iter().any(|why| why.contains("new connection")),
        "{count:?}"
    );
}

#[test]
fn a_connection_closed_while_idle_is_opened_anew_and_nothing_is_lost() {
    let count = count_of(Kind::Post, |mut peer, _| {
        read_request(&mut peer)?;
        write!(peer, "{}", answer("", r#"{"length":512}"#))
    });
    assert_eq!(count.failed, 0, "{count:?}");
    assert!(count.reopened > 0, "{count:?}");
}

#[test]
fn connection_close_is_honoured() {
    let count = count_of(Kind::Get, |mut peer, _| {
        read_request(&mut peer)?;
        write!(peer, "{}", answer("Connection: close\r\n", GOOD))?;
        // Whoever sends a second request here gets no answer to it.
        match peer.read(&mut [0; 1])? {
            0 => Ok(()),
            _ => panic!("a request after Connection: close"),
        }
    });
    assert_eq!(count.failed, 0, "{count:?}");
}

#[test]
fn half_an_answer_is_a_failure() {
    let count = count_of(Kind::FreshGet, |mut peer, _| {
        read_request(&mut peer)?;
        write!(peer, "{}", answer("", GOOD).trim_end_matches('}'))
    });
    assert_eq!(count.failed, count.requests, "{count:?}");
}

#[test]
fn an_error_status_is_a_failure_unless_it_is_expected() {
    let bad_gateway = |mut peer: TcpStream, _| {
        read_request(&mut peer)?;
        let text = answer("", "").replace("200 OK", "502 Bad Gateway");
        write!(peer, "{text}")
    };
    let count = count_of(Kind::FreshGet, bad_gateway);
    assert_eq!(count.failed, count.requests, "{count:?}");
    assert_eq!(count.failures, ["fresh-get: status 502"]);
    assert_eq!(count.by_status[&502], count.requests);

    let address = serve(bad_gateway);
    let expected = Plan {
        accept: vec![502],
        ..Plan::new(address, "x", &[(Kind::FreshGet, 1)])
    };
    assert_eq!(counted(Load::run(expected)).failed, 0);
}

#[test]
fn an_answer_that_is_not_the_apps_is_wrong() {
    let somebody_else = count_of(Kind::FreshGet, |mut peer, _| {
        read_request(&mut peer)?;
        write!(peer, "{}", answer("", GOOD).replace("X-App-Color: blue\r\n", ""))
    });
    assert_eq!(somebody_else.wrong, somebody_else.requests, "{somebody_else:?}");
    let half_the_upload = count_of(Kind::FreshPost, |mut peer, _| {
        read_request(&mut peer)?;
        write!(peer, "{}", answer("", r#"{"length":256}"#))
    });
    assert_eq!(
        half_the_upload.wrong, half_the_upload.requests,
        "{half_the_upload:?}"
    );
    assert_eq!(half_the_upload.failed, half_the_upload.requests);
}

#[test]
fn a_refused_connection_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let count = counted(Load::start(address, "x", &[(Kind::Get, 1)]));
    assert_eq!(count.failed, count.requests);
    assert!(count.failures[0].contains("refused"), "{count:?}");
}

#[test]
fn a_change_of_color_is_seen_with_its_width() {
    let count = count_of(Kind::Get, |mut peer, _| {
        for number in 0.. {
            read_request(&mut peer)?;
            // Blue for ten, then torn for four, then green.
            let color = match number {
                0..=9 | 11 | 13 => "blue",
                _ => "green",
            };
            write!(
                peer,
                "{}",
                answer("", GOOD).replace(": blue", &format!(": {color}"))
            )?;
        }
        Ok(())
    });
    assert_eq!(count.failed, 0, "{count:?}");
    let [switch] = count.switches.as_slice() else {
        panic!("not one switch: {count:?}");
    };
    assert_eq!((switch.from.as_str(), switch.to.as_str()), ("blue", "green"));
    // Six requests lie in it, 10 ms apart.
    assert!((50..2000).contains(&switch.within_ms), "{switch:?}");
}

fn count_of(
    kind: Kind,
    serve_one: impl FnMut(TcpStream, usize) -> std::io::Result<()> + Send + 'static,
) -> Count {
    let address = serve(serve_one);
    counted(Load::start(address, "x", &[(kind, 1)]))
}

fn counted(load: Load) -> Count {
    wait_until(Duration::from_secs(20), "30 requests", || {
        load.so_far().requests >= 30
    });
    load.stop()
}

/// A server that handles one connection after the other and tells each its number. It ends
/// with the test process.
fn serve(mut serve_one: impl FnMut(TcpStream, usize) -> std::io::Result<()> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (number, peer) in listener.incoming().flatten().enumerate() {
            // The client may go away at any moment, when it has counted enough.
            serve_one(peer, number).ok();
        }
    });
    address
}

fn answer(headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nX-App-Color: blue\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

/// Reads a request and its body to the end.
fn read_request(peer: &mut TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(peer);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)
}
