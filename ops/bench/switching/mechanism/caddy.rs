//! Caddy, which takes a whole new configuration.

use std::fs;
use std::process::{Child, Command, Stdio};

use bluegreen::model::color::Color;

use crate::sandbox::folder::Folder;
use crate::sandbox::path_with_tools;
use crate::sandbox::ports::Port;
use crate::traffic::Site;

use super::ground::by_hand;
use super::slots::{Slots, wait_for};
use super::{Ground, Mechanism, program};

/// A configuration for each color.
pub struct Caddy {
    site: Site,
    server: Child,
    admin: Port,
    _slots: Slots,
    _ports: [Port; 2],
    folder: Folder,
}

impl Caddy {
    /// Starts it, blue being live; `None` where it is not installed.
    pub fn start(ground: &Ground) -> Option<Caddy> {
        let caddy = program("caddy")?;
        let folder = Folder::new();
        let slots = Slots::start(ground, &folder);
        let ports = [Port::free(), Port::free()];
        let admin = Port::free();
        let site = ground.site(&ports[0], &ports[1]);
        for color in Color::BOTH {
            let file = folder.join(color.name()).with_extension("caddy");
            fs::write(file, config(ground, &site, &admin, slots.port(color))).unwrap();
        }
        let server = Command::new(caddy)
            .args(["run", "--config", "blue.caddy", "--adapter", "caddyfile"])
            .current_dir(&*folder)
            .env("HOME", &*folder)
            .env("XDG_DATA_HOME", &*folder)
            .env("XDG_CONFIG_HOME", &*folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("caddy.log")).unwrap())
            .spawn()
            .unwrap();
        wait_for(site.plain.port());
        Some(Caddy {
            site,
            server,
            admin,
            _slots: slots,
            _ports: ports,
            folder,
        })
    }
}

impl Mechanism for Caddy {
    fn name(&self) -> &'static str {
        "caddy"
    }

    fn site(&self) -> &Site {
        &self.site
    }

    fn switch(&self, to: Color) -> Command {
        let mut command = Command::new(by_hand("caddy"));
        command
            .args([to.name(), &format!("127.0.0.1:{}", self.admin.number())])
            .current_dir(&*self.folder)
            .env("PATH", path_with_tools())
            .env("HOME", &*self.folder)
            .env("XDG_DATA_HOME", &*self.folder)
            .env("XDG_CONFIG_HOME", &*self.folder);
        command
    }
}

impl Drop for Caddy {
    fn drop(&mut self) {
        self.server.kill().ok();
        self.server.wait().ok();
    }
}

fn config(ground: &Ground, site: &Site, admin: &Port, slot: u16) -> String {
    format!(
        "{{
    admin 127.0.0.1:{admin}
    auto_https off
}}
http://:{plain} {{
    bind 127.0.0.1
    reverse_proxy 127.0.0.1:{slot}
}}
https://{host}:{tls} {{
    bind 127.0.0.1
    tls {certificate} {key}
    reverse_proxy 127.0.0.1:{slot}
}}
",
        admin = admin.number(),
        plain = site.plain.port(),
        tls = site.tls.port(),
        host = site.host,
        certificate = ground.certificate().display(),
        key = ground.key().display(),
    )
}
