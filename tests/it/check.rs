//! `bg check`: each fault is made for real and found with its fix, and a healthy site raises no
//! alarm.

mod app;
mod authority;
mod before;
mod boot;
mod clock;
mod healthy;
mod logs;
mod machine;
mod names;
mod owner;
mod pm2;
mod preload;
mod secure;
mod site;
mod tls;
mod visitors;

use serde_json::Value;

use crate::sandbox::outcome::Outcome;

/// What is not as it should be.
#[derive(Debug)]
pub struct Finding {
    level: String,
    subject: String,
    found: String,
    fix: String,
}

/// Everything that a check did not find in order.
fn bad(outcome: &Outcome) -> Vec<Finding> {
    let report = outcome.result()["answer"]["report"].take();
    let all = report["findings"]
        .as_array()
        .unwrap_or_else(|| panic!("{outcome}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.iter()
        .filter(|finding| finding["level"] != "fine")
        .map(|finding| Finding {
            level: text(&finding["level"]),
            subject: text(&finding["subject"]),
            found: text(&finding["found"]),
            fix: text(&finding["fix"]),
        })
        .collect()
}

/// The same of one subject.
pub fn bad_about(outcome: &Outcome, subject: &str) -> Vec<Finding> {
    let mut all = bad(outcome);
    all.retain(|finding| finding.subject == subject);
    all
}

/// One of them says this, with a fix that says that.
#[track_caller]
pub fn assert_found(findings: &[Finding], level: &str, found: &str, fix: &str) {
    let is_it = |one: &&Finding| one.level == level && one.found.contains(found) && one.fix.contains(fix);
    assert!(
        findings.iter().any(|one| is_it(&one)),
        "no {level} {found:?} with {fix:?} in {findings:#?}"
    );
}
