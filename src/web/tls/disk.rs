//! What lies on the disk for a listener: the certificate and the key that NGINX is configured
//! with, and the files beside them. To be read with the rights that keys need.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use crate::tls::{Certificate, Fault};
use sys::store::read_plain;

/// A bundle of all public roots has 220 kB.
const LONGEST: u64 = 1 << 20;

/// So many files beside a certificate are looked into, those first whose names say that they
/// belong to a chain.
const MOST: usize = 64;

/// Words in the names of files that hold what a chain needs.
const WORDS: [&str; 5] = ["fullchain", "chain", "bundle", "inter", "ca"];

/// A certificate of NGINX's configuration with what lies beside it.
#[derive(Clone, Debug)]
pub struct OnDisk {
    /// `ssl_certificate`.
    pub certificate: PathBuf,
    /// `ssl_certificate_key`.
    pub key: PathBuf,
    /// What the file holds, the server's own first; nothing when it cannot be read.
    pub chain: Vec<CertificateDer<'static>>,
    /// What is wrong with the files by themselves.
    pub fault: Option<Fault>,
    beside: Vec<(PathBuf, Vec<CertificateDer<'static>>)>,
}

/// Reads what belongs to `certificate`. A file that this process may not read is no fault.
#[must_use]
pub fn read(certificate: &Path, key: &Path) -> OnDisk {
    let (chain, fault) = match certificates(certificate) {
        Ok(chain) => {
            let fault = other_key(&chain, certificate, key);
            (chain, fault)
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => (Vec::new(), None),
        Err(error) => {
            let why = error.to_string();
            let file = certificate.to_owned();
            (Vec::new(), Some(Fault::NoFile { file, why }))
        }
    };
    OnDisk {
        beside: beside(certificate),
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        chain,
        fault,
    }
}

impl OnDisk {
    /// The server's own certificate in the file.
    #[must_use]
    pub fn leaf(&self) -> Option<Certificate> {
        self.chain.first().and_then(Certificate::read)
    }

    /// The configured file and those beside it.
    pub(super) fn files(&self) -> impl Iterator<Item = (&PathBuf, &Vec<CertificateDer<'static>>)> {
        let own = std::iter::once((&self.certificate, &self.chain));
        own.chain(self.beside.iter().map(|(file, chain)| (file, chain)))
    }
}

fn certificates(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let text = read_plain(file, LONGEST)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(io::Error::other("it holds no certificate in PEM form")),
    }
}

/// `None` also where the kind of key is not known here: NGINX knows more of them.
fn other_key(chain: &[CertificateDer<'static>], certificate: &Path, key: &Path) -> Option<Fault> {
    let read = PrivateKeyDer::from_pem_slice(&read_plain(key, LONGEST).ok()?).ok()?;
    let signing = any_supported_type(&read).ok()?;
    let pair = CertifiedKey::new(chain.to_vec(), signing);
    match pair.keys_match() {
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Some(Fault::OtherKey {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        }),
        _ => None,
    }
}

fn beside(certificate: &Path) -> Vec<(PathBuf, Vec<CertificateDer<'static>>)> {
    let folder = certificate.parent().unwrap_or(Path::new("/"));
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path != certificate && is_certificate(path))
        .collect();
    files.sort_by_key(|path| (rank(path), path.clone()));
    files
        .into_iter()
        .take(MOST)
        .filter_map(|file| Some((file.clone(), certificates(&file).ok()?)))
        .collect()
}

fn is_certificate(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| ["pem", "crt", "cer", "cert", "chain", "bundle"].contains(&ending))
}

fn rank(path: &Path) -> usize {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    WORDS
        .iter()
        .position(|word| name.contains(word))
        .unwrap_or(WORDS.len())
}
