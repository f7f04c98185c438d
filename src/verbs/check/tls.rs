//! The certificates of the site, as clients see them and as they lie on the disk.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use engine::app::App;
use model::listen::Listener;
use nginx::dump::Server;
use nginx::names;
use web::tls::{self, Fault, IssuerSource, Missing, OnDisk, Roots, Shown, Verdict};

use super::super::setup::facts::{self, HostFacts};
use super::finding::{Level, Report};

/// A handshake on the same machine takes milliseconds.
const DEADLINE: Duration = Duration::from_secs(5);

/// A server of the site that speaks TLS.
#[derive(Debug)]
pub(super) struct Site {
    /// Each with whether the PROXY protocol is spoken there.
    addresses: Vec<(SocketAddr, bool)>,
    names: Vec<String>,
    disk: Vec<OnDisk>,
}

/// What NGINX's configuration names for this site, read now: keys are root's, and whoever looks
/// at the site later may not be root any more.
pub(super) fn read(app: &App, facts: &HostFacts) -> Vec<Site> {
    let servers = facts::site(&app.config, &app.nginx_files, &facts.dump);
    servers.iter().filter_map(site).collect()
}

fn site(server: &Server) -> Option<Site> {
    let listeners = server.listens.iter();
    let listeners = listeners.filter_map(|words| words.join(" ").parse::<Listener>().ok());
    // HTTP/3 shows the same certificate on the TCP port beside it.
    let addresses: Vec<(SocketAddr, bool)> = listeners
        .filter(|listener| listener.tls && !listener.http3)
        .map(|listener| (listener.address, listener.proxy_protocol))
        .collect();
    let names = names(&server.names);
    (!addresses.is_empty()).then(|| Site {
        disk: server
            .certificates
            .iter()
            .map(|(certificate, key)| tls::read(certificate, key))
            .collect(),
        addresses,
        names,
    })
}

/// The names that clients can ask for: of a pattern one that it fits.
pub(super) fn names(all: &[String]) -> Vec<String> {
    let is_told = |name: &&String| !name.starts_with('~') && !name.ends_with(".*");
    let one = |name: &String| names::examples(name).into_iter().next();
    all.iter().filter(is_told).filter_map(one).collect()
}

pub(super) async fn look(report: &mut Report, sites: &[Site]) {
    if sites.is_empty() {
        report.fine("tls", "no listener of the site speaks TLS");
        return;
    }
    let roots = Roots::of_this_host();
    if roots.is_empty() {
        report.warn(
            "tls",
            "this host knows no certificate authority, so it cannot be said whether clients trust the site",
            "apt install ca-certificates",
        );
    }
    for site in sites {
        on_disk(report, site);
        let mut seen = BTreeSet::new();
        for name in &site.names {
            for address in &site.addresses {
                one(report, site, *address, name, &roots, &mut seen).await;
            }
        }
    }
}

fn on_disk(report: &mut Report, site: &Site) {
    for disk in &site.disk {
        if let Some(fault) = &disk.fault {
            report.wrong("tls", fault.to_string(), &fix(fault, &disk.certificate));
        }
    }
}

/// What several listeners show in the same way is told once.
async fn one(
    report: &mut Report,
    site: &Site,
    (address, proxy_protocol): (SocketAddr, bool),
    name: &str,
    roots: &Roots,
    seen: &mut BTreeSet<(String, Vec<Vec<u8>>)>,
) {
    let shown = match tls::presented(address, proxy_protocol, name, DEADLINE).await {
        Ok(shown) => shown,
        Err(error) => {
            report.wrong(
                "tls",
                format!("https://{address} ({name}): {error}"),
                "`nginx -t`, and NGINX's error log",
            );
            return;
        }
    };
    let chain = shown.chain.iter().map(|one| one.to_vec()).collect();
    if seen.insert((name.to_owned(), chain)) {
        let verdict = tls::judge(&shown, &site.disk, roots).await;
        tell(report, site, &shown, &verdict);
    }
}

fn tell(report: &mut Report, site: &Site, shown: &Shown, verdict: &Verdict) {
    let place = format!("https://{} ({})", shown.address, shown.name);
    if let (Some(leaf), []) = (&verdict.leaf, verdict.faults.as_slice()) {
        let days = tls::days_until(leaf.until);
        let until = tls::day(leaf.until);
        let found = format!(
            "{place}: valid until {until}, {days} days, signed by {}",
            leaf.issuer
        );
        report.fine("tls", found);
    }
    let file = served_file(site, verdict);
    for fault in &verdict.faults {
        let found = format!("{place}: {fault}");
        report.add(level(fault), "tls", found, Some(fix(fault, &file)));
    }
}

fn served_file(site: &Site, verdict: &Verdict) -> PathBuf {
    let is_it = |one: &&OnDisk| one.leaf() == verdict.leaf;
    let found = site.disk.iter().find(is_it).or(site.disk.first());
    found.map_or_else(|| "its certificate".into(), |one| one.certificate.clone())
}

fn level(fault: &Fault) -> Level {
    match fault {
        Fault::Soon { .. } | Fault::NotReloaded { .. } => Level::Warning,
        _ => Level::Error,
    }
}

fn fix(fault: &Fault, file: &std::path::Path) -> String {
    let file = file.display();
    match fault {
        Fault::Unreadable => format!("look at `{file}`: `openssl x509 -in {file} -noout -text`"),
        Fault::Expired { renewed: Some(on_disk), .. } => {
            format!("`nginx -s reload`: `{}` holds a newer one", on_disk.display())
        }
        Fault::Expired { .. } => "`certbot renew`, or a new certificate from whoever made it; then `nginx -s reload`".to_owned(),
        Fault::NotYetValid { .. } => "`timedatectl` shows whether the clock is right; if it is, wait, or reissue the certificate".to_owned(),
        Fault::Soon { .. } => {
            "`certbot renew --dry-run` says why it was not renewed; `systemctl list-timers` whether anything tries".to_owned()
        }
        Fault::ChainExpired { .. } => {
            format!("fetch the authority's present intermediate and put it into `{file}` in place of the old one; then `nginx -s reload`")
        }
        Fault::SelfSigned => {
            "`certbot --nginx` gets one that clients trust; one that stays private belongs into the trust store of each client".to_owned()
        }
        Fault::Incomplete(missing) => complete(missing, &file.to_string()),
        Fault::UnknownCa { issuer } => {
            format!("clients need `{issuer}` in their trust store; or, if it is only an intermediate, append its certificate to `{file}`; or `certbot --nginx`")
        }
        Fault::Purpose => "reissue it for servers: `extendedKeyUsage = serverAuth`".to_owned(),
        Fault::OtherName { wanted, .. } => {
            format!("reissue it with `{wanted}` among its names: `certbot --nginx -d {wanted}`; or remove the name from `server_name`")
        }
        Fault::Weak { .. } => "reissue it with an RSA key of 2048 bits or more, or ECDSA, signed with SHA-256".to_owned(),
        Fault::NotReloaded { .. } => "`nginx -s reload`; and let it be done after each renewal: `certbot renew --deploy-hook \"nginx -s reload\"`".to_owned(),
        Fault::OtherKey { key, .. } => {
            format!("`ssl_certificate_key` must name the key that `{file}` was made with; `{}` belongs to another", key.display())
        }
        Fault::NoFile { .. } => format!("put the certificate back as `{file}`; NGINX serves the old one until its next start or reload"),
    }
}

/// How the missing certificate gets to the clients.
fn complete(missing: &Missing, file: &str) -> String {
    match &missing.at {
        IssuerSource::Whole(whole) if missing.served.as_ref() == Some(whole) => {
            format!("`nginx -s reload`: `{}` is whole by now", whole.display())
        }
        IssuerSource::Whole(whole) => format!(
            "serve `{0}` instead of `{file}`: `ssl_certificate {0};`, then `nginx -s reload`",
            whole.display()
        ),
        IssuerSource::Rest(rest) => format!(
            "`cat {file} {} > {1}`, then `ssl_certificate {1};` and `nginx -s reload`",
            rest.display(),
            beside(file)
        ),
        IssuerSource::Url(url) => format!(
            "`curl -sS {url} | openssl x509 -inform DER | cat {file} - > {0}`, then `ssl_certificate {0};` and `nginx -s reload`",
            beside(file)
        ),
    }
}

fn beside(file: &str) -> String {
    PathBuf::from(file)
        .with_file_name("fullchain.pem")
        .display()
        .to_string()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_pattern_is_asked_for_by_a_name_that_it_fits() {
        let table = [
            ("Shop.example", Some("shop.example")),
            ("*.shop.example", Some("www.shop.example")),
            (".shop.example", Some("shop.example")),
            ("_", None),
            ("", None),
            ("~^shop", None),
            ("shop.*", None),
        ];
        for (written, expected) in table {
            let expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(super::names(&[written.to_owned()]), expected, "{written}");
        }
        assert_eq!(table.len(), 7);
    }
}
