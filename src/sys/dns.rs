//! Where a name leads, as this host's resolver sees it, and which addresses this host has.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv6Addr, ToSocketAddrs};
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use tokio::sync::oneshot;

/// Asks the system's resolver for the addresses of `name`, none twice.
///
/// # Errors
/// When there is no such name, or no answer within `deadline`.
pub async fn addresses(name: &str, deadline: Duration) -> io::Result<BTreeSet<IpAddr>> {
    let (answer, answered) = oneshot::channel();
    let asked = format!("{name}:0");
    // A thread of its own that nobody waits for: a resolver that hangs does so for half a
    // minute, and the runtime would wait for its own threads at the end.
    std::thread::spawn(move || answer.send(asked.to_socket_addrs().map(Iterator::collect::<Vec<_>>)));
    match tokio::time::timeout(deadline, answered).await {
        Ok(Ok(found)) => Ok(found?.into_iter().map(|one| one.ip().to_canonical()).collect()),
        _ => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("no answer within {} s", deadline.as_secs()),
        )),
    }
}

/// The addresses of this host's interfaces.
#[must_use]
pub fn own_addresses() -> BTreeSet<IpAddr> {
    let interfaces = getifaddrs().into_iter().flatten();
    let addresses = interfaces.filter_map(|interface| interface.address);
    addresses
        .filter_map(|address| {
            let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
        })
        .collect()
}

/// Whether an address is one that the internet does not lead to: loopback, private, shared
/// among a provider's customers, link-local.
#[must_use]
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let shared = first == 100 && second & 0xc0 == 64;
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || shared
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Whether `address` is one on which only this host reaches itself.
#[must_use]
pub fn is_loopback(address: IpAddr) -> bool {
    address.is_loopback() || address == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
}

#[cfg(test)]
mod tests {
    use crate::dns::*;

    #[test]
    fn this_host_has_itself() {
        let own = own_addresses();
        assert!(own.iter().any(|address| is_loopback(*address)), "{own:?}");
    }

    #[tokio::test]
    async fn a_number_is_its_own_address() {
        let found = addresses("127.0.0.1", Duration::from_secs(5)).await.unwrap();
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            ["127.0.0.1".parse::<IpAddr>().unwrap()]
        );
        let late = addresses("127.0.0.1", Duration::ZERO).await;
        assert!(late.is_ok() || late.unwrap_err().kind() == io::ErrorKind::TimedOut);
    }

    #[test]
    fn the_internet_does_not_lead_everywhere() {
        let table = [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("172.16.0.1", true),
            ("172.32.0.1", false),
            ("192.168.1.1", true),
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("169.254.1.1", true),
            ("203.0.113.5", false),
            ("::1", true),
            ("fd00::2", true),
            ("fe80::1", true),
            ("2001:db8::1", false),
        ];
        for (address, private) in table {
            assert_eq!(is_private(address.parse().unwrap()), private, "{address}");
        }
        assert_eq!(table.len(), 13);
    }
}
