//! CPU time as the kernel counts it, in nanoseconds.

use std::fs;

use crate::ask::ask;
use crate::sandbox::Sandbox;

/// NGINX closes a connection after 1,000 requests, unless told otherwise.
const REQUESTS: u32 = 1_000;
const CONNECTIONS: u32 = 4;
const TURNS: u32 = 3;

/// What all threads of a process have used so far, user and kernel.
pub fn nanoseconds(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of = |path| -> u64 {
        let text: String = fs::read_to_string(path).unwrap();
        text.split(' ').next().unwrap().parse().unwrap()
    };
    tasks.map(|task| of(task.unwrap().path().join("schedstat"))).sum()
}

/// Microseconds of CPU that a request of the sample app takes, in NGINX's workers and in
/// gunicorn together: the site that `bg setup` wrote, on connections that stay open.
pub fn flask(sandbox: &Sandbox) -> f64 {
    let status = sandbox.status();
    let gunicorn = status["slots"][0]["pid"].as_u64().unwrap();
    let nginx = fs::read_to_string(sandbox.front.conf().with_file_name("nginx.pid")).unwrap();
    let mut pids = family(u32::try_from(gunicorn).unwrap());
    pids.extend(family(nginx.trim().parse().unwrap()));
    let spent = || -> u64 { pids.iter().map(|pid| nanoseconds(*pid)).sum() };
    let busy = || {
        std::thread::scope(|scope| {
            for _ in 0..CONNECTIONS {
                scope.spawn(|| ask(sandbox.address(), "/", REQUESTS));
            }
        });
    };
    busy();
    let before = spent();
    (0..TURNS).for_each(|_| busy());
    (spent() - before) as f64 / f64::from(TURNS * CONNECTIONS * REQUESTS) / 1000.0
}

/// A process and all below it.
fn family(first: u32) -> Vec<u32> {
    let mut pids = vec![first];
    let mut next = 0;
    while let Some(pid) = pids.get(next).copied() {
        let path = format!("/proc/{pid}/task/{pid}/children");
        let below = fs::read_to_string(path).unwrap_or_default();
        pids.extend(below.split_whitespace().map(|pid| pid.parse::<u32>().unwrap()));
        next += 1;
    }
    pids
}
