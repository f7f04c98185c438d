use crate::command::*;

#[tokio::test]
async fn a_program_gets_no_variable_that_was_not_meant_for_it() {
    let output = Command::new("env").env("MEANT", "yes").run().await.unwrap();
    assert!(output.stdout.contains("MEANT=yes"));
    assert!(!output.stdout.contains("CARGO_"), "{}", output.stdout);
}

#[tokio::test]
async fn a_missed_deadline_kills_the_children_too() {
    let folder = tempfile::tempdir().unwrap();
    let command = Command::new("sh")
        .args(["-c", "sleep 300 & echo $! > child; wait"])
        .folder(folder.path())
        .deadline(Duration::from_millis(300));
    let error = command.run().await.unwrap_err();
    assert!(matches!(error, CommandError::TimedOut { .. }), "{error}");
    let child = std::fs::read_to_string(folder.path().join("child")).unwrap();
    let stat = format!("/proc/{}/stat", child.trim());
    let deadline = Instant::now() + Duration::from_secs(5);
    while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < deadline, "the child lives on");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let error = Command::new("no-such-program").run().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`no-such-program` is not installed, or not on PATH"
    );
}

#[tokio::test]
async fn a_failure_shows_the_command_and_its_last_lines() {
    let error = Command::new("sh")
        .args(["-c", "echo why >&2; exit 3"])
        .run()
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`sh -c 'echo why >&2; exit 3'` failed (exit status: 3)\n  why"
    );
}

/// Whatever a configuration, PATH or a work tree names.
#[tokio::test]
async fn root_runs_nothing_that_others_can_change() {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(temp.path(), 0o755);
    let folder = temp.path().join("bin");
    std::fs::create_dir(&folder).unwrap();
    open(&folder, 0o755);
    let program = folder.join("program");
    std::fs::write(&program, "#!/bin/sh\n").unwrap();
    open(&program, 0o755);
    symlink(&program, temp.path().join("link")).unwrap();
    let asked = || {
        [
            Command::new(&program),
            Command::new(temp.path().join("link")),
            Command::new("bin/program").folder(temp.path()),
            Command::new("./program").folder(&folder),
        ]
    };
    for command in asked() {
        command.run().await.unwrap();
    }
    let refused = async || {
        for command in asked() {
            let error = command.run().await.unwrap_err();
            assert!(
                matches!(error, CommandError::Untrusted { .. }),
                "{command}: {error}"
            );
            assert!(command.detach().is_err(), "{command}");
        }
    };
    open(&program, 0o757);
    refused().await;
    open(&program, 0o755);
    open(&folder, 0o777);
    refused().await;
    open(&folder, 0o755);
    chown(&program, Some(65534), None).unwrap();
    refused().await;
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    Command::new(&program)
        .by(&nobody)
        .folder("/")
        .run()
        .await
        .unwrap();
}
