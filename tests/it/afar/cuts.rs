//! Connections that break while something is done on the other side: how, at which point of a
//! run, on how many hosts. A table; each case leaves every front door open and the truth on
//! record.
//!
//! `BG_TEST_CUTS=all` tries all of it, which `ops/bench/cuts` does; without it each case is tried on
//! one host or on three, not on both.

use nix::sys::signal::Signal;

mod away;
mod client;
mod ctrl_c;
mod holds;
mod network;
mod scene;

use client::Client;
use holds::Hold;
use network::Network;
use scene::{Scene, Standing, has_committed};

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// The process of the server's sshd that has the connection is killed, on one host.
    SessionKilled,
    /// The client is killed.
    ClientKilled,
    /// The client is stopped for longer than a lease, and goes on.
    ClientStopped,
    /// No packet of the client gets through for longer than a lease.
    ClientCutOff,
}

/// When. The run is held up there until it has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    /// The engine has come in part.
    Upload,
    /// git checks the release out.
    Build,
    /// The candidate has not answered its first check; the other hosts are ready.
    Gate,
    /// One host: the last check before the swap is not answered. Three: two wait for the
    /// third.
    BeforeSwap,
    /// The links are others, and nothing of the proof on the site's paths has been answered.
    AfterSwap,
    /// The first request of that proof has come to the new color. Three hosts: the other two
    /// are proven.
    BeforeProof,
    /// The record is written, and the client has not heard of it.
    AfterCommit,
}

const CUTS: [Cut; 4] = [
    Cut::SessionKilled,
    Cut::ClientKilled,
    Cut::ClientStopped,
    Cut::ClientCutOff,
];
const POINTS: [Point; 7] = [
    Point::Upload,
    Point::Build,
    Point::Gate,
    Point::BeforeSwap,
    Point::AfterSwap,
    Point::BeforeProof,
    Point::AfterCommit,
];
const HOSTS: [usize; 2] = [1, 3];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Case {
    cut: Cut,
    point: Point,
    hosts: usize,
}

fn table() -> Vec<Case> {
    let mut cases = Vec::new();
    for cut in CUTS {
        for point in POINTS {
            cases.extend(HOSTS.map(|hosts| Case { cut, point, hosts }));
        }
    }
    cases
}

impl Case {
    /// Whether it is tried each time.
    fn is_usual(self) -> bool {
        let on_three = match self.cut {
            Cut::SessionKilled => [Point::Upload, Point::BeforeSwap, Point::BeforeProof].as_slice(),
            Cut::ClientKilled => &[Point::Build, Point::Gate, Point::AfterSwap, Point::AfterCommit],
            Cut::ClientStopped => &[Point::Build, Point::BeforeSwap, Point::AfterSwap],
            Cut::ClientCutOff => &[Point::Upload, Point::Gate, Point::BeforeProof, Point::AfterCommit],
        };
        on_three.contains(&self.point) == (self.hosts == 3)
    }

    fn moves(self) -> bool {
        !matches!(
            self.point,
            Point::Upload | Point::Build | Point::Gate | Point::BeforeSwap
        )
    }

    /// Whether the client is there in the end.
    fn client_comes_back(self) -> bool {
        self.cut != Cut::ClientKilled
    }

    /// Whether a host that has moved never hears how the others did, as long as the client is
    /// away.
    fn leaves_doubt(self) -> bool {
        let heard = self.cut == Cut::SessionKilled || self.point == Point::AfterCommit;
        self.moves() && self.hosts > 1 && !heard
    }

    /// The client's exit code, and what it says.
    fn told(self) -> (i32, &'static str) {
        match (self.cut, self.point) {
            (Cut::ClientStopped, Point::Upload) => (0, "engine"),
            (_, Point::Upload) => (1, "lost contact with"),
            _ if self.moves() => (0, "\"switched\":true"),
            (Cut::SessionKilled, _) => (130, "interrupted by a lost connection before traffic moved"),
            _ => (
                130,
                "interrupted by a client that stopped answering before traffic moved",
            ),
        }
    }

    /// The number of the host that is held up, and of the one whose connection is cut.
    fn victims(self) -> (usize, usize) {
        match self.point {
            Point::BeforeSwap => (2, 0),
            Point::BeforeProof => (1, 0),
            _ => (1, 1),
        }
    }
}

/// Tries the cases of one kind in one scene; returns how many they are.
fn try_all(cut: Cut, hosts: usize) -> usize {
    let all = std::env::var("BG_TEST_CUTS").is_ok_and(|wanted| wanted == "all");
    let cases: Vec<Case> = table()
        .into_iter()
        .filter(|case| case.cut == cut && case.hosts == hosts && (all || case.is_usual()))
        .collect();
    let network = match (cut == Cut::ClientCutOff).then(Network::new) {
        Some(Ok(network)) => Some(network),
        Some(Err(why)) => {
            eprintln!(
                "NOT TRIED: {} cases of a client that is cut off: {why}",
                cases.len()
            );
            return cases.len();
        }
        None => None,
    };
    let scene = Scene::with(hosts, network);
    for case in &cases {
        let began = std::time::Instant::now();
        eprintln!("--- {case:?}");
        attempt(&scene, *case);
        eprintln!("--- {:?}", began.elapsed());
    }
    cases.len()
}

fn attempt(scene: &Scene, case: Case) {
    let before = scene.standing();
    let after = if case.moves() {
        before.switched()
    } else {
        before.clone()
    };
    let mut client = reach(scene, case, &before);
    happen(scene, case, &client);
    let stops_by_itself = !case.moves() && case.point != Point::Upload;
    if stops_by_itself {
        // It must not get past the point before it has noticed.
        scene.wait_for_locks();
    }
    scene.lift_all();
    if case.cut == Cut::ClientStopped && case.point == Point::Upload {
        return goes_on(scene, client, &before);
    }
    if case.cut != Cut::SessionKilled {
        scene.assert_stands(&after, case.leaves_doubt());
    }
    if case.client_comes_back() {
        come_back(scene, case, &mut client);
        let (code, words) = case.told();
        let outcome = client.wait();
        outcome.assert_code(code);
        assert!(outcome.stdout.contains(words), "no {words:?} in {outcome}");
    } else {
        drop(client);
        if case.leaves_doubt() {
            let reconcile = ["switch", "--reconcile", &after.release];
            scene.afar.everywhere(&reconcile).assert_code(0);
        }
    }
    scene.wait_for_strays();
    scene.assert_stands(&after, false);
}

/// Starts the run and returns when it is at the point.
fn reach(scene: &Scene, case: Case, before: &Standing) -> Client {
    let (held, _) = case.victims();
    let held = scene.server(held);
    let hosts = &scene.afar.servers;
    let others = |event: &'static str| {
        let names: Vec<String> = hosts
            .iter()
            .filter(|server| server.name != held.name)
            .map(|server| server.name.clone())
            .collect();
        move |client: &Client| names.iter().all(|name| client.has_told(Some(name), event))
    };
    match case.point {
        Point::Upload => {
            std::fs::remove_dir_all(held.engines()).unwrap();
            Hold::Upload.set(&held.sandbox, &[]);
            let mut client = scene.start(&["switch"]);
            client.wait_until("it is uploaded", |_| Hold::Upload.is_hit(&held.sandbox));
            client
        }
        Point::Build => {
            hosts
                .iter()
                .for_each(|server| Hold::Build.set(&server.sandbox, &[]));
            let mut client = scene.start(&["deploy"]);
            client.wait_until("it is built everywhere", |_| {
                hosts.iter().all(|server| Hold::Build.is_hit(&server.sandbox))
            });
            client
        }
        Point::Gate => {
            Hold::Health.set(&held.sandbox, &[&before.release, &before.warm]);
            let ready = others("ready");
            let mut client = scene.start(&["deploy"]);
            client.wait_until("it is in the gate", |client| {
                Hold::Health.is_hit(&held.sandbox) && ready(client)
            });
            client
        }
        Point::BeforeSwap => {
            Hold::Health.set(&held.sandbox, &[]);
            let ready = others("ready");
            let mut client = scene.start(&["switch"]);
            client.wait_until("it is at the last check", |client| {
                Hold::Health.is_hit(&held.sandbox) && ready(client)
            });
            client
        }
        Point::AfterSwap => {
            Hold::Proof.set(&held.sandbox, &[&before.release]);
            let mut client = scene.start(&["switch"]);
            client.wait_until("the links are moved", |_| {
                hosts
                    .iter()
                    .all(|server| server.sandbox.link() != before.live.name())
            });
            client
        }
        Point::BeforeProof => {
            Hold::Proof.set(&held.sandbox, &[&before.release]);
            let moved = others("traffic_moved");
            let mut client = scene.start(&["switch"]);
            client.wait_until("it is to be proven", |client| {
                Hold::Proof.is_hit(&held.sandbox) && moved(client)
            });
            client
        }
        Point::AfterCommit => {
            hosts
                .iter()
                .for_each(|server| Hold::Save.set(&server.sandbox, &[]));
            let mut client = scene.start(&["switch"]);
            client.wait_until("it is about to be recorded", |_| {
                hosts.iter().all(|server| Hold::Save.is_hit(&server.sandbox))
            });
            // What comes of it stays on the way.
            scene.signal_sessions(Signal::SIGSTOP);
            scene.lift_all();
            client.wait_until("it is recorded", |_| hosts.iter().all(has_committed));
            client
        }
    }
}

fn happen(scene: &Scene, case: Case, client: &Client) {
    let (_, cut) = case.victims();
    match case.cut {
        Cut::SessionKilled => scene.kill_sessions(scene.server(cut)),
        Cut::ClientKilled => client.signal(Signal::SIGKILL),
        Cut::ClientStopped => client.signal(Signal::SIGSTOP),
        Cut::ClientCutOff => network(scene).cut(),
    }
    scene.signal_sessions(Signal::SIGCONT);
}

/// The client is there again.
fn come_back(scene: &Scene, case: Case, client: &mut Client) {
    match case.cut {
        Cut::SessionKilled | Cut::ClientKilled => {}
        Cut::ClientStopped => client.signal(Signal::SIGCONT),
        Cut::ClientCutOff => {
            let given_up = if case.point == Point::Upload {
                "\"result\""
            } else {
                "asking `"
            };
            client.wait_until("it knows", |client| client.told().contains(given_up));
            network(scene).mend();
        }
    }
}

/// An upload has no lease: nothing is begun that could be in somebody's way. The client goes
/// on where it was.
fn goes_on(scene: &Scene, client: Client, before: &Standing) {
    scene.assert_stands(before, false);
    client.signal(Signal::SIGCONT);
    client.wait().assert_code(0);
    scene.wait_for_strays();
    scene.assert_stands(&before.switched(), false);
}

fn network(scene: &Scene) -> &Network {
    scene.network.as_ref().unwrap()
}

#[test]
fn the_table_has_every_case_and_each_time_every_cut_at_every_point() {
    let table = table();
    assert_eq!(table.len(), 56);
    let usual: Vec<&Case> = table.iter().filter(|case| case.is_usual()).collect();
    assert_eq!(usual.len(), 28);
    let mut seen = 0;
    for cut in CUTS {
        for point in POINTS {
            assert!(usual.iter().any(|case| case.cut == cut && case.point == point));
            seen += 1;
        }
    }
    assert_eq!(seen, 28);
}

fn count(usual: usize) -> usize {
    if std::env::var("BG_TEST_CUTS").is_ok_and(|wanted| wanted == "all") {
        POINTS.len()
    } else {
        usual
    }
}

#[test]
fn the_session_of_one_host_is_killed() {
    assert_eq!(try_all(Cut::SessionKilled, 1), count(4));
}

#[test]
fn the_session_of_one_of_three_hosts_is_killed() {
    assert_eq!(try_all(Cut::SessionKilled, 3), count(3));
}

#[test]
fn the_client_of_one_host_is_killed() {
    assert_eq!(try_all(Cut::ClientKilled, 1), count(3));
}

#[test]
fn the_client_of_three_hosts_is_killed() {
    assert_eq!(try_all(Cut::ClientKilled, 3), count(4));
}

#[test]
fn the_client_of_one_host_is_stopped() {
    assert_eq!(try_all(Cut::ClientStopped, 1), count(4));
}

#[test]
fn the_client_of_three_hosts_is_stopped() {
    assert_eq!(try_all(Cut::ClientStopped, 3), count(3));
}

#[test]
fn the_client_of_one_host_is_cut_off() {
    assert_eq!(try_all(Cut::ClientCutOff, 1), count(3));
}

#[test]
fn the_client_of_three_hosts_is_cut_off() {
    assert_eq!(try_all(Cut::ClientCutOff, 3), count(4));
}
