//! What root may start.

use std::path::Path;

use nix::unistd::Uid;

use crate::command::found::{find_in, find_program};
use crate::command::{Command, CommandError, FORGOTTEN, SYSTEM_PATH};
use crate::path_security;
use crate::self_install::THIS;

impl Command {
    /// Root runs nothing that others can change, whatever a configuration names.
    pub(super) fn is_fit_for_root(&self) -> Result<(), CommandError> {
        let becomes_another = self.user.is_some_and(|(uid, _)| uid != 0);
        if !Uid::effective().is_root() || becomes_another || self.program == Path::new(THIS) {
            return Ok(());
        }
        let found = match (self.program.components().count(), &self.folder) {
            (1, _) if FORGOTTEN.get().is_some() => find_in(SYSTEM_PATH.as_ref(), &self.program),
            (1, _) => find_program(&self.program),
            // A relative one is looked for where it runs.
            (_, Some(folder)) => Some(folder.join(&self.program)),
            (_, None) => Some(self.program.clone()),
        };
        // What is not there is reported by the start.
        let Some(found) = found else { return Ok(()) };
        // One that is missing can come to be before it is started.
        path_security::roots_to_make(&found).map_err(|source| CommandError::Untrusted {
            program: found.display().to_string(),
            source,
        })
    }
}
