//! Names that somebody hopes are put into a path, a command line or a file as they are.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use bluegreen::model::color::Color;
use toml::{Table, Value};

use crate::sandbox::{Sandbox, repo, set};

/// `PWNED` is the path of a file that must never be.
const NAMES: &[&str] = &[
    "..",
    "../shop",
    "../../srv/shop/state/lock",
    "/etc/passwd",
    "-rf",
    "--upload-pack=touch PWNED",
    "a b",
    "it's",
    "\"shop\"",
    "shop;touch PWNED",
    "$(touch PWNED)",
    "`touch PWNED`",
    "shop\ntouch PWNED",
    "shop\u{1b}]0;mine\u{7}",
    "*",
    "",
];

/// Every path of the host but for what commands write down about themselves.
fn everything(sandbox: &Sandbox) -> BTreeSet<PathBuf> {
    let own = ["state", "repo.git", "logs"].map(|name| sandbox.app_root().join(name));
    let own: Vec<PathBuf> = own
        .into_iter()
        .chain([sandbox.pm2_home(), sandbox.root().join("nginx")])
        .collect();
    let (mut all, mut ahead) = (BTreeSet::new(), vec![sandbox.root().to_owned()]);
    while let Some(folder) = ahead.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() && !own.contains(&path) {
                ahead.push(path.clone());
            }
            all.insert(path);
        }
    }
    all
}

/// A command line with a name in it, its exit code, and what is said.
type Line = (&'static [&'static str], i32, &'static str);

const TYPED: &[Line] = &[
    (&["--app=NAME", "status"], 2, "is not a valid app name"),
    (&["--app=NAME", "deploy"], 2, "is not a valid app name"),
    (&["rollback", "--to=NAME"], 2, "is not a release"),
    (&["switch", "--reconcile=NAME"], 2, "is not a release"),
    (&["switch", "--", "NAME"], 2, "is not a color"),
    (&["history", "--", "NAME"], 1, "has no run"),
    (&["history", "--timings", "--", "NAME"], 1, "has no run"),
    (&["logs", "--worker=NAME"], 2, "is not a valid worker name"),
    (&["worker", "run", "--", "NAME"], 3, "has no worker"),
    (&["deploy", "--wait=NAME"], 2, "--wait"),
    (&["--hosts=NAME", "status"], 2, ""),
    (&["receive", "--", "NAME", "1"], 1, ""),
    (&["outcome", "--", "NAME"], 1, "was not carried out"),
    (
        &["work", "--root=ROOT", "--instance=NAME"],
        2,
        "is not a valid worker name",
    ),
];

#[test]
fn a_name_that_leads_elsewhere_is_refused_or_is_only_a_name() {
    let sandbox = Sandbox::deployed();
    typed(&sandbox);
    in_a_repository(&sandbox);
}

/// Each name in the first line and in every third of the others, so that each line is tried
/// with every kind of them.
fn typed(sandbox: &Sandbox) {
    let pwned = sandbox.root().join("pwned");
    let before = everything(sandbox);
    let mut tried = 0;
    let mut wrong = Vec::new();
    for (number, name) in NAMES.iter().enumerate() {
        let name = name.replace("PWNED", pwned.to_str().unwrap());
        let lines = TYPED.iter().enumerate();
        for (_, (line, code, says)) in lines.filter(|(at, _)| *at == 0 || (at + number) % 3 == 0) {
            let root = sandbox.app_root();
            let words = line.iter().map(|word| {
                word.replace("NAME", &name)
                    .replace("ROOT", root.to_str().unwrap())
            });
            let words: Vec<String> = words.collect();
            let outcome = sandbox.bg(&words.iter().map(String::as_str).collect::<Vec<_>>());
            let is_said = outcome.stderr.contains(says) && !outcome.stderr.contains('\u{1b}');
            if outcome.code != Some(*code) || !is_said || outcome.stderr.contains("panicked") {
                wrong.push(format!("{outcome}"));
            }
            tried += 1;
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {tried}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(tried > 80, "{tried}");
    for name in NAMES.iter().filter(|name| !name.is_empty()).step_by(2) {
        let name = name.replace("PWNED", pwned.to_str().unwrap());
        let refused = sandbox.bg(&["deploy", "--", &name]);
        sandbox.assert_five(&refused, 1, "is not a branch, tag or commit", Color::Blue);
    }
    assert!(!pwned.exists());
    let after = everything(sandbox);
    assert_eq!(after, before, "something was made");
}

/// Each setting that names something, with what stands for a name in it.
const SET: &[(&str, &str, &[&str])] = &[
    (
        "",
        "app",
        &["..", "../shop", "-rf", "a b", "Shop", "shop\n", "$(id)", ""],
    ),
    (
        "",
        "root",
        &[
            "srv/shop",
            "/srv/../etc",
            "/srv/a;b",
            "/srv/$(id)",
            "/srv/a\nb",
            "/",
        ],
    ),
    ("", "owner", &["-rf", "a b", "a:b", "a/b", ""]),
    ("source", "branch", &["-rf", "--upload-pack=x", "a b", "a\nb", ""]),
    ("source", "git", &["-u", "ext::sh -c id", "../repo", "a\nb", ""]),
    ("source", "folder", &["..", "/etc", "a/../..", ".", ""]),
    ("env", "file", &["../app.env", "/etc/shadow", "..", ""]),
    ("process", "name", &["../x", "a b", "-rf", "a;b", ""]),
    ("python", "version", &["-c", "a b", "bin/python", ""]),
    ("pm2", "bin", &["-x", "bin/pm2", ""]),
    ("pm2", "home", &["pm2", "/srv/../etc", "/"]),
    ("nginx", "max_body_size", &["10m; root /", "-1", ""]),
    ("nginx", "maintenance_page", &["../x", "/etc/passwd"]),
    ("nginx", "link_folder", &["link", "/srv/../x", "/srv/a;b"]),
];

/// The same where a list of them is written.
const LISTED: &[(&str, &str, &[&str])] = &[
    ("", "shared", &["..", "../x", "/etc", "a/../../b", "a\nb"]),
    ("", "hosts", &["-oProxyCommand=id", "a b", "web1\nweb2", ""]),
    ("python", "requirements", &["../x", "/etc/passwd", ""]),
    (
        "nginx",
        "server_names",
        &["a;b", "a b", "a{b", "$host", "a\"b", "a\nb", ""],
    ),
    (
        "nginx",
        "listen",
        &["80; root /", "80 $(id)", "80\n81", "70000", "unix:/x"],
    ),
    (
        "nginx",
        "paths",
        &["a", "/a;b", "/a b", "/$uri", "/a\nb", "/a\"b"],
    ),
];

#[test]
fn a_setting_that_leads_elsewhere_is_shown_with_its_line() {
    let sandbox = Sandbox::new();
    let good = fs::read_to_string(sandbox.config()).unwrap();
    let before = everything(&sandbox);
    let mut tried = 0;
    let mut wrong = Vec::new();
    let mut refuse = |what: String, change: &dyn Fn(&mut Table)| {
        sandbox.configure(change);
        let outcome = sandbox.bg(&["setup"]);
        if outcome.code != Some(3)
            || !outcome.stderr.contains("bg.toml:")
            || outcome.stderr.contains('\u{1b}')
        {
            wrong.push(format!("{what}: {outcome}"));
        }
        fs::write(sandbox.config(), &good).unwrap();
        tried += 1;
    };
    for (section, key, values) in SET {
        for value in *values {
            refuse(format!("{key} = {value:?}"), &|config| {
                put(config, section, key, (*value).into())
            });
        }
    }
    for (section, key, values) in LISTED {
        for value in *values {
            let list = Value::Array(vec![(*value).into()]);
            refuse(format!("{key} = [{value:?}]"), &|config| {
                put(config, section, key, list.clone())
            });
        }
    }
    for name in ["..", "a/b", "-rf", "a b", "sync-blue", "$(id)", "a\nb", ""] {
        refuse(format!("worker {name:?}"), &|config| {
            let worker = Table::from_iter([("name".into(), name.into()), ("run".into(), "true".into())]);
            config.insert("worker".into(), Value::Array(vec![Value::Table(worker)]));
        });
    }
    assert!(
        wrong.is_empty(),
        "{} of {tried}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(tried > 90, "{tried}");
    assert_eq!(everything(&sandbox), before, "something was made");
}

fn put(config: &mut Table, section: &str, key: &str, value: Value) {
    match section {
        "" => drop(config.insert(key.into(), value)),
        section => set(config, section, key, value),
    }
}

/// Odd names are data, and a link out of it is refused.
fn in_a_repository(sandbox: &Sandbox) {
    let pwned = sandbox.root().join("pwned");
    let odd = [
        "-rf",
        "a b",
        "it's \"q\"",
        "a;touch pwned",
        "$(touch pwned)",
        "a\nb",
        "\u{1b}]0;mine\u{7}",
        "é\\n",
    ];
    let subject = format!(
        "$(touch {0}) `touch {0}` \u{1b}]0;mine\u{7} 'x' \"y\"",
        pwned.display()
    );
    sandbox.commit(&subject, |repo| {
        for name in odd {
            fs::write(repo.join("static").join(name), name).unwrap();
            symlink(name, repo.join(format!("link to {name}"))).unwrap();
        }
    });
    let branch = "x;$(touch${IFS}pwned)'\"|&";
    repo::git(&sandbox.repo(), &["branch", branch]);
    let deployed = sandbox.bg(&["deploy", branch]);
    deployed.assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green), "{deployed}");
    for said in [
        deployed,
        sandbox.bg(&["history"]),
        sandbox.bg(&["releases"]),
        sandbox.bg(&["status"]),
    ] {
        let whole = format!("{}{}", said.stdout, said.stderr);
        assert!(!whole.contains('\u{1b}'), "a terminal is steered by {whole:?}");
    }
    let release = sandbox.app_root().join("releases").join(sandbox.live_release());
    for name in odd {
        assert_eq!(
            fs::read_to_string(release.join("static").join(name)).unwrap(),
            name
        );
    }
    for target in ["/etc/passwd", "../../../..", "../static/../../x"] {
        sandbox.commit("a way out", |repo| relink(target, &repo.join("static/out")));
        let refused = sandbox.bg(&["deploy"]);
        sandbox.assert_five(&refused, 1, "points out of the release", Color::Green);
    }
    assert!(!pwned.exists());
    assert!(!Path::new("pwned").exists() && !sandbox.repo().join("pwned").exists());
}

fn relink(target: &str, link: &Path) {
    fs::remove_file(link).ok();
    symlink(target, link).unwrap();
}
