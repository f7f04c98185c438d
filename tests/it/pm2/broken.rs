//! A PM2 that is out of order: it starts nothing, it chatters, its socket speaks nonsense.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bluegreen::model::color::Color;

use super::{launcher, twice, wrap_pm2};
use crate::sandbox::Sandbox;

/// PM2 says `online` as soon as it has tried.
#[test]
fn online_without_a_process_is_told_with_what_to_look_at() {
    let sandbox = Sandbox::deployed_with(|config| {
        wrap_pm2(config, |root| {
            let (flag, launcher) = (root.join("broken"), launcher(root));
            format!(
                "[ \"$1\" = start ] && [ -e {} ] && chmod a-x {}",
                flag.display(),
                launcher.display()
            )
        });
    });
    fs::write(sandbox.root().join("broken"), "").unwrap();
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(&refused, 1, "green was not started", Color::Blue);
    refused.assert_says("there is no process: check that `");
    refused.assert_says("is executable");
    // Mended by the next deploy itself.
    fs::remove_file(sandbox.root().join("broken")).unwrap();
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
}

/// Another version of PM2 may speak otherwise on its socket and say more on its output.
#[test]
fn an_unknown_socket_and_noise_before_the_list_do_no_harm() {
    let noise = "echo '[PM2] Spawning PM2 daemon'\n\
                 echo '>>>> In-memory PM2 is out-of-date, do:'\n\
                 echo '[PM2][WARN] [\"no list\"]'";
    let sandbox = Sandbox::deployed_with(|config| {
        wrap_pm2(config, |_| noise.to_owned());
    });
    let nonsense = talk_nonsense(&sandbox.pm2_home());
    let sandbox = twice(sandbox);
    let rollback = sandbox.bg(&["rollback"]);
    rollback.assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue), "{rollback}");
    assert_eq!(sandbox.status()["slots"][1]["health"]["state"], "healthy");
    assert!(nonsense.load(Ordering::Relaxed) > 5);
}

/// Stands between the daemon and everybody: `bg` gets nonsense, PM2's own program gets
/// through. Returns how often nonsense was said.
fn talk_nonsense(home: &Path) -> Arc<AtomicUsize> {
    let (socket, real) = (home.join("rpc.sock"), home.join("rpc.real"));
    fs::rename(&socket, &real).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let (real, counted) = (real.clone(), counted.clone());
            std::thread::spawn(move || {
                let mut first = vec![0; 64 << 10];
                let length = client.read(&mut first).unwrap_or(0);
                let first = &first[..length];
                if first.windows(11).any(|piece| piece == b"bluegreen:0") {
                    counted.fetch_add(1, Ordering::Relaxed);
                    client.write_all(b"\x42 hello").ok();
                    return;
                }
                // The sandbox, and the daemon with it, may be gone.
                let Ok(mut daemon) = UnixStream::connect(real) else {
                    return;
                };
                daemon.write_all(first).ok();
                let (from, to) = (daemon.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || pass_on(from, to));
                pass_on(client, daemon);
            });
        }
    });
    count
}

fn pass_on(mut from: UnixStream, mut to: UnixStream) {
    std::io::copy(&mut from, &mut to).ok();
    to.shutdown(Shutdown::Both).ok();
}
