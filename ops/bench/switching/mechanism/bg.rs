//! `bg` itself: the program as it is released, in one of its ways.

use std::path::PathBuf;
use std::process::Command;

use bluegreen::model::color::Color;
use toml::Value;

use crate::measured;
use crate::sandbox::ports::Port;
use crate::sandbox::{Sandbox, set};
use crate::traffic::Site;

use super::ground::{GUNICORN, app, run};
use super::nginx::NO_END_OF_CONNECTIONS;
use super::{Ground, Mechanism};

/// An app with a release in each color.
pub struct Bg {
    way: &'static str,
    sandbox: Sandbox,
    site: Site,
    _tls: Port,
}

impl Bg {
    /// Set up in the way `way` and deployed twice, so that green is live. The evidence goes
    /// on for `window` after a switch.
    pub fn start(way: &'static str, window: &str, ground: &Ground) -> Bg {
        let tls = Port::free();
        let sandbox = Sandbox::with(|config| {
            set(config, "nginx", "switch", way);
            set(config, "nginx", "static", Value::Array(Vec::new()));
            set(config, "evidence", "window", window);
            // The machine may be busy with more than this.
            set(config, "timeouts", "proof", "10s");
            let command = format!(
                "{{{{ venv }}}}/bin/python {} --bind 127.0.0.1:{{{{ port }}}} app:app",
                GUNICORN.join(" ")
            );
            set(config, "process", "run", command);
        });
        let site = Site {
            plain: sandbox.address(),
            ..ground.site(&tls, &tls)
        };
        sandbox.configure(|config| add_tls(config, ground, &site));
        sandbox.front.write_conf(NO_END_OF_CONNECTIONS);
        sandbox.front.reload();
        let bg = Bg {
            way,
            sandbox,
            site,
            _tls: tls,
        };
        bg.release_twice();
        bg
    }

    /// `bg` with these words.
    pub fn command(&self, words: &[&str]) -> Command {
        measured::command(&self.sandbox, words)
    }

    /// The way that setup has decided on.
    pub fn way(&self) -> String {
        let output = self.command(&["status", "--json"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let result: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        result["answer"]["switch"]
            .as_str()
            .unwrap_or("unknown")
            .to_owned()
    }

    fn release_twice(&self) {
        self.sandbox.commit("what is measured", |repo| {
            std::fs::copy(app(), repo.join("app.py")).unwrap();
        });
        for words in [&["setup"], &["deploy"]] {
            run(&mut self.command(words));
        }
        self.sandbox.commit("the same again", |_| {});
        run(&mut self.command(&["deploy"]));
    }
}

impl Mechanism for Bg {
    fn name(&self) -> &'static str {
        match self.way {
            "live" => "bg live",
            "reload" => "bg reload",
            _ => "bg auto",
        }
    }

    fn site(&self) -> &Site {
        &self.site
    }

    fn switch(&self, _: Color) -> Command {
        self.command(&["switch"])
    }
}

fn add_tls(config: &mut toml::Table, ground: &Ground, site: &Site) {
    let listen = [site.plain.to_string(), format!("{} ssl http2", site.tls)];
    set(config, "nginx", "listen", Vec::from(listen.map(Value::String)));
    let path = |path: PathBuf| Value::String(path.to_str().unwrap().to_owned());
    let tls = [
        ("certificate".to_owned(), path(ground.certificate())),
        ("key".to_owned(), path(ground.key())),
    ];
    set(config, "nginx", "tls", Value::Table(tls.into_iter().collect()));
}
