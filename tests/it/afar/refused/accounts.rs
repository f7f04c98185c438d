//! The host lets us in, and the account runs no commands.

use super::*;

/// Somebody who is let in, by a key that starts `command` and nothing else.
fn bound_to(command: &str) -> Door {
    let mut door = Door::new();
    door.home.know(&door.server.known_line("ed25519"));
    let options = [
        format!("SetEnv HOME={0}/there", door.root.display()),
        format!("ForceCommand {command}"),
        "Subsystem sftp internal-sftp".to_owned(),
    ];
    door.server.configure(&["ed25519"], &options);
    door.server.stop();
    door.server.start_again();
    door.server.authorize(&door.home.public());
    door
}

fn hint() -> String {
    format!(
        "hint: `ssh web1 true` must end at once with exit code 0: give `{0}` a login shell that runs commands \
         (`getent passwd {0}` there shows which it has), take `ForceCommand`, `command=` and restrictions to SFTP \
         away, and see that its start-up files, as `.bashrc`, neither exit nor wait\n",
        user()
    )
}

#[test]
fn one_that_runs_none_is_told_with_its_own_words() {
    let accounts = [
        (
            "/bin/echo 'This account is currently not available.'",
            ": This account is currently not available.",
        ),
        ("internal-sftp", ": This service allows sftp connections only."),
        (
            "/bin/sh -c 'echo fatal: unrecognized command >&2; exit 128'",
            ": fatal: unrecognized command",
        ),
        ("/bin/false", ""),
        // A start-up file that ends the shell, as `[ -z "$PS1" ] && exit` does.
        (
            "/bin/sh -c 'echo Welcome to prod-1; exit 0'",
            ": Welcome to prod-1",
        ),
    ];
    for (command, said) in accounts {
        let door = bound_to(command);
        assert_eq!(
            door.page(&["web1"], 1),
            format!(
                "error: cannot start an engine on `web1`\n\
                 caused by: the account runs no commands{said}\n{}",
                hint()
            ),
            "{command}"
        );
        assert!(!door.root.join("there/.cache").exists());
    }
    assert_eq!(accounts.len(), 5);
}

#[test]
fn one_that_hangs_is_given_up_and_the_time_is_the_one_that_passed() {
    let door = bound_to("/bin/sh -c 'echo one moment; exec sleep 1000'");
    let began = std::time::Instant::now();
    let outcome = door.bg(&["web1"]);
    let passed = began.elapsed().as_secs();
    outcome.assert_code(1);
    let (_, rest) = outcome
        .stderr
        .split_once("caused by: no command sent to the host ended within ")
        .unwrap_or_else(|| panic!("{outcome}"));
    let (said, rest) = rest.split_once(" s: one moment\n").unwrap();
    let said: u64 = said.parse().unwrap();
    assert!(
        said <= passed && passed <= said + 5,
        "{said} of {passed}: {outcome}"
    );
    assert_eq!(rest, hint());
}
