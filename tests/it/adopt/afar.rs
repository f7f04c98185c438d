//! The same through SSH.

use super::scene::{Site, by_hand, usual};
use crate::sandbox::Sandbox;
use crate::sandbox::afar::Afar;

#[test]
fn a_site_on_a_server_is_adopted_and_given_back() {
    let mut afar = Afar::with(1, |_, config| usual(config));
    let sandbox = std::mem::replace(&mut afar.servers[0].sandbox, Sandbox::new());
    let mut site = Site::on(sandbox, by_hand);
    site.start(&site.gunicorn());
    let (before, pid) = (site.vhost_text(), site.answering_pid());
    std::fs::copy(site.sandbox.config(), afar.desk().join("bg.toml")).unwrap();
    let plan = afar.bg(&["adopt", "--hosts", "web1"]);
    plan.assert_code(0);
    assert!(
        plan.stdout.contains("nothing was changed") && plan.stdout.contains("proxy_pass"),
        "{plan}"
    );
    site.assert_untouched(&before);
    afar.bg(&["adopt", "--yes", "--hosts", "web1"]).assert_code(0);
    assert_eq!(site.answering_pid(), pid);
    assert_eq!(site.sandbox.link(), "blue");
    afar.bg(&["adopt", "--undo", "--yes", "--hosts", "web1"])
        .assert_code(0);
    site.assert_untouched(&before);
}
