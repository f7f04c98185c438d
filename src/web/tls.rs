//! The certificate of a site as its clients see it: what a listener shows for a name, what
//! lies on the disk for it, and what is wrong with either. Each fault is found on its own, so
//! that an expired certificate with a wrong name is told as both.

mod certificate;
mod chain;
mod disk;
mod fault;
mod missing;
mod presented;

use std::time::{SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;

pub use certificate::Certificate;
pub use chain::Roots;
pub use disk::{OnDisk, read};
pub use fault::{Fault, IssuerSource, Missing};
pub use presented::{Shown, presented};

/// Days before its end from which on a certificate should have been renewed: certbot does so
/// 30 days before, so that nine days of failed tries have passed by then.
pub const SOON: i64 = 21;

const DAY: i64 = 86_400;

/// What was found about it.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The server's own certificate; `None` when nothing that can be read was shown.
    pub leaf: Option<Certificate>,
    /// Everything that is wrong, worst first.
    pub faults: Vec<Fault>,
}

/// Looks at what a listener shows. `disk` is what NGINX is configured to show there; an
/// intermediate that is missing is looked for beside it, and else where the certificate itself
/// says that it can be fetched.
pub async fn judge(shown: &Shown, disk: &[OnDisk], roots: &Roots) -> Verdict {
    let Some(leaf) = shown.chain.first().and_then(Certificate::read) else {
        return Verdict {
            leaf: None,
            faults: vec![Fault::Unreadable],
        };
    };
    let now = seconds_now();
    let mut faults = Vec::new();
    faults.extend(in_time(&leaf, disk, now));
    let weak: Vec<Fault> = shown.chain.iter().filter_map(weakness).collect();
    if !roots.is_empty() {
        faults.extend(untrusted(shown, &leaf, disk, roots, now, weak.is_empty()).await);
    }
    faults.extend(weak);
    faults.extend(chain::other_name(&leaf, &shown.name));
    faults.extend(not_reloaded(&leaf, disk));
    Verdict {
        leaf: Some(leaf),
        faults,
    }
}

fn seconds_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn in_time(leaf: &Certificate, disk: &[OnDisk], now: i64) -> Option<Fault> {
    if now < leaf.from {
        return Some(Fault::NotYetValid { from: day(leaf.from) });
    }
    if now > leaf.until {
        let renewed = disk.iter().find(|one| {
            one.leaf()
                .is_some_and(|other| other.until > now && other.der != leaf.der)
        });
        return Some(Fault::Expired {
            until: day(leaf.until),
            renewed: renewed.map(|one| one.certificate.clone()),
        });
    }
    let days = (leaf.until - now) / DAY;
    (days < SOON).then(|| Fault::Soon {
        days,
        until: day(leaf.until),
    })
}

/// A root signs itself, and nobody looks at that signature.
fn weakness(der: &CertificateDer<'static>) -> Option<Fault> {
    let certificate = Certificate::read(der)?;
    let what = certificate.weakness()?;
    Some(Fault::Weak {
        subject: certificate.subject,
        what,
    })
}

/// Why no client builds a way from the certificate to a root it knows. The time is the leaf's
/// business: the way is looked for at a moment at which that is valid.
async fn untrusted(
    shown: &Shown,
    leaf: &Certificate,
    disk: &[OnDisk],
    roots: &Roots,
    now: i64,
    strong: bool,
) -> Option<Fault> {
    let at = now.clamp(leaf.from, leaf.until);
    let rest = shown.chain.get(1..).unwrap_or_default();
    match roots.trust(&leaf.der, rest, at) {
        Ok(()) => None,
        Err(chain::Untrusted::Time) => {
            let mut sent = rest.iter().filter_map(Certificate::read);
            let old = sent.rfind(|one| at < one.from || at > one.until);
            Some(Fault::ChainExpired {
                subject: old
                    .as_ref()
                    .map_or("a root".to_owned(), |one| one.subject.clone()),
                until: old.map_or(String::new(), |one| day(one.until)),
            })
        }
        Err(chain::Untrusted::Purpose) => Some(Fault::Purpose),
        Err(chain::Untrusted::Path) if leaf.signs_itself => Some(Fault::SelfSigned),
        Err(chain::Untrusted::Path) => match missing::look(shown, leaf, disk, roots, at).await {
            Some(missing) => Some(Fault::Incomplete(missing)),
            // A signature that nobody takes any more breaks the way as well.
            None => strong.then(|| Fault::UnknownCa {
                issuer: missing::last_issuer(&shown.chain),
            }),
        },
    }
}

/// What is served against what a reload would serve.
fn not_reloaded(leaf: &Certificate, disk: &[OnDisk]) -> Option<Fault> {
    let on_disk: Vec<(&OnDisk, Certificate)> =
        disk.iter().filter_map(|one| Some((one, one.leaf()?))).collect();
    let served = on_disk.iter().any(|(_, other)| other.der == leaf.der);
    match on_disk.first() {
        Some((first, _)) if !served => Some(Fault::NotReloaded {
            file: first.certificate.clone(),
        }),
        _ => None,
    }
}

/// A day as people write it, in UTC.
#[must_use]
pub fn day(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| seconds.to_string(), |at| at.strftime("%Y-%m-%d").to_string())
}

/// Whole days from now until then.
#[must_use]
pub fn days_until(seconds: i64) -> i64 {
    (seconds - seconds_now()) / DAY
}
