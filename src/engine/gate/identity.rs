//! Who answers on a color's port.

use sys::identity;

use crate::slot::Running;

/// Why the process that answers is not the color's.
pub(super) enum Identity {
    NotYet(String),
    Wrong(String),
}

/// Whether the process of `running` has its port.
///
/// # Errors
/// Who or what has it instead, or that nobody has yet.
pub(super) fn who_answers(running: &Running) -> Result<(), Identity> {
    let port = running.manifest.ports.of(running.color);
    let pid = running.process.pid;
    let checked = match &running.manifest.adopted {
        Some(_) => identity::check_adopted(pid, port, &running.folder),
        None => identity::check(pid, port, &running.folder, running.nonce.as_deref()),
    };
    checked.map_err(|error| {
        if error.may_pass() {
            Identity::NotYet(error.to_string())
        } else {
            Identity::Wrong(error.to_string())
        }
    })
}
