//! From the first look to the second deploy, under load.

use std::fs;

use bluegreen::model::color::Color;

use super::scene::{LONG, PROCESS, Site, by_hand};
use crate::sandbox::set;
use crate::sandbox::wait::wait_until;

#[test]
fn a_site_is_adopted_as_it_runs_and_released_from_then_on() {
    let site = Site::new();
    let (before, pid) = (site.vhost_text(), site.answering_pid());
    let sandbox = &site.sandbox;

    let plan = sandbox.bg(&["adopt"]);
    plan.assert_code(0);
    for said in [
        "would reload NGINX once, after a test",
        "+\tinclude ",
        "-\t\tproxy_pass http://127.0.0.1:",
        "it is not started again",
        "nothing was changed",
    ] {
        assert!(plan.stdout.contains(said), "no {said:?} in {plan}");
    }
    site.assert_untouched(&before);

    let load = site.load();
    let adopted = sandbox.bg(&["adopt", "--yes"]);
    adopted.assert_code(0);
    wait_until(LONG, "visitors have asked", || load.so_far().requests > 50);
    let count = load.stop();
    // The one reload closes connections that wait for their next request, and nothing else.
    let by_reload = |why: &&String| why.contains("reused connection");
    assert!(count.failures.iter().all(|why| by_reload(&why)), "{count:?}");
    assert_eq!(site.reloads(), 1);
    assert_eq!(site.answering_pid(), pid, "it was started again");
    assert_eq!(sandbox.link(), "blue");

    let after = site.vhost_text();
    for kept in [
        "# The shop. Written by hand in 2019; do not touch the timeouts!\n",
        "# port 80\n",
        "\t\t# straight to flask\n",
        "   # the port of pm2\n",
        "\t\tproxy_set_header Host $host;\n\t\tproxy_read_timeout 75s;\n",
        "alias \"$bg_shop_root/static/\";",
    ] {
        assert!(after.contains(kept), "no {kept:?} in {after}");
    }
    assert_eq!(sandbox.get("/static/shop.css").status, 200);
    assert_eq!(sandbox.get("/static/../app.py").status, 400);

    let status = sandbox.status();
    assert_eq!(status["live"]["color"], "blue");
    assert_eq!(status["slots"][0]["health"]["state"], "healthy", "{status}");
    assert!(status["notes"][0].as_str().unwrap().contains(PROCESS), "{status}");
    let check = sandbox.bg(&["check"]);
    check.assert_code(0);
    assert!(sandbox.bg(&["history"]).stdout.contains("adopted as it runs"));
    sandbox.bg(&["adopt", "--yes"]).assert_says("is adopted already");

    // To green and back, and nothing is lost.
    let load = site.load();
    sandbox.commit_edit("the second", "Good day", "Second");
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    let back = sandbox.bg(&["rollback"]);
    back.assert_code(0);
    assert_eq!(site.answering_pid(), pid, "{back}");
    let check = sandbox.bg(&["check"]);
    assert!(!check.stdout.contains("PM2's dump lacks"), "{check}");
    let plan = sandbox.bg(&["deploy", "--plan"]);
    assert!(!plan.stdout.contains("for good"), "{plan}");
    sandbox.bg(&["switch"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    let refused = sandbox.bg(&["adopt", "--undo", "--yes"]);
    refused.assert_code(3);
    refused.assert_says("a release was deployed since");
    assert_eq!(site.pm2_names(), [PROCESS, "flask-green"]);

    // The second deploy needs its slot.
    let plan = sandbox.bg(&["deploy", "--plan"]);
    assert!(plan.stdout.contains("stop flask-backend ("), "{plan}");
    assert!(plan.stdout.contains(" for good"), "{plan}");
    let adopted = sandbox.status()["slots"][0]["release"]
        .as_str()
        .unwrap()
        .to_owned();
    sandbox.commit_edit("the third", "Second", "Third");
    let second = sandbox.bg(&["deploy"]);
    second.assert_code(0);
    second.assert_says("the adopted process `flask-backend` was stopped and its PM2 entry deleted");
    assert_eq!(site.pm2_names(), ["flask-blue", "flask-green"]);
    // Its colors are nobody's to adopt, and are not counted among what could be.
    let empty = sandbox.root().join("empty");
    fs::create_dir(&empty).unwrap();
    let conf = sandbox.front.conf();
    let adopt = |name: &[&str]| {
        let args = [&["adopt", "--nginx", conf.to_str().unwrap()], name].concat();
        let mut command = sandbox.bg_command(&args);
        command.current_dir(&empty).env("PM2_HOME", sandbox.pm2_home());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let none = adopt(&[]);
    assert!(
        none.contains("NGINX passes requests to none of PM2's processes") && !none.contains("flask-"),
        "{none}"
    );
    let taken = adopt(&["flask-green"]);
    assert!(
        taken.contains("`flask-green` belongs to the app `shop`, which is set up already"),
        "{taken}"
    );
    let gone = sandbox.bg(&["rollback", "--to", &adopted]);
    gone.assert_code(1);
    gone.assert_says("cannot be started as a release");
    assert!(site.checkout().join("app.py").exists());
    sandbox.bg(&["rollback"]).assert_code(0);
    let count = load.stop();
    assert_eq!(count.failed, 0, "{count:?}");
    assert_eq!(site.reloads(), 1);
}

#[test]
fn in_the_reload_way_too() {
    let site = Site::with(by_hand, |config| set(config, "nginx", "switch", "reload"));
    let (before, pid) = (site.vhost_text(), site.answering_pid());
    site.sandbox.bg(&["adopt", "--yes"]).assert_code(0);
    assert_eq!((site.reloads(), site.answering_pid()), (1, pid));
    site.sandbox.bg(&["adopt", "--undo", "--yes"]).assert_code(0);
    site.assert_untouched(&before);
    site.sandbox.bg(&["adopt", "--yes"]).assert_code(0);
    site.sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(site.sandbox.live_color(), Some(Color::Green));
    site.sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(site.answering_pid(), pid);
    assert_eq!(site.sandbox.get("/static/shop.css").status, 200);
}
