//! Clocks that are wrong.

use super::secure::{Secure, run};
use super::{assert_found, bad_about, preload};
use crate::sandbox::afar::Afar;

#[test]
fn a_clock_that_nothing_keeps_right_is_found() {
    let secure = Secure::new();
    let clock = |state: &str| {
        let mut command = secure.command(&["check", "--json"]);
        command.env("TEST_CLOCK_STATE", state);
        bad_about(&run(command, &["check"]), "clock")
    };
    assert_found(
        &clock(preload::WRONG),
        "warning",
        "no time service keeps this host's clock right",
        "`timedatectl set-ntp true`",
    );
    assert!(clock(preload::RIGHT).is_empty());
}

#[test]
fn over_ssh_the_two_clocks_are_compared() {
    let afar = Afar::new(1);
    afar.write_config(0, |_| {});
    let check = |ahead: &str, args: &[&str]| {
        let mut command = afar.command(args);
        preload::into(&mut command).env("TEST_SECONDS_AHEAD", ahead);
        run(command, args)
    };
    let skew = |ahead: &str| {
        let mut found = bad_about(&check(ahead, &["check", "--json"]), "clock");
        found.retain(|one| one.found.contains("over SSH"));
        found
    };
    for (ahead, words) in [
        ("90", "s behind this machine"),
        ("-90", "s ahead of this machine"),
    ] {
        let found = skew(ahead);
        assert_found(&found, "warning", words, "`timedatectl` on both");
        let seconds: i64 = found[0].found.split(' ').nth(2).unwrap().parse().unwrap();
        assert!((60..=120).contains(&seconds), "{found:?}");
    }
    assert!(skew("0").is_empty());
    let told = check("0", &["check"]);
    assert!(told.stdout.contains("✓ ssh: `web1` answers over SSH"), "{told}");
    // A warning that only this end sees is one for `--strict`, too.
    check("90", &["check"]).assert_code(0);
    check("90", &["check", "--strict"]).assert_code(1);
}
