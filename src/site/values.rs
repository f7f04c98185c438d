//! What the templates may say, checked before it reaches them.

use std::path::{Component, Path};

use model::canary::{self, LABELS, label};
use model::config::hashed::Hashed;
use model::config::{Config, Ports, StaticFiles, SwitchStrategy};
use model::layout::{Layout, NginxLayout};
use model::listen::Listener;
use serde::Serialize;

use crate::render::error::RenderError;
use crate::render::facts::Facts;
use nginx::names::Known;

/// NGINX's hash of variables takes names of 46 bytes without further settings:
/// 46 - `bg_` - `_maintenance`.
const LONGEST_APP: usize = 31;

/// What route, proxying, upstreams and hook are made of.
#[derive(Serialize)]
pub(super) struct Values {
    app: String,
    /// `bg_` and the app's name with `_` for `-`, which no name contains.
    id: String,
    ports: Ports,
    /// The app's root.
    root: String,
    /// The folder of our rendered files.
    folder: String,
    /// The folder of the live link.
    link: String,
    /// The live way; otherwise the reload way.
    live: bool,
    realip: bool,
    /// Whether the route is told to whoever knows the secret alone.
    secret: bool,
    /// Whether files named by their content are kept.
    assets: bool,
    /// In milliseconds, as NGINX writes them.
    proxy_timeout: String,
    paths: Vec<String>,
    /// The servers of NGINX's own behind a preview; none where there are no previews.
    previews: Vec<Inner>,
    loopback_port: Option<u16>,
    /// Where what is watched is written down.
    facts: String,
    /// Paths that no request is asked twice for.
    net_except: Vec<String>,
    /// Those of a canary's visitors.
    labels: Vec<String>,
    /// The groups of visitors that are watched.
    watched: Vec<String>,
    /// The app's cookie that tells them apart.
    canary_cookie: Option<String>,
    /// Where a previewer begins.
    landing: String,
    own_name: String,
    known_names: Vec<String>,
    plain_names: Vec<String>,
    /// The listeners on which unknown names are refused.
    refusing: Vec<String>,
    /// Whether one of them speaks TLS.
    rejecting: bool,
}

/// A server of NGINX's own, on a loopback address of its own.
#[derive(Serialize)]
struct Inner {
    address: &'static str,
    /// The color that it shows, without one that the preview is over.
    color: Option<&'static str>,
    /// Whether visitors come through it, while a release is watched.
    is_watched: bool,
}

impl Inner {
    const fn new(address: &'static str, color: Option<&'static str>, is_watched: bool) -> Inner {
        Inner {
            address,
            color,
            is_watched,
        }
    }
}

/// The addresses are those of the upstreams in `upstreams.conf.tera`.
const INNER: [Inner; 5] = [
    Inner::new("127.0.0.1", None, false),
    Inner::new("127.0.0.2", Some("blue"), false),
    Inner::new("127.0.0.3", Some("green"), false),
    Inner::new("127.0.0.4", Some("blue"), true),
    Inner::new("127.0.0.5", Some("green"), true),
];

/// What a site is made of.
#[derive(Serialize)]
pub(super) struct Site {
    #[serde(flatten)]
    values: Values,
    listen: Vec<String>,
    /// Listeners whose visitors are sent to the encrypted one, and its port where it is not 443.
    redirecting: Vec<String>,
    tls_port: String,
    /// Whether `http2 on` is written; otherwise it stands in `listen`.
    http2: bool,
    server_names: Vec<String>,
    tls: Option<Tls>,
    max_body_size: String,
    statics: Vec<Static>,
}

#[derive(Serialize)]
struct Tls {
    certificate: String,
    key: String,
}

#[derive(Serialize)]
struct Static {
    url: String,
    folder: String,
    /// How a name that carries a hash looks, as a regular expression.
    hashed: Option<String>,
    /// Whether the whole folder is shared by all releases.
    is_shared: bool,
    /// What in it is shared by all releases.
    shared: Vec<Shared>,
}

/// A file or folder that all releases share.
#[derive(Serialize)]
struct Shared {
    /// Below the URL of the static files.
    url: String,
    /// Below the folder of what is shared.
    path: String,
}

impl Values {
    pub(super) fn new(
        config: &Config,
        layout: &Layout,
        nginx: &NginxLayout,
        way: SwitchStrategy,
        facts: &Facts,
    ) -> Result<Values, RenderError> {
        let nginx_names = &config.nginx.server_names;
        let names = Known::of(nginx_names.iter().chain(&facts.names).map(String::as_str));
        Ok(Values {
            id: identifier(&config.app)?,
            app: config.app.clone(),
            ports: config.process.ports,
            root: absolute("root", layout.root())?,
            folder: included("the folder of NGINX's files", &nginx.folder())?,
            link: included("the folder of the live link", nginx.link_folder())?,
            live: match way {
                SwitchStrategy::Live => true,
                SwitchStrategy::Reload => false,
                SwitchStrategy::Auto => return Err(RenderError::Undecided),
            },
            realip: facts.realip,
            secret: facts.secret,
            paths: config
                .nginx
                .paths
                .iter()
                .map(|path| url("nginx.paths", path))
                .collect::<Result<_, _>>()?,
            previews: match config.nginx.loopback_port {
                Some(_) => Vec::from(INNER),
                None => Vec::new(),
            },
            loopback_port: config.nginx.loopback_port,
            facts: included("the folder of what is watched", &nginx.facts())?,
            net_except: config
                .bake
                .net_except
                .iter()
                .map(|path| url("bake.net_except", path.trim_end_matches('/')))
                .collect::<Result<_, _>>()?,
            labels: (0..LABELS).map(label).collect(),
            watched: canary::watched(config.bake.share),
            canary_cookie: config.canary.cookie.clone(),
            landing: landing(&config.nginx.paths)?,
            own_name: names.own,
            known_names: names.all,
            plain_names: names.plain,
            refusing: facts.refusing.clone(),
            rejecting: facts.refusing.iter().any(|words| is_encrypted(words)),
            assets: config
                .nginx
                .static_files
                .iter()
                .any(|files| !files.hashed.is_no()),
            proxy_timeout: format!("{}ms", config.nginx.proxy_timeout.0.as_millis()),
        })
    }
}

impl Site {
    pub(super) fn new(config: &Config, values: Values, facts: &Facts) -> Result<Site, RenderError> {
        let nginx = &config.nginx;
        let listeners = nginx
            .listen
            .iter()
            .map(|text| {
                Listener::parse(text).map_err(|source| RenderError::Listen {
                    text: text.clone(),
                    source,
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let tls = match &nginx.tls {
            Some(tls) => Some(Tls {
                certificate: absolute("nginx.tls.certificate", &tls.certificate)?,
                key: absolute("nginx.tls.key", &tls.key)?,
            }),
            None => None,
        };
        if let (None, Some(listener)) = (&tls, listeners.iter().find(|listener| listener.tls)) {
            return Err(RenderError::NoCertificate {
                listen: listener.text.clone(),
            });
        }
        let (redirecting, listen): (Vec<Listener>, Vec<Listener>) = listeners
            .into_iter()
            .partition(|listener| nginx.redirect_to_https && !listener.tls);
        let tls_port = listen.iter().find(|listener| listener.tls);
        let tls_port = tls_port.map(|listener| listener.address.port());
        let with_http2 = |listener: Listener| match nginx.http2 && !facts.http2_directive {
            true if listener.tls && !listener.http2 && !listener.http3 => listener.text + " http2",
            _ => listener.text,
        };
        Ok(Site {
            values,
            listen: listen.into_iter().map(with_http2).collect(),
            redirecting: redirecting.into_iter().map(|listener| listener.text).collect(),
            tls_port: tls_port
                .filter(|port| *port != 443)
                .map_or_else(String::new, |port| format!(":{port}")),
            http2: nginx.http2 && facts.http2_directive,
            server_names: words("nginx.server_names", &nginx.server_names)?,
            tls,
            max_body_size: size(&nginx.max_body_size)?,
            statics: nginx
                .static_files
                .iter()
                .map(|files| statics(config, files))
                .collect::<Result<_, RenderError>>()?,
        })
    }
}

fn is_encrypted(listen: &str) -> bool {
    let mut words = listen.split_whitespace().skip(1);
    words.any(|word| word == "ssl" || word == "quic")
}

fn statics(config: &Config, files: &StaticFiles) -> Result<Static, RenderError> {
    let folder = inside("nginx.static.folder", &files.folder)?;
    let prefix = with_slash(url("nginx.static.url", &files.url)?);
    let mut is_shared = false;
    let mut shared: Vec<Shared> = Vec::new();
    for path in &config.shared {
        let path = inside("shared", path)?;
        is_shared |= Path::new(&folder).starts_with(&path);
        let Ok(below) = Path::new(&path).strip_prefix(&folder) else {
            continue;
        };
        let below = below.to_string_lossy().into_owned();
        // Two locations with one name are refused by NGINX, and the one that is written wins.
        let at = format!("{prefix}{below}");
        let mut written = config.nginx.static_files.iter().map(|files| &files.url);
        let is_taken = written.any(|url| url.trim_end_matches('/') == at)
            || config
                .nginx
                .paths
                .iter()
                .any(|path| path.trim_end_matches('/') == at)
            || shared.iter().any(|known| known.path == path);
        // What begins with a dot is never served.
        if !below.is_empty() && !is_taken && !below.split('/').any(|name| name.starts_with('.')) {
            shared.push(Shared { url: below, path });
        }
    }
    Ok(Static {
        url: prefix,
        hashed: form(&files.hashed)?,
        shared: if is_shared { Vec::new() } else { shared },
        folder,
        is_shared,
    })
}

/// `bg_shop_api` for `shop-api`. No two apps share one, and since our own words behind it
/// have no `_`, no two variables either.
pub(super) fn identifier(app: &str) -> Result<String, RenderError> {
    let first = app.chars().next().is_some_and(|c| c.is_ascii_lowercase());
    let rest = app
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !first || !rest {
        return Err(refused(
            "app",
            app,
            "expected lower-case letters, digits and dashes",
        ));
    }
    if app.len() > LONGEST_APP {
        return Err(refused(
            "app",
            app,
            "NGINX's variables take names of up to 31 letters",
        ));
    }
    Ok(format!("bg_{}", app.replace('-', "_")))
}

fn refused(what: &'static str, value: &str, why: &'static str) -> RenderError {
    RenderError::Value {
        what,
        value: value.to_owned(),
        why,
    }
}

/// Text that means the same inside NGINX's double quotes, once escaped.
fn plain(what: &'static str, text: &str) -> Result<String, RenderError> {
    if text.contains('$') {
        Err(refused(
            what,
            text,
            "NGINX has no way to write a `$` that is no variable",
        ))
    } else if text.chars().any(char::is_control) {
        Err(refused(
            what,
            text,
            "it holds a line end or another control character",
        ))
    } else {
        Ok(text.to_owned())
    }
}

fn absolute(what: &'static str, path: &Path) -> Result<String, RenderError> {
    let text = path.to_string_lossy();
    match path.to_str() {
        None => Err(refused(what, &text, "it is not UTF-8")),
        Some(_) if !path.is_absolute() => Err(refused(what, &text, "expected an absolute path")),
        Some(text) => plain(what, text),
    }
}

/// A path that `include` reads: it would take these characters for a pattern, and a
/// pattern that matches nothing is silently nothing.
fn included(what: &'static str, path: &Path) -> Result<String, RenderError> {
    let text = absolute(what, path)?;
    if text.contains(['*', '?', '[']) {
        return Err(refused(
            what,
            &text,
            "`include` would read `*`, `?` or `[` as a pattern",
        ));
    }
    Ok(text)
}

fn url(what: &'static str, path: &str) -> Result<String, RenderError> {
    if !path.starts_with('/') {
        return Err(refused(what, path, "expected a path that begins with `/`"));
    }
    plain(what, path)
}

/// Without the slash at the end, `/static../` would step out of the folder.
fn with_slash(url: String) -> String {
    if url.ends_with('/') { url } else { url + "/" }
}

/// The start page, or the first path that reaches the app at all.
fn landing(paths: &[String]) -> Result<String, RenderError> {
    let first = paths.first().filter(|_| !paths.iter().any(|path| path == "/"));
    url("nginx.paths", first.map_or("/", String::as_str))
}

/// A folder below the release, never the release itself.
fn inside(what: &'static str, folder: &Path) -> Result<String, RenderError> {
    let text = folder.to_string_lossy();
    let names: Option<Vec<&str>> = folder
        .components()
        .filter(|part| *part != Component::CurDir)
        .map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    match names {
        Some(names) if !names.is_empty() => plain(what, &names.join("/")),
        _ => Err(refused(
            what,
            &text,
            "expected a folder inside the repository, never its root",
        )),
    }
}

fn form(hashed: &Hashed) -> Result<Option<String>, RenderError> {
    if let Hashed::Like(form) = hashed {
        plain("nginx.static.hashed", form)?;
    }
    Ok(hashed.expression())
}

fn words(what: &'static str, all: &[String]) -> Result<Vec<String>, RenderError> {
    if all.is_empty() {
        return Err(refused(what, "", "expected at least one name"));
    }
    all.iter()
        .map(|name| match name.chars().any(char::is_whitespace) {
            true => Err(refused(what, name, "a name holds no space")),
            false => plain(what, name),
        })
        .collect()
}

fn size(text: &str) -> Result<String, RenderError> {
    let digits = text.trim_end_matches(['k', 'K', 'm', 'M', 'g', 'G']);
    let unit = text.len() - digits.len();
    if digits.is_empty() || unit > 1 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(refused("nginx.max_body_size", text, "expected a size as `10m`"));
    }
    Ok(text.to_owned())
}
