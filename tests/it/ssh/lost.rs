//! Connections that break.

use std::time::{Duration, Instant};

use bytes::Bytes;
use nix::sys::signal::Signal;
use tokio::time::timeout;

use super::*;
use crate::sandbox::wait::wait_until;

/// Asked each second, three times, and then no more.
const WITHIN: Duration = Duration::from_secs(8);

async fn connected(scene: &Scene) -> Connection {
    scene.home.configure("ServerAliveInterval 1");
    scene.connect().await.unwrap()
}

#[tokio::test]
async fn a_server_that_hangs_is_lost_within_the_limit() {
    let scene = Scene::new();
    let connection = connected(&scene).await;
    let (_input, mut output) = connection.exec(&["cat"]).await.unwrap();
    let started = Instant::now();
    scene.server.signal_sessions(Signal::SIGSTOP);
    let story = timeout(WITHIN, story(&mut output)).await.unwrap();
    assert!(
        started.elapsed() > Duration::from_secs(2),
        "it was given a chance"
    );
    let Chunk::Lost(error) = story.end else {
        panic!("{story:?}");
    };
    assert_eq!(
        error.to_string(),
        "the connection is lost: the server no longer answers"
    );
    assert_eq!(error.into_failure("web1", "bg").what, "lost contact with `web1`");
    let error = connection.exec(&["true"]).await.err().unwrap();
    assert!(matches!(error, SshError::Lost { .. }), "{error:?}");
    timeout(WITHIN, connection.close()).await.unwrap();
}

#[tokio::test]
async fn a_write_to_a_server_that_hangs_ends_within_the_limit() {
    let scene = Scene::new();
    let connection = connected(&scene).await;
    let (mut input, mut output) = connection.exec(&["sh", "-c", "cat >/dev/null"]).await.unwrap();
    input.write(Bytes::from(vec![0; 1 << 20])).await.unwrap();
    scene.server.signal_sessions(Signal::SIGSTOP);
    let write = input.write(Bytes::from(vec![0; 64 << 20]));
    let error = timeout(WITHIN, write).await.unwrap().unwrap_err();
    assert!(matches!(error, SshError::Lost { .. }), "{error:?}");
    let story = timeout(WITHIN, story(&mut output)).await.unwrap();
    assert!(
        matches!(story.end, Chunk::Lost(SshError::Lost { .. })),
        "{story:?}"
    );
}

#[tokio::test]
async fn a_server_that_is_killed_is_lost_at_once() {
    let scene = Scene::new();
    let connection = connected(&scene).await;
    let (mut input, mut output) = connection.exec(&["cat"]).await.unwrap();
    let (_other, mut second) = connection.exec(&["cat"]).await.unwrap();
    scene.server.signal_sessions(Signal::SIGKILL);
    for output in [&mut output, &mut second] {
        let story = timeout(Duration::from_secs(2), story(output)).await.unwrap();
        let Chunk::Lost(error) = story.end else {
            panic!("{story:?}");
        };
        assert!(
            error.to_string().starts_with("the connection is lost: "),
            "{error}"
        );
    }
    let error = input.write(Bytes::from_static(b"x")).await.unwrap_err();
    assert!(matches!(error, SshError::Lost { .. }), "{error:?}");
}

#[tokio::test]
async fn closing_says_goodbye_and_ends_what_runs() {
    let scene = Scene::with(&["LogLevel DEBUG1"]);
    let connection = connected(&scene).await;
    let (_input, mut output) = connection.exec(&["cat"]).await.unwrap();
    connection.close().await;
    let story = timeout(WITHIN, story(&mut output)).await.unwrap();
    assert!(matches!(story.end, Chunk::Lost(_)), "{story:?}");
    wait_until(WITHIN, "it hung up", || scene.server.sessions().is_empty());
    let log = scene.server.log();
    assert!(log.contains("Received disconnect from"), "{log}");
}

#[tokio::test]
async fn the_last_one_to_let_go_of_a_connection_ends_it() {
    let scene = Scene::new();
    let connection = connected(&scene).await;
    let other = connection.clone();
    drop(connection);
    assert_eq!(run(&other, &["echo", "there"]).await.stdout, "there\n");
    drop(other);
    let gone = async {
        while !scene.server.sessions().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(WITHIN, gone).await.unwrap();
}

#[tokio::test]
async fn a_server_that_hangs_while_one_connects_is_given_up() {
    let scene = Scene::new();
    scene.home.configure("ConnectTimeout 1");
    let port = scene.server.port();
    scene.server.pause();
    let started = Instant::now();
    let (text, code) = told(scene.connect().await, "web1");
    assert_eq!(
        text,
        format!(
            "no SSH connection to `web1`\n\
             caused by: the SSH server at `127.0.0.1:{port}`: no answer within 1 s\n\
             hint: `ssh -v web1 true` shows how far it gets"
        )
    );
    assert_eq!(code, 1);
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}
