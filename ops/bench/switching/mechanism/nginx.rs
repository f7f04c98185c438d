//! NGINX as a person sets it up, and the script that a person writes to switch it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use bluegreen::model::color::Color;

use crate::sandbox::folder::Folder;
use crate::sandbox::front::{self, Front};
use crate::sandbox::ports::Port;
use crate::sandbox::{HOST, path_with_tools};
use crate::traffic::Site;

use super::ground::by_hand;
use super::slots::Slots;
use super::{Ground, Mechanism};

/// HTTP/2 connections of NGINX end after so many requests, in the middle of others; no
/// switch has to do with that, so it is taken out of every stack.
pub const NO_END_OF_CONNECTIONS: &str = "keepalive_requests 1000000000;";

/// `ln -s`, `mv -T`, `nginx -t`, `nginx -s reload`.
pub struct Script {
    site: Site,
    front: Front,
    _slots: Slots,
    _ports: [Port; 2],
    folder: Folder,
}

impl Script {
    /// Starts it; blue is live.
    pub fn start(ground: &Ground) -> Script {
        let folder = Folder::new();
        let slots = Slots::start(ground, &folder);
        let ports = [Port::free(), Port::free()];
        let site = ground.site(&ports[0], &ports[1]);
        let nginx = folder.join("nginx");
        fs::create_dir_all(&nginx).unwrap();
        for color in Color::BOTH {
            let file = nginx.join(color.name()).with_extension("conf");
            fs::write(file, upstream(slots.port(color))).unwrap();
        }
        std::os::unix::fs::symlink("blue.conf", nginx.join("live.conf")).unwrap();
        let lines = format!("include live.conf;\n{}", server(ground, &site));
        Script {
            site,
            front: Front::start_with(&folder, &lines),
            _slots: slots,
            _ports: ports,
            folder,
        }
    }
}

impl Mechanism for Script {
    fn name(&self) -> &'static str {
        "script"
    }

    fn site(&self) -> &Site {
        &self.site
    }

    fn switch(&self, to: Color) -> Command {
        let mut command = Command::new(by_hand("nginx"));
        command
            .arg(to.name())
            .current_dir(self.folder.join("nginx"))
            .env("PATH", path_with_tools())
            .env("NGINX", front::program());
        command
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.front.stop();
    }
}

/// One server, its connections kept.
pub fn upstream(port: u16) -> String {
    format!("upstream shop {{ server 127.0.0.1:{port}; keepalive 32; }}\n")
}

/// The site in front of it.
pub fn server(ground: &Ground, site: &Site) -> String {
    let (certificate, key): (PathBuf, PathBuf) = (ground.certificate(), ground.key());
    format!(
        "{NO_END_OF_CONNECTIONS}
    map $http_upgrade $connection_upgrade {{ default upgrade; \"\" \"\"; }}
    server {{
        listen {plain};
        listen {tls} ssl http2;
        server_name {HOST};
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        location / {{
            proxy_pass http://shop;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
        }}
    }}",
        plain = site.plain,
        tls = site.tls,
        certificate = certificate.display(),
        key = key.display(),
    )
}
