//! A private OpenSSH server on a free port of 127.0.0.1, with its own host keys and its own
//! list of authorized keys; and a home folder from which one logs in to it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, getuid};

use super::ports::Port;
use super::wait::wait_until;

/// A server that is running, or was stopped.
pub struct Sshd {
    folder: PathBuf,
    port: Port,
    master: Option<Child>,
}

impl Sshd {
    /// Starts one below `root`. The options are lines of its configuration, before the usual
    /// ones, so they win: `SetEnv A=1`, `MaxAuthTries 2`, ...
    pub fn start(root: &Path, options: &[impl AsRef<str>]) -> Sshd {
        Sshd::start_with(root, &["ed25519"], options)
    }

    /// The same with host keys of these kinds.
    pub fn start_with(root: &Path, kinds: &[&str], options: &[impl AsRef<str>]) -> Sshd {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = root.join(format!("sshd{number}"));
        fs::create_dir_all(&folder).unwrap();
        for kind in kinds {
            generate(kind, &folder.join(format!("host_{kind}")), &[]);
        }
        let mut server = Sshd {
            folder,
            port: Port::free(),
            master: None,
        };
        server.configure(kinds, options);
        server.start_again();
        server
    }

    /// Writes the configuration anew; it counts from the next start.
    pub fn configure(&self, kinds: &[&str], options: &[impl AsRef<str>]) {
        let at = self.folder.display();
        let mut text: String = options
            .iter()
            .map(|line| format!("{}\n", line.as_ref()))
            .collect();
        for kind in kinds {
            text += &format!("HostKey {at}/host_{kind}\n");
        }
        text += &format!(
            "Port {port}\n\
             ListenAddress 127.0.0.1\n\
             PidFile {at}/pid\n\
             AuthorizedKeysFile {at}/authorized_keys\n\
             StrictModes no\n\
             UsePAM no\n\
             UseDNS no\n\
             PermitRootLogin prohibit-password\n\
             PasswordAuthentication no\n\
             KbdInteractiveAuthentication no\n\
             PermitUserRC no\n\
             PrintMotd no\n\
             MaxStartups 200\n\
             MaxSessions 100\n\
             LogLevel VERBOSE\n",
            port = self.port()
        );
        if knows_penalties() {
            // Refused log-ins are what these tests make.
            text += "PerSourcePenalties no\n";
        }
        fs::write(self.conf(), text).unwrap();
    }

    fn conf(&self) -> PathBuf {
        self.folder.join("sshd_config")
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Lets the owner of a public key in; a line of `authorized_keys`.
    pub fn authorize(&self, line: &str) {
        let file = self.folder.join("authorized_keys");
        let before = fs::read_to_string(&file).unwrap_or_default();
        fs::write(file, format!("{before}{}\n", line.trim())).unwrap();
    }

    /// A host key's file; `.pub` is beside it.
    pub fn host_key(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("host_{kind}"))
    }

    /// `[127.0.0.1]:2222 ssh-ed25519 AAAA...`
    pub fn known_line(&self, kind: &str) -> String {
        format!("[127.0.0.1]:{} {}", self.port(), public(&self.host_key(kind)))
    }

    /// What it has said since it was made.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// The processes of the connections, sorted; those of the commands are not among them.
    pub fn sessions(&self) -> Vec<i32> {
        let master = self.master.as_ref().expect("it was stopped");
        let mut found = Vec::new();
        let mut parents = vec![i32::try_from(master.id()).unwrap()];
        while let Some(parent) = parents.pop() {
            for pid in children(parent) {
                let title = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                if title.starts_with("sshd") {
                    found.push(pid);
                    parents.push(pid);
                }
            }
        }
        found.sort_unstable();
        found
    }

    /// Sends a signal to each of [`Sshd::sessions`].
    pub fn signal_sessions(&self, signal: Signal) {
        for pid in self.sessions() {
            kill(Pid::from_raw(pid), signal).ok();
        }
    }

    /// Starts it after [`Sshd::stop`], on the same port.
    pub fn start_again(&mut self) {
        if getuid().is_root() {
            // It wants this empty folder of root's even when it is not the system's.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))
            .unwrap();
        let master = Command::new(program())
            .args(["-D", "-e", "-f"])
            .arg(self.conf())
            .env_clear()
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.master = Some(master);
        wait_until(Duration::from_secs(10), "sshd listens", || {
            if let Some(status) = self.master.as_mut().unwrap().try_wait().unwrap() {
                panic!("sshd ended ({status}): {}", self.log());
            }
            std::net::TcpStream::connect(("127.0.0.1", self.port())).is_ok()
        });
    }

    /// Makes it hang until it is stopped: it takes connections and says nothing.
    pub fn pause(&self) {
        let master = self.master.as_ref().expect("it was stopped");
        let pid = Pid::from_raw(i32::try_from(master.id()).unwrap());
        kill(pid, Signal::SIGSTOP).unwrap();
    }

    /// Ends it and its connections at once, as a power cut would; no connection says goodbye.
    pub fn stop(&mut self) {
        if self.master.is_none() {
            return;
        }
        let mut sessions = self.sessions();
        let mut master = self.master.take().unwrap();
        master.kill().ok();
        master.wait().ok();
        let deadline = Instant::now() + Duration::from_secs(5);
        while !sessions.is_empty() && Instant::now() < deadline {
            for pid in &sessions {
                kill(Pid::from_raw(*pid), Signal::SIGKILL).ok();
            }
            sessions.retain(|pid| is_sshd(*pid));
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.folder.display(), self.log());
        }
    }
}

/// A home folder with `.ssh`: whoever logs in does it with what is in there.
pub struct Home {
    folder: PathBuf,
}

impl Home {
    /// With a key, `id_ed25519`, that nobody knows yet.
    pub fn create(folder: &Path) -> Home {
        let home = Home::without_key(folder);
        home.make_key("ed25519", "id_ed25519", &[]);
        home
    }

    /// With an empty `.ssh`.
    pub fn without_key(folder: &Path) -> Home {
        fs::create_dir_all(folder.join(".ssh")).unwrap();
        fs::set_permissions(folder.join(".ssh"), fs::Permissions::from_mode(0o700)).unwrap();
        let home = Home {
            folder: folder.to_owned(),
        };
        home.configure("");
        home
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// A file in `.ssh`.
    pub fn ssh(&self, name: &str) -> PathBuf {
        self.folder.join(".ssh").join(name)
    }

    /// Writes `.ssh/NAME`, for its owner alone.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.ssh(name), text).unwrap();
        fs::set_permissions(self.ssh(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Makes `.ssh/NAME`, and returns its public half. `more` are arguments of `ssh-keygen`.
    pub fn make_key(&self, kind: &str, name: &str, more: &[&str]) -> String {
        generate(kind, &self.ssh(name), more);
        public(&self.ssh(name))
    }

    /// The public half of `.ssh/id_ed25519`.
    pub fn public(&self) -> String {
        public(&self.ssh("id_ed25519"))
    }

    /// Lets this home in over there and makes the server known here.
    pub fn befriend(&self, server: &Sshd) {
        server.authorize(&self.public());
        self.know(&server.known_line("ed25519"));
    }

    /// Writes `.ssh/config`. No agent is asked unless it names one.
    pub fn configure(&self, text: &str) {
        self.write("config", &format!("{text}\nHost *\n  IdentityAgent none\n"));
    }

    /// Adds a line to `.ssh/known_hosts`.
    pub fn know(&self, line: &str) {
        let before = fs::read_to_string(self.ssh("known_hosts")).unwrap_or_default();
        self.write("known_hosts", &format!("{before}{line}\n"));
    }
}

/// Who can log in to a server of ours: whoever runs the tests.
pub fn user() -> String {
    User::from_uid(getuid()).unwrap().unwrap().name
}

/// The text of `FILE.pub`.
pub fn public(key: &Path) -> String {
    let mut name = key.as_os_str().to_owned();
    name.push(".pub");
    fs::read_to_string(name).unwrap().trim().to_owned()
}

/// Makes a key pair without a passphrase, unless `more` has one.
pub fn generate(kind: &str, file: &Path, more: &[&str]) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", kind, "-C", kind, "-f"]).arg(file);
    if !more.contains(&"-N") {
        command.args(["-N", ""]);
    }
    run(command.args(more));
}

/// Runs a command that must succeed; returns what it prints.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn program() -> PathBuf {
    ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"]
        .into_iter()
        .map(PathBuf::from)
        .find(|program| program.is_file())
        .expect("sshd: `ops/bootstrap --tests` installs it")
}

/// Whether this server punishes addresses from which it refused somebody.
fn knows_penalties() -> bool {
    static KNOWS: OnceLock<bool> = OnceLock::new();
    *KNOWS.get_or_init(|| {
        let output = Command::new(program())
            .args(["-T", "-f", "/dev/null", "-o", "PerSourcePenalties=no"])
            .output()
            .unwrap();
        !String::from_utf8_lossy(&output.stderr).contains("PerSourcePenalties")
    })
}

fn children(parent: i32) -> Vec<i32> {
    let list = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let list = list.unwrap_or_default();
    list.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

fn is_sshd(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|title| title.starts_with("sshd"))
}
