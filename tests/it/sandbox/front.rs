//! A private NGINX: its own prefix, configuration, pid file and ports.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, getuid};

use super::wait::wait_until;

/// The program: `BG_TEST_NGINX`, or the first `nginx` on PATH.
pub fn program() -> PathBuf {
    if let Some(chosen) = std::env::var_os("BG_TEST_NGINX") {
        return chosen.into();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    // A user's PATH has no sbin on Debian.
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .map(|folder| folder.join("nginx"))
        .find(|program| program.is_file())
        .expect("nginx: `ops/bootstrap` installs it")
}

/// An NGINX that is running, or was stopped.
pub struct Front {
    folder: PathBuf,
    master: Option<Child>,
}

impl Front {
    /// Starts one below `root` with nothing in `conf.d` yet.
    pub fn start(root: &Path) -> Front {
        Front::start_with(root, "")
    }

    /// The same with more lines in the `http` block.
    pub fn start_with(root: &Path, http: &str) -> Front {
        let folder = root.join("nginx");
        fs::create_dir_all(folder.join("conf.d")).unwrap();
        fs::create_dir_all(folder.join("temp")).unwrap();
        let mut front = Front { folder, master: None };
        front.write_conf(http);
        front.start_again();
        front
    }

    /// Writes the main file anew, with these lines in its `http` block; nothing is reloaded.
    pub fn write_conf(&self, http: &str) {
        let at = self.folder.display();
        let user = worker_user().map_or(String::new(), |user| format!("user {user};\n"));
        let text = format!(
            "{user}worker_processes 2;\n\
             pid {at}/nginx.pid;\n\
             error_log {at}/error.log notice;\n\
             events {{ worker_connections 1024; }}\n\
             http {{\n\
             \x20   access_log off;\n\
             \x20   client_body_temp_path {at}/temp/body;\n\
             \x20   proxy_temp_path {at}/temp/proxy;\n\
             \x20   fastcgi_temp_path {at}/temp/fastcgi;\n\
             \x20   uwsgi_temp_path {at}/temp/uwsgi;\n\
             \x20   scgi_temp_path {at}/temp/scgi;\n\
             \x20   {http}\n\
             \x20   include conf.d/*.conf;\n\
             }}\n"
        );
        fs::write(self.conf(), text).unwrap();
    }

    /// The main configuration file.
    pub fn conf(&self) -> PathBuf {
        self.folder.join("nginx.conf")
    }

    /// The folder of the sites.
    pub fn sites(&self) -> PathBuf {
        self.folder.join("conf.d")
    }

    /// The pid file.
    pub fn pid_file(&self) -> PathBuf {
        self.folder.join("nginx.pid")
    }

    /// The error log.
    pub fn error_log(&self) -> PathBuf {
        self.folder.join("error.log")
    }

    /// The master's process id.
    pub fn master(&self) -> i32 {
        let child = self.master.as_ref().expect("it was stopped");
        i32::try_from(child.id()).unwrap()
    }

    /// The workers that take new connections, sorted.
    pub fn workers(&self) -> Vec<i32> {
        let master = self.master();
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children"));
        let mut workers: Vec<i32> = children
            .unwrap_or_default()
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .filter(|pid: &i32| {
                fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|title| {
                    title.starts_with("nginx: worker process") && !title.contains("shutting")
                })
            })
            .collect();
        workers.sort_unstable();
        workers
    }

    /// Starts it after [`Front::stop`].
    pub fn start_again(&mut self) {
        let log = fs::File::create(self.folder.join("output.log")).unwrap();
        let master = Command::new(program())
            .arg("-p")
            .arg(&self.folder)
            .arg("-c")
            .arg(self.conf())
            .args(["-g", "daemon off;"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.master = Some(master);
        wait_until(Duration::from_secs(10), "nginx runs", || {
            if let Some(status) = self.master.as_mut().unwrap().try_wait().unwrap() {
                let said = fs::read_to_string(self.folder.join("output.log")).unwrap_or_default();
                panic!("nginx ended ({status}): {said}");
            }
            let pid = fs::read_to_string(self.pid_file()).unwrap_or_default();
            pid.trim() == self.master().to_string() && self.workers().len() == 2
        });
    }

    /// Asks for a reload as `nginx -s reload` does, and waits for the new workers.
    pub fn reload(&self) {
        let before = self.workers();
        kill(Pid::from_raw(self.master()), Signal::SIGHUP).unwrap();
        wait_until(Duration::from_secs(10), "new workers", || {
            let now = self.workers();
            now.len() == 2 && now.iter().all(|pid| !before.contains(pid))
        });
    }

    /// Stops it at once, as a reboot would.
    pub fn stop(&mut self) {
        let Some(mut master) = self.master.take() else {
            return;
        };
        kill(
            Pid::from_raw(i32::try_from(master.id()).unwrap()),
            Signal::SIGTERM,
        )
        .ok();
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(master.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                master.kill().ok();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Who the workers run as: somebody without rights when the tests run as root, as on a real
/// host, so that a folder they cannot enter is one they cannot enter.
fn worker_user() -> Option<&'static str> {
    if !getuid().is_root() {
        return None;
    }
    ["www-data", "nginx", "nobody"]
        .into_iter()
        .find(|name| matches!(User::from_name(name), Ok(Some(_))))
}
