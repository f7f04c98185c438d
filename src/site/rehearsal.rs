//! A real NGINX in a folder of its own, two apps that say their color, and a client that
//! hides nothing. For tests.

mod wire;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use model::color::{Color, Route};
use model::config::{Config, SwitchStrategy};
use model::layout::{Layout, NginxLayout};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use crate::render::{Facts, link_targets, render, render_site};
use nginx::build::Build;
use nginx::{Nginx, files};
use wire::serve_color;
pub use wire::{Answer, PATIENCE, ask};

/// One on which nothing listens, below those that Linux gives to outgoing connections: the tests
/// make many of them.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() * 97 % 20_000).unwrap();
    loop {
        let port = 10_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}

/// What shall be there when NGINX starts.
pub struct Scene {
    pub way: SwitchStrategy,
    /// Name of the folder in which everything lies.
    pub folder: &'static str,
    /// Further lines of `http`.
    pub http: &'static str,
    /// A site in place of ours; `{port}` and `{bg}` are filled in.
    pub site: Option<&'static str>,
    /// Further lines of bg.toml's `[nginx]`.
    pub nginx: &'static str,
    /// Lines above the tables of bg.toml.
    pub top: &'static str,
    /// Names of the site besides `shop.example`, each in quotes and with a comma before it.
    pub names: &'static str,
    /// Whether there can be previews.
    pub previews: bool,
    /// The app's name.
    pub app: &'static str,
}

impl Default for Scene {
    fn default() -> Scene {
        Scene {
            way: SwitchStrategy::Live,
            folder: "a place with spaces",
            http: "",
            site: None,
            nginx: "",
            top: "",
            names: "",
            previews: false,
            app: "shop",
        }
    }
}

pub struct Rehearsal {
    pub config: Config,
    pub layout: Layout,
    pub files: NginxLayout,
    pub nginx: Nginx,
    pub build: Build,
    pub port: u16,
    way: SwitchStrategy,
    child: Option<Child>,
    _temp: tempfile::TempDir,
}

impl Rehearsal {
    /// Everything written and NGINX answering.
    pub async fn start(scene: Scene) -> Rehearsal {
        let mut rehearsal = Rehearsal::prepare(&scene).await;
        rehearsal.run();
        rehearsal
    }

    /// Everything written, NGINX not started.
    pub async fn prepare(scene: &Scene) -> Rehearsal {
        let temp = tempfile::tempdir().unwrap();
        let base = temp.path().join(scene.folder);
        let port = free_port();
        let config = config(&base, port, scene);
        let (layout, files) = (Layout::new(&config.root), NginxLayout::new(&config));
        std::fs::create_dir_all(base.join("etc/conf.d")).unwrap();
        std::fs::write(files.conf(), main_conf(&base, scene.http)).unwrap();
        let nginx = Nginx {
            bin: config.nginx.bin.clone(),
            conf: files.conf().to_owned(),
            pid_file: base.join("pid"),
        };
        let build = nginx.build().await.unwrap();
        let rehearsal = Rehearsal {
            config,
            layout,
            files,
            nginx,
            build,
            port,
            way: scene.way,
            child: None,
            _temp: temp,
        };
        rehearsal.write(scene.site);
        rehearsal.route(Route::to(Color::Blue));
        rehearsal
    }

    fn write(&self, own_site: Option<&str>) {
        let (config, layout, files) = (&self.config, &self.layout, &self.files);
        let facts = Facts {
            realip: self.build.realip,
            ..Facts::default()
        };
        let mut all = render(config, layout, files, self.way, &facts).unwrap();
        all.extend(link_targets(config, layout, files, None).unwrap());
        match own_site {
            Some(text) => {
                let text = text.replace("{port}", &self.port.to_string());
                std::fs::write(files.site(), text.replace("{bg}", "bg/shop")).unwrap();
            }
            None => all.extend(render_site(config, layout, files, self.way, &facts).unwrap()),
        }
        files::apply(files::plan(&all).unwrap(), &files.folder().join("backup")).unwrap();
        std::fs::create_dir_all(files.previews()).unwrap();
        std::fs::create_dir_all(files.facts_folder()).unwrap();
        std::fs::create_dir_all(files.answers()).unwrap();
        for color in Color::BOTH {
            serve_color(color, config.process.ports.of(color));
            std::fs::write(
                files.answer(color),
                format!(r#"{{"app":"shop","color":"{color}"}}"#),
            )
            .unwrap();
        }
    }

    pub fn run(&mut self) {
        self.child = Some(self.spawn());
        let until = Instant::now() + PATIENCE;
        let up = |r: &Rehearsal| r.nginx.master().is_ok_and(|master| !master.workers().is_empty());
        while !up(self) {
            let tested = || {
                let test = std::process::Command::new(&self.nginx.bin)
                    .arg("-t")
                    .arg("-c")
                    .arg(&self.nginx.conf)
                    .output();
                String::from_utf8(test.unwrap().stderr).unwrap()
            };
            assert!(Instant::now() < until, "NGINX does not start: {}", tested());
            // Another test's connection may have its port for a moment.
            if self
                .child
                .as_mut()
                .is_some_and(|child| child.try_wait().unwrap().is_some())
            {
                self.child = Some(self.spawn());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn spawn(&self) -> Child {
        std::process::Command::new(&self.nginx.bin)
            .arg("-c")
            .arg(&self.nginx.conf)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    pub fn error_log(&self) -> PathBuf {
        self.nginx.pid_file.with_file_name("error.log")
    }

    /// Turns the link, as the engine does: a new one renamed over the old one.
    pub fn route(&self, route: Route) {
        let beside = self.files.link_folder().join("next");
        std::os::unix::fs::symlink(route.folder(), &beside).unwrap();
        std::fs::rename(&beside, self.files.live()).unwrap();
    }

    /// Has `tokens` hold, and no others, and NGINX look for them.
    pub fn preview(&self, tokens: &[&str]) {
        for left in std::fs::read_dir(self.files.previews()).unwrap() {
            std::fs::remove_file(left.unwrap().path()).unwrap();
        }
        for token in tokens {
            std::fs::write(self.files.previews().join(token), "").unwrap();
        }
        for route in Route::ALL {
            std::fs::write(self.files.special(route), "").unwrap();
        }
    }

    /// Turns the link and, in the reload way, has NGINX read it.
    pub async fn switch(&self, route: Route) {
        self.route(route);
        if self.way == SwitchStrategy::Reload {
            self.nginx.reload(None, PATIENCE).await.unwrap();
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", "").await
    }

    pub async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        ask(Ipv4Addr::LOCALHOST.into(), to, method, path, headers, body).await
    }

    /// Sends `request` as it is.
    pub async fn raw(&self, request: &str) -> Answer {
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        wire::raw(Ipv4Addr::LOCALHOST.into(), to, request).await
    }

    /// From an address of this machine that is neither loopback nor NGINX's own: to NGINX
    /// that is a visitor. `None` where the machine has no such address.
    pub async fn ask_from_outside(&self, path: &str, headers: &str) -> Option<Answer> {
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        Some(ask(outside()?, to, "GET", path, headers, "").await)
    }
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).ok();
            child.wait().ok();
        }
    }
}

/// This machine's address towards others. No packet is sent.
pub fn outside() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("198.51.100.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback())
}

fn config(base: &std::path::Path, port: u16, scene: &Scene) -> Config {
    let Scene {
        nginx,
        top,
        names,
        app,
        ..
    } = scene;
    let loopback_port = match scene.previews {
        true => format!("loopback_port = {}", free_port()),
        false => String::new(),
    };
    let bin = std::env::var("BG_TEST_NGINX").unwrap_or_else(|_| "/usr/sbin/nginx".into());
    let text = format!(
        r#"
        app = "{app}"
        root = "/replaced"
        {top}
        source.git = "/nowhere"
        process.run = "true"
        process.ports = {{ blue = {}, green = {} }}
        [nginx]
        bin = {bin:?}
        server_names = ["shop.example"{names}]
        listen = ["0.0.0.0:{port}"]
        {nginx}
        {loopback_port}
        "#,
        free_port(),
        free_port()
    );
    let mut config: Config = toml::from_str(&text).unwrap();
    config.root = base.join("root");
    config.nginx.conf = base.join("etc/nginx.conf");
    config.nginx.link_folder = Some(base.join("link \\ folder"));
    config
}

fn main_conf(base: &std::path::Path, http: &str) -> String {
    let base = base.to_str().unwrap().replace('\\', "\\\\").replace('"', "\\\"");
    let user = if geteuid().is_root() { "user root;" } else { "" };
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path \"{base}/{kind}\";\n"))
        .collect();
    format!(
        "{user} daemon off; worker_processes 2;\npid \"{base}/pid\";\nerror_log \"{base}/error.log\";\n\
         events {{ worker_connections 64; }}\nhttp {{ access_log off;\n{temp}{http}\ninclude conf.d/*.conf; }}\n"
    )
}
