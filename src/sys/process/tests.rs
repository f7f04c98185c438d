use std::path::Path;
use std::process::{Child, Command};

use proptest::prelude::*;

use crate::process::*;

/// A child that is killed and reaped when dropped.
struct Running(Child);

impl Running {
    fn sh(script: &str, folder: &Path, env: &[(&str, &str)]) -> Running {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(folder);
        Running(command.envs(env.iter().copied()).spawn().unwrap())
    }

    fn process(&self) -> Process {
        Process::of(self.0.id()).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// What `look` finds, as soon as it finds something.
async fn found<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come");
        tokio::time::sleep(POLL).await;
    }
}

/// The pid that a script has written into `file`.
async fn pid_in(file: &Path) -> u32 {
    let text = || fs::read_to_string(file).ok().filter(|text| text.ends_with('\n'));
    found("a pid", text).await.trim().parse().unwrap()
}

/// A shell that has begun a program is that shell for a moment more, and for another moment,
/// while the kernel exchanges them, neither.
async fn runs(pid: u32, words: &str) {
    found(words, || cmdline(pid).filter(|line| line == words)).await;
}

fn temp() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_name_with_brackets_and_spaces_does_not_shift_the_fields() {
    let tail = "S 41 1 1 34817 -1 4194560 1 0 0 0 0 0 0 0 20 0 3 0 8675309 7 0";
    let stat = Stat::parse(format!("42 (a) R (b) {tail}").as_bytes()).unwrap();
    assert_eq!((stat.state, stat.parent, stat.terminal), (b'S', 41, 34_817));
    assert_eq!((stat.threads, stat.started), (3, 8_675_309));
    let signed = format!("42 (a) {}", tail.replace("34817", "-2147449087"));
    assert_eq!(Stat::parse(signed.as_bytes()).unwrap().terminal, 0x8000_8701);
    assert!(Stat::parse(b"42 (short) S 1").is_none());
    assert!(Stat::parse(b"").is_none());
}

#[test]
fn a_zombie_lives_as_long_as_it_has_threads() {
    for (state, threads, alive) in [("S", 1, true), ("Z", 1, false), ("Z", 2, true), ("X", 0, false)] {
        let stat = format!("42 (a) {state} 41 1 1 0 -1 0 1 0 0 0 0 0 0 0 20 0 {threads} 0 86 7 0");
        assert_eq!(Stat::parse(stat.as_bytes()).unwrap().is_alive(), alive, "{stat}");
    }
}

#[test]
fn a_pid_given_away_again_is_another_process() {
    let child = Running::sh("exec sleep 300", Path::new("/"), &[]);
    let earlier = Process {
        started: child.process().started - 1,
        ..child.process()
    };
    assert!(child.process().alive() && !earlier.alive());
    earlier.signal(Signal::SIGKILL).unwrap();
    assert!(child.process().alive(), "a stranger was signalled");
}

#[test]
fn init_and_whole_groups_are_never_signalled() {
    for pid in [0, 1, u32::MAX] {
        let process = Process { pid, started: 1 };
        assert_eq!(process.signal(Signal::SIGTERM), Err(Errno::EINVAL));
    }
}

#[tokio::test]
async fn a_process_shows_its_folder_words_variables_and_descendants() {
    let folder = temp();
    let script = "sleep 300 & echo $! > child; wait";
    let parent = Running::sh(script, folder.path(), &[("BG_NONCE", "a1")]);
    let (pid, child) = (parent.process().pid, pid_in(&folder.path().join("child")).await);
    runs(child, "sleep 300").await;
    assert_eq!(tree(pid), [pid, child]);
    assert_eq!(cwd(pid), Some(folder.path().canonicalize().unwrap()));
    assert!(env_has(child, "BG_NONCE", "a1"));
    assert!(!env_has(child, "BG_NONCE", "a") && !env_has(child, "NONCE", "a1"));
    assert_eq!(owner(pid), Some(nix::unistd::geteuid().as_raw()));
    end(parent.process(), Duration::from_secs(5)).await.unwrap();
    assert_eq!((Process::of(pid), Process::of(child)), (None, None));
}

#[tokio::test]
async fn a_process_that_ends_on_sigterm_is_not_killed() {
    let child = Running::sh("exec sleep 300", Path::new("/"), &[]);
    let process = child.process();
    let begun = Instant::now();
    assert_eq!(end(process, Duration::from_secs(30)).await, Ok(Ended::Terminated));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(end(process, Duration::from_secs(30)).await, Ok(Ended::Gone));
}

#[tokio::test]
async fn a_process_that_ignores_sigterm_is_killed_with_its_children() {
    let folder = temp();
    let script = "trap '' TERM; sleep 300 & echo $! > child; while :; do wait; done";
    let stubborn = Running::sh(script, folder.path(), &[]);
    let child = Process::of(pid_in(&folder.path().join("child")).await).unwrap();
    let begun = Instant::now();
    let grace = Duration::from_millis(300);
    assert_eq!(end(stubborn.process(), grace).await, Ok(Ended::Killed));
    assert!(begun.elapsed() >= grace, "no grace was given");
    assert!(Process::of(stubborn.0.id()).is_none() && !child.alive());
}

#[tokio::test]
async fn what_outlives_its_parent_is_ended_too() {
    let folder = temp();
    let script = "(trap 'echo > asked; exit' TERM; echo $$ > /dev/null; sh -c 'echo $PPID' > child; \
                  while :; do sleep 0.05; done) & while :; do sleep 0.05; done";
    let parent = Running::sh(script, folder.path(), &[]);
    let child = Process::of(pid_in(&folder.path().join("child")).await).unwrap();
    assert_eq!(
        end(parent.process(), Duration::from_secs(10)).await,
        Ok(Ended::Terminated)
    );
    assert!(!child.alive());
    assert!(
        folder.path().join("asked").exists(),
        "it was killed without being asked"
    );
}

#[tokio::test]
async fn a_dead_runs_grandchildren_are_ended_even_in_a_session_of_their_own() {
    let folder = temp();
    let run = format!("test-{}", std::process::id());
    // The shell in between ends at once, so that nothing but the mark leads to the sleeper.
    let script = "setsid sh -c 'echo $$ > child; exec sleep 300' & \
                  setsid sh -c 'trap \"\" TERM; echo $$ > deaf; while :; do sleep 0.1; done' &";
    drop(Running::sh(script, folder.path(), &[(RUN_MARK, &run)]).0.wait());
    let other = Running::sh("exec sleep 300", folder.path(), &[(RUN_MARK, "another")]);
    let child = Process::of(pid_in(&folder.path().join("child")).await).unwrap();
    let deaf = Process::of(pid_in(&folder.path().join("deaf")).await).unwrap();
    runs(child.pid, "sleep 300").await;
    assert!(marked(&run).contains(&child) && marked(&run).contains(&deaf));
    assert!(end_marked(&run, Duration::from_millis(500)).await >= 2);
    assert!(!child.alive() && !deaf.alive());
    assert_eq!(marked(&run), []);
    assert!(other.process().alive(), "another run's process was ended");
    assert_eq!(end_marked(&run, Duration::from_secs(1)).await, 0);
}

proptest! {
    #![proptest_config(testkit::hostile::few())]

    /// A program names itself, and no name can make it somebody else's child or older.
    #[test]
    fn no_name_of_a_program_is_taken_for_a_field(name in testkit::hostile::bytes(NAMES)) {
        let rest = b" S 7 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1";
        let stat = Stat::parse(&[b"42 (", &name[..], b")", rest].concat()).unwrap();
        prop_assert_eq!((stat.state, stat.parent, stat.threads, stat.started), (b'S', 7, 1, 4711));
        Stat::parse(&name);
    }
}

const NAMES: &[&str] = &[
    "gunicorn: master",
    "a) R 1 1 1 0 -1",
    ") Z 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1 1 1",
];
