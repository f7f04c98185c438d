//! `bg compare`: the site's own last pages, asked of both colors before visitors are.

use std::fmt::Write;
use std::time::{Duration, Instant};

use engine::app::App;
use engine::gate::{self, Gated};
use engine::health;
use engine::run::Run;
use engine::traffic;
use model::color::Color;
use model::compare::Page;
use model::event::{Event, Note, Sink};
use model::failure::{Deployment, Failure};
use model::preview::Token;
use reqwest::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use site::endpoint::{self, Endpoint};
use web::http::{Answer, HttpError};

pub mod page;
pub mod pages;

use super::preflight::go_past;
use crate::text::notices::page as words;
use crate::text::{CARE, Show, counted, sign};
use page::{Twice, Verdict};

/// By which the app can know that nobody looks at the page.
const HEADER: HeaderName = HeaderName::from_static("x-bg-compare");

/// How long all of it may take: a deploy may be waiting for it.
const LONGEST: Duration = Duration::from_secs(120);

/// How many lines are shown of what is only told.
const SHOWN: usize = 10;

/// Where the pages are from.
#[derive(Clone, Debug)]
pub enum Source {
    /// The last so many of the access log.
    Last(usize),
    /// These.
    Paths(Vec<String>),
}

/// How a color is asked for a page.
#[derive(Clone, Copy)]
pub(super) enum Way<'a> {
    /// On its own port.
    Directly,
    /// Through NGINX, the idle color by a preview's token.
    Through(&'a Endpoint, &'a Token),
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Compared {
    /// What is live.
    pub live: Deployment,
    /// What it was compared with.
    pub other: Deployment,
    /// How many pages were asked for.
    pub asked: usize,
    /// Those of them of which nothing follows: the live color fails there itself, say.
    pub unclear: usize,
    /// How many were left when the time was over.
    pub left: usize,
    /// Those that differ.
    pub pages: Vec<Page>,
}

impl Compared {
    /// The pages that visitors of the other color would find broken.
    pub fn failures(&self) -> impl Iterator<Item = &Page> {
        self.pages.iter().filter(|page| page.difference.is_failure())
    }

    /// It in a line.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "{} of {} the same on {} and {}",
            self.asked - self.unclear - self.pages.len(),
            counted(self.asked, "page"),
            self.live,
            self.other
        )
    }
}

impl Show for Compared {
    fn show(&self) -> String {
        if self.asked == 0 {
            return "no page to compare: the access log has none that is safe to ask for again\n".to_owned();
        }
        let mut text = self.summary() + "\n";
        let told = || self.pages.iter().filter(|page| !page.difference.is_failure());
        for page in self.failures() {
            text.push_str(&sign(CARE, "✗", &words(page)));
        }
        for page in told().take(SHOWN) {
            writeln!(text, "  · {}", words(page)).ok();
        }
        if let more @ 1.. = told().count().saturating_sub(SHOWN) {
            writeln!(text, "  · and {more} more").ok();
        }
        if self.unclear > 0 {
            let pages = counted(self.unclear, "page");
            let live = self.live.color;
            writeln!(
                text,
                "  · {pages} not compared: {live} does not answer well there itself"
            )
            .ok();
        }
        if self.left > 0 {
            writeln!(
                text,
                "  · {} not asked for: the time was over",
                counted(self.left, "page")
            )
            .ok();
        }
        text
    }

    fn exit_code(&self) -> u8 {
        u8::from(self.failures().next().is_some())
    }
}

/// Asks both colors for the pages, one request at a time and no more than half of the time.
///
/// # Errors
/// When there is nothing to compare, or no pages to compare it on.
pub async fn compare(app: &App, source: &Source) -> Result<Compared, Failure> {
    let live = traffic::observe(app).await?;
    let [live, other] = [live.color, live.color.other()].map(|color| traffic::deployment(app, color));
    for deployment in [&live, &other] {
        answers(app, deployment).await?;
    }
    let paths = match source {
        Source::Last(count) => pages::last(app, *count)?,
        Source::Paths(paths) => paths.clone(),
    };
    Ok(between(app, Way::Directly, [live, other], paths).await)
}

async fn answers(app: &App, deployment: &Deployment) -> Result<(), Failure> {
    let hint = "`bg deploy --no-switch` puts a release beside the live one";
    let Deployment { color, release } = deployment;
    match release {
        Some(release) => gate::brief_of(app, *color, release, hint).await.map(drop),
        None => Err(Failure::failed(format!("{color} is empty: there is nothing to compare")).hint(hint)),
    }
}

/// Whether there is a log to take pages from, where a deploy is to compare.
///
/// # Errors
/// When there is none that can be read.
pub fn can_be_done(app: &App) -> Result<(), Failure> {
    match app.config.gate.compare {
        0 => Ok(()),
        _ => pages::last(app, 1)
            .map(drop)
            .map_err(|failure| failure.hint("or `gate.compare = 0` in bg.toml: nothing is compared")),
    }
}

/// `gate.compare`: a release that passed the gate is held against what is live. The reason, where
/// it goes on although visitors would meet failures.
///
/// # Errors
/// When they would, and no reason is given to go on.
pub async fn hold_against(
    run: &Run<'_>,
    passed: &Gated,
    force: Option<&str>,
) -> Result<Option<String>, Failure> {
    let (app, live) = (run.app, run.live());
    if app.config.gate.compare == 0 || live.release.is_none() {
        return Ok(None);
    }
    let paths = pages::last(app, app.config.gate.compare)?;
    let compared = between(app, Way::Directly, [live, passed.deployment()], paths).await;
    let failing: Vec<String> = compared.failures().map(words).collect();
    if failing.is_empty() {
        run.sink.emit(Event::Noted(Note::Compared {
            asked: compared.asked,
            unclear: compared.unclear,
            pages: compared.pages,
        }));
        return Ok(None);
    }
    let what = format!(
        "{} of {} that visitors asked for last fail on {}",
        failing.len(),
        counted(compared.asked, "page"),
        passed.deployment()
    );
    let refusal = Failure::failed(what)
        .showing(failing.into_iter().take(SHOWN))
        .hint(format!("`bg logs {}` shows what it printed", passed.color()))
        .hint("`--force-gate REASON` goes on all the same");
    go_past(run, refusal, force).map(Some)
}

/// Asks two that are known to answer, the live one and the other.
pub(super) async fn between(
    app: &App,
    way: Way<'_>,
    [live, other]: [Deployment; 2],
    paths: Vec<String>,
) -> Compared {
    let until = Instant::now() + LONGEST;
    let mut compared = Compared {
        asked: 0,
        unclear: 0,
        left: paths.len(),
        live,
        other,
        pages: Vec::new(),
    };
    for path in paths {
        if Instant::now() >= until {
            break;
        }
        // The one after the other and the other way round, in turns: whatever a first answer warms
        // up is nobody's advantage.
        let turned = compared.asked % 2 == 1;
        let (live, other) = (compared.live.color, compared.other.color);
        let (first, second) = if turned { (other, live) } else { (live, other) };
        let once = ask(app, way, first, &path).await;
        let inner = [
            ask(app, way, second, &path).await,
            ask(app, way, second, &path).await,
        ];
        let outer = [once, ask(app, way, first, &path).await];
        let (live, other): (Twice, Twice) = if turned { (inner, outer) } else { (outer, inner) };
        match page::verdict(&live, &other) {
            Verdict::Same => {}
            Verdict::Differs(difference) => compared.pages.push(Page { path, difference }),
            Verdict::Unclear => compared.unclear += 1,
        }
        compared.asked += 1;
        compared.left -= 1;
    }
    compared
}

/// What a color answers without NGINX in between; the app is told by a header that no visitor asks.
///
/// # Errors
/// When there is no answer.
pub(super) async fn directly(app: &App, color: Color, path: &str) -> Result<Answer, HttpError> {
    let target = gate::target(&app.config, app.config.process.ports.of(color));
    health::page(&target, path, header(), app.config.gate.attempt.0).await
}

fn header() -> (HeaderName, HeaderValue) {
    (HEADER, HeaderValue::from_static("1"))
}

async fn ask(app: &App, way: Way<'_>, color: Color, path: &str) -> Result<Answer, HttpError> {
    let began = Instant::now();
    let answer = match way {
        Way::Directly => directly(app, color, path).await,
        Way::Through(endpoint, token) => {
            let token = Some(token).filter(|token| token.color == color);
            endpoint::page(endpoint, path, token, Some(header()), app.config.gate.attempt.0).await
        }
    };
    // Half of the time is the visitors'.
    tokio::time::sleep(began.elapsed()).await;
    answer
}
