//! A site with all that belongs to one: not one alarm.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use nix::unistd::{Uid, User};

use super::bad;
use super::secure::Secure;
use crate::sandbox::outcome::Outcome;

/// Who runs the tests, and with them the site.
pub(super) fn user() -> String {
    User::from_uid(Uid::effective()).unwrap().unwrap().name
}

impl Secure {
    /// Writes a file below this host's `/etc`.
    pub(super) fn etc(&self, file: &str, text: &str) {
        let file = self.sandbox.root().join("etc").join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// As `systemctl enable`.
    pub(super) fn enable(&self, unit: &str) {
        let systemd = self.sandbox.root().join("etc/systemd/system");
        let wants = systemd.join("multi-user.target.wants");
        fs::create_dir_all(&wants).unwrap();
        symlink(systemd.join(unit), wants.join(unit)).unwrap();
    }

    /// PM2's unit as `pm2 startup` writes it.
    pub(super) fn unit(&self) -> String {
        let pm2 = self.sandbox.root().join("pm2-program");
        fs::write(&pm2, "").unwrap();
        format!(
            "[Unit]\nDescription=PM2 process manager\nAfter=network.target\n\n[Service]\nType=forking\nUser={}\n\
             Environment=PATH=/usr/bin:/bin\nEnvironment=PM2_HOME={}\nExecStart={} resurrect\n\n[Install]\n\
             WantedBy=multi-user.target\n",
            user(),
            self.sandbox.pm2_home().display(),
            pm2.display()
        )
    }

    /// Set up, deployed, started at boot, its logs cut.
    pub(super) fn well_kept() -> Secure {
        let secure = Secure::new();
        secure.etc(&format!("systemd/system/pm2-{}.service", user()), &secure.unit());
        secure.enable(&format!("pm2-{}.service", user()));
        secure.enable("nginx.service");
        let logs = secure.sandbox.app_root().join("logs");
        secure.etc(
            "logrotate.d/shop",
            &format!("{}/*.log {{\n    copytruncate\n}}\n", logs.display()),
        );
        secure.bg(&["setup"]).assert_code(0);
        secure.bg(&["deploy"]).assert_code(0);
        secure
    }
}

#[test]
fn nothing_is_said_against_a_healthy_site() {
    let secure = Secure::well_kept();
    for round in 0..2 {
        let check = secure.bg(&["check", "--json"]);
        check.assert_code(0);
        // Those two are this machine's.
        let mut alarms = bad(&check);
        alarms.retain(|finding| !["disk", "memory"].contains(&finding.subject.as_str()));
        assert!(alarms.is_empty(), "round {round}: {alarms:#?}");
        for subject in [
            "tls",
            "dns",
            "boot",
            "log rotation",
            "limits",
            "loopback",
            "app server",
            "clock",
            "pm2",
            "disk",
            "memory",
        ] {
            assert!(
                check.stdout.contains(&format!("\"{subject}\"")),
                "{subject} is not looked at: {check}"
            );
        }
        documented(&check);
        let deploy = secure.bg(&["deploy"]);
        deploy.assert_code(0);
        assert!(!deploy.stderr.contains("app server"), "{deploy}");
        assert!(!deploy.stderr.contains("loopback"), "{deploy}");
    }
}

/// Whatever is looked at is in the documentation.
fn documented(check: &Outcome) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/check.md");
    let docs = fs::read_to_string(docs).unwrap();
    let result = check.result();
    let findings = result["answer"]["report"]["findings"].as_array().unwrap().clone();
    assert!(findings.len() > 20, "{check}");
    for finding in findings {
        let subject = format!("`{}`", finding["subject"].as_str().unwrap());
        assert!(docs.contains(&subject), "{subject} is not in docs/check.md");
    }
}
