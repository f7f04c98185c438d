//! The values of the environment file, while a deploy goes on over SSH and after it: they are
//! in the file, in its private copies and in the app's own environment, and nowhere else.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bluegreen::model::color::Color;

use crate::sandbox::afar::Afar;
use crate::sandbox::outcome::Outcome;
use crate::sandbox::set;

/// Another than in all other tests, so that a process that has it is one of these.
fn secret() -> String {
    format!("nobody-else-knows-{}", std::process::id())
}

#[test]
fn a_secret_stays_with_the_app_while_it_is_deployed_over_ssh() {
    let mut afar = Afar::with(1, |_, config| set(config, "gate", "timeout", "8s"));
    afar.servers[0].reopen(&["LogLevel DEBUG3"]);
    afar.write_config(0, |_| {});
    let host = &afar.servers[0].sandbox;
    let file = host.app_root().join("shared/app.env");
    fs::write(&file, format!("SHOP_SECRET={}\n", secret())).unwrap();
    let mut told = vec![afar.bg(&["setup"])];
    told.extend(watched(&afar, || {
        let mut told = vec![afar.bg(&["deploy"]).assert_code(0).clone()];
        host.commit_edit(
            "unwell, and talks too much",
            "return {\"status\": \"ok\"}",
            "key = os.environ[\"SHOP_SECRET\"]; print(\"the key is\", key, flush=True); return key, 500",
        );
        told.push(afar.bg(&["deploy"]).assert_code(1).clone());
        told.push(afar.bg(&["deploy", "--json"]).assert_code(1).clone());
        told.push(afar.bg(&["exec", "blue", "--", "true"]).assert_code(0).clone());
        told
    }));
    assert_eq!(host.live_color(), Some(Color::Blue));
    let refused = &told[2];
    refused.assert_says("  flask-green | the key is [SHOP_SECRET]");
    refused.assert_says("500: the app failed, it said: [SHOP_SECRET]");
    told.push(afar.bg(&["logs", "green", "-n", "1000"]));
    assert!(told[5].stdout.contains("the key is [SHOP_SECRET]"), "{}", told[5]);
    for args in [&["status", "--json"][..], &["history", "--json"], &["check"]] {
        told.push(afar.bg(args));
    }
    for run in fs::read_dir(host.app_root().join("state/runs"))
        .unwrap()
        .flatten()
    {
        let run = run.file_name().into_string().unwrap().replace(".ndjson", "");
        told.push(afar.bg(&["history", &run]).assert_code(0).clone());
    }
    assert!(told.len() >= 12, "{}", told.len());
    for outcome in &told {
        assert!(!outcome.to_string().contains(&secret()), "{outcome}");
    }
    assert!(!afar.servers[0].sshd.log().contains(&secret()));
    assert!(
        afar.servers[0].sshd.log().contains("debug3"),
        "the log says all it can"
    );
    let client = afar.desk().parent().unwrap().to_owned();
    assert_eq!(holding(&client, &[]), Vec::<PathBuf>::new());
    // What the app prints of its own will is in its own log.
    let private = [file, host.app_root().join("envs")];
    let own_log = host.app_root().join("logs");
    assert_eq!(
        holding(host.root(), &[&private[0], &private[1], &own_log]),
        Vec::<PathBuf>::new()
    );
    let copies = holding(&private[1], &[]);
    assert!(!copies.is_empty(), "the test sees a secret where there is one");
    for copy in copies {
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(host.pm2_home().join("dump.pm2").exists());
}

/// Looks at every process of the machine again and again while `work` goes on.
fn watched(afar: &Afar, work: impl FnOnce() -> Vec<Outcome>) -> Vec<Outcome> {
    let releases = afar.servers[0].sandbox.app_root().join("releases");
    let (over, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (told, seen) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = Seen::default();
            while !over.load(Ordering::Relaxed) {
                seen.look(&releases);
                looks.fetch_add(1, Ordering::Relaxed);
            }
            seen
        });
        let told = work();
        over.store(true, Ordering::Relaxed);
        (told, watcher.join().unwrap())
    });
    assert!(looks.into_inner() > 20);
    assert_eq!(seen.in_command_lines, BTreeSet::new());
    assert_eq!(seen.in_other_environments, BTreeSet::new());
    assert!(
        seen.apps.len() >= 2,
        "the apps were seen with it: {:?}",
        seen.apps
    );
    told
}

/// Where the secret was seen.
#[derive(Default)]
struct Seen {
    in_command_lines: BTreeSet<String>,
    in_other_environments: BTreeSet<String>,
    apps: BTreeSet<u32>,
}

impl Seen {
    fn look(&mut self, releases: &Path) {
        let pids = fs::read_dir("/proc").unwrap().flatten();
        for pid in pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
            let about = PathBuf::from(format!("/proc/{pid}"));
            let Ok(line) = fs::read(about.join("cmdline")) else {
                continue;
            };
            let shown = String::from_utf8_lossy(&line).replace('\0', " ");
            if contains(&line, secret().as_bytes()) {
                self.in_command_lines.insert(shown.clone());
            }
            let environment = fs::read(about.join("environ")).unwrap_or_default();
            if !contains(&environment, secret().as_bytes()) {
                continue;
            }
            let folder = fs::read_link(about.join("cwd")).unwrap_or_default();
            if folder.starts_with(releases) {
                self.apps.insert(pid);
            } else if about.exists() {
                self.in_other_environments
                    .insert(format!("{pid} {shown} in {}", folder.display()));
            }
        }
    }
}

/// The files below `folder` that have the secret, but for what lies below `allowed`.
fn holding(folder: &Path, allowed: &[&Path]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if allowed.iter().any(|allowed| path.starts_with(allowed)) {
            continue;
        }
        if kind.is_dir() {
            found.extend(holding(&path, allowed));
        } else if kind.is_file() && contains(&fs::read(&path).unwrap_or_default(), secret().as_bytes()) {
            found.push(path);
        }
    }
    found
}

fn contains(bytes: &[u8], piece: &[u8]) -> bool {
    // A window over megabytes of programs is slow where nothing is optimized.
    let Some(first) = piece.first() else { return true };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        if rest[at..].starts_with(piece) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}
