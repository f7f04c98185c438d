//! What a hook prints is shown as it comes, kept with its run, and without secrets.

use std::fs;
use std::time::Duration;

use super::script;
use crate::recovery::scene::Told;
use crate::sandbox::{SECRET, Sandbox, set};

#[test]
fn a_hooks_output_is_shown_as_it_comes_and_kept_with_the_run() {
    let sandbox = Sandbox::deployed();
    let go = sandbox.root().join("go");
    let talks = script(
        &sandbox,
        "talks",
        &format!(
            "echo compiling with $SHOP_SECRET\nprintf 'red \\033[31malert\\n' >&2\n\
             while [ ! -e {} ]; do sleep 0.05; done\necho compiled",
            go.display()
        ),
    );
    sandbox.configure(|config| set(config, "hooks", "after_build", talks.as_str()));
    let mut told = Told::start(&sandbox, &["deploy"]);
    // Before it has ended.
    told.wait_says("after_build: compiling with [SHOP_SECRET]");
    fs::write(go, "").unwrap();
    let deployed = told.wait();
    deployed.assert_code(0).assert_says("compiled");
    assert!(!deployed.stderr.contains(SECRET), "{deployed}");
    assert!(!deployed.stderr.contains("\u{1b}[31malert"), "{deployed}");

    let run = crate::recovery::scene::last_run(&sandbox);
    let kept = sandbox.bg(&["history", &run]);
    let lines = ["compiling with [SHOP_SECRET]", "red [31malert", "compiled"];
    for line in lines {
        let line = format!("after_build: {line}");
        assert!(kept.stdout.contains(&line), "no {line:?} in {kept}");
    }
    assert!(kept.took < Duration::from_secs(30));
    for file in fs::read_dir(sandbox.app_root().join("state/runs"))
        .unwrap()
        .flatten()
    {
        let text = fs::read_to_string(file.path()).unwrap();
        assert!(!text.contains(SECRET), "{}", file.path().display());
    }
}
