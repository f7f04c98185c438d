//! Another user of the host, who takes a color's port.

use std::io::Read;
use std::process::{Child, Stdio};

use bluegreen::model::color::Color;

use crate::sandbox::python::interpreter;
use crate::sandbox::shared::{OTHER, OWNER, Shared};
use crate::sandbox::wait::wait_until;
use crate::sandbox::{HOST, http};

struct Thief(Child);

impl Drop for Thief {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Answers every request on `address` with what it was sent; `None` where the host has no such
/// address.
fn thief(shared: &Shared, address: &str, port: u16) -> Option<Thief> {
    let script = "import socket, sys\n\
        address, port = sys.argv[1], int(sys.argv[2])\n\
        family = socket.AF_INET6 if ':' in address else socket.AF_INET\n\
        server = socket.socket(family, socket.SOCK_STREAM)\n\
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n\
        if family == socket.AF_INET6: server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, address != '::')\n\
        server.bind((address, port))\n\
        server.listen(50)\n\
        print('up', flush=True)\n\
        while True:\n\
        \x20   line, _ = server.accept()\n\
        \x20   said = line.recv(65536)\n\
        \x20   line.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\nConnection: close\\r\\n\\r\\n%s' % (len(said), said))\n\
        \x20   line.close()\n";
    let mut command = shared.command_as(
        OTHER,
        &[
            interpreter().to_str().unwrap(),
            "-c",
            script,
            address,
            &port.to_string(),
        ],
    );
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = [0; 2];
    let up = child.stdout.as_mut().unwrap().read_exact(&mut said);
    let thief = Thief(child);
    up.is_ok().then_some(thief)
}

fn pid(shared: &Shared, color: usize) -> serde_json::Value {
    let status = shared.bg_as(OWNER, &["status", "--json"]);
    status.result()["answer"]["slots"][color]["pid"].clone()
}

#[test]
fn a_deploy_finds_a_stranger_on_the_idle_port_before_the_warm_way_back_is_touched() {
    let Some(shared) = Shared::deployed() else { return };
    shared.bg_as(OWNER, &["deploy"]).assert_code(0);
    let sandbox = &shared.sandbox;
    let port = sandbox.slot_address(Color::Blue).port();
    let warm = pid(&shared, 0);
    assert!(warm.is_u64());
    let mut tried = 0;
    for address in ["127.0.0.2", "::1", "::ffff:127.0.0.3"] {
        let Some(thief) = thief(&shared, address, port) else {
            continue;
        };
        tried += 1;
        let held = format!("port {port} of blue is held by ");
        for user in [OWNER, "root"] {
            let check = shared.bg_as(user, &["check"]);
            let all = format!("{}{}", check.stdout, check.stderr);
            assert!(
                all.contains(&held) && all.contains("`www-data`"),
                "{address}: {check}"
            );
            let deploy = shared.bg_as(user, &["deploy"]);
            sandbox.assert_five(&deploy, 1, &held, Color::Green);
            deploy.assert_says("of `www-data`");
            deploy.assert_says("process.ports");
        }
        let status = shared.bg_as(OWNER, &["status"]);
        assert!(status.stdout.contains(&held), "{status}");
        assert_eq!(pid(&shared, 0), warm, "it was stopped");
        drop(thief);
        assert_eq!(pid(&shared, 0), warm);
    }
    assert!(tried >= 1);
    shared.bg_as(OWNER, &["rollback"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
}

#[test]
fn a_stranger_on_the_live_port_is_said_at_once_and_the_way_out_works() {
    let Some(shared) = Shared::deployed() else { return };
    shared.bg_as(OWNER, &["deploy"]).assert_code(0);
    let sandbox = &shared.sandbox;
    let port = sandbox.slot_address(Color::Green).port();
    let home = sandbox.pm2_home();
    let home = format!("PM2_HOME={}", home.display());
    let stop = shared
        .command_as(OWNER, &["env", &home, "pm2", "stop", "flask-green"])
        .output()
        .unwrap();
    assert!(stop.status.success(), "{stop:?}");
    let mut held = None;
    wait_until(std::time::Duration::from_secs(20), "the port is let go", || {
        held = thief(&shared, "0.0.0.0", port);
        held.is_some()
    });
    let answer = http::get(sandbox.address(), HOST, "/").unwrap();
    assert!(answer.body.contains("Host"), "or this shows nothing: {answer:?}");
    let held_by = format!("port {port} of green is held by ");
    for line in [&["status"][..], &["check"], &["setup"]] {
        let who = if line == ["setup"] { "root" } else { OWNER };
        let told = shared.bg_as(who, line);
        let all = format!("{}{}", told.stdout, told.stderr);
        assert!(all.contains(&held_by) && all.contains("`www-data`"), "{told}");
        if who == OWNER {
            assert!(all.contains("reach that program"), "{told}");
            assert!(
                all.contains("switch blue") && all.contains("maintenance on"),
                "{told}"
            );
        }
    }
    let repair = shared.bg_as(OWNER, &["repair"]);
    repair.assert_says("reach that program");
    // Nothing goes to the color that is not the app's, whoever asks for it.
    let page = shared.bg_as(OWNER, &["maintenance", "on"]);
    page.assert_code(0);
    page.assert_says(&held_by);
    shared.bg_as(OWNER, &["maintenance", "off"]).assert_code(0);
    let switch = shared.bg_as(OWNER, &["switch", "blue"]);
    switch.assert_code(0);
    switch.assert_says(&held_by);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    let back = shared.bg_as(OWNER, &["switch", "green"]);
    sandbox.assert_five(&back, 1, &held_by, Color::Blue);
    let back = shared.bg_as(OWNER, &["rollback", "--force", "to see"]);
    assert_eq!(sandbox.live_color(), Some(Color::Blue), "{back}");
}
