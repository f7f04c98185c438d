//! The connection to a host, against real OpenSSH servers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use bluegreen::ssh::config::Files;
use bluegreen::ssh::{Address, Chunk, Connection, Options, Output, SshError, connect_with};

use crate::sandbox;
use crate::sandbox::sshd::{self, Home, Sshd, generate, public, user};

mod commands;
mod config;
mod jump;
mod keys;
mod lost;
mod passphrase;
mod reach;
mod trust;

/// A server, and a home from which one gets in.
struct Scene {
    root: PathBuf,
    server: Sshd,
    home: Home,
}

impl Scene {
    /// The home's key is let in, the server's is known.
    fn new() -> Scene {
        Scene::with(&[])
    }

    /// The same with lines in front of the server's configuration.
    fn with(options: &[&str]) -> Scene {
        let scene = Scene::strangers(options);
        scene.home.befriend(&scene.server);
        scene
    }

    /// Neither knows the other.
    fn strangers(options: &[&str]) -> Scene {
        let root = sandbox::new_root();
        Scene {
            server: Sshd::start(&root, options),
            home: Home::create(&root.join("client")),
            root,
        }
    }

    fn address(&self) -> String {
        format!("{}@127.0.0.1:{}", user(), self.server.port())
    }

    fn options(&self) -> Options {
        Options {
            home: self.home.path().to_owned(),
            accept_new_host_key: false,
            name: "bg",
        }
    }

    async fn connect(&self) -> Result<Connection, SshError> {
        self.connect_to(&self.address()).await
    }

    /// With the home's configuration and without the machine's.
    async fn connect_to(&self, address: &str) -> Result<Connection, SshError> {
        connect_as(address, &self.options()).await
    }

    /// The server's own line in `known_hosts`, with another key in it.
    fn know_another(&self, kind: &str) -> String {
        let file = self.root.join(format!("another_{kind}"));
        generate(kind, &file, &[]);
        self.home
            .know(&format!("[127.0.0.1]:{} {}", self.server.port(), public(&file)));
        fingerprint(&file)
    }
}

async fn connect_as(address: &str, options: &Options) -> Result<Connection, SshError> {
    let files = Files {
        user: options.home.join(".ssh/config"),
        system: options.home.join("none"),
    };
    connect_with(&address.parse::<Address>().unwrap(), options, &files).await
}

/// `SHA256:...` of a key's file, as `ssh-keygen` says.
fn fingerprint(key: &Path) -> String {
    let line = sshd::run(Command::new("ssh-keygen").arg("-lf").arg(key));
    line.split(' ').nth(1).unwrap().to_owned()
}

/// All that the user is told, a line each, and the exit code.
fn told(failed: Result<Connection, SshError>, host: &str) -> (String, u8) {
    let Err(error) = failed else {
        panic!("it connected");
    };
    let failure = error.into_failure(host, "bg");
    let mut lines = vec![failure.what.clone()];
    lines.extend(
        failure
            .causes()
            .into_iter()
            .map(|cause| format!("caused by: {cause}")),
    );
    lines.extend(failure.excerpt.iter().map(|line| format!("  {line}")));
    lines.extend(failure.hints.iter().map(|hint| format!("hint: {hint}")));
    (lines.join("\n"), failure.exit_code())
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.server.stop();
        let left = sandbox::processes::end_all(&self.root);
        fs::remove_dir_all(&self.root).ok();
        if !std::thread::panicking() {
            assert!(left.is_empty(), "still running: {left:?}");
        }
    }
}

/// Everything that a command printed, and how it ended.
#[derive(Debug)]
struct Story {
    stdout: String,
    stderr: String,
    end: Chunk,
}

async fn story(output: &mut Output) -> Story {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        match output.next().await {
            Some(Chunk::Stdout(bytes)) => stdout.extend_from_slice(&bytes),
            Some(Chunk::Stderr(bytes)) => stderr.extend_from_slice(&bytes),
            Some(end) => {
                assert!(output.next().await.is_none(), "nothing follows the end");
                return Story {
                    stdout: String::from_utf8(stdout).unwrap(),
                    stderr: String::from_utf8(stderr).unwrap(),
                    end,
                };
            }
            None => panic!("it ended without an end"),
        }
    }
}

async fn run(connection: &Connection, words: &[&str]) -> Story {
    let (mut input, mut output) = connection.exec(words).await.unwrap();
    input.end().await;
    story(&mut output).await
}
