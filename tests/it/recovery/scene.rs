//! What these tests set up and look at: runs that hang where they shall be killed, the
//! journal, the slots, and what a run has left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bluegreen::model::color::Color;
use bluegreen::model::journal::Record;
use bluegreen::model::release::ReleaseId;
use bluegreen::state::journal::Journal;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::sandbox::outcome::Outcome;
use crate::sandbox::wait::wait_until;
use crate::sandbox::{Sandbox, http, repo, set};

/// How long anything is waited for: two busy cores are slow.
pub const LONG: Duration = Duration::from_secs(60);

/// Two releases, the second live on green, the first warm on blue.
pub fn two_releases(sandbox: &Sandbox) -> (ReleaseId, ReleaseId) {
    sandbox.commit_edit("the second", "Good day", "Second");
    sandbox.bg(&["deploy"]).assert_code(0);
    (
        slot(sandbox, Color::Blue).unwrap(),
        slot(sandbox, Color::Green).unwrap(),
    )
}

/// The release that a slot's link names.
pub fn slot(sandbox: &Sandbox, color: Color) -> Option<ReleaseId> {
    let link = fs::read_link(sandbox.app_root().join("slots").join(color.name())).ok()?;
    link.file_name()?.to_str()?.parse().ok()
}

/// The release that answers on a slot's own port.
pub fn answering(sandbox: &Sandbox, color: Color) -> Option<String> {
    let answer = http::get(sandbox.slot_address(color), "shop.test", "/whoami").ok()?;
    answer.header("x-app-release").map(str::to_owned)
}

/// The process that answers on a slot's own port.
pub fn answering_pid(sandbox: &Sandbox, color: Color) -> Option<i64> {
    let answer = http::get(sandbox.slot_address(color), "shop.test", "/whoami").ok()?;
    serde_json::from_str::<Value>(&answer.body).ok()?["pid"].as_i64()
}

/// The journal's file.
pub fn journal(sandbox: &Sandbox) -> PathBuf {
    sandbox.app_root().join("state/journal.jsonl")
}

/// Its records, oldest first.
pub fn records(sandbox: &Sandbox) -> Vec<Record> {
    Journal::read(&journal(sandbox)).unwrap()
}

/// The last record.
pub fn last_record(sandbox: &Sandbox) -> Record {
    records(sandbox).pop().unwrap()
}

/// The newest run's id.
pub fn last_run(sandbox: &Sandbox) -> String {
    let begun = |record: &Record| match record {
        Record::Begin { run, .. } => Some(run.to_string()),
        _ => None,
    };
    records(sandbox).iter().rev().find_map(begun).unwrap()
}

/// Points the live link at another folder, as a hand or a run that died would.
pub fn point_link(sandbox: &Sandbox, target: &str) {
    let folder = sandbox.link_folder();
    let next = folder.join(".by-hand");
    fs::remove_file(&next).ok();
    std::os::unix::fs::symlink(target, &next).unwrap();
    fs::rename(next, folder.join("live")).unwrap();
}

/// Processes that carry the mark of a run, of any run with `None`.
pub fn marked(run: Option<&str>) -> Vec<i32> {
    let wanted = format!("BG_RUN={}", run.unwrap_or_default());
    let pids = fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|one| one == wanted.as_bytes() || (run.is_none() && one.starts_with(wanted.as_bytes())))
        })
        .collect()
}

/// Whether `run` has told of `event`.
pub fn has_told(sandbox: &Sandbox, run: &str, event: &str) -> bool {
    let file = sandbox.app_root().join(format!("state/runs/{run}.ndjson"));
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .any(|line| line["event"]["event"] == event)
}

/// `bg` under way, its story in a file that can be read meanwhile; killed when dropped.
pub struct Told {
    child: Child,
    args: Vec<String>,
    story: PathBuf,
    started: Instant,
}

impl Told {
    /// Starts it.
    pub fn start(sandbox: &Sandbox, args: &[&str]) -> Told {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let started = Instant::now();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let story = sandbox.root().join(format!("story-{number}"));
        let child = sandbox
            .bg_command(args)
            .stdout(Stdio::null())
            .stderr(fs::File::create(&story).unwrap())
            .spawn()
            .unwrap();
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Told {
            child,
            args,
            story,
            started,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// What it has told so far.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.story).unwrap()
    }

    /// Waits until it has told this.
    #[track_caller]
    pub fn wait_says(&mut self, text: &str) {
        wait_until(LONG, &format!("{text:?} is said"), || {
            let said = self.said();
            assert!(
                said.contains(text) || self.child.try_wait().unwrap().is_none(),
                "it ended without {text:?}: {said}"
            );
            said.contains(text)
        });
    }

    /// Waits until `file` is there.
    #[track_caller]
    pub fn wait_for(&mut self, file: &Path) {
        wait_until(LONG, &format!("{} is there", file.display()), || {
            assert!(
                self.child.try_wait().unwrap().is_none(),
                "it ended: {}",
                self.said()
            );
            file.exists()
        });
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Kills it at once, as the kernel does when memory runs out, and waits for its end.
    pub fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Outcome {
        let status = self.child.wait().unwrap();
        let output = Output {
            status,
            stdout: Vec::new(),
            stderr: fs::read(&self.story).unwrap(),
        };
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        Outcome::new(&args, &output, self.started.elapsed())
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A commit whose build hangs until [`let_build_end`]; the file that tells when it does.
pub fn commit_hanging_build(sandbox: &Sandbox) -> PathBuf {
    let mark = sandbox.root().join("build-hangs");
    fs::remove_file(&mark).ok();
    let backend = include_str!("slow_backend.py")
        .replace("MARK", &format!("{mark:?}"))
        .replace("END", &format!("{:?}", sandbox.root().join("build-ends")));
    sandbox.commit("a package that is slow to build", |repo| {
        fs::create_dir_all(repo.join("slow")).unwrap();
        fs::write(repo.join("slow/backend.py"), backend).unwrap();
        let project = "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n\
                       [project]\nname = \"slow\"\nversion = \"1.0\"\n";
        fs::write(repo.join("slow/pyproject.toml"), project).unwrap();
        let requirements = repo.join("requirements.txt");
        let text = fs::read_to_string(&requirements).unwrap();
        fs::write(requirements, format!("{text}\n./slow\n")).unwrap();
    });
    mark
}

/// Lets the build of [`commit_hanging_build`] come to its end.
pub fn let_build_end(sandbox: &Sandbox) {
    fs::write(sandbox.root().join("build-ends"), "").unwrap();
}

/// Takes the last commit back.
pub fn drop_last_commit(sandbox: &Sandbox) {
    repo::git(&sandbox.repo(), &["reset", "--quiet", "--hard", "HEAD~1"]);
}

/// A smoke command that holds the gate until its file is taken away.
pub struct Held {
    /// There as long as the gate shall hang.
    hold: PathBuf,
    /// There once it hangs.
    pub mark: PathBuf,
}

impl Held {
    /// Configures it; the next deploy hangs in its gate.
    pub fn gate(sandbox: &Sandbox) -> Held {
        let (hold, mark) = (sandbox.root().join("hold"), sandbox.root().join("gate-hangs"));
        fs::write(&hold, "").unwrap();
        fs::remove_file(&mark).ok();
        let script = format!(
            "touch {}; while [ -e {} ]; do sleep 0.05; done",
            mark.display(),
            hold.display()
        );
        sandbox.configure(|config| set(config, "gate", "smoke", format!("sh -c '{script}'")));
        Held { hold, mark }
    }

    /// Lets the gate, and every later one, go on.
    pub fn let_go(&self) {
        fs::remove_file(&self.hold).ok();
    }
}
