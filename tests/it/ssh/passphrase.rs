//! A key with a passphrase. Whether there is a terminal belongs to a process, so each case is
//! one of its own.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;

use super::*;
use crate::sandbox::wait::wait_until;

const HOME: &str = "BG_TEST_SSH_HOME";
const ADDRESS: &str = "BG_TEST_SSH_ADDRESS";

/// What the processes below run.
#[tokio::test]
#[ignore = "it is a part of the other tests here"]
async fn as_a_process() {
    let options = Options {
        home: std::env::var_os(HOME).unwrap().into(),
        accept_new_host_key: false,
        name: "bg",
    };
    let address = std::env::var(ADDRESS).unwrap();
    // Two at once want the same key: it is asked for once.
    let (one, other) = tokio::join!(connect_as(&address, &options), connect_as(&address, &options));
    match (one, other) {
        (Ok(_), Ok(_)) => println!("<connected>"),
        (one, _) => println!("<{}>", told(one, "web1").0),
    }
}

/// A scene whose only key has a passphrase, and the command line that connects there.
fn locked(format: &[&str]) -> (Scene, String) {
    let scene = Scene::new();
    for name in ["id_ed25519", "id_ed25519.pub"] {
        fs::remove_file(scene.home.ssh(name)).unwrap();
    }
    // Few rounds: a debug build takes its time over them.
    let more: Vec<&str> = [&["-N", "open sesame", "-a", "1"], format].concat();
    let kind = if format.is_empty() { "ed25519" } else { "rsa" };
    scene
        .server
        .authorize(&scene.home.make_key(kind, &format!("id_{kind}"), &more));
    let itself = std::env::current_exe().unwrap();
    let command = format!(
        "env {HOME}={} {ADDRESS}={} {} --exact ssh::passphrase::as_a_process --ignored --nocapture",
        scene.home.path().display(),
        scene.address(),
        itself.display()
    );
    (scene, command)
}

fn without_terminal(command: &str) -> String {
    let output = Command::new("setsid")
        .args(["-w", "sh", "-c", command])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Answers each question for a passphrase with the next of these; what stood on the terminal.
fn on_a_terminal(command: &str, answers: &[&str]) -> String {
    let mut child = Command::new("script")
        .args(["-qec", command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keyboard = child.stdin.take().unwrap();
    let mut screen = child.stdout.take().unwrap();
    let text = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let shown = std::sync::Arc::clone(&text);
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = screen.read(&mut bytes) {
            let piece = String::from_utf8_lossy(&bytes[..count]).into_owned();
            shown.lock().unwrap().push_str(&piece);
        }
    });
    for (at, answer) in answers.iter().enumerate() {
        wait_until(Duration::from_secs(20), "it asks", || {
            text.lock().unwrap().matches("passphrase of the key").count() == at + 1
        });
        writeln!(keyboard, "{answer}").unwrap();
    }
    wait_until(Duration::from_secs(20), "it ends", || {
        child.try_wait().unwrap().is_some() || {
            let asked = text.lock().unwrap().matches("passphrase of the key").count();
            assert!(asked <= answers.len(), "it asks once more");
            false
        }
    });
    drop(keyboard);
    reader.join().unwrap();
    text.lock().unwrap().clone()
}

#[test]
fn without_a_terminal_the_key_is_named_and_ssh_add() {
    let (scene, command) = locked(&[]);
    let text = without_terminal(&command);
    let (key, user) = (scene.home.ssh("id_ed25519"), user());
    let at = key.display();
    let wanted = format!(
        "<no SSH connection to `web1`\n\
         caused by: the key `{at}` is accepted for the user `{user}`, but it has a passphrase and there is no terminal to ask for it\n\
         hint: `ssh-add {at}` gives it to the agent, unlocked>"
    );
    assert!(text.contains(&wanted), "{text}");
}

#[test]
fn on_a_terminal_it_is_asked_for_once() {
    let (_scene, command) = locked(&[]);
    let text = on_a_terminal(&command, &["open sesame"]);
    assert!(text.contains("<connected>"), "{text}");
    assert_eq!(text.matches("passphrase of the key").count(), 1, "{text}");
    assert!(!text.contains("open sesame"), "it is not shown: {text}");
}

#[test]
fn it_is_asked_for_three_times_at_most() {
    let (_scene, command) = locked(&[]);
    let text = on_a_terminal(&command, &["wrong", "wrong again", "open sesame"]);
    assert!(text.contains("<connected>"), "{text}");
    let (scene, command) = locked(&[]);
    let text = on_a_terminal(&command, &["1", "2", "3"]);
    let key = scene.home.ssh("id_ed25519");
    let wanted = format!("caused by: the key `{}` was not unlocked", key.display());
    assert!(text.contains(&wanted), "{text}");
}

#[test]
fn a_key_that_the_server_does_not_want_is_not_asked_for() {
    let (scene, command) = locked(&[]);
    scene
        .home
        .make_key("ecdsa", "id_ecdsa", &["-N", "another", "-a", "1"]);
    let text = on_a_terminal(&command, &["open sesame"]);
    assert!(text.contains("<connected>"), "{text}");
    assert!(!text.contains("id_ecdsa"), "{text}");
}

#[test]
fn an_old_form_of_key_is_asked_for_too() {
    let (scene, command) = locked(&["-m", "PKCS8"]);
    let text = on_a_terminal(&command, &["open sesame"]);
    assert!(text.contains("<connected>"), "{text}");
    // Its public half is not in it.
    fs::remove_file(scene.home.ssh("id_rsa.pub")).unwrap();
    let text = without_terminal(&command);
    assert!(text.contains("it has a passphrase and there is no `"), "{text}");
}
