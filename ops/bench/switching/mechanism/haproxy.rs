//! HAProxy, told over its runtime API.

use std::fs;
use std::process::{Child, Command, Stdio};

use bluegreen::model::color::Color;

use crate::sandbox::folder::Folder;
use crate::sandbox::ports::Port;
use crate::traffic::Site;

use super::ground::by_hand;
use super::slots::{Slots, wait_for};
use super::{Ground, Mechanism, program};

/// Both colors are servers of one backend, one of them in maintenance.
pub struct Haproxy {
    site: Site,
    server: Child,
    api: Port,
    _slots: Slots,
    _ports: [Port; 2],
    folder: Folder,
}

impl Haproxy {
    /// Starts it, blue being live; `None` where it is not installed.
    pub fn start(ground: &Ground) -> Option<Haproxy> {
        let haproxy = program("haproxy")?;
        let folder = Folder::new();
        let slots = Slots::start(ground, &folder);
        let ports = [Port::free(), Port::free()];
        let api = Port::free();
        let site = ground.site(&ports[0], &ports[1]);
        let pem = [ground.certificate(), ground.key()].map(|file| fs::read_to_string(file).unwrap());
        fs::write(folder.join("site.pem"), pem.concat()).unwrap();
        let file = folder.join("haproxy.cfg");
        fs::write(&file, config(&folder, &site, &api, &slots)).unwrap();
        let server = Command::new(haproxy)
            .args(["-db", "-f"])
            .arg(&file)
            .current_dir(&*folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("haproxy.log")).unwrap())
            .spawn()
            .unwrap();
        wait_for(site.plain.port());
        Some(Haproxy {
            site,
            server,
            api,
            _slots: slots,
            _ports: ports,
            folder,
        })
    }
}

impl Mechanism for Haproxy {
    fn name(&self) -> &'static str {
        "haproxy"
    }

    fn site(&self) -> &Site {
        &self.site
    }

    fn switch(&self, to: Color) -> Command {
        let mut command = Command::new(by_hand("haproxy"));
        command
            .args([to.name(), &self.api.number().to_string()])
            .current_dir(&*self.folder);
        command
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

fn config(folder: &Folder, site: &Site, api: &Port, slots: &Slots) -> String {
    format!(
        "global
    stats socket ipv4@127.0.0.1:{api} level admin
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
    timeout http-keep-alive 75s
frontend site
    bind {plain}
    bind {tls} ssl crt {folder}/site.pem alpn h2,http/1.1
    default_backend shop
backend shop
    server blue 127.0.0.1:{blue}
    server green 127.0.0.1:{green} disabled
",
        api = api.number(),
        plain = site.plain,
        tls = site.tls,
        folder = folder.display(),
        blue = slots.port(Color::Blue),
        green = slots.port(Color::Green),
    )
}
