//! Ctrl-C at the client. Once: what has not moved traffic is undone, what has is finished.
//! Twice: the client leaves, and the hosts do the same by themselves.

use bluegreen::sys::lock;
use nix::sys::signal::Signal;

use super::client::Client;
use super::holds::Hold;
use super::scene::Scene;
use crate::sandbox::afar::Server;
use crate::sandbox::repo;

/// What the client says of the first.
const ASKED: &str = "Ctrl-C again leaves the run";

/// Presses it and waits until the client has said so.
fn press(client: &mut Client) {
    client.signal(Signal::SIGINT);
    client.wait_until("it was heard", |client| client.told().contains(ASKED));
}

fn lock_is_held(server: &Server) -> bool {
    lock::current_holder(&server.sandbox.app_root().join("state/lock")).is_some()
}

/// A switch whose proof is held up on the host with this number; the others have moved.
fn proving(scene: &Scene, number: usize) -> Client {
    let held = scene.server(number);
    Hold::Proof.set(&held.sandbox, &[&scene.standing().release]);
    let mut client = scene.start(&["switch"]);
    client.wait_until("it is to be proven", |client| {
        let mut others = scene
            .afar
            .servers
            .iter()
            .filter(|server| server.name != held.name);
        Hold::Proof.is_hit(&held.sandbox)
            && others.all(|server| client.has_told(Some(&server.name), "traffic_moved"))
    });
    client
}

#[test]
fn it_stops_what_has_not_moved_traffic_on_one_host_and_finishes_what_has() {
    let scene = Scene::with(1, None);
    let server = scene.server(0);
    // Time for the word to come in before the run is over.
    let applied = server.sandbox.app_root().join("bg.toml");
    repo::replace(&applied, "window = \"0s\"", "window = \"3s\"");
    let before = scene.standing();

    Hold::Health.set(&server.sandbox, &[&before.release, &before.warm]);
    let mut client = scene.start(&["deploy"]);
    client.wait_until("it is in the gate", |_| Hold::Health.is_hit(&server.sandbox));
    client.signal(Signal::SIGINT);
    let stopped = client.wait();
    scene.lift_all();
    stopped.assert_code(130);
    let words = "interrupted by Ctrl-C at the client before traffic moved";
    assert!(stopped.stdout.contains(words), "{stopped}");
    scene.wait_for_strays();
    scene.assert_stands(&before, false);

    let mut client = proving(&scene, 0);
    press(&mut client);
    scene.lift_all();
    let finished = client.wait();
    finished.assert_code(0);
    let words = "asked to stop after traffic had moved: finishing the run instead";
    assert!(finished.stdout.contains(words), "{finished}");
    scene.wait_for_strays();
    scene.assert_stands(&before.switched(), false);
}

#[test]
fn twice_leaves_one_host_to_itself() {
    let scene = Scene::with(1, None);
    let server = scene.server(0);
    let before = scene.standing();
    let leave = |mut client: Client| {
        press(&mut client);
        client.signal(Signal::SIGINT);
        let left = client.wait();
        left.assert_code(7);
        assert!(
            left.stdout
                .contains("stopped waiting; the run continues on the host"),
            "{left}"
        );
        assert!(left.stdout.contains("bg status --hosts web1"), "{left}");
    };

    // Before the swap; what the client says last does not come through.
    Hold::Health.set(&server.sandbox, &[]);
    let mut client = scene.start(&["switch"]);
    client.wait_until("it is at the last check", |_| {
        Hold::Health.is_hit(&server.sandbox)
    });
    scene.signal_sessions(Signal::SIGSTOP);
    leave(client);
    assert!(lock_is_held(server), "it goes on");
    scene.signal_sessions(Signal::SIGCONT);
    scene.wait_for_locks();
    scene.lift_all();
    scene.wait_for_strays();
    scene.assert_stands(&before, false);

    // After it.
    leave(proving(&scene, 0));
    assert!(lock_is_held(server), "it goes on");
    scene.lift_all();
    scene.assert_stands(&before.switched(), false);
    scene.wait_for_strays();
}

#[test]
fn it_stops_or_finishes_all_of_three_hosts_and_twice_leaves_them_in_doubt() {
    let scene = Scene::with(3, None);
    let before = scene.standing();

    Hold::Health.set(&scene.server(2).sandbox, &[]);
    let mut client = scene.start(&["switch"]);
    client.wait_until("two are ready", |client| {
        ["web1", "web2"]
            .map(Some)
            .iter()
            .all(|host| client.has_told(*host, "ready"))
            && Hold::Health.is_hit(&scene.server(2).sandbox)
    });
    press(&mut client);
    let stopped = client.wait();
    scene.lift_all();
    stopped.assert_code(130);
    let words = "interrupted by Ctrl-C at the client before traffic moved";
    assert_eq!(stopped.stdout.matches(words).count(), 3, "{stopped}");
    scene.wait_for_strays();
    scene.assert_stands(&before, false);

    let mut client = proving(&scene, 1);
    press(&mut client);
    scene.lift_all();
    let finished = client.wait();
    finished.assert_code(0);
    assert!(
        finished.stdout.contains("all hosts finish the switch"),
        "{finished}"
    );
    scene.wait_for_strays();
    scene.assert_stands(&before.switched(), false);

    let mut client = proving(&scene, 1);
    press(&mut client);
    client.signal(Signal::SIGINT);
    let left = client.wait();
    left.assert_code(7);
    for host in ["web1", "web2", "web3"] {
        assert!(
            left.stdout.contains(&format!("bg status --hosts {host}")),
            "{left}"
        );
    }
    scene.lift_all();
    scene.assert_stands(&before, true);
    scene
        .afar
        .everywhere(&["switch", "--reconcile", &before.release])
        .assert_code(0);
    scene.assert_stands(&before, false);
    scene.wait_for_strays();
}
