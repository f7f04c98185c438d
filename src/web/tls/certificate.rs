//! One certificate, as far as the checks need it.

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::X509Name;

/// `id-ad-caIssuers`: where the issuer's own certificate can be fetched.
const CA_ISSUERS: &str = "1.3.6.1.5.5.7.48.2";

/// Signatures that clients refuse, by the identifier of the algorithm.
const REFUSED: [(&str, &str); 4] = [
    ("1.2.840.113549.1.1.4", "MD5"),
    ("1.2.840.113549.1.1.5", "SHA-1"),
    ("1.2.840.10045.4.1", "SHA-1"),
    ("1.2.840.10040.4.3", "SHA-1"),
];

/// Shorter RSA keys are refused by browsers since 2014, and by OpenSSL 3 on Debian.
const LEAST_RSA: usize = 2048;

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// As it travels.
    pub der: CertificateDer<'static>,
    /// Whose it is: the common name, or all of the name where it has none.
    pub subject: String,
    /// Who signed, in the same way.
    pub issuer: String,
    /// From when on it is valid, in seconds since 1970.
    pub from: i64,
    /// Until when.
    pub until: i64,
    /// The names that it is for.
    pub names: Vec<String>,
    /// Whether it names itself as who signed.
    pub signs_itself: bool,
    /// Where its issuer's certificate can be fetched.
    pub issuer_at: Vec<String>,
    weakness: Option<String>,
}

impl Certificate {
    /// Reads one; `None` for what is none.
    #[must_use]
    pub fn read(der: &CertificateDer<'static>) -> Option<Certificate> {
        let (_, parsed) = X509Certificate::from_der(der).ok()?;
        let validity = parsed.validity();
        Some(Certificate {
            subject: short(parsed.subject()),
            issuer: short(parsed.issuer()),
            from: validity.not_before.timestamp(),
            until: validity.not_after.timestamp(),
            names: names(&parsed),
            signs_itself: parsed.subject() == parsed.issuer(),
            issuer_at: issuer_at(&parsed),
            weakness: weakness(&parsed),
            der: der.clone(),
        })
    }

    /// What clients refuse about its key or its signature. A signature by itself is not looked
    /// at: nobody relies on it.
    #[must_use]
    pub fn weakness(&self) -> Option<String> {
        self.weakness.clone()
    }
}

fn short(name: &X509Name<'_>) -> String {
    let common = name
        .iter_common_name()
        .next()
        .and_then(|common| common.as_str().ok());
    common.map_or_else(|| name.to_string(), str::to_owned)
}

fn names(parsed: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(all)) = parsed.subject_alternative_name() else {
        return Vec::new();
    };
    all.value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            _ => None,
        })
        .collect()
}

fn issuer_at(parsed: &X509Certificate<'_>) -> Vec<String> {
    let access = parsed
        .extensions()
        .iter()
        .filter_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityInfoAccess(access) => Some(access),
            _ => None,
        });
    access
        .flat_map(|access| &access.accessdescs)
        .filter(|one| one.access_method.to_id_string() == CA_ISSUERS)
        .filter_map(|one| match &one.access_location {
            GeneralName::URI(uri) => Some((*uri).to_owned()),
            _ => None,
        })
        .collect()
}

fn weakness(parsed: &X509Certificate<'_>) -> Option<String> {
    if let Ok(PublicKey::RSA(key)) = parsed.public_key().parsed()
        && key.key_size() < LEAST_RSA
    {
        return Some(format!("has an RSA key of {} bits", key.key_size()));
    }
    if parsed.subject() == parsed.issuer() {
        return None;
    }
    let algorithm = parsed.signature_algorithm.algorithm.to_id_string();
    let (_, name) = REFUSED.iter().find(|(id, _)| *id == algorithm)?;
    Some(format!("is signed with {name}"))
}
