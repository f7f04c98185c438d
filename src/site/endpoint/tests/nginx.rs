//! The same against a real NGINX.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use testkit::server::Server;

use crate::endpoint::tests::*;

/// One process in the foreground, ended when dropped.
struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Nginx {
    async fn start(folder: &Path, config: &str, address: SocketAddr) -> Nginx {
        std::fs::write(folder.join("nginx.conf"), config).unwrap();
        let child = Command::new(std::env::var("BG_TEST_NGINX").unwrap_or_else(|_| "/usr/sbin/nginx".into()))
            .arg("-p")
            .arg(folder)
            .args(["-c", "nginx.conf", "-e", "error.log"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut nginx = Nginx(child);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        while tokio::net::TcpStream::connect(address).await.is_err() {
            let log = || std::fs::read_to_string(folder.join("error.log")).unwrap_or_default();
            assert!(nginx.0.try_wait().unwrap().is_none(), "NGINX ended: {}", log());
            assert!(tokio::time::Instant::now() < deadline, "{}", log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        nginx
    }
}

fn config(folder: &Path, port: u16, slots: [u16; 2], tls: &str) -> String {
    let proof =
        r#"if ($http_x_bg_proof) { add_header X-Bg-Proof "$http_x_bg_proof $upstream_addr" always; }"#;
    let [blue, green] = slots;
    let temp = folder.display();
    format!(
        r#"
        daemon off; master_process off; pid nginx.pid;
        events {{ worker_connections 64; }}
        http {{
            access_log off;
            client_body_temp_path {temp}/t1; proxy_temp_path {temp}/t2; fastcgi_temp_path {temp}/t3;
            uwsgi_temp_path {temp}/t4; scgi_temp_path {temp}/t5;
            server {{ listen 127.0.0.1:{port}{tls}; server_name other.test; return 404; }}
            server {{
                listen 127.0.0.1:{port}{tls};
                server_name shop.test;
                set $color blue;
                if (-f {temp}/is-green) {{ set $color green; }}
                set $slot 127.0.0.1:{blue};
                if ($color = green) {{ set $slot 127.0.0.1:{green}; }}
                location = /.bg/shop/live {{
                    default_type application/json;
                    add_header X-Bg-Color $color always;
                    add_header X-Bg-Maintenance "" always;
                    return 200 '{{"app":"shop","color":"$color","release":"r-$color"}}';
                }}
                location /a {{ proxy_pass http://$slot; {proof} }}
                location /hard {{ proxy_pass http://127.0.0.1:{blue}; }}
                location /hard-with-proof {{ proxy_pass http://127.0.0.1:{blue}; {proof} }}
                location /own {{ {proof} return 403; }}
                location /dead {{ proxy_pass http://127.0.0.1:1; {proof} }}
            }}
        }}"#
    )
}

async fn slot(name: &'static str) -> Server {
    Server::answering(move |_| reply("200 OK", "", name)).await
}

fn wording(result: Result<Verified, NotVerified>) -> String {
    result.unwrap_err().to_string()
}

#[tokio::test]
async fn a_real_nginx_is_asked_and_proven() {
    let folder = tempfile::tempdir().unwrap();
    let (blue, green) = (slot("blue").await, slot("green").await);
    let address = deserted().await;
    let slots = [blue.address.port(), green.address.port()];
    let config = config(folder.path(), address.port(), slots, "");
    let _nginx = Nginx::start(folder.path(), &config, address).await;
    let endpoint = Endpoint {
        address,
        tls: false,
        host: "shop.test".into(),
        secret: None,
        manner: Manner::default(),
        pace: None,
    };

    let answer = live_answer(&endpoint, "shop").await.unwrap();
    assert_eq!(
        (answer.route(), answer.release.as_deref()),
        (Route::to(Color::Blue), Some("r-blue"))
    );
    std::fs::write(folder.path().join("is-green"), "").unwrap();
    let route = Route::to(Color::Green);
    verify_route(&endpoint, "shop", route, Some("r-green"))
        .await
        .unwrap();

    let nonce = Nonce::fresh();
    let verify = |path: &'static str, slot: SocketAddr| {
        let (endpoint, nonce) = (&endpoint, &nonce);
        async move { verify(endpoint, path, "shop", slot, 4, nonce).await }
    };
    assert_eq!(
        verify("/a", green.address).await,
        Ok(Verified {
            requests: 4,
            status: 200,
            sick: None
        })
    );
    let wrong = wording(verify("/a", blue.address).await);
    assert!(
        wrong.contains(&format!("still goes to {}", green.address)),
        "{wrong}"
    );
    let bare = wording(verify("/hard", green.address).await);
    assert!(
        bare.contains("without passing through `include bg/shop/proxy.conf;`"),
        "{bare}"
    );
    let hard = wording(verify("/hard-with-proof", green.address).await);
    assert!(
        hard.contains(&format!("still goes to {}", blue.address)),
        "{hard}"
    );
    let own = wording(verify("/own", green.address).await);
    assert!(
        own.contains("answered 403 by NGINX itself") || own.contains("answered 403 without"),
        "{own}"
    );
    let dead = wording(verify("/dead", "127.0.0.1:1".parse().unwrap()).await);
    assert!(dead.contains("was answered 502 by 127.0.0.1:1"), "{dead}");

    let other = Endpoint {
        host: "other.test".into(),
        ..endpoint.clone()
    };
    let error = live_answer(&other, "shop").await.unwrap_err();
    assert!(matches!(error, EndpointError::NotIncluded { .. }), "{error}");
}

#[tokio::test]
async fn a_tls_listener_is_asked_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let signed = rcgen::generate_simple_self_signed(["another.test".to_owned()]).unwrap();
    std::fs::write(folder.path().join("cert.pem"), signed.cert.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), signed.signing_key.serialize_pem()).unwrap();
    let (blue, green) = (slot("blue").await, slot("green").await);
    let address = deserted().await;
    let slots = [blue.address.port(), green.address.port()];
    let config = config(folder.path(), address.port(), slots, " ssl").replace(
        "access_log off;",
        "access_log off; ssl_certificate cert.pem; ssl_certificate_key key.pem;",
    );
    let _nginx = Nginx::start(folder.path(), &config, address).await;
    let endpoint = Endpoint {
        address,
        tls: true,
        host: "shop.test".into(),
        secret: None,
        manner: Manner::default(),
        pace: None,
    };
    let wanted = Expectation {
        app: "shop".into(),
        route: Route::to(Color::Blue),
        release: Some("r-blue".into()),
        upstream: blue.address,
        fresh: 3,
        cookie: None,
    };
    let proven = verify_all(&[endpoint], &["/a".into()], &wanted, Duration::from_secs(20)).await;
    assert_eq!(
        proven,
        Ok(VerifiedAll {
            paths: 1,
            listeners: 1,
            sick: Vec::new()
        })
    );
}
