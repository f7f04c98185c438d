//! `/proc/PID/stat`: who a process belongs to, and when it began.

use std::fs;

/// One process in one line of the kernel's, see `proc_pid_stat(5)`.
pub struct Stat {
    /// `R`, `S`, `Z`, ...
    pub state: u8,
    /// The pid of its parent.
    pub parent: u32,
    /// The device number of its controlling terminal, 0 without one.
    pub terminal: u32,
    /// How many threads it has.
    pub threads: u32,
    /// When it began, in clock ticks since boot: with the pid it names one process.
    pub started: u64,
}

impl Stat {
    /// That of the process `pid`, `None` when there is none.
    #[must_use]
    pub fn of(pid: u32) -> Option<Stat> {
        Stat::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// That of this very process, also where `/proc` shows another pid namespace than its own.
    #[must_use]
    pub fn own() -> Option<Stat> {
        Stat::parse(&fs::read("/proc/self/stat").ok()?)
    }

    /// The program's name is in round brackets and may hold anything, so the fields are
    /// counted after the last bracket: state is the 3rd of `proc_pid_stat(5)`, the parent the 4th,
    /// the terminal the 7th, the threads the 20th, the start the 22nd.
    pub(super) fn parse(stat: &[u8]) -> Option<Stat> {
        let bracket = stat.iter().rposition(|byte| *byte == b')')?;
        let text = std::str::from_utf8(stat.get(bracket + 1..)?).ok()?;
        let mut fields = text.split_ascii_whitespace();
        Some(Stat {
            state: *fields.next()?.as_bytes().first()?,
            parent: fields.next()?.parse().ok()?,
            // The kernel prints it with a sign.
            terminal: fields.nth(2)?.parse::<i32>().ok()?.cast_unsigned(),
            threads: fields.nth(12)?.parse().ok()?,
            started: fields.nth(1)?.parse().ok()?,
        })
    }

    /// A zombie runs nothing, holds nothing and only waits to be asked how it ended, unless
    /// it is just the first thread of several: then the others still hold sockets and files.
    pub(super) fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X') || self.threads > 1
    }
}
