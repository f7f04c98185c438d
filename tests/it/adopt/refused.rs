//! What cannot be adopted, or not with its meaning kept, is refused by name and untouched.

use std::fs;

use super::scene::{PROCESS, Site, by_hand, venv, with_a_front};
use crate::sandbox::wait::wait_until;
use crate::sandbox::{HOST, http, set};

#[test]
fn a_process_in_cluster_mode_is_refused_with_the_reason() {
    let site = Site::without_process(by_hand, |_| {});
    let server = format!(
        "require('http').createServer((q, a) => a.end('hello')).listen({}, '127.0.0.1');\n",
        site.port()
    );
    fs::write(site.checkout().join("server.js"), server).unwrap();
    let started = site
        .pm2()
        .args(["start", "server.js", "--name", PROCESS, "-i", "1"])
        .output()
        .unwrap();
    assert!(started.status.success(), "{started:?}");
    site.wait_until_it_answers();
    let before = site.vhost_text();
    for args in [&["adopt", "--yes"] as &[&str], &["adopt", PROCESS, "--yes"]] {
        let refused = site.sandbox.bg(args);
        refused.assert_code(3);
        refused.assert_says("`flask-backend` runs in PM2's cluster mode");
        refused.assert_says("it cannot be proven which process answers");
        site.assert_untouched(&before);
    }
}

#[test]
fn an_entry_with_several_instances_is_refused_with_what_leaves_one() {
    let site = Site::without_process(by_hand, |_| {});
    let mut args = site.gunicorn();
    args.insert(2, "--reuse-port".to_owned());
    let apps = serde_json::json!({"apps": [{
        "name": PROCESS,
        "script": venv().join("bin/python"),
        "interpreter": "none",
        "args": args,
        "instances": 2,
        "exec_mode": "fork",
    }]});
    fs::write(site.checkout().join("ecosystem.json"), apps.to_string()).unwrap();
    let started = site.pm2().args(["start", "ecosystem.json"]).output().unwrap();
    assert!(started.status.success(), "{started:?}");
    let both = || {
        let port = format!("{:04X}", site.port());
        let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
        let listens = |line: &&str| line.contains(&format!(":{port} 00000000:0000 0A"));
        sockets.lines().filter(listens).count() == 2
    };
    wait_until(super::scene::LONG, "both listen", both);
    let before = site.vhost_text();
    for args in [&["adopt", "--yes"] as &[&str], &["adopt", PROCESS, "--yes"]] {
        let refused = site.sandbox.bg(args);
        refused.assert_code(3);
        refused.assert_says(&format!(
            "PM2 runs `{PROCESS}` 2 times, on port {}, and a color is one process",
            site.port()
        ));
        refused.assert_says("leave one: `pm2 delete 1`, and `instances: 1`");
        assert!(!refused.stderr.contains("adopt NAME"), "{refused}");
        site.assert_untouched(&before);
    }
    // As it says.
    let left = site.pm2().args(["delete", "1"]).output().unwrap();
    assert!(left.status.success(), "{left:?}");
    site.sandbox.bg(&["adopt"]).assert_code(0);
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_is_touched() {
    let mut site = Site::new();
    let before = site.vhost_text();
    let refuse = |site: &Site, args: &[&str], code: i32, says: &str| {
        let refused = site.sandbox.bg(args);
        refused.assert_code(code);
        refused.assert_says(says);
        site.assert_untouched(&site.vhost_text());
    };
    refuse(
        &site,
        &["adopt", "nobody-knows", "--yes"],
        3,
        "PM2 has no `nobody-knows`",
    );
    refuse(
        &site,
        &["adopt", "--undo", "--yes"],
        3,
        "no app is adopted on this host",
    );

    // A health check that the process does not pass: it could never be gone back to.
    let health = |site: &Site, path: &str| {
        site.sandbox.configure(|config| {
            let health = config["health"].as_array_mut().unwrap();
            health[0]
                .as_table_mut()
                .unwrap()
                .insert("path".into(), path.into());
        });
    };
    health(&site, "/nowhere");
    refuse(
        &site,
        &["adopt", "--yes"],
        1,
        "`[[health]]` in bg.toml says what a healthy app answers",
    );
    health(&site, "/health");

    site.sandbox
        .configure(|config| set(config, "nginx", "site", "conf.d/shop.conf"));
    refuse(&site, &["adopt", "--yes"], 3, "must name");
    site.sandbox
        .configure(|config| set(config, "nginx", "site", "conf.d/by-hand.conf"));

    // By its place, and both at once.
    let text = before
        .replace(";   # the port of pm2", "$request_uri;")
        .replace("location /static/", "open_file_cache max=9;\n\tlocation /static/");
    site.serve(&text);
    let refused = site.sandbox.bg(&["adopt", "--yes"]);
    refused.assert_code(3);
    let place = site.vhost().display().to_string();
    refused.assert_says(&format!("{place}:8: a variable stands behind the app's address"));
    refused.assert_says(&format!("{place}:13: a file cache"));
    site.assert_untouched(&text);

    // Nothing that leads by a port: the lines are named, with what to write there.
    let address = format!("http://127.0.0.1:{}", site.port());
    let pool = format!("map $cookie_preview $pool {{ default {address}; }}\n{before}");
    let pool = pool.replace(&format!("proxy_pass {address};"), "proxy_pass $pool;");
    site.serve(&pool);
    let refused = site.sandbox.bg(&["adopt", "--yes"]);
    refused.assert_code(3);
    refused.assert_says(&format!("{place}:1: a variable holds the app's address"));
    refused.assert_says(&format!("{place}:9: the app is reached by a variable"));
    refused.assert_says(&format!("write the address here: `proxy_pass {address};`"));
    site.assert_untouched(&pool);
    for (way, what) in [
        ("http://unix:/run/shop.sock", "a unix socket"),
        ("http://$host", "a variable"),
    ] {
        let text = before.replace(&address, way);
        fs::write(site.vhost(), &text).unwrap();
        let refused = site.sandbox.bg(&["adopt", "--yes"]);
        refused.assert_code(3);
        refused.assert_says("NGINX passes requests to none of PM2's processes");
        refused.assert_says(&format!("{place}:8: `{way}` is {what}"));
        refused.assert_says("write");
        refused.assert_says("`proxy_pass http://127.0.0.1:PORT;`");
        assert_eq!(site.vhost_text(), text);
    }
    site.serve(&before);

    let stopped = site.pm2().args(["stop", PROCESS]).output().unwrap();
    assert!(stopped.status.success());
    let refused = site.sandbox.bg(&["adopt", PROCESS, "--yes"]);
    refused.assert_code(3);
    refused.assert_says("`flask-backend` is stopped and has no process");
    assert_eq!(site.vhost_text(), before);
}

#[test]
fn a_site_that_turns_out_not_to_be_provable_is_put_back() {
    let mut site = Site::new();
    // What only a proof meets shows only then.
    let text = with_a_front(&site, "if ($http_x_bg_proof) { return 418; }");
    site.serve(&text);
    let refused = site.sandbox.bg(&["adopt", "--yes"]);
    refused.assert_code(1);
    refused.assert_says("the site answered differently after the change, so its files were put back");
    site.assert_untouched(&text);
    assert_eq!(site.reloads(), 2, "once there and once back");
    wait_until(super::scene::LONG, "the old workers end", || {
        site.sandbox.front.workers().len() == 2
    });
}

#[test]
fn a_password_of_nginx_is_found_before_anything_is_changed_and_sent_along() {
    let mut site = Site::new();
    let users = site.sandbox.root().join("users");
    fs::write(&users, "shop:{PLAIN}pw\n").unwrap();
    let inside = format!("auth_basic shop; auth_basic_user_file {};", users.display());
    let text = with_a_front(&site, &inside);
    site.serve(&text);
    let refused = site.sandbox.bg(&["adopt", "--yes"]);
    refused.assert_code(3);
    refused.assert_says("no switch of this site could be verified, so nothing was changed");
    refused.assert_says(&format!(
        "`/` on http://{} ({HOST}) is answered 401 by NGINX itself: `auth_basic shop` at {}:7",
        site.sandbox.address(),
        site.vhost().display()
    ));
    refused.assert_says("set `nginx.paths = [\"/health\"]` in bg.toml");
    refused.assert_says("`nginx.probe.headers = { Authorization = \"Basic ...\" }` in bg.toml");
    site.assert_untouched(&text);
    assert_eq!(site.reloads(), 0);

    // As it says.
    site.sandbox.configure(|config| {
        let headers: toml::Table = "headers = { Authorization = \"Basic c2hvcDpwdw==\" }"
            .parse()
            .unwrap();
        set(config, "nginx", "probe", headers);
    });
    let adopted = site.sandbox.bg(&["adopt", "--yes"]);
    adopted.assert_code(0);
    adopted.assert_says(&format!(
        "1 path through NGINX answered by blue, as before, asked for as `{HOST}`"
    ));
    assert_eq!(site.reloads(), 1);
    let deployed = site.sandbox.bg(&["deploy"]);
    deployed.assert_code(0);
    deployed.assert_says(", 0 failed");
    assert_eq!(site.sandbox.link(), "green");
    let visitor = http::get(site.sandbox.address(), HOST, "/").unwrap();
    assert_eq!(visitor.status, 401);
}

#[test]
fn what_nginx_answers_itself_is_named_with_a_way_on() {
    let mut site = Site::new();
    let cache = site.sandbox.root().join("cache");
    let before = site.vhost_text();
    let table = [
        (
            "deny all;",
            "is answered 403 by NGINX itself: `deny all`",
            "`allow 127.0.0.1;` above",
        ),
        (
            "if ($http_x_token != \"right\") { return 403; }",
            "is answered 403 by NGINX itself: `return 403`",
            "`nginx.probe.headers = { X-Token = \"...\" }`",
        ),
        (
            "if ($http_x_forwarded_proto != \"https\") { return 301 https://$host$request_uri; }",
            "is answered 301 by NGINX itself: `return 301",
            "`nginx.probe.headers = { X-Forwarded-Proto = \"https\" }`",
        ),
        (
            "return 444;",
            "is not answered: the connection was closed before an answer: `return 444`",
            "",
        ),
        (
            // An answer with a cookie would not be kept.
            "proxy_cache shop; proxy_cache_valid 200 1m; proxy_cache_bypass $http_x_fresh; \
             proxy_ignore_headers Set-Cookie; proxy_hide_header Set-Cookie;",
            "may be answered from NGINX's cache: `proxy_cache shop`",
            "`nginx.probe.headers = { X-Fresh = \"no-cache\" }`",
        ),
    ];
    for (inside, what, way) in table {
        site.serve(&before);
        let text = with_a_front(&site, inside);
        let text = format!("proxy_cache_path {} keys_zone=shop:1m;\n{text}", cache.display());
        site.serve(&text);
        let refused = site.sandbox.bg(&["adopt", "--yes"]);
        assert_eq!(refused.code, Some(3), "{inside}: {refused}");
        refused.assert_says(what);
        refused.assert_says(&format!("{}:8", site.vhost().display()));
        refused.assert_says(way);
        refused.assert_says("`nginx.paths = [\"/health\"]`");
        site.assert_untouched(&text);
        assert_eq!(site.reloads(), 0, "{inside}");
    }
    // As the last of them says.
    site.sandbox.configure(|config| {
        let headers: toml::Table = "headers = { X-Fresh = \"no-cache\" }".parse().unwrap();
        set(config, "nginx", "probe", headers);
    });
    site.sandbox.bg(&["adopt", "--yes"]).assert_code(0);
}

#[test]
fn what_nginx_paths_names_is_proven_and_the_rest_answers_as_before() {
    let mut site = Site::new();
    let text = with_a_front(&site, "auth_basic shop; auth_basic_user_file /dev/null;");
    site.serve(&text);
    site.sandbox
        .configure(|config| set(config, "nginx", "paths", vec!["/health"]));
    let adopted = site.sandbox.bg(&["adopt", "--yes"]);
    adopted.assert_code(0);
    adopted.assert_says("1 path through NGINX answered by blue, as before");
    adopted.assert_says("; 2 more answer as before");
    assert!(!adopted.to_string().contains("is not proven"), "{adopted}");
    assert_eq!(site.reloads(), 1);
    let front = http::get(site.sandbox.address(), HOST, "/").unwrap();
    assert_eq!(front.status, 401);
    site.sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(site.sandbox.link(), "green");
}

#[test]
fn files_changed_since_are_not_overwritten() {
    let site = Site::new();
    let before = site.vhost_text();
    site.sandbox.bg(&["adopt", "--yes"]).assert_code(0);
    let adopted = site.vhost_text();
    fs::write(site.vhost(), adopted.replace("75s", "90s")).unwrap();
    let refused = site.sandbox.bg(&["adopt", "--undo", "--yes"]);
    refused.assert_code(3);
    refused.assert_says("was changed since, and is left as it is");
    refused.assert_says("proxy_read_timeout 90s;");
    assert_eq!(site.sandbox.link(), "blue");
    assert!(site.vhost_text().contains("90s"));
    fs::write(site.vhost(), adopted).unwrap();
    let plan = site.sandbox.bg(&["adopt", "--undo"]);
    plan.assert_code(0);
    assert!(plan.stdout.contains("nothing was changed"), "{plan}");
    assert_eq!(site.sandbox.link(), "blue");
    site.sandbox.bg(&["adopt", "--undo", "--yes"]).assert_code(0);
    site.assert_untouched(&before);
}
