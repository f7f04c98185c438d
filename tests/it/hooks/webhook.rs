//! A message to a webhook, which nobody waits for long and nothing fails by.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use bluegreen::model::color::Color;
use serde_json::Value;

use super::apply;
use crate::sandbox::{SECRET, Sandbox, set};

/// A webhook that answers `status`, and what was posted to it.
pub struct Chat {
    /// Where it listens.
    pub url: String,
    /// What came in, and nobody has asked for yet.
    pub posted: Receiver<(String, Value)>,
}

impl Chat {
    /// It listens.
    pub fn answering(status: u16) -> Chat {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hooks/hush-hush", listener.local_addr().unwrap());
        let (tell, posted) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap_or(0) > 0 {}
                let length = head
                    .lines()
                    .find_map(|line| {
                        line.to_ascii_lowercase()
                            .strip_prefix("content-length: ")?
                            .parse()
                            .ok()
                    })
                    .unwrap_or(0);
                let mut body = vec![0; length];
                reader.read_exact(&mut body).ok();
                let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                reader.get_mut().write_all(answer.as_bytes()).ok();
                tell.send((head, serde_json::from_slice(&body).unwrap_or_default()))
                    .ok();
            }
        });
        Chat { url, posted }
    }

    /// The next message.
    pub fn heard(&self) -> (String, Value) {
        self.posted
            .recv_timeout(Duration::from_secs(10))
            .expect("a message")
    }
}

#[test]
fn a_webhook_hears_of_each_move_and_each_failure_once() {
    let sandbox = Sandbox::deployed();
    let chat = Chat::answering(200);
    let file = sandbox.app_root().join("shared/app.env");
    let text = format!("SHOP_SECRET={SECRET}\nCHAT={}\n", chat.url);
    std::fs::write(file, text).unwrap();
    sandbox.configure(|config| set(config, "notify", "webhook_env", "CHAT"));
    let commit = sandbox.commit_edit("Greet people", "Good day", "Hello");
    let deployed = sandbox.bg(&["deploy", "--json"]);
    deployed.assert_code(0);
    let (head, said) = chat.heard();
    assert!(head.starts_with("POST /hooks/hush-hush "), "{head}");
    assert!(
        head.to_ascii_lowercase()
            .contains("content-type: application/json"),
        "{head}"
    );
    assert_eq!(said["app"], "shop");
    assert_eq!(said["verb"], "deploy");
    assert_eq!(said["outcome"], "done");
    assert_eq!(said["commit"], commit.as_str());
    assert_eq!(said["subject"], "Greet people");
    assert_eq!(said["traffic"]["state"], "moved");
    assert_eq!(said["traffic"]["live"]["color"], "green");
    assert_eq!(said["run"], deployed.result()["answer"]["run"]);
    assert!(
        said["text"].as_str().unwrap().contains("deploy done, green ("),
        "{said}"
    );

    sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(chat.heard().1["verb"], "rollback");

    sandbox.configure(|config| {
        set(config, "notify", "format", "slack");
        set(config, "hooks", "after_build", "false");
    });
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&refused, 1, "`after_build` failed", Color::Blue);
    let (_, said) = chat.heard();
    let text = said["text"].as_str().unwrap();
    assert!(
        text.contains("deploy failed: `after_build` failed; traffic unchanged, blue ("),
        "{text}"
    );
    assert_eq!(said.as_object().unwrap().len(), 1, "{said}");
    // What changes nothing is no news.
    sandbox.bg(&["switch", "blue"]).assert_code(0);
    assert!(chat.posted.try_recv().is_err());
}

#[test]
fn a_webhook_that_refuses_or_is_away_is_only_warned_of_and_never_named() {
    let sandbox = Sandbox::deployed();
    let chat = Chat::answering(500);
    sandbox.configure(|config| set(config, "notify", "webhook", chat.url.as_str()));
    let switched = sandbox.bg(&["deploy"]);
    switched
        .assert_code(0)
        .assert_says("no notification was sent: the webhook answered 500");
    assert_eq!(chat.heard().1["outcome"], "done");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = format!("http://{nobody}/hooks/hush-hush");
    sandbox.configure(|config| set(config, "notify", "webhook", away.as_str()));
    apply(&sandbox);
    let back = sandbox.bg(&["rollback"]);
    back.assert_code(0)
        .assert_says("no notification was sent: the webhook did not take it");
    for said in [&switched, &back] {
        assert!(!said.stderr.contains("hush-hush"), "{said}");
    }
}
