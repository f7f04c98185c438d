//! Releases that are bad in one way, on the real NGINX with the real Flask under load: how soon each is
//! taken back, and what visitors met. `ops/bench/judge --real` runs it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that meets the unexpected ends there and says so"
)]

mod crowd;
#[path = "../../load/load.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the demo")]
mod load;
#[path = "../../../tests/it"]
#[allow(dead_code, reason = "shared with the tests")]
mod it {
    pub mod sandbox;
}

use std::fs;
use std::time::Duration;

use clap::Parser;
use it::sandbox::ports::Port;
use it::sandbox::{Sandbox, set};
use jiff::Timestamp;
use serde_json::{Value, json};

use crowd::Crowd;

/// Bad releases, and good ones at a bad time.
#[derive(Parser)]
struct Arguments {
    /// Requests a second, each in turn.
    #[arg(long, value_delimiter = ',', default_value = "2,20,200")]
    rates: Vec<u64>,
    /// Only the releases whose names hold this.
    #[arg(long, default_value = "")]
    only: String,
    /// Only with the net.
    #[arg(long)]
    net_only: bool,
    /// Prints the rows as the last line.
    #[arg(long)]
    json: bool,
    /// `cargo bench` says this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A release, by what it does at the beginning of a view.
struct Case {
    name: &'static str,
    is_bad: bool,
    view: &'static str,
    does: &'static str,
    /// What happens to the host meanwhile.
    meanwhile: Meanwhile,
}

#[derive(Clone, Copy, PartialEq)]
enum Meanwhile {
    Nothing,
    /// What both colors need is away for 30 s.
    Outage,
    /// A bot asks for what is not there.
    Bot,
    /// Now and then a visitor asks five times in a row for what fails on both.
    Bursts,
}

const WHOAMI: &str = "def whoami():\n";
const UPLOAD: &str = "def upload():\n    \"\"\"Reads the whole body, however slowly it comes, and says how long it was.\"\"\"\n";
const SLOW: &str = "def slow():\n    \"\"\"Answers after `seconds` (1 without it), at most a minute.\"\"\"\n";

const fn bad(name: &'static str, view: &'static str, does: &'static str) -> Case {
    Case {
        name,
        is_bad: true,
        view,
        does,
        meanwhile: Meanwhile::Nothing,
    }
}

const fn good(name: &'static str, meanwhile: Meanwhile) -> Case {
    Case {
        name,
        is_bad: false,
        view: WHOAMI,
        does: "    pass\n",
        meanwhile,
    }
}

const CASES: [Case; 10] = [
    bad(
        "1 GET in 10 fails",
        WHOAMI,
        "    COUNT.append(1)\n    assert len(COUNT) % 10\n",
    ),
    bad("all POSTs of a route fail", UPLOAD, "    raise OSError\n"),
    bad(
        "fails from a minute on",
        WHOAMI,
        "    assert time.monotonic() - BEGAN < 60\n",
    ),
    bad("takes three times as long", WHOAMI, "    time.sleep(0.12)\n"),
    bad(
        "fails for one cookie",
        WHOAMI,
        "    assert request.cookies.get(\"plan\") != \"gold\"\n",
    ),
    bad(
        "fails on a path with 1 request a second",
        SLOW,
        "    raise OSError\n",
    ),
    good("nothing is wrong", Meanwhile::Nothing),
    good("both fail for 30 s", Meanwhile::Outage),
    good("a bot meets 404s", Meanwhile::Bot),
    good("one visitor tries again and again", Meanwhile::Bursts),
];

fn main() {
    let arguments = Arguments::parse();
    let mut rows = Vec::new();
    println!(
        "| release | requests a second | net | verdict | after | failed for visitors: GET, POST | of |\n|---|---|---|---|---|---|---|"
    );
    for rate in &arguments.rates {
        for net in [true, false] {
            if !net && arguments.net_only {
                continue;
            }
            let site = Site::with(*rate, net);
            for case in CASES.iter().filter(|case| case.name.contains(&arguments.only)) {
                // What is good is so with the net or without.
                if case.is_bad || net {
                    rows.push(site.release(case));
                }
            }
        }
    }
    let wrong = |row: &&Value| row["taken_back"] != row["is_bad"];
    let wrong: Vec<&Value> = rows.iter().filter(wrong).collect();
    println!("\n{} of {} not judged as they are", wrong.len(), rows.len());
    if arguments.json {
        println!("{}", json!({"rows": rows}));
    }
}

/// A host with an app that was watched while it was good.
struct Site {
    sandbox: Sandbox,
    _port: Port,
    rate: u64,
    net: bool,
    base: String,
}

impl Site {
    fn with(rate: u64, net: bool) -> Site {
        let port = Port::free();
        let sandbox = Sandbox::deployed_with(|config| {
            set(config, "nginx", "loopback_port", i64::from(port.number()));
            set(config, "bake", "act", "always");
            set(config, "bake", "net", net);
        });
        let app = sandbox.root().join("repo/app.py");
        let down = sandbox.root().join("down");
        let base = fs::read_to_string(app).unwrap().replace(
            WHOAMI,
            &format!("{WHOAMI}    time.sleep(0.06)\n    assert not os.path.exists({down:?})\n"),
        ) + "\n\nCOUNT = []\nBEGAN = time.monotonic()\n";
        let site = Site {
            sandbox,
            _port: port,
            rate,
            net,
            base,
        };
        // What is known of the release before comes from here.
        let crowd = site.crowd(Meanwhile::Nothing);
        site.commit(&site.base);
        site.sandbox
            .bg(&["deploy", "--bake=1m", "--wait-bake"])
            .assert_code(0);
        crowd.go();
        site
    }

    fn commit(&self, app: &str) {
        self.sandbox.commit("another release", |repo| {
            fs::write(repo.join("app.py"), format!("# {}\n{app}", Timestamp::now())).unwrap();
        });
    }

    fn crowd(&self, meanwhile: Meanwhile) -> Crowd {
        Crowd::comes(self.sandbox.address(), self.rate, meanwhile)
    }

    fn release(&self, case: &Case) -> Value {
        let sandbox = &self.sandbox;
        let before = sandbox.live_release();
        let app = self
            .base
            .replace(case.view, &format!("{}{}", case.view, case.does));
        assert_ne!(
            app == self.base,
            case.is_bad || case.does.contains("pass"),
            "{}",
            case.name
        );
        self.commit(&app);
        let crowd = self.crowd(case.meanwhile);
        let down = sandbox.root().join("down");
        let away = (case.meanwhile == Meanwhile::Outage).then(|| std::thread::spawn(move || outage(&down)));
        let deployed = sandbox.bg(&["deploy", "--bake=3m", "--wait-bake"]);
        let end = Timestamp::now();
        if let Some(away) = away {
            away.join().unwrap();
        }
        let met = crowd.go();
        let taken_back = deployed.code == Some(5);
        assert!(taken_back || deployed.code == Some(0), "{deployed}");
        assert_eq!(sandbox.live_release() == before, taken_back, "{deployed}");
        let bake = fs::read(sandbox.app_root().join("state/bake.json")).unwrap();
        let bake: Value = serde_json::from_slice(&bake).unwrap();
        let since: Timestamp = bake["since"].as_str().unwrap().parse().unwrap();
        let seconds = end.duration_since(since).as_secs_f64();
        let (rate, name) = (self.rate, case.name);
        let [get, post] = met.failed;
        let verdict = bake["verdict"]["ended"].as_str().unwrap();
        let is_on = if self.net { "yes" } else { "no" };
        println!(
            "| {name} | {rate} | {is_on} | {verdict} | {seconds:.0} s | {get}, {post} | {} |",
            met.asked
        );
        json!({
            "release": name, "is_bad": case.is_bad, "per_second": rate, "net": self.net, "verdict": verdict,
            "taken_back": taken_back, "seconds": seconds, "failed_gets": get, "failed_posts": post,
            "asked": met.asked,
        })
    }
}

/// Twenty seconds after the deploy began both colors fail for half a minute.
fn outage(down: &std::path::Path) {
    std::thread::sleep(Duration::from_secs(20));
    fs::write(down, "").unwrap();
    std::thread::sleep(Duration::from_secs(30));
    fs::remove_file(down).unwrap();
}
