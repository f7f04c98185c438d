//! Any user can give a program the title of PM2's daemon. Root, who looks for what could be
//! adopted, asks it with that user's rights and believes it about that user alone.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Stdio};

use super::owners::site;
use super::scene::{LONG, PROCESS, script, usual};
use crate::sandbox::shared::{OTHER, Shared, everything};
use crate::sandbox::wait::wait_until;

/// Says that it is the daemon of a home, and answers whoever connects to the socket in a folder
/// with a text, or with nothing at all.
const DAEMON: &str = r#"
const [home, folder, answer] = process.argv.slice(2);
const frame = (parts) => Buffer.concat([Buffer.from([0x10 | parts.length]), ...parts.flatMap((part) => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Buffer.byteLength(part));
  return [length, Buffer.from(part)];
})]);
require("net").createServer((connection) => {
  connection.on("error", () => {});
  connection.on("data", () => {
    if (answer === "nothing") return;
    connection.end(answer.startsWith("[") ? frame(["j:" + JSON.stringify({args: [JSON.parse(answer)]}), "s:bluegreen:0"]) : answer);
  });
}).listen(folder + "/rpc.sock", () => { process.title = `PM2 v7.0.4: God Daemon (${home})`; });
"#;

/// A daemon of the other user's that is none; ended when dropped.
struct Fake(Child);

impl Fake {
    fn start(shared: &Shared, home: &Path, folder: &Path, answer: &str) -> Fake {
        let program = shared.sandbox.root().join("daemon.js");
        fs::write(&program, DAEMON).unwrap();
        fs::remove_file(folder.join("rpc.sock")).ok();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let line = ["node", &text(&program), &text(home), &text(folder), answer];
        let child = shared
            .command_as(OTHER, &line)
            // Room for the title, which is written over the environment.
            .env("ROOM", "x".repeat(500))
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let title = format!("God Daemon ({})", home.display());
        wait_until(LONG, "it has its title", || {
            fs::read_to_string(format!("/proc/{}/cmdline", child.id()))
                .is_ok_and(|line| line.contains(&title))
        });
        Fake(child)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[test]
fn a_daemon_that_lies_gets_nothing_run_and_hides_nobody_elses() {
    let Some(mut shared) = Shared::with(usual) else {
        return;
    };
    site(&mut shared);
    let root = shared.sandbox.root().to_owned();
    // Whatever starts `pm2`, and for which home.
    let told = root.join("pm2-ran");
    fs::write(&told, "").unwrap();
    fs::set_permissions(&told, std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let real = shared
        .command_as("root", &["sh", "-c", "command -v pm2"])
        .output()
        .unwrap();
    let real = String::from_utf8(real.stdout).unwrap();
    fs::create_dir_all(root.join("programs")).unwrap();
    script(
        &root.join("programs/pm2"),
        &format!(
            "#!/bin/sh\necho $(id -u) $PM2_HOME >> '{}'\nexec '{}' \"$@\"\n",
            told.display(),
            real.trim()
        ),
    );
    let other = nix::unistd::User::from_name(OTHER).unwrap().unwrap();
    let theirs = root.join("theirs");
    fs::create_dir_all(theirs.join("modules")).unwrap();
    std::os::unix::fs::symlink(&theirs, root.join("a-link")).unwrap();
    for path in everything(&theirs) {
        std::os::unix::fs::lchown(path, Some(other.uid.as_raw()), Some(other.gid.as_raw())).unwrap();
    }
    let gunicorn = wanted_pid(&shared);
    let entry = |pid: u32| {
        format!(
            r#"[{{"pid":{pid},"name":"{PROCESS}","pm_id":0,"pm2_env":{{"status":"online","pm_exec_path":"/bin/sh","pm_cwd":"/","name":"{PROCESS}","pm_id":0,"env":{{}}}}}}]"#
        )
    };
    let lies = [
        (theirs.clone(), "HTTP/1.1 400 no".to_owned()),
        (theirs.clone(), "nothing".to_owned()),
        (theirs.clone(), "[]".to_owned()),
        (theirs.clone(), "[1,2,{}]".to_owned()),
        (theirs.clone(), entry(gunicorn)),
        (theirs.clone(), entry(1)),
        (root.join("a-link"), "HTTP/1.1 400 no".to_owned()),
        (shared.sandbox.pm2_home(), "HTTP/1.1 400 no".to_owned()),
        ("/root/.pm2".into(), "HTTP/1.1 400 no".to_owned()),
        ("/".into(), "HTTP/1.1 400 no".to_owned()),
    ];
    for (home, answer) in &lies {
        let _fake = Fake::start(&shared, home, &theirs, answer);
        // No bg.toml says which PM2 is meant.
        let conf = shared.sandbox.front.conf().to_str().unwrap().to_owned();
        let line = [shared.program(), "adopt", "--plan", "--nginx", &conf];
        let mut command = shared.command_as("root", &line);
        let path = std::env::join_paths(
            std::iter::once(root.join("programs"))
                .chain(std::env::split_paths(&crate::sandbox::path_with_tools())),
        );
        let output = command
            .env("PATH", path.unwrap())
            .current_dir("/")
            .output()
            .unwrap();
        let said =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{} {answer}: {said}", home.display());
        let ran = fs::read_to_string(&told).unwrap();
        let by_root = ran.lines().find(|line| line.starts_with("0 "));
        assert_eq!(by_root, None, "{} {answer}: {ran}", home.display());
        let of_theirs = ran.lines().find(|line| line.contains(theirs.to_str().unwrap()));
        assert_eq!(of_theirs, None, "{} {answer}: {ran}", home.display());
        for path in everything(&theirs) {
            let uid = fs::symlink_metadata(&path).unwrap().uid();
            assert_eq!(uid, other.uid.as_raw(), "{}", path.display());
        }
    }
    assert_eq!(lies.len(), 10);
    shared.bg_as("root", &["adopt", "--yes"]).assert_code(0);
    let entry = fs::read_to_string(shared.sandbox.registry().join("shop.toml")).unwrap();
    assert!(entry.contains("owner = \"nobody\""), "{entry}");
}

/// The process that answers visitors.
fn wanted_pid(shared: &Shared) -> u32 {
    let answer = shared.sandbox.get("/whoami");
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    u32::try_from(body["pid"].as_i64().unwrap()).unwrap()
}
