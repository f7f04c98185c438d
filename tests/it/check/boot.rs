//! Whether the site comes back when the machine starts again.

use std::fs;

use super::healthy::user;
use super::secure::Secure;
use super::{assert_found, bad_about};

/// The unit is made bad in one way, found, and made good again.
#[test]
fn whatever_keeps_pm2_down_after_a_reboot_is_found() {
    let secure = Secure::well_kept();
    let unit = format!("pm2-{}.service", user());
    let file = format!("systemd/system/{unit}");
    let good = secure.unit();
    let wants = secure
        .sandbox
        .root()
        .join("etc/systemd/system/multi-user.target.wants");
    let home = secure.sandbox.pm2_home().display().to_string();
    let bad = || bad_about(&secure.bg(&["check", "--json"]), "boot");
    assert!(bad().is_empty(), "{:#?}", bad());
    let startup = format!(
        "startup -u {}; then `Environment=PM2_HOME={home}` in the unit",
        user()
    );
    let enable = format!("systemctl enable {unit}");
    let table = [
        (
            good.replace(&home, "/home/other/.pm2"),
            format!("brings back the PM2 in /home/other/.pm2, and this app's is in {home}"),
            &startup,
        ),
        (
            good.replace(&format!("User={}", user()), "User=somebody"),
            format!("nothing starts PM2 for `{}`", user()),
            &startup,
        ),
        (
            good.replace(" resurrect", " ping"),
            format!("nothing starts PM2 for `{}`", user()),
            &startup,
        ),
        (
            good.replace("pm2-program", "pm2-gone"),
            "pm2-gone`, which is not there any more".to_owned(),
            &startup,
        ),
        (
            good.replace("After=network.target\n", ""),
            "does not wait for the network".to_owned(),
            &"`After=network-online.target`".to_owned(),
        ),
    ];
    for (text, found, fix) in &table {
        secure.etc(&file, text);
        assert_found(&bad(), "warning", found, fix);
    }
    assert_eq!(table.len(), 5);
    secure.etc(&file, &good);
    fs::remove_file(wants.join(&unit)).unwrap();
    assert_found(
        &bad(),
        "warning",
        "is not started when the machine starts",
        &enable,
    );
    secure.enable(&unit);
    fs::remove_file(wants.join("nginx.service")).unwrap();
    assert_found(
        &bad(),
        "warning",
        "NGINX is not started",
        "systemctl enable nginx",
    );
    secure.enable("nginx.service");
    assert!(bad().is_empty(), "{:#?}", bad());
}

#[test]
fn a_dump_that_lacks_what_runs_is_found_and_the_fix_helps() {
    let secure = Secure::well_kept();
    secure.bg(&["deploy"]).assert_code(0);
    let bad = || bad_about(&secure.bg(&["check", "--json"]), "boot");
    assert!(bad().is_empty(), "{:#?}", bad());
    fs::write(secure.sandbox.pm2_home().join("dump.pm2"), "[]").unwrap();
    assert_found(
        &bad(),
        "warning",
        "PM2's dump lacks flask-blue and flask-green",
        " save, as ",
    );
    secure.sandbox.pm2(&["save"]).assert_code(0);
    assert!(bad().is_empty(), "{:#?}", bad());
    fs::write(secure.sandbox.pm2_home().join("dump.pm2"), "{").unwrap();
    assert_found(&bad(), "warning", "dump.pm2", " save, as ");
}
