//! Reloading a real NGINX, and everything that looks like one.

use std::path::Path;
use std::time::Duration;

use model::config::SwitchStrategy;

use crate::rehearsal::{PATIENCE, Rehearsal, Scene, free_port};
use nginx::NginxError;

fn append(path: &Path, text: &str) {
    let old = std::fs::read_to_string(path).unwrap_or_default();
    std::fs::write(path, old + text).unwrap();
}

#[tokio::test]
async fn a_reload_is_seen_by_its_workers() {
    let r = Rehearsal::start(Scene::default()).await;
    let master = r.nginx.master().unwrap();
    let serving = |shutting_down: bool| -> Vec<i32> {
        let workers = master.workers().into_iter();
        workers
            .filter(|w| w.shutting_down == shutting_down)
            .map(|w| w.pid)
            .collect()
    };
    // The second worker may come up a moment after the first one answers.
    let deadline = std::time::Instant::now() + PATIENCE;
    while serving(false).len() < 2 {
        assert!(std::time::Instant::now() < deadline, "only one worker");
        tokio::task::yield_now().await;
    }
    let mut before = serving(false);
    let more = format!("server {{ listen 127.0.0.1:{}; }}", free_port());
    append(&r.files.site(), &more);
    let mut applied = r.nginx.reload(None, PATIENCE).await.unwrap();
    before.sort_unstable();
    applied.old_workers.sort_unstable();
    assert_eq!(applied.old_workers, before);
    assert!(!before.is_empty() && serving(false).iter().all(|pid| !before.contains(pid)));
    assert_eq!(r.nginx.master().unwrap(), master);
}

#[tokio::test]
async fn a_worker_that_finishes_a_request_is_known_as_old() {
    use std::io::{Read, Write};
    let r = Rehearsal::start(Scene::default()).await;
    let mut slow = std::net::TcpStream::connect(("127.0.0.1", r.port)).unwrap();
    write!(
        slow,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
    )
    .unwrap();
    let mut go_on = [0; 12];
    slow.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100");
    let applied = r.nginx.reload(None, PATIENCE).await.unwrap();
    let master = r.nginx.master().unwrap();
    let old = || -> Vec<i32> {
        let workers = master.workers().into_iter();
        workers.filter(|w| w.shutting_down).map(|w| w.pid).collect()
    };
    // The other one has nothing to finish, and may need a moment to end.
    let deadline = std::time::Instant::now() + PATIENCE;
    while old().len() > 1 {
        assert!(std::time::Instant::now() < deadline, "{:?}", old());
        tokio::task::yield_now().await;
    }
    let old = old();
    assert_eq!(old.len(), 1, "{:?}", master.workers());
    assert!(old.iter().all(|pid| applied.old_workers.contains(pid)));
}

#[tokio::test]
async fn a_reload_that_changes_nothing_is_not_believed() {
    let r = Rehearsal::start(Scene::default()).await;
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    append(
        &r.files.site(),
        &format!("server {{ listen {}; }}", held.local_addr().unwrap()),
    );
    r.nginx.test(PATIENCE).await.unwrap();
    let error = r.nginx.reload(None, Duration::from_secs(3)).await.unwrap_err();
    let NginxError::NotApplied { log, .. } = &error else {
        panic!("{error}");
    };
    assert!(log.contains("bind() to 127.0.0.1:"), "{log}");
    assert!(
        error.to_string().contains("still serves its old configuration"),
        "{error}"
    );
    assert_eq!(r.get("/").await.color(), "blue");
}

/// Somebody may break the configuration right behind the test.
#[tokio::test]
async fn what_was_tested_before_is_not_believed_either() {
    let r = Rehearsal::start(Scene::default()).await;
    let tested = r.nginx.tested(PATIENCE).await.unwrap();
    append(&r.files.site(), "broken");
    let error = r.nginx.reload(Some(tested), Duration::from_secs(3)).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("broken") || error.contains("unexpected end"),
        "{error}"
    );
    assert_eq!(r.get("/").await.color(), "blue");
    assert!(r.nginx.tested(PATIENCE).await.is_err());
}

#[tokio::test]
async fn what_is_in_the_way_for_a_moment_is_tried_again() {
    let r = Rehearsal::start(Scene::default()).await;
    let broken = r.files.hook().with_file_name("theirs.conf");
    std::fs::write(&broken, "broken").unwrap();
    let mend = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        std::fs::remove_file(broken).unwrap();
    });
    r.nginx.reload(None, PATIENCE).await.unwrap();
    mend.join().unwrap();
}

#[tokio::test]
async fn a_stale_pid_file_is_never_signalled() {
    let r = Rehearsal::start(Scene::default()).await;
    let mut stranger = std::process::Command::new("sleep").arg("300").spawn().unwrap();
    let mut nginx = r.nginx.clone();
    nginx.pid_file = r.nginx.pid_file.with_file_name("stale");
    std::fs::write(&nginx.pid_file, format!("{}\n", stranger.id())).unwrap();
    let error = nginx.reload(None, PATIENCE).await.unwrap_err();
    let alive = stranger.try_wait().unwrap().is_none();
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    assert!(alive, "the stranger was signalled");
    assert!(matches!(&error, NginxError::NotNginx { .. }), "{error}");
    assert!(error.to_string().ends_with("that is `sleep 300`"), "{error}");

    for nonsense in ["", "0", "1", "-1", "x", &stranger.id().to_string()] {
        std::fs::write(&nginx.pid_file, nonsense).unwrap();
        let error = nginx.master().unwrap_err();
        assert!(
            matches!(error, NginxError::NotNginx { .. }),
            "{nonsense}: {error}"
        );
    }
    std::fs::remove_file(&nginx.pid_file).unwrap();
    assert!(matches!(nginx.master().unwrap_err(), NginxError::PidFile { .. }));
}

#[tokio::test]
async fn the_master_of_another_nginx_is_not_ours() {
    let plain = || Scene {
        folder: "plain",
        ..Scene::default()
    };
    let (ours, theirs) = (Rehearsal::start(plain()).await, Rehearsal::start(plain()).await);
    let mut mixed = ours.nginx.clone();
    mixed.pid_file = theirs.nginx.pid_file.clone();
    let error = mixed.master().unwrap_err();
    assert!(error.to_string().contains("that NGINX runs with"), "{error}");
}

#[tokio::test]
async fn a_broken_file_is_told_to_be_ours_or_not() {
    let r = Rehearsal::start(Scene {
        way: SwitchStrategy::Reload,
        ..Scene::default()
    })
    .await;
    let theirs = r.files.hook().with_file_name("theirs.conf");
    let ours = [
        (r.files.route(), true),
        (r.files.site(), true),
        (r.files.live().join("color.conf"), true),
        (theirs, false),
    ];
    for (path, is_ours) in ours {
        let before = std::fs::read(&path).ok();
        append(&path, "\nnonsense here;\n");
        let error = r.nginx.test(PATIENCE).await.unwrap_err();
        let NginxError::Rejected { file, line, output } = &error else {
            panic!("{error}");
        };
        assert_eq!(file.as_deref(), Some(path.as_path()), "{output}");
        assert!(line.is_some_and(|line| line > 1), "{output}");
        assert_eq!(error.is_ours(&r.files), is_ours, "{output}");
        match before {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
    }
    r.nginx.test(PATIENCE).await.unwrap();
}
