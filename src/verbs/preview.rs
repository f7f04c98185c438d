//! `bg preview`: a link that shows the idle color through the front door, to whoever has it.

use std::fmt::Write;
use std::time::Duration;

use engine::app::App;
use engine::begin::begin;
use engine::caller::Caller;
use engine::run::Run;
use engine::{gate, preview, resolve};
use jiff::{SignedDuration, Timestamp};
use model::color::Color;
use model::config::duration::Span;
use model::event::Sink;
use model::failure::{Failure, Kind, in_one_line};
use model::journal::Verb;
use model::preview::{PreviewKey, Terms, Token};
use model::release::ReleaseId;
use nginx::dump::Dump;
use nginx::syntax::Span as Place;
use serde::{Deserialize, Serialize};
use site::endpoint::{self, Endpoint, Shown};
use site::render;
use state::releases;
use sys::command::Command;
use sys::link::LinkError;
use sys::lock::{Holder, Lock, user_name};

use crate::text::{Show, counted};

/// How long the end of a preview waits for a command that runs just then.
const PATIENCE: Duration = Duration::from_secs(3600);

/// How far the end of a preview may be off for the process that ends it.
const AGAIN: SignedDuration = SignedDuration::from_secs(60);

/// The longest that one is shown.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The color. Default: the idle one.
    pub color: Option<Color>,
    /// How long it is shown.
    pub lasts: Span,
    /// The key, where several hosts are to have the same.
    pub key: Option<PreviewKey>,
    /// How long to wait for another run.
    pub patience: Duration,
}

/// A preview that was opened, with what opens it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The color that it shows.
    pub color: Color,
    /// The release.
    pub release: ReleaseId,
    /// Until when.
    pub until: Timestamp,
    /// How long that is.
    pub lasts: Span,
    /// For a browser; none where it is not to be kept.
    pub link: Option<String>,
    /// The header `X-Bg-Preview`, for a program.
    pub header: Option<String>,
}

/// What came of `bg preview`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previewed {
    /// The preview that was opened.
    pub opened: Option<Link>,
    /// Those that were ended.
    pub ended: Vec<Color>,
}

impl Link {
    /// The same without what opens it, for a record.
    #[must_use]
    pub fn without_token(self) -> Link {
        Link {
            link: None,
            header: None,
            ..self
        }
    }
}

impl Show for Link {
    fn show(&self) -> String {
        let mut text = format!(
            "{} ({}) is shown for {} to whoever has this link:\n",
            self.color,
            self.release.short(),
            self.lasts
        );
        match (&self.link, &self.header) {
            (Some(link), Some(header)) => {
                let (site, _) = link.split_once("/.bg/").unwrap_or((link, ""));
                writeln!(text, "  {link}").ok();
                writeln!(text, "  curl --header 'X-Bg-Preview: {header}' {site}/").ok();
                text.push_str("`bg preview --off` ends it, as a switch does\n");
            }
            _ => text.push_str("  the link is not kept: `bg preview` makes another one\n"),
        }
        text
    }
}

impl Show for Previewed {
    fn show(&self) -> String {
        match (&self.opened, self.ended.len()) {
            (Some(link), _) => link.show(),
            (None, 0) => "there is no preview\n".to_owned(),
            (None, ended) => format!("{} ended\n", counted(ended, "preview")),
        }
    }
}

/// Shows a color to whoever has the link.
///
/// # Errors
/// When the site is not set up for it, the color does not answer, or NGINX was not seen to show
/// it: then nobody is shown anything.
pub async fn open(app: &App, ask: Ask, caller: &Caller<'_>) -> Result<Previewed, Failure> {
    can_last(app, ask.lasts)?;
    let run = begin(app, Verb::Preview, ask.patience, caller).await?;
    let color = ask.color.unwrap_or(run.idle());
    let made = async {
        let release = ready(app, color).await?;
        let link = show(&run, color, release, ask.lasts, ask.key).await?;
        run.commit(run.live(), run.from.maintenance, summary(&link))?;
        Ok(link)
    };
    let link = resolve::unless_done(&run, made.await).await?;
    Ok(Previewed {
        opened: Some(link),
        ended: Vec::new(),
    })
}

/// What the history says of it.
fn summary(link: &Link) -> String {
    format!(
        "preview of {} ({}) for {}",
        link.color,
        link.release.short(),
        link.lasts
    )
}

/// Ends those of `color`, or all.
///
/// # Errors
/// When one cannot be ended.
pub async fn off(
    app: &App,
    color: Option<Color>,
    patience: Duration,
    caller: &Caller<'_>,
) -> Result<Previewed, Failure> {
    let run = begin(app, Verb::Preview, patience, caller).await?;
    let ended = preview::end(app, &|token, _| color.is_none_or(|color| token.color == color))
        .map_err(|error| Failure::failed("a preview cannot be ended").because(error));
    let ended = resolve::unless_done(&run, ended).await?;
    let ended: Vec<Color> = ended.into_iter().map(|(token, _)| token.color).collect();
    if ended.is_empty() {
        run.was_needless();
    } else {
        let said = format!("{} ended", counted(ended.len(), "preview"));
        run.commit(run.live(), run.from.maintenance, said)?;
    }
    Ok(Previewed { opened: None, ended })
}

/// Whether there can be one: looked at before anything is done for it.
///
/// # Errors
/// What has to be changed first.
pub fn can_be_had(app: &App) -> Result<(), Failure> {
    is_set_up_for(app, "a preview")
}

/// Whether NGINX looks at what a request carries, as `what` needs.
///
/// # Errors
/// What has to be changed first.
pub(super) fn is_set_up_for(app: &App, what: &str) -> Result<(), Failure> {
    if app.reloads() {
        return Err(Failure::failed(format!(
            "there is no {} with the `reload` strategy: NGINX looks at the link only when it is reloaded",
            what.trim_start_matches("a ")
        ))
        .hint("`nginx.switch = \"live\"` in bg.toml, then `bg setup`"));
    }
    if app.config.nginx.loopback_port.is_none() {
        return Err(Failure::failed(format!("NGINX is not set up for {what}"))
            .hint("`nginx.loopback_port = 5010` in bg.toml, or another port that is free, then `bg setup`"));
    }
    match cached(app) {
        None => Ok(()),
        Some(place) => Err(Failure::failed(format!(
            "NGINX keeps answers of the app ({place}), and could give a previewer's to visitors"
        ))
        .hint(format!(
            "add `proxy_no_cache {0}; proxy_cache_bypass {0};` there, and reload NGINX",
            render::past_variable(app.name()).unwrap_or_default()
        ))),
    }
}

/// Where the site caches what the app answers, a previewer's answers included.
fn cached(app: &App) -> Option<Place> {
    let dump = Dump::read(app.nginx_files.conf()).ok()?;
    let past = render::past_variable(app.name()).ok()?;
    let paths = &app.config.nginx.paths;
    let mut asked = app
        .endpoints
        .iter()
        .flat_map(|at| paths.iter().map(move |path| (at, path)));
    asked.find_map(|(at, path)| dump.caches(at.address, &at.host, path, &past))
}

/// The same for one that `lasts` so long.
///
/// # Errors
/// As [`can_be_had`].
pub fn can_last(app: &App, lasts: Span) -> Result<(), Failure> {
    can_be_had(app)?;
    match lasts.0.is_zero() || lasts.0 > LONGEST {
        true => Err(
            Failure::new(Kind::Usage, format!("a preview cannot last {lasts}"))
                .hint("give it up to a week: `bg preview --for 8h`"),
        ),
        false => Ok(()),
    }
}

/// The release in `color`, which answers.
async fn ready(app: &App, color: Color) -> Result<ReleaseId, Failure> {
    let Some(release) = releases::slot(&app.layout, color) else {
        return Err(
            Failure::failed(format!("{color} is empty: there is nothing to preview"))
                .hint("`bg deploy --preview` puts a release there, and opens a preview of it"),
        );
    };
    let hint = "`bg deploy --preview` starts a release there, and opens a preview of it";
    gate::brief_of(app, color, &release, hint).await?;
    Ok(release)
}

/// Opens one under a run, and has seen it.
///
/// # Errors
/// When NGINX was not seen to show it: then it does not.
pub(super) async fn show(
    run: &Run<'_>,
    color: Color,
    release: ReleaseId,
    lasts: Span,
    key: Option<PreviewKey>,
) -> Result<Link, Failure> {
    let app = run.app;
    let failed = || Failure::failed(format!("the preview of {color} was not opened"));
    let key = key.map_or_else(preview::fresh_key, Ok);
    let token = Token {
        color,
        key: key.map_err(|error| failed().because(error))?,
    };
    let until = SignedDuration::try_from(lasts.0)
        .ok()
        .and_then(|lasts| Timestamp::now().checked_add(lasts).ok())
        .ok_or_else(failed)?;
    let terms = Terms {
        until,
        release: release.clone(),
        live: run.from.color,
        by: user_name(),
    };
    preview::open(app, &token, &terms).map_err(|error| failed().because(error))?;
    let shown = async {
        is_shown(run, &token).await?;
        end_later(app, lasts)
    };
    if let Err(failure) = shown.await {
        return Err(match preview::withdraw(app, &token) {
            Ok(()) => failure,
            Err(error) => failure.and(Failure::failed("it cannot be ended").because(error)),
        });
    }
    Ok(Link {
        color,
        release,
        until,
        lasts,
        link: Some(format!("{}/.bg/{}/preview/{token}", site_url(app), app.name())),
        header: Some(token.to_string()),
    })
}

/// Looks on every listener, as a previewer does. Behind the maintenance page there is nothing to
/// be seen yet.
async fn is_shown(run: &Run<'_>, token: &Token) -> Result<(), Failure> {
    let app = run.app;
    if preview::is_closed(app, run.from) {
        return Ok(());
    }
    let paths = &app.config.nginx.paths;
    let endpoints = app.paced_doors();
    let asked = endpoints
        .iter()
        .flat_map(|endpoint| paths.iter().map(move |path| (endpoint, path)));
    for (endpoint, path) in asked {
        let limit = app.config.gate.attempt.0;
        let seen = match endpoint::previewed(endpoint, path, token, limit).await {
            Ok(Shown {
                color,
                is_private: true,
            }) if color == Some(token.color) => continue,
            Ok(Shown {
                color,
                is_private: false,
            }) if color == Some(token.color) => {
                return Err(Failure::failed(format!(
                    "NGINX takes `private, no-store` from what a previewer gets of `{path}`: a cache could keep it"
                ))
                .hint("leave out `expires` and `proxy_hide_header` for the paths of the app: the app's own headers say what may be kept"));
            }
            Ok(Shown {
                color: Some(color), ..
            }) => format!("{endpoint} shows {color} at `{path}`"),
            Ok(Shown { color: None, .. }) => format!("{endpoint} does not answer `{path}` as a preview"),
            Err(error) => in_one_line(&error),
        };
        return Err(
            Failure::failed(format!("the preview of {} was not seen: {seen}", token.color)).hint(
                "`bg setup` writes NGINX's files; templates of your own need the lines of the built-in ones",
            ),
        );
    }
    Ok(())
}

/// Has it ended when its time is over, whatever becomes of this process.
fn end_later(app: &App, lasts: Span) -> Result<(), Failure> {
    Command::new(app.layout.launcher())
        .args(["end-previews", "--app", app.name(), "--after"])
        .arg(lasts.to_string().replace(' ', ""))
        .unmarked()
        .detach()
        .map_err(|error| {
            Failure::failed(format!("nothing would end the preview after {lasts}")).because(error)
        })
}

/// Waits for the end of a preview, and then until no browser has its cookie.
///
/// # Errors
/// When one cannot be ended.
pub async fn end_in(app: &App, after: Duration, sink: &dyn Sink) -> Result<(), Failure> {
    let failed = |error| Failure::failed("a preview cannot be ended").because(error);
    tokio::time::sleep(after).await;
    // Whoever holds the lock just then, and whatever the clock did: a moment past the time of those
    // that are over by now, the file being younger than this process.
    let this = Timestamp::now();
    while let Some(next) = preview::end_expired(app).map_err(failed)? {
        if next.duration_since(this) > AGAIN {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    tokio::time::sleep(preview::cookies_live(app) + Duration::from_secs(1)).await;
    let _lock = Lock::wait(&app.layout.lock(), &Holder::this("preview"), PATIENCE, |_| ())
        .await
        .map_err(|error| Failure::failed("previews were not ended").because(error))?;
    let live = app
        .link
        .read()
        .map_err(|error: LinkError| Failure::failed("previews were not ended").because(error))?;
    preview::settle(app, live.color, sink).map_err(failed)
}

/// The listener that visitors are led to: an encrypted one if there is one.
pub(super) fn front(endpoints: &[Endpoint]) -> Option<&Endpoint> {
    let encrypted = endpoints.iter().find(|endpoint| endpoint.tls);
    encrypted.or(endpoints.first())
}

/// Where visitors reach the site: its public URL, or its first listener, an encrypted one if there
/// is one.
fn site_url(app: &App) -> String {
    let public = app
        .config
        .fleet
        .url
        .as_deref()
        .and_then(|url| url.split_once("://"));
    if let Some((scheme, rest)) = public {
        let name = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        return format!("{scheme}://{name}");
    }
    let Some(Endpoint {
        address, tls, host, ..
    }) = front(&app.endpoints)
    else {
        return String::new();
    };
    let (scheme, usual) = if *tls { ("https", 443) } else { ("http", 80) };
    match address.port() {
        port if port == usual => format!("{scheme}://{host}"),
        port => format!("{scheme}://{host}:{port}"),
    }
}
