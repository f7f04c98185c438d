//! What the table has no row for: a host that stays away, and a cut between the word to go and
//! the last host's swap.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::client::Client;
use super::holds::Hold;
use super::scene::{Scene, Standing};
use crate::sandbox::afar::Server;
use crate::sandbox::processes;

#[test]
fn a_host_that_stays_away_is_named_with_the_command_that_looks() {
    let mut scene = Scene::with(1, None);
    let before = scene.standing();
    let client = held_proof(&scene);
    scene.afar.servers[0].sshd.stop();
    scene.lift_all();
    let lost = client.wait();
    lost.assert_code(7);
    let result = lost.result();
    assert_eq!(result["error"], "`web1` could not be reached again", "{lost}");
    assert_eq!(
        result["hints"][0], "`bg status --hosts web1` shows what is live",
        "{lost}"
    );
    assert_eq!(result["traffic"]["state"], "unknown", "{lost}");
    scene.afar.servers[0].sshd.start_again();
    scene.assert_stands(&before.switched(), false);
    scene.wait_for_strays();
}

#[test]
fn an_engine_that_could_not_leave_word_or_died_is_known_by_the_journal() {
    let scene = Scene::with(1, None);
    let server = scene.server(0);
    let before = scene.standing();
    keep_no_outcomes(server);

    Hold::Health.set(&server.sandbox, &[]);
    let mut client = scene.start(&["switch"]);
    client.wait_until("it is at the last check", |_| {
        Hold::Health.is_hit(&server.sandbox)
    });
    scene.kill_sessions(server);
    let stopped = client.wait();
    scene.lift_all();
    stopped.assert_code(1);
    let result = stopped.result();
    let words = "interrupted by a lost connection before traffic moved";
    assert_eq!(result["error"], words, "{stopped}");
    assert_eq!(result["traffic"]["state"], "unchanged", "{stopped}");
    scene.assert_stands(&before, false);

    let client = held_proof(&scene);
    scene.kill_sessions(server);
    scene.lift_all();
    let moved = client.wait();
    moved.assert_code(6);
    let result = moved.result();
    let words = "finished, but the connection was lost before its result arrived";
    assert!(result["error"].as_str().unwrap().contains(words), "{moved}");
    assert_eq!(result["traffic"]["live"]["release"], before.warm, "{moved}");
    scene.assert_stands(&before.switched(), false);

    // The engine dies as well; the next command finishes what it had begun.
    let client = held_proof(&scene);
    let engines = engines(server);
    assert!(!engines.is_empty(), "no engine");
    for pid in engines {
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }
    let died = client.wait();
    scene.lift_all();
    died.assert_code(7);
    let result = died.result();
    assert_eq!(
        result["error"], "the engine on the host died before the run ended",
        "{died}"
    );
    assert!(
        result["hints"][0].as_str().unwrap().starts_with("`bg repair`"),
        "{died}"
    );
    scene.afar.everywhere(&["repair"]).assert_code(0);
    scene.assert_stands(&before, false);
    scene.wait_for_strays();
}

/// Nothing can be kept for whoever asks.
fn keep_no_outcomes(server: &Server) {
    let outcomes = server.sandbox.app_root().join("state/outcomes");
    fs::remove_dir_all(&outcomes).unwrap();
    fs::write(&outcomes, "").unwrap();
}

/// A switch whose proof is held up.
fn held_proof(scene: &Scene) -> Client {
    let held = &scene.server(0).sandbox;
    // The live color is asked before, and need not wait.
    Hold::Proof.set(held, &[&scene.standing().release]);
    let mut client = scene.start(&["switch"]);
    client.wait_until("it is to be proven", |_| Hold::Proof.is_hit(held));
    client
}

/// The engines that run on a host.
fn engines(server: &Server) -> Vec<i32> {
    processes::of(server.sandbox.root())
        .into_iter()
        .filter(|(_, line)| line.trim_end().ends_with("bluegreen engine") && !line.contains("eval"))
        .map(|(pid, _)| pid)
        .collect()
}

/// The first two hosts have swapped and are proven, the third has heard the word to go and
/// looks once more whether its color is well.
fn between_the_swaps(scene: &Scene) -> Client {
    let (first, last) = (&scene.server(0).sandbox, &scene.server(2).sandbox);
    Hold::Health.set(first, &[]);
    let mut client = scene.start(&["switch"]);
    client.wait_until("two are ready", |client| {
        ["web2", "web3"]
            .map(Some)
            .iter()
            .all(|host| client.has_told(*host, "ready"))
            && Hold::Health.is_hit(first)
    });
    Hold::Health.set(last, &[]);
    Hold::Health.lift(first);
    client.wait_until("two have moved", |client| {
        ["web1", "web2"]
            .map(Some)
            .iter()
            .all(|host| client.has_told(*host, "traffic_moved"))
            && Hold::Health.is_hit(last)
    });
    client
}

/// Who is live on each host, and whether it is in doubt.
fn each(scene: &Scene) -> Vec<(String, bool)> {
    let of = |status: serde_json::Value| {
        let release = status["live"]["release"].as_str().unwrap().to_owned();
        (release, !status["doubt"].is_null())
    };
    scene
        .afar
        .servers
        .iter()
        .map(|server| of(server.sandbox.status()))
        .collect()
}

#[test]
fn a_cut_between_the_first_swap_and_the_last_is_mended_by_the_client_or_by_converging() {
    let scene = Scene::with(3, None);
    let before = scene.standing();

    // The client lives: the one that was lost stays where it was, and the others go back.
    let client = between_the_swaps(&scene);
    scene.kill_sessions(scene.server(2));
    let apart = client.wait();
    scene.lift_all();
    apart.assert_code(5);
    let hosts = apart.result()["answer"]["hosts"].take();
    for (number, state) in ["put_back", "put_back", "unchanged"].into_iter().enumerate() {
        assert_eq!(hosts[number]["failure"]["traffic"]["state"], state, "{apart}");
    }
    scene.wait_for_strays();
    scene.assert_stands(&before, false);

    // The one that was lost has moved, and nothing more is known of it: all go back.
    let kept = scene.server(0);
    keep_no_outcomes(kept);
    let mut client = held_proof(&scene);
    client.wait_until("the others have moved", |client| {
        ["web2", "web3"]
            .map(Some)
            .iter()
            .all(|host| client.has_told(*host, "traffic_moved"))
    });
    scene.kill_sessions(kept);
    scene.lift_all();
    client.wait().assert_code(5);
    scene.wait_for_strays();
    scene.assert_stands(&before, false);

    // It dies: those that have moved stay there, in doubt, and one word brings all together.
    let client = between_the_swaps(&scene);
    client.signal(Signal::SIGKILL);
    drop(client);
    scene.wait_for_locks();
    scene.lift_all();
    let (old, new) = (before.release.clone(), before.warm.clone());
    let moved = (new.clone(), true);
    assert_eq!(each(&scene), [moved.clone(), moved, (old, false)]);
    let status = scene.afar.everywhere(&["status"]);
    status.assert_code(0);
    assert_eq!(status.stdout.matches("in doubt").count(), 2, "{status}");
    assert!(status.stdout.contains("what is live differs"), "{status}");
    scene
        .afar
        .everywhere(&["switch", "--reconcile", &new])
        .assert_code(0);
    let together: Standing = before.switched();
    scene.assert_stands(&together, false);
    scene.wait_for_strays();
}
