//! What PM2 says about one of its entries, from its socket, its command line or its dump.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

/// An entry of PM2's list, as PM2 sees it. Only a pid shows that something runs: `online`
/// means that a start was attempted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proc {
    /// Its name. Several entries can share one.
    pub name: String,
    /// PM2's number for it, another one after each start.
    pub id: u32,
    /// Its process, `None` when nothing was started.
    pub pid: Option<u32>,
    /// PM2's word for its state: `online`, `stopped`, `errored`, `waiting restart`, ...
    pub status: String,
    /// How often PM2 has started it again.
    pub restarts: u32,
    /// How often it ended before PM2's `min_uptime`, in a row.
    pub unstable_restarts: u32,
    /// The folder it is started in (`pm_cwd`; PM2's `cwd` can show another one than is used).
    pub cwd: PathBuf,
    /// The program.
    pub script: PathBuf,
    /// The program's arguments.
    pub args: Vec<String>,
    /// When PM2 last started it, in milliseconds since 1970.
    pub started_at_ms: u64,
    /// What its last process ended with.
    pub exit_code: Option<i32>,
    /// How long PM2 waits before it kills it.
    pub kill_timeout: Duration,
    /// Whether PM2 itself holds its port and deals out what comes in (`exec_mode`).
    pub cluster: bool,
    /// What starts the program: `python3`, a path, `none`.
    pub interpreter: String,
    /// Whether it is a module of PM2 itself, which is never in the dump.
    pub module: bool,
    /// PM2's settings by which it starts this again although it runs well.
    pub starts_again_by: Vec<&'static str>,
    /// The variables that it is started with, each with a hash of its value, which may be a
    /// secret.
    pub variables: BTreeMap<String, u64>,
    /// A hash of what else it is started with: variables, which may hold secrets, and PM2's
    /// settings.
    pub settings: u64,
}

/// What stands for the value of a variable.
#[must_use]
pub fn hashed(value: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Proc {
    /// Whether PM2 says `online` and there is a process.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.status == "online" && self.pid.is_some()
    }
}

/// What brings an entry back after a reboot: a line of PM2's dump.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Saved {
    /// Its name.
    pub name: String,
    /// The folder it will be started in.
    pub cwd: PathBuf,
    /// The program.
    pub script: PathBuf,
    /// The program's arguments.
    pub args: Vec<String>,
    /// As in [`Proc`].
    pub status: String,
    /// As in [`Proc`].
    pub settings: u64,
}

impl Saved {
    /// Whether both run the same, be it that one is stopped and the other is not.
    #[must_use]
    pub fn runs_as(&self, other: &Saved) -> bool {
        (&self.name, &self.cwd, &self.script, &self.args)
            == (&other.name, &other.cwd, &other.script, &other.args)
    }
}

impl From<&Proc> for Saved {
    fn from(entry: &Proc) -> Saved {
        Saved {
            name: entry.name.clone(),
            cwd: entry.cwd.clone(),
            script: entry.script.clone(),
            args: entry.args.clone(),
            status: entry.status.clone(),
            settings: entry.settings,
        }
    }
}

#[derive(Deserialize)]
struct Listed {
    name: String,
    pm_id: u32,
    #[serde(default)]
    pid: Option<u32>,
    pm2_env: Settings,
}

/// PM2 mixes its settings with the app's variables, so a variable named as a setting can
/// bring anything: what is not needed to find an entry is read leniently.
#[derive(Deserialize)]
struct Settings {
    #[serde(default)]
    name: Value,
    #[serde(default)]
    status: Value,
    #[serde(default)]
    restart_time: Value,
    #[serde(default)]
    unstable_restarts: Value,
    #[serde(default)]
    pm_cwd: PathBuf,
    #[serde(default)]
    pm_exec_path: PathBuf,
    #[serde(default)]
    args: Value,
    #[serde(default)]
    pm_uptime: Value,
    #[serde(default)]
    exit_code: Value,
    #[serde(default)]
    kill_timeout: Value,
    #[serde(default)]
    pmx_module: Value,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

/// What else a start by PM2 depends on.
const STARTED_BY: [&str; 14] = [
    "autorestart",
    "cron_restart",
    "env",
    "exec_interpreter",
    "exec_mode",
    "exp_backoff_restart_delay",
    "interpreter_args",
    "max_memory_restart",
    "max_restarts",
    "min_uptime",
    "node_args",
    "restart_delay",
    "stop_exit_codes",
    "watch",
];

/// What starts an entry again while it runs well.
const STARTS_AGAIN: [&str; 3] = ["watch", "cron_restart", "max_memory_restart"];

/// A limit of memory that no process reaches, which stands for none: 10^12 bytes.
const NO_LIMIT: u64 = 1_000_000_000_000;

impl Settings {
    fn status(&self) -> String {
        self.status.as_str().unwrap_or("unknown").to_owned()
    }

    fn word(&self, name: &str) -> String {
        let word = self.rest.get(name).and_then(Value::as_str);
        word.unwrap_or_default().to_owned()
    }

    fn starts_again_by(&self) -> Vec<&'static str> {
        let is_set = |name: &&str| match self.rest.get(*name) {
            Some(Value::Bool(on)) => *on,
            Some(Value::String(text)) => !text.is_empty() && text != "0",
            Some(Value::Array(all)) => !all.is_empty(),
            Some(Value::Number(bytes)) => bytes.as_u64().is_some_and(|bytes| (1..NO_LIMIT).contains(&bytes)),
            _ => false,
        };
        STARTS_AGAIN.into_iter().filter(is_set).collect()
    }

    /// A number arrives as its digits, anything else as its JSON.
    fn variables(&self) -> BTreeMap<String, u64> {
        let env = self.rest.get("env").and_then(Value::as_object);
        let value = |value: &Value| match value {
            Value::String(text) => hashed(text),
            other => hashed(&other.to_string()),
        };
        env.into_iter()
            .flatten()
            .map(|(name, one)| (name.clone(), value(one)))
            .collect()
    }

    /// The keys of an object come sorted, whoever wrote it.
    fn settings(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.kill_timeout.to_string().hash(&mut hasher);
        for name in STARTED_BY {
            self.rest.get(name).map(Value::to_string).hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// PM2's own default.
const KILL_TIMEOUT_MS: u64 = 1600;

impl From<Listed> for Proc {
    fn from(listed: Listed) -> Proc {
        let settings = listed.pm2_env;
        let kill_timeout = settings.kill_timeout.as_u64().unwrap_or(KILL_TIMEOUT_MS);
        Proc {
            name: listed.name,
            id: listed.pm_id,
            pid: listed.pid.filter(|pid| *pid > 0),
            status: settings.status(),
            cluster: settings.word("exec_mode") == "cluster_mode",
            interpreter: settings.word("exec_interpreter"),
            starts_again_by: settings.starts_again_by(),
            variables: settings.variables(),
            settings: settings.settings(),
            restarts: count(&settings.restart_time),
            unstable_restarts: count(&settings.unstable_restarts),
            cwd: settings.pm_cwd,
            script: settings.pm_exec_path,
            args: words(&settings.args),
            started_at_ms: settings.pm_uptime.as_u64().unwrap_or(0),
            exit_code: settings
                .exit_code
                .as_i64()
                .and_then(|code| i32::try_from(code).ok()),
            kill_timeout: Duration::from_millis(kill_timeout),
            module: settings.pmx_module == Value::Bool(true),
        }
    }
}

fn count(value: &Value) -> u32 {
    value
        .as_u64()
        .and_then(|count| u32::try_from(count).ok())
        .unwrap_or(0)
}

fn words(value: &Value) -> Vec<String> {
    match value {
        Value::Array(words) => words
            .iter()
            .filter_map(|word| word.as_str().map(str::to_owned))
            .collect(),
        Value::String(line) => line.split_whitespace().map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Reads PM2's list from JSON.
///
/// # Errors
/// When it is no list of entries with a name, an id and settings.
pub fn from_json(list: Value) -> Result<Vec<Proc>, serde_json::Error> {
    let listed: Vec<Listed> = serde_json::from_value(list)?;
    Ok(listed.into_iter().map(Proc::from).collect())
}

/// Finds the list in what `pm2 jlist` printed. A banner, the start of a daemon and notices
/// may stand before it; the list is the last line that is one.
#[must_use]
pub fn from_jlist(output: &str) -> Option<Vec<Proc>> {
    output
        .lines()
        .rev()
        .filter(|line| line.trim_start().starts_with('['))
        .find_map(|line| {
            serde_json::from_str(line)
                .ok()
                .and_then(|list| from_json(list).ok())
        })
}

/// Reads PM2's dump.
///
/// # Errors
/// When it is no list of settings.
pub fn from_dump(text: &[u8]) -> Result<Vec<Saved>, serde_json::Error> {
    let dumped: Vec<Settings> = serde_json::from_slice(text)?;
    Ok(dumped
        .into_iter()
        .map(|settings| Saved {
            name: settings.name.as_str().unwrap_or_default().to_owned(),
            status: settings.status(),
            settings: settings.settings(),
            cwd: settings.pm_cwd,
            script: settings.pm_exec_path,
            args: words(&settings.args),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use crate::pm2::entry::*;

    const ENTRY: &str = r#"{"pid":4127,"name":"flask-green","pm_id":3,"monit":{},"pm2_env":{"name":"flask-green",
        "status":"online","restart_time":2,"unstable_restarts":1,"cwd":"/new","pm_cwd":"/old",
        "pm_exec_path":"/srv/shop/bin/bluegreen","args":["launch","--color","green"],
        "pm_uptime":1795487864014,"exit_code":3,"kill_timeout":31000,"env":{"BG_NONCE":"1"}}}"#;

    fn entry() -> String {
        ENTRY.replace('\n', "")
    }

    #[test]
    fn an_entry_is_read_and_its_true_folder_is_taken() {
        let list = from_jlist(&format!("[{}]", entry())).unwrap();
        let expected = Proc {
            name: "flask-green".into(),
            id: 3,
            pid: Some(4127),
            status: "online".into(),
            restarts: 2,
            unstable_restarts: 1,
            cwd: "/old".into(),
            script: "/srv/shop/bin/bluegreen".into(),
            args: vec!["launch".into(), "--color".into(), "green".into()],
            started_at_ms: 1_795_487_864_014,
            exit_code: Some(3),
            kill_timeout: Duration::from_secs(31),
            cluster: false,
            interpreter: String::new(),
            module: false,
            starts_again_by: Vec::new(),
            variables: [("BG_NONCE".to_owned(), hashed("1"))].into(),
            settings: list[0].settings,
        };
        assert_eq!(list, [expected]);
    }

    #[test]
    fn noise_before_the_list_is_passed_over() {
        let entry = entry();
        let noisy = [
            format!("[{entry}]\n"),
            format!(
                "[PM2] Spawning PM2 daemon with pm2_home=/x\n[PM2] PM2 Successfully daemonized\n[{entry}]\n"
            ),
            format!(
                ">>>> In-memory PM2 is out-of-date, do:\n>>>> $ pm2 update\nIn memory PM2 version: 5.4\n[{entry}]"
            ),
            format!(
                "{}\n[]\n[{entry}]\n\n",
                include_str!("entry.rs").lines().next().unwrap()
            ),
            format!("[{entry}]\n[PM2][WARN] late notice\n"),
        ];
        for output in noisy {
            assert_eq!(from_jlist(&output).map(|list| list.len()), Some(1), "{output}");
        }
        assert_eq!(from_jlist("[]\n"), Some(Vec::new()));
        for output in ["", "[PM2] nothing\n", "[{\"half\":", "[1,2]"] {
            assert_eq!(from_jlist(output), None, "{output}");
        }
    }

    #[test]
    fn a_variable_named_as_a_setting_does_not_hide_an_entry() {
        let odd = entry().replace(r#""restart_time":2"#, r#""restart_time":"often""#);
        let list = from_jlist(&format!("[{odd}]")).unwrap();
        assert_eq!(list.first().map(|entry| entry.restarts), Some(0));
    }

    #[test]
    fn a_pid_of_zero_or_none_is_no_process() {
        for pid in [r#""pid":0,"#, r#""pid":null,"#, ""] {
            let list = from_jlist(&format!("[{}]", entry().replace(r#""pid":4127,"#, pid))).unwrap();
            assert!(!list[0].is_running(), "{pid}");
        }
    }
}
