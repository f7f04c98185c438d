//! One process under PM2, restarted: what most have today.

use std::fs;
use std::process::Command;

use bluegreen::model::color::Color;

use crate::sandbox::folder::Folder;
use crate::sandbox::front::Front;
use crate::sandbox::path_with_tools;
use crate::sandbox::ports::Port;
use crate::traffic::Site;

use super::ground::{GUNICORN, by_hand, run};
use super::nginx::{server, upstream};
use super::slots::wait_for;
use super::{Ground, Mechanism, program};

/// The app reads its color, through a link, when it starts.
pub struct Pm2 {
    verb: &'static str,
    site: Site,
    front: Front,
    _ports: [Port; 3],
    folder: Folder,
}

impl Pm2 {
    /// Starts it with blue's files; `None` where PM2 is not installed. `verb` is `reload` or
    /// `restart`.
    pub fn start(verb: &'static str, ground: &Ground) -> Option<Pm2> {
        program("pm2")?;
        let folder = Folder::new();
        for color in Color::BOTH {
            let release = folder.join(color.name());
            fs::create_dir_all(&release).unwrap();
            fs::write(release.join("COLOR"), color.name()).unwrap();
        }
        std::os::unix::fs::symlink("blue", folder.join("current")).unwrap();
        let ports = [Port::free(), Port::free(), Port::free()];
        let site = ground.site(&ports[0], &ports[1]);
        let port = ports[2].number();
        let lines = upstream(port) + &server(ground, &site);
        let pm2 = Pm2 {
            verb,
            site,
            front: Front::start_with(&folder, &lines),
            _ports: ports,
            folder,
        };
        run(pm2
            .command("pm2")
            .args(["start", "--name", "shop", "--interpreter", "none", "--cwd"])
            .arg(ground.app())
            .arg(ground.python())
            .arg("--")
            .args(GUNICORN)
            .args(["--bind", &format!("127.0.0.1:{port}"), "app:app"])
            .env("COLOR_FILE", pm2.folder.join("current/COLOR")));
        wait_for(port);
        Some(pm2)
    }

    /// As in the table.
    pub fn name_of(verb: &str) -> &'static str {
        if verb == "reload" {
            "pm2 reload"
        } else {
            "pm2 restart"
        }
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", path_with_tools())
            .env("HOME", &*self.folder)
            .env("PM2_HOME", self.folder.join("pm2"))
            .current_dir(&*self.folder);
        command
    }
}

impl Mechanism for Pm2 {
    fn name(&self) -> &'static str {
        Pm2::name_of(self.verb)
    }

    fn site(&self) -> &Site {
        &self.site
    }

    fn switch(&self, to: Color) -> Command {
        let mut command = self.command(by_hand("pm2"));
        command.args([self.verb, to.name()]);
        command
    }
}

impl Drop for Pm2 {
    fn drop(&mut self) {
        self.front.stop();
    }
}
