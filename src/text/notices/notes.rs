//! What is noted.

use std::time::Duration;

use engine::adopted::listed;
use engine::slot::still_open_words;
use model::compare::Page;
use model::config::duration::Span;
use model::event::{ChangedFile, FleetStage, Note, Remote, TriedBy};

use super::compared::page;
use super::data::written;
use super::repairs::step;
use crate::text::{counted, short};

/// How many pages are named that differ.
const PAGES: usize = 5;

/// What came of comparing pages.
fn compared(asked: usize, unclear: usize, pages: &[Page]) -> String {
    let compared = asked.saturating_sub(unclear);
    if compared == 0 {
        return format!(
            "{} that visitors asked for last, and none could be compared with the live color",
            counted(asked, "page")
        );
    }
    let same = compared.saturating_sub(pages.len());
    let told: Vec<String> = pages.iter().take(PAGES).map(page).collect();
    let more = match pages.len().saturating_sub(PAGES) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let told = match told.is_empty() {
        true => String::new(),
        false => format!(": {}{more}", told.join(", ")),
    };
    format!(
        "{} compared with the live color, {same} the same{told}",
        counted(compared, "page")
    )
}

/// A note, in a sentence.
#[must_use]
pub fn note(note: &Note) -> String {
    match note {
        Note::Compared {
            asked,
            unclear,
            pages,
        } => compared(*asked, *unclear, pages),
        Note::PreviewOver { color, by } => {
            let by = by
                .as_ref()
                .map_or(String::new(), |by| format!(" that {by} opened"));
            format!("the preview of {color}{by} is over")
        }
        Note::AlreadyLive { live } => format!("{live} is live already"),
        Note::StopTooLate => "asked to stop after traffic had moved: finishing the run instead".to_owned(),
        Note::AskedHostToStop { on } => {
            format!("asked `{on}` to stop before traffic moves; Ctrl-C again leaves the run to the host")
        }
        Note::AskedHostsToStop { when } => asked_to_stop(*when).to_owned(),
        Note::LeadsHosts { hosts } => format!(
            "watches {} together until there is a verdict; Ctrl-C leaves them as they are",
            hosts.join(", ")
        ),
        Note::SmokePassed { command } => format!("`{command}` passed"),
        Note::PreflightPassed {
            release,
            tried,
            took_ms,
        } => {
            let works = match tried {
                TriedBy::Import => "can be imported",
                TriedBy::Start => "starts",
            };
            format!("{} {works}, tried in {}", release.short(), tenths(*took_ms))
        }
        Note::PreflightUnclear { release, took_ms } => format!(
            "{} was tried for {} and neither answered nor ended: the gate decides",
            release.short(),
            tenths(*took_ms)
        ),
        Note::WaitingForLateRequests { color, wait_ms } => format!(
            "{color} may still be answering requests from before the last switch: waiting {} s",
            wait_ms.div_ceil(1000)
        ),
        Note::WaitingForConnections {
            color,
            open,
            wait_ms,
            stop_ms,
        } => {
            let then = stop_ms.map_or(String::new(), |ms| {
                format!(", then the app gets {} to stop", span(ms))
            });
            let open = still_open_words(*color, *open);
            format!("{open}: waiting up to {}{then}", span(*wait_ms))
        }
        Note::ColdStart {
            color,
            release,
            problem,
        } => format!(
            "{color} is not warm ({problem}): starting it from {}",
            release.short()
        ),
        Note::StillStarting { color } => {
            format!("PM2 has just started {color}: waiting until it passes the gate")
        }
        Note::SlotRestored { color, release } => format!(
            "{color} runs {} again, the release that it held before",
            release.short()
        ),
        Note::AdoptedRetired { process, checkout } => format!(
            "the adopted process `{process}` was stopped and its PM2 entry deleted; its work tree {} is left as it is",
            checkout.display()
        ),
        Note::SharedSeeded { path } => {
            format!(
                "`{}` is shared from now on, as it is in this commit",
                path.display()
            )
        }
        Note::ReleaseHoldsData { release, data } => format!(
            "old release {release} is kept, because data was written into it: {}; `bg data` shows all of it",
            written(data)
        ),
        Note::RepairPlanned(planned) => step(planned),
        Note::EditsKept { path } => format!("{} keeps the changes that others made", path.display()),
        Note::NginxUnchanged => {
            "NGINX needs no reload: its configuration means the same as before".to_owned()
        }
        Note::NginxReloaded => "NGINX reads the new configuration".to_owned(),
        Note::LaidOut { path } => format!("{} is laid out", path.display()),
        Note::AdoptionProven {
            color,
            by_the_app,
            by_others,
            names,
        } => {
            let paths = match by_the_app {
                1 => "1 path".to_owned(),
                count => format!("{count} paths and listeners"),
            };
            let others = match by_others {
                0 => String::new(),
                1 => "; 1 more answers as before".to_owned(),
                count => format!("; {count} more answer as before"),
            };
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            format!(
                "{paths} through NGINX answered by {color}, as before, asked for as {}{others}",
                names.join(", ")
            )
        }
        Note::DataShared { paths } => format!("{} moved into `shared`", listed(paths)),
        Note::Adopted { process, color } => format!("`{process}` is {color} now; bg did not start it again"),
        Note::AdoptionUndone => "the site is as it was before it was adopted".to_owned(),
        Note::Removed { app } => format!("{app} is removed from this host"),
        Note::Purged { app } => format!("nothing of {app} is left on this host"),
        Note::NothingToSend => "nothing to commit and nothing to push".to_owned(),
        Note::Sending {
            message,
            branch,
            remote,
            earlier,
            changes,
            more,
        } => {
            let commit = message
                .iter()
                .map(|message| format!("commit \"{message}\" to `{branch}`"));
            let push = remote.iter().map(|remote| push(branch, remote, *earlier));
            let steps: Vec<String> = commit.chain(push).collect();
            steps.join(", ") + &files(changes, *more)
        }
        Note::Pushed {
            commit,
            branch,
            remote,
        } => format!("{} is on `{branch}` of `{remote}`", short(commit)),
        Note::Packed {
            folder,
            files,
            commit,
        } => format!(
            "{} of {folder} packed as {}",
            counted(*files, "file"),
            short(commit)
        ),
        Note::EngineInstalled { on, engine } => format!("engine {engine} installed on {on}"),
        Note::DoubtSettled { on } => format!("`{on}` is no longer in doubt"),
    }
}

fn asked_to_stop(when: FleetStage) -> &'static str {
    match when {
        FleetStage::BeforeTheMove => {
            "asked every host to stop before traffic moves; Ctrl-C again leaves the runs to the hosts"
        }
        FleetStage::Moving => {
            "asked to stop while traffic was moving: all hosts finish the switch or all put traffic back; Ctrl-C again leaves the runs to the hosts"
        }
        FleetStage::Stopping => "stopping on every host; Ctrl-C again leaves the runs to the hosts",
    }
}

fn push(branch: &str, remote: &Remote, earlier: Option<usize>) -> String {
    let earlier = match earlier {
        Some(0) | None => String::new(),
        Some(count) => format!(" with {}", counted(count, "earlier commit")),
    };
    format!(
        "push `{branch}` to `{}` ({}){earlier}",
        remote.name, remote.address
    )
}

/// As `git status --short`, below the line that says what happens with them.
fn files(changes: &[ChangedFile], more: usize) -> String {
    let mut lines: Vec<String> = changes
        .iter()
        .map(|change| format!("\n      {} {}", change.code, change.path.display()))
        .collect();
    if more > 0 {
        lines.push(format!("\n      and {more} more"));
    }
    match lines.is_empty() {
        true => String::new(),
        false => format!(":{}", lines.concat()),
    }
}

/// `0.4 s`.
fn tenths(ms: u64) -> String {
    format!("{:.1} s", Duration::from_millis(ms).as_secs_f64())
}

/// As bg.toml has it: `1m 30s`.
fn span(ms: u64) -> Span {
    Span(Duration::from_millis(ms))
}
