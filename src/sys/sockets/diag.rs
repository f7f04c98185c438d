//! Sockets from the kernel's own directory of them. For `/proc/net/tcp` it writes down every
//! connection there is: 80 to 160 ms were measured on a host that had just answered many.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr};

use crate::sockets::listener::Listener;

/// The kernel sends at most this much at a time: 32 KiB.
const ANSWER: usize = 32 << 10;

/// Every socket in `state` whose own port is `port`.
///
/// # Errors
/// When this kernel was built without that directory, or a sandbox keeps it from us.
pub(super) fn sockets(port: u16, state: u8) -> io::Result<Vec<Listener>> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    // The answer is there when the question has been sent.
    socket.set_non_blocking(true)?;
    let mut found = Vec::new();
    for (family, mut id) in [(AF_INET, SocketId::new_v4()), (AF_INET6, SocketId::new_v6())] {
        id.source_port = port;
        socket.send(&question(family, state, id), 0)?;
        while !answers(&socket, &mut found)? {}
    }
    Ok(found)
}

fn question(family: u8, state: u8, socket_id: SocketId) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let request = InetRequest {
        family,
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::from_bits_retain(1 << state),
        socket_id,
    };
    let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// Reads one datagram of answers; whether it was the last.
fn answers(socket: &Socket, found: &mut Vec<Listener>) -> io::Result<bool> {
    let mut buffer = Vec::with_capacity(ANSWER);
    socket.recv(&mut buffer, 0)?;
    read(&buffer, found)
}

fn read(mut rest: &[u8], found: &mut Vec<Listener>) -> io::Result<bool> {
    while !rest.is_empty() {
        let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest).map_err(io::Error::other)?;
        match message.payload {
            NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(answer)) => {
                found.push(Listener {
                    address: IpAddr::to_canonical(&answer.header.socket_id.source_address),
                    port: answer.header.socket_id.source_port,
                    inode: answer.header.inode.into(),
                    uid: answer.header.uid,
                });
            }
            // A dump that fails ends in this, too.
            NetlinkPayload::Done(done) if done.code < 0 => {
                return Err(io::Error::from_raw_os_error(-done.code));
            }
            NetlinkPayload::Done(_) => return Ok(true),
            NetlinkPayload::Error(error) => return Err(error.to_io()),
            _ => {}
        }
        let length = usize::try_from(message.header.length)
            .unwrap_or(0)
            .next_multiple_of(4);
        rest = match rest.get(length..) {
            Some(rest) if length > 0 => rest,
            _ => break,
        };
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use crate::sockets::diag::*;

    /// A message as in netlink(7): length, kind, flags, sequence, sender, then an error code.
    fn end(kind: u16, code: i32) -> Vec<u8> {
        let parts: [&[u8]; 6] = [
            &20_u32.to_ne_bytes(),
            &kind.to_ne_bytes(),
            &[0; 2],
            &[0; 4],
            &[0; 4],
            &code.to_ne_bytes(),
        ];
        parts.concat()
    }

    #[test]
    fn a_dump_that_failed_is_not_an_empty_one() {
        const ERROR: u16 = 2;
        const DONE: u16 = 3;
        let read = |bytes: Vec<u8>| read(&bytes, &mut Vec::new());
        assert!(read(end(DONE, 0)).unwrap());
        for kind in [DONE, ERROR] {
            let error = read(end(kind, -nix::libc::ENOENT)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{kind}: {error}");
        }
        assert!(!read(Vec::new()).unwrap());
    }
}
