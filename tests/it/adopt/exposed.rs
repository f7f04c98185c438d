//! A process that other machines can reach past NGINX goes on being told of once it is adopted.

use super::scene::{Site, by_hand};

#[test]
fn an_adopted_process_that_is_open_to_the_network_is_told_by_check() {
    let mut site = Site::without_process(by_hand, |_| {});
    let open = format!("0.0.0.0:{}", site.port());
    let words = site.gunicorn();
    let words: Vec<String> = words
        .into_iter()
        .map(|word| match word.starts_with("127.0.0.1:") {
            true => open.clone(),
            false => word,
        })
        .collect();
    site.start(&words);
    site.sandbox.bg(&["adopt", "--yes"]).assert_code(0);
    let check = site.sandbox.bg(&["check"]);
    let told = format!("listens on {open}, which other machines can reach past NGINX");
    assert!(check.stdout.contains(&told), "{check}");
    assert!(
        check
            .stdout
            .contains("releases are started on 127.0.0.1: deploy one"),
        "{check}"
    );
    assert!(!check.stdout.contains("on this machine only"), "{check}");
    site.sandbox.bg(&["deploy"]).assert_code(0);
    let check = site.sandbox.bg(&["check"]);
    assert!(
        check.stdout.contains(&told),
        "the way back is still open: {check}"
    );
}
