//! The git repository of a sandbox: the demo's sample app, and what tests make of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::python;

/// A repository with the sample app in one commit on `main`. Its packages come from
/// the wheels of this run, so that no test asks an index.
pub fn create(repo: &Path) {
    fs::create_dir_all(repo).unwrap();
    git(repo, &["init", "--quiet", "--initial-branch=main"]);
    commit(repo, "the shop opens", |repo| {
        copy(&sample_app(), repo);
        let requirements = repo.join("requirements.txt");
        let wanted = fs::read_to_string(&requirements).unwrap();
        let wheels = python::wheels().display();
        fs::write(
            requirements,
            format!("--no-index\n--find-links {wheels}\n{wanted}"),
        )
        .unwrap();
    });
}

/// The sample app's folder.
pub fn sample_app() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/demo/app")
}

/// Commits what `change` does to the files; returns the commit id. A change of nothing is a
/// commit as well.
pub fn commit(repo: &Path, message: &str, change: impl FnOnce(&Path)) -> String {
    change(repo);
    git(repo, &["add", "--all"]);
    git(
        repo,
        &[
            "commit",
            "--quiet",
            "--allow-empty",
            "--no-gpg-sign",
            "-m",
            message,
        ],
    );
    git(repo, &["rev-parse", "HEAD"])
}

/// Replaces one text of a file, which must occur.
pub fn replace(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "no {from:?} in {}", file.display());
    fs::write(file, text.replace(from, to)).unwrap();
}

/// Runs git, with nothing of the caller's settings.
pub fn git(repo: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Test", "-c", "user.email=test@shop.test"])
        .args(["-c", "commit.gpgsign=false"])
        .args(args)
        .current_dir(repo)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.file_name() == "__pycache__" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
