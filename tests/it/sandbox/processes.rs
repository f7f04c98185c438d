//! What runs on behalf of a sandbox: whatever names its folder in its command line, its
//! environment or as its working folder. Daemons are found too, however often they forked.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process and its command line.
pub type Process = (i32, String);

/// All of them.
pub fn of(root: &Path) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid: &i32| pid.unsigned_abs() != std::process::id())
        .filter_map(|pid| Some((pid, command_line_if_of(pid, root)?)))
        .collect()
}

fn command_line_if_of(pid: i32, root: &Path) -> Option<String> {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let command_line = fs::read(folder.join("cmdline")).ok()?;
    let environment = fs::read(folder.join("environ")).unwrap_or_default();
    let working = fs::read_link(folder.join("cwd")).unwrap_or_default();
    let is_ours = working.starts_with(root) || names(&command_line, root) || names(&environment, root);
    is_ours.then(|| String::from_utf8_lossy(&command_line).replace('\0', " "))
}

/// Whether `text` has the path `root`, and not only as the start of a longer name.
fn names(text: &[u8], root: &Path) -> bool {
    let text = String::from_utf8_lossy(text);
    let behind = text.split(root.to_str().unwrap()).skip(1);
    let goes_on = |next: char| next.is_ascii_alphanumeric() || next == '-';
    behind
        .map(|rest| rest.chars().next())
        .any(|next| !next.is_some_and(goes_on))
}

/// Kills them all, those too that a keeper starts meanwhile; returns who is left after 10 s.
pub fn end_all(root: &Path) -> Vec<Process> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let left = of(root);
        if left.is_empty() || Instant::now() > deadline {
            return left;
        }
        for (pid, _) in left {
            kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ends and removes what a killed run of these tests has left; once per run.
pub fn tidy_up_after_the_dead() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for entry in fs::read_dir("/tmp").unwrap().flatten() {
            let name = entry.file_name();
            let maker = name
                .to_str()
                .and_then(|name| name.strip_prefix("bgt-"))
                .and_then(|rest| rest.split('-').next());
            if let Some(maker) = maker
                && !Path::new("/proc").join(maker).exists()
            {
                end_all(&entry.path());
                fs::remove_dir_all(entry.path()).ok();
            }
        }
    });
}
