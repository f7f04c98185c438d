//! Whether the host is the one that is meant.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// What the server's log has when somebody has begun to log in.
const AN_ATTEMPT: &str = "userauth-request";

fn noisy() -> [&'static str; 1] {
    ["LogLevel DEBUG1"]
}

#[track_caller]
fn assert_nothing_was_sent(scene: &Scene) {
    let log = scene.server.log();
    assert!(log.contains("kex: algorithm"), "it shook hands: {log}");
    assert!(!log.contains(AN_ATTEMPT), "{log}");
}

#[tokio::test]
async fn an_unknown_key_is_refused_and_shown_with_what_adds_it() {
    let scene = Scene::strangers(&noisy());
    scene.server.authorize(&scene.home.public());
    let print = fingerprint(&scene.server.host_key("ed25519"));
    let known_hosts = scene.home.ssh("known_hosts");
    let line = scene.server.known_line("ed25519").replace(" ed25519", "");
    let (text, code) = told(scene.connect().await, "web1");
    assert_eq!(
        text,
        format!(
            "no SSH connection to `web1`\n\
             caused by: its host key is not known: ED25519 {print}\n\
             hint: compare {print} with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints on the host itself\n\
             hint: when it is the same, `bg status --host web1 --accept-new-host-key` adds it\n\
             hint: or add this line to {}: {line}",
            known_hosts.display()
        )
    );
    assert_eq!(code, 3);
    assert_nothing_was_sent(&scene);
    assert!(!known_hosts.exists());
    // The line does what is said of it.
    scene.home.know(&line);
    scene.connect().await.unwrap().close().await;
    assert!(
        scene.server.log().contains(AN_ATTEMPT),
        "the test sees one where there is one"
    );
}

#[tokio::test]
async fn an_unknown_key_is_added_when_that_is_wanted() {
    let scene = Scene::strangers(&[]);
    scene.server.authorize(&scene.home.public());
    let options = Options {
        accept_new_host_key: true,
        ..scene.options()
    };
    connect_as(&scene.address(), &options)
        .await
        .unwrap()
        .close()
        .await;
    let known_hosts = scene.home.ssh("known_hosts");
    let line = scene.server.known_line("ed25519").replace(" ed25519", "");
    assert_eq!(fs::read_to_string(&known_hosts).unwrap(), format!("{line}\n"));
    assert_eq!(
        fs::metadata(&known_hosts).unwrap().permissions().mode() & 0o777,
        0o600
    );
    scene.connect().await.unwrap().close().await;
    connect_as(&scene.address(), &options)
        .await
        .unwrap()
        .close()
        .await;
    assert_eq!(fs::read_to_string(&known_hosts).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn a_new_line_hides_the_name_when_the_configuration_says_so() {
    let scene = Scene::strangers(&[]);
    scene.server.authorize(&scene.home.public());
    scene.home.configure("HashKnownHosts yes");
    let options = Options {
        accept_new_host_key: true,
        ..scene.options()
    };
    connect_as(&scene.address(), &options)
        .await
        .unwrap()
        .close()
        .await;
    let text = fs::read_to_string(scene.home.ssh("known_hosts")).unwrap();
    assert!(text.starts_with("|1|"), "{text}");
    // `ssh` finds it as well.
    let name = format!("[127.0.0.1]:{}", scene.server.port());
    let known_hosts = scene.home.ssh("known_hosts");
    sshd::run(
        Command::new("ssh-keygen")
            .arg("-F")
            .arg(name)
            .arg("-f")
            .arg(known_hosts),
    );
    scene.connect().await.unwrap().close().await;
}

#[tokio::test]
async fn a_changed_key_is_refused_even_where_new_ones_are_accepted() {
    let scene = Scene::strangers(&noisy());
    scene.server.authorize(&scene.home.public());
    scene.home.know("# first");
    let old = scene.know_another("ed25519");
    let print = fingerprint(&scene.server.host_key("ed25519"));
    let known_hosts = scene.home.ssh("known_hosts");
    let at = known_hosts.display();
    let wanted = format!(
        "no SSH connection to `web1`\n\
         caused by: its host key has changed: it shows ED25519 {print}\n  \
         {at}:2 has ED25519 {old}\n\
         hint: either the host was set up anew, or something else answers in its place: ask who runs it\n\
         hint: only when it was set up anew: `ssh-keygen -f {at} -R '[127.0.0.1]:{}'` forgets the old key",
        scene.server.port()
    );
    let before = fs::read_to_string(&known_hosts).unwrap();
    for accept_new_host_key in [false, true] {
        let options = Options {
            accept_new_host_key,
            ..scene.options()
        };
        let (text, code) = told(connect_as(&scene.address(), &options).await, "web1");
        assert_eq!(text, wanted);
        assert_eq!(code, 3);
    }
    assert_nothing_was_sent(&scene);
    assert_eq!(fs::read_to_string(&known_hosts).unwrap(), before);
}

#[tokio::test]
async fn another_kind_of_key_than_the_known_one_is_a_change_too() {
    let scene = Scene::strangers(&noisy());
    scene.server.authorize(&scene.home.public());
    let old = scene.know_another("ecdsa");
    let options = Options {
        accept_new_host_key: true,
        ..scene.options()
    };
    let (text, _) = told(connect_as(&scene.address(), &options).await, "web1");
    assert!(text.contains("its host key has changed"), "{text}");
    assert!(text.contains(&format!("known_hosts:1 has ECDSA {old}")), "{text}");
    assert_nothing_was_sent(&scene);
}

#[tokio::test]
async fn a_revoked_key_is_always_refused() {
    let scene = Scene::strangers(&noisy());
    scene.home.befriend(&scene.server);
    let key = public(&scene.server.host_key("ed25519"));
    scene.home.know(&format!("@revoked * {key}"));
    let print = fingerprint(&scene.server.host_key("ed25519"));
    let options = Options {
        accept_new_host_key: true,
        ..scene.options()
    };
    let (text, code) = told(connect_as(&scene.address(), &options).await, "web1");
    assert_eq!(
        text,
        format!(
            "no SSH connection to `web1`\n\
             caused by: its host key is revoked: ED25519 {print}\n  \
             {}:2 has ED25519 {print}\n\
             hint: a revoked key is never accepted: give the host a new key",
            scene.home.ssh("known_hosts").display()
        )
    );
    assert_eq!(code, 3);
    assert_nothing_was_sent(&scene);
}

#[tokio::test]
async fn a_key_on_the_list_of_revoked_ones_is_refused_as_well() {
    let scene = Scene::new();
    let list = scene.home.ssh("revoked");
    scene
        .home
        .configure(&format!("RevokedHostKeys {}", list.display()));
    let (text, _) = told(scene.connect().await, "web1");
    assert!(
        text.contains("cannot be read"),
        "without the list nobody is trusted: {text}"
    );
    scene.home.write("revoked", "# none yet\n");
    scene.connect().await.unwrap().close().await;
    scene
        .home
        .write("revoked", &public(&scene.server.host_key("ed25519")));
    let (text, _) = told(scene.connect().await, "web1");
    assert!(text.contains("its host key is revoked"), "{text}");
}

#[tokio::test]
async fn each_way_to_know_a_host_is_enough() {
    let scene = Scene::strangers(&[]);
    scene.server.authorize(&scene.home.public());
    let (port, key) = (scene.server.port(), public(&scene.server.host_key("ed25519")));
    let hidden = {
        scene.home.write("hidden", &format!("[127.0.0.1]:{port} {key}\n"));
        let file = scene.home.ssh("hidden");
        sshd::run(
            Command::new("ssh-keygen")
                .arg("-q")
                .arg("-H")
                .arg("-f")
                .arg(&file),
        );
        fs::read_to_string(&file).unwrap()
    };
    assert!(hidden.starts_with("|1|"), "{hidden}");
    let table = [
        format!("[127.0.0.1]:{port} {key}"),
        hidden,
        format!("127.0.0.1 {key}"),
        format!("127.0.0.* {key}"),
        format!("[127.0.0.?]:{port} {key}"),
        format!("* {key}"),
        format!("other,[127.0.0.1]:{port},another\t{}", key.replace(' ', "\t")),
    ];
    let mut seen = 0;
    for line in table {
        scene.home.write("known_hosts", &format!("# a comment\n{line}\n"));
        scene.connect().await.unwrap().close().await;
        seen += 1;
    }
    assert_eq!(seen, 7);
    let not_enough = [
        format!("[127.0.0.1]:{} {key}", port + 1),
        format!("*,!127.0.0.1,![127.0.0.1]:{port} {key}"),
        format!("@cert-authority * {key}"),
    ];
    for line in not_enough {
        scene.home.write("known_hosts", &line);
        let (text, _) = told(scene.connect().await, "web1");
        assert!(text.contains("its host key is not known"), "{line}: {text}");
    }
}

#[tokio::test]
async fn a_host_known_by_one_of_its_kinds_of_keys_shows_that_one() {
    let root = sandbox::new_root();
    let scene = Scene {
        server: Sshd::start_with(&root, &["ed25519", "ecdsa", "rsa"], &[] as &[&str]),
        home: Home::create(&root.join("client")),
        root,
    };
    scene.server.authorize(&scene.home.public());
    let mut seen = 0;
    for kind in ["rsa", "ecdsa", "ed25519"] {
        scene.home.write("known_hosts", &scene.server.known_line(kind));
        scene.connect().await.unwrap().close().await;
        seen += 1;
    }
    assert_eq!(seen, 3);
    let all = ["rsa", "ecdsa"]
        .map(|kind| scene.server.known_line(kind))
        .join("\n");
    scene.home.write("known_hosts", &all);
    scene.connect().await.unwrap().close().await;
}

#[tokio::test]
async fn a_certificate_of_a_known_authority_is_enough() {
    let root = sandbox::new_root();
    let certificate = root.join("sshd-cert.pub");
    let mut scene = Scene {
        server: Sshd::start(
            &root,
            &[
                &format!("HostCertificate {}", certificate.display()),
                "LogLevel DEBUG1",
            ],
        ),
        home: Home::create(&root.join("client")),
        root,
    };
    scene.server.authorize(&scene.home.public());
    let authority = scene.root.join("authority");
    generate("ed25519", &authority, &[]);
    let port = scene.server.port();
    let line = format!("@cert-authority [127.0.0.*]:{port} {}", public(&authority));
    scene.home.know(&line);
    // The first one makes the server start; it has none yet.
    let table: [(&[&str], bool); 6] = [
        (&["-h", "-n", "127.0.0.1"], true),
        (&["-h"], true),
        (&["-h", "-n", "127.0.0.*"], true),
        (&["-h", "-n", "other.example.org"], false),
        (&["-h", "-V", "20200101:20210101"], false),
        (&["-n", "127.0.0.1"], false),
    ];
    let mut seen = 0;
    for (more, is_good) in table {
        let key = scene.server.host_key("ed25519");
        let mut command = Command::new("ssh-keygen");
        command
            .args(["-q", "-I", "web1", "-s"])
            .arg(&authority)
            .args(more);
        sshd::run(command.arg(format!("{}.pub", key.display())));
        fs::rename(format!("{}-cert.pub", key.display()), &certificate).unwrap();
        scene.server.stop();
        scene.server.start_again();
        let connected = scene.connect().await;
        assert_eq!(connected.is_ok(), is_good, "{more:?}: {:?}", connected.err());
        seen += 1;
    }
    assert_eq!(seen, 6);
    // A certificate that is not good is still the key inside it.
    scene.home.know(&scene.server.known_line("ed25519"));
    scene.connect().await.unwrap().close().await;
}

#[tokio::test]
async fn many_hosts_at_once_are_added_line_by_line() {
    let more = [2, 3, 4].map(|number| format!("ListenAddress 127.0.0.{number}"));
    let scene = Scene::strangers(&more.each_ref().map(String::as_str));
    scene.server.authorize(&scene.home.public());
    let options = Options {
        accept_new_host_key: true,
        ..scene.options()
    };
    let mut all = tokio::task::JoinSet::new();
    for number in 0..12 {
        let (options, address) = (
            options.clone(),
            format!("{}@127.0.0.{}:{}", user(), 1 + number % 4, scene.server.port()),
        );
        all.spawn(async move { connect_as(&address, &options).await.map(|_| ()) });
    }
    let outcomes = all.join_all().await;
    assert_eq!(outcomes.len(), 12);
    for outcome in outcomes {
        outcome.unwrap();
    }
    let text = fs::read_to_string(scene.home.ssh("known_hosts")).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!((lines.len(), text.lines().count()), (4, 4), "{text}");
}
