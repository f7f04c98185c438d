//! Hosts that cannot be reached, or are not what they seem.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use bluegreen::model::event::Warning;
use bluegreen::text::notices;

use super::*;
use crate::sandbox::ports::Port;

fn home() -> Scene {
    Scene::strangers(&[])
}

#[tokio::test]
async fn a_name_that_is_not_found() {
    let scene = home();
    // Too long to be asked for anywhere.
    let name = "x".repeat(70);
    let (text, code) = told(scene.connect_to(&name).await, &name);
    assert!(
        text.starts_with(&format!(
            "no SSH connection to `{name}`\ncaused by: the name `{name}` is not found\n"
        )),
        "{text}"
    );
    assert_eq!(code, 1);
}

#[tokio::test]
async fn a_port_on_which_nobody_listens() {
    let scene = home();
    let port = Port::free();
    let at = format!("127.0.0.1:{}", port.number());
    let (text, _) = told(scene.connect_to(&at).await, "web1");
    assert_eq!(
        text,
        format!(
            "no SSH connection to `web1`\n\
             caused by: `{at}` cannot be reached\n\
             caused by: Connection refused (os error 111)\n\
             hint: `ssh -v web1 true` shows how far it gets"
        )
    );
}

#[tokio::test]
async fn a_host_that_does_not_answer() {
    let scene = home();
    scene.home.configure("ConnectTimeout 1");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    // Nobody accepts: when as many wait as may, the next one is not answered at all.
    let _waiting = fill(at);
    let started = Instant::now();
    let (text, _) = told(scene.connect_to(&at.to_string()).await, "web1");
    assert!(
        text.contains(&format!("caused by: `{at}`: no answer within 1 s")),
        "{text}"
    );
    assert!(started.elapsed() < Duration::from_secs(5));
}

fn fill(at: SocketAddr) -> Vec<TcpStream> {
    let mut waiting = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&at, Duration::from_millis(300)) {
        waiting.push(stream);
        assert!(waiting.len() < 10_000, "the queue has no end");
    }
    waiting
}

#[tokio::test]
async fn something_else_than_an_ssh_server() {
    let scene = home();
    let mut seen = 0;
    for words in ["HTTP/1.1 400 Bad Request\r\n\r\n", "", "SSH-1.5-old\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(words.as_bytes()).unwrap();
        });
        let (text, _) = told(scene.connect_to(&at.to_string()).await, "web1");
        assert!(
            text.contains(&format!(
                "caused by: what listens at `{at}` is not an SSH server, or closed the connection at once"
            )),
            "{words:?}: {text}"
        );
        server.join().unwrap();
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[tokio::test]
async fn nothing_in_common() {
    let scene = Scene::with(&["KexAlgorithms ecdh-sha2-nistp256"]);
    let (text, _) = told(scene.connect().await, "web1");
    let port = scene.server.port();
    assert!(
        text.contains(&format!(
            "caused by: `127.0.0.1:{port}` and this program have no key exchange in common, it offers ecdh-sha2-nistp256"
        )),
        "{text}"
    );
}

#[tokio::test]
async fn a_configuration_that_makes_no_sense() {
    let scene = home();
    scene.home.configure("Port many");
    let (text, code) = told(scene.connect().await, "web1");
    let at = scene.home.ssh("config");
    assert_eq!(
        text,
        format!(
            "no SSH connection to `web1`\n\
             caused by: `{}` line 1: port: expected port number\n\
             hint: `ssh -G web1` shows the resulting configuration",
            at.display()
        )
    );
    assert_eq!(code, 3);
    scene.home.configure("ProxyCommand nc %h %p");
    let (text, code) = told(scene.connect().await, "web1");
    assert_eq!(
        text,
        format!(
            "no SSH connection to `web1`\n\
             caused by: `{0}` line 1 has a `ProxyCommand`, which is not supported\n\
             hint: `ProxyJump HOST` goes through another SSH server; `ProxyJump none` above it in `{0}` goes directly",
            at.display()
        )
    );
    assert_eq!(code, 3);
    scene.home.configure("StrictHostKeyChecking no");
    let (text, _) = told(scene.connect().await, "web1");
    assert!(text.contains("its host key is not known"), "{text}");
}

#[tokio::test]
async fn a_connection_tells_what_had_no_effect() {
    let scene = Scene::new();
    scene
        .home
        .configure("StrictHostKeyChecking no\nMatch exec true\n  User nobody");
    let connection = scene.connect().await.unwrap();
    let at = scene.home.ssh("config");
    let at = at.display();
    let warnings = connection.warnings().iter().cloned();
    let told = warnings.map(|one| notices::warning(&Warning::SshSettingIgnored(one)));
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            format!("`{at}` line 2: `Match exec` is not evaluated, so the lines under it are passed over"),
            format!("`{at}` line 1: `StrictHostKeyChecking no` has no effect, host keys are always checked"),
        ]
    );
}
