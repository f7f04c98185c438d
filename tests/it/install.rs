//! `ops/install.sh`: the program put on a host by hand.

mod cut_short;
mod refused;
mod rights;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use sha2::{Digest, Sha256};

use crate::sandbox::folder::Folder;
use crate::sandbox::outcome::Outcome;

/// What is there before anything is installed.
const OLD: &str = "the old program\n";

/// A desk with a program on it, and a folder to install to; both have a space in their names.
struct Desk {
    folder: Folder,
}

impl Desk {
    fn new() -> Desk {
        let desk = Desk {
            folder: Folder::new(),
        };
        for folder in [desk.to(), desk.temporary(), desk.folder.join("my desk")] {
            fs::create_dir(folder).unwrap();
        }
        desk.write("bluegreen", &program());
        desk
    }

    /// The same, with an older program in its place.
    fn with_an_old_one() -> Desk {
        let desk = Desk::new();
        fs::write(desk.installed(), OLD).unwrap();
        desk
    }

    fn to(&self) -> PathBuf {
        self.folder.join("its place")
    }

    fn installed(&self) -> PathBuf {
        self.to().join("bluegreen")
    }

    fn temporary(&self) -> PathBuf {
        self.folder.join("tmp")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join("my desk").join(name)
    }

    fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        fs::write(self.file(name), content).unwrap();
        self.file(name)
    }

    /// `ops/install.sh --to` the folder, in a process group of its own and without a terminal.
    fn command(&self, args: &[&str]) -> Command {
        // No shell can act on a signal that whoever started the tests has ignored, as `nohup` does.
        let mut command = Command::new("env");
        command.arg("--default-signal").arg(script());
        command.arg("--to").arg(self.to()).args(args);
        self.prepare(&mut command);
        command
    }

    fn prepare(&self, command: &mut Command) {
        command
            .current_dir(self.file(""))
            .env("TMPDIR", self.temporary())
            .stdin(Stdio::null())
            .process_group(0);
    }

    fn install(&self, args: &[&str]) -> Outcome {
        run(self.command(args), args)
    }

    /// Nothing but what there was before: no new program, nothing half done, nothing forgotten.
    #[track_caller]
    fn assert_untouched(&self, outcome: &Outcome) {
        let names: Vec<_> = fs::read_dir(self.to()).unwrap().flatten().collect();
        assert_eq!(names.len(), 1, "{names:?} after {outcome}");
        assert_eq!(fs::read_to_string(self.installed()).unwrap(), OLD, "{outcome}");
        self.assert_nothing_forgotten(outcome);
    }

    #[track_caller]
    fn assert_nothing_forgotten(&self, outcome: &Outcome) {
        let forgotten: Vec<_> = fs::read_dir(self.temporary()).unwrap().flatten().collect();
        assert!(forgotten.is_empty(), "{forgotten:?} after {outcome}");
    }

    /// Both names are there, nothing else, and both run.
    #[track_caller]
    fn assert_installed(&self, outcome: &Outcome) {
        outcome.assert_code(0);
        let mut names: Vec<_> = fs::read_dir(self.to())
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["bg", "bluegreen"], "{outcome}");
        for name in names {
            let path = self.to().join(name);
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o755);
            let said = Command::new(&path).arg("--version").output().unwrap();
            assert_eq!(String::from_utf8_lossy(&said.stdout), version(), "{outcome}");
        }
        self.assert_nothing_forgotten(outcome);
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/install.sh")
}

fn run(mut command: Command, args: &[&str]) -> Outcome {
    let started = Instant::now();
    let output = command.output().unwrap();
    Outcome::new(args, &output, started.elapsed())
}

fn program() -> Vec<u8> {
    fs::read(env!("CARGO_BIN_EXE_bluegreen")).unwrap()
}

fn version() -> String {
    format!("bluegreen {}\n", env!("CARGO_PKG_VERSION"))
}

fn sum(content: &[u8]) -> String {
    Sha256::digest(content)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Answers one request, with the right length and this much of the content; then keeps the
/// connection open until the other side closes it.
fn serve_once(content: Vec<u8>, sent: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let length = content.len();
        let request = BufReader::new(stream.try_clone().unwrap()).lines();
        let lines = request.take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty()));
        assert!(lines.count() > 0, "nothing was asked");
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").unwrap();
        stream.write_all(&content[..sent]).ok();
        stream.read_to_end(&mut Vec::new()).ok();
    });
    address
}

#[test]
fn the_checksum_beside_the_file_is_enough_and_a_second_time_changes_nothing() {
    let desk = Desk::with_an_old_one();
    let line = format!("{}  bluegreen\n", sum(&program()));
    desk.write("bluegreen.sha256", line.as_bytes());
    let outcome = desk.install(&["bluegreen"]);
    desk.assert_installed(&outcome);
    let to = desk.to();
    outcome.assert_says(&format!("bluegreen {} is now", env!("CARGO_PKG_VERSION")));
    outcome.assert_says(&format!("{} is not on your PATH", to.display()));
    let inode = fs::metadata(desk.installed()).unwrap().ino();
    let outcome = desk.install(&["bluegreen"]);
    desk.assert_installed(&outcome);
    outcome.assert_says("/bluegreen already");
    assert_eq!(fs::metadata(desk.installed()).unwrap().ino(), inode, "{outcome}");
    assert!(!outcome.stderr.contains("is now"), "{outcome}");

    let path = format!("{}:{}", to.display(), std::env::var("PATH").unwrap());
    let mut command = desk.command(&["bluegreen"]);
    command.env("PATH", path);
    let outcome = run(command, &[]);
    assert!(!outcome.assert_code(0).stderr.contains("PATH"), "{outcome}");
}

#[test]
fn a_checksum_is_taken_in_each_form_that_it_is_published_in() {
    let right = sum(&program());
    let other = sum(b"something else");
    let forms = [
        right.to_uppercase(),
        format!("{other}  bg-for-arm\n{right}  bluegreen\n"),
        format!("{other} *bg-for-arm\r\n{right} *dist/bluegreen\r\n"),
        format!("{right}  bluegreen-0.1.0-x86_64\n"),
    ];
    for form in &forms {
        let desk = Desk::new();
        let checksum = if form.len() == 64 {
            form.clone()
        } else {
            let file = desk.write("SHA256SUMS", form.as_bytes());
            file.to_str().unwrap().to_owned()
        };
        let outcome = desk.install(&["bluegreen", &checksum]);
        desk.assert_installed(&outcome);
    }
}

#[test]
fn a_folder_that_is_not_there_yet_is_made() {
    let desk = Desk::new();
    fs::remove_dir(desk.to()).unwrap();
    let outcome = desk.install(&["bluegreen", &sum(&program())]);
    desk.assert_installed(&outcome);
    outcome.assert_says("making ");
}

#[test]
fn a_url_is_fetched_and_held_against_the_checksum() {
    let desk = Desk::new();
    let address = serve_once(program(), program().len());
    let url = format!("http://{address}/releases/bluegreen?from=here");
    let outcome = desk.install(&[&url, &sum(&program())]);
    desk.assert_installed(&outcome);

    let desk = Desk::with_an_old_one();
    let address = serve_once(b"a page that says sorry".to_vec(), 22);
    let outcome = desk.install(&[&format!("http://{address}/bluegreen"), &sum(&program())]);
    outcome
        .assert_code(1)
        .assert_says("is not the file that was meant");
    desk.assert_untouched(&outcome);
}

#[test]
fn a_copy_called_bg_becomes_the_link_and_another_bg_stays() {
    let desk = Desk::with_an_old_one();
    let bg = desk.to().join("bg");
    fs::write(&bg, OLD).unwrap();
    let outcome = desk.install(&["bluegreen", &sum(&program())]);
    desk.assert_installed(&outcome);
    assert_eq!(fs::read_link(&bg).unwrap(), Path::new("bluegreen"));

    fs::remove_file(&bg).unwrap();
    fs::write(&bg, "a game of boards").unwrap();
    fs::set_permissions(&bg, fs::Permissions::from_mode(0o755)).unwrap();
    let outcome = desk.install(&["bluegreen", &sum(&program())]);
    outcome
        .assert_code(0)
        .assert_says("bg is something else and stays");
    assert_eq!(fs::read_to_string(&bg).unwrap(), "a game of boards");
}
