//! What an attacker would like to change or read: files of root's own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::sandbox::outcome::Outcome;
use crate::sandbox::shared::{OWNER, Shared, everything};

/// What only root can read.
const SECRET: &str = "root:only-root-may-read-this";

/// A folder of root's that anybody may enter, with files in it.
pub struct Bait {
    folder: PathBuf,
    before: BTreeMap<PathBuf, String>,
}

impl Bait {
    pub fn new(shared: &Shared) -> Bait {
        let folder = shared.sandbox.root().join("roots");
        fs::create_dir(&folder).unwrap();
        for (name, text, mode) in [("secret", SECRET, 0o600), ("victim", "as it was\n", 0o644)] {
            fs::write(folder.join(name), text).unwrap();
            fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        let before = state(&folder);
        assert_eq!(before.len(), 3);
        Bait { folder, before }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Not a byte, a mode, an owner or a name is another.
    #[track_caller]
    pub fn assert_untouched(&self, after: &str) {
        assert_eq!(state(&self.folder), self.before, "after {after}");
    }

    /// Nothing that was said, and nothing that the owner can read, holds what only root can.
    #[track_caller]
    pub fn assert_untold(&self, shared: &Shared, outcome: &Outcome) {
        assert!(!outcome.stdout.contains(SECRET), "{outcome}");
        let found = shared
            .command_as(OWNER, &["grep", "-rlsaF", SECRET])
            .arg(shared.sandbox.app_root())
            .arg(shared.sandbox.link_folder())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&found.stdout), "", "after {outcome}");
    }
}

/// What is below a folder of root's: content, mode, owner, and when it was last changed.
pub fn state(folder: &Path) -> BTreeMap<PathBuf, String> {
    let told = |path: PathBuf| {
        let about = fs::symlink_metadata(&path).unwrap();
        let held = match about.file_type() {
            kind if kind.is_file() => String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned(),
            kind if kind.is_symlink() => fs::read_link(&path).unwrap().display().to_string(),
            _ => String::new(),
        };
        let line = format!("{:o} {}:{} {held}", about.mode(), about.uid(), about.gid());
        (path, line)
    };
    everything(folder).into_iter().map(told).collect()
}

/// What the owner types into a shell; it must work.
#[track_caller]
pub fn plant(shared: &Shared, line: &str) {
    let output = shared.command_as(OWNER, &["sh", "-ec", line]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{line}: {said}");
}
