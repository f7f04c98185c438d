//! A host with a site of its own: a work tree, a process of PM2's, and a server block that
//! somebody wrote by hand.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bluegreen::model::color::Color;
use toml::Table;

use crate::load::{Kind, Load, Plan};
use crate::sandbox::wait::wait_until;
use crate::sandbox::{HOST, SECRET, Sandbox, http, python, repo, set};

/// The name of the process in PM2.
pub const PROCESS: &str = "flask-backend";

/// How long a process may take to answer on two busy cores.
pub const LONG: Duration = Duration::from_secs(60);

/// The host.
pub struct Site {
    /// Its NGINX, its PM2, its bg.toml.
    pub sandbox: Sandbox,
}

/// The server block that most tests begin with.
pub fn by_hand(site: &Site) -> String {
    format!(
        "# The shop. Written by hand in 2019; do not touch the timeouts!\n\
         server {{   # port 80\n\
         \tlisten {};\n\
         \tserver_name  {HOST} www.{HOST};\n\
         \n\
         \tlocation / {{\n\
         \t\t# straight to flask\n\
         \t\tproxy_pass http://127.0.0.1:{};   # the port of pm2\n\
         \t\tproxy_set_header Host $host;\n\
         \t\tproxy_read_timeout 75s;\n\
         \t}}\n\
         \n\
         \tlocation /static/ {{ alias {}/static/; }}\n\
         }}\n",
        site.sandbox.address(),
        site.port(),
        site.checkout().display()
    )
}

/// [`by_hand`] with more in its `location /`, and `/health` beside that.
pub fn with_a_front(site: &Site, inside: &str) -> String {
    let open = format!(
        "location = /health {{ proxy_pass http://127.0.0.1:{}; }}\n\tlocation /static/",
        site.port()
    );
    site.vhost_text()
        .replace("# straight to flask", inside)
        .replace("location /static/", &open)
}

/// What a bg.toml for such a site says besides.
pub fn usual(config: &mut Table) {
    set(config, "nginx", "site", "conf.d/by-hand.conf");
    set(config, "gate", "soak", "0s");
}

/// Answers with what arrived.
const ECHO: &str = r#"

@app.get("/echo/<path:rest>")
@app.get("/v1/<path:rest>")
def echo(rest):
    named = {name: request.headers.get(name) for name in ("Host", "X-Forwarded-Proto", "X-Own", "X-Outer", "Connection")}
    return {"uri": request.environ["RAW_URI"], "named": named}


@app.get("/away")
def away():
    return "", 302, {"Location": f"http://{request.host}/there"}
"#;

impl Site {
    /// The sample app behind gunicorn, as PM2 keeps it, and [`by_hand`] in front of it.
    pub fn new() -> Site {
        Site::with(by_hand, |_| {})
    }

    /// The same with another server block, and other settings in bg.toml.
    pub fn with(block: impl Fn(&Site) -> String, change: impl FnOnce(&mut Table)) -> Site {
        let mut site = Site::without_process(block, change);
        site.start(&site.gunicorn());
        site
    }

    /// The same with nothing started.
    pub fn without_process(block: impl Fn(&Site) -> String, change: impl FnOnce(&mut Table)) -> Site {
        let sandbox = Sandbox::with(|config| {
            usual(config);
            change(config);
        });
        Site::on(sandbox, block)
    }

    /// The same on a host that is there already, with the settings of [`usual`].
    pub fn on(sandbox: Sandbox, block: impl Fn(&Site) -> String) -> Site {
        let mut site = Site { sandbox };
        site.sandbox.commit("the shop says what it was asked", |repo| {
            let app = repo.join("app.py");
            let text = fs::read_to_string(&app).unwrap();
            fs::write(app, text + ECHO).unwrap();
        });
        let (from, to) = (site.sandbox.repo(), site.checkout());
        repo::git(
            site.sandbox.root(),
            &["clone", "--quiet", from.to_str().unwrap(), to.to_str().unwrap()],
        );
        let text = block(&site);
        site.serve(&text);
        site
    }

    /// Gives NGINX the server block, from its start.
    pub fn serve(&mut self, text: &str) {
        fs::write(self.vhost(), text).unwrap();
        self.sandbox.front.stop();
        self.sandbox.front.start_again();
    }

    /// The words of gunicorn for the sample app.
    pub fn gunicorn(&self) -> Vec<String> {
        let bind = format!("127.0.0.1:{}", self.port());
        let words = [
            "-m",
            "gunicorn",
            "-b",
            &bind,
            "--worker-class",
            "gthread",
            "--threads",
            "16",
            "--keep-alive",
            "75",
            "app:app",
        ];
        words.map(str::to_owned).to_vec()
    }

    /// Has PM2 start the environment's Python with `words`, and waits until it answers.
    pub fn start(&mut self, words: &[String]) {
        let python = venv().join("bin/python");
        let mut command = self.pm2();
        command.args([
            "start",
            python.to_str().unwrap(),
            "--name",
            PROCESS,
            "--interpreter",
            "none",
            "--",
        ]);
        let output = command.args(words).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
        self.wait_until_it_answers();
    }

    /// PM2 in the work tree, with what the app needs in its environment.
    pub fn pm2(&self) -> Command {
        let mut command = self.sandbox.command("pm2");
        command
            .env("PM2_HOME", self.sandbox.pm2_home())
            .env("SHOP_SECRET", SECRET)
            .current_dir(self.checkout());
        command
    }

    pub fn wait_until_it_answers(&self) {
        wait_until(LONG, "the process answers", || {
            http::get(self.address(), HOST, "/health").is_ok_and(|answer| answer.status == 200)
        });
    }

    /// The work tree.
    pub fn checkout(&self) -> PathBuf {
        self.sandbox.root().join("site")
    }

    /// The server block's file.
    pub fn vhost(&self) -> PathBuf {
        self.sandbox.front.sites().join("by-hand.conf")
    }

    /// What it says now.
    pub fn vhost_text(&self) -> String {
        fs::read_to_string(self.vhost()).unwrap()
    }

    /// The port of the process.
    pub fn port(&self) -> u16 {
        self.address().port()
    }

    fn address(&self) -> SocketAddr {
        self.sandbox.slot_address(Color::Blue)
    }

    /// The process that answers visitors.
    pub fn answering_pid(&self) -> i64 {
        let answer = self.sandbox.get("/whoami");
        let body: serde_json::Value =
            serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"));
        body["pid"].as_i64().unwrap()
    }

    /// How often NGINX has read its configuration since it started.
    pub fn reloads(&self) -> usize {
        let log = fs::read_to_string(self.sandbox.front.error_log()).unwrap();
        log.matches(": reconfiguring").count()
    }

    /// The names of what PM2 keeps.
    pub fn pm2_names(&self) -> Vec<String> {
        crate::front_door::apps::pm2_names(&self.sandbox)
    }

    /// Load by the front door.
    pub fn load(&self) -> Load {
        self.sandbox.load()
    }

    /// Load whose connections are never used twice, which a reload cannot cut.
    pub fn fresh_load(&self) -> Load {
        let workers = [(Kind::FreshGet, 3), (Kind::FreshPost, 2)];
        Load::run(Plan::new(self.sandbox.address(), HOST, &workers))
    }

    /// Whether nothing of ours is left on the host but what stood in the root before.
    pub fn assert_untouched(&self, vhost: &str) {
        assert_eq!(self.vhost_text(), vhost);
        let conf = self.sandbox.front.conf();
        assert!(!conf.with_file_name("bg").exists(), "NGINX's folder has ours");
        assert!(
            !self.sandbox.front.sites().join("bg-shop.conf").exists(),
            "the hook is there"
        );
        assert!(!self.sandbox.link_folder().exists(), "the link is there");
        assert!(
            !self.sandbox.registry().join("shop.toml").exists(),
            "it is registered"
        );
        let left: Vec<_> = fs::read_dir(self.sandbox.app_root())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["shared"], "the root");
        assert_eq!(self.sandbox.get("/health").status, 200);
    }
}

/// An environment with the sample app's packages, made once.
pub fn venv() -> PathBuf {
    let wheels = python::wheels();
    let folder = wheels.with_extension("venv");
    let lock = File::create(wheels.with_extension("venv-lock")).unwrap();
    lock.lock().unwrap();
    if !folder.join("whole").exists() {
        fs::remove_dir_all(&folder).ok();
        run(Command::new(python::interpreter())
            .args(["-m", "venv"])
            .arg(&folder));
        run(Command::new(folder.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--no-index", "--find-links"])
            .arg(wheels)
            .arg("--requirement")
            .arg(repo::sample_app().join("requirements.txt")));
        fs::write(folder.join("whole"), "").unwrap();
    }
    folder
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A program that anybody may run.
pub fn script(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
