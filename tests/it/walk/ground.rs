//! The host that is walked on, what must be live on it, and the client that watches its door.

use std::fs;
use std::time::{Duration, Instant};

use bluegreen::model::color::{Color, Route};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::load::{Count, Kind, Load, Plan};
use crate::sandbox::answering::Answering;
use crate::sandbox::outcome::{Outcome, Running};
use crate::sandbox::ports::Port;
use crate::sandbox::wait::wait_until;
use crate::sandbox::{HOST, Sandbox, http, processes, set};

use super::Walked;
use super::step::Verb;

/// How long a host may take to come back by itself.
const BACK: Duration = Duration::from_secs(30);

/// Releases that are kept.
const KEPT: i64 = 2;

/// The most that are left after a deploy: the kept ones, or what both colors hold and what a
/// rollback from each goes to.
const MOST: usize = 4;

/// The host.
pub struct Ground {
    /// It.
    pub sandbox: Sandbox,
    /// Whether the maintenance page must be up.
    pub maintenance: bool,
    /// What was not as it must be.
    pub violations: Vec<String>,
    /// Commands killed so far.
    pub kills: u64,
    /// What must be live.
    live: Answering,
    /// What ran when PM2's daemon was killed: it goes on serving, and PM2 has lost it.
    lost: Vec<Answering>,
    way: &'static str,
    _port: Port,
    load: Option<Load>,
    counted: Vec<Count>,
    commits: u32,
}

impl Ground {
    /// Two releases, the second live, under load.
    pub fn new(way: &'static str) -> Ground {
        let port = Port::free();
        let sandbox = Sandbox::deployed_with(|config| {
            set(config, "nginx", "switch", way);
            // Releases are watched, and canaries can be had.
            if way == "live" {
                set(config, "nginx", "loopback_port", i64::from(port.number()));
                set(config, "canary", "steps", vec!["5% 1s", "50% 1s"]);
            }
            // A release that is refused is refused soon, one that is slow is not.
            set(config, "gate", "timeout", "10s");
            // Each deploy finds releases that nobody needs any more.
            set(config, "keep", "releases", KEPT);
        });
        sandbox.commit_edit("the second", "Good day", "Second");
        sandbox.bg(&["deploy"]).assert_code(0);
        let live = Answering::at_the_door(&sandbox).expect("somebody answers");
        let mut ground = Ground {
            sandbox,
            maintenance: false,
            violations: Vec::new(),
            kills: 0,
            live,
            lost: Vec::new(),
            way,
            _port: port,
            load: None,
            counted: Vec::new(),
            commits: 0,
        };
        ground.open();
        ground
    }

    /// The client begins to ask.
    pub fn open(&mut self) {
        let kept = if self.way == "live" { 2 } else { 0 };
        let workers = [
            (Kind::Get, kept),
            (Kind::Post, kept),
            (Kind::FreshGet, 1),
            (Kind::FreshPost, 1),
        ];
        self.load = Some(Load::run(Plan {
            // A hundred requests a second: many walks go on at once.
            pause: Duration::from_millis(30),
            // The maintenance page. Whether it is up only when it must be is looked at apart.
            accept: vec![503],
            ..Plan::new(self.sandbox.address(), HOST, &workers)
        }));
    }

    /// It ends: the door is about to close.
    pub fn close(&mut self) {
        self.counted.extend(self.load.take().map(Load::stop));
    }

    /// The end of the walk.
    pub fn end(mut self) -> Walked {
        self.close();
        let failures: Vec<String> = self
            .counted
            .iter()
            .flat_map(|count| count.failures.clone())
            .collect();
        if !failures.is_empty() {
            self.violations.push(format!("requests failed: {failures:?}"));
        }
        Walked {
            requests: self.counted.iter().map(|count| count.requests).sum(),
            failed: self.counted.iter().map(|count| count.failed).sum(),
            kills: self.kills,
            violations: std::mem::take(&mut self.violations),
        }
    }

    // --- what is done -------------------------------------------------------

    /// What a command needs to be able to do something.
    pub fn prepare(&mut self, verb: Verb) {
        if verb == Verb::Deploy {
            self.commit("");
        }
    }

    /// A commit that does not start.
    pub fn commit_bad(&mut self) {
        self.commit("import a_module_that_nobody_installed\n");
    }

    /// One that takes its time.
    pub fn commit_slow(&mut self) {
        self.commit("import time; time.sleep(1.5)\n");
    }

    fn commit(&mut self, first: &str) {
        self.commits += 1;
        let line = format!("{first}NUMBER = {}\n", self.commits);
        self.sandbox.commit(&format!("commit {}", self.commits), |repo| {
            let app = repo.join("app.py");
            let text = fs::read_to_string(&app).unwrap();
            let (_, text) = text.split_once("# --- \n").unwrap_or(("", &text));
            fs::write(&app, format!("{line}# --- \n{text}")).unwrap();
        });
    }

    /// Runs `bg` to its end.
    pub fn bg(&self, args: &[&str]) -> Outcome {
        self.sandbox.bg(args)
    }

    /// `bg` under way.
    pub fn start(&self, args: &[&str]) -> Running {
        self.sandbox.bg_start(args)
    }

    /// Whether there can be a canary.
    pub fn is_live_way(&self) -> bool {
        self.way == "live"
    }

    /// Whether some of the visitors get the other color.
    pub fn in_canary(&self) -> bool {
        self.sandbox.link().contains("-to-")
    }

    /// The processes that watch a release are killed.
    pub fn kill_watchers(&self) {
        let all = processes::of(self.sandbox.root());
        let watch = all.into_iter().filter(|(_, line)| line.contains("watch-release"));
        watch.for_each(|(pid, _)| {
            kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
        });
    }

    /// A canary goes on by itself until all visitors are there.
    pub fn goes_on(&mut self) {
        let other = self.live.color.other().name();
        let sandbox = &self.sandbox;
        let is_over = || sandbox.link().ends_with(other) && sandbox.lock_is_free();
        wait_until(BACK, "the end of a canary", is_over);
    }

    /// PM2's daemon is killed.
    pub fn kill_pm2(&mut self) {
        let running = Color::BOTH.into_iter().filter_map(|color| self.of(color));
        self.lost = running.collect();
        let pid = fs::read_to_string(self.sandbox.pm2_home().join("pm2.pid")).unwrap();
        kill(Pid::from_raw(pid.trim().parse().unwrap()), Signal::SIGKILL).ok();
    }

    /// What answers on the port of the color that is not live is killed.
    pub fn kill_warm(&self) {
        let address = self.sandbox.slot_address(self.live.color.other());
        if let Ok(answer) = http::get(address, HOST, "/whoami")
            && let Ok(body) = serde_json::from_str::<serde_json::Value>(&answer.body)
            && let Some(pid) = body["pid"].as_i64()
        {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let parent = stat
                .rsplit(')')
                .next()
                .and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
            kill(Pid::from_raw(parent.unwrap_or(pid as i32)), Signal::SIGKILL).ok();
        }
    }

    /// Somebody else's reload. On connections that are kept, NGINX loses requests then, on
    /// most versions; the client goes on with new ones.
    pub fn reload_nginx(&mut self) {
        let kept = self.way == "live";
        if kept {
            self.close();
        }
        self.sandbox.front.reload();
        if kept {
            self.open();
        }
    }

    /// Everything ends and is started again, as at boot.
    pub fn reboot(&mut self) {
        self.close();
        self.kill_watchers();
        self.sandbox.front.stop();
        self.sandbox.pm2(&["kill"]);
        self.sandbox.pm2(&["resurrect"]);
        self.sandbox.front.start_again();
        self.wait_until_warm();
        self.open();
    }

    /// A reboot ends when both colors answer again.
    fn wait_until_warm(&self) {
        let until = Instant::now() + BACK;
        while Instant::now() < until {
            let all = Color::BOTH.iter().all(|color| {
                http::get(self.sandbox.slot_address(*color), HOST, "/health")
                    .is_ok_and(|answer| answer.status == 200)
            });
            if all {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    // --- what must be -------------------------------------------------------

    fn violated(&mut self, what: String) {
        self.violations.push(what);
    }

    /// The command ended in one of these ways.
    pub fn ended(&mut self, outcome: &Outcome, codes: &[i32]) {
        if !outcome.code.is_some_and(|code| codes.contains(&code)) {
            self.violated(format!("not one of {codes:?}: {outcome}"));
        }
    }

    /// A deploy and a switch go well; a rollback may have nothing to go to.
    pub fn may_end(&mut self, verb: Verb, outcome: &Outcome) {
        match verb {
            // Nothing is idle in a canary: nothing is built, and what PM2 has lost is not started.
            Verb::Deploy if self.in_canary() => self.ended(outcome, &[1]),
            Verb::Switch if self.in_canary() => self.ended(outcome, &[1]),
            Verb::Deploy | Verb::Switch => self.ended(outcome, &[0]),
            Verb::Rollback => self.ended(outcome, &[0, 1]),
        }
    }

    /// What a command had left half done is finished or undone.
    pub fn repaired(&mut self) {
        let outcome = self.bg(&["repair"]);
        self.ended(&outcome, &[0]);
    }

    /// Somebody answers at the door, from a release that was healthy, or the page is up.
    pub fn somebody_answers(&mut self) {
        match http::get(self.sandbox.address(), HOST, "/whoami") {
            Ok(answer) if answer.status == 200 || (self.maintenance && answer.status == 503) => {}
            other => self.violated(format!("at the door: {other:?}")),
        }
    }

    /// What was live is.
    pub fn stays(&mut self) {
        let live = self.live.clone();
        self.look(&[live]);
    }

    /// Where it `moved`, the other color is live; else what was.
    pub fn moved_or_stays(&mut self, moved: bool) {
        if moved && let Some(other) = self.of(self.live.color.other()) {
            self.look(&[other]);
        } else {
            self.stays();
        }
    }

    /// What nobody needs any more is gone.
    pub fn pruned(&mut self) {
        let releases = fs::read_dir(self.sandbox.app_root().join("releases")).unwrap();
        let left: Vec<_> = releases.map(|one| one.unwrap().file_name()).collect();
        if left.len() > MOST {
            self.violated(format!("{} releases are left: {left:?}", left.len()));
        }
    }

    /// The page is up, or not: nobody knows how far a killed command came.
    pub fn page_may_be_up(&mut self) {
        self.maintenance = self.sandbox.link().starts_with("maintenance-");
    }

    /// What was live is, or what the other color holds.
    pub fn whatever_moved(&mut self) {
        let may = [
            Some(self.live.clone()),
            self.of(self.live.color),
            self.of(self.live.color.other()),
        ];
        let may: Vec<Answering> = may.into_iter().flatten().collect();
        self.look(&may);
    }

    /// What a color's link names.
    fn of(&self, color: Color) -> Option<Answering> {
        let link = fs::read_link(self.sandbox.app_root().join("slots").join(color.name())).ok()?;
        let release = link.file_name()?.to_str()?.to_owned();
        Some(Answering { color, release })
    }

    /// The link, `bg status` and the door agree on one of `may`.
    fn look(&mut self, may: &[Answering]) {
        let link = self.sandbox.link();
        let status = self.sandbox.status();
        let route = Route::from_folder(&link).unwrap();
        let color = route.color;
        let Some(now) = self.of(color) else {
            return self.violated(format!("{color} is live and empty: {status}"));
        };
        if !may.contains(&now) {
            self.violated(format!("{now:?} is live, and may be {may:?}: {status}"));
        }
        if link.starts_with("maintenance-") != self.maintenance {
            self.violated(format!(
                "the link says {link}, the page must be up: {}",
                self.maintenance
            ));
        }
        let lost = self.lost.contains(&now);
        let drift = status["drift"].as_array().unwrap();
        let may_be = |one: &serde_json::Value| lost && one.to_string().contains("PM2 does not manage");
        if status["live"]["release"] != now.release.as_str() || !drift.iter().all(may_be) {
            self.violated(format!("the link says {now:?}: {status}"));
        }
        if self.maintenance {
            let answer = http::get(self.sandbox.address(), HOST, "/whoami");
            if !answer.as_ref().is_ok_and(|answer| answer.status == 503) {
                self.violated(format!("the page is not up: {answer:?}"));
            }
        } else {
            let beside = route.share.and_then(|_| self.of(color.other()));
            let at_the_door = Answering::at_the_door(&self.sandbox);
            if at_the_door.is_none() || (at_the_door.as_ref() != Some(&now) && at_the_door != beside) {
                self.violated(format!("{at_the_door:?} answers, {now:?} is live on {link}"));
            }
        }
        for color in Color::BOTH {
            let folder = self.sandbox.app_root().join("slots").join(color.name());
            if folder.is_symlink() && !folder.is_dir() {
                self.violated(format!("the release of {color} is gone: {status}"));
            }
        }
        // Whoever watches may put something on record.
        let until = Instant::now() + BACK;
        while !self.sandbox.lock_is_free() {
            if Instant::now() > until {
                self.violated("the lock is held".to_owned());
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.live = now;
    }
}
