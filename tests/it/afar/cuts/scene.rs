//! A client with its servers, two releases on each and visitors at every front door; what is
//! looked at after each case.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bluegreen::model::color::Color;
use bluegreen::model::journal::{JournalState, Record};
use bluegreen::sys::lock;
use nix::sys::signal::Signal;
use serde_json::Value;

use super::client::Client;
use super::holds::{self, Hold};
use super::network::Network;
use crate::load::{Kind, Load, Plan};
use crate::recovery::scene::{answering, records};
use crate::sandbox::afar::{Afar, Server, environment};
use crate::sandbox::sshd::user;
use crate::sandbox::wait::wait_until;
use crate::sandbox::{HOST, processes, set};

/// How long an engine may take to notice that its client is silent, 12 s, and to clear up, on
/// two busy cores.
pub const NOTICED: Duration = Duration::from_secs(40);

/// The client, the servers, the visitors.
pub struct Scene {
    loads: Vec<Load>,
    pub afar: Afar,
    /// The client's own, where it can be cut off.
    pub network: Option<Network>,
}

/// What is live and what stands beside it, the same on every host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub live: Color,
    pub release: String,
    pub warm: String,
}

impl Standing {
    /// After a switch.
    pub fn switched(&self) -> Standing {
        Standing {
            live: self.live.other(),
            release: self.warm.clone(),
            warm: self.release.clone(),
        }
    }
}

impl Scene {
    /// With a client that reaches the servers over `network`.
    pub fn with(hosts: usize, network: Option<Network>) -> Scene {
        let mut afar = Afar::with(hosts, |_, config| {
            let app_root = config["root"].as_str().unwrap().to_owned();
            let root = Path::new(&app_root).ancestors().nth(2).unwrap();
            set(config, "pm2", "bin", holds::pm2(root).to_str().unwrap());
            let run = config["process"]["run"].as_str().unwrap();
            let run = run.replace("--graceful-timeout 8", "--graceful-timeout 1");
            set(config, "process", "run", run);
            set(config, "evidence", "window", "0s");
            for (section, key) in [
                ("gate", "timeout"),
                ("gate", "attempt"),
                ("timeouts", "fetch"),
                ("timeouts", "proof"),
            ] {
                set(config, section, key, "120s");
            }
        });
        let first = &afar.servers[0].sandbox;
        let with_holds = holds::IN_THE_APP;
        first.commit_edit("the second", holds::ANCHOR, with_holds);
        if let Some(network) = &network {
            listen_to(&mut afar, network);
        }
        std::thread::scope(|scope| {
            for server in &afar.servers {
                scope.spawn(|| {
                    holds::install(&server.sandbox);
                    server.sandbox.bg(&["setup"]).assert_code(0);
                });
            }
        });
        for _ in 0..2 {
            afar.everywhere(&["deploy"]).assert_code(0);
        }
        let visitors = |server: &Server| {
            let kinds = [(Kind::Get, 1), (Kind::FreshPost, 1)];
            Load::run(Plan {
                pause: Duration::from_millis(40),
                ..Plan::new(server.sandbox.address(), HOST, &kinds)
            })
        };
        Scene {
            loads: afar.servers.iter().map(visitors).collect(),
            afar,
            network,
        }
    }

    /// Starts `bg` at the client for all servers.
    pub fn start(&self, args: &[&str]) -> Client {
        let all = self.afar.all();
        let args = [args, &["--json", "--app", crate::sandbox::APP, "--hosts", &all]].concat();
        let command = self.afar.command(&args);
        let command = match &self.network {
            Some(network) => network.inside(&command),
            None => command,
        };
        Client::start(&self.afar, command, &args)
    }

    /// The host with this number, or the only one.
    pub fn server(&self, number: usize) -> &Server {
        &self.afar.servers[number.min(self.afar.servers.len() - 1)]
    }

    /// What answers at the front doors, and what on the idle ports.
    pub fn standing(&self) -> Standing {
        let of = |server: &Server| {
            let answer = server.sandbox.get("/whoami");
            let live: Color = answer.header("x-app-color").unwrap().parse().unwrap();
            Standing {
                live,
                release: answer.header("x-app-release").unwrap().to_owned(),
                warm: answering(&server.sandbox, live.other()).unwrap_or_default(),
            }
        };
        let first = of(&self.afar.servers[0]);
        for server in &self.afar.servers {
            assert_eq!(of(server), first, "{}", server.name);
        }
        first
    }

    /// Waits until nobody holds the lock of any host.
    #[track_caller]
    pub fn wait_for_locks(&self) {
        for server in &self.afar.servers {
            let lock = server.sandbox.app_root().join("state/lock");
            wait_until(NOTICED, &format!("the lock of {} is free", server.name), || {
                lock::current_holder(&lock).is_none()
            });
        }
    }

    /// Waits until nothing of a run is left on any host.
    #[track_caller]
    pub fn wait_for_strays(&self) {
        for server in &self.afar.servers {
            let mut left = strays(server);
            wait_until(
                NOTICED,
                &format!("{} has no strays: {left:?}", server.name),
                || {
                    left = strays(server);
                    left.is_empty()
                },
            );
            assert_eq!(unfinished_engines(server), 0, "{}", server.name);
        }
    }

    /// Every host is as it should be, by itself and asked from afar: who answers, what
    /// `bg status` says, the link, the journal, the lock, and no request has failed.
    #[track_caller]
    pub fn assert_stands(&self, expected: &Standing, doubt: bool) {
        self.wait_for_locks();
        assert_eq!(&self.standing(), expected);
        let afar = self.status_from_afar();
        assert_eq!(afar.len(), self.afar.servers.len());
        for (server, afar) in self.afar.servers.iter().zip(afar) {
            let here = server.sandbox.status();
            for status in [&afar, &here] {
                assert_eq!(status["live"]["color"], expected.live.name(), "{status:#}");
                assert_eq!(status["live"]["release"], expected.release, "{status:#}");
                assert_eq!(status["rollback"]["state"], "ready", "{status:#}");
                assert_eq!(status["rollback"]["to"], expected.warm, "{status:#}");
                assert_eq!(status["drift"], serde_json::json!([]), "{status:#}");
                assert_eq!(!status["doubt"].is_null(), doubt, "{status:#}");
                assert!(status["locked_by"].is_null(), "{status:#}");
            }
            assert_eq!(server.sandbox.link(), expected.live.name());
            let open = JournalState::of(&records(&server.sandbox)).open;
            assert!(open.is_none(), "{open:?}");
        }
        self.assert_nobody_was_let_down();
    }

    /// No visitor's request has failed so far.
    #[track_caller]
    pub fn assert_nobody_was_let_down(&self) {
        for load in &self.loads {
            wait_until(NOTICED, "visitors have asked", || load.so_far().requests > 20);
            let count = load.so_far();
            assert_eq!(count.failed, 0, "{count:?}");
        }
    }

    fn status_from_afar(&self) -> Vec<Value> {
        let status = self.afar.everywhere(&["status", "--json"]);
        status.assert_code(0);
        let mut answer = status.result()["answer"].take();
        match answer["hosts"].as_array_mut() {
            None => vec![answer],
            Some(hosts) => hosts
                .iter_mut()
                .map(|host| host["answer"]["status"].take())
                .collect(),
        }
    }

    /// Sends a signal to every connection of every server.
    pub fn signal_sessions(&self, signal: Signal) {
        for server in &self.afar.servers {
            server.sshd.signal_sessions(signal);
        }
    }

    /// Ends the connections of one server as a crash of its sshd would.
    #[track_caller]
    pub fn kill_sessions(&self, server: &Server) {
        let killed = server.sshd.sessions();
        assert!(!killed.is_empty(), "{} has no connection", server.name);
        server.sshd.signal_sessions(Signal::SIGKILL);
        wait_until(NOTICED, "the connections are gone", || {
            let left = server.sshd.sessions();
            !killed.iter().any(|pid| left.contains(pid))
        });
    }

    /// Lets every host go on, wherever it waits.
    pub fn lift_all(&self) {
        for server in &self.afar.servers {
            for hold in Hold::ALL {
                hold.lift(&server.sandbox);
            }
        }
    }
}

/// Whether the newest run of a host has been recorded as done.
pub fn has_committed(server: &Server) -> bool {
    matches!(records(&server.sandbox).last(), Some(Record::Commit { .. }))
}

/// Below the host's root runs nothing but NGINX, PM2, the app and sshd.
fn strays(server: &Server) -> Vec<processes::Process> {
    let stays = ["nginx", "PM2 v", "gunicorn", "sshd"];
    processes::of(server.sandbox.root())
        .into_iter()
        .filter(|(_, line)| !stays.iter().any(|name| line.contains(name)))
        .collect()
}

/// Programs that were brought in part.
fn unfinished_engines(server: &Server) -> usize {
    let engines = fs::read_dir(server.engines()).into_iter().flatten().flatten();
    let files = engines.flat_map(|engine| fs::read_dir(engine.path()).into_iter().flatten().flatten());
    files
        .filter(|file| file.file_name().to_string_lossy().starts_with(".new."))
        .count()
}

/// The servers listen where the client's network ends, and the client knows them there. Its
/// patience is short, or a case would take a minute longer, and longer than a busy machine
/// keeps it waiting.
fn listen_to(afar: &mut Afar, network: &Network) {
    let address = network.here();
    let mut config = String::new();
    for server in &mut afar.servers {
        let mut options = environment(&server.sandbox);
        options.push(format!("ListenAddress {address}"));
        server.sshd.configure(&["ed25519"], &options);
        server.sshd.stop();
        server.sshd.start_again();
        let port = server.sshd.port();
        config += &format!(
            "Host {}\n  HostName {address}\n  Port {port}\n  User {}\n  ServerAliveInterval 3\n  ConnectTimeout 15\n",
            server.name,
            user()
        );
        let known = server.sshd.known_line("ed25519");
        afar.home.know(&known.replace("127.0.0.1", &address.to_string()));
    }
    afar.home.write("config", &config);
}
