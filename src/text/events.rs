//! The story for people: one line a fact, its time at the right; and a failure's page.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use model::event::Event;
use model::failure::{Deployment, Failure};
use model::judge::Counts;
use serde::Deserialize;
use serde_json::Value;

use super::clean::{self, Lines};
use super::{CARE, GOOD, notices, seconds, short, sign, typed};

const BAD: Style = AnsiColor::Red.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// The column where times stand, so that they line up on an 80-column terminal.
const TIME_COLUMN: usize = 66;

/// One fact. What is in it was written by others, in part.
#[must_use]
pub fn event(event: &Event, name: &str) -> String {
    match event {
        Event::Noted(it) => said(DIM, "·", &notices::note(it), name),
        Event::Warned(it) => said(CARE, "!", &notices::warning(it), name),
        Event::Recovered(it) => said(GOOD, "✓", &notices::repair(it), name),
        other => match clean::fact(other) {
            Some(event) => line(&event),
            None => clean::debug(other),
        },
    }
}

/// One fact of a run's own file, also of one that another version has written: that of 0.1.0
/// had the sentence alone. `None` for what says nothing to people.
#[must_use]
pub fn recorded(event: &Value, name: &str) -> Option<String> {
    if let Ok(known) = Event::deserialize(event) {
        return Some(self::event(&known, name));
    }
    let (style, mark, field) = match event.get("event")?.as_str()? {
        "noted" => (DIM, "·", "text"),
        "warned" => (CARE, "!", "text"),
        "recovered" => (GOOD, "✓", "what"),
        _ => return None,
    };
    Some(said(style, mark, event.get(field)?.as_str()?, name))
}

/// A sentence in which others have written, in part.
fn said(style: Style, mark: &str, sentence: &str, name: &str) -> String {
    sign(style, mark, &typed(&clean::text(sentence, Lines::Indented), name))
}

fn line(event: &Event) -> String {
    let text = match event {
        Event::Opened { .. } => return String::new(),
        Event::Began { .. } => return began(event),
        Event::Waiting { holder } => return sign(CARE, "…", &format!("waiting for {holder}")),
        Event::GateForced {
            color,
            reason,
            problem,
        } => {
            return sign(
                CARE,
                "!",
                &format!("{color} did not pass the gate, forced ({reason}): {problem}"),
            );
        }
        Event::HookSaid { hook, line } => return format!("  {DIM}│ {hook}:{DIM:#} {line}\n"),
        Event::HookFailed { hook, problem } => return sign(BAD, "✗", &format!("{hook}: {problem}")),
        Event::ContractForced { contract, reason } => {
            let past = format!("went back past the contract release {contract}, forced ({reason})");
            return sign(CARE, "!", &past);
        }
        Event::Behaved { .. } => return behaved(event),
        Event::PutBack { live, reason } => {
            return sign(BAD, "✗", &format!("{reason}; traffic put back to {live}"));
        }
        Event::Counted { failed, .. } if *failed > 0 => return counted(event, BAD, "✗"),
        Event::Counted { .. } => return counted(event, GOOD, "✓"),
        other => other,
    };
    done(text)
}

fn began(event: &Event) -> String {
    let Event::Began {
        app,
        verb,
        live,
        color,
        release,
        subject,
    } = event
    else {
        return String::new();
    };
    let release = release
        .as_ref()
        .map_or(String::new(), |release| format!(" {}", release.short()));
    let subject = subject
        .as_ref()
        .map_or(String::new(), |subject| format!(" \"{subject}\""));
    format!(
        "  {app} · {} · {verb}{release}{subject} to {color}\n",
        live_words(live)
    )
}

fn live_words(live: &Deployment) -> String {
    match &live.release {
        Some(release) => format!("{} is live ({})", live.color, release.short()),
        None => "nothing is live yet".to_owned(),
    }
}

fn done(event: &Event) -> String {
    let (text, took): (String, Option<f64>) = match event {
        Event::Fetched { commit, took_ms, .. } => {
            (format!("fetched {}", short(commit)), Some(*took_ms as f64))
        }
        Event::EnvironmentReady {
            reused: true,
            took_ms,
            ..
        } => (
            "python packages unchanged, environment reused".to_owned(),
            Some(*took_ms as f64),
        ),
        Event::EnvironmentReady {
            installer, took_ms, ..
        } => (
            format!("python packages installed with {installer}"),
            Some(*took_ms as f64),
        ),
        Event::ReleaseMade { release, took_ms } => (format!("release {release} made"), Some(*took_ms as f64)),
        Event::SlotFreed {
            color,
            closed: 0,
            took_ms,
        } => (
            format!("{color} stopped, 0 requests dropped"),
            Some(*took_ms as f64),
        ),
        Event::SlotFreed {
            color,
            closed,
            took_ms,
        } => (
            match closed {
                1 => format!("{color} stopped, 1 open connection closed"),
                _ => format!("{color} stopped, {closed} open connections closed"),
            },
            Some(*took_ms as f64),
        ),
        Event::Started {
            color,
            port,
            pid,
            took_ms,
        } => (
            format!("{color} started on :{port} (pid {pid})"),
            Some(*took_ms as f64),
        ),
        Event::Revived { color, release } => (
            format!("{color} was not running and was started again from {release}"),
            None,
        ),
        Event::GatePassed {
            color,
            passed,
            probes,
            slowest_ms,
            soaked_ms,
            took_ms,
        } => {
            let soak = if *soaked_ms == 0 {
                String::new()
            } else {
                format!(", soaked {}", seconds(*soaked_ms as f64))
            };
            (
                format!("{color} passed the gate, {passed} of {probes} probes, {slowest_ms:.0} ms{soak}"),
                Some(*took_ms as f64),
            )
        }
        Event::TrafficMoved {
            from,
            to,
            paths,
            listeners,
            took_ms,
        } => {
            let proof = proven(*paths, *listeners);
            (
                match from.release {
                    Some(_) => format!("traffic moved {} → {}, {proof}", from.color, to.color),
                    None => format!("traffic goes to {}, {proof}", to.color),
                },
                Some(*took_ms),
            )
        }
        Event::WorkerHandedOver {
            worker,
            gap_ms,
            took_ms,
            ..
        } => (worker_words(worker, *gap_ms), Some(*took_ms as f64)),
        Event::WorkerStopped { worker, took_ms } => {
            (format!("worker {worker} stopped"), Some(*took_ms as f64))
        }
        Event::Stepped {
            color,
            share,
            paths,
            listeners,
            took_ms,
        } => {
            let proof = proven(*paths, *listeners);
            let moved = match share {
                Some(share) => format!("{share} of the visitors on {color}"),
                None => format!("no visitor on {color} any more"),
            };
            (format!("{moved}, {proof}"), Some(*took_ms as f64))
        }
        Event::Saved { took_ms } => (
            "process list saved for a reboot".to_owned(),
            Some(*took_ms as f64),
        ),
        Event::Pruned {
            releases,
            environments,
        } => (pruned_words(releases.len(), *environments), None),
        Event::MaintenanceSet { on } => (
            format!("maintenance page {}", if *on { "up" } else { "taken down" }),
            None,
        ),
        Event::HookRan {
            hook,
            command,
            took_ms,
        } => (format!("{hook}: `{command}`"), Some(*took_ms as f64)),
        Event::AwaitsSchema { release } => (
            format!("{} is built and waits for the migration", release.short()),
            None,
        ),
        Event::SchemaReady { migrated: false, .. } => ("no migration is needed".to_owned(), None),
        Event::SchemaReady {
            contract, took_ms, ..
        } => {
            let contract = contract
                .as_ref()
                .map_or("", |_| ", for this release and later ones only");
            (format!("database migrated{contract}"), Some(*took_ms as f64))
        }
        Event::BackedUp { file, bytes, took_ms } => (
            format!("database backed up, {bytes} bytes: {}", file.display()),
            Some(*took_ms as f64),
        ),
        Event::Ready { color, .. } => (format!("{color} is ready and waits for the other hosts"), None),
        Event::Began { .. }
        | Event::Opened { .. }
        | Event::Waiting { .. }
        | Event::GateForced { .. }
        | Event::HookSaid { .. }
        | Event::HookFailed { .. }
        | Event::Behaved { .. }
        | Event::ContractForced { .. }
        | Event::PutBack { .. }
        | Event::Counted { .. }
        | Event::Recovered(_)
        | Event::Noted(_)
        | Event::Warned(_) => return String::new(),
    };
    let line = sign(GOOD, "✓", &text);
    match took {
        None => line,
        Some(took) => {
            let pad = TIME_COLUMN.saturating_sub(text.chars().count()).max(1);
            format!(
                "{}{}{DIM}{:>7}{DIM:#}\n",
                line.trim_end_matches('\n'),
                " ".repeat(pad),
                seconds(took)
            )
        }
    }
}

fn pruned_words(releases: usize, environments: usize) -> String {
    let kinds = [(releases, "old release"), (environments, "environment")];
    let told = kinds.iter().filter(|(count, _)| *count > 0);
    let told: Vec<String> = told.map(|(count, word)| super::counted(*count, word)).collect();
    format!("deleted {}", told.join(" and "))
}

fn proven(paths: usize, listeners: usize) -> String {
    match paths {
        0 => "proven behind the maintenance page".to_owned(),
        paths => format!(
            "proven on {} and {}",
            super::counted(paths, "path"),
            super::counted(listeners, "listener")
        ),
    }
}

fn worker_words(worker: &str, gap_ms: Option<u64>) -> String {
    match gap_ms {
        Some(gap) => format!("worker {worker} handed over, {gap} ms without a running worker"),
        None => format!("worker {worker} handed over"),
    }
}

fn behaved(event: &Event) -> String {
    const SHOWN: usize = 10;
    let Event::Behaved {
        release,
        counts,
        places,
    } = event
    else {
        return String::new();
    };
    let requests = |counts: &Counts| {
        let all = usize::try_from(counts.requests).unwrap_or(usize::MAX);
        format!("{}, {} failed", super::counted(all, "request"), counts.failed)
    };
    let mut text = format!(
        "  · {} while it was watched: {}\n",
        release.short(),
        requests(counts)
    );
    for place in places.iter().take(SHOWN) {
        let took = place.p50_ms.zip(place.p95_ms);
        let took = took.map_or(String::new(), |(half, most)| {
            format!(", half within {half} ms, 95 of 100 within {most} ms")
        });
        writeln!(text, "      {}: {}{took}", place.place, requests(&place.counts)).ok();
    }
    text
}

fn counted(event: &Event, style: Style, mark: &str) -> String {
    let Event::Counted {
        sent,
        failed,
        failures,
        window_ms,
        last_old_ms,
        enough,
        by_nginx,
    } = event
    else {
        return String::new();
    };
    let last = last_old_ms.map_or(String::new(), |last| {
        format!(", last old answer after {last:.0} ms")
    });
    let enough = if *enough {
        ""
    } else {
        " (too few to tell whether the switch lost any)"
    };
    let window = seconds(*window_ms as f64);
    let mut text = sign(
        style,
        mark,
        &format!("{sent} requests in the {window} around the switch, {failed} failed{last}{enough}"),
    );
    for line in failures.iter().chain(by_nginx) {
        writeln!(text, "      {line}").ok();
    }
    text
}

/// What failed, why, where traffic is, and what to do next.
#[must_use]
pub fn failure(failure: &Failure, name: &str) -> String {
    let failure = &clean::failure(failure);
    let mut page = format!("{BAD}error:{BAD:#} {}\n", typed(&failure.what, name));
    for cause in failure.causes() {
        writeln!(page, "caused by: {}", typed(&cause, name)).ok();
    }
    for line in &failure.excerpt {
        writeln!(page, "  {line}").ok();
    }
    if failure.traffic != model::failure::Traffic::Untouched {
        writeln!(page, "traffic: {}", failure.traffic).ok();
    }
    for hint in &failure.hints {
        writeln!(page, "hint: {}", typed(hint, name)).ok();
    }
    page
}
