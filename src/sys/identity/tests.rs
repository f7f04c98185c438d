use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::identity::*;

/// A web server in a folder of its own, killed and reaped when dropped.
struct Server {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Server {
    /// Starts one on `address` and waits until something listens on `port`.
    fn start(address: &str, port: u16, nonce: &str) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new("python3")
            .args(["-m", "http.server", "--bind", address, &port.to_string()])
            .current_dir(folder.path())
            .env(NONCE, nonce)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Server { child, folder, port };
        server.wait_until(|| !sockets::is_free(port));
        server
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_until(&self, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(15);
        while !condition() {
            assert!(Instant::now() < deadline, "python3's server did not get there");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn check(&self, nonce: &str) -> Result<(), IdentityError> {
        check(self.pid(), self.port, self.folder.path(), Some(nonce))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn the_process_that_was_started_is_recognised() {
    let server = Server::start("127.0.0.1", free_port(), "n1");
    assert_eq!(server.check("n1"), Ok(()));
    let pid = server.pid();
    assert_eq!(server.check("n2"), Err(IdentityError::OtherStart { pid }));
    let below = server.folder.path().join("sub");
    assert!(matches!(
        check(pid, server.port, &below, Some("n1")),
        Err(IdentityError::OtherFolder { .. })
    ));
    let above = server.folder.path().parent().unwrap();
    assert_eq!(check(pid, server.port, above, Some("n1")), Ok(()));
    assert_eq!(
        check(pid, free_port(), server.folder.path(), Some("n1"))
            .unwrap_err()
            .to_string()
            .split(" on ")
            .next(),
        Some("nothing listens")
    );
}

#[test]
fn a_stale_process_on_the_port_is_named() {
    let stale = Server::start("127.0.0.1", free_port(), "old");
    // Its port is taken: it ends at once, as an app does whose server does not try again.
    let mut late = Server::start("127.0.0.1", stale.port, "new");
    late.child.wait().unwrap();
    let pid = late.pid();
    assert_eq!(late.check("new"), Err(IdentityError::Ended { pid }));
    // And one that stays up although it has no port.
    let idle = Server::start("127.0.0.1", free_port(), "new");
    let (port, stale_pid, pid) = (stale.port, stale.pid(), idle.pid());
    let error = check(pid, port, idle.folder.path(), Some("new"))
        .unwrap_err()
        .to_string();
    let begin = format!("port {port} is held by process {stale_pid} (`");
    let end = format!(
        "python3 -m http.server --bind 127.0.0.1 {port}`), not by process {pid} that was started for it"
    );
    assert!(error.starts_with(&begin) && error.ends_with(&end), "{error}");
}

#[test]
fn an_app_that_is_open_to_the_network_is_told_how_to_bind() {
    let server = Server::start("0.0.0.0", free_port(), "n1");
    let port = server.port;
    assert_eq!(
        server.check("n1").unwrap_err().to_string(),
        format!(
            "the app listens on 0.0.0.0:{port}, open to the network past NGINX: bind it with `-b 127.0.0.1:{port}`"
        )
    );
}

#[test]
fn a_second_server_that_shares_the_port_is_found() {
    let script = "import socket, sys, time\ns = socket.socket()\n\
                  s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n\
                  s.bind(('127.0.0.1', int(sys.argv[1])))\ns.listen()\ntime.sleep(300)\n";
    let port = free_port();
    let sharing = |nonce: &str| Server {
        child: Command::new("python3")
            .args(["-c", script, &port.to_string()])
            .env(NONCE, nonce)
            .spawn()
            .unwrap(),
        folder: tempfile::tempdir().unwrap(),
        port,
    };
    let (stale, fresh) = (sharing("old"), sharing("new"));
    fresh.wait_until(|| sockets::listener(port).len() == 2);
    let here = std::env::current_dir().unwrap();
    let found = check(fresh.pid(), port, &here, Some("new"));
    let Err(IdentityError::Foreign {
        holder: Some(holder), ..
    }) = found
    else {
        panic!("{found:?}")
    };
    assert_eq!(holder.pid, stale.pid());
    drop(stale);
    assert_eq!(check(fresh.pid(), port, &here, Some("new")), Ok(()));
}

#[test]
fn other_loopback_addresses_are_told_apart() {
    let server = Server::start("127.0.0.2", free_port(), "n1");
    assert!(matches!(server.check("n1"), Err(IdentityError::Elsewhere { .. })));
}
