//! The two colors outside of `bg`: two gunicorns, started once and left alone.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bluegreen::model::color::Color;

use crate::sandbox::ports::Port;
use crate::sandbox::{HOST, http, wait::wait_until};

use super::Ground;
use super::ground::GUNICORN;

/// Both are running.
pub struct Slots {
    slots: Vec<(Color, Port, Child)>,
}

impl Slots {
    /// Starts them; what they leave behind lies in `folder`.
    pub fn start(ground: &Ground, folder: &Path) -> Slots {
        let slots = Color::BOTH.map(|color| {
            let port = Port::free();
            let child = start(ground, folder, color, port.number());
            (color, port, child)
        });
        let slots = Slots { slots: slots.into() };
        for color in Color::BOTH {
            wait_for(slots.port(color));
        }
        slots
    }

    /// Where one listens.
    pub fn port(&self, color: Color) -> u16 {
        let slot = self.slots.iter().find(|slot| slot.0 == color);
        slot.unwrap().1.number()
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        // Its worker goes with it, or with the folder that both work in.
        for (_, _, child) in &mut self.slots {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn start(ground: &Ground, folder: &Path, color: Color, port: u16) -> Child {
    let file = folder.join(color.name()).with_extension("color");
    fs::write(&file, color.name()).unwrap();
    let log = fs::File::create(file.with_extension("log")).unwrap();
    Command::new(ground.python())
        .args(GUNICORN)
        .args(["--bind", &format!("127.0.0.1:{port}"), "--chdir"])
        .arg(ground.app())
        .arg("app:app")
        .current_dir(folder)
        .env_remove("PORT")
        .env("COLOR_FILE", file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Until an app answers on `port`.
pub fn wait_for(port: u16) {
    let address = ([127, 0, 0, 1], port).into();
    wait_until(Duration::from_secs(30), "the app answers", || {
        http::get(address, HOST, "/health").is_ok_and(|answer| answer.status == 200)
    });
}
