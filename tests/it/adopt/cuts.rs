//! `kill -9` of an adoption at each of its steps: typed again it ends well, and undone
//! everything is byte for byte as it was. Visitors notice nothing.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::scene::{LONG, PROCESS, Site, by_hand, script};
use crate::recovery::scene::Told;
use crate::sandbox::wait::wait_until;
use crate::sandbox::{front, processes, set};

/// Where an adoption is killed.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// NGINX is called for the n-th time: to be asked, tested, or tested once more.
    Nginx(u32),
    /// NGINX was told to read its files, and has not.
    Reload,
    /// NGINX has read them, and nothing is proven.
    Proof,
    /// The app is in the registry.
    Registered,
}

const STEPS: [Step; 7] = [
    // The look at what is there.
    Step::Nginx(3),
    // The folders, the link and the slot are made.
    Step::Nginx(4),
    // Every file is written.
    Step::Nginx(5),
    // The same, tested.
    Step::Nginx(6),
    Step::Reload,
    Step::Proof,
    Step::Registered,
];

/// An NGINX that can be held at any of its calls.
struct Held<'a> {
    site: &'a Site,
}

impl Held<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.site.sandbox.root().join(name)
    }

    fn write(&self) {
        let root = self.site.sandbox.root().display();
        let text = format!(
            "#!/bin/sh\nn=$(( $(cat {root}/calls) + 1 )); echo $n > {root}/calls\n\
             if [ \"$(cat {root}/hold)\" = $n ]; then touch {root}/held; while [ -e {root}/held ]; do sleep 0.02; done; fi\n\
             exec {} \"$@\"\n",
            front::program().display()
        );
        script(&self.path("nginx-held"), &text);
        self.at(0);
    }

    /// From here on the calls count from 1.
    fn at(&self, call: u32) {
        fs::write(self.path("calls"), "0").unwrap();
        fs::write(self.path("hold"), call.to_string()).unwrap();
        fs::remove_file(self.path("held")).ok();
    }

    fn let_go(&self) {
        fs::remove_file(self.path("held")).ok();
    }

    /// Starts an adoption and kills it at `step`.
    fn cut(&self, step: Step) {
        self.at(match step {
            Step::Nginx(call) => call,
            Step::Reload | Step::Proof => 6,
            Step::Registered => 0,
        });
        let reloads = self.site.reloads();
        let mut adopt = Told::start(&self.site.sandbox, &["adopt", "--yes"]);
        match step {
            Step::Nginx(_) => adopt.wait_for(&self.path("held")),
            Step::Reload => {
                adopt.wait_for(&self.path("held"));
                let master = self.site.sandbox.front.master();
                signal(&[master], Signal::SIGSTOP);
                self.let_go();
                wait_until(LONG, "NGINX is told to reload", || has_hangup(master));
                adopt.kill();
                signal(&[master], Signal::SIGCONT);
                wait_until(LONG, "NGINX reloads", || self.site.reloads() > reloads);
                return;
            }
            Step::Proof => {
                adopt.wait_for(&self.path("held"));
                let app = self.app();
                signal(&app, Signal::SIGSTOP);
                self.let_go();
                adopt.wait_says("reads the new configuration");
                adopt.kill();
                signal(&app, Signal::SIGCONT);
                return;
            }
            Step::Registered => {
                let entry = self.site.sandbox.registry().join("shop.toml");
                wait_until(LONG, "it is registered", || entry.exists());
            }
        }
        adopt.kill();
        self.let_go();
        self.at(0);
    }

    /// The app's processes.
    fn app(&self) -> Vec<i32> {
        let all = processes::of(self.site.sandbox.root()).into_iter();
        let app = all.filter(|(_, line)| line.contains("gunicorn"));
        app.map(|(pid, _)| pid).collect()
    }
}

fn signal(pids: &[i32], signal: Signal) {
    for pid in pids {
        kill(Pid::from_raw(*pid), signal).unwrap();
    }
}

/// Whether a stopped process has SIGHUP, the first of all, waiting for it.
fn has_hangup(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let pending = status
        .lines()
        .find_map(|line| line.strip_prefix("ShdPnd:"))
        .unwrap();
    u64::from_str_radix(pending.trim(), 16).unwrap() & 1 == 1
}

#[test]
fn an_adoption_killed_at_any_step_is_finished_or_undone_and_no_visitor_notices() {
    let site = Site::with(by_hand, |config| {
        set(config, "timeouts", "proof", "20s");
    });
    let held = Held { site: &site };
    held.write();
    let program = held.path("nginx-held").to_str().unwrap().to_owned();
    site.sandbox
        .configure(|config| set(config, "nginx", "bin", program));
    let (before, pid) = (site.vhost_text(), site.answering_pid());
    let load = site.fresh_load();
    for step in STEPS {
        held.cut(step);
        let undone = site.sandbox.bg(&["adopt", "--undo", "--yes"]);
        assert!(
            undone.code == Some(0) || undone.stderr.contains("no app is adopted on this host"),
            "{step:?}: {undone}"
        );
        site.assert_untouched(&before);

        held.cut(step);
        let again = site.sandbox.bg(&["adopt", "--yes"]);
        let done = again.code == Some(0) || again.stderr.contains("is adopted already");
        assert!(done, "{step:?}: {again}");
        assert_eq!(site.sandbox.status()["live"]["color"], "blue", "{step:?}");
        assert_eq!(site.answering_pid(), pid, "{step:?}");
        assert_eq!(site.vhost_text().matches("route.conf").count(), 1, "{step:?}");
        site.sandbox.bg(&["adopt", "--undo", "--yes"]).assert_code(0);
        site.assert_untouched(&before);
    }
    let count = load.stop();
    assert_eq!(count.failed, 0, "{count:?}");
    assert!(count.requests > 100, "{count:?}");
    assert_eq!(site.pm2_names(), [PROCESS]);
    assert_eq!(site.answering_pid(), pid);
}
