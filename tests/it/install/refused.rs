//! What is not installed, and that it then leaves no trace.

use std::fs;

use super::{Desk, program, sum};

#[test]
fn nothing_is_installed_without_the_right_checksum() {
    let right = sum(&program());
    let wrong = sum(b"something else");
    let elsewhere = format!("{right}  another\n{right}  yet-another\n");
    let cases: &[(&[&str], &str)] = &[
        (&["bluegreen"], "there is no checksum for ./bluegreen"),
        (
            &["bluegreen", &wrong],
            &format!("its SHA-256 is {right}, and {wrong} was expected"),
        ),
        (
            &["bluegreen", &right[1..]],
            "is neither a SHA-256 checksum, of 64 hexadecimal digits, nor a file",
        ),
        (&["bluegreen", "SUMS"], "SUMS has no checksum for bluegreen"),
        (
            &["http://127.0.0.1:1/bluegreen"],
            "there is no checksum for http://127.0.0.1:1/bluegreen",
        ),
        (&["no such file", &right], "there is no file ./no such file"),
        (
            &["bluegreen", "bluegreen"],
            "bluegreen has no checksum for bluegreen",
        ),
    ];
    let desk = Desk::with_an_old_one();
    desk.write("SUMS", elsewhere.as_bytes());
    for (args, said) in cases {
        let outcome = desk.install(args);
        outcome.assert_code(1).assert_says(said);
        desk.assert_untouched(&outcome);
    }
    assert_eq!(cases.len(), 7);
}

#[test]
fn what_is_no_program_for_this_machine_is_refused_in_words() {
    let desk = Desk::with_an_old_one();
    let mut foreign = program();
    // `e_machine` of elf.h: 8 is MIPS.
    foreign[18..20].copy_from_slice(&[8, 0]);
    let without_loader = with_other_loader(program());
    let cases: &[(&str, Vec<u8>, &str)] = &[
        (
            "page",
            b"<html>Not found</html>".to_vec(),
            "is not a program for Linux",
        ),
        ("empty", Vec::new(), "is not a program for Linux"),
        (
            "foreign",
            foreign,
            "is for another kind of machine, and this machine is ",
        ),
        (
            "other",
            fs::read("/usr/bin/true").unwrap(),
            "is a program and not bluegreen: it says \"true",
        ),
        (
            "loader",
            without_loader,
            "wants a system library that is not here",
        ),
    ];
    for (name, content, said) in cases {
        desk.write(name, content);
        let outcome = desk.install(&[name, &sum(content)]);
        outcome.assert_code(1).assert_says(said);
        desk.assert_untouched(&outcome);
    }
    assert_eq!(cases.len(), 5);
}

/// A program whose loader is not on this machine, as one for another distribution's.
fn with_other_loader(mut program: Vec<u8>) -> Vec<u8> {
    let name = b"/ld-linux";
    let at = program
        .windows(name.len())
        .position(|bytes| bytes == name)
        .unwrap();
    program[at..at + name.len()].copy_from_slice(b"/ld-other");
    program
}

#[test]
fn a_line_that_makes_no_sense_is_answered_with_the_usage() {
    let desk = Desk::with_an_old_one();
    for args in [
        &[][..],
        &["--too", "bluegreen"],
        &["bluegreen", "1", "2"],
        &["bluegreen", "--to"],
    ] {
        let outcome = desk.install(args);
        outcome.assert_code(2).assert_says("usage: ops/install.sh");
        desk.assert_untouched(&outcome);
    }
}
