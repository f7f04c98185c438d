//! The user's keys on this machine.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::{Certificate, PrivateKey, PublicKey, decode_secret_key, load_public_key};

/// A key that the configuration names, as far as it is there.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// As it is named.
    pub file: PathBuf,
    /// Its public half, where that can be told without a passphrase.
    pub public: Option<PublicKey>,
    /// Its private half.
    pub private: Private,
    /// `<file>-cert.pub`.
    pub certificate: Option<Certificate>,
}

/// The private half of a key.
#[derive(Clone, Debug)]
pub(super) enum Private {
    /// Ready.
    Open(Arc<PrivateKey>),
    /// It wants a passphrase; this is the file's text.
    Locked(String),
    /// Not here, the agent may have it.
    Elsewhere,
    /// The mode lets others read it.
    TooOpen(u32),
    /// It cannot be used, and why.
    Unusable(String),
}

/// What there is of a key; nothing at all where neither half is there.
pub(super) fn load(file: &Path) -> Option<Identity> {
    let beside = |ending: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let (private, own_public) = private_half(file);
    let public = own_public.or_else(|| load_public_key(beside(".pub")).ok());
    if matches!(private, Private::Elsewhere) && public.is_none() {
        return None;
    }
    Some(Identity {
        file: file.to_owned(),
        public,
        private,
        certificate: certificate(&beside("-cert.pub")).ok(),
    })
}

/// A certificate from its file.
pub(super) fn certificate(file: &Path) -> Result<Certificate, String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    Certificate::from_openssh(text.trim()).map_err(|error| error.to_string())
}

fn private_half(file: &Path) -> (Private, Option<PublicKey>) {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return (Private::Elsewhere, None),
        Err(error) => return (Private::Unusable(format!("it cannot be read: {error}")), None),
    };
    if let Ok(public) = load_public_key(file) {
        return (Private::Elsewhere, Some(public));
    }
    if let Some(mode) = too_open(file) {
        return (Private::TooOpen(mode), None);
    }
    match decode_secret_key(&text, None) {
        Ok(key) => {
            let public = key.public_key().clone();
            (Private::Open(Arc::new(key)), Some(public))
        }
        Err(error) => locked(text, &error),
    }
}

/// A key with a passphrase tells its public half in OpenSSH's own format only.
fn locked(text: String, error: &russh::keys::Error) -> (Private, Option<PublicKey>) {
    match PrivateKey::from_openssh(&text) {
        Ok(key) if key.is_encrypted() => {
            let public = key.public_key().clone();
            (Private::Locked(text), Some(public))
        }
        _ if text.contains("ENCRYPTED") => (Private::Locked(text), None),
        _ => (Private::Unusable(format!("it is no private key: {error}")), None),
    }
}

/// As OpenSSH does, a key of ours that others can read is not used.
fn too_open(file: &Path) -> Option<u32> {
    let about = fs::metadata(file).ok()?;
    let is_ours = about.uid() == nix::unistd::getuid().as_raw();
    (is_ours && about.mode() & 0o077 != 0).then_some(about.mode() & 0o777)
}
