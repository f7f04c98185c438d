//! `bg setup`: folders, registry, link and NGINX files; shown first, applied with a reload
//! whose effect is seen, put back when it is not. A second time there is nothing to change.

pub mod facts;
pub(super) mod facts_file;
mod link;
pub mod names;
pub(super) mod nginx;
pub(super) mod owner;
pub(super) mod places;
pub mod programs;
pub mod secret;
mod wanted;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::nginx::files::Kind;
use ::nginx::written::Written;
use engine::app::App;
use engine::{preview, process_list, slot, traffic};
use model::color::Color;
use model::config::Config;
use model::event::{Event, Note, Sink, Warning};
use model::failure::{Failure, Kind as FailureKind};
use serde::{Deserialize, Serialize};
use site::{endpoint, render};
use state::registry::Registry;
use sys::lock::{self, Holder, Lock};
use sys::store;

use self::facts::HostFacts;
pub(super) use self::wanted::{is_applied, wanted};
use crate::text::{self, Show, notices};

/// How long a running command is waited for before the host is changed under it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask {
    /// Change nothing.
    pub plan: bool,
    /// Replace what others changed in a file that `bg` wrote.
    pub overwrite: bool,
}

/// What setup found and did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SetUp {
    /// What was changed, or would be.
    pub changes: Vec<String>,
    /// The differences in full.
    pub diffs: Vec<String>,
    /// Whether they were made.
    pub done: bool,
    /// Which way traffic moves, and why.
    pub switch: String,
    /// What the site's owner has to add to a site that is not ours.
    pub snippet: Option<String>,
}

impl Show for SetUp {
    fn show(&self) -> String {
        if self.changes.is_empty() {
            return "nothing to change\n".to_owned();
        }
        let mut text = String::new();
        if self.done {
            for line in &self.changes {
                writeln!(text, "  {}", text::past(line)).ok();
            }
            writeln!(text, "switches use the {}", way(&self.switch)).ok();
            return text + "ready: `bg deploy`\n";
        }
        for diff in &self.diffs {
            text.push_str(diff);
        }
        for line in &self.changes {
            writeln!(text, "  would {line}").ok();
        }
        writeln!(text, "switches would use the {}", way(&self.switch)).ok();
        if let Some(snippet) = &self.snippet {
            writeln!(text, "the site is yours; it needs:\n{snippet}").ok();
        }
        text + "nothing was changed; `bg setup` does it\n"
    }
}

fn way(switch: &str) -> String {
    match switch.split_once(": ") {
        Some((way, why)) => format!("`{way}` strategy: {why}"),
        None => switch.to_owned(),
    }
}

/// Prepares the host for the app of `config`.
///
/// # Errors
/// When something on the host stands against it; then nothing is changed, or everything
/// put back.
pub async fn setup(config: Config, ask: Ask, sink: &dyn Sink) -> Result<SetUp, Failure> {
    let registry = Registry::of_this_user();
    if !ask.plan {
        owner::close_our_own(&config, &registry)?;
    }
    let facts = facts::gather(&config, &registry).await?;
    names::are_free(&config, &facts)?;
    names::loopback_port_is_free(&config, &facts)?;
    let app = App::with(facts.entry.clone(), config).map_err(|error| {
        Failure::new(FailureKind::Config, "the configuration cannot be used").because(error)
    })?;
    {
        let _rights = owner::rights(&facts)?;
        live_port_stays(&app)?;
    }
    let mut wanted = wanted(&app, &facts)?;
    let mut changes = wanted.describe(&app);
    if nginx::needs_reload(&app, &facts, &wanted.nginx) {
        let cost = nginx::cost(&facts).map_or_else(String::new, |why| {
            format!(" ({})", notices::warning(&Warning::ReloadCosts(why)))
        });
        changes.push(format!("reload NGINX{cost}"));
    }
    let mut set_up = SetUp {
        changes,
        diffs: wanted
            .nginx
            .iter()
            .filter(|change| change.kind != Kind::Same)
            .map(|change| change.diff.clone())
            .collect(),
        done: false,
        switch: format!(
            "{}: {}",
            format!("{:?}", app.entry.switch).to_lowercase(),
            app.entry.switch_reason
        ),
        snippet: (!facts.site_is_ours).then(|| snippet(&app)),
    };
    if ask.plan {
        return Ok(set_up);
    }
    wanted.replaces_nothing_of_others(&app, ask.overwrite)?;
    for change in std::mem::take(&mut wanted.left) {
        if ask.overwrite {
            wanted.nginx.retain(|same| same.path != change.path);
            wanted.nginx.push(change);
            continue;
        }
        sink.emit(Event::Noted(Note::EditsKept { path: change.path }));
    }
    lay_out(&app, &facts)?;
    let _lock = lock(&app, &facts).await?;
    {
        // A step may have been taken meanwhile.
        let _rights = owner::rights(&facts)?;
        live_port_stays(&app)?;
    }
    if app.reloads() || app.config.nginx.loopback_port.is_none() {
        // NGINX will look for none, and whoever has a cookie is a visitor again.
        let _rights = owner::rights(&facts)?;
        preview::forget_all(&app)
            .map_err(|error| Failure::failed("the previews cannot be ended").because(error))?;
    }
    for color in Color::BOTH {
        if let Some(foreign) = slot::foreign(&app, color).await {
            sink.emit(Event::Warned(Warning::PortTaken(foreign)));
        }
    }
    wanted.programs.permit(&app).await?;
    let written: Vec<(PathBuf, Vec<u8>)> = wanted
        .nginx
        .iter()
        .map(|change| (change.path.clone(), change.after().to_vec()))
        .collect();
    nginx::change_over(&app, &facts, wanted.nginx, &wanted.targets, sink).await?;
    Written::of(&app.nginx_files).keep(&written).map_err(|error| {
        Failure::failed("cannot record what was written into NGINX's files").because(error)
    })?;
    link::forget_former_answers(&app, &facts)?;
    close_locks(&app, &facts)?;
    register(&app, &facts, &registry)?;
    wanted.programs.place(&app)?;
    reached(&app, &set_up).await?;
    set_up.done = true;
    Ok(set_up)
}

/// What serves visitors goes on listening where it does: NGINX may not look for it elsewhere.
fn live_port_stays(app: &App) -> Result<(), Failure> {
    let Ok(route) = app.link.read() else {
        return Ok(());
    };
    if app.reloads() || app.config.nginx.loopback_port.is_none() {
        slot::is_none_in_use(app, route)?;
    }
    let moves = |color: &Color| slot::port_of_old(app, *color) != app.config.process.ports.of(*color);
    let (color, other) = (route.color, route.color.other());
    if moves(&other) {
        slot::is_none_in_use(app, route)?;
    }
    if !moves(&color) {
        return Ok(());
    }
    let (listens, asked) = (slot::port_of_old(app, color), app.config.process.ports.of(color));
    Err(Failure::new(
        FailureKind::Config,
        format!("{color} is live on port {listens}, and `process.ports.{color}` in bg.toml says {asked}: no request would reach it"),
    )
    .hint(format!(
        "leave {color} its port, change that of {other}, `bg setup` and `bg deploy`: then {other} is live, and {color}'s can change"
    ))
    .with_traffic(traffic::unchanged(app)))
}

pub(super) fn lay_out(app: &App, facts: &HostFacts) -> Result<(), Failure> {
    owner::own_root(app, facts)?;
    {
        let _rights = owner::rights(facts)?;
        store::lay_out(&app.layout).map_err(|error| {
            Failure::failed(format!("`{}` cannot be laid out", app.layout.root().display())).because(error)
        })?;
    }
    owner::close_releases(app, facts)
}

pub(super) async fn lock(app: &App, facts: &HostFacts) -> Result<Lock, Failure> {
    let _rights = owner::rights(facts)?;
    Lock::wait(&app.layout.lock(), &Holder::this("setup"), PATIENCE, |_| ())
        .await
        .map_err(|error| {
            Failure::new(FailureKind::Locked, "another command is running")
                .because(error)
                .with_traffic(traffic::unchanged(app))
        })
}

/// Those that an earlier version left open to everybody.
fn close_locks(app: &App, facts: &HostFacts) -> Result<(), Failure> {
    lock::close(&app.nginx_files.reload_lock());
    let _rights = owner::rights(facts)?;
    process_list::locks(app).iter().for_each(|path| lock::close(path));
    Ok(())
}

pub(super) fn register(app: &App, facts: &HostFacts, registry: &Registry) -> Result<(), Failure> {
    let config = toml::to_string(&app.config)
        .map_err(|error| Failure::failed("cannot store the applied configuration").because(error))?;
    if !is_applied(app) {
        let _rights = owner::rights(facts)?;
        write(app.layout.config(), &config, Config::MODE)?;
    }
    let entry = toml::to_string(&app.entry)
        .map_err(|error| Failure::failed("cannot write the registry entry").because(error))?;
    write(registry.path(app.name()), &entry, 0o644)
}

fn write(path: PathBuf, text: &str, mode: u32) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(&path);
    let made = store::make_all(folder).map_err(store::FileError::at("make", folder));
    made.and_then(|()| store::write_whole(&path, text.as_bytes(), mode))
        .map_err(|error| Failure::failed(format!("`{}` cannot be written", path.display())).because(error))
}

/// NGINX must answer on every listener, or nothing later could be proven.
async fn reached(app: &App, set_up: &SetUp) -> Result<(), Failure> {
    let error = match endpoint::live_answers(&app.endpoints, app.name()).await {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    let redirects = matches!(error, endpoint::EndpointError::Redirected { .. });
    let failure = Failure::failed("NGINX does not answer for this app yet").because(error);
    let failure = match redirects {
        true => failure.hint(
            "if this listener only redirects to HTTPS: `redirect_to_https = true` in `[nginx]`, with `443 ssl` in `listen`",
        ),
        false => failure,
    };
    Err(match &set_up.snippet {
        Some(snippet) => failure.showing(snippet.lines().map(str::to_owned)).hint(format!(
            "add these lines to `{}`, then `nginx -t`, reload, and `bg setup` again",
            app.nginx_files.site().display()
        )),
        None => failure.hint("`bg check` finds the cause"),
    })
}

/// What a site of its owner's needs.
#[must_use]
pub fn snippet(app: &App) -> String {
    let files = &app.nginx_files;
    let mut lines = vec![
        format!(
            "# in each `server` of {}, once, above the locations:",
            files.site().display()
        ),
        format!("include \"{}\";", files.route().display()),
        String::new(),
        "# in each `location` that is passed on to the app, in place of its `proxy_pass`:".to_owned(),
        format!("include \"{}\";", files.proxy().display()),
    ];
    let root = render::root_variable(app.name()).unwrap_or_default();
    for served in &app.config.nginx.static_files {
        lines.push(String::new());
        lines.push(format!("# in place of the root or alias of {}:", served.url));
        // One line, so that neither goes without the other.
        let folder = served.folder.display();
        lines.push(format!(
            "alias \"{root}/{folder}/\"; disable_symlinks on \"from={root}\";"
        ));
        lines.extend(["location ~ /\\. {", "    return 404;", "}"].map(str::to_owned));
        lines.extend(shared_inside(app, &served.url, &served.folder));
        if let Some(name) = served.hashed.expression() {
            lines.push(format!("location ~ \"/{name}$\" {{"));
            lines.push("    expires 1y;".to_owned());
            lines.push(format!("    try_files $uri /.bg/{}/assets$uri;", app.name()));
            lines.push("}".to_owned());
        }
    }
    lines.join("\n")
}

/// What `shared` names in a static folder, from where it lies.
fn shared_inside<'a>(app: &'a App, url: &'a str, folder: &'a Path) -> impl Iterator<Item = String> + 'a {
    let shared = app.layout.shared();
    app.config.shared.iter().filter_map(move |path| {
        let below = path.strip_prefix(folder).ok()?.to_string_lossy().into_owned();
        let (how, end) = match path.extension() {
            _ if below.is_empty() => return None,
            Some(_) => ("=", ""),
            None => ("^~", "/"),
        };
        let below = below.trim_end_matches('/');
        let place = shared.join(path).display().to_string();
        Some(format!(
            "location {how} \"{url}{below}{end}\" {{ alias \"{}{end}\"; disable_symlinks on \"from={}\"; }}",
            place.trim_end_matches('/'),
            shared.display()
        ))
    })
}
