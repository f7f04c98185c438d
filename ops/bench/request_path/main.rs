//! What the live way costs a request in NGINX, against a plain static `proxy_pass` with the
//! same other directives. `ops/bench/path` runs it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that meets the unexpected ends there and says so"
)]

#[path = "../../load/load.rs"]
#[allow(dead_code, unused_imports, reason = "shared with the demo")]
mod load;
#[path = "../../../tests/it"]
#[allow(dead_code, reason = "shared with the tests")]
mod it {
    pub mod sandbox;
}

mod ask;
mod bench;
mod cpu;
mod site;

use it::sandbox;

use bench::Bench;
use sandbox::Sandbox;
use sandbox::ports::Port;
use serde_json::json;
use site::Site;

/// The lengths of the two runs of which the difference is taken.
const LONG: (u32, u32) = (2_000, 12_000);
/// The same for what only says where the rest goes: it varies by some instructions in 10,000.
const SHORT: (u32, u32) = (500, 2_500);

/// The same site with a port of NGINX's own.
struct Previews {
    site: Site,
    _ports: [Port; 2],
}

impl Previews {
    fn set_up(sandbox: &Sandbox) -> Previews {
        let ports = [Port::free(), Port::free()];
        sandbox.configure(|config| {
            let nginx = config["nginx"].as_table_mut().unwrap();
            nginx.insert("loopback_port".into(), i64::from(ports[0].number()).into());
        });
        sandbox.bg(&["setup"]).assert_code(0);
        let mut site = Site::read(sandbox);
        // The host's own NGINX listens where that says.
        let [theirs, ours] = [&ports[0], &ports[1]].map(|port| format!(":{}", port.number()));
        site.upstreams = site.upstreams.replace(&theirs, &ours);
        Previews { site, _ports: ports }
    }

    fn open(&self, sandbox: &Sandbox) {
        sandbox.bg(&["preview", "blue"]).assert_code(0);
    }
}

fn main() {
    let only_json = std::env::args().any(|word| word == "--json");
    let say = |text: String| {
        if !only_json {
            println!("{text}");
        }
    };
    let sandbox = Sandbox::deployed();
    let bench = Bench::new(&sandbox);
    let site = Site::read(&sandbox);

    let plain = bench.instructions(&site.plain(), LONG);
    let live = bench.instructions(&site, LONG);
    say("| instructions a request | | more |\n|---|---:|---:|".to_owned());
    say(format!("| static `proxy_pass` | {plain:.0} | |"));
    let more = live - plain;
    let percent = more / plain * 100.0;
    say(format!(
        "| `bg`, live way | {live:.0} | {more:.0} (+{percent:.1} %) |"
    ));
    if !only_json {
        let mut known = 0.0;
        for (what, left_out) in site.left_out() {
            let share = live - bench.instructions(&left_out, SHORT);
            known += share;
            say(format!("| of that: {what} | | {share:.0} |"));
        }
        say(format!("| of that: running any of it | | {:.0} |", more - known));
        for (what, other) in site.not_taken() {
            let saved = live - bench.instructions(&other, SHORT);
            say(format!("| not taken: {what} | | {:.0} |", -saved));
        }
    }

    let previews = Previews::set_up(&sandbox);
    let rest = bench.instructions(&previews.site, LONG);
    previews.open(&sandbox);
    let open = bench.instructions(&previews.site, LONG);
    let beside = |count: f64| format!("{:.0} (+{:.1} %)", count - live, (count / live - 1.0) * 100.0);
    say("\n| with `nginx.loopback_port`, a visitor | | more than without |\n|---|---:|---:|".to_owned());
    say(format!(
        "| while there is no preview | {rest:.0} | {} |",
        beside(rest)
    ));
    say(format!("| while there is one | {open:.0} | {} |", beside(open)));

    let (plain_us, live_us) = bench.microseconds(&site.plain(), &site);
    let flask_us = cpu::flask(&sandbox);
    let share = (live_us - plain_us) / flask_us * 100.0;
    say("\n| CPU a request | microseconds |\n|---|---:|".to_owned());
    say(format!("| NGINX, static `proxy_pass` | {plain_us:.2} |"));
    say(format!("| NGINX, `bg`, live way | {live_us:.2} |"));
    say(format!("| NGINX and Flask together | {flask_us:.0} |"));
    say(format!("| the live way's share of it | {share:.2} % |\n"));
    let rounded = |number: f64, parts: f64| (number * parts).round() / parts;
    println!(
        "{}",
        json!({
            "static_instructions": plain.round(),
            "bg_instructions": live.round(),
            "path_ratio": rounded(live / plain, 10_000.0),
            "previews_ratio": rounded(rest / live, 10_000.0),
            "preview_ratio": rounded(open / live, 10_000.0),
            "static_us": rounded(plain_us, 100.0),
            "bg_us": rounded(live_us, 100.0),
            "flask_us": flask_us.round(),
            "share_percent": rounded(share, 1000.0),
        })
    );
}
