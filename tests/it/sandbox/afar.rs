//! A client with servers: each server is a host of its own behind a real OpenSSH server, the
//! client a folder with `bg.toml` and its own `.ssh`, from which `bg` is typed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use toml::{Table, Value};

use super::outcome::{Outcome, Running};
use super::sshd::{Home, Sshd, user};
use super::{Sandbox, again, new_root, path_with_tools, set};

/// One server.
pub struct Server {
    /// Its name, as the client types it.
    pub name: String,
    /// What is behind its door.
    pub sandbox: Sandbox,
    /// The door.
    pub sshd: Sshd,
}

/// The client and its servers.
pub struct Afar {
    root: PathBuf,
    /// The client's home.
    pub home: Home,
    /// The servers, `web1` first.
    pub servers: Vec<Server>,
}

impl Afar {
    /// As many servers as asked for, not set up; the client knows all of them.
    pub fn new(servers: usize) -> Afar {
        Afar::with(servers, |_, _| {})
    }

    /// The same, each server with other settings in its `bg.toml`.
    pub fn with(servers: usize, change: impl Fn(usize, &mut Table)) -> Afar {
        let root = new_root();
        let home = Home::create(&root.join("client"));
        fs::create_dir_all(root.join("desk")).unwrap();
        let mut afar = Afar {
            root,
            home,
            servers: Vec::new(),
        };
        for number in 0..servers {
            let repo = afar.servers.first().map(|first| first.sandbox.repo());
            let server = Server::start(number, &afar.home, repo.as_deref(), &change);
            afar.servers.push(server);
        }
        afar.introduce();
        afar
    }

    /// Set up and with a first release live on blue, everywhere.
    pub fn deployed(servers: usize) -> Afar {
        Afar::deployed_with(servers, |_, _| {})
    }

    /// The same with other settings.
    pub fn deployed_with(servers: usize, change: impl Fn(usize, &mut Table)) -> Afar {
        let afar = Afar::with(servers, change);
        std::thread::scope(|scope| {
            for server in &afar.servers {
                scope.spawn(|| server.sandbox.bg(&["setup"]).assert_code(0).clone());
            }
        });
        afar.everywhere(&["deploy"]).assert_code(0);
        afar
    }

    /// The names of all servers, with commas.
    pub fn all(&self) -> String {
        let names: Vec<&str> = self.servers.iter().map(|server| server.name.as_str()).collect();
        names.join(",")
    }

    /// Runs `bg` at the client for all servers, each with its own `bg.toml` as it was applied.
    pub fn everywhere(&self, args: &[&str]) -> Outcome {
        let all = self.all();
        let hosts = ["--app", super::APP, "--hosts", &all];
        self.bg(&[args, &hosts].concat())
    }

    /// Runs `bg` at the client.
    pub fn bg(&self, args: &[&str]) -> Outcome {
        let started = Instant::now();
        let output = self.command(args).output().unwrap();
        Outcome::new(args, &output, started.elapsed())
    }

    /// `bg` at the client, in the background.
    pub fn start(&self, args: &[&str]) -> Running {
        Running::start(self.command(args), args)
    }

    /// `bg` at the client, not started yet.
    pub fn command(&self, args: &[&str]) -> Command {
        self.command_as_typed(&again(args))
    }

    /// The same with these words and no others.
    pub fn command_as_typed(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bluegreen"));
        command
            .args(args)
            .current_dir(self.desk())
            .env_clear()
            .env("PATH", path_with_tools())
            .env("HOME", self.home.path())
            .env("LANG", "C.UTF-8")
            .env("BG_REGISTRY", self.root.join("registry"))
            .stdin(std::process::Stdio::null());
        command
    }

    /// Where `bg` is typed.
    pub fn desk(&self) -> PathBuf {
        self.root.join("desk")
    }

    /// Puts the `bg.toml` of a server at the client's hand, with `hosts` and whatever else.
    pub fn write_config(&self, server: usize, change: impl FnOnce(&mut Table)) {
        let text = fs::read_to_string(self.servers[server].sandbox.config()).unwrap();
        let mut config: Table = text.parse().unwrap();
        let hosts = self
            .servers
            .iter()
            .map(|server| Value::String(server.name.clone()));
        config.insert("hosts".into(), Value::Array(hosts.collect()));
        change(&mut config);
        fs::write(self.desk().join("bg.toml"), toml::to_string(&config).unwrap()).unwrap();
    }

    /// The client's `.ssh/config`.
    pub fn introduce(&self) {
        let text: String = self
            .servers
            .iter()
            .map(|server| {
                format!(
                    "Host {}\n  HostName 127.0.0.1\n  Port {}\n  User {}\n",
                    server.name,
                    server.sshd.port(),
                    user()
                )
            })
            .collect();
        self.home.write("config", &text);
    }
}

impl Drop for Afar {
    fn drop(&mut self) {
        super::processes::end_all(&self.root);
        fs::remove_dir_all(&self.root).ok();
    }
}

impl Server {
    /// All servers release from the repository of the first.
    fn start(
        number: usize,
        client: &Home,
        repo: Option<&Path>,
        change: &impl Fn(usize, &mut Table),
    ) -> Server {
        let sandbox = Sandbox::with(|config| {
            if let Some(repo) = repo {
                set(config, "source", "git", repo.to_str().unwrap());
            }
            // A minute of quiet is for visitors of a real site.
            set(config, "drain", "quiet", "0s");
            // Several hosts on one machine share its cores.
            set(config, "timeouts", "proof", "10s");
            change(number, config);
        });
        let sshd = Sshd::start(sandbox.root(), &environment(&sandbox));
        client.befriend(&sshd);
        Server {
            name: format!("web{}", number + 1),
            sandbox,
            sshd,
        }
    }

    /// Puts a program of ours before all others of its name, for whoever logs in.
    pub fn install(&self, name: &str, script: &str) -> PathBuf {
        let file = self.sandbox.root().join("home/bin").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, script).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        file
    }

    /// Starts the door anew, with more lines before those of its configuration.
    pub fn reopen(&mut self, options: &[&str]) {
        let usual = environment(&self.sandbox);
        let lines: Vec<&str> = options
            .iter()
            .copied()
            .chain(usual.iter().map(String::as_str))
            .collect();
        self.sshd.configure(&["ed25519"], &lines);
        self.sshd.stop();
        self.sshd.start_again();
    }

    /// Where engines are put.
    pub fn engines(&self) -> PathBuf {
        self.sandbox.root().join("home/.cache/bluegreen/engines")
    }
}

/// Whoever logs in finds this host's home and registry, and never the machine's; and programs
/// in `bin` of that home before all others.
pub fn environment(sandbox: &Sandbox) -> Vec<String> {
    let home = sandbox.root().join("home");
    let path = path_with_tools();
    vec![
        format!(
            "SetEnv HOME={0} BG_REGISTRY={1} PATH={0}/bin:{2}",
            home.display(),
            sandbox.registry().display(),
            Path::new(&path).display()
        ),
        "ForceCommand cd \"$HOME\" && eval \"exec $SSH_ORIGINAL_COMMAND\"".to_owned(),
    ]
}
