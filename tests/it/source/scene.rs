//! A developer: a work tree with a remote, where `bg` is typed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::sandbox::outcome::Outcome;
use crate::sandbox::{Sandbox, repo, set};

/// Who commits.
const IDENTITY: &str = "[user]\n\tname = Ada\n\temail = ada@shop.test\n";

/// A host whose `desk` is a clone of a bare repository, which is released from.
pub struct Desk {
    pub sandbox: Sandbox,
}

impl Desk {
    /// Set up, with a first release live on blue and bg.toml committed.
    pub fn deployed() -> Desk {
        let sandbox = Sandbox::new();
        let desk = Desk { sandbox };
        let origin = desk.origin();
        repo::git(
            &desk.sandbox.repo(),
            &["clone", "--quiet", "--bare", ".", origin.to_str().unwrap()],
        );
        let url = format!("file://{}", origin.display());
        desk.sandbox
            .configure(|config| set(config, "source", "git", url.clone()));
        fs::write(desk.sandbox.root().join("home/.gitconfig"), IDENTITY).unwrap();
        clone_into(&desk.tree(), &url);
        desk.git(&["add", "--all"]);
        desk.git(&["commit", "--quiet", "-m", "bg.toml"]);
        desk.git(&["push", "--quiet", "origin", "main"]);
        desk.sandbox.bg(&["setup"]).assert_code(0);
        desk.sandbox.bg(&["deploy"]).assert_code(0);
        desk
    }

    pub fn origin(&self) -> PathBuf {
        self.sandbox.root().join("origin.git")
    }

    /// The work tree.
    pub fn tree(&self) -> PathBuf {
        self.sandbox.root().join("desk")
    }

    pub fn write(&self, file: &str, text: &str) {
        let path = self.tree().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Another greeting in the app.
    pub fn greet(&self, from: &str, to: &str) {
        repo::replace(&self.tree().join("app.py"), from, to);
    }

    pub fn git(&self, args: &[&str]) -> String {
        repo::git(&self.tree(), args)
    }

    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// What the remote has on `main`.
    pub fn pushed(&self) -> String {
        repo::git(&self.origin(), &["rev-parse", "main"])
    }

    /// Somebody else pushes a file of this name; returns their commit.
    pub fn colleague_pushes(&self, name: &str) -> String {
        let theirs = self.sandbox.root().join("colleague");
        if !theirs.exists() {
            fs::create_dir(&theirs).unwrap();
            clone_into(&theirs, self.origin().to_str().unwrap());
        }
        repo::git(&theirs, &["pull", "--quiet", "origin", "main"]);
        let sha = repo::commit(&theirs, name, |tree| fs::write(tree.join(name), name).unwrap());
        repo::git(&theirs, &["push", "--quiet", "origin", "main"]);
        sha
    }

    pub fn bg(&self, args: &[&str]) -> Outcome {
        self.sandbox.bg(args)
    }
}

/// A clone in a folder that holds something already.
pub fn clone_into(folder: &Path, url: &str) {
    repo::git(folder, &["init", "--quiet", "--initial-branch=main"]);
    repo::git(folder, &["remote", "add", "origin", url]);
    repo::git(folder, &["fetch", "--quiet", "origin"]);
    repo::git(folder, &["checkout", "--quiet", "-B", "main", "origin/main"]);
}

/// The snapshot of the release that is live.
pub fn manifest(sandbox: &Sandbox) -> serde_json::Value {
    let file = format!("manifests/{}.json", sandbox.live_release());
    serde_json::from_str(&fs::read_to_string(sandbox.app_root().join(file)).unwrap()).unwrap()
}

/// A file of the release that is live; none when it has none of that name.
pub fn released(sandbox: &Sandbox, name: &str) -> Option<String> {
    let release = sandbox.app_root().join("releases").join(sandbox.live_release());
    fs::read_to_string(release.join(name)).ok()
}
