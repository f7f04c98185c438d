//! What PM2 is told to start, as the JSON file that `pm2 start` reads.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use model::event::millis;
use serde_json::{Value, json};

/// One process to be kept by PM2. Nothing in here may be a secret: PM2 writes all of it to
/// a file that everybody on the host can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// PM2's name for it.
    pub name: String,
    /// The program, absolute, executable, at a path that is never pruned.
    pub script: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// The folder it starts in, absolute.
    pub folder: PathBuf,
    /// Its variables.
    pub env: BTreeMap<String, String>,
    /// The file that takes both its outputs.
    pub log: PathBuf,
    /// How long it has to end before PM2 kills it; above the app's own graceful time-out.
    pub kill_timeout: Duration,
    /// One that ends sooner than this after its start counts towards PM2's limit of restarts.
    pub min_uptime: Duration,
}

/// Restarts in a row that are too quick before PM2 calls it `errored`.
const MAX_RESTARTS: u64 = 3;

impl Spec {
    /// PM2 takes a script with a space in it for a line of shell. From the folder, against
    /// which it resolves what is relative, the way has none.
    fn script(&self) -> PathBuf {
        let same = self
            .script
            .iter()
            .zip(self.folder.iter())
            .take_while(|(a, b)| a == b)
            .count();
        let up = self.folder.iter().skip(same).map(|_| "..");
        let relative: PathBuf = up.map(OsStr::new).chain(self.script.iter().skip(same)).collect();
        if self.script.to_string_lossy().contains(' ') {
            relative
        } else {
            self.script.clone()
        }
    }

    /// The file's content.
    #[must_use]
    pub fn ecosystem(&self) -> Value {
        json!({ "apps": [{
            "name": self.name,
            "script": self.script(),
            "args": self.args,
            "cwd": self.folder,
            "env": self.env,
            "interpreter": "none",
            "exec_mode": "fork",
            "autorestart": true,
            "min_uptime": millis(self.min_uptime),
            "max_restarts": MAX_RESTARTS,
            "kill_timeout": millis(self.kill_timeout),
            "merge_logs": true,
            "out_file": self.log,
            "error_file": self.log,
            // It looks for a version in the folder's git repository at each start.
            "vizion": false,
        }]})
    }
}
