//! Workers of several hosts: on the primary, or where they are named.

use std::fs;

use bluegreen::model::color::Color;

use super::scene::{add, worker};
use crate::sandbox::afar::Afar;
use crate::sandbox::wait::wait_until;

/// `sleep`, whose only words are its name.
fn plain(name: &str, more: &str) -> toml::Value {
    let mut worker = worker(name, more);
    let table = worker.as_table_mut().unwrap();
    table.insert("run".into(), "sleep 300".into());
    worker
}

fn workers_of(afar: &Afar, server: usize) -> Vec<String> {
    let status = afar.servers[server].sandbox.status();
    let workers = status["workers"].as_array().unwrap();
    let running = workers.iter().filter(|worker| worker["pid"].is_u64());
    running
        .map(|worker| worker["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Two hosts, one `bg.toml` for each that names both and both workers.
fn two(more: &str) -> Afar {
    let afar = Afar::new(2);
    for (number, host) in ["web1", "web2"].into_iter().enumerate() {
        afar.write_config(number, |config| {
            add(config, plain("sync", more));
            add(config, plain("mail", "hosts = [\"web2\"]"));
        });
        afar.bg(&["setup", "--hosts", host]).assert_code(0);
        afar.bg(&["deploy", "--hosts", host]).assert_code(0);
    }
    fs::remove_file(afar.desk().join("bg.toml")).unwrap();
    afar
}

#[test]
fn each_runs_on_its_own_hosts_only() {
    let afar = two("");
    assert_eq!(
        workers_of(&afar, 0),
        ["sync"],
        "the first of `hosts` is the primary"
    );
    assert_eq!(workers_of(&afar, 1), ["mail"]);
    let deploy = afar.everywhere(&["deploy"]);
    deploy.assert_code(0);
    deploy.assert_says("worker sync handed over");
    assert_eq!(workers_of(&afar, 0), ["sync"]);
    assert_eq!(workers_of(&afar, 1), ["mail"]);
    afar.everywhere(&["rollback"]).assert_code(0);
    assert_eq!(workers_of(&afar, 0), ["sync"]);
    let again = afar.bg(&["worker", "run", "sync", "--app", "shop", "--hosts", "web1"]);
    again.assert_code(4).assert_says("runs already");
}

#[test]
fn one_that_takes_traffic_back_takes_it_back_everywhere() {
    let afar = two("on_failure = \"rollback\"");
    let before: Vec<String> = afar
        .servers
        .iter()
        .map(|server| server.sandbox.live_release())
        .collect();
    let applied = afar.servers[0].sandbox.app_root().join("bg.toml");
    crate::sandbox::repo::replace(&applied, "sleep 300", "false");
    let deploy = afar.everywhere(&["deploy", "--json"]);
    deploy.assert_code(5);
    for (server, before) in afar.servers.iter().zip(&before) {
        wait_until(super::scene::LONG, "it is back", || {
            server.sandbox.live_color() == Some(Color::Blue)
        });
        assert_eq!(&server.sandbox.live_release(), before, "{deploy}");
        assert!(server.sandbox.lock_is_free());
        // What was gone back from is nowhere gone back to.
        let status = server.sandbox.status();
        assert_eq!(status["rollback"]["state"], "nothing", "{status}");
    }
    let hosts = deploy.result()["answer"]["hosts"].take();
    assert_eq!(hosts[1]["failure"]["traffic"]["state"], "put_back", "{deploy}");
    assert_eq!(workers_of(&afar, 0), ["sync"]);
    assert_eq!(workers_of(&afar, 1), ["mail"]);
}
