//! Whether a way leads from a certificate to a root that clients know, and whether it is for
//! the name: by the code that decides it for rustls itself.

use std::time::Duration;

use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};

use crate::tls::{Certificate, Fault};

/// The roots that this host trusts, which stand for those of its clients.
#[derive(Clone, Debug)]
pub struct Roots(RootCertStore);

/// Why there is no way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Untrusted {
    /// A certificate on it is not valid at the time.
    Time,
    /// It is not for servers.
    Purpose,
    /// No way at all.
    Path,
}

impl Roots {
    /// The host's; those of `SSL_CERT_FILE` and `SSL_CERT_DIR` where they are set, as with
    /// OpenSSL.
    #[must_use]
    pub fn of_this_host() -> Roots {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Roots(store)
    }

    /// Whether there is none: nothing can be said about trust then.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `at` is in seconds since 1970.
    pub(super) fn trust(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'static>],
        at: i64,
    ) -> Result<(), Untrusted> {
        let parsed = ParsedCertificate::try_from(leaf).map_err(|_| Untrusted::Path)?;
        let at = UnixTime::since_unix_epoch(Duration::from_secs(at.try_into().unwrap_or(0)));
        let algorithms = ring::default_provider().signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &self.0, between, at, algorithms).map_err(why)
    }
}

fn why(error: Error) -> Untrusted {
    use CertificateError as E;
    match error {
        Error::InvalidCertificate(
            E::Expired | E::ExpiredContext { .. } | E::NotValidYet | E::NotValidYetContext { .. },
        ) => Untrusted::Time,
        Error::InvalidCertificate(E::InvalidPurpose | E::InvalidPurposeContext { .. }) => Untrusted::Purpose,
        _ => Untrusted::Path,
    }
}

/// Whether clients that ask for `name` refuse this certificate as somebody else's.
pub(super) fn other_name(leaf: &Certificate, name: &str) -> Option<Fault> {
    let wanted = ServerName::try_from(name.to_owned()).ok()?;
    let parsed = ParsedCertificate::try_from(&leaf.der).ok()?;
    let fits = verify_server_name(&parsed, &wanted).is_ok();
    (!fits).then(|| Fault::OtherName {
        wanted: name.to_owned(),
        names: leaf.names.clone(),
        common: leaf.subject.clone(),
    })
}
