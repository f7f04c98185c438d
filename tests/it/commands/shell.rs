//! What other programs read: completions, the man page, the schema; and the shell function
//! that tells our `bg` from the shell's.

use std::os::unix::fs::symlink;
use std::process::{Command, Output};

use crate::sandbox::Sandbox;

/// Runs lines in a real shell, `bluegreen` on its PATH. `None` where there is no such shell.
fn run(sandbox: &Sandbox, shell: &[&str], lines: &str) -> Option<Output> {
    let bin = sandbox.root().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    symlink(env!("CARGO_BIN_EXE_bluegreen"), bin.join("bluegreen")).ok();
    let path = std::env::var("PATH").unwrap();
    let mut command = sandbox.command(shell[0]);
    command
        .args(&shell[1..])
        .arg(lines)
        .env("PATH", format!("{}:{path}", bin.display()))
        .current_dir(sandbox.root().join("desk"));
    match command.output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("not tried: there is no {}", shell[0]);
            None
        }
        Err(error) => panic!("{shell:?}: {error}"),
    }
}

#[test]
fn the_shell_function_runs_the_program_for_our_commands_and_the_builtin_for_all_else() {
    let sandbox = Sandbox::new();
    let mut tried = 0;
    for (shell, init, jobs) in [
        (
            &["bash", "--norc", "-c"][..],
            "eval \"$(bluegreen shell-init bash)\"",
            "set -m; sleep 60 &\n",
        ),
        (
            &["zsh", "-f", "-c"],
            "eval \"$(bluegreen shell-init zsh)\"",
            "setopt monitor; sleep 60 &\n",
        ),
        (
            &["fish", "-N", "-c"],
            "bluegreen shell-init fish | source",
            "sleep 60 &\n",
        ),
    ] {
        let script = format!("{init}\nbg status\necho code=$status$?\n");
        let script = if shell[0] == "fish" {
            script.replace("$status$?", "$status")
        } else {
            script.replace("$status$?", "$?")
        };
        let Some(output) = run(&sandbox, shell, &script) else {
            continue;
        };
        let (out, err) = texts(&output);
        assert!(
            err.contains("no app `shop` is set up on this host"),
            "{shell:?}: {out}{err}"
        );
        assert!(
            err.contains("hint: `bg setup` sets up what bg.toml describes"),
            "hints say what works here: {err}"
        );
        assert!(out.contains("code=3"), "its exit code is passed on: {out}{err}");
        // Plain `bg`, and `bg %1`: the shell's own, which speaks of jobs.
        let script = format!("{init}\n{jobs}bg %1; bg %7\nkill %1\n");
        let (out, err) = texts(&run(&sandbox, shell, &script).unwrap());
        assert!(
            !format!("{out}{err}").contains("bluegreen"),
            "{shell:?}: {out}{err}"
        );
        assert!(
            err.contains("bg: ") || err.contains("job"),
            "the builtin speaks of jobs: {out}{err}"
        );
        tried += 1;
    }
    assert!(tried >= 1, "there is not even bash");
    let outcome = sandbox.bg(&["status"]);
    outcome
        .assert_code(3)
        .assert_says("hint: `bluegreen setup` sets up what bg.toml describes");
}

#[test]
fn completions_are_understood_by_their_shells_and_offer_our_commands() {
    let sandbox = Sandbox::new();
    let offer = "source <(bluegreen completions bash)\nCOMP_WORDS=(bluegreen ro); COMP_CWORD=1\n\
                 _bluegreen bluegreen ro bluegreen; echo \"${COMPREPLY[@]}\"";
    let output = run(&sandbox, &["bash", "--norc", "-c"], offer).unwrap();
    let (out, err) = texts(&output);
    assert_eq!((out.trim(), err.as_str()), ("rollback", ""), "{err}");
    for (shell, begin) in [("zsh", "#compdef bluegreen"), ("fish", "# Print an optspec")] {
        let outcome = sandbox.bg(&["completions", shell]);
        outcome.assert_code(0);
        assert!(outcome.stdout.starts_with(begin), "{outcome}");
        assert!(
            outcome.stdout.contains("rollback") && !outcome.stdout.contains("launch"),
            "{outcome}"
        );
    }
    sandbox.bg(&["completions", "tcsh"]).assert_code(2);
}

#[test]
fn the_man_page_can_be_read_and_the_schema_describes_our_file() {
    let sandbox = Sandbox::new();
    let page = sandbox.bg(&["man"]);
    page.assert_code(0);
    let file = sandbox.root().join("bluegreen.1");
    std::fs::write(&file, &page.stdout).unwrap();
    let rendered = Command::new("groff")
        .args(["-man", "-Tascii", "-ww", "-P-cbou"])
        .arg(&file)
        .output();
    match rendered {
        Ok(output) => {
            let (out, err) = texts(&output);
            assert!(output.status.success() && err.is_empty(), "{err}");
            for word in [
                "NAME",
                "rollback",
                "EXIT STATUS",
                "--json",
                "--no-switch",
                "COLOR",
            ] {
                assert!(out.contains(word), "no {word} in {out}");
            }
            assert!(!out.contains("-deploy(1)"), "pages that there are not: {out}");
        }
        Err(_) => eprintln!("not tried: there is no groff"),
    }
    let schema = sandbox.bg(&["schema"]);
    schema.assert_code(0);
    let schema: serde_json::Value = serde_json::from_str(&schema.stdout).unwrap();
    for key in ["app", "root", "source", "process", "nginx", "health", "gate"] {
        assert!(schema["properties"][key].is_object(), "no {key} in the schema");
    }
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}
