//! NGINX as one process, below callgrind or by itself, before an NGINX that answers at once.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::ask::ask;
use crate::cpu;
use crate::sandbox::ports::Port;
use crate::sandbox::{HOST, Sandbox, front};
use crate::site::Site;

/// The turns that the two sites take, and what each of the connections asks in one.
const TURNS: u32 = 20;
const CONNECTIONS: u32 = 4;
const REQUESTS: u32 = 1_500;

/// The place, and the backend.
pub struct Bench {
    folder: PathBuf,
    ports: [Port; 2],
    backend: Port,
    _answering: Process,
}

impl Bench {
    /// Starts the backend.
    pub fn new(sandbox: &Sandbox) -> Bench {
        let folder = sandbox.root().join("bench");
        let backend = Port::free();
        let answer = "location / { return 200 \"the same few words each time\\n\"; }";
        let server = format!("server {{ listen 127.0.0.1:{}; {answer} }}", backend.number());
        let conf = write_conf(&folder.join("backend"), &server);
        Bench {
            _answering: Process::start(Command::new(front::program()).arg("-c").arg(conf)),
            ports: [Port::free(), Port::free()],
            folder,
            backend,
        }
    }

    /// User instructions a request: the difference of a run with `lengths.0` requests and one
    /// with `lengths.1`, so that starting and ending count for nothing.
    pub fn instructions(&self, site: &Site, lengths: (u32, u32)) -> f64 {
        let conf = write_conf(&self.folder.join("front"), &self.servers(&[site]));
        let [few, many] = [lengths.0, lengths.1].map(|requests| self.counted(&conf, requests));
        (many - few) as f64 / f64::from(lengths.1 - lengths.0)
    }

    fn counted(&self, conf: &Path, requests: u32) -> u64 {
        let out = self.folder.join("callgrind.out");
        let mut command = Command::new("valgrind");
        command.args([
            "--tool=callgrind",
            &format!("--callgrind-out-file={}", out.display()),
        ]);
        let process = Process::start(command.arg(front::program()).arg("-c").arg(conf));
        ask(self.address(0), "/whoami", requests);
        process.end();
        let text = fs::read_to_string(&out).unwrap();
        let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
        total.expect("callgrind's total").trim().parse().unwrap()
    }

    /// Microseconds of CPU a request, the kernel's part included: both sites in the same
    /// process, taking turns.
    pub fn microseconds(&self, one: &Site, other: &Site) -> (f64, f64) {
        // Names of upstreams and variables belong to `http`: the plain site shares them.
        assert_eq!(one.upstreams, other.upstreams);
        let conf = write_conf(&self.folder.join("front"), &self.servers(&[one, other]));
        let process = Process::start(Command::new(front::program()).arg("-c").arg(conf));
        let mut spent = [0.0, 0.0];
        for turn in 0..=TURNS {
            for (index, sum) in spent.iter_mut().enumerate() {
                let before = cpu::nanoseconds(process.id());
                self.busy(index);
                let took = cpu::nanoseconds(process.id()) - before;
                // The first turn warms both up.
                *sum += if turn == 0 { 0.0 } else { took as f64 };
            }
        }
        let requests = f64::from(TURNS * CONNECTIONS * REQUESTS);
        (spent[0] / requests / 1000.0, spent[1] / requests / 1000.0)
    }

    fn busy(&self, index: usize) {
        std::thread::scope(|scope| {
            for _ in 0..CONNECTIONS {
                scope.spawn(|| ask(self.address(index), "/whoami", REQUESTS));
            }
        });
    }

    fn address(&self, index: usize) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports[index].number()).into()
    }

    fn servers(&self, sites: &[&Site]) -> String {
        let backend = format!("127.0.0.1:{}", self.backend.number());
        let mut text = sites[0].upstreams.replace("{backend}", &backend);
        for (site, port) in sites.iter().zip(&self.ports) {
            text.push_str(&format!(
                "server {{\nlisten 127.0.0.1:{};\nserver_name {HOST};\n{}\nlocation / {{\n{}\n}}\n}}\n",
                port.number(),
                site.route,
                site.proxy,
            ));
        }
        text
    }
}

fn write_conf(folder: &Path, servers: &str) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let at = folder.display();
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
        .concat();
    // One process, so that there is one to count; a connection that lasts for a whole run.
    let text = format!(
        "daemon off;\nmaster_process off;\npid {at}/pid;\nerror_log {at}/error.log;\nevents {{ }}\n\
         http {{\naccess_log off;\nkeepalive_requests 1000000;\n{temp}{servers}}}\n"
    );
    let conf = folder.join("nginx.conf");
    fs::write(&conf, text).unwrap();
    conf
}

/// How long one gets to end before it is asked again.
const AGAIN: Duration = Duration::from_millis(100);

/// A program that ends when asked to, or when this is dropped.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Process {
        Process(
            command
                .stdin(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        )
    }

    fn id(&self) -> u32 {
        self.0.id()
    }

    /// Asks it to end, which drop does, and returns when it has.
    fn end(self) {}
}

impl Drop for Process {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.id()).unwrap());
        // Asked again: without a process above it NGINX misses a signal that comes just before it
        // waits for the next event.
        while self.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            kill(pid, Signal::SIGTERM).ok();
            std::thread::sleep(AGAIN);
        }
    }
}
