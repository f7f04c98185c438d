//! The certificate that a server should have sent: a chain with a gap and one by an authority
//! that nobody knows look alike until the gap is closed on trial.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::header::HeaderMap;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::net::lookup_host;

use crate::http::Client;
use crate::tls::{Certificate, IssuerSource, Missing, OnDisk, Roots, Shown};

/// For fetching one certificate of 1 to 2 kB from its authority.
const FETCH: Duration = Duration::from_secs(3);

/// The longest chains of public authorities have three certificates between leaf and root.
const MOST: usize = 3;

/// Looks for what is missing, in files first.
pub(super) async fn look(
    shown: &Shown,
    leaf: &Certificate,
    disk: &[OnDisk],
    roots: &Roots,
    at: i64,
) -> Option<Missing> {
    let sent = shown.chain.get(1..).unwrap_or_default();
    let own = disk
        .iter()
        .find(|one| one.chain.first() == Some(&leaf.der))
        .or(disk.first());
    let trusts = |more: &[CertificateDer<'static>]| {
        let all = [sent, more].concat();
        roots.trust(&leaf.der, &all, at).is_ok()
    };
    let missing = |place, from: &[CertificateDer<'static>]| {
        let subject = from
            .iter()
            .filter_map(Certificate::read)
            .find(|one| one.subject == last_issuer(&shown.chain));
        Some(Missing {
            subject: subject.map_or_else(|| leaf.issuer.clone(), |one| one.subject),
            served: own.map(|own| own.certificate.clone()),
            at: place,
        })
    };
    for (file, certificates) in own.iter().flat_map(|own| own.files()) {
        let is_whole = certificates.first() == Some(&leaf.der) && certificates.len() > 1;
        if is_whole && trusts(certificates) {
            return missing(IssuerSource::Whole(file.clone()), certificates);
        }
    }
    for (file, certificates) in own.iter().flat_map(|own| own.files()) {
        if trusts(certificates) {
            return missing(IssuerSource::Rest(file.clone()), certificates);
        }
    }
    let (url, fetched) = fetch(shown).await?;
    trusts(&fetched).then(|| missing(IssuerSource::Url(url), &fetched))?
}

/// Who signed the last certificate of the way that was sent.
pub(super) fn last_issuer(chain: &[CertificateDer<'static>]) -> String {
    let all: Vec<Certificate> = chain.iter().filter_map(Certificate::read).collect();
    let mut issuer = all.first().map_or(String::new(), |leaf| leaf.issuer.clone());
    for _ in 0..all.len() {
        let next = all.iter().find(|one| one.subject == issuer && !one.signs_itself);
        match next {
            Some(next) => issuer = next.issuer.clone(),
            None => break,
        }
    }
    issuer
}

/// Follows the addresses that the certificates themselves name, from the last one on.
async fn fetch(shown: &Shown) -> Option<(String, Vec<CertificateDer<'static>>)> {
    let mut from = shown.chain.last().and_then(Certificate::read)?;
    let mut first = None;
    let mut fetched = Vec::new();
    while let Some(url) = from.issuer_at.first().filter(|_| fetched.len() < MOST) {
        let Some(found) = fetch_one(url).await else { break };
        first.get_or_insert_with(|| url.clone());
        from = Certificate::read(&found)?;
        fetched.push(found);
        if from.signs_itself {
            break;
        }
    }
    Some((first?, fetched))
}

/// By plain HTTP, as these addresses are: what comes is believed only for its signature.
async fn fetch_one(url: &str) -> Option<CertificateDer<'static>> {
    let url = reqwest::Url::parse(url)
        .ok()
        .filter(|url| url.scheme() == "http")?;
    let host = url.host_str()?.to_owned();
    let port = url.port_or_known_default()?;
    let name = host.trim_matches(['[', ']']).to_owned();
    let found = tokio::time::timeout(FETCH, lookup_host((name, port)))
        .await
        .ok()?;
    let address: SocketAddr = found.ok()?.next()?;
    let with_port = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host,
    };
    let client = Client::new(address, &with_port, false).ok()?;
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = format!("{}{query}", url.path());
    let answer = client.ask("GET", &path, HeaderMap::new(), FETCH).await.ok()?;
    let body = (answer.status == 200).then_some(answer.body)?;
    let pem = CertificateDer::from_pem_slice(&body).ok();
    let certificate = pem.unwrap_or_else(|| CertificateDer::from(body));
    Certificate::read(&certificate).map(|read| read.der)
}
