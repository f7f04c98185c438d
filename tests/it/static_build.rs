//! The program that `ops/build` makes: it must run where nothing of this machine is at hand.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use bluegreen::model::config::SwitchStrategy;
use bluegreen::model::layout::Entry;
use bluegreen::sys::self_install::Content;
use bluegreen::sys::system_paths::SWAP;
use nix::unistd::Uid;
use sha2::{Digest, Sha256};

use crate::sandbox::APP;
use crate::sandbox::folder::Folder;
use crate::sandbox::outcome::Outcome;

/// `PT_INTERP` of elf.h: the loader that a program wants.
const WANTS_A_LOADER: u32 = 3;

fn static_program() -> PathBuf {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/static/bluegreen");
    assert!(
        program.exists(),
        "there is no {}: `ops/build --dev` makes it",
        program.display()
    );
    program
}

#[test]
fn it_wants_no_loader() {
    let types = segments(&fs::read(static_program()).unwrap());
    assert!(types.len() > 2, "{types:?}");
    assert!(!types.contains(&WANTS_A_LOADER), "{types:?}");
    // The ordinary build does, unless it was built the same way.
    let ordinary = segments(&fs::read(env!("CARGO_BIN_EXE_bluegreen")).unwrap());
    assert_eq!(
        ordinary.contains(&WANTS_A_LOADER),
        !cfg!(target_feature = "crt-static"),
        "{ordinary:?}"
    );
}

#[test]
fn it_carries_the_program_that_moves_traffic_as_root() {
    let folder = Folder::new();
    let program = folder.join(SWAP);
    let carried = Content::carried_by(&static_program()).unwrap().unwrap();
    assert!(carried.put(&program).unwrap());
    assert!(!segments(&fs::read(&program).unwrap()).contains(&WANTS_A_LOADER));
    let output = Command::new(&program).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: expected two arguments: an app and a route\n"
    );
}

/// The types of the program headers of a 64-bit ELF file.
fn segments(elf: &[u8]) -> Vec<u32> {
    assert_eq!(elf[..5], *b"\x7fELF\x02");
    let half = |at: usize| usize::from(u16::from_le_bytes(elf[at..at + 2].try_into().unwrap()));
    let start = u64::from_le_bytes(elf[32..40].try_into().unwrap());
    let start = usize::try_from(start).unwrap();
    let (size, count) = (half(54), half(56));
    (0..count)
        .map(|number| start + number * size)
        .map(|at| u32::from_le_bytes(elf[at..at + 4].try_into().unwrap()))
        .collect()
}

#[test]
fn its_checksum_is_beside_it() {
    let program = static_program();
    let sum = Sha256::digest(fs::read(&program).unwrap());
    let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
    let beside = fs::read_to_string(program.with_extension("sha256")).unwrap();
    assert_eq!(beside, format!("{sum}  bluegreen\n"));
}

/// A root folder with the program and nothing of a system.
struct Empty {
    folder: Folder,
}

impl Empty {
    fn new() -> Empty {
        let folder = Folder::new();
        // By a process of its own: one that another test forks meanwhile would have the copy open for
        // writing, and nobody could run it.
        let copied = Command::new("cp")
            .arg(static_program())
            .arg(folder.join("bluegreen"))
            .status();
        assert!(copied.unwrap().success());
        Empty { folder }
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// `bluegreen` with this as its root folder; `None`, and a word about it, where this user
    /// may not have one.
    fn bg(&self, args: &[&str]) -> Option<Outcome> {
        let mut command = Command::new("unshare");
        if !Uid::effective().is_root() {
            command.args(["--user", "--map-root-user"]);
            if !command.arg("true").status().is_ok_and(|status| status.success()) {
                eprintln!("not tried: another root folder needs root, or a user namespace");
                return None;
            }
            command = Command::new("unshare");
            command.args(["--user", "--map-root-user"]);
        }
        command
            .arg("--root")
            .arg(&*self.folder)
            .arg("/bluegreen")
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("BG_REGISTRY", "/registry")
            .stdin(Stdio::null());
        let started = Instant::now();
        let output = command.output().unwrap();
        Some(Outcome::new(args, &output, started.elapsed()))
    }

    /// An app of `deploy`, whose site listens with TLS on `port`.
    fn set_up_app(&self, port: u16) {
        let entry = Entry {
            format: Entry::FORMAT,
            app: APP.into(),
            root: "/srv/shop".into(),
            owner: "deploy".into(),
            pm2_home: "/pm2".into(),
            pm2_bin: "/bin/pm2".into(),
            process_name: "flask".into(),
            switch: SwitchStrategy::Live,
            switch_reason: "asked for".into(),
            nginx_bin: "/sbin/nginx".into(),
            nginx_conf: "/etc/nginx/nginx.conf".into(),
            nginx_pid: "/run/nginx.pid".into(),
            nginx_include: "conf.d".into(),
            nginx_site: None,
            reload_timeout: bluegreen::model::config::duration::Span::seconds(15),
            link_folder: "/link".into(),
        };
        self.write("registry/shop.toml", &toml::to_string(&entry).unwrap());
        let config = format!(
            r#"
            app = "shop"
            root = "/srv/shop"
            source = {{ git = "/repo" }}
            health = [{{ path = "/health" }}]
            [process]
            run = "python3 -m app --bind 127.0.0.1:{{{{ port }}}}"
            ports = {{ blue = 5001, green = 5002 }}
            [nginx]
            server_names = ["shop.test"]
            listen = ["127.0.0.1:{port} ssl"]
            tls = {{ certificate = "/cert.pem", key = "/key.pem" }}
            "#
        );
        self.write("srv/shop/bg.toml", &config);
    }
}

#[test]
fn it_runs_where_there_is_nothing_else() {
    let Some(outcome) = Empty::new().bg(&["--version"]) else {
        return;
    };
    outcome.assert_code(0);
    assert_eq!(
        outcome.stdout,
        format!("bluegreen {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn it_finds_a_user_in_the_file_and_asks_with_tls_without_a_system() {
    let site = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = site.local_addr().unwrap().port();
    let asked = std::thread::spawn(move || {
        let mut first = [0];
        let (mut stream, _) = site.accept().unwrap();
        stream.read_exact(&mut first).unwrap();
        first[0]
    });
    let empty = Empty::new();
    empty.set_up_app(port);
    // As on hosts with a directory of users: a glibc that heeds it finds nobody here.
    empty.write("etc/nsswitch.conf", "passwd: absent [UNAVAIL=return] files\n");
    empty.write("etc/passwd", "root:x:0:0::/:/\n");
    let Some(outcome) = empty.bg(&["status"]) else {
        return;
    };
    outcome.assert_code(3);
    outcome.assert_says("the user `deploy` no longer exists on this host");

    let uid = if Uid::effective().is_root() { 12345 } else { 0 };
    let line = format!("root:x:0:0::/:/\ndeploy:x:{uid}:{uid}::/:/\n");
    empty.write("etc/passwd", &line);
    let outcome = empty.bg(&["status"]).unwrap();
    outcome.assert_code(7);
    assert!(outcome.stdout.contains("cannot tell what is live"), "{outcome}");
    // `ContentType` of RFC 8446, 5.1: 22 is a handshake.
    assert_eq!(asked.join().unwrap(), 22, "{outcome}");
}
