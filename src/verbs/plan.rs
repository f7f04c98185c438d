//! `bg deploy --plan`: what a deploy would do. Fetches commits into the mirror, touches
//! nothing else.

use std::fmt::Write;
use std::time::Duration;

use engine::app::App;
use engine::{adopted, drift, slot, traffic};
use model::color::{Color, Route};
use model::config::Preflight;
use model::config::difference::{self, Change};
use model::config::hooks::Moment;
use model::event::{Event, Sink, Warning, millis};
use model::failure::Failure;
use serde::{Deserialize, Serialize};
use state::journal::Journal;
use state::releases;
use sys::lock;

use super::deploy::{self, Ask};
use super::{build, migrate, packages, source};
use crate::text::{Show, counted, short};

/// What a deploy would do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Planned {
    /// The app.
    pub app: String,
    /// What was asked for: a branch, tag or commit.
    pub reference: String,
    /// The commit.
    pub commit: String,
    /// Its first line.
    pub subject: String,
    /// The color it would go to.
    pub color: Color,
    /// What the configuration changes against the release that is live.
    pub config: Vec<Change>,
    /// The steps.
    pub steps: Vec<String>,
    /// Whether it is live already, as it would be released.
    #[serde(default)]
    pub is_live: bool,
}

impl Show for Planned {
    fn show(&self) -> String {
        let mut text = format!(
            "{} would deploy {} \"{}\" to {}\n",
            self.app,
            short(&self.commit),
            self.subject,
            self.color
        );
        for change in &self.config {
            writeln!(text, "  {}: {} → {}", change.key, change.old, change.new).ok();
        }
        for step in &self.steps {
            writeln!(text, "  {step}").ok();
        }
        text + "nothing was changed\n"
    }
}

/// Looks at what a deploy would do.
///
/// # Errors
/// As a deploy would fail before it touched anything.
pub async fn plan(app: &App, ask: &Ask, sink: &dyn Sink) -> Result<Planned, Failure> {
    let wanted = &ask.wanted;
    let route = traffic::observe(app).await?;
    let unchanged = |failure: Failure| failure.or_traffic(traffic::unchanged(app));
    before_it_begins(app, route, ask.patience, sink).await?;
    let ready = deploy::can_begin(app, route, ask, sink).await;
    ready.map_err(unchanged)?;
    build::can_begin(app, sink).await?;
    let color = route.color.other();
    let commit = source::commit(app, wanted).await?;
    source::is_new(app, route.color, &commit, wanted)?;
    packages::can_be_had(app, &commit.sha).await?;
    source::can_be_made(app, &commit.sha).await?;
    let live = releases::slot(&app.layout, route.color).and_then(|id| slot::read_manifest(app, &id).ok());
    let config = live
        .as_ref()
        .map_or_else(Vec::new, |live| difference::difference(&live.config, &app.config));
    let before = live.as_ref().map(|live| live.commit.clone());
    let schema = schema(app, before.as_deref(), &commit.sha).await;
    Ok(Planned {
        app: app.name().to_owned(),
        steps: steps(app, color, &commit.sha, schema, ask.no_switch),
        is_live: source::is_live(app, route.color, &commit),
        reference: wanted.reference(app).to_owned(),
        commit: commit.sha,
        subject: commit.subject,
        color,
        config,
    })
}

/// Tells of what a deploy would meet before it begins: the run of somebody else, one that was cut
/// off, and what was done without bg.
async fn before_it_begins(
    app: &App,
    route: Route,
    patience: Duration,
    sink: &dyn Sink,
) -> Result<(), Failure> {
    if let Some(holder) = lock::current_holder(&app.layout.lock()) {
        sink.emit(Event::Warned(Warning::OtherRunGoesOn {
            holder: holder.to_string(),
            wait_ms: millis(patience),
        }));
        // What it has done so far looks like drift.
        return Ok(());
    }
    let story = Journal::told(&app.layout.journal()).unwrap_or_default();
    if let Some(open) = &story.open {
        sink.emit(Event::Warned(Warning::RunCutOff {
            run: open.run.clone(),
        }));
    }
    let drift = drift::look(app, &story, Some(route)).await;
    drift::tell(&drift, sink)
}

/// What would be done to the database.
async fn schema(app: &App, live: Option<&str>, commit: &str) -> Option<String> {
    let settings = app.config.migrate.as_ref()?;
    let unknown = settings.pending.as_ref();
    let due = match settings.paths.is_empty() {
        true => unknown.is_none(),
        false => migrate::has_changed(app, settings, live, commit).await,
    };
    let backup = app
        .config
        .backup
        .as_ref()
        .map_or("", |_| "back the database up, then ");
    Some(match (due, unknown) {
        (true, _) => format!("{backup}migrate with `{}`", settings.run),
        (false, Some(pending)) => format!(
            "run `{pending}`; if a migration is pending, {backup}migrate with `{}`",
            settings.run
        ),
        (false, None) => "migrate nothing, as no file of `migrate.paths` changed".to_owned(),
    })
}

/// The hooks of a moment.
fn hooks(app: &App, moment: Moment) -> impl Iterator<Item = String> {
    let hooks = app.config.hooks.of(moment).iter();
    hooks.map(move |hook| format!("run `{}` ({})", hook.run, moment.name()))
}

fn steps(app: &App, color: Color, sha: &str, schema: Option<String>, no_switch: bool) -> Vec<String> {
    let config = &app.config;
    let mut steps: Vec<String> = hooks(app, Moment::BeforeBuild).collect();
    let submodules = match config.source.submodules {
        true => " and its submodules",
        false => "",
    };
    steps.push(format!("check out {}{submodules} into a new release", short(sha)));
    steps.push("reuse the python environment, or build one beside it".to_owned());
    steps.extend(hooks(app, Moment::AfterBuild));
    match config.gate.preflight {
        Preflight::Start => steps.push("try to start it on a spare port of 127.0.0.1".to_owned()),
        Preflight::Import => steps.push("try to import it".to_owned()),
        Preflight::Off => {}
    }
    steps.extend(schema);
    if let Some(held) = releases::slot(&app.layout, color) {
        let left = config.drain.quiet.0.saturating_sub(app.link.age()).as_secs();
        let wait = if left > 0 {
            format!(", in {left} s at the earliest")
        } else {
            String::new()
        };
        let name = adopted::process_name(app, color);
        let for_good = if name == app.process(color) {
            ""
        } else {
            " for good"
        };
        steps.push(format!("stop {name} ({}){for_good}{wait}", held.short()));
    }
    steps.push(format!(
        "start {} on :{}",
        app.process(color),
        config.process.ports.of(color)
    ));
    let soak = match config.gate.soak.0.is_zero() {
        true => String::new(),
        false => format!(", and to keep passing for {}", config.gate.soak),
    };
    steps.push(format!(
        "wait for {} to pass{soak}",
        counted(config.health.len(), "health check")
    ));
    if no_switch {
        steps.push("leave it on standby; traffic stays".to_owned());
    } else {
        steps.extend(hooks(app, Moment::BeforeSwitch));
        let way = if app.reloads() {
            "rename the link and reload NGINX"
        } else {
            "rename the link"
        };
        steps.push(format!(
            "move traffic: {way}, prove it on {} and {}",
            counted(config.nginx.paths.len(), "path"),
            counted(app.endpoints.len(), "listener")
        ));
        let workers = config.workers.iter();
        steps.extend(workers.map(|worker| format!("hand over worker {}", worker.name)));
        steps.extend(hooks(app, Moment::AfterSwitch));
    }
    steps
}
