//! A release is watched: what becomes of visitors' requests is held against what the release before
//! did, or does beside it in a canary. One that is worse is taken back, and a canary that is not goes
//! on.

use std::collections::HashMap;
use std::pin::Pin;
use std::time::{Duration, Instant};

use engine::app::App;
use engine::begin::begin;
use engine::caller::Caller;
use engine::control::ControlChannel;
use engine::watch::{self, Facts};
use engine::{canary, ledger, marks};
use jiff::{SignedDuration, Timestamp};
use model::bake::{Bake, Fact, Said, Slow, Verdict};
use model::color::Route;
use model::event::Sink;
use model::failure::{Deployment, Failure, Kind, Traffic, in_one_line};
use model::journal::Verb;
use model::ledger::Ledger;
use model::wire::Expected;
use site::endpoint::{self, Nonce};
use state::releases;
use sys::lock::{self, Holder, Lock, LockError};

mod slow;

use super::bake::said;
use super::{canary as steps, compare, hooks, switch};

/// How often the facts are looked at.
const GLANCE: Duration = Duration::from_millis(250);

/// How often what is known is kept for `bg status`.
const KEPT: SignedDuration = SignedDuration::from_secs(2);

/// How long a clean release is watched at least: what leaks does not fail at once.
const SHORTEST: SignedDuration = SignedDuration::from_secs(120);

/// How long NGINX may take to write down a request: it flushes its buffer each second.
const ARRIVES: Duration = Duration::from_secs(10);

/// For so many seconds after a failure that counts, nothing does that the same visitor meets at the
/// same place, be it good or bad: somebody tries again, and what is left out must not depend on how
/// that goes.
const BURST: f64 = 10.0;

/// How often the release before is asked for a path that failed.
const TRIES: usize = 5;

/// How often the evidence is dropped because the release before fails as well.
const ACQUITTED: u32 = 3;

/// How long the verdict waits for a command that runs just then.
const PATIENCE: Duration = Duration::from_secs(600);

/// The next step of a canary waits for less: visitors are looked at meanwhile.
const BRIEFLY: Duration = Duration::from_secs(2);

/// What came of doing something.
enum Acted {
    /// That.
    Done(Verdict),
    /// Something was in the way for a while.
    Later,
    /// This process is to end, as the host does.
    Interrupted,
}

/// Watches what is kept as watched, to its end, and what came in its place meanwhile without a process
/// of its own, as this one was not seen to be over.
///
/// # Errors
/// When the verdict cannot be kept.
pub async fn to_its_end(app: &App, sink: &dyn Sink) -> Result<(), Failure> {
    let goes_on = || watch::last(app).is_some_and(|bake| bake.goes_on() && is_still_live(app, &bake));
    while one(app, sink).await? && goes_on() {}
    Ok(())
}

/// Watches one; whether it is over, and nobody else watches. The process of an earlier one has that to
/// end first.
async fn one(app: &App, sink: &dyn Sink) -> Result<bool, Failure> {
    let (watching, mut bake) = loop {
        let Some(bake) = watch::last(app).filter(Bake::goes_on) else {
            return Ok(false);
        };
        let path = app.layout.watching();
        let this = format!("{} since {}", watch::PROCESS, bake.since);
        match Lock::take(&path, &Holder::this(&this)) {
            // The bake may have changed while that was free.
            Ok(watching) if watch::last(app).as_ref() == Some(&bake) => {
                // Nobody watched since another process last did; an earlier version did not say when.
                let gap = Timestamp::now().duration_since(bake.kept.max(bake.since));
                let mut bake = bake;
                bake.until = bake.until.checked_add(gap).unwrap_or(bake.until);
                break (watching, bake);
            }
            Ok(_) => {}
            // Another process does.
            Err(LockError::Held { .. }) if lock::is_about(&path, &this) => return Ok(false),
            Err(LockError::Held { .. }) => tokio::time::sleep(GLANCE).await,
            Err(error) => return Err(Failure::failed("the release is not watched").because(error)),
        }
    };
    let mut eyes = None;
    let verdict = loop {
        let verdict = match look(app, &mut bake, &mut eyes).await {
            Ok(verdict) => verdict,
            Err(_) if !is_still_live(app, &bake) => Verdict::Superseded,
            Err(why) => Verdict::NoData { why },
        };
        let acted = match verdict {
            Verdict::TakenBack => take_back(app, &bake, sink).await,
            Verdict::NextStep => next_step(app, &bake, sink).await,
            // By whoever leads the hosts.
            Verdict::Superseded if bake.worse && is_back(app, &bake) => Acted::Done(Verdict::TakenBack),
            other => Acted::Done(other),
        };
        match acted {
            Acted::Done(verdict) => break verdict,
            Acted::Later => tokio::time::sleep(GLANCE).await,
            // Whoever takes it up begins where this one was.
            Acted::Interrupted => return Ok(false),
        }
    };
    let is_past = matches!(verdict, Verdict::Superseded | Verdict::NextStep);
    bake.verdict = Some(verdict);
    watch::update(app, &bake).map_err(|error| Failure::failed("the verdict is not kept").because(error))?;
    // Another release may be watched in its place while the record is waited for.
    drop(watching);
    if !is_past {
        // What is over is unmarked with it.
        on_record(app, &bake, sink).await?;
    }
    Ok(true)
}

/// What is kept of the two releases.
struct Books {
    release: Ledger,
    before: Ledger,
}

impl Books {
    fn of(app: &App, bake: &Bake) -> Books {
        let of = |deployment: &Deployment| {
            let release = deployment.release.as_ref();
            release.map_or_else(Ledger::default, |release| ledger::of(app, release))
        };
        Books {
            release: of(&bake.release),
            before: of(&bake.before),
        }
    }

    fn take(&mut self, bake: &Bake, fact: &Fact<'_>) {
        match fact.color == bake.release.color {
            true => self.release.take(fact),
            false => self.before.take(fact),
        }
    }

    /// What cannot be kept is missing in the history.
    fn keep(&self, app: &App, bake: &Bake) {
        for (deployment, ledger) in [(&bake.release, &self.release), (&bake.before, &self.before)] {
            if let Some(release) = &deployment.release
                && ledger.until.is_some()
            {
                ledger::keep(app, release, ledger).ok();
            }
        }
    }
}

/// What whoever watches has to look with, and what they remember.
struct Eyes {
    facts: Facts,
    books: Books,
    bursts: HashMap<(String, String), f64>,
    pace: slow::Pace,
    has_arrived: bool,
}

impl Eyes {
    fn open(app: &App, bake: &Bake) -> Result<Eyes, String> {
        Ok(Eyes {
            facts: Facts::from(app, bake.read).map_err(|error| unread(&error))?,
            books: Books::of(app, bake),
            bursts: HashMap::new(),
            pace: slow::Pace::default(),
            has_arrived: false,
        })
    }

    fn see(&mut self, bake: &mut Bake, line: &str) {
        if let Some(fact) = Fact::read(line).filter(|fact| fact.nonce.is_empty()) {
            let counts = !is_of_a_burst(&mut self.bursts, &fact);
            bake.take(&fact, counts);
            self.books.take(bake, &fact);
            self.pace.take(bake, &fact);
        }
    }

    fn keep(&self, app: &App, bake: &mut Bake, now: Timestamp) {
        bake.read = self.facts.read();
        bake.kept = now;
        // What cannot be kept is seen anew.
        watch::update(app, bake).ok();
        self.books.keep(app, bake);
    }
}

fn unread(error: &dyn std::error::Error) -> String {
    format!("what NGINX writes down cannot be read: {error}")
}

/// Looks at the facts until there is a verdict; `TakenBack` where the release is to be.
async fn look(app: &App, bake: &mut Bake, eyes: &mut Option<Eyes>) -> Result<Verdict, String> {
    let eyes = match eyes {
        Some(eyes) => eyes,
        None => eyes.insert(Eyes::open(app, bake)?),
    };
    let verdict = look_on(app, bake, eyes).await;
    // The next step of a canary goes on from there.
    eyes.keep(app, bake, Timestamp::now());
    verdict
}

async fn look_on(app: &App, bake: &mut Bake, eyes: &mut Eyes) -> Result<Verdict, String> {
    let mut asking: Option<Pin<Box<dyn Future<Output = Option<Slow>>>>> = None;
    let mut fresh: Vec<String> = Vec::new();
    page_is_gone(app, bake).await;
    while !eyes.has_arrived {
        let began = Instant::now();
        let arrived = arrive(app, &mut eyes.facts, |line| fresh.push(line.to_owned())).await;
        eyes.has_arrived = arrived.is_ok();
        fresh.drain(..).for_each(|line| eyes.see(bake, &line));
        // The page has answered in its place.
        if app.link.age() > began.elapsed() || !is_still_live(app, bake) {
            arrived?;
        }
        page_is_gone(app, bake).await;
    }
    let mut kept = Timestamp::UNIX_EPOCH;
    loop {
        let read = eyes.facts.next(|line| fresh.push(line.to_owned()));
        read.map_err(|error| unread(&error))?;
        fresh.drain(..).for_each(|line| eyes.see(bake, &line));
        if !is_still_live(app, bake) && !stays_live(app, bake).await {
            return Ok(Verdict::Superseded);
        }
        page_is_gone(app, bake).await;
        if bake.worse {
            if !watch::is_led(app) {
                return Ok(Verdict::Told {
                    why: "one host of several does nothing alone".to_owned(),
                });
            }
        } else if bake.convicts() {
            match fails_as_well(app, bake).await {
                true => {
                    bake.acquit();
                    if bake.acquitted >= ACQUITTED {
                        let before = &bake.before;
                        return Ok(Verdict::Told {
                            why: format!("{before} fails as well, each time that it is asked"),
                        });
                    }
                }
                false if is_led_on(app, bake) => eyes.keep(app, bake, Timestamp::now()),
                false => return Ok(acts(bake)),
            }
        }
        let now = Timestamp::now();
        // Whoever leads the hosts is about to take one back that is worse.
        if let Some(verdict) = is_over(app, bake, now).filter(|_| !bake.worse) {
            return Ok(verdict);
        }
        if now.duration_since(kept) >= KEPT {
            eyes.keep(app, bake, now);
            kept = now;
            if asking.is_none()
                && bake.slow.is_none()
                && let Some(slow) = eyes.pace.suspect(&eyes.books.before)
            {
                let bake = bake.clone();
                asking = Some(Box::pin(async move { slow::is_so(app, &bake, slow).await }));
            }
        }
        let Some(answer) = &mut asking else {
            tokio::time::sleep(GLANCE).await;
            continue;
        };
        // Visitors are looked at meanwhile.
        if let Ok(answer) = tokio::time::timeout(GLANCE, answer).await {
            asking = None;
            bake.slow = answer.or(bake.slow.take());
            if bake.slow.is_some() {
                if !is_led_on(app, bake) {
                    return Ok(acts(bake));
                }
                eyes.keep(app, bake, Timestamp::now());
            }
        }
    }
}

/// The page stands before it for a while: nobody is seen, and no time goes by.
async fn page_is_gone(app: &App, bake: &mut Bake) {
    let (mut looked, mut kept) = (Timestamp::now(), Timestamp::UNIX_EPOCH);
    while is_still_live(app, bake) && is_behind_the_page(app) {
        tokio::time::sleep(GLANCE).await;
        let now = Timestamp::now();
        bake.until = bake
            .until
            .checked_add(now.duration_since(looked))
            .unwrap_or(bake.until);
        looked = now;
        if now.duration_since(kept) >= KEPT {
            bake.kept = now;
            watch::update(app, bake).ok();
            kept = now;
        }
    }
}

fn is_behind_the_page(app: &App) -> bool {
    app.link.read().is_ok_and(|live| live.maintenance)
}

/// The verdict where nothing was found, once it is time.
fn is_over(app: &App, bake: &Bake, now: Timestamp) -> Option<Verdict> {
    if bake.stage.is_some_and(|stage| stage.goes_on) {
        return match bake.one_of_several {
            // Its time is what somebody wrote down, however little came.
            false => is_due(app, bake, now).then_some(Verdict::NextStep),
            true => is_forsaken(app, bake, now).then(|| Verdict::Stays {
                why: "nobody leads the hosts to the next one".to_owned(),
            }),
        };
    }
    if bake.is_clean() && now.duration_since(bake.since) >= SHORTEST {
        return Some(Verdict::Clean);
    }
    (now >= bake.until).then(|| match bake.says_something() {
        true => Verdict::Over,
        false => Verdict::NoData {
            why: match bake.has_a_measure() {
                true => "too few visitors came".to_owned(),
                false => "too few visitors get the live color beside it".to_owned(),
            },
        },
    })
}

/// Whether the next step of a canary is to come.
pub(super) fn is_due(app: &App, bake: &Bake, now: Timestamp) -> bool {
    let goes_on = bake.goes_on() && bake.stage.is_some_and(|stage| stage.goes_on);
    goes_on && now >= bake.until && !canary::is_paused(app, bake.route()) && !is_behind_the_page(app)
}

/// Whether it waits for whoever leads the hosts, and has for as long as a release is watched.
fn is_forsaken(app: &App, bake: &Bake, now: Timestamp) -> bool {
    let late = SignedDuration::try_from(app.config.bake.lasts.0).unwrap_or(SignedDuration::ZERO);
    !watch::is_led(app) && now.duration_since(bake.until) >= late
}

fn is_of_a_burst(bursts: &mut HashMap<(String, String), f64>, fact: &Fact<'_>) -> bool {
    let key = (fact.who.to_owned(), fact.place().to_owned());
    if bursts.get(&key).is_some_and(|began| fact.at - began < BURST) {
        return true;
    }
    if matches!(fact.says(), Said::Failed { .. }) {
        bursts.retain(|_, began| fact.at - *began < BURST);
        bursts.insert(key, fact.at);
    }
    false
}

/// What is done with a release that is worse.
fn acts(bake: &Bake) -> Verdict {
    let why = match bake.only_tells() {
        None if bake.one_of_several => Some("one host of several does nothing alone".to_owned()),
        why => why,
    };
    why.map_or(Verdict::TakenBack, |why| Verdict::Told { why })
}

/// Whether that is left to whoever leads the hosts: it is watched on until they have done it.
fn is_led_on(app: &App, bake: &mut Bake) -> bool {
    bake.worse = bake.one_of_several && bake.only_tells().is_none() && watch::is_led(app);
    bake.worse
}

fn is_still_live(app: &App, bake: &Bake) -> bool {
    let Deployment { color, release } = &bake.release;
    // The page stands in front of it for a while.
    let live = app.link.read().map(Route::without_page);
    // A slot that is about to change ends the marks.
    live.is_ok_and(|live| live == bake.route())
        && marks::is_watched(app, bake.route())
        && releases::slot(&app.layout, *color).as_ref() == release.as_ref()
}

/// Whether visitors get what was live before.
fn is_back(app: &App, bake: &Bake) -> bool {
    let live = app.link.read().map(Route::without_page);
    live.is_ok_and(|live| live == Route::to(bake.before.color))
        && releases::slot(&app.layout, bake.before.color) == bake.before.release
}

/// The same once no run goes on: a switch that is put back moves the link for a moment.
async fn stays_live(app: &App, bake: &Bake) -> bool {
    while lock::current_holder(&app.layout.lock()).is_some() {
        tokio::time::sleep(GLANCE).await;
    }
    is_still_live(app, bake)
}

/// A request of ours is found in what NGINX writes down, on every listener and path: no line must
/// never be taken for no failure.
async fn arrive(app: &App, facts: &mut Facts, mut each: impl FnMut(&str)) -> Result<(), String> {
    let nonce = Nonce::fresh();
    let limit = app.config.gate.attempt.0;
    let mut missing: HashMap<String, String> = HashMap::new();
    let endpoints = app.paced_doors();
    let paths = &app.config.nginx.paths;
    let asked = endpoints
        .iter()
        .flat_map(|endpoint| paths.iter().map(move |path| (endpoint, path)));
    for (n, (endpoint, path)) in asked.enumerate() {
        let nonce = nonce.nth(n as u64);
        endpoint::watched(endpoint, app.name(), path, &nonce, limit)
            .await
            .map_err(|error| in_one_line(&error))?;
        missing.insert(nonce.as_str().to_owned(), format!("{path} on {endpoint}"));
    }
    let found = async {
        while !missing.is_empty() {
            let read = facts.next(|line| match Fact::read(line) {
                Some(fact) if !fact.nonce.is_empty() => {
                    missing.remove(fact.nonce);
                }
                _ => each(line),
            });
            if read.is_err() {
                return;
            }
            tokio::time::sleep(GLANCE).await;
        }
    };
    tokio::time::timeout(ARRIVES, found).await.ok();
    match missing.values().next() {
        None => Ok(()),
        Some(place) => Err(format!("NGINX wrote down no request of ours for {place}")),
    }
}

/// Whether what failed fails on the release before as well: then it is not this one.
pub(super) async fn fails_as_well(app: &App, bake: &Bake) -> bool {
    let mut often: Vec<_> = bake.paths.iter().collect();
    often.sort_by_key(|(_, times)| std::cmp::Reverse(**times));
    let paths: Vec<String> = often
        .into_iter()
        .filter_map(|(path, _)| Fact::path_to_ask(path))
        .collect();
    if paths.is_empty() {
        return false;
    }
    for path in paths.iter().cycle().take(TRIES.max(paths.len())) {
        let answer = compare::directly(app, bake.before.color, path).await;
        // One that does not answer says nothing about the release.
        if answer.is_ok_and(|answer| Fact::failed(answer.status)) {
            return true;
        }
        tokio::time::sleep(Duration::from_secs(1) / 5).await;
    }
    false
}

/// A rollback as anybody would type it, to what was live before, if that is still there; or the end of
/// a canary. What was judged must be where it was.
async fn take_back(app: &App, bake: &Bake, sink: &dyn Sink) -> Acted {
    if !is_still_live(app, bake) {
        return Acted::Done(Verdict::Superseded);
    }
    let Deployment { color, release } = &bake.before;
    let held = releases::slot(&app.layout, *color);
    let Some(before) = release.clone().filter(|release| held.as_ref() == Some(release)) else {
        return Acted::Done(Verdict::Told {
            why: format!("{color} no longer holds what was live before"),
        });
    };
    let caller = as_watched(bake, sink);
    let done = match bake.stage {
        None => switch::rollback(app, Some(before), None, PATIENCE, &caller)
            .await
            .map(drop),
        Some(_) => steps::give_up(app, (bake.route(), &bake.release), PATIENCE, &caller)
            .await
            .map(drop),
    };
    match done {
        Ok(()) => Acted::Done(Verdict::TakenBack),
        // Traffic is back, and something after that failed.
        Err(failure) if matches!(failure.traffic, Traffic::Moved { .. }) => Acted::Done(Verdict::TakenBack),
        Err(failure) => otherwise(app, bake, failure, |why| Verdict::Told { why }),
    }
}

/// The next step of a canary, as `bg promote` takes it.
async fn next_step(app: &App, bake: &Bake, sink: &dyn Sink) -> Acted {
    let waits = || is_behind_the_page(app) || canary::is_paused(app, bake.route());
    if waits() {
        return Acted::Later;
    }
    let caller = as_watched(bake, sink);
    match switch::goes_on(app, (bake.route(), &bake.release), BRIEFLY, &caller).await {
        Ok(_) => Acted::Done(Verdict::NextStep),
        Err(_) if waits() => Acted::Later,
        // What visitors meet meanwhile is looked at.
        Err(failure) if failure.kind == Kind::Locked => Acted::Later,
        Err(failure) => otherwise(app, bake, failure, |why| Verdict::Stays { why }),
    }
}

fn otherwise(app: &App, bake: &Bake, failure: Failure, verdict: fn(String) -> Verdict) -> Acted {
    match failure.kind {
        Kind::Interrupted => Acted::Interrupted,
        _ if !is_still_live(app, bake) => Acted::Done(Verdict::Superseded),
        _ => Acted::Done(verdict(failure.what)),
    }
}

/// Whoever acts for the watcher has seen this live.
fn as_watched<'a>(bake: &Bake, sink: &'a dyn Sink) -> Caller<'a> {
    let live = match bake.stage {
        None => &bake.release,
        Some(_) => &bake.before,
    };
    let expected = Expected {
        live: live.release.clone(),
    };
    Caller::afar(sink, ControlChannel::none(), Some(expected), None)
}

/// The verdict as a run of its own in the history.
async fn on_record(app: &App, bake: &Bake, sink: &dyn Sink) -> Result<(), Failure> {
    let caller = Caller::here(sink);
    let run = begin(app, Verb::Bake, PATIENCE, &caller).await?;
    run.commit(run.live(), run.from.maintenance, said(bake))
        .map_err(|failure| failure.with_traffic(Traffic::Unchanged { live: run.live() }))?;
    if let Some(release) = &bake.release.release {
        run.works_on(release);
    }
    let live = run.live();
    let traffic = match bake.verdict {
        Some(Verdict::TakenBack) => Traffic::PutBack { live },
        Some(Verdict::Told { .. } | Verdict::Stays { .. }) => Traffic::Unchanged { live },
        _ => return Ok(()),
    };
    hooks::guilty(&run, Failure::failed(said(bake)).with_traffic(traffic)).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_failure_nothing_counts_for_a_while_that_the_same_visitor_meets_there() {
        let mut bursts = HashMap::new();
        let mut counts = |at: f64, status: u16, who: &str, path: &str| {
            let line = format!("{at}|green|200|{status}|0.002|GET|OK|{who}||{path}");
            !is_of_a_burst(&mut bursts, &Fact::read(&line).unwrap())
        };
        assert!(counts(0.0, 200, "07", "/a"));
        assert!(counts(1.0, 500, "07", "/a/b"));
        for (at, status) in [(1.1, 500), (2.0, 200), (10.9, 500)] {
            assert!(!counts(at, status, "07", "/a"), "{at}");
        }
        // What was left out did not begin another one.
        assert!(counts(11.1, 200, "07", "/a"));
        assert!(counts(2.0, 500, "08", "/a"));
        assert!(counts(2.0, 500, "07", "/b"));
        assert!(counts(11.2, 500, "07", "/a"));
        assert!(!counts(11.3, 200, "07", "/a"));
    }
}
