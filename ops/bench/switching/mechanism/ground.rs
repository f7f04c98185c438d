//! What all stacks have in common: the certificate, the Python environment, the app.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sandbox::folder::Folder;
use crate::sandbox::ports::Port;
use crate::sandbox::{HOST, python, repo};
use crate::traffic::Site;

/// Made once, used by all.
pub struct Ground {
    folder: Folder,
    certificate: Vec<u8>,
}

impl Ground {
    /// Takes some seconds: packages are installed.
    pub fn new() -> Ground {
        let folder = Folder::new();
        let signed = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
        fs::write(folder.join("cert.pem"), signed.cert.pem()).unwrap();
        fs::write(folder.join("key.pem"), signed.signing_key.serialize_pem()).unwrap();
        fs::copy(app(), folder.join("app.py")).unwrap();
        let ground = Ground {
            certificate: signed.cert.der().to_vec(),
            folder,
        };
        ground.install();
        ground
    }

    /// The site behind two ports.
    pub fn site(&self, plain: &Port, tls: &Port) -> Site {
        let local = |port: &Port| SocketAddr::from((Ipv4Addr::LOCALHOST, port.number()));
        Site {
            plain: local(plain),
            tls: local(tls),
            host: HOST.to_owned(),
            certificate: self.certificate.clone(),
        }
    }

    /// The certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("cert.pem")
    }

    /// Its key.
    pub fn key(&self) -> PathBuf {
        self.folder.join("key.pem")
    }

    /// The folder of the app.
    pub fn app(&self) -> &Path {
        &self.folder
    }

    /// Python with the app's packages.
    pub fn python(&self) -> PathBuf {
        self.folder.join("venv/bin/python")
    }

    fn install(&self) {
        run(Command::new(python::interpreter())
            .args(["-m", "venv"])
            .arg(self.folder.join("venv")));
        run(Command::new(self.python())
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--no-index", "--find-links"])
            .arg(python::wheels())
            .arg("--requirement")
            .arg(repo::sample_app().join("requirements.txt")));
    }
}

/// The app that is measured.
pub fn app() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/bench/switching/app.py")
}

/// A script of those written by hand.
pub fn by_hand(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("ops/bench/switching/by-hand")
        .join(name)
}

/// What gunicorn is started with, the same in every stack.
pub const GUNICORN: [&str; 8] = [
    "-m",
    "gunicorn",
    "--worker-class",
    "gthread",
    "--threads",
    "48",
    "--keep-alive",
    "75",
];

/// Runs a command that must succeed.
pub fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
