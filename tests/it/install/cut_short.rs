//! An installation that is interrupted.

use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Desk, program, serve_once, sum};
use crate::sandbox::outcome::Running;
use crate::sandbox::processes;
use crate::sandbox::wait::wait_until;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn interrupted_while_the_new_program_is_tried_it_leaves_the_old_one() {
    for (to_all, signal, code) in [
        (true, Signal::SIGINT, 130),
        (false, Signal::SIGTERM, 143),
        (false, Signal::SIGHUP, 129),
    ] {
        let desk = Desk::with_an_old_one();
        let waits = program_that_waits();
        desk.write("waits", &waits);
        let args = ["waits", &sum(&waits)];
        let running = Running::start(desk.command(&args), &args);
        let trial = || {
            let mut all = processes::of(&desk.to()).into_iter();
            all.find(|(_, line)| line.contains("/.bluegreen.") && line.ends_with(" --version "))
        };
        wait_until(SOON, "the copy is tried", || trial().is_some());
        let whom = if to_all { -running.pid() } else { running.pid() };
        kill(Pid::from_raw(whom), signal).unwrap();
        let outcome = running.wait();
        outcome.assert_code(code);
        desk.assert_untouched(&outcome);
        wait_until(SOON, "the trial is over", || trial().is_none());
    }
}

#[test]
fn interrupted_while_it_fetches_it_leaves_nothing() {
    let desk = Desk::with_an_old_one();
    let address = serve_once(program(), 100_000);
    let args = [&format!("http://{address}/bluegreen"), &*sum(&program())];
    let running = Running::start(desk.command(&args), &args);
    let half = || {
        let folders = fs::read_dir(desk.temporary()).unwrap().flatten();
        let mut files = folders.filter_map(|folder| fs::metadata(folder.path().join("fetched")).ok());
        files.any(|file| file.len() > 0)
    };
    wait_until(SOON, "half of it is there", half);
    kill(Pid::from_raw(-running.pid()), Signal::SIGINT).unwrap();
    let outcome = running.wait();
    outcome.assert_code(130);
    desk.assert_untouched(&outcome);
}

/// The smallest program for this machine: it waits for a signal, whatever it is asked.
fn program_that_waits() -> Vec<u8> {
    #[cfg(target_arch = "x86_64")]
    // mov eax, 34 (pause); syscall; and again
    let (machine, code) = (62u16, b"\xb8\x22\x00\x00\x00\x0f\x05\xeb\xf7");
    #[cfg(target_arch = "aarch64")]
    // mov x8, 72 (pselect6, of nothing and for ever); svc 0; and again
    let (machine, code) = (183u16, b"\x08\x09\x80\xd2\x01\x00\x00\xd4\xfe\xff\xff\x17");
    let (base, headers) = (0x40_0000u64, 64 + 56);
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(16, 0);
    elf.extend([2u16, machine].iter().flat_map(|half| half.to_le_bytes()));
    elf.extend(1u32.to_le_bytes());
    elf.extend([base + headers, 64, 0].iter().flat_map(|long| long.to_le_bytes()));
    elf.extend(0u32.to_le_bytes());
    elf.extend(
        [64u16, 56, 1, 64, 0, 0]
            .iter()
            .flat_map(|half| half.to_le_bytes()),
    );
    let size = headers + code.len() as u64;
    elf.extend([1u32, 5].iter().flat_map(|word| word.to_le_bytes()));
    let segment = [0, base, base, size, size, 0x1000];
    elf.extend(segment.iter().flat_map(|long: &u64| long.to_le_bytes()));
    elf.extend_from_slice(code);
    elf
}
