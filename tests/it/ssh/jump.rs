//! Over jump hosts.

use super::*;

/// Three servers in a row, each with keys of its own, and `target` behind the two others.
struct Row {
    scene: Scene,
    hops: [Sshd; 2],
}

impl Row {
    fn new(hop_options: &[&str]) -> Row {
        let scene = Scene::new();
        let hops = [(); 2].map(|()| Sshd::start(&scene.root, hop_options));
        for hop in &hops {
            scene.home.befriend(hop);
        }
        let row = Row { scene, hops };
        row.configure("ProxyJump first,second");
        row
    }

    fn configure(&self, jump: &str) {
        let user = user();
        let [first, second] = self.hops.each_ref().map(Sshd::port);
        let target = self.scene.server.port();
        self.scene.home.configure(&format!(
            "Host target\n  HostName 127.0.0.1\n  Port {target}\n  User {user}\n  {jump}\n\
             Host first\n  HostName 127.0.0.1\n  Port {first}\n  User {user}\n\
             Host second\n  HostName 127.0.0.1\n  Port {second}\n  User {user}\n"
        ));
    }

    async fn connect(&self) -> Result<Connection, SshError> {
        self.scene.connect_to("target").await
    }
}

#[tokio::test]
async fn two_hops_lead_to_the_target() {
    let row = Row::new(&[]);
    let connection = row.connect().await.unwrap();
    let story = run(&connection, &["sh", "-c", "echo $SSH_CONNECTION; exit 3"]).await;
    assert!(
        story
            .stdout
            .contains(&format!("127.0.0.1 {}", row.scene.server.port())),
        "{story:?}"
    );
    assert!(matches!(story.end, Chunk::Exit(3)), "{story:?}");
    // A megabyte there and back, through both.
    let (mut input, mut output) = connection.exec(&["cat"]).await.unwrap();
    let sending = async {
        input
            .write(bytes::Bytes::from(vec![b'x'; 1 << 20]))
            .await
            .unwrap();
        input.end().await;
    };
    let (story, ()) = tokio::join!(super::story(&mut output), sending);
    assert_eq!(story.stdout.len(), 1 << 20);
    connection.close().await;
    for server in row.hops.iter().chain([&row.scene.server]) {
        assert_eq!(
            server.log().matches("Accepted publickey").count(),
            1,
            "{}",
            server.log()
        );
        crate::sandbox::wait::wait_until(std::time::Duration::from_secs(5), "it hung up", || {
            server.sessions().is_empty()
        });
    }
}

#[tokio::test]
async fn a_hop_has_a_user_and_a_port_and_a_hop_of_its_own() {
    let row = Row::new(&[]);
    let (user, second) = (user(), row.hops[1].port());
    row.configure(&format!("ProxyJump ssh://{user}@first,{user}@127.0.0.1:{second}"));
    row.connect().await.unwrap().close().await;
    // What `first` needs itself is looked up as well.
    let config = fs::read_to_string(row.scene.home.ssh("config")).unwrap();
    let config = config
        .replace(
            &format!("ProxyJump ssh://{user}@first,{user}@127.0.0.1:{second}"),
            "ProxyJump second",
        )
        .replace("Host second\n", "Host second\n  ProxyJump first\n");
    row.scene.home.write("config", &config);
    row.connect().await.unwrap().close().await;
    assert_eq!(row.hops[0].log().matches("Accepted publickey").count(), 2);
}

#[tokio::test]
async fn hops_that_lead_back_are_noticed() {
    let row = Row::new(&[]);
    row.configure("ProxyJump target");
    let (text, code) = told(row.connect().await, "target");
    assert!(
        text.contains("caused by: the jump hosts lead back to `target`"),
        "{text}"
    );
    assert_eq!(code, 3);
}

#[tokio::test]
async fn a_hop_with_a_bad_key_stops_everything_before_anything_is_sent() {
    let row = Row::new(&["LogLevel DEBUG1"]);
    let home = &row.scene.home;
    let before = row.scene.server.log().matches("Connection from").count();
    let print = fingerprint(&row.hops[1].host_key("ed25519"));
    let lines = [
        row.hops[0].known_line("ed25519"),
        row.scene.server.known_line("ed25519"),
    ];
    home.write("known_hosts", &lines.join("\n"));
    let (text, code) = told(row.connect().await, "target");
    assert!(
        text.starts_with(&format!(
            "no SSH connection to `target`\n\
             caused by: cannot get past the jump host `second`\n\
             caused by: its host key is not known: ED25519 {print}\n"
        )),
        "{text}"
    );
    assert!(
        text.contains("`bg status --host second --accept-new-host-key`"),
        "{text}"
    );
    assert_eq!(code, 3);
    assert!(
        !row.hops[1].log().contains("userauth-request"),
        "{}",
        row.hops[1].log()
    );
    let reached = row.scene.server.log().matches("Connection from").count();
    assert_eq!(reached, before, "{}", row.scene.server.log());
    // Changed, not only unknown: the same at the first hop.
    let another = row.scene.root.join("another");
    generate("ed25519", &another, &[]);
    home.write(
        "known_hosts",
        &format!("[127.0.0.1]:{} {}", row.hops[0].port(), public(&another)),
    );
    let (text, _) = told(row.connect().await, "target");
    assert!(
        text.contains("cannot get past the jump host `first`\ncaused by: its host key has changed"),
        "{text}"
    );
}

#[tokio::test]
async fn the_target_is_checked_behind_a_good_hop() {
    let row = Row::new(&[]);
    let lines = row.hops.each_ref().map(|hop| hop.known_line("ed25519"));
    row.scene.home.write("known_hosts", &lines.join("\n"));
    let (text, _) = told(row.connect().await, "target");
    assert!(
        text.starts_with("no SSH connection to `target`\ncaused by: its host key is not known"),
        "{text}"
    );
}

#[tokio::test]
async fn new_keys_are_added_on_the_whole_way() {
    let row = Row::new(&[]);
    row.scene.home.write("known_hosts", "");
    let options = Options {
        accept_new_host_key: true,
        ..row.scene.options()
    };
    connect_as("target", &options).await.unwrap().close().await;
    let text = fs::read_to_string(row.scene.home.ssh("known_hosts")).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    row.connect().await.unwrap().close().await;
}

#[tokio::test]
async fn a_hop_that_does_not_get_through_is_named() {
    let mut row = Row::new(&[]);
    row.scene.server.stop();
    let (text, _) = told(row.connect().await, "target");
    let port = row.scene.server.port();
    assert!(
        text.contains(&format!(
            "the jump host `second` cannot reach `127.0.0.1:{port}`: connect failed"
        )),
        "{text}"
    );
    row.hops[0].stop();
    let (text, _) = told(row.connect().await, "target");
    let port = row.hops[0].port();
    assert!(
        text.contains(&format!(
            "caused by: cannot get past the jump host `first`\ncaused by: `127.0.0.1:{port}` cannot be reached"
        )),
        "{text}"
    );
    let row = Row::new(&["AllowTcpForwarding no"]);
    let (text, _) = told(row.connect().await, "target");
    assert!(text.contains("the jump host `first` cannot reach"), "{text}");
    assert!(text.contains("administratively prohibited"), "{text}");
    assert!(
        text.contains("hint: `AllowTcpForwarding` in the sshd_config of `first` may forbid it"),
        "{text}"
    );
}
