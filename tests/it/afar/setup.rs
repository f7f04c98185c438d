//! `bg setup` over SSH: as root, as somebody with a sudo that asks nothing, and as somebody
//! without rights, who is told what to type.
//!
//! The host's users are its own: its sshd sees another `/etc/passwd` and `/etc/sudoers` than
//! the machine, which needs root.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::unistd::Uid;

use crate::sandbox::afar::Afar;
use crate::sandbox::wait::wait_until;

/// Who deploys: nobody on the machine has this name or number.
const DEPLOY: &str = "bg-deploy";
const NUMBER: u32 = 64_001;

/// Binds each file of `$1` over the one of its name in `/etc`, and becomes the rest.
const INSIDE: &str = "set -e; files=$1; shift
for file in \"$files\"/*; do mount --bind \"$file\" \"/etc/${file##*/}\"; done; exec \"$@\"";

/// A client and a server with users of its own.
struct Scene {
    afar: Afar,
    sshd: Child,
}

impl Scene {
    /// `None`, and a word about it, where that is not to be had.
    fn new(sudo: &str) -> Option<Scene> {
        let may = Uid::effective().is_root()
            && Path::new("/usr/bin/sudo").exists()
            && Command::new("unshare")
                .args(["--mount", "sh", "-c", "mount --bind /etc/passwd /etc/passwd"])
                .output()
                .is_ok_and(|output| output.status.success());
        if !may {
            eprintln!("not tried: users of its own for a host need root, sudo, and to be allowed");
            return None;
        }
        let mut afar = Afar::new(1);
        afar.write_config(0, |_| {});
        let config = fs::read_to_string(afar.home.ssh("config")).unwrap();
        afar.home
            .write("config", &config.replace("User root", &format!("User {DEPLOY}")));
        let files = users(&afar, sudo);
        give(&afar.servers[0].sandbox.root().join("home"));
        afar.servers[0].sshd.stop();
        let sshd = start(&afar, &files);
        Some(Scene { afar, sshd })
    }

    fn owner_of(&self, path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().uid()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.sshd.kill().ok();
        self.sshd.wait().ok();
    }
}

/// The machine's users and one more; what sudo allows is only what is said here.
fn users(afar: &Afar, sudo: &str) -> PathBuf {
    let root = afar.servers[0].sandbox.root();
    let folder = root.join("etc");
    fs::create_dir_all(&folder).unwrap();
    let home = root.join("home");
    for (name, line, mode) in [
        (
            "passwd",
            format!("{DEPLOY}:*:{NUMBER}:{NUMBER}::{}:/bin/bash", home.display()),
            0o644,
        ),
        ("shadow", format!("{DEPLOY}:*:19000:0:99999:7:::"), 0o600),
        ("group", format!("{DEPLOY}:x:{NUMBER}:"), 0o644),
    ] {
        let there = fs::read_to_string(Path::new("/etc").join(name)).unwrap();
        write(&folder.join(name), &format!("{there}{line}\n"), mode);
    }
    let sudoers = format!("Defaults env_keep += \"BG_REGISTRY\"\nroot ALL=(ALL) ALL\n{sudo}\n");
    write(&folder.join("sudoers"), &sudoers, 0o440);
    folder
}

fn write(file: &Path, text: &str, mode: u32) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
}

fn give(folder: &Path) {
    chown(folder, Some(NUMBER), Some(NUMBER)).unwrap();
}

fn start(afar: &Afar, files: &Path) -> Child {
    let server = &afar.servers[0].sshd;
    let folder = server.host_key("ed25519").parent().unwrap().to_owned();
    let log = fs::OpenOptions::new()
        .append(true)
        .open(folder.join("log"))
        .unwrap();
    let child = Command::new("unshare")
        .args(["--mount", "sh", "-c", INSIDE, "inside"])
        .arg(files)
        .args(["/usr/sbin/sshd", "-D", "-e", "-f"])
        .arg(folder.join("sshd_config"))
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    wait_until(Duration::from_secs(20), "sshd with users of its own", || {
        std::net::TcpStream::connect(("127.0.0.1", server.port())).is_ok()
    });
    child
}

#[test]
fn somebody_with_sudo_sets_up_and_owns_the_app_and_not_what_nginx_reads() {
    let Some(scene) = Scene::new(&format!("{DEPLOY} ALL=(root) NOPASSWD: ALL")) else {
        return;
    };
    let (afar, host) = (&scene.afar, &scene.afar.servers[0].sandbox);
    // Only what setup makes is given to anybody.
    fs::remove_dir_all(host.app_root()).unwrap();
    let setup = afar.bg(&["setup"]);
    setup
        .assert_code(0)
        .assert_says("NGINX reads the new configuration");
    assert_eq!(scene.owner_of(&host.app_root()), NUMBER);
    assert_eq!(scene.owner_of(&host.link_folder()), NUMBER);
    assert_eq!(scene.owner_of(&host.registry().join("shop.toml")), 0);
    let entry = fs::read_to_string(host.registry().join("shop.toml")).unwrap();
    assert!(entry.contains(&format!("owner = \"{DEPLOY}\"")), "{entry}");
    for file in fs::read_dir(host.front.conf().parent().unwrap().join("bg/shop"))
        .unwrap()
        .flatten()
    {
        assert_eq!(scene.owner_of(&file.path()), 0, "{file:?}");
    }
    // The engine is that user's own, and whatever comes next is done without root.
    assert_eq!(scene.owner_of(&afar.servers[0].engines()), NUMBER);
    let status = afar.bg(&["status"]);
    status.assert_code(0);
    assert!(status.stdout.contains("nothing is live yet"), "{status}");
    let again = afar.bg(&["setup"]);
    again.assert_code(0);
    assert!(again.stdout.contains("nothing to change"), "{again}");
}

/// Through sudo root acts on the word of whoever called it, who may be let do no more.
#[test]
fn who_connects_sets_up_for_nobody_else() {
    let Some(scene) = Scene::new(&format!("{DEPLOY} ALL=(root) NOPASSWD: ALL")) else {
        return;
    };
    let (afar, host) = (&scene.afar, &scene.afar.servers[0].sandbox);
    for owner in ["root", "nobody"] {
        afar.write_config(0, |config| drop(config.insert("owner".into(), owner.into())));
        for args in [&["setup"][..], &["setup", "--plan"]] {
            let outcome = afar.bg(args);
            outcome.assert_code(3).assert_says(&format!(
                "`owner` in bg.toml is `{owner}`, but `{DEPLOY}` is asking"
            ));
        }
    }
    assert!(!host.registry().join("shop.toml").exists());
}

#[test]
fn somebody_without_rights_is_told_what_to_type_which_works() {
    let Some(scene) = Scene::new("") else { return };
    let (afar, host) = (&scene.afar, &scene.afar.servers[0].sandbox);
    let setup = afar.bg(&["setup"]);
    setup.assert_code(1).assert_says(&format!(
        "hint: `{DEPLOY}` has no root's rights there: `bluegreen setup --hosts root@web1`, or allow `{DEPLOY}` a sudo \
         that asks for no password"
    ));
    assert!(!host.registry().join("shop.toml").exists());
    let setup = afar.bg(&["setup", "--hosts", "root@web1"]);
    setup.assert_code(0);
    assert_eq!(scene.owner_of(&host.app_root()), 0);
    afar.bg(&["status", "--hosts", "root@web1"]).assert_code(0);
    // It is root's now, which whoever is not root is told.
    let status = afar.bg(&["status"]);
    status
        .assert_code(2)
        .assert_says("error: `shop` belongs to `root`");
}
