//! Is what answers on a port really the process that was just started? A stale process on
//! the port answers health checks just as well, and PM2 says `online` either way.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

use crate::path_security;
use crate::process::{self, Process};
use crate::sockets::{self, Holder, Listener};

/// The variable that carries a start's nonce.
pub const NONCE: &str = "BG_NONCE";

/// What was found instead of the expected process.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The process has ended.
    #[error("process {pid} has ended")]
    Ended {
        /// Its pid.
        pid: u32,
    },
    /// Nobody listens yet. The only finding that time can cure.
    #[error("nothing listens on port {port} yet")]
    NotListening {
        /// The port.
        port: u16,
    },
    /// The port is reachable from outside.
    #[error(
        "the app listens on {address}:{port}, open to the network past NGINX: bind it with `-b 127.0.0.1:{port}`"
    )]
    Exposed {
        /// The address it is bound to.
        address: IpAddr,
        /// The port.
        port: u16,
    },
    /// It listens on loopback, but not where NGINX looks for it.
    #[error("the app listens on {address}, NGINX asks 127.0.0.1: bind it with `-b 127.0.0.1:{port}`")]
    Elsewhere {
        /// The address it is bound to.
        address: IpAddr,
        /// The port.
        port: u16,
    },
    /// Someone else has the port.
    #[error("port {port} is held by {}, not by process {pid} that was started for it", name(.holder, *.uid))]
    Foreign {
        /// The port.
        port: u16,
        /// The process that should have it.
        pid: u32,
        /// The process that has it, `None` when this user may not see it.
        holder: Option<Holder>,
        /// The user who opened the socket.
        uid: u32,
    },
    /// The process runs another release's code.
    #[error("process {pid} runs in {}, not in `{}`", folder(.found), .expected.display())]
    OtherFolder {
        /// The process.
        pid: u32,
        /// The folder it is in, `None` when this user may not see it.
        found: Option<PathBuf>,
        /// The folder it should be in.
        expected: PathBuf,
    },
    /// The process is from another start.
    #[error("process {pid} was not started by this run: its environment has another `{NONCE}` or none")]
    OtherStart {
        /// The process.
        pid: u32,
    },
    /// The process has written over its environment.
    #[error(
        "process {pid} hides its environment: keep `SPT_NOENV=1` set, so that setting a title leaves it alone"
    )]
    Hidden {
        /// The process.
        pid: u32,
    },
}

impl IdentityError {
    /// Whether a process that is still starting may grow out of it.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, IdentityError::NotListening { .. })
    }

    /// The same of an app that is to listen on `port`, where it was tried on another one.
    #[must_use]
    pub fn said_of(self, port: u16) -> IdentityError {
        match self {
            IdentityError::Exposed { address, .. } => IdentityError::Exposed { address, port },
            IdentityError::Elsewhere { address, .. } => IdentityError::Elsewhere { address, port },
            other => other,
        }
    }
}

fn name(holder: &Option<Holder>, uid: u32) -> String {
    match holder {
        Some(holder) => holder.to_string(),
        None => format!("a process of {}", path_security::name_of(Uid::from_raw(uid))),
    }
}

fn folder(found: &Option<PathBuf>) -> String {
    found.as_ref().map_or_else(
        || "a folder that cannot be read".to_owned(),
        |path| format!("`{}`", path.display()),
    )
}

/// Whether `pid` is the process that was started with `nonce` (if that is known) in `folder` (or below it) and
/// is alone in listening on `port`, itself or through its children, on 127.0.0.1 only.
///
/// # Errors
/// The first of these that is not so.
pub fn check(pid: u32, port: u16, folder: &Path, nonce: Option<&str>) -> Result<(), IdentityError> {
    if Process::of(pid).is_none() {
        return Err(IdentityError::Ended { pid });
    }
    // The port first: until the app listens, the process may still be the launcher.
    let listeners = sockets::listener(port);
    check_holders(pid, port, &listeners)?;
    check_start(pid, folder, nonce)?;
    check_addresses(port, &listeners)
}

/// The same for a process that was not started by us: it carries no nonce, and where it
/// listens was decided long ago.
///
/// # Errors
/// As [`check`].
pub fn check_adopted(pid: u32, port: u16, folder: &Path) -> Result<(), IdentityError> {
    if Process::of(pid).is_none() {
        return Err(IdentityError::Ended { pid });
    }
    check_holders(pid, port, &sockets::listener(port))?;
    check_folder(pid, folder)
}

fn check_start(pid: u32, folder: &Path, nonce: Option<&str>) -> Result<(), IdentityError> {
    if let Some(nonce) = nonce {
        check_nonce(pid, nonce)?;
    }
    check_folder(pid, folder)
}

fn check_nonce(pid: u32, nonce: &str) -> Result<(), IdentityError> {
    if process::env(pid).is_none() {
        return Err(IdentityError::Hidden { pid });
    }
    if !process::env_has(pid, NONCE, nonce) {
        return Err(IdentityError::OtherStart { pid });
    }
    Ok(())
}

fn check_folder(pid: u32, folder: &Path) -> Result<(), IdentityError> {
    let resolved = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let found = process::cwd(pid);
    if found.as_ref().is_some_and(|found| found.starts_with(&resolved)) {
        Ok(())
    } else {
        Err(IdentityError::OtherFolder {
            pid,
            found,
            expected: resolved,
        })
    }
}

/// Every listening socket, not just one: with `SO_REUSEPORT` two servers share a port and
/// the kernel deals out the connections.
fn check_holders(pid: u32, port: u16, listeners: &[Listener]) -> Result<(), IdentityError> {
    if listeners.is_empty() {
        return Err(IdentityError::NotListening { port });
    }
    // Most servers hold the socket in their first process: the whole tree costs a look at
    // every process of the host.
    let mut family = None;
    for listener in listeners {
        if sockets::owner(listener.inode, &[pid]).is_some() {
            continue;
        }
        let family = family.get_or_insert_with(|| process::tree(pid));
        if sockets::owner(listener.inode, family).is_none() {
            return Err(IdentityError::Foreign {
                port,
                pid,
                holder: sockets::holder_of(listener.inode),
                uid: listener.uid,
            });
        }
    }
    Ok(())
}

fn check_addresses(port: u16, listeners: &[Listener]) -> Result<(), IdentityError> {
    for Listener { address, .. } in listeners {
        if !address.is_loopback() {
            return Err(IdentityError::Exposed {
                address: *address,
                port,
            });
        }
    }
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    match listeners.first() {
        Some(first) if !listeners.iter().any(|one| one.address == here) => Err(IdentityError::Elsewhere {
            address: first.address,
            port,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
