//! `bg exec` over SSH: bytes go through as they are, and its end is the command's.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use crate::sandbox::afar::Afar;
use crate::sandbox::outcome::Outcome;

#[test]
fn bytes_signals_and_ends_are_the_commands_own() {
    let mut afar = Afar::deployed(1);
    let on_blue = ["exec", "blue", "--app", "shop", "--hosts", "web1", "--"];
    // Every byte there is, more of them than any buffer on the way holds.
    let input: Vec<u8> = (0..3_000_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let args = [&on_blue[..], &["sh", "-c", "cat; echo done >&2"]].concat();
    let mut child = afar
        .command(&args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(|| {
            stdin.write_all(&input).unwrap();
            drop(stdin);
        });
        child.wait_with_output().unwrap()
    });
    assert_eq!(output.status.code(), Some(0));
    assert!(
        output.stdout == input,
        "{} of {} bytes",
        output.stdout.len(),
        input.len()
    );
    assert_eq!(output.stderr, b"done\n");

    let run = |command: &[&str]| afar.bg(&[&on_blue[..], command].concat());
    run(&["sh", "-c", "kill -9 $$"]).assert_code(137);
    run(&["sh", "-c", "kill -TERM $$"]).assert_code(143);
    run(&["sh", "-c", "exit 255"]).assert_code(255);
    // What looks like a word of the engine's is the command's all the same.
    let looks_so = run(&["echo", "\"done\""]);
    looks_so.assert_code(0);
    assert_eq!(looks_so.stdout, "\"done\"\n");
    // A shell's greeting is none of the command's output.
    afar.servers[0].reopen(&[
        "ForceCommand echo Welcome; echo Welcome >&2; cd \"$HOME\" && eval \"exec $SSH_ORIGINAL_COMMAND\"",
    ]);
    let greeted: Outcome = afar.bg(&[&on_blue[..], &["echo", "hello"]].concat());
    greeted.assert_code(0);
    assert_eq!(greeted.stdout, "hello\n", "{greeted}");
    assert!(greeted.took < Duration::from_secs(60));
}
