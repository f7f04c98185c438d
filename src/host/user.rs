//! Who this process is on the system, and giving rights up for good.

use nix::unistd::{User, initgroups, setgid, setuid};

use crate::host::command;

/// Becomes `user` with their groups and nothing else; programs that are started from here
/// on find that user's home. There is no way back.
///
/// # Errors
/// When the system refuses, as it does for anybody but root.
pub fn become_user(user: &User) -> Result<(), nix::Error> {
    let name = std::ffi::CString::new(user.name.clone()).map_err(|_| nix::Error::EINVAL)?;
    initgroups(&name, user.gid)?;
    setgid(user.gid)?;
    setuid(user.uid)?;
    command::act_as(user);
    Ok(())
}
