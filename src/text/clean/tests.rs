use model::event::{Event, Note, Repair, Warning};
use proptest::prelude::*;

use super::*;
use crate::text::events;

/// Clipboard, title, cursor, bells, forged lines, C1 controls, the order of writing, tags.
pub(crate) const HOSTILE: &str = "a\x1b]52;c;cm0gLXJm\x07\x1b]0;title\x1b\\\x1b[2J\x1b[1;31mred\rerror: forged\n\
    error: forged\ntraffic: moved\n  ✓ traffic moved\nweb2   error: forged\u{9b}31m\u{9d}52;c;x\u{9c}\u{85}\
    \u{202e}gpj.exe\u{2066}\u{200f}\u{2028}error: forged\u{7f}\u{8}\u{b}\u{c}\0\u{e0041}\u{feff}z";

/// What a line of ours begins with, or what a terminal obeys.
fn is_clean(shown: &str) -> Result<(), String> {
    // Our own styles.
    let ours = [
        "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m",
    ];
    let bare = ours
        .iter()
        .fold(shown.to_owned(), |text, style| text.replace(style, ""));
    if let Some(c) = bare.chars().find(|c| steers(*c) && *c != '\n' && *c != '\t') {
        return Err(format!("{c:?} in {shown:?}"));
    }
    let forged = |line: &str| {
        ["error: forged", "traffic: moved", "  ✓ traffic moved", "web2 "]
            .iter()
            .any(|begin| line.starts_with(begin))
    };
    match bare.lines().find(|line| forged(line)) {
        Some(line) => Err(format!("{line:?} in {shown:?}")),
        None => Ok(()),
    }
}

/// Whatever is shown of it is there, and does nothing.
pub(crate) fn check(shown: &str) {
    assert!(shown.contains("gpj"), "nothing is shown: {shown:?}");
    is_clean(shown).unwrap();
}

#[test]
fn a_fact_is_clean_whatever_is_in_it() {
    let text = || HOSTILE.to_owned();
    let facts = [
        Event::Warned(Warning::UrlDownBefore { problem: text() }),
        Event::Warned(Warning::SubmoduleEmpty {
            path: text().replace('\0', "").into(),
        }),
        Event::Noted(Note::Packed {
            folder: text(),
            files: 1,
            commit: "a1b2c3d".to_owned(),
        }),
        Event::Waiting { holder: text() },
        Event::Recovered(Repair::Pm2Started {
            processes: vec![text()],
        }),
        Event::HookSaid {
            hook: text(),
            line: text(),
        },
        Event::HookFailed {
            hook: text(),
            problem: text(),
        },
        Event::HookRan {
            hook: text(),
            command: text(),
            took_ms: 1,
        },
        Event::WorkerStopped {
            worker: text(),
            took_ms: 1,
        },
        Event::BackedUp {
            file: text().replace('\0', "").into(),
            bytes: 1,
            took_ms: 1,
        },
    ];
    for fact in facts {
        check(&events::event(&fact, "bg"));
    }
    let began = format!(
        r#"{{"event":"began","app":"shop","verb":"deploy","live":{{"color":"blue","release":null}},
           "color":"green","release":null,"subject":{}}}"#,
        serde_json::to_string(HOSTILE).unwrap()
    );
    check(&events::event(&serde_json::from_str(&began).unwrap(), "bg"));
}

#[test]
fn a_failure_is_clean_in_all_its_parts() {
    let failure = Failure::unknown(HOSTILE, HOSTILE)
        .because(std::io::Error::other(HOSTILE))
        .showing([HOSTILE.to_owned()])
        .hint(HOSTILE);
    check(&events::failure(&failure, "bg"));
}

#[test]
fn a_log_loses_its_colors_and_keeps_its_lines() {
    let said = log("\x1b[32mINFO\x1b[0m one\r\ntwo\x1b[1;38:5:1mx\n\x1b[2J\x1b]0;t\x07three\rfour");
    assert_eq!(said, "INFO one\ntwox\n\\x1b[2J\\x1b]0;t\\x07three\\rfour");
}

#[test]
fn a_page_keeps_its_lines() {
    let page = "a\tb\n\n  c ü 🦀\n";
    assert_eq!(text(page, Lines::Kept), page);
}

#[test]
fn a_page_has_no_line_that_looks_like_ours() {
    let said = "error: forged\n  ✓ traffic moved\n! x: y\n  a ✓ b\n!x\n";
    let shown = "    error: forged\n      ✓ traffic moved\n    ! x: y\n  a ✓ b\n!x\n";
    assert_eq!(log(said), shown);
}

#[test]
fn json_writes_what_steers_as_its_number_and_reads_back_the_same() {
    let line = serde_json::to_string(&serde_json::json!({ "line": HOSTILE })).unwrap();
    let shown = json(&line);
    assert!(!shown.chars().any(steers), "{shown:?}");
    let back: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(back["line"], HOSTILE);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_steers_is_left(said in "\\PC*|[\\x00-\\x{a0}\\[\\]0-9;m\\n\\r\\u{202a}-\\u{202e}]{0,60}") {
        for lines in [Lines::One, Lines::Indented, Lines::Kept, Lines::Diff] {
            is_clean(&text(&said, lines)).map_err(TestCaseError::fail)?;
        }
        is_clean(&log(&said)).map_err(TestCaseError::fail)?;
        prop_assert!(!text(&said, Lines::One).contains('\n'));
    }
}
