//! The way back, until the first deploy.

use std::fs;

use super::scene::{PROCESS, Site};

#[test]
fn an_adoption_is_undone_with_one_reload_and_can_be_made_again() {
    let site = Site::new();
    let (before, pid) = (site.vhost_text(), site.answering_pid());
    let load = site.fresh_load();
    site.sandbox.bg(&["adopt", "--yes"]).assert_code(0);
    let undone = site.sandbox.bg(&["adopt", "--undo", "--yes"]);
    undone.assert_code(0);
    undone.assert_says("the site is as it was");
    site.assert_untouched(&before);
    assert_eq!(site.reloads(), 2);
    site.sandbox.bg(&["adopt", "--yes"]).assert_code(0);
    site.sandbox.bg(&["adopt", "--undo", "--yes"]).assert_code(0);
    site.assert_untouched(&before);
    let count = load.stop();
    assert_eq!(count.failed, 0, "{count:?}");
    assert_eq!(site.answering_pid(), pid);
    assert_eq!(site.pm2_names(), [PROCESS]);
}

#[test]
fn a_refused_first_release_leaves_the_process_alone_and_can_still_be_undone() {
    let site = Site::new();
    let (before, pid) = (site.vhost_text(), site.answering_pid());
    site.sandbox.bg(&["adopt", "--yes"]).assert_code(0);
    site.sandbox.commit_edit(
        "broken",
        "from flask import",
        "import nothing_of_the_kind\nfrom flask import",
    );
    let refused = site.sandbox.bg(&["deploy"]);
    refused.assert_code(1);
    assert_eq!(site.answering_pid(), pid, "{refused}");
    assert_eq!(site.sandbox.status()["slots"][0]["health"]["state"], "healthy");
    site.sandbox.bg(&["adopt", "--undo", "--yes"]).assert_code(0);
    site.assert_untouched(&before);
    assert_eq!(site.pm2_names(), [PROCESS]);
}

#[test]
fn a_second_release_that_is_refused_has_used_up_the_process() {
    let site = Site::new();
    site.sandbox.bg(&["adopt", "--yes"]).assert_code(0);
    site.sandbox.commit_edit("the second", "Good day", "Second");
    site.sandbox.bg(&["deploy"]).assert_code(0);
    site.sandbox.commit_edit(
        "broken",
        "from flask import",
        "import nothing_of_the_kind\nfrom flask import",
    );
    let refused = site.sandbox.bg(&["deploy"]);
    refused.assert_code(1);
    refused.assert_says("was stopped before and cannot be brought back");
    assert_eq!(site.sandbox.get("/health").status, 200);
    assert_eq!(site.sandbox.link(), "green");
    let rollback = site.sandbox.bg(&["rollback"]);
    rollback.assert_code(1);
    rollback.assert_says("the adopted process `flask-backend` was stopped when a deploy needed its slot");
    rollback.assert_says("its work tree is still in");
}

#[test]
fn a_byte_that_is_no_text_stays_as_it_is_and_comes_back() {
    let site = Site::new();
    let text = site
        .vhost_text()
        .replace("of pm2\n", "of pm2 \u{f7e9} caf\u{e9}\n");
    let latin = |text: &str| {
        let bytes = text.as_bytes().to_vec();
        let at = text.find("\u{f7e9}").unwrap();
        [&bytes[..at], b"\xe9".as_slice(), &bytes[at + 3..]].concat()
    };
    let before = latin(&text);
    fs::write(site.vhost(), &before).unwrap();
    let adopted = site.sandbox.bg(&["adopt", "--yes"]);
    adopted.assert_code(0);
    let after = fs::read(site.vhost()).unwrap();
    let comment = latin("   # the port of pm2 \u{f7e9} caf\u{e9}\n");
    assert!(after.windows(comment.len()).any(|one| one == comment));
    assert!(String::from_utf8_lossy(&after).contains("pass.conf"), "{adopted}");
    // What somebody has changed since is seen by its bytes too.
    fs::write(site.vhost(), [&after[..], b"# \xe8\n"].concat()).unwrap();
    let refused = site.sandbox.bg(&["adopt", "--undo", "--yes"]);
    refused.assert_code(3);
    refused.assert_says("was changed since");
    fs::write(site.vhost(), &after).unwrap();
    site.sandbox.bg(&["adopt", "--undo", "--yes"]).assert_code(0);
    assert_eq!(fs::read(site.vhost()).unwrap(), before);
}
