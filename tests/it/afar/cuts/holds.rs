//! Places at which a run can be held up on a host for as long as it takes to do something to
//! it: a file each, by the name of the place. Who comes by it leaves another beside it and
//! waits until the first is gone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::sandbox::Sandbox;

/// A place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The program that is brought has come in part.
    Upload,
    /// git checks a release out.
    Build,
    /// A color is asked whether it is well.
    Health,
    /// A request that is to prove the switch has come to the new color, which has not answered.
    Proof,
    /// PM2 keeps its list, the last thing before the record.
    Save,
}

impl Hold {
    /// All of them.
    pub const ALL: [Hold; 5] = [Hold::Upload, Hold::Build, Hold::Health, Hold::Proof, Hold::Save];

    fn file(self, sandbox: &Sandbox) -> PathBuf {
        let name = match self {
            Hold::Upload => "upload",
            Hold::Build => "build",
            Hold::Health => "health",
            Hold::Proof => "proof",
            Hold::Save => "save",
        };
        sandbox.root().join("holds").join(name)
    }

    /// From here on whoever comes by waits. Releases in `spared` may pass.
    pub fn set(self, sandbox: &Sandbox, spared: &[&str]) {
        let file = self.file(sandbox);
        fs::remove_file(file.with_extension("hit")).ok();
        if self == Hold::Save {
            // A list that is kept already is not written again.
            fs::remove_file(sandbox.pm2_home().join("dump.pm2")).ok();
        }
        fs::write(file, spared.join(" ")).unwrap();
    }

    /// Whether somebody waits, or did.
    pub fn is_hit(self, sandbox: &Sandbox) -> bool {
        self.file(sandbox).with_extension("hit").exists()
    }

    /// Lets everybody go on.
    pub fn lift(self, sandbox: &Sandbox) {
        fs::remove_file(self.file(sandbox)).ok();
    }
}

/// What the app has in it, before the line that stands in `ANCHOR`.
pub const IN_THE_APP: &str = r#"
HOLDS = os.getcwd().split("/srv/")[0] + "/holds/"


@app.before_request
def wait_where_a_test_says_so():
    if request.path == "/health":
        hold = HOLDS + "health"
    elif "X-Bg-Proof" in request.headers:
        hold = HOLDS + "proof"
    else:
        return
    try:
        with open(hold) as file:
            if RELEASE in file.read():
                return
    except FileNotFoundError:
        return
    open(hold + ".hit", "w").close()
    while os.path.exists(hold):
        time.sleep(0.02)


@app.after_request"#;

/// The line in the app before which the places are.
pub const ANCHOR: &str = "\n@app.after_request";

/// Puts the programs that wait where the server finds them before the real ones: `git` and
/// `cat` for whoever logs in, and PM2 where `bg.toml` names it.
pub fn install(sandbox: &Sandbox) {
    let holds = sandbox.root().join("holds");
    fs::create_dir_all(&holds).unwrap();
    let wait = format!(
        "hold() {{\n    [ -e '{0}'/$1 ] || return 0\n    : >'{0}'/$1.hit\n    \
         while [ -e '{0}'/$1 ]; do sleep 0.05; done\n}}\n",
        holds.display()
    );
    let script = |file: PathBuf, program: &str, what: &str| {
        let program = real(program);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(
            &file,
            format!("#!/bin/sh\n{wait}{what}\nexec '{}' \"$@\"\n", program.display()),
        )
        .unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let first = |name: &str| sandbox.root().join("home/bin").join(name);
    let build = "case \" $* \" in *' --reset -u '*) hold build ;; esac";
    script(first("git"), "git", build);
    script(first("cat"), "cat", "head -c 100000\nhold upload");
    let save = "case \" $* \" in *' save '*) hold save ;; esac";
    script(pm2(sandbox.root()), "pm2", save);
}

/// Where the PM2 is that waits, below a host's root.
pub fn pm2(root: &Path) -> PathBuf {
    root.join("pm2-bin/pm2")
}

fn real(program: &str) -> PathBuf {
    let path = crate::sandbox::path_with_tools();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .unwrap()
}
