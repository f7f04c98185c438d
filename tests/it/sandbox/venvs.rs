//! The first Python environment that these tests have made, for the hosts after it. What makes
//! it is `bg`, once in a run of the tests; those that are about that start without it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Where it is kept, in `target/tmp`; the run of the tests after this one removes it.
static KEPT: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Puts it into an app's `venvs`, if there is one yet. `bg` finds it where its name, made from
/// the interpreter and the requirements, is that of the one wanted.
pub fn lend(venvs: &Path) {
    let Some(kept) = KEPT.lock().unwrap().clone() else {
        return;
    };
    copy(&kept, venvs);
    for venv in folders(venvs) {
        move_scripts(&venv);
    }
}

/// Keeps what `bg` has made there, if it is the first.
pub fn keep(venvs: &Path) {
    let mut kept = KEPT.lock().unwrap();
    if kept.is_none() {
        let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("venvs");
        remove_those_of_the_dead(&all);
        let folder = all.join(std::process::id().to_string());
        fs::create_dir_all(&folder).unwrap();
        copy(venvs, &folder);
        *kept = Some(folder);
    }
}

fn remove_those_of_the_dead(all: &Path) {
    for folder in folders(all) {
        if !Path::new("/proc").join(folder.file_name().unwrap()).exists() {
            fs::remove_dir_all(folder).ok();
        }
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp")
        .args(["--archive", "--reflink=auto", "--"])
        .args(folders(from))
        .arg(to)
        .status();
    assert!(
        copied.unwrap().success(),
        "{} to {}",
        from.display(),
        to.display()
    );
}

/// The first lines of an environment's programs name its interpreter where it was made.
fn move_scripts(venv: &Path) {
    let here = format!("#!{}/bin/python", venv.display());
    for script in fs::read_dir(venv.join("bin")).unwrap().flatten() {
        let file = script.path();
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        if let Some((first, rest)) = text.split_once('\n')
            && first.starts_with("#!/tmp/bgt-")
        {
            fs::write(&file, format!("{here}\n{rest}")).unwrap();
        }
    }
}

fn folders(of: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(of).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect()
}
