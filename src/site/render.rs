//! NGINX's files of one app, as text. Pure but for templates of the user's own.

pub mod error;
pub mod facts;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use model::canary;
use model::color::{Color, Route};
use model::config::{Config, SwitchStrategy};
use model::layout::{Layout, NginxLayout};
use serde::Serialize;
use tera::{Context, Tera};

use crate::values::{self, Values};
pub use error::RenderError;
pub use facts::Facts;
use nginx::files::Rendered;
use nginx::syntax::{self, Directive};

/// The built-in templates. A file of the same name in `nginx.templates` wins.
const TEMPLATES: &[(&str, &str)] = &[
    (HOOK, include_str!("../../templates/nginx/hook.conf.tera")),
    (
        UPSTREAMS,
        include_str!("../../templates/nginx/upstreams.conf.tera"),
    ),
    (ROUTE, include_str!("../../templates/nginx/route.conf.tera")),
    (PROXY, include_str!("../../templates/nginx/proxy.conf.tera")),
    (PASS, include_str!("../../templates/nginx/pass.conf.tera")),
    (SITE, include_str!("../../templates/nginx/site.conf.tera")),
    (SERVER, include_str!("../../templates/nginx/server.conf.tera")),
    (COLOR, include_str!("../../templates/nginx/color.conf.tera")),
    (PAGE, include_str!("../../templates/nginx/maintenance.html.tera")),
];
const HOOK: &str = "hook.conf.tera";
const UPSTREAMS: &str = "upstreams.conf.tera";
const ROUTE: &str = "route.conf.tera";
const PROXY: &str = "proxy.conf.tera";
const PASS: &str = "pass.conf.tera";
const SITE: &str = "site.conf.tera";
const SERVER: &str = "server.conf.tera";
const COLOR: &str = "color.conf.tera";
const PAGE: &str = "maintenance.html.tera";

/// The first words of a site that `bg` wrote; without them it is its owner's.
#[must_use]
pub fn site_mark(app: &str) -> String {
    format!("# Written by bg for {app}.")
}

/// What every file begins with that `bg` wrote for NGINX to find.
const MARK: &str = "# Written by bg for ";

fn hook_mark(app: &str) -> String {
    format!("{MARK}{app};")
}

/// Whether `text`, of the file that pulls this app's files into `http`, is ours to write:
/// earlier versions left the first line to a template of the user's own.
#[must_use]
pub fn hook_is_ours(text: &str, app: &str, nginx: &NginxLayout) -> bool {
    let all = syntax::parse(&nginx.hook(), text);
    let pulls =
        |d: &Directive| d.name == "include" && d.args.iter().all(|file| Path::new(file) == nginx.upstreams());
    text.starts_with(&hook_mark(app)) || (!all.is_empty() && all.iter().all(pulls))
}

/// The app that a file was written for, by its first line.
#[must_use]
pub fn written_for(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(MARK)?;
    rest.split([';', '.']).next()
}

/// The variable that holds the folder of the live color's release, for a site's own
/// `root` and `alias`.
///
/// # Errors
/// When the app's name cannot be one of NGINX's.
pub fn root_variable(app: &str) -> Result<String, RenderError> {
    Ok(format!("${}_root", values::identifier(app)?))
}

/// The variable that is set where a previewer is answered, for a site that caches.
///
/// # Errors
/// As [`root_variable`].
pub fn past_variable(app: &str) -> Result<String, RenderError> {
    Ok(format!("${}_past", values::identifier(app)?))
}

/// The files that every site needs: proxying, route, upstreams and, last, the hook that
/// makes NGINX read them.
///
/// # Errors
/// When a value cannot be written safely, or a template of the user's own is broken.
pub fn render(
    config: &Config,
    layout: &Layout,
    nginx: &NginxLayout,
    way: SwitchStrategy,
    facts: &Facts,
) -> Result<Vec<Rendered>, RenderError> {
    let values = Values::new(config, layout, nginx, way, facts)?;
    let templates = templates(config, layout)?;
    let files = [
        (PROXY, nginx.proxy()),
        (PASS, nginx.pass()),
        (ROUTE, nginx.route()),
        (UPSTREAMS, nginx.upstreams()),
        (HOOK, nginx.hook()),
    ];
    let mut all: Vec<Rendered> = files
        .into_iter()
        .map(|(name, path)| fill(&templates, name, path, &values))
        .collect::<Result<_, _>>()?;
    let mark = hook_mark(&config.app);
    for hook in all.iter_mut().filter(|file| file.path == nginx.hook()) {
        // A template of the user's own may say nothing, and what says nothing is not ours.
        if !hook.text.starts_with(&mark) {
            hook.text = format!("{mark}\n{}", hook.text);
        }
    }
    Ok(all)
}

/// A whole site for those who have none: what its `server` holds, and the site's file, whose
/// text begins with [`site_mark`].
///
/// # Errors
/// As [`render`], and for listeners, names, paths and folders that are none.
pub fn render_site(
    config: &Config,
    layout: &Layout,
    nginx: &NginxLayout,
    way: SwitchStrategy,
    facts: &Facts,
) -> Result<[Rendered; 2], RenderError> {
    let values = Values::new(config, layout, nginx, way, facts)?;
    let site = values::Site::new(config, values, facts)?;
    let templates = templates(config, layout)?;
    Ok([
        fill(&templates, SERVER, nginx.folder().join("server.conf"), &site)?,
        fill(&templates, SITE, nginx.site(), &site)?,
    ])
}

/// What stands behind the link: the marks and settings of the four routes and the
/// maintenance page, `page` where the app brings its own. The answers with the release are
/// written at each deploy.
///
/// # Errors
/// As [`render`].
pub fn link_targets(
    config: &Config,
    layout: &Layout,
    nginx: &NginxLayout,
    page: Option<&str>,
) -> Result<Vec<Rendered>, RenderError> {
    let templates = templates(config, layout)?;
    let id = values::identifier(&config.app)?;
    let mut files = Vec::new();
    for route in Route::ALL {
        let folder = nginx.target(route);
        let setting = Setting {
            id: &id,
            color: route.color.name(),
            maintenance: u8::from(route.maintenance),
        };
        files.push(fill(&templates, COLOR, nginx.setting(route), &setting)?);
        let is_green = route.color == Color::Green;
        let previews = config.nginx.loopback_port.is_some();
        let marks = [
            (route.maintenance, "is-maintenance"),
            (route.maintenance && previews, "is-special"),
            (is_green, "is-green"),
        ];
        files.extend(
            marks
                .iter()
                .filter(|(there, _)| *there)
                .map(|(_, name)| Rendered {
                    path: folder.join(name),
                    text: String::new(),
                }),
        );
        if is_green && config.nginx.loopback_port.is_some() {
            // Whoever is looked up by a label is on green there, too.
            files.extend(canary::groups().map(|group| Rendered {
                path: folder.join(format!("green-{group}")),
                text: String::new(),
            }));
        }
    }
    let path = nginx.maintenance_page();
    files.push(match page {
        Some(page) => Rendered {
            path,
            text: page.to_owned(),
        },
        None => fill(&templates, PAGE, path, &AppOnly { app: &config.app })?,
    });
    Ok(files)
}

#[derive(Serialize)]
struct Setting<'a> {
    id: &'a str,
    color: &'static str,
    maintenance: u8,
}

#[derive(Serialize)]
struct AppOnly<'a> {
    app: &'a str,
}

fn fill(
    templates: &Tera,
    name: &'static str,
    path: PathBuf,
    values: &impl Serialize,
) -> Result<Rendered, RenderError> {
    let text = Context::from_serialize(values)
        .and_then(|context| templates.render(name, &context))
        .map_err(|source| RenderError::Template { name, source })?;
    Ok(Rendered { path, text })
}

/// All templates, the user's own in place of the built-in ones.
fn templates(config: &Config, layout: &Layout) -> Result<Tera, RenderError> {
    let mut tera = Tera::default();
    tera.autoescape_on([".conf.tera"]);
    tera.set_escape_fn(escape);
    let own = config.nginx.templates.as_ref().map(|own| layout.root().join(own));
    if let Some(folder) = own.as_ref().filter(|folder| !folder.is_dir()) {
        return Err(RenderError::TemplateFile {
            path: folder.clone(),
            source: io::ErrorKind::NotADirectory.into(),
        });
    }
    for (name, built_in) in TEMPLATES {
        let replaced = own
            .as_deref()
            .map_or(Ok(None), |folder| read_own(&folder.join(name)))?;
        tera.add_raw_template(name, replaced.as_deref().unwrap_or(built_in))
            .map_err(|source| RenderError::Template { name, source })?;
    }
    Ok(tera)
}

fn read_own(path: &Path) -> Result<Option<String>, RenderError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RenderError::TemplateFile {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Writes a value between the double quotes of an NGINX word. NGINX has no escape for
/// `$`, and a line end would leave a comment: both are refused.
fn escape(value: &str, out: &mut dyn Write) -> io::Result<()> {
    if let Some(bad) = value.chars().find(|c| *c == '$' || c.is_control()) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{bad:?} cannot be written in NGINX"),
        ));
    }
    for piece in value.split_inclusive(['"', '\\']) {
        match piece.char_indices().next_back() {
            Some((at, last @ ('"' | '\\'))) => write!(out, "{}\\{last}", piece.get(..at).unwrap_or(""))?,
            _ => out.write_all(piece.as_bytes())?,
        }
    }
    Ok(())
}
