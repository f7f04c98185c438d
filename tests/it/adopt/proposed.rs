//! Without a bg.toml one is proposed from what runs, and works.

use std::fs;
use std::path::PathBuf;

use bluegreen::model::color::Color;
use bluegreen::model::config::Config;
use bluegreen::model::config::read::parse;
use toml::Table;

use super::scene::{PROCESS, Site, by_hand, venv, with_a_front};
use crate::sandbox::outcome::Outcome;
use crate::sandbox::ports::Port;
use crate::sandbox::{HOST, repo, set};

/// The app in a folder of its own, with its port in it, as `python backend/app.py` starts it.
fn site(gunicorn: bool) -> Site {
    let site = Site::without_process(by_hand, |_| {});
    let port = site.port();
    site.sandbox.commit("the app moves into a folder", |repo| {
        fs::create_dir(repo.join("backend")).unwrap();
        let app = fs::read_to_string(repo.join("app.py")).unwrap();
        let run = format!("\n\nif __name__ == \"__main__\":\n    app.run(port={port})\n");
        fs::write(repo.join("backend/app.py"), app + &run).unwrap();
        fs::remove_file(repo.join("app.py")).unwrap();
        let wanted = fs::read_to_string(repo.join("requirements.txt")).unwrap();
        let kept = wanted
            .lines()
            .filter(|line| gunicorn || !line.starts_with("gunicorn"));
        fs::write(
            repo.join("backend/requirements.txt"),
            kept.collect::<Vec<_>>().join("\n"),
        )
        .unwrap();
        fs::remove_file(repo.join("requirements.txt")).unwrap();
        fs::write(
            repo.join("sync_wrapper.py"),
            "import time\nwhile True: time.sleep(1)\n",
        )
        .unwrap();
    });
    repo::git(&site.checkout(), &["pull", "--quiet"]);
    fs::remove_file(site.sandbox.config()).unwrap();
    site
}

fn start(site: &Site, python: &str) {
    for (name, script) in [
        (PROCESS, "backend/app.py"),
        ("podfactory-sync", "sync_wrapper.py"),
    ] {
        let mut command = site.pm2();
        command.args(["start", script, "--name", name, "--interpreter", python]);
        let started = command.output().unwrap();
        assert!(started.status.success(), "{started:?}");
    }
    site.wait_until_it_answers();
}

fn root(site: &Site) -> PathBuf {
    site.sandbox.app_root()
}

fn adopt(site: &Site, more: &[&str]) -> Outcome {
    let (conf, root) = (site.sandbox.front.conf(), root(site));
    let named = [
        "adopt",
        "--nginx",
        conf.to_str().unwrap(),
        "--root",
        root.to_str().unwrap(),
    ];
    let args = [&named, more].concat();
    let started = std::time::Instant::now();
    let mut command = site.sandbox.bg_command(&args);
    let output = command.env("PM2_HOME", site.sandbox.pm2_home()).output().unwrap();
    Outcome::new(&args, &output, started.elapsed())
}

/// What stands between the two lines of dashes.
fn proposal(plan: &Outcome) -> (String, Config) {
    let (_, rest) = plan
        .stdout
        .split_once("--- bg.toml, as proposed\n")
        .unwrap_or_else(|| panic!("{plan}"));
    let (text, _) = rest.split_once("\n---\n").unwrap();
    let config = parse(text, &site_file()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    (text.to_owned(), config)
}

/// Gives green a port that no other test takes: one that is merely free when it is proposed
/// may not be any more when a release is started on it.
fn keep_green(config: &mut Table) -> Port {
    let port = Port::free();
    let ports = config["process"]["ports"].as_table_mut().unwrap();
    let proposed = ports.insert("green".to_owned(), i64::from(port.number()).into());
    assert!(proposed.is_some_and(|port| port.is_integer()));
    port
}

fn site_file() -> PathBuf {
    "bg.toml".into()
}

#[test]
fn a_program_with_its_port_in_it_is_proposed_behind_gunicorn_and_released() {
    let site = site(true);
    start(&site, venv().join("bin/python").to_str().unwrap());
    let plan = adopt(&site, &[]);
    plan.assert_code(0);
    let (text, config) = proposal(&plan);
    assert_eq!(config.app, "site");
    assert_eq!(
        config.process.run,
        "{{ venv }}/bin/python -m gunicorn --pythonpath backend -b 127.0.0.1:{{ port }} \
         --worker-class gthread --threads 8 --keep-alive 75 app:app"
    );
    assert_eq!(config.process.ports.blue, site.port());
    assert_ne!(config.process.ports.green, site.port());
    assert_eq!(config.source.git.as_deref(), site.sandbox.repo().to_str());
    assert_eq!(
        config.python.requirements,
        [PathBuf::from("backend/requirements.txt")]
    );
    assert_eq!(
        config.nginx.server_names,
        [HOST.to_owned(), format!("www.{HOST}")]
    );
    assert_eq!(config.nginx.listen, [site.sandbox.address().to_string()]);
    assert_eq!(config.health[0].path, "/health");
    assert!(
        text.contains("SHOP_SECRET") && !text.contains(crate::sandbox::SECRET),
        "{text}"
    );
    for line in [
        "#[[worker]]",
        "#name = \"podfactory-sync\"",
        "#handover = \"singleton\"",
        "#replaces = \"podfactory-sync\"",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(plan.stdout.contains("PM2 keeps `podfactory-sync` too"), "{plan}");

    adopt(&site, &["--propose"]).assert_code(0);
    assert_eq!(
        fs::read_to_string(site.sandbox.config()).unwrap().trim(),
        text.trim()
    );
    // What only this host has: its link, and where the secret lies.
    let mut table: Table = text.parse().unwrap();
    let link = site.sandbox.link_folder().to_str().unwrap().to_owned();
    set(&mut table, "nginx", "link_folder", link);
    set(
        &mut table,
        "nginx",
        "bin",
        crate::sandbox::front::program().to_str().unwrap(),
    );
    let _green = keep_green(&mut table);
    set(&mut table, "nginx", "switch", "live");
    set(&mut table, "env", "file", "app.env");
    set(&mut table, "gate", "soak", "0s");
    fs::write(site.sandbox.config(), toml::to_string(&table).unwrap()).unwrap();
    let pid = site.answering_pid();
    site.sandbox.bg(&["adopt", "--yes"]).assert_code(0);
    assert_eq!(site.answering_pid(), pid);
    site.sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(site.sandbox.live_color(), Some(Color::Green));
    assert_eq!(site.pm2_names(), [PROCESS, "flask-green", "podfactory-sync"]);
    site.sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(site.answering_pid(), pid);
}

#[test]
fn an_app_that_does_not_read_its_port_is_told_how_two_can_run() {
    let site = site(false);
    // A Python that has Flask and no gunicorn.
    let hidden = site.sandbox.root().join("no-gunicorn");
    fs::create_dir(&hidden).unwrap();
    std::os::unix::fs::symlink(venv().join("bin/python"), hidden.join("python")).unwrap();
    let packages = packages();
    let mut command = site.pm2();
    command.env("PYTHONPATH", packages).args([
        "start",
        "backend/app.py",
        "--name",
        PROCESS,
        "--interpreter",
        hidden.join("python").to_str().unwrap(),
    ]);
    assert!(command.output().unwrap().status.success());
    site.wait_until_it_answers();
    let plan = adopt(&site, &[]);
    plan.assert_code(0);
    let (_, config) = proposal(&plan);
    assert_eq!(
        config.process.run,
        "{{ venv }}/bin/python backend/app.py {{ port }}"
    );
    let source = fs::read_to_string(site.checkout().join("backend/app.py")).unwrap();
    let line = source.lines().count();
    for said in [
        "the app does not read its port, and two must run at once".to_owned(),
        format!("backend/app.py:{line}"),
        "port=int(sys.argv[1])".to_owned(),
    ] {
        assert!(plan.stdout.contains(&said), "no {said:?} in {plan}");
    }
}

fn packages() -> PathBuf {
    let python = fs::read_dir(venv().join("lib")).unwrap().next().unwrap().unwrap();
    python.path().join("site-packages")
}

/// Visitors on port 80 are sent to 443, pages come from the checkout, and only `/api/` goes to
/// the app.
fn with_tls(site: &Site, plain: u16, tls: u16) -> String {
    let made = rcgen::generate_simple_self_signed(vec![HOST.to_owned()]).unwrap();
    let folder = site.sandbox.front.sites();
    fs::write(folder.join("chain.pem"), made.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    format!(
        "server {{ listen 127.0.0.1:{plain}; server_name {HOST}; return 301 https://$host$request_uri; }}\n\
         server {{\n\
         \x20   listen 127.0.0.1:{tls} ssl;\n\
         \x20   listen {};\n\
         \x20   server_name {HOST};\n\
         \x20   ssl_certificate conf.d/chain.pem;\n\
         \x20   ssl_certificate_key conf.d/key.pem;\n\
         \x20   root {};\n\
         \x20   location /api/ {{ proxy_pass http://127.0.0.1:{}/; proxy_set_header Host $host; }}\n\
         \x20   location = /health {{ proxy_pass http://127.0.0.1:{}; }}\n\
         \x20   location \"/with space;{{}}/\" {{ proxy_pass http://127.0.0.1:{}/api/; }}\n\
         }}\n",
        site.sandbox.address(),
        site.checkout().join("static").display(),
        site.port(),
        site.port(),
        site.port()
    )
}

#[test]
fn pages_from_the_checkout_and_tls_are_proposed_and_follow_the_color() {
    let mut site = site(true);
    let ports = [Port::free(), Port::free()];
    let [plain, tls] = ports.each_ref().map(Port::number);
    let text = with_tls(&site, plain, tls);
    site.serve(&text);
    start(&site, venv().join("bin/python").to_str().unwrap());
    let plan = adopt(&site, &[]);
    let (text, config) = proposal(&plan);
    let address = site.sandbox.address().to_string();
    assert_eq!(config.nginx.listen, [format!("127.0.0.1:{tls} ssl"), address]);
    assert_eq!(
        config.nginx.paths,
        ["/api/", "/health", "/with%20space%3B%7B%7D/"]
    );
    let chain = site.sandbox.front.sites().join("chain.pem");
    assert_eq!(config.nginx.tls.unwrap().certificate, chain);

    let mut table: Table = text.parse().unwrap();
    set(
        &mut table,
        "nginx",
        "link_folder",
        site.sandbox.link_folder().to_str().unwrap(),
    );
    let _green = keep_green(&mut table);
    set(&mut table, "nginx", "switch", "live");
    set(&mut table, "env", "file", "app.env");
    set(&mut table, "gate", "soak", "0s");
    fs::write(site.sandbox.config(), toml::to_string(&table).unwrap()).unwrap();
    site.sandbox.bg(&["adopt", "--yes"]).assert_code(0);
    assert_eq!(site.sandbox.get("/shop.css").status, 200);
    assert!(
        site.vhost_text().contains("root \"$bg_site_root/static\";"),
        "{}",
        site.vhost_text()
    );
    site.sandbox.commit("a page", |repo| {
        fs::write(repo.join("static/page.html"), "new").unwrap()
    });
    assert_eq!(site.sandbox.get("/page.html").status, 404);
    site.sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(site.sandbox.get("/page.html").body, "new");
    site.sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(site.sandbox.get("/page.html").status, 404);
    // Nothing is wrong but the certificate, which nobody signed.
    let check = site.sandbox.bg(&["check"]);
    let wrong: Vec<&str> = check
        .stdout
        .lines()
        .filter(|line| line.starts_with('✗'))
        .collect();
    assert!(
        wrong.len() == 1 && wrong[0].contains("the certificate is self-signed"),
        "{check}"
    );
}

#[test]
fn a_pattern_for_a_name_is_proposed_with_one_that_fits() {
    let mut site = site(true);
    start(&site, venv().join("bin/python").to_str().unwrap());
    let address = site.sandbox.address();
    let text = with_a_front(&site, "auth_basic shop; auth_basic_user_file /dev/null;").replace(
        &format!("{HOST} www.{HOST}"),
        r#""~^(?<tenant>[a-z0-9-]+)\.shop\.test$""#,
    );
    site.serve(&format!(
        "server {{ listen {address} default_server; return 444; }}\n{text}"
    ));
    let plan = adopt(&site, &[]);
    plan.assert_code(0);
    let (_, config) = proposal(&plan);
    assert_eq!(config.nginx.server_names, ["a.shop.test"]);
    assert!(
        plan.stdout.contains("`a.shop.test` is made up: it fits `~^("),
        "{plan}"
    );
    // Nobody without a password comes to the app on the other one.
    assert_eq!(config.nginx.paths, ["/health"]);

    // The dot of a domain with all below it is no part of a name that anybody asks for.
    site.serve(&text.replace(r#""~^(?<tenant>[a-z0-9-]+)\.shop\.test$""#, ".shop.test"));
    let plan = adopt(&site, &[]);
    plan.assert_code(0);
    let (_, config) = proposal(&plan);
    assert_eq!(config.nginx.server_names, [".shop.test"]);
    assert_eq!(config.health[0].expect, [200]);
}
