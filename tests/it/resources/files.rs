//! Too few open files for the command that moves traffic.

use std::fs;
use std::time::Instant;

use bluegreen::model::color::Color;

use crate::recovery::scene::journal;
use crate::sandbox::Sandbox;
use crate::sandbox::outcome::Outcome;

/// `bg` under a limit, as the shell's `ulimit` sets it.
fn bg_under(sandbox: &Sandbox, limit: &str, verb: &str) -> Outcome {
    let bg = sandbox.bg_command(&[]);
    let script = format!("ulimit {limit} && exec \"$0\" {verb}");
    let began = Instant::now();
    let output = sandbox
        .command("sh")
        .args(["-c", &script])
        .arg(bg.get_program())
        .current_dir(bg.get_current_dir().unwrap())
        .output()
        .unwrap();
    Outcome::new(&[verb, limit], &output, began.elapsed())
}

#[test]
fn with_too_few_open_files_nothing_is_begun() {
    let sandbox = Sandbox::deployed();
    let told = || fs::read_to_string(journal(&sandbox)).unwrap();
    let before = told();
    let mut tried = 0;
    for limit in [4, 6, 8, 11, 14, 20, 63] {
        for verb in ["deploy", "switch", "rollback"] {
            let refused = bg_under(&sandbox, &format!("-n {limit}"), verb);
            let what = format!("this program may have {limit} files open at once and needs 64");
            sandbox.assert_five(&refused, 1, &what, Color::Blue);
            refused.assert_says("`ulimit -n 1024`");
            tried += 1;
        }
    }
    assert_eq!(tried, 21);
    assert_eq!(told(), before, "nothing was begun");

    // As many as it takes; and few, where more may be had.
    let mut live = Color::Blue;
    for (limit, verb) in [
        ("-n 64", "deploy --again"),
        ("-n 64", "rollback"),
        ("-Sn 20", "switch"),
    ] {
        let moved = bg_under(&sandbox, limit, verb);
        moved.assert_code(0);
        live = live.other();
        assert_eq!(sandbox.live_color(), Some(live), "{moved}");
        let lost = moved.stderr.lines().any(|line| line.trim().starts_with('✗'));
        assert!(!lost, "{moved}");
    }
}
