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

/// What bash offers for the last of `words`.
fn offered(sandbox: &Sandbox, words: &[&str]) -> Vec<String> {
    let last = words.last().unwrap();
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "source <(bluegreen completions bash)\nCOMP_WORDS=({}); COMP_CWORD={}\n\
         _clap_complete_{name} {name} '{last}' ''; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted.join(" "),
        words.len() - 1,
        name = words[0],
    );
    let (out, err) = texts(&run(sandbox, &["bash", "--norc", "-c"], &script).unwrap());
    assert_eq!(err, "", "{words:?}");
    out.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn completions_are_understood_by_their_shells_and_offer_what_there_is() {
    let sandbox = Sandbox::deployed();
    let release = sandbox.live_release();
    let (_, commit) = release.split_once('-').unwrap();
    sandbox.configure(|config| {
        let more = "hosts = ['web1', 'web2']\n[fleet.groups]\nall = ['web1', 'web2']\n\
                    [[worker]]\nname = 'queue'\nrun = 'sleep 1'\n";
        config.extend(more.parse::<toml::Table>().unwrap());
    });
    let run_id = sandbox.bg(&["history", "--json", "--local"]).result()["answer"][0]["run"].take();
    let table: [(&[&str], &[&str]); 11] = [
        (&["bluegreen", "roll"], &["rollback"]),
        (&["bg", "roll"], &["rollback"]),
        (&["bg", "deploy", "--no-s"], &["--no-switch"]),
        (&["bg", "logs", "g"], &["green"]),
        (&["bg", "rollback", "--to", ""], &[&release]),
        (&["bg", "switch", "--reconcile", &commit[..3]], &[commit]),
        (&["bg", "status", "--app", ""], &["shop"]),
        (&["bg", "logs", "--worker", ""], &["queue"]),
        (&["bg", "worker", "run", ""], &["queue"]),
        (&["bg", "status", "--hosts", ""], &["all", "web1", "web2"]),
        (&["bg", "status", "--color", "n"], &["never"]),
    ];
    for (words, expected) in table {
        let offered = offered(&sandbox, words);
        let named: Vec<&str> = expected.to_vec();
        let found: Vec<&str> = offered
            .iter()
            .map(String::as_str)
            .filter(|word| !word.starts_with("--") || words.iter().any(|word| word.starts_with("--no")))
            .collect();
        assert_eq!(found, named, "{words:?}");
    }
    let runs = offered(&sandbox, &["bg", "history", ""]);
    assert!(runs.contains(&run_id.as_str().unwrap().to_owned()), "{runs:?}");
    let hidden = offered(&sandbox, &["bg", "la"]);
    assert_eq!(hidden, [""], "no command of our own programs");

    for (shell, begin) in [("zsh", "#compdef bluegreen"), ("fish", "complete --keep-order")] {
        let outcome = sandbox.bg(&["completions", shell, "--local"]);
        outcome.assert_code(0);
        assert!(outcome.stdout.starts_with(begin), "{outcome}");
        assert!(outcome.stdout.contains("bg"), "{outcome}");
        let source = format!("source <(bluegreen completions {shell})");
        let source = match shell {
            "fish" => "bluegreen completions fish | source",
            _ => &format!("autoload -U compinit; compinit -u -D; {source}"),
        };
        let start: &[&str] = if shell == "fish" {
            &["fish", "-N", "-c"]
        } else {
            &["zsh", "-f", "-c"]
        };
        if let Some(output) = run(&sandbox, start, source) {
            assert!(
                output.status.success() && output.stderr.is_empty(),
                "{shell}: {output:?}"
            );
        }
    }
    sandbox.bg(&["completions", "tcsh", "--local"]).assert_code(2);
}

#[test]
fn help_shows_a_commands_own_options_first_and_then_two_examples() {
    let sandbox = Sandbox::new();
    let help = sandbox.bg(&["deploy", "--help"]);
    help.assert_code(0);
    let place = |text: &str| {
        help.stdout
            .find(text)
            .unwrap_or_else(|| panic!("no {text:?} in {help}"))
    };
    let order = [
        "--no-switch",
        "\nCommon options:\n",
        "--json",
        "--color",
        "\nExamples:\n",
    ];
    assert!(order.map(place).is_sorted(), "{help}");
    let examples = help
        .stdout
        .lines()
        .filter(|line| line.starts_with("  bluegreen deploy"));
    assert_eq!(examples.count(), 2, "{help}");
}

#[test]
fn colors_are_shown_where_they_are_asked_for_and_nowhere_else() {
    let sandbox = Sandbox::new();
    let is_colored = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = sandbox.bg_command(args);
        command.envs(variables.iter().copied());
        let (out, err) = texts(&command.output().unwrap());
        assert!(
            err.contains("no app `shop`") || out.contains("Usage"),
            "{out}{err}"
        );
        format!("{out}{err}").contains("\u{1b}[")
    };
    let (asked, forced) = (("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1"));
    let table = [
        (&["status"][..], &[][..], false),
        (&["status"], &[forced], true),
        (&["status"], &[forced, asked], false),
        (&["status", "--color", "never"], &[forced], false),
        (&["status", "--color", "always"], &[asked], true),
        (&["--color=always", "status"], &[], true),
        (&["status", "--help", "--color", "always"], &[], true),
        (&["status", "--help"], &[], false),
    ];
    for (args, variables, expected) in table {
        assert_eq!(is_colored(args, variables), expected, "{args:?} {variables:?}");
    }
    assert_eq!(table.len(), 8);
    sandbox.bg(&["status", "--color", "blue"]).assert_code(2);
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
