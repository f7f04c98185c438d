//! A release that is watched, in a real NGINX: what is written down of which requests, and what the
//! net catches.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use model::bake::Fact;
use model::color::{Color, Route};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::rehearsal::{PATIENCE, Rehearsal, Scene};

async fn start(scene: Scene) -> Rehearsal {
    Rehearsal::start(Scene {
        previews: true,
        ..scene
    })
    .await
}

/// Has the visitors of a route watched, and with the net where that is asked for.
fn watch(r: &Rehearsal, route: Route, net: bool) {
    let folder = r.files.target(route);
    fs::write(folder.join("is-watched"), "").unwrap();
    if net {
        fs::write(folder.join(format!("net-{}", route.color)), "").unwrap();
    }
    fs::write(r.files.special(route), "").unwrap();
}

/// The lines in the facts, once there are as many.
async fn facts(r: &Rehearsal, count: usize) -> Vec<Vec<String>> {
    let until = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(r.files.facts()).unwrap();
        let lines: Vec<Vec<String>> = text
            .lines()
            .map(|line| line.split('|').map(str::to_owned).collect())
            .collect();
        if lines.len() >= count {
            return lines;
        }
        assert!(Instant::now() < until, "{} of {count} lines: {text}", lines.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn log_rotated(r: &Rehearsal) -> PathBuf {
    kill(master(r), Signal::SIGUSR1).unwrap();
    r.files.facts()
}

fn master(r: &Rehearsal) -> Pid {
    let pid = fs::read_to_string(&r.nginx.pid_file).unwrap();
    Pid::from_raw(pid.trim().parse().unwrap())
}

fn workers(r: &Rehearsal) -> Vec<Pid> {
    let master = master(r);
    let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap();
    let pids = children.split_whitespace().map(|pid| pid.parse().unwrap());
    pids.map(Pid::from_raw).collect()
}

#[tokio::test]
async fn each_request_that_is_watched_is_a_line_and_no_other_is() {
    let r = start(Scene {
        site: Some(
            r#"server {
                listen 0.0.0.0:{port};
                access_log off;
                include {bg}/route.conf;
                location / { access_log off; include {bg}/proxy.conf; }
            }"#,
        ),
        ..Scene::default()
    })
    .await;
    for from in Color::BOTH {
        r.route(Route::to(from));
        assert_eq!(r.get("/a").await.color(), from.name());
    }
    let mut seen = 0;
    for color in Color::BOTH {
        watch(&r, Route::to(color), false);
        r.route(Route::to(color));
        for n in 0..200 {
            if n == 70 {
                log_rotated(&r);
            }
            if n == 140 {
                r.nginx.reload(None, PATIENCE).await.unwrap();
            }
            let path = format!("/shelf-{}/private?secret={n}", n % 3);
            let answer = r.ask("GET", &path, "User-Agent: someone\r\n", "").await;
            assert_eq!(
                (answer.status, answer.color()),
                (200, color.name()),
                "{}",
                answer.head
            );
            assert!(
                answer.body.starts_with(&format!("GET {path} HTTP/1.1")),
                "{}",
                answer.body
            );
        }
        seen += 200;
        let lines = facts(&r, seen).await;
        assert_eq!(lines.len(), seen, "{color}");
        for line in &lines[seen - 200..] {
            assert_eq!(line.len(), 10, "{line:?}");
            assert_eq!(line[1..4], [color.name(), "200", "200"], "{line:?}");
            assert_eq!(line[5..7], ["GET", "OK"], "{line:?}");
            assert_eq!((line[7].len(), &*line[8]), (2, ""), "{line:?}");
            let shelf = line[9].strip_prefix("/shelf-").unwrap();
            assert_eq!(shelf.len(), 1, "{line:?}");
        }
    }
    // `bg` itself, and whoever asked to be in a canary or out of it, is not in the way.
    for group in ["in", "out"] {
        let cookie = format!("Cookie: bg_shop_canary={group}\r\n");
        r.ask("GET", "/b", &cookie, "").await;
    }
    let probe = "Cookie: bg_shop_canary=facts\r\nX-Bg-Proof: 0123456789\r\n";
    for path in ["/c", "/"] {
        let asked = r.ask("POST", path, probe, "").await;
        assert_eq!(asked.color(), "green", "{}", asked.head);
        seen += 1;
        let lines = facts(&r, seen).await;
        assert_eq!(lines.len(), seen);
        assert_eq!(
            lines[seen - 1][8..],
            ["0123456789", path],
            "{:?}",
            lines[seen - 1]
        );
    }
}

#[tokio::test]
async fn the_page_is_for_visitors_of_a_watched_release_as_well() {
    let r = start(Scene::default()).await;
    watch(&r, Route::to(Color::Green), true);
    for color in [Color::Green, Color::Blue] {
        r.route(Route {
            maintenance: true,
            ..Route::to(color)
        });
        let closed = r.get("/").await;
        assert_eq!(closed.status, 503, "{}", closed.head);
        let live = r.get("/.bg/shop/live").await;
        assert_eq!(live.header("X-Bg-Color"), Some(color.name()), "{}", live.head);
        assert_eq!(live.header("X-Bg-Maintenance"), Some("1"), "{}", live.head);
    }
}

#[tokio::test]
async fn some_of_the_visitors_are_a_sample() {
    let r = start(Scene {
        top: "bake.share = \"10%\"",
        ..Scene::default()
    })
    .await;
    watch(&r, Route::to(Color::Green), false);
    r.route(Route::to(Color::Green));
    for visitor in 0..400 {
        let answer = r
            .ask("GET", "/", &format!("User-Agent: browser-{visitor}\r\n"), "")
            .await;
        assert_eq!((answer.status, answer.color()), (200, "green"), "{}", answer.head);
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let lines = facts(&r, 10).await.len();
    // Four standard deviations of 400 throws at one in ten.
    assert!((16..=64).contains(&lines), "{lines}");
}

#[tokio::test]
async fn the_net_answers_what_may_be_asked_twice() {
    let r = start(Scene {
        top: "bake.net_except = [\"/export\", \"/a.b\"]",
        ..Scene::default()
    })
    .await;
    for color in Color::BOTH {
        watch(&r, Route::to(color), true);
    }
    let mut asked = 0;
    for color in Color::BOTH {
        r.route(Route::to(color));
        let fails = format!("X-Fail: {color}\r\n");
        let table = [
            ("GET", "/x/y", "", color, 200, "200"),
            ("GET", "/x/y", &*fails, color.other(), 200, "500, 200"),
            ("HEAD", "/x", &fails, color.other(), 200, "500, 200"),
            ("POST", "/x", &fails, color, 500, "500"),
            ("PUT", "/x", &fails, color, 500, "500"),
            ("PATCH", "/x", &fails, color, 500, "500"),
            ("DELETE", "/x", &fails, color, 500, "500"),
            ("GET", "/export", &fails, color, 500, "500"),
            ("GET", "/export/all", &fails, color, 500, "500"),
            ("GET", "/exported", &fails, color.other(), 200, "500, 200"),
            ("GET", "/a.b", &fails, color, 500, "500"),
            ("GET", "/aab", &fails, color.other(), 200, "500, 200"),
            ("GET", "/x", "X-Fail: both\r\n", color.other(), 500, "500, 500"),
        ];
        for (method, path, headers, by, status, upstream) in table {
            let answer = r.ask(method, path, headers, "").await;
            assert_eq!(
                answer.status, status,
                "{method} {path} {headers}: {}",
                answer.head
            );
            assert_eq!(
                answer.header("X-Color"),
                Some(by.name()),
                "{method} {path}: {}",
                answer.head
            );
            asked += 1;
            let lines = facts(&r, asked).await;
            let line = &lines[asked - 1];
            assert_eq!(
                line[1..4],
                [color.name(), &*status.to_string(), upstream],
                "{line:?}"
            );
            let whole = if upstream == "200" { "/x" } else { path };
            assert_eq!(line[9], whole, "{line:?}");
        }
    }
}

#[tokio::test]
async fn facts_that_cannot_be_written_are_no_visitors_trouble() {
    let r = start(Scene::default()).await;
    watch(&r, Route::to(Color::Green), true);
    r.route(Route::to(Color::Green));
    r.get("/").await;
    facts(&r, 1).await;
    fs::remove_file(r.files.facts()).unwrap();
    std::os::unix::fs::symlink("/dev/full", r.files.facts()).unwrap();
    log_rotated(&r);
    for _ in 0..50 {
        let answer = r.get("/").await;
        assert_eq!((answer.status, answer.color()), (200, "green"), "{}", answer.head);
    }
    fs::remove_file(r.files.facts()).unwrap();
    let mut file = fs::File::create(r.files.facts()).unwrap();
    file.write_all(b"").unwrap();
    log_rotated(&r);
    r.get("/").await;
    facts(&r, 1).await;
}

/// What NGINX's workers had not written yet is lost with them, a second's lines at most; what they had
/// is whole, and those that come in their place go on.
#[tokio::test]
async fn a_worker_that_is_killed_takes_no_line_with_it_that_was_there_and_tears_none() {
    let r = start(Scene::default()).await;
    watch(&r, Route::to(Color::Green), true);
    r.route(Route::to(Color::Green));
    let mut asked = 0;
    let mut known = 0;
    for round in 0..5 {
        for _ in 0..40 {
            assert_eq!(r.get("/shelf").await.color(), "green");
            asked += 1;
        }
        let missing = match round % 2 {
            // Each line has come.
            0 => {
                known += 40;
                facts(&r, known).await;
                0
            }
            // Some may not have.
            _ => 40,
        };
        let killed = workers(&r);
        assert_eq!(killed.len(), 2, "{killed:?}");
        for pid in &killed {
            kill(*pid, Signal::SIGKILL).unwrap();
        }
        let until = Instant::now() + PATIENCE;
        while workers(&r).len() < 2 || workers(&r).iter().any(|pid| killed.contains(pid)) {
            assert!(Instant::now() < until);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let text = fs::read_to_string(r.files.facts()).unwrap();
        let here = text.lines().count();
        assert!((known..=known + missing).contains(&here), "{here} after {known}");
        known = here;
        assert!(text.is_empty() || text.ends_with('\n'), "{text}");
        assert!(text.lines().all(|line| Fact::read(line).is_some()), "{text}");
    }
    assert!(known <= asked && known >= 120, "{known} of {asked}");
}
