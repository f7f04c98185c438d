//! The smaller copy of `ops/bench/switch`: what the live way promises, held against every
//! kind of client at once.

#[path = "../../ops/bench/switching/traffic.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with the bench, which looks at the times too"
)]
mod traffic;

use std::fs;
use std::path::Path;
use std::time::Duration;

use bluegreen::model::color::Color;
use toml::Value;

use crate::sandbox::folder::Folder;
use crate::sandbox::ports::Port;
use crate::sandbox::wait::wait_until;
use crate::sandbox::{HOST, Sandbox, set};
use traffic::{Mix, Record, Site, Traffic};

const SWITCHES: usize = 10;

/// Every kind of client, by name.
const KINDS: [&str; 10] = [
    "fresh-get",
    "fresh-post",
    "get",
    "h2-get",
    "h2-post",
    "post",
    "slow",
    "stream",
    "upload",
    "websocket",
];

#[test]
fn ten_switches_the_live_way_cost_no_client_of_any_kind_a_request() {
    let (folder, port) = (Folder::new(), Port::free());
    let (mut sandbox, site) = with_http2(&folder, &port);
    let traffic = Traffic::start(&site, Mix::of(2, Duration::from_millis(20)));
    wait_for_more(&traffic, 100);
    let mut live = sandbox.live_color().unwrap();
    for _ in 0..SWITCHES {
        sandbox.bg(&["switch"]).assert_code(0);
        live = live.other();
        assert_eq!(sandbox.live_color(), Some(live));
        wait_for_more(&traffic, 50);
    }
    assert_nothing_is_lost(&traffic.stop());
    assert_every_kind_can_fail(&mut sandbox, &site);
}

/// The same clients, and NGINX goes away under them.
fn assert_every_kind_can_fail(sandbox: &mut Sandbox, site: &Site) {
    let traffic = Traffic::start(site, Mix::of(2, Duration::from_millis(20)));
    wait_for_more(&traffic, 100);
    sandbox.front.stop();
    wait_for_more(&traffic, 100);
    let record = traffic.stop();
    let unnoticed: Vec<_> = record
        .by_kind()
        .into_iter()
        .filter(|(_, (_, failed))| *failed == 0)
        .collect();
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
    assert!(record.sockets.closed > 0);
}

fn assert_nothing_is_lost(record: &Record) {
    assert_eq!(record.failed(), 0, "{:?}", record.failures);
    // Those that ask with a pause on a connection that NGINX keeps never find it closed.
    assert_eq!(record.reopened, 0, "connections were closed");
    let sockets = record.sockets;
    assert_eq!((sockets.closed, sockets.moved), (0, 0), "{sockets:?}");
    assert!(sockets.opened > 0);
    let by_kind = record.by_kind();
    assert_eq!(by_kind.keys().copied().collect::<Vec<_>>(), KINDS, "{by_kind:?}");
    for color in Color::BOTH {
        let answers = record.samples.iter().filter(|sample| sample.color == Some(color));
        assert!(answers.count() > 100, "{color} has answered too little");
    }
}

fn wait_for_more(traffic: &Traffic, requests: usize) {
    let before = traffic.so_far();
    wait_until(Duration::from_secs(60), "more requests", || {
        traffic.so_far() >= before + requests
    });
}

/// The bench's app with a release in each color, on a listener with TLS and HTTP/2 as well.
fn with_http2(folder: &Path, tls: &Port) -> (Sandbox, Site) {
    let signed = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
    let files = [folder.join("cert.pem"), folder.join("key.pem")];
    fs::write(&files[0], signed.cert.pem()).unwrap();
    fs::write(&files[1], signed.signing_key.serialize_pem()).unwrap();
    let sandbox = Sandbox::new();
    // After 1,000 requests NGINX would end an HTTP/2 connection in the middle of others.
    sandbox.front.write_conf("keepalive_requests 1000000000;");
    sandbox.front.reload();
    let site = Site {
        plain: sandbox.address(),
        tls: ([127, 0, 0, 1], tls.number()).into(),
        host: HOST.to_owned(),
        certificate: signed.cert.der().to_vec(),
    };
    sandbox.configure(|config| {
        let listen = [site.plain.to_string(), format!("{} ssl http2", site.tls)];
        set(config, "nginx", "listen", Vec::from(listen.map(Value::String)));
        let files = files.map(|file| Value::String(file.to_str().unwrap().to_owned()));
        let keys = ["certificate", "key"].map(str::to_owned);
        set(
            config,
            "nginx",
            "tls",
            Value::Table(keys.into_iter().zip(files).collect()),
        );
        let run = config["process"]["run"].as_str().unwrap().to_owned();
        set(
            config,
            "process",
            "run",
            run.replace("--threads 16", "--threads 32"),
        );
    });
    sandbox.commit("every kind of answer", |repo| {
        let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("ops/bench/switching/app.py");
        fs::copy(app, repo.join("app.py")).unwrap();
    });
    for words in ["setup", "deploy", "deploy"] {
        sandbox.bg(&[words]).assert_code(0);
    }
    (sandbox, site)
}
