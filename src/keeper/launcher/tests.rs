use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sys::process;
use sys::restart_inhibitor::RestartInhibitor;

use crate::launcher::*;

const CONFIG: &str = r#"
app = "shop"
root = "/srv/shop"
source = { git = "/repo" }
process = { run = "unused", ports = { blue = 5001, green = 5002 } }
nginx = { server_names = ["shop.example"] }
"#;

const ID: &str = "20261123T181500Z-3f6f782";

/// A root with one release in the green slot.
struct Root {
    folder: tempfile::TempDir,
    layout: Layout,
    manifest: Manifest,
}

impl Root {
    fn new(run: &[&str]) -> Root {
        let folder = tempfile::Builder::new().prefix("bg root ").tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let manifest = Manifest {
            format: Manifest::FORMAT,
            id: ID.parse().unwrap(),
            commit: "3f6f782".into(),
            subject: "Fix".into(),
            reference: "main".into(),
            made_at: "2026-11-23T18:15:00Z".parse().unwrap(),
            made_by: "ann".into(),
            folder: Some("web".into()),
            run: run.iter().map(|word| (*word).to_owned()).collect(),
            ports: model::config::Ports {
                blue: 5001,
                green: 5002,
            },
            venv: "key".into(),
            env: BTreeMap::from([("MODE".into(), "plain".into()), ("BOTH".into(), "plain".into())]),
            env_file: Some("e1".into()),
            config: toml::from_str(CONFIG).unwrap(),
            adopted: None,
            contract: None,
            made_for: None,
        };
        for below in ["releases", "manifests", "envs", "slots", "state"] {
            fs::create_dir(layout.root().join(below)).unwrap();
        }
        fs::create_dir_all(layout.release(&manifest.id).join("web")).unwrap();
        fs::write(
            layout.envs().join("e1"),
            "SECRET='hunter2 \"x\"'\nBOTH=file\nBG_PORT=9\n",
        )
        .unwrap();
        std::os::unix::fs::symlink(format!("../releases/{ID}"), layout.slot(Color::Green)).unwrap();
        let root = Root {
            folder,
            layout,
            manifest,
        };
        root.write_manifest();
        root
    }

    fn write_manifest(&self) {
        let text = serde_json::to_vec(&self.manifest).unwrap();
        fs::write(self.layout.manifest(&self.manifest.id), text).unwrap();
    }

    /// Starts a process that becomes the app: this test program, told to run `becomes_the_app`.
    fn start(&self) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--ignored",
                "--nocapture",
                &this_test("becomes_the_app"),
            ])
            .env("BG_TEST_ROOT", self.folder.path())
            .env("PORT", "8000")
            .env("TZ", "Europe/Rome")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn launch(&self) -> LaunchError {
        launch(&self.layout, Color::Green, "n1").unwrap_err()
    }
}

#[test]
#[ignore = "becomes another program; other tests start it"]
fn becomes_the_app() {
    let root = std::env::var("BG_TEST_ROOT").unwrap();
    let error = launch(&Layout::new(root), Color::Green, "n1").unwrap_err();
    panic!("{error}");
}

#[test]
fn the_app_gets_its_folder_its_words_and_a_clean_environment() {
    let script = "pwd; echo \"$0\"; env -0 | tr '\\n\\0' '~\\n'";
    let root = Root::new(&[
        "sh",
        "-c",
        script,
        "{{ venv }}|{{ port }}|{{ color }}|{{ release }}",
    ]);
    let child = root.start();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let folder = root.layout.root().canonicalize().unwrap();
    let release = root.layout.release(&root.manifest.id);
    let lines: Vec<&str> = text.lines().skip_while(|line| !line.starts_with('/')).collect();
    assert_eq!(
        lines[0],
        folder.join("releases").join(ID).join("web").to_str().unwrap()
    );
    let venv = root.layout.venvs().join("key");
    assert_eq!(
        lines[1],
        format!("{}|5002|green|{}", venv.display(), release.display())
    );
    let env: BTreeMap<&str, &str> = lines[2..]
        .iter()
        .filter_map(|line| line.split_once('='))
        .collect();
    let expected = [
        ("SECRET", "hunter2 \"x\""),
        ("MODE", "plain"),
        ("BOTH", "file"),
        ("TZ", "Europe/Rome"),
        ("BG_APP", "shop"),
        ("BG_COLOR", "green"),
        ("BG_RELEASE", ID),
        ("BG_PORT", "5002"),
        ("BG_NONCE", "n1"),
        ("SPT_NOENV", "1"),
    ];
    for (name, value) in expected {
        assert_eq!(env.get(name), Some(&value), "{name}");
    }
    assert!(env["PATH"].starts_with(venv.join("bin").to_str().unwrap()));
    let more = ["HOME", "USER", "LANG", "PATH", "PWD", "_", "SHLVL", "OLDPWD"];
    let known = |name: &str| more.contains(&name) || expected.iter().any(|(one, _)| *one == name);
    let unexpected: Vec<_> = env.keys().filter(|name| !known(name)).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
}

#[test]
fn the_secret_is_in_no_command_line() {
    let root = Root::new(&["sleep", "300"]);
    let mut child = root.start();
    let deadline = Instant::now() + Duration::from_secs(10);
    while process::cmdline(child.id()).as_deref() != Some("sleep 300") {
        assert!(Instant::now() < deadline, "{:?}", process::cmdline(child.id()));
        assert!(
            !process::cmdline(child.id())
                .unwrap_or_default()
                .contains("hunter2")
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(process::env_has(child.id(), "BG_NONCE", "n1"));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn the_secret_reaches_the_app_and_nothing_of_pm2s() {
    let root = Root::new(&["sleep", "300"]);
    let sandbox = crate::pm2::tests::Sandbox::new();
    let test = this_test("becomes_the_app");
    let spec = crate::pm2::Spec {
        script: std::env::current_exe().unwrap(),
        args: ["--exact", "--ignored", "--nocapture", &test]
            .map(String::from)
            .into(),
        env: BTreeMap::from([("BG_TEST_ROOT".into(), root.folder.path().to_str().unwrap().into())]),
        ..sandbox.spec("flask-green", "new")
    };
    let entry = sandbox.start(&spec).await.unwrap();
    let pid = entry.pid.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while process::cmdline(pid).as_deref() != Some("sleep 300") {
        assert!(Instant::now() < deadline, "{:?}", process::cmdline(pid));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(process::env_has(pid, "SECRET", "hunter2 \"x\""));
    sandbox.pm2.save().await.unwrap();
    let dump = fs::read_to_string(sandbox.pm2.dump_file()).unwrap();
    let log = fs::read_to_string(&spec.log).unwrap();
    let listed = String::from_utf8(sandbox.cli(&["jlist"]).stdout).unwrap();
    for (place, text) in [("dump", dump), ("log", log), ("list", listed)] {
        assert!(!text.contains("hunter2"), "the secret is in PM2's {place}");
        assert!(place == "log" || text.contains("BG_TEST_ROOT"));
    }
}

#[test]
fn an_inhibitor_keeps_the_app_waiting_until_it_is_released() {
    let root = Root::new(&["sh", "-c", "echo > started; exec sleep 300"]);
    let inhibitor = root.layout.inhibitor(Color::Green);
    let held = RestartInhibitor::take(&inhibitor).unwrap();
    let started = root.layout.release(&root.manifest.id).join("web/started");
    let mut child = root.start();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(700) {
        assert!(!started.exists(), "the hold was not respected");
        assert!(child.try_wait().unwrap().is_none(), "the launcher gave up");
        std::thread::sleep(Duration::from_millis(20));
    }
    held.release();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !started.exists() {
        assert!(Instant::now() < deadline, "the app was not started");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();

    let _held = RestartInhibitor::take(&inhibitor).unwrap();
    let mut held = root.start();
    let pid = nix::unistd::Pid::from_raw(held.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let ended = held.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(15));
}

#[test]
fn what_cannot_be_started_says_what_to_mend() {
    type Case = (&'static str, fn(&Root), &'static str);
    let cases: [Case; 8] = [
        (
            "no slot",
            |root| fs::remove_file(root.layout.slot(Color::Green)).unwrap(),
            "nothing was deployed to green",
        ),
        (
            "slot elsewhere",
            |root| {
                fs::remove_file(root.layout.slot(Color::Green)).unwrap();
                std::os::unix::fs::symlink("../releases/other", root.layout.slot(Color::Green)).unwrap();
            },
            "does not point at a release",
        ),
        (
            "no manifest",
            |root| fs::remove_file(root.layout.manifest(&root.manifest.id)).unwrap(),
            "cannot be read",
        ),
        (
            "cut manifest",
            |root| fs::write(root.layout.manifest(&root.manifest.id), "{").unwrap(),
            "is damaged",
        ),
        (
            "newer manifest",
            |root| fs::write(root.layout.manifest(&root.manifest.id), r#"{"format":9}"#).unwrap(),
            "has format 9, this program reads 1",
        ),
        (
            "no env file",
            |root| fs::remove_file(root.layout.envs().join("e1")).unwrap(),
            "environment file",
        ),
        (
            "broken env file",
            |root| fs::write(root.layout.envs().join("e1"), "hunter2secret").unwrap(),
            "cannot be understood",
        ),
        (
            "no folder",
            |root| fs::remove_dir(root.layout.release(&root.manifest.id).join("web")).unwrap(),
            "is not there",
        ),
    ];
    for (case, damage, expected) in cases {
        let root = Root::new(&["sh"]);
        damage(&root);
        let error = root.launch().to_string();
        assert!(error.contains(expected), "{case}: {error}");
        assert!(!error.contains("hunter2"), "{case}: {error}");
    }
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let root = Root::new(&["no-such-program"]);
    // Not in this process: the attempt changes its folder.
    let output = root.start().wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let folder = root.layout.release(&root.manifest.id).join("web");
    let expected = format!("`no-such-program` cannot be started in `{}`", folder.display());
    assert!(text.contains(&expected), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

fn render(words: &[&str]) -> Result<Vec<String>, RenderError> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    render_run(&words, 5001, Path::new("/v v/<k>"), Path::new("/r"), Color::Blue)
}

#[test]
fn a_command_is_rendered_word_by_word() {
    assert_eq!(
        render(&[
            "{{ venv }}/bin/python",
            "-b",
            "127.0.0.1:{{port}}",
            "{{ release }}",
            "{{ color }}",
            "a b"
        ])
        .unwrap(),
        ["/v v/<k>/bin/python", "-b", "127.0.0.1:5001", "/r", "blue", "a b"]
    );
}

#[test]
fn a_command_that_does_not_render_names_the_word_and_the_variable() {
    use std::error::Error;
    let error = render(&["x", "-b{{ prot }}"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`-b{{ prot }}` does not render: the variables are `port`, `venv`, `release` and `color`"
    );
    let source = error.source().unwrap().to_string();
    assert!(source.contains("`prot`"), "{source}");
    assert!(matches!(render(&["{{ port"]), Err(RenderError::Word { .. })));
    assert!(matches!(render(&[]), Err(RenderError::Empty)));
}

#[test]
fn the_program_is_copied_when_it_differs() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path().join("root"));
    let exe: PathBuf = folder.path().join("exe");
    fs::write(&exe, "one").unwrap();
    assert!(install(&exe, &layout).unwrap());
    let first = fs::metadata(layout.launcher()).unwrap();
    assert_eq!(first.permissions().mode() & 0o7777, 0o755);
    assert!(!install(&exe, &layout).unwrap());
    // Same size, other content.
    fs::write(&exe, "two").unwrap();
    let old = fs::File::open(layout.launcher()).unwrap();
    assert!(install(&exe, &layout).unwrap());
    assert_eq!(fs::read_to_string(layout.launcher()).unwrap(), "two");
    assert_eq!(
        std::io::read_to_string(old).unwrap(),
        "one",
        "a running copy was changed"
    );
    assert_ne!(fs::metadata(layout.launcher()).unwrap().ino(), first.ino());
    fs::set_permissions(layout.launcher(), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(
        install(&exe, &layout).unwrap(),
        "a copy that cannot be executed was kept"
    );
    let left = fs::read_dir(layout.launcher().parent().unwrap()).unwrap().count();
    assert_eq!(left, 1, "a temporary file was left behind");
    assert!(install(&folder.path().join("none"), &layout).is_err());
}

/// As the runner of the tests calls the test `name` of this file.
fn this_test(name: &str) -> String {
    let (_, module) = module_path!().split_once("::").unwrap();
    format!("{module}::{name}")
}
