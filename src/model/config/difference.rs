//! What changed between two configurations, and whether `bg setup` has to hear of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use super::Config;
use super::span::dotted;
use crate::password::{is_secret_name, without_password};

/// What `bg setup` writes to the host. Everything else a deploy takes into its snapshot, and so
/// it does with [`ASKED`].
const SETUP: [&str; 10] = [
    "app",
    "root",
    "owner",
    "process.name",
    "process.ports",
    "nginx",
    "canary.cookie",
    "bake.share",
    "bake.net_except",
    "pm2",
];

/// How NGINX is asked, of which it reads nothing itself.
const ASKED: &str = "nginx.probe.";

/// One key that changed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Change {
    /// The key, as `nginx.listen` or `health[0].path`.
    pub key: String,
    /// Its value before, as one would write it in TOML; `not set` where there was none.
    pub old: String,
    /// Its value now, in the same form.
    pub new: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} -> {}", self.key, self.old, self.new)
    }
}

/// Every key whose value differs, by name. A default that is written out is no change.
#[must_use]
pub fn difference(old: &Config, new: &Config) -> Vec<Change> {
    let (old, new) = (leaves(old), leaves(new));
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let shown = |key: &str, value: Option<&String>| match value {
        None => "not set".to_owned(),
        Some(_) if is_secret(key) => "***".to_owned(),
        Some(value) => without_password(value),
    };
    // An empty list that got tables, or lost them, is told by its tables.
    let is_told_by_tables = |key: &str| {
        let table = format!("{key}[");
        keys.iter().any(|key| key.starts_with(&table))
    };
    keys.iter()
        .copied()
        .filter(|key| old.get(*key) != new.get(*key) && !is_told_by_tables(key))
        .map(|key| Change {
            key: key.clone(),
            old: shown(key, old.get(key)),
            new: shown(key, new.get(key)),
        })
        .collect()
}

/// A value that nobody may read over an operator's shoulder, or in a journal.
fn is_secret(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key);
    let named = key.starts_with("env.set.") || key.contains(".headers.");
    key == "notify.webhook" || (named && is_secret_name(last))
}

/// Those of `changes` that only take effect through `bg setup`, as a sentence; none without one.
#[must_use]
pub fn needs_setup(changes: &[Change]) -> Option<String> {
    let is_set_up = |change: &&Change| {
        !change.key.starts_with(ASKED)
            && SETUP.iter().any(|key| {
                let rest = change.key.strip_prefix(key);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            })
    };
    let keys = changes.iter().filter(is_set_up);
    let keys: Vec<String> = keys.map(|change| format!("`{}`", change.key)).collect();
    (!keys.is_empty()).then(|| {
        format!(
            "bg.toml has changes that `bg setup` must apply: {}",
            keys.join(", ")
        )
    })
}

fn leaves(config: &Config) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    // Cannot fail: keys are text, and paths came from TOML, which is UTF-8.
    if let Ok(tree) = serde_json::to_value(config) {
        collect(&tree, &mut Vec::new(), &mut found);
    }
    found
}

/// Lists of tables are entered, other lists are one value.
fn collect(value: &Value, path: &mut Vec<String>, found: &mut BTreeMap<String, String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Null => return,
        Value::Object(table) => table.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(list) if list.iter().any(Value::is_object) => list
            .iter()
            .enumerate()
            .map(|(index, value)| (index.to_string(), value))
            .collect(),
        _ => {
            found.insert(dotted(path), in_toml(value));
            return;
        }
    };
    for (name, child) in children {
        path.push(name);
        collect(child, path, found);
        path.pop();
    }
}

fn in_toml(value: &Value) -> String {
    toml::Value::try_from(value).map_or_else(|_| value.to_string(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::read::parse;
    use super::*;

    fn config(more: &str) -> Config {
        let text = format!(
            r#"
            app = "shop"
            root = "/srv/shop"
            source.git = "/home/you/shop"
            process.run = "gunicorn -b 127.0.0.1:{{{{ port }}}} app:app"
            process.ports = {{ blue = 5001, green = 5002 }}
            nginx.server_names = ["example.com"]
            {more}
            "#
        );
        parse(&text, Path::new("bg.toml")).unwrap_or_else(|error| panic!("{error}"))
    }

    fn lines(old: &str, new: &str) -> Vec<String> {
        difference(&config(old), &config(new))
            .iter()
            .map(Change::to_string)
            .collect()
    }

    #[test]
    fn a_default_written_out_is_no_change() {
        assert!(lines("", "gate.soak = \"5s\"\nkeep.warm = \"always\"").is_empty());
    }

    #[test]
    fn each_changed_key_is_named_with_both_values() {
        let changed = lines(
            "gate.soak = \"60s\"\nenv.set.LEVEL = \"info\"",
            "gate.soak = \"0s\"\nnginx.listen = [\"80\", \"8080\"]\nsource.folder = \"web\"",
        );
        assert_eq!(
            changed,
            [
                "env.set.LEVEL: \"info\" -> not set",
                "gate.soak: \"1m\" -> \"0s\"",
                "nginx.listen: [\"80\"] -> [\"80\", \"8080\"]",
                "source.folder: not set -> \"web\"",
            ]
        );
    }

    #[test]
    fn a_list_of_tables_is_compared_entry_by_entry() {
        let changed = lines("health = [{ path = \"/\" }]", "health = [{ path = \"/health\" }]");
        assert_eq!(changed, ["health[0].path: \"/\" -> \"/health\""]);
        let changed = lines("", "nginx.static = [{ url = \"/s/\", folder = \"s\" }]");
        assert_eq!(
            changed,
            [
                "nginx.static[0].folder: not set -> \"s\"",
                "nginx.static[0].url: not set -> \"/s/\""
            ]
        );
    }

    #[test]
    fn only_what_setup_writes_needs_setup() {
        let needs = |more: &str| needs_setup(&difference(&config(""), &config(more))).is_some();
        for more in [
            "nginx.max_body_size = \"1g\"",
            "nginx.static = [{ url = \"/static/\", folder = \"static\" }]",
            "process.name = \"shop\"",
            "pm2.bin = \"/usr/bin/pm2\"",
            "owner = \"deploy\"",
        ] {
            assert!(needs(more), "{more}");
        }
        for more in [
            "",
            "process.workers = 4",
            "env.set.APP = \"1\"",
            "gate.soak = \"1s\"",
            "source.folder = \"app\"",
        ] {
            assert!(!needs(more), "{more}");
        }
        let alike = Change {
            key: "pm2_logs".into(),
            old: "not set".into(),
            new: "1".into(),
        };
        assert!(
            needs_setup(&[alike]).is_none(),
            "only the beginning of the key is the same"
        );
        let mut moved = config("");
        moved.process.ports.blue = 6001;
        moved.process.workers = 9;
        let said = needs_setup(&difference(&config(""), &moved)).unwrap();
        assert!(said.ends_with(" must apply: `process.ports.blue`"), "{said}");
    }
}
