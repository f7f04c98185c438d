//! A host that is not trusted or does not let us in, as whoever typed `bg status` sees it:
//! the whole page, the exit code, the result object, and what the host heard of us.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::sandbox::outcome::Outcome;
use crate::sandbox::sshd::{self, Home, Sshd, generate, run, user};
use crate::sandbox::{new_root, processes};

/// What the server's log has when somebody has begun to log in.
const ATTEMPT: &str = "userauth-request";

/// A server with nothing behind it, and somebody who wants in.
struct Door {
    root: PathBuf,
    server: Sshd,
    home: Home,
}

impl Door {
    /// Neither knows the other.
    fn new() -> Door {
        let root = new_root();
        fs::create_dir_all(root.join("there")).unwrap();
        let options = [
            "LogLevel DEBUG1".to_owned(),
            format!("SetEnv HOME={0}/there BG_REGISTRY={0}/registry", root.display()),
            "ForceCommand cd \"$HOME\" && eval \"exec $SSH_ORIGINAL_COMMAND\"".to_owned(),
        ];
        let door = Door {
            server: Sshd::start(&root, &options),
            home: Home::create(&root.join("client")),
            root,
        };
        // Nothing of the caller's environment reaches the client, so no agent needs to be barred.
        door.home.write("config", "");
        door.call_it("web1", &user());
        door
    }

    /// The server knows whoever wants in, who does not know the server.
    fn authorized() -> Door {
        let door = Door::new();
        door.server.authorize(&door.home.public());
        door
    }

    /// Gives the server a name in `.ssh/config`, in front of what is there.
    fn call_it(&self, name: &str, user: &str) {
        let before = fs::read_to_string(self.home.ssh("config")).unwrap_or_default();
        let port = self.server.port();
        self.home.write(
            "config",
            &format!("Host {name}\n  HostName 127.0.0.1\n  Port {port}\n  User {user}\n{before}"),
        );
    }

    fn command(&self, args: &[&str]) -> Command {
        // Without a terminal, wherever these tests are run.
        let mut command = Command::new("setsid");
        command
            .args(["--wait", env!("CARGO_BIN_EXE_bluegreen"), "status", "--hosts"])
            .args(args)
            .current_dir(&self.root)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.home.path())
            .stdin(Stdio::null());
        command
    }

    fn bg(&self, args: &[&str]) -> Outcome {
        outcome(args, &mut self.command(args))
    }

    /// Gets in: there is no app behind the door, which the engine there says.
    #[track_caller]
    fn assert_gets_in(&self, args: &[&str]) {
        let outcome = self.bg(args);
        outcome
            .assert_code(3)
            .assert_says("error: no app is set up on this host");
    }

    /// The page, with names for what differs from run to run; the result object says the same.
    #[track_caller]
    fn page(&self, args: &[&str], code: i32) -> String {
        self.page_of(
            &|more| {
                let args = [args, more].concat();
                outcome(&args, &mut self.command(&args))
            },
            code,
        )
    }

    #[track_caller]
    fn page_of(&self, bg: &dyn Fn(&[&str]) -> Outcome, code: i32) -> String {
        let text = bg(&[]);
        text.assert_code(code);
        assert_eq!(text.stdout, "", "{text}");
        let json = bg(&["--json"]);
        json.assert_code(code);
        assert_eq!(json.stderr, "", "{json}");
        assert_eq!(json.stdout.lines().count(), 1, "{json}");
        assert_eq!(as_page(&json.result(), code), text.stderr, "{json}");
        self.named(&text.stderr)
    }

    fn named(&self, text: &str) -> String {
        let mut text = text
            .replace(&print_of(&self.server.host_key("ed25519")), "SHA256:HOST")
            .replace(&self.home.path().display().to_string(), "HOME")
            .replace(&format!(":{}", self.server.port()), ":PORT")
            .replace(
                &sshd::public(&self.server.host_key("ed25519")).replace(" ed25519", ""),
                "HOST-KEY",
            );
        for key in ["id_ed25519", "other"] {
            if self.home.ssh(key).exists() {
                text = text.replace(&print_of(&self.home.ssh(key)), &format!("SHA256:{key}"));
            }
        }
        text
    }

    /// Makes another key known for the server, as it would be after it was set up anew.
    fn know_another(&self) {
        generate("ed25519", &self.home.ssh("other"), &[]);
        let key = sshd::public(&self.home.ssh("other"));
        self.home
            .know(&format!("[127.0.0.1]:{} {key}", self.server.port()));
    }

    #[track_caller]
    fn assert_heard_nothing(&self) {
        let log = self.server.log();
        assert!(log.contains("kex: algorithm"), "it was spoken to at all: {log}");
        assert!(!log.contains(ATTEMPT), "{log}");
        assert!(!self.root.join("there/.cache").exists());
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.server.stop();
        processes::end_all(&self.root);
        fs::remove_dir_all(&self.root).ok();
    }
}

fn outcome(args: &[&str], command: &mut Command) -> Outcome {
    Outcome::new(args, &command.output().unwrap(), std::time::Duration::ZERO)
}

/// A result object as the page that people get.
fn as_page(result: &serde_json::Value, code: i32) -> String {
    assert_eq!(result["result"], "failed");
    assert_eq!(result["exit_code"], code);
    assert_eq!(result["traffic"], serde_json::json!({"state": "untouched"}));
    let lines = |key: &str, before: &str| -> String {
        let lines = result[key].as_array().unwrap().iter();
        lines
            .map(|line| format!("{before}{}\n", line.as_str().unwrap()))
            .collect()
    };
    format!(
        "error: {}\n{}{}{}",
        result["error"].as_str().unwrap(),
        lines("causes", "caused by: "),
        lines("excerpt", "  "),
        lines("hints", "hint: ")
    )
}

/// `SHA256:...`
fn print_of(key: &Path) -> String {
    let told = run(Command::new("ssh-keygen").arg("-lf").arg(key));
    told.split(' ').nth(1).unwrap().to_owned()
}

mod accounts;
mod keys;
mod trust;
