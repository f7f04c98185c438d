//! The end of a server that may sleep until somebody comes.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::time::Duration;

use nix::errno::Errno;
use sys::process::{self, Ended, Process};
use tokio::net::TcpStream;

/// How often a server that was told to end is come by.
const NUDGE: Duration = Duration::from_millis(50);

/// Ends a server that listens on `port`, with all that it has started.
pub async fn end(server: Process, port: u16, grace: Duration) -> Result<Ended, Errno> {
    tokio::select! {
        ended = process::end(server, grace) => ended,
        never = nudge(port) => match never {},
    }
}

/// Comes by a port again and again, and goes without a word. A gunicorn with threads looks
/// whether it was told to end when somebody comes, else only once a second.
async fn nudge(port: u16) -> Infallible {
    loop {
        tokio::time::sleep(NUDGE).await;
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok();
    }
}
