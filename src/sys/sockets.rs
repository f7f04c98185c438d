//! Who listens on a port, from the kernel's own tables: no probe can tell one process from
//! another that answers in its place.

use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::process;

mod diag;
mod listener;

pub use listener::Listener;

/// A process that holds a listening socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its pid.
    pub pid: u32,
    /// Its command line.
    pub command: String,
}

/// Socket states, as in the kernel's `tcp_states.h`.
const ESTABLISHED: u8 = 0x01;
const LISTEN: u8 = 0x0a;

struct Row {
    address: IpAddr,
    port: u16,
    state: u8,
    uid: u32,
    inode: u64,
}

impl Row {
    /// A line of `/proc/net/tcp`: number, local address, remote address, state, queues,
    /// timer, retransmits, uid, time-out, inode.
    fn parse(line: &str) -> Option<Row> {
        let mut fields = line.split_ascii_whitespace();
        let (address, port) = fields.nth(1)?.split_once(':')?;
        Some(Row {
            address: parse_address(address)?,
            port: u16::from_str_radix(port, 16).ok()?,
            state: u8::from_str_radix(fields.nth(1)?, 16).ok()?,
            uid: fields.nth(3)?.parse().ok()?,
            inode: fields.nth(1)?.parse().ok()?,
        })
    }
}

/// The kernel prints addresses as 32-bit words in the machine's own byte order.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let mut bytes = Vec::new();
    for start in (0..hex.len()).step_by(8) {
        let word = u32::from_str_radix(hex.get(start..start + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    if let Ok(four) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Some(IpAddr::V4(Ipv4Addr::from(four)));
    }
    let sixteen = <[u8; 16]>::try_from(bytes).ok()?;
    Some(Ipv6Addr::from(sixteen).to_canonical())
}

/// The sockets with the local port `port` in `state`; port 0, which no socket has, stands for
/// any.
fn sockets(port: u16, state: u8) -> Vec<Listener> {
    diag::sockets(port, state).unwrap_or_else(|_| listed(port, state))
}

/// The same from the tables that every kernel has.
fn listed(port: u16, state: u8) -> Vec<Listener> {
    ["/proc/self/net/tcp", "/proc/self/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::File::open(table).ok())
        .flat_map(|table| BufReader::new(table).lines().map_while(Result::ok))
        .filter_map(|line| Row::parse(&line))
        .filter(|row| (port == 0 || row.port == port) && row.state == state)
        .map(|row| Listener {
            address: row.address,
            port: row.port,
            inode: row.inode,
            uid: row.uid,
        })
        .collect()
}

/// Every socket that listens on `port`, on any address of this host.
#[must_use]
pub fn listener(port: u16) -> Vec<Listener> {
    sockets(port, LISTEN)
}

/// Whether nothing listens on `port`.
#[must_use]
pub fn is_free(port: u16) -> bool {
    listener(port).is_empty()
}

/// Connections that are open on the server's side of `port`, those not yet accepted
/// included. Pooled connections of a proxy count although nothing happens on them.
#[must_use]
pub fn open_connections(port: u16) -> usize {
    sockets(port, ESTABLISHED).len()
}

/// Where one of `pids` takes connections from other machines, on whatever port.
#[must_use]
pub fn open_to_the_network(pids: &[u32]) -> Vec<SocketAddr> {
    let mut found = listening(pids);
    found.retain(|address| !address.ip().is_loopback());
    found
}

/// Where one of `pids` takes connections, on whatever port.
#[must_use]
pub fn listening(pids: &[u32]) -> Vec<SocketAddr> {
    let mut found: Vec<SocketAddr> = sockets(0, LISTEN)
        .into_iter()
        .filter(|one| owner(one.inode, pids).is_some())
        .map(|one| SocketAddr::new(one.address, one.port))
        .collect();
    found.sort();
    found.dedup();
    found
}

/// The first of `pids` that holds the socket `inode`; `None` also when those are another
/// user's.
#[must_use]
pub fn owner(inode: u64, pids: &[u32]) -> Option<u32> {
    let wanted = format!("socket:[{inode}]");
    pids.iter().copied().find(|pid| {
        fs::read_dir(format!("/proc/{pid}/fd")).is_ok_and(|descriptors| {
            descriptors.flatten().any(|one| {
                fs::read_link(one.path()).is_ok_and(|target| target.as_os_str() == wanted.as_str())
            })
        })
    })
}

/// The process that holds the socket `inode`, as far as this user may look.
#[must_use]
pub fn holder_of(inode: u64) -> Option<Holder> {
    let mut pids = process::all();
    // A server's workers hold its socket too; its master began first.
    pids.sort_unstable();
    let pid = owner(inode, &pids)?;
    Some(Holder {
        pid,
        command: process::cmdline(pid).unwrap_or_default(),
    })
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} (`{}`)", self.pid, self.command)
    }
}

/// A process that listens on `port`, as far as this user may look.
#[must_use]
pub fn holder(port: u16) -> Option<Holder> {
    listener(port).iter().find_map(|one| holder_of(one.inode))
}

#[cfg(test)]
mod tests {
    use crate::sockets::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_listener_is_found_with_its_address_and_its_holder() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let found = listener(port);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].address, IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert_eq!(found[0].uid, nix::unistd::geteuid().as_raw());
        assert_eq!(
            owner(found[0].inode, &[1, std::process::id()]),
            Some(std::process::id())
        );
        assert_eq!(owner(found[0].inode, &[u32::MAX]), None);
        eventually("it is ours", || {
            holder(port).is_some_and(|holder| holder.pid == std::process::id())
        });
        assert_eq!(
            listed(port, LISTEN),
            found,
            "the kernel's tables say something else"
        );
        assert!(!is_free(port));
        drop(server);
        eventually("it is free", || is_free(port) && holder(port).is_none());
    }

    /// A program that another test starts holds all that is open here, until it is itself.
    fn eventually(what: &str, holds: impl Fn() -> bool) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !holds() {
            assert!(std::time::Instant::now() < deadline, "not in time: {what}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn an_ipv6_listener_is_found() {
        let Ok(server) = TcpListener::bind("[::1]:0") else {
            return;
        };
        let port = server.local_addr().unwrap().port();
        let found = listener(port);
        assert_eq!(found[0].address, IpAddr::V6(Ipv6Addr::LOCALHOST));
        assert_eq!(listed(port, LISTEN), found);
        let both = TcpListener::bind(("127.0.0.1", port)).unwrap();
        assert_eq!(listener(port).len(), 2, "{both:?}");
        assert_eq!(diag::sockets(port, LISTEN).unwrap().len(), 2);
    }

    #[test]
    fn connections_are_counted_on_the_servers_side_only() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        assert_eq!(open_connections(address.port()), 0);
        let clients: Vec<_> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
        assert_eq!(open_connections(address.port()), 3);
        assert_eq!(listed(address.port(), ESTABLISHED).len(), 3);
        assert_eq!(open_connections(clients[0].local_addr().unwrap().port()), 1);
    }

    #[test]
    fn addresses_are_read_in_either_family() {
        let cases = [
            ("0100007F", "127.0.0.1"),
            ("00000000", "0.0.0.0"),
            ("00000000000000000000000001000000", "::1"),
            ("00000000000000000000000000000000", "::"),
            ("0000000000000000FFFF00000100007F", "127.0.0.1"),
        ];
        for (hex, address) in cases {
            // Written down on a little-endian machine.
            if cfg!(target_endian = "little") {
                assert_eq!(parse_address(hex).unwrap().to_string(), address);
            }
        }
        for hex in ["", "0100", "0100007", "ZZ00007F", "0100007F0100007F"] {
            assert_eq!(parse_address(hex), None, "{hex}");
        }
    }
}
