//! Commands on an open connection.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::timeout;

use super::*;

/// Longer than anything here takes, shorter than anybody waits.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_command_gets_its_words_and_tells_its_outputs_and_its_end() {
    let scene = Scene::new();
    let connection = scene.connect().await.unwrap();
    assert_eq!(connection.user(), user());
    assert!(connection.warnings().is_empty());
    let script = r#"printf '%s|' "$@"; echo oops >&2; exit 7"#;
    let words = ["sh", "-c", script, "sh", "a b", "", "'\"$HOME`id`", "ü\n*"];
    let story = run(&connection, &words).await;
    assert_eq!(story.stdout, "a b||'\"$HOME`id`|ü\n*|");
    assert_eq!(story.stderr, "oops\n");
    assert!(matches!(story.end, Chunk::Exit(7)), "{story:?}");
    connection.close().await;
}

#[tokio::test]
async fn several_commands_run_at_once_on_one_connection() {
    let scene = Scene::new();
    let connection = scene.connect().await.unwrap();
    let mut all = tokio::task::JoinSet::new();
    for number in 0..8 {
        let connection = connection.clone();
        all.spawn(async move {
            let number = number.to_string();
            let story = run(&connection, &["sh", "-c", "echo $1; exit $1", "sh", &number]).await;
            (number, story)
        });
    }
    for (number, story) in all.join_all().await {
        assert_eq!(story.stdout.trim(), number);
        assert!(matches!(story.end, Chunk::Exit(code) if code.to_string() == number));
    }
    assert_eq!(scene.server.log().matches("Accepted publickey").count(), 1);
}

#[tokio::test]
async fn a_signal_is_told_from_an_exit_code() {
    let scene = Scene::new();
    let connection = scene.connect().await.unwrap();
    for signal in ["TERM", "KILL", "SEGV"] {
        let script = format!("kill -{signal} $$");
        let story = run(&connection, &["sh", "-c", &script]).await;
        assert!(
            matches!(&story.end, Chunk::Signal(name) if name == signal),
            "{story:?}"
        );
    }
    let story = run(&connection, &["/no/such/program"]).await;
    assert!(matches!(story.end, Chunk::Exit(127)), "{story:?}");
}

#[tokio::test]
async fn bytes_come_back_as_they_went() {
    let scene = Scene::new();
    let connection = scene.connect().await.unwrap();
    let sent: Vec<u8> = (0..5_000_000_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let (mut input, mut output) = connection.exec(&["cat"]).await.unwrap();
    let sending = async {
        for piece in sent.chunks(777_777) {
            input.write(Bytes::copy_from_slice(piece)).await.unwrap();
        }
        input.end().await;
    };
    let receiving = async {
        let mut received = Vec::new();
        loop {
            match output.next().await.unwrap() {
                Chunk::Stdout(bytes) => received.extend_from_slice(&bytes),
                Chunk::Exit(0) => return received,
                other => panic!("{other:?}"),
            }
        }
    };
    let (received, ()) = timeout(SOON, async { tokio::join!(receiving, sending) })
        .await
        .unwrap();
    assert!(received == sent, "{} of {}", received.len(), sent.len());
}

#[tokio::test]
async fn a_write_ends_when_the_command_does() {
    let scene = Scene::new();
    let connection = scene.connect().await.unwrap();
    let (mut input, mut output) = connection
        .exec(&["sh", "-c", "head -c 10; exit 3"])
        .await
        .unwrap();
    let bytes = Bytes::from(vec![b'x'; 64 << 20]);
    let error = timeout(SOON, input.write(bytes.clone()))
        .await
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, SshError::Ended), "{error:?}");
    assert!(
        matches!(input.write(bytes).await, Err(SshError::Ended)),
        "and stays so"
    );
    input.end().await;
    let story = story(&mut output).await;
    assert!(matches!(story.end, Chunk::Exit(3)), "{story:?}");
    assert_eq!(story.stdout, "xxxxxxxxxx");
    // The connection is as good as before.
    let story = timeout(SOON, run(&connection, &["echo", "there"])).await.unwrap();
    assert_eq!(story.stdout, "there\n");
}

#[tokio::test]
async fn a_write_ends_when_the_command_does_also_when_nobody_reads() {
    let scene = Scene::new();
    let connection = scene.connect().await.unwrap();
    let script = "head -c 30000000 /dev/zero; exit 4";
    let (mut input, mut output) = connection.exec(&["sh", "-c", script]).await.unwrap();
    let error = timeout(SOON, input.write(Bytes::from(vec![b'x'; 64 << 20])))
        .await
        .unwrap()
        .unwrap_err();
    assert!(matches!(error, SshError::Ended), "{error:?}");
    let story = timeout(SOON, story(&mut output)).await.unwrap();
    assert_eq!(story.stdout.len(), 30_000_000);
    assert!(matches!(story.end, Chunk::Exit(4)));
}

#[tokio::test]
async fn a_command_waits_for_a_slow_reader() {
    let scene = Scene::new();
    let connection = scene.connect().await.unwrap();
    let mark = scene.root.join("written");
    let script = format!("head -c 24000000 /dev/zero; touch {}", mark.display());
    let (mut input, mut output) = connection.exec(&["sh", "-c", &script]).await.unwrap();
    assert!(matches!(output.next().await, Some(Chunk::Stdout(_))));
    let written = async {
        while !mark.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let is_written = timeout(Duration::from_secs(2), written).await.is_ok();
    assert!(!is_written, "all of it is here, though nobody took it");
    // Read on, it ends.
    input.end().await;
    let story = timeout(SOON, story(&mut output)).await.unwrap();
    assert!(matches!(story.end, Chunk::Exit(0)));
    assert!(mark.exists());
}

#[tokio::test]
async fn what_stays_behind_does_not_hold_up_the_end() {
    let scene = Scene::new();
    let connection = scene.connect().await.unwrap();
    let pid = scene.root.join("pid");
    let script = format!("sleep 60 & echo $! > {}; echo done; exit 5", pid.display());
    let started = Instant::now();
    let story = run(&connection, &["sh", "-c", &script]).await;
    let sleeper: i32 = fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(sleeper),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    assert!(matches!(story.end, Chunk::Exit(5)), "{story:?}");
    assert_eq!(story.stdout, "done\n");
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn dropping_the_input_is_its_end() {
    let scene = Scene::new();
    let connection = scene.connect().await.unwrap();
    let (input, mut output) = connection.exec(&["cat"]).await.unwrap();
    drop(input);
    let story = timeout(SOON, story(&mut output)).await.unwrap();
    assert!(matches!(story.end, Chunk::Exit(0)), "{story:?}");
}

#[tokio::test]
async fn dropping_both_ends_the_command() {
    let scene = Scene::new();
    let connection = scene.connect().await.unwrap();
    let (input, mut output) = connection.exec(&["sh", "-c", "echo $$; exec yes"]).await.unwrap();
    let Some(Chunk::Stdout(bytes)) = output.next().await else {
        panic!("it prints");
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let pid = text.lines().next().unwrap().to_owned();
    drop((input, output));
    let gone = async {
        while Path::new("/proc").join(&pid).exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, gone).await.unwrap();
    let story = timeout(SOON, run(&connection, &["echo", "there"])).await.unwrap();
    assert_eq!(story.stdout, "there\n");
}

#[tokio::test]
async fn a_server_that_starts_nothing_says_so() {
    let scene = Scene::with(&["MaxSessions 1"]);
    let connection = scene.connect().await.unwrap();
    let _first = connection.exec(&["cat"]).await.unwrap();
    let Err(error) = connection.exec(&["cat"]).await else {
        panic!("a second one started");
    };
    let failure = error.into_failure("web1", "bg");
    assert_eq!(failure.what, "cannot run commands on `web1`");
    assert_eq!(
        failure.causes(),
        ["the server does not start the command: connect failed"]
    );
    let error = connection.exec(&["a\0b"]).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        "the server does not start the command: a word has a zero byte in it"
    );
}
