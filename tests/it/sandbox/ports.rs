//! Ports that nobody else takes, neither another test nor another run of the tests.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below what Linux gives to outgoing connections (32768 and up), so that no client's own
/// port can be in the way.
const FIRST: u16 = 10_000;
const COUNT: u16 = 20_000;

/// A port of 127.0.0.1 that is ours for as long as this lives.
pub struct Port {
    number: u16,
    /// Locked; the kernel lets go of it when the process dies.
    _claim: File,
}

impl Port {
    /// One on which nothing listens.
    pub fn free() -> Port {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let claims = std::env::temp_dir().join(format!("bg-test-ports-{}", nix::unistd::getuid()));
        fs::create_dir_all(&claims).unwrap();
        let start = std::process::id().wrapping_mul(97);
        for _ in 0..COUNT {
            let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
            let offset = start.wrapping_add(step) % u32::from(COUNT);
            let number = FIRST + u16::try_from(offset).unwrap();
            let claim = File::create(claims.join(number.to_string())).unwrap();
            if claim.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::UNSPECIFIED, number)).is_ok() {
                return Port {
                    number,
                    _claim: claim,
                };
            }
        }
        panic!("no free port");
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}
