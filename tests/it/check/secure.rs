//! A site with a TLS listener, whose certificates are an authority's of its own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use toml::{Table, Value};

use super::authority::{Authority, Wish};
use super::preload;
use crate::sandbox::outcome::Outcome;
use crate::sandbox::ports::Port;
use crate::sandbox::{Sandbox, set};

/// The site; nothing is set up yet.
pub(super) struct Secure {
    pub(super) sandbox: Sandbox,
    pub(super) authority: Authority,
    /// Where the listener is.
    pub(super) place: String,
    _port: Port,
}

impl Secure {
    pub(super) fn new() -> Secure {
        Secure::with(|_| {})
    }

    /// With other settings in `bg.toml`.
    pub(super) fn with(change: impl FnOnce(&mut Table)) -> Secure {
        let port = Port::free();
        let place = format!("127.0.0.1:{}", port.number());
        let sandbox = Sandbox::new();
        let authority = Authority::new(&sandbox.root().join("authority"), "Shop", 900);
        let secure = Secure {
            sandbox,
            authority,
            place,
            _port: port,
        };
        fs::create_dir(secure.folder()).unwrap();
        let path = |file: &str| secure.folder().join(file).to_str().unwrap().to_owned();
        secure.sandbox.configure(|config| {
            let plain = secure.sandbox.address().to_string();
            let listen = [plain, format!("{} ssl", secure.place)].map(Value::String);
            set(config, "nginx", "listen", Value::Array(listen.into()));
            let mut tls = Table::new();
            tls.insert("certificate".into(), path("cert.pem").into());
            tls.insert("key".into(), path("privkey.pem").into());
            set(config, "nginx", "tls", Value::Table(tls));
            change(config);
        });
        secure.serve_good();
        secure
    }

    /// Where certificate and key are.
    pub(super) fn folder(&self) -> PathBuf {
        self.sandbox.root().join("tls")
    }

    /// Writes a file beside the certificate, or the certificate.
    pub(super) fn write(&self, file: &str, text: &str) {
        fs::write(self.folder().join(file), text).unwrap();
    }

    /// A certificate with its intermediate.
    pub(super) fn serve_good(&self) {
        let (leaf, key) = self.authority.issue(&Wish::default());
        self.serve(&(leaf + &self.authority.intermediate()), &key);
    }

    /// Puts both in place, and nothing else beside them.
    pub(super) fn serve(&self, certificate: &str, key: &str) {
        for file in ["chain.pem", "fullchain.pem"] {
            fs::remove_file(self.folder().join(file)).ok();
        }
        self.write("cert.pem", certificate);
        self.write("privkey.pem", key);
    }

    /// `bg` of a user whose clients know this authority, with a clock that is kept right.
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.sandbox.bg_command(args);
        command.env("SSL_CERT_FILE", self.authority.root());
        preload::into(&mut command).env("TEST_CLOCK_STATE", preload::RIGHT);
        command
    }

    /// The same, run.
    pub(super) fn bg(&self, args: &[&str]) -> Outcome {
        run(self.command(args), args)
    }
}

/// Runs it to its end.
pub(super) fn run(mut command: Command, args: &[&str]) -> Outcome {
    let started = Instant::now();
    let output = command.output().unwrap();
    Outcome::new(args, &output, started.elapsed())
}
