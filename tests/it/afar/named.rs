//! Which hosts a command goes to: those of `bg.toml`, hosts and groups that are named, or
//! none but this machine.

use bluegreen::model::color::Color;
use toml::{Table, Value as Toml};

use crate::sandbox::afar::Afar;
use crate::sandbox::outcome::Outcome;
use crate::sandbox::set;

/// The names in the answer, in order.
#[track_caller]
fn hosts(outcome: &Outcome) -> Vec<String> {
    let answer = outcome.result()["answer"].take();
    let hosts = answer["hosts"]
        .as_array()
        .unwrap_or_else(|| panic!("no hosts in {outcome}"));
    hosts
        .iter()
        .map(|host| host["host"].as_str().unwrap().to_owned())
        .collect()
}

fn groups(config: &mut Table) {
    let members = |names: &[&str]| Toml::Array(names.iter().map(|name| (*name).into()).collect());
    let groups: Table = [
        ("eu".to_owned(), members(&["web1", "web2"])),
        ("us".to_owned(), members(&["web3"])),
    ]
    .into_iter()
    .collect();
    set(config, "fleet", "groups", groups);
}

/// How often somebody has logged in to each host.
fn logins(afar: &Afar) -> Vec<usize> {
    let count = |log: String| log.matches("Accepted publickey").count();
    afar.servers
        .iter()
        .map(|server| count(server.sshd.log()))
        .collect()
}

#[test]
fn hosts_and_groups_are_those_that_are_named() {
    let afar = Afar::new(3);
    afar.write_config(0, groups);
    let mut tried = 0;
    for (args, expected) in [
        (&[][..], &["web1", "web2", "web3"][..]),
        (&["--hosts", "eu"], &["web1", "web2"]),
        (&["--hosts", "eu,web3"], &["web1", "web2", "web3"]),
        (&["--hosts", "web3,eu"], &["web3", "web1", "web2"]),
        (&["--hosts", "web2,eu,web2"], &["web2", "web1"]),
        (&["--host", "us,web1"], &["web3", "web1"]),
        (&["--host", "web1", "--host", "web3"], &["web1", "web3"]),
    ] {
        let outcome = afar.bg(&[&["status", "--json"], args].concat());
        outcome.assert_code(3);
        assert_eq!(hosts(&outcome), expected, "{outcome}");
        tried += 1;
    }
    assert_eq!(tried, 7);
    // One host is shown as if it were this one.
    for one in ["web3", "us"] {
        let before = logins(&afar);
        let outcome = afar.bg(&["status", "--json", "--host", one]);
        let result = outcome.assert_code(3).result();
        assert_eq!(result["error"], "no app `shop` is set up on this host");
        let after = logins(&afar);
        assert_eq!(
            after,
            [before[0], before[1], before[2] + 1],
            "only `web3` was asked"
        );
    }
}

#[test]
fn this_machine_is_meant_by_local_and_no_other_is_asked() {
    let afar = Afar::new(1);
    afar.write_config(0, |_| {});
    let outcome = afar.bg(&["status", "--local"]);
    outcome
        .assert_code(3)
        .assert_says("error: no app `shop` is set up on this host");
    // What concerns no server needs none.
    afar.bg(&["schema"]).assert_code(0);
    afar.bg(&["completions", "bash"]).assert_code(0);
    assert_eq!(logins(&afar), [0]);
    let outcome = afar.bg(&["status", "--local", "--hosts", "web1"]);
    outcome.assert_code(2).assert_says("cannot be used with");
    let outcome = afar.bg(&["status", "--hosts", "web1,,web2"]);
    outcome
        .assert_code(2)
        .assert_says("error: `--hosts` has an empty host name");
    assert_eq!(logins(&afar), [0]);
    afar.bg(&["status"])
        .assert_code(3)
        .assert_says("installed on web1");
    assert_eq!(logins(&afar), [1]);
}

#[test]
fn a_name_that_nobody_has_is_named_and_the_others_are_shown() {
    let afar = Afar::new(2);
    afar.write_config(0, groups_of_two);
    // Longer than a name may be, so that nobody is asked for it.
    let nobody = "n".repeat(64);
    let outcome = afar.bg(&["status", "--hosts", &nobody]);
    outcome
        .assert_code(1)
        .assert_says(&format!("error: no SSH connection to `{nobody}`"))
        .assert_says("hint: a `Host` with a `HostName` in ~/.ssh/config gives a short name its address");
    let all = format!("eu,{nobody}");
    let outcome = afar.bg(&["status", "--json", "--hosts", &all]);
    assert_eq!(hosts(&outcome), ["web1", "web2", &nobody], "{outcome}");
    let answer = outcome.result()["answer"].take();
    let errors: Vec<&str> = (0..3)
        .map(|host| answer["hosts"][host]["failure"]["what"].as_str().unwrap())
        .collect();
    assert_eq!(
        errors,
        [
            "no app `shop` is set up on this host",
            "no app `shop` is set up on this host",
            &format!("no SSH connection to `{nobody}`")
        ]
    );
    for address in ["root@", "@web1", "web1:none", "ssh://"] {
        let outcome = afar.bg(&["status", "--hosts", address]);
        outcome.assert_code(2).assert_says(&format!("`{address}`"));
    }
    // A change asks nobody when one is missing.
    let before = logins(&afar);
    let outcome = afar.bg(&["maintenance", "on", "--json", "--hosts", &all]);
    let answer = outcome.result()["answer"].take();
    assert_eq!(answer["hosts"][0]["exit_code"], 130, "{outcome}");
    assert_eq!(
        answer["hosts"][0]["failure"]["what"],
        format!("skipped: `{nobody}` is not ready")
    );
    assert_eq!(outcome.code, Some(1), "{outcome}");
    let engines = |before: &[usize]| before.iter().sum::<usize>();
    assert_eq!(
        engines(&logins(&afar)),
        engines(&before) + 2,
        "they were reached, and left alone"
    );
}

fn groups_of_two(config: &mut Table) {
    let members = Toml::Array(vec!["web1".into(), "web2".into()]);
    set(
        config,
        "fleet",
        "groups",
        Table::from_iter([("eu".to_owned(), members)]),
    );
}

#[test]
fn the_primary_says_what_is_deployed() {
    let afar = Afar::deployed(2);
    let mut tried = 0;
    for (primary, asked) in [(None, 0), (Some("web2"), 1)] {
        // The host that is asked takes nothing else at hand than what was applied there.
        afar.write_config(asked, |config| {
            if let Some(primary) = primary {
                set(config, "fleet", "primary", primary);
            }
        });
        let outcome = afar.bg(&["deploy", "mian", "--json"]);
        let answer = outcome.result()["answer"].take();
        let what = |host: usize| answer["hosts"][host]["failure"]["what"].clone();
        assert_eq!(what(asked), "`mian` cannot be deployed", "{outcome}");
        assert_eq!(
            what(1 - asked),
            format!("skipped: `web{}` is not ready", asked + 1),
            "{outcome}"
        );
        assert_eq!(answer["hosts"][asked]["exit_code"], 1);
        assert_eq!(answer["hosts"][1 - asked]["exit_code"], 130);
        outcome.assert_code(1);
        tried += 1;
    }
    assert_eq!(tried, 2);
    for server in &afar.servers {
        assert_eq!(server.sandbox.live_color(), Some(Color::Blue));
        assert!(server.sandbox.lock_is_free());
    }
}
