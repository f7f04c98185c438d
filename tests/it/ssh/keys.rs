//! Who gets in, and what those are told who do not.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::*;
use crate::sandbox::wait::wait_until;

/// An agent of its own; it ends with this.
struct Agent {
    socket: PathBuf,
    child: std::process::Child,
}

impl Agent {
    fn start(scene: &Scene) -> Agent {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let socket = scene.root.join(format!("agent{number}"));
        let child = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        wait_until(Duration::from_secs(5), "the agent listens", || {
            std::os::unix::net::UnixStream::connect(&socket).is_ok()
        });
        Agent { socket, child }
    }

    fn add(&self, key: &Path) {
        sshd::run(
            Command::new("ssh-add")
                .arg("-q")
                .arg(key)
                .env("SSH_AUTH_SOCK", &self.socket),
        );
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn known(options: &[&str]) -> Scene {
    let scene = Scene::strangers(options);
    scene.home.know(&scene.server.known_line("ed25519"));
    scene
}

#[tokio::test]
async fn each_kind_of_key_gets_in() {
    let scene = known(&[]);
    fs::remove_file(scene.home.ssh("id_ed25519")).unwrap();
    let mut seen = 0;
    for (kind, name) in [
        ("rsa", "id_rsa"),
        ("ecdsa", "id_ecdsa"),
        ("ed25519", "id_ed25519"),
    ] {
        scene.server.authorize(&scene.home.make_key(kind, name, &[]));
        scene.connect().await.unwrap().close().await;
        fs::remove_file(scene.home.ssh(name)).unwrap();
        seen += 1;
    }
    assert_eq!(seen, 3);
    let log = scene.server.log();
    assert_eq!(log.matches("Accepted publickey").count(), 3, "{log}");
    assert!(log.contains("ssh2: RSA SHA256:"), "{log}");
}

#[tokio::test]
async fn an_rsa_key_signs_with_sha_2_only() {
    let scene = known(&["PubkeyAcceptedAlgorithms ssh-rsa"]);
    fs::remove_file(scene.home.ssh("id_ed25519")).unwrap();
    scene.server.authorize(&scene.home.make_key("rsa", "id_rsa", &[]));
    let (text, _) = told(scene.connect().await, "web1");
    assert!(text.contains("refused"), "{text}");
    let log = scene.server.log();
    assert!(
        log.contains("rsa-sha2-512 not in PubkeyAcceptedAlgorithms"),
        "{log}"
    );
}

#[tokio::test]
async fn a_refused_key_is_named_with_its_fingerprint() {
    let scene = known(&[]);
    let ed = fingerprint(&scene.home.ssh("id_ed25519"));
    scene.home.make_key("ecdsa", "id_ecdsa", &[]);
    let ec = fingerprint(&scene.home.ssh("id_ecdsa"));
    let at = scene.home.ssh("");
    let at = at.display();
    let (text, code) = told(scene.connect().await, "web1");
    let user = user();
    assert_eq!(
        text,
        format!(
            "no SSH connection to `web1`\n\
             caused by: no key was accepted for the user `{user}`\n  \
             `{at}id_ecdsa` (ECDSA {ec}): refused\n  \
             `{at}id_ed25519` (ED25519 {ed}): refused\n\
             hint: one of these must be in authorized_keys of `{user}` at `web1`; `User` in ~/.ssh/config or `USER@web1` names another user"
        )
    );
    assert_eq!(code, 1);
}

#[tokio::test]
async fn a_wrong_user_is_named() {
    let scene = Scene::new();
    let address = format!("nobody-of-this-name@127.0.0.1:{}", scene.server.port());
    let (text, _) = told(scene.connect_to(&address).await, "web1");
    assert!(
        text.contains("caused by: no key was accepted for the user `nobody-of-this-name`"),
        "{text}"
    );
    assert!(text.contains("ED25519"), "{text}");
}

#[tokio::test]
async fn without_any_key_it_says_how_to_make_one() {
    let scene = known(&[]);
    for name in ["id_ed25519", "id_ed25519.pub"] {
        fs::remove_file(scene.home.ssh(name)).unwrap();
    }
    let (text, _) = told(scene.connect().await, "web1");
    let user = user();
    assert_eq!(
        text,
        format!(
            "no SSH connection to `web1`\n\
             caused by: no key was accepted for the user `{user}`\n  \
             there is no key to try\n\
             hint: `ssh-keygen -t ed25519` makes a key, `ssh-copy-id {user}@web1` lets it in"
        )
    );
    scene.home.configure("IdentityFile ~/.ssh/elsewhere");
    let (text, _) = told(scene.connect().await, "web1");
    assert!(
        text.contains(&format!(
            "`{}`: there is no such file",
            scene.home.ssh("elsewhere").display()
        )),
        "{text}"
    );
}

#[tokio::test]
async fn a_key_that_others_can_read_is_not_used() {
    let scene = Scene::new();
    let key = scene.home.ssh("id_ed25519");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let (text, _) = told(scene.connect().await, "web1");
    let at = key.display();
    assert!(
        text.contains(&format!("`{at}`: not used, its mode 644 lets others read it")),
        "{text}"
    );
    assert!(text.contains(&format!("hint: `chmod 600 {at}`")), "{text}");
    assert!(!scene.server.log().contains("Accepted"));
}

#[tokio::test]
async fn what_is_no_key_is_passed_over_and_named() {
    let scene = Scene::new();
    scene.home.write(
        "broken",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
    );
    fs::create_dir(scene.home.ssh("folder")).unwrap();
    scene
        .home
        .configure("IdentityFile ~/.ssh/broken\nIdentityFile ~/.ssh/folder\nIdentityFile ~/.ssh/id_ed25519");
    scene.connect().await.unwrap().close().await;
    scene
        .home
        .configure("IdentityFile ~/.ssh/broken\nIdentityFile ~/.ssh/folder");
    let (text, _) = told(scene.connect().await, "web1");
    assert!(text.contains("broken`: not used, it is no private key"), "{text}");
    assert!(text.contains("folder`: not used, it cannot be read"), "{text}");
}

#[tokio::test]
async fn too_many_keys_are_told_from_a_refusal() {
    let scene = known(&["MaxAuthTries 2"]);
    for number in 0..3 {
        scene.home.make_key("ed25519", &format!("key{number}"), &[]);
    }
    scene.server.authorize(&public(&scene.home.ssh("key2")));
    scene
        .home
        .configure("IdentityFile ~/.ssh/key0\nIdentityFile ~/.ssh/key1\nIdentityFile ~/.ssh/key2");
    let (text, _) = told(scene.connect().await, "web1");
    assert!(
        text.contains("after that the server ended it, saying \"Too many authentication failures\""),
        "{text}"
    );
}

#[tokio::test]
async fn a_server_that_wants_a_password_is_not_given_one() {
    let scene = known(&["PubkeyAuthentication no", "PasswordAuthentication yes"]);
    let (text, _) = told(scene.connect().await, "web1");
    assert!(text.contains("the server takes only password"), "{text}");
    assert!(
        text.contains(&format!(
            "hint: passwords are never sent: `ssh-copy-id {}@web1` lets a key in",
            user()
        )),
        "{text}"
    );
    assert!(!text.contains("authorized_keys"), "{text}");
    assert!(!scene.server.log().contains("Failed password"));
}

#[tokio::test]
async fn the_agents_keys_get_in_and_those_that_are_named_come_first() {
    let scene = known(&[]);
    let agent = Agent::start(&scene);
    let socket = agent.socket.display();
    for name in ["other0", "other1", "named"] {
        scene.home.make_key("ed25519", name, &[]);
        agent.add(&scene.home.ssh(name));
        fs::remove_file(scene.home.ssh(name)).unwrap();
    }
    // Only the public half is left here.
    scene.server.authorize(&public(&scene.home.ssh("named")));
    scene.home.write(
        "config",
        &format!("IdentityAgent {socket}\nIdentityFile ~/.ssh/named\n"),
    );
    scene.connect().await.unwrap().close().await;
    assert!(
        !scene.server.log().contains("Failed publickey"),
        "{}",
        scene.server.log()
    );
    // Without the name it is found as the last one.
    scene.home.write("config", &format!("IdentityAgent {socket}\n"));
    scene.connect().await.unwrap().close().await;
    assert_eq!(
        scene.server.log().matches("Failed publickey").count(),
        2,
        "{}",
        scene.server.log()
    );
    // The others are left alone when that is said.
    let refused = format!("IdentityAgent {socket}\nIdentitiesOnly yes\nIdentityFile ~/.ssh/other0\n");
    scene.home.write("config", &refused);
    let (text, _) = told(scene.connect().await, "web1");
    let print = fingerprint(&scene.home.ssh("other0.pub"));
    assert!(
        text.contains(&format!("the agent's key `ed25519` (ED25519 {print}): refused")),
        "{text}"
    );
    assert_eq!(text.matches("refused").count(), 1, "{text}");
}

#[tokio::test]
async fn an_rsa_key_of_the_agent_gets_in() {
    let scene = known(&[]);
    let agent = Agent::start(&scene);
    scene.server.authorize(&scene.home.make_key("rsa", "named", &[]));
    agent.add(&scene.home.ssh("named"));
    scene
        .home
        .write("config", &format!("IdentityAgent {}\n", agent.socket.display()));
    scene.connect().await.unwrap().close().await;
}

#[tokio::test]
async fn an_agent_without_keys_and_one_that_is_gone_are_named() {
    let scene = known(&[]);
    for name in ["id_ed25519", "id_ed25519.pub"] {
        fs::remove_file(scene.home.ssh(name)).unwrap();
    }
    let agent = Agent::start(&scene);
    let socket = agent.socket.display().to_string();
    scene.home.write("config", &format!("IdentityAgent {socket}\n"));
    let user = user();
    let (text, _) = told(scene.connect().await, "web1");
    assert_eq!(
        text,
        format!(
            "no SSH connection to `web1`\n\
             caused by: no key was accepted for the user `{user}`\n  \
             the agent at `{socket}` has no keys\n\
             hint: `ssh-add FILE` gives a key to the agent"
        )
    );
    drop(agent);
    let (text, _) = told(scene.connect().await, "web1");
    assert_eq!(
        text,
        format!(
            "no SSH connection to `web1`\n\
             caused by: no key was accepted for the user `{user}`\n  \
             no agent answers at `{socket}`\n\
             hint: nobody listens at `{socket}`: start an agent anew, or leave SSH_AUTH_SOCK or `IdentityAgent` out"
        )
    );
    // A dead agent is no obstacle where a key is at hand.
    scene
        .server
        .authorize(&scene.home.make_key("ed25519", "id_ed25519", &[]));
    scene.connect().await.unwrap().close().await;
}

#[tokio::test]
async fn certificates_get_in_from_beside_the_key_by_name_and_with_the_agents_key() {
    let scene = known(&[]);
    let authority = scene.root.join("authority");
    generate("ed25519", &authority, &[]);
    scene
        .server
        .authorize(&format!("cert-authority {}", public(&authority)));
    fs::remove_file(scene.home.ssh("id_ed25519")).unwrap();
    let mut seen = 0;
    for (kind, name) in [
        ("ed25519", "id_ed25519"),
        ("rsa", "id_rsa"),
        ("ecdsa", "id_ecdsa"),
    ] {
        fs::remove_file(scene.home.ssh(&format!("{name}.pub"))).ok();
        scene.home.make_key(kind, name, &[]);
        let (_, before) = (0, scene.server.log().len());
        let (text, _) = told(scene.connect().await, "web1");
        assert!(text.contains("refused"), "without a certificate: {text}");
        let mut sign = Command::new("ssh-keygen");
        sign.args(["-q", "-I", "the-id", "-n", &user(), "-s"])
            .arg(&authority);
        sshd::run(sign.arg(scene.home.ssh(&format!("{name}.pub"))));
        // Beside the key.
        scene.home.configure("");
        scene.connect().await.unwrap().close().await;
        // By name.
        fs::rename(
            scene.home.ssh(&format!("{name}-cert.pub")),
            scene.home.ssh("cert"),
        )
        .unwrap();
        scene.home.configure("CertificateFile ~/.ssh/cert");
        scene.connect().await.unwrap().close().await;
        // With the agent's key.
        let agent = Agent::start(&scene);
        agent.add(&scene.home.ssh(name));
        fs::remove_file(scene.home.ssh(name)).unwrap();
        let socket = agent.socket.display();
        scene.home.write(
            "config",
            &format!("CertificateFile ~/.ssh/cert\nIdentityAgent {socket}\n"),
        );
        scene.connect().await.unwrap().close().await;
        let log = scene.server.log();
        let accepted = log
            .get(before..)
            .unwrap()
            .matches("ID the-id (serial 0) CA ED25519")
            .count();
        assert!(accepted >= 3, "{kind}: {accepted} in {log}");
        scene.home.configure("");
        fs::remove_file(scene.home.ssh("cert")).unwrap();
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[tokio::test]
async fn a_certificate_for_somebody_else_is_refused_and_named() {
    let scene = known(&[]);
    let authority = scene.root.join("authority");
    generate("ed25519", &authority, &[]);
    scene
        .server
        .authorize(&format!("cert-authority {}", public(&authority)));
    let mut sign = Command::new("ssh-keygen");
    sign.args(["-q", "-I", "the-id", "-n", "somebody", "-s"])
        .arg(&authority);
    sshd::run(sign.arg(scene.home.ssh("id_ed25519.pub")));
    let (text, _) = told(scene.connect().await, "web1");
    let print = fingerprint(&scene.home.ssh("id_ed25519"));
    let at = scene.home.ssh("id_ed25519");
    let at = at.display();
    assert!(
        text.contains(&format!(
            "certificate \"the-id\" with `{at}` (ED25519 {print}): refused"
        )),
        "{text}"
    );
    assert!(
        text.contains(&format!("  `{at}` (ED25519 {print}): refused")),
        "{text}"
    );
}
