//! A key that a host has shown and that is not trusted, and what to do about it.

use std::path::PathBuf;

use crate::known_hosts::position::Position;

/// A key that a host has shown and that is not trusted.
#[derive(Clone, Debug)]
pub struct Presented {
    /// `ED25519`, ...
    pub kind: String,
    /// `SHA256:...`
    pub fingerprint: String,
    /// The name under which it is looked for.
    pub name: String,
    /// The line that would make it known.
    pub line: String,
    /// Where it would be written.
    pub file: Option<PathBuf>,
    /// The lines that speak against it.
    pub known: Vec<Position>,
}

impl Presented {
    pub(super) fn hints_for_unknown(&self, host: &str, name: &str) -> Vec<String> {
        let file = self.file.as_ref().map(|file| file.display().to_string());
        let file = file.unwrap_or_else(|| "~/.ssh/known_hosts".to_owned());
        vec![
            format!(
                "compare {} with what `ssh-keygen -lf /etc/ssh/ssh_host_{}_key.pub` prints on the host itself",
                self.fingerprint,
                self.kind.to_lowercase()
            ),
            format!("when it is the same, `{name} status --host {host} --accept-new-host-key` adds it"),
            format!("or add this line to {file}: {}", self.line),
        ]
    }

    pub(super) fn hints_for_changed(&self) -> Vec<String> {
        let mut files: Vec<&PathBuf> = self.known.iter().map(|place| &place.file).collect();
        files.dedup();
        let mut hints = vec![
            "either the host was set up anew, or something else answers in its place: ask who runs it"
                .to_owned(),
        ];
        hints.extend(files.into_iter().map(|file| {
            let file = file.display();
            format!(
                "only when it was set up anew: `ssh-keygen -f {file} -R '{}'` forgets the old key",
                self.name
            )
        }));
        hints
    }
}
