//! What can be wrong with a certificate.

use std::path::PathBuf;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// What was sent is no certificate.
    #[error("the server's certificate cannot be parsed")]
    Unreadable,
    /// Over.
    #[error("the certificate has expired on {until}")]
    Expired {
        /// When.
        until: String,
        /// A file that NGINX is configured to show and that holds a newer one.
        renewed: Option<PathBuf>,
    },
    /// Not begun.
    #[error("the certificate is not valid before {from}, or this host's clock is wrong")]
    NotYetValid {
        /// When it begins.
        from: String,
    },
    /// Over soon: whatever renews it does not.
    #[error("the certificate ends in {days} {}, on {until}", if *.days == 1 { "day" } else { "days" })]
    Soon {
        /// Whole days.
        days: i64,
        /// When.
        until: String,
    },
    /// Another certificate of the chain is over.
    #[error("`{subject}`, which signed for the certificate, has expired on {until}")]
    ChainExpired {
        /// Whose.
        subject: String,
        /// When.
        until: String,
    },
    /// Its own signature only.
    #[error("the certificate is self-signed: no client knows who made it")]
    SelfSigned,
    /// The way to the root has a gap that can be closed.
    #[error(
        "the chain is incomplete: clients say \"unable to verify the first certificate\", as the server does not send `{}`",
        .0.subject
    )]
    Incomplete(Missing),
    /// Whoever signed is known to nobody, or a certificate is missing that cannot be found.
    #[error("`{issuer}`, which signed for the certificate, is no authority that clients know")]
    UnknownCa {
        /// Who signed the last certificate that was sent.
        issuer: String,
    },
    /// For something else than servers.
    #[error("the certificate is not made for servers: its extended key usage lacks `serverAuth`")]
    Purpose,
    /// For others.
    #[error("the certificate is not for `{wanted}`, {}", for_whom(.names, .common))]
    OtherName {
        /// The name that was asked for.
        wanted: String,
        /// The names that it is for.
        names: Vec<String>,
        /// Its common name, which clients have not looked at for years.
        common: String,
    },
    /// A key or a signature that clients refuse.
    #[error("`{subject}` {what}, which clients refuse")]
    Weak {
        /// Whose certificate.
        subject: String,
        /// What about it.
        what: String,
    },
    /// Another one lies on the disk.
    #[error("NGINX still shows another certificate than the one in `{}`", .file.display())]
    NotReloaded {
        /// The file.
        file: PathBuf,
    },
    /// NGINX will neither start nor read its configuration again.
    #[error("the key `{}` does not belong to the certificate `{}`: NGINX refuses both at its next start or reload", .key.display(), .certificate.display())]
    OtherKey {
        /// `ssl_certificate`.
        certificate: PathBuf,
        /// `ssl_certificate_key`.
        key: PathBuf,
    },
    /// NGINX will neither start nor read its configuration again.
    #[error("`{}` cannot be read as certificates: {why}", .file.display())]
    NoFile {
        /// `ssl_certificate`.
        file: PathBuf,
        /// Why.
        why: String,
    },
}

/// What closes the gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Whose certificate it is.
    pub subject: String,
    /// The file that NGINX is configured to show, as far as it is known.
    pub served: Option<PathBuf>,
    /// Where it was found.
    pub at: IssuerSource,
}

/// Where the missing certificate was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IssuerSource {
    /// This file holds the certificate with all that belongs to it.
    Whole(PathBuf),
    /// This file holds what is missing.
    Rest(PathBuf),
    /// The authority has it at this address.
    Url(String),
}

fn for_whom(names: &[String], common: &str) -> String {
    if names.is_empty() {
        return format!(
            "nor for any name: it has no subjectAltName, and `{common}` as common name is looked at by no client"
        );
    }
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    format!("only for {}", names.join(", "))
}
