//! A socket that takes connections.

use std::net::IpAddr;

/// A socket that takes connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The address it is bound to; an IPv4 address inside IPv6 is shown as IPv4.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// The kernel's number for it, which its holders' descriptors show.
    pub inode: u64,
    /// The user who opened it.
    pub uid: u32,
}
