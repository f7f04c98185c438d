//! The script written by hand, with an NGINX and a PM2 of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sandbox::folder::Folder;
use crate::sandbox::front::{self, Front};
use crate::sandbox::ports::Port;
use crate::sandbox::{HOST, path_with_tools, python, repo};

use super::deployer::Deployer;

/// An app with a release in each color.
pub struct Hand {
    front: Front,
    door: Port,
    slots: [(&'static str, Port); 2],
    folder: Folder,
}

impl Hand {
    pub fn start() -> Hand {
        let folder = Folder::new();
        let (door, slots) = (Port::free(), [("blue", Port::free()), ("green", Port::free())]);
        repo::create(&folder.join("repo"));
        let app = folder.join("app");
        fs::create_dir_all(app.join("nginx")).unwrap();
        repo::git(&app, &["clone", "--quiet", "--mirror", "../repo", "mirror"]);
        for (color, port) in &slots {
            let upstream = format!(
                "upstream shop {{ server 127.0.0.1:{}; keepalive 32; }}\n",
                port.number()
            );
            fs::write(app.join("nginx").join(color).with_extension("conf"), upstream).unwrap();
        }
        std::os::unix::fs::symlink("blue.conf", app.join("nginx/live.conf")).unwrap();
        let hand = Hand {
            front: Front::start_with(&app, &site(&door)),
            door,
            slots,
            folder,
        };
        for _ in 0..2 {
            hand.commit();
            assert!(hand.command().status().unwrap().success(), "the script");
        }
        hand
    }

    fn app(&self) -> PathBuf {
        self.folder.join("app")
    }
}

fn site(door: &Port) -> String {
    format!(
        "include live.conf;
    server {{
        listen 127.0.0.1:{};
        server_name {HOST};
        location / {{
            proxy_pass http://shop;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Connection \"\";
        }}
    }}",
        door.number()
    )
}

impl Deployer for Hand {
    fn repo(&self) -> PathBuf {
        self.folder.join("repo")
    }

    fn door(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.door.number()).into()
    }

    fn command(&self) -> Command {
        let live = fs::read_link(self.app().join("nginx/live.conf")).unwrap();
        let (color, port) = self
            .slots
            .iter()
            .find(|(color, _)| !live.starts_with(Path::new(color).with_extension("conf")))
            .unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/bench/deploying/by-hand");
        let mut command = Command::new(script);
        command
            .arg(color)
            .arg(port.number().to_string())
            .current_dir(self.app())
            .env_clear()
            .env("PATH", path_with_tools())
            .env("HOME", self.app())
            .env("PM2_HOME", self.folder.join("pm2"))
            .env("PYTHON", python::interpreter())
            .env("NGINX", front::program())
            .env("SHOP_SECRET", "a secret for nobody")
            .stdin(std::process::Stdio::null());
        command
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.front.stop();
    }
}
