//! What was tried to get in, and what the server said to it: kept until it is known that
//! nothing helps, and told then.

use std::path::{Path, PathBuf};

use russh::{MethodKind, MethodSet};

use crate::error::{Advice, SshError};
use crate::keys::{Identity, Private};

/// What came of each key so far.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    tried: Vec<String>,
    advice: Vec<Advice>,
    /// What the server takes besides, once it has answered.
    methods: Option<MethodSet>,
    /// A key that would have opened.
    locked: Option<SshError>,
    was_offered: bool,
}

impl Refusal {
    /// Something that says for itself what it is.
    pub(super) fn note(&mut self, line: String) {
        self.tried.push(line);
    }

    /// The same, and what would help.
    pub(super) fn note_with(&mut self, line: String, advice: Advice) {
        self.tried.push(line);
        self.advice.push(advice);
    }

    /// Keys that cannot be offered.
    pub(super) fn note_unusable(&mut self, identities: &[Identity]) {
        for identity in identities {
            let file = identity.file.display();
            match &identity.private {
                Private::TooOpen(mode) => self.note_with(
                    format!("`{file}`: not used, its mode {mode:o} lets others read it"),
                    Advice::Close(identity.file.clone()),
                ),
                Private::Unusable(why) => self.note(format!("`{file}`: not used, {why}")),
                Private::Locked(_) if identity.public.is_none() => self.note_with(
                    format!("`{file}`: not used, it has a passphrase and there is no `{file}.pub` to offer"),
                    Advice::Unlock(identity.file.clone()),
                ),
                _ => {}
            }
        }
    }

    /// The server's answer to a key.
    pub(super) fn note_answer(&mut self, candidate: &str, methods: MethodSet, partial: bool) {
        self.was_offered = true;
        self.note(match partial {
            true => format!("{candidate}: accepted, but the server wants a second factor too"),
            false => format!("{candidate}: refused"),
        });
        self.methods = Some(methods);
    }

    /// A key that the server takes and that stayed locked.
    pub(super) fn note_locked(&mut self, candidate: &str, error: SshError) {
        self.note(format!("{candidate}: accepted, but it stayed locked"));
        self.locked.get_or_insert(error);
    }

    /// What the server takes besides; nothing where no key was offered yet.
    pub(super) fn methods(&self) -> Option<&MethodSet> {
        self.methods.as_ref()
    }

    /// The server's answer to nobody.
    pub(super) fn set_methods(&mut self, methods: MethodSet) {
        self.methods = Some(methods);
    }

    /// Whether there is any use in a further key.
    pub(super) fn goes_on(&self) -> bool {
        self.methods
            .as_ref()
            .is_none_or(|methods| methods.contains(&MethodKind::PublicKey))
    }

    /// The error for `user`; `lost` is why the connection ended, if it did.
    pub(super) fn into_error(mut self, user: &str, lost: Option<String>) -> SshError {
        if let Some(locked) = self.locked {
            return locked;
        }
        match lost {
            Some(why) if !self.was_offered => return SshError::Lost { why },
            Some(why) => self.note(format!("after that {why}")),
            None => self.note_other_methods(),
        }
        if self.was_offered && !self.advice.contains(&Advice::NoPasswords) {
            self.advice.push(Advice::Authorize);
        }
        if self.tried.is_empty() {
            self.note_with("there is no key to try".to_owned(), Advice::MakeKey);
        }
        SshError::Refused {
            user: user.to_owned(),
            tried: self.tried,
            advice: self.advice,
        }
    }

    fn note_other_methods(&mut self) {
        let Some(methods) = self.methods.as_ref().filter(|methods| !methods.is_empty()) else {
            return;
        };
        if !methods.contains(&MethodKind::PublicKey) {
            let names: Vec<&str> = methods.iter().map(Into::into).collect();
            let line = format!("the server takes only {}", names.join(" and "));
            self.note_with(line, Advice::NoPasswords);
        }
    }
}

/// What the agent's silence comes to.
pub(super) fn no_keys_in(socket: &Path) -> (String, Advice) {
    (
        format!("the agent at `{}` has no keys", socket.display()),
        Advice::FillAgent,
    )
}

/// Nobody listens.
pub(super) fn nobody_at(socket: &Path) -> (String, Advice) {
    (
        format!("no agent answers at `{}`", socket.display()),
        Advice::StartAgent(PathBuf::from(socket)),
    )
}
