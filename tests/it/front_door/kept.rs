//! A connection that was opened before a switch is its own to the end.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use bluegreen::model::color::Color;

use crate::sandbox::{HOST, Sandbox, repo};

/// What a websocket is once the handshake is over: gunicorn hands the app its socket.
const ECHO: &str = r#"
@app.get("/echo")
def echo():
    peer = request.environ["gunicorn.socket"]
    peer.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n")
    while line := peer.recv(4096):
        peer.sendall(COLOR.encode() + b" " + line)
    return ""


@app.get("/slow")
"#;

/// An upgraded connection through the front door.
struct Upgraded(BufReader<TcpStream>);

impl Upgraded {
    fn open(sandbox: &Sandbox) -> Upgraded {
        let mut stream = TcpStream::connect(sandbox.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        write!(
            stream,
            "GET /echo HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n"
        )
        .unwrap();
        let mut upgraded = Upgraded(BufReader::new(stream));
        assert_eq!(upgraded.line(), "HTTP/1.1 101 Switching Protocols");
        while !upgraded.line().is_empty() {}
        upgraded
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn say(&mut self, word: &str) -> String {
        // In one piece: the app echoes what it reads at once.
        self.0
            .get_mut()
            .write_all(format!("{word}\n").as_bytes())
            .unwrap();
        self.line()
    }
}

#[test]
fn an_upgraded_connection_lives_on_through_a_switch_and_its_rollback() {
    let sandbox = Sandbox::with(|config| {
        crate::sandbox::set(config, "drain", "timeout", "1s");
    });
    sandbox.commit("an echo", |repo| {
        repo::replace(&repo.join("app.py"), "\n@app.get(\"/slow\")\n", ECHO);
    });
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    let mut early = Upgraded::open(&sandbox);
    assert_eq!(early.say("one"), "blue one");
    sandbox.commit_edit("another greeting", "Good day", "Hello");
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    assert_eq!(early.say("two"), "blue two");
    let mut late = Upgraded::open(&sandbox);
    assert_eq!(late.say("one"), "green one");
    sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    assert_eq!(
        (early.say("three"), late.say("two")),
        ("blue three".into(), "green two".into())
    );
    // The next deploy needs green's slot: its connection is closed, and that is told.
    let deploy = sandbox.bg(&["deploy"]);
    deploy.assert_code(0);
    // NGINX's pooled ones have gone by then: they are kept for a second only.
    deploy.assert_says("green stopped, 1 open connection closed");
    assert_eq!(late.line(), "");
    assert_eq!(early.say("four"), "blue four");
    assert_eq!(sandbox.live_color(), Some(Color::Green));
}
