//! Several hosts on one page: a table, and below it what should not be.

use std::fmt::Write;

use crate::verbs::answer::Answer;
use crate::verbs::fleet::{Fleet, OnHost};
use crate::verbs::status::{Health, RollbackStatus, Status};

/// The whole fleet; `page` has an answer of one host as text.
pub(super) fn table(fleet: &Fleet, page: impl Fn(&Answer) -> String) -> String {
    let plain = fleet.hosts.iter().all(|host| {
        matches!(
            host.answer.as_deref(),
            None | Some(Answer::Status(_) | Answer::Deployed(_) | Answer::Maintenance(_))
        )
    });
    let mut text = if plain { rows(fleet) } else { pages(fleet, page) };
    if let Some(skew) = fleet.skew_ms {
        writeln!(text, "  first and last switch {skew:.0} ms apart").ok();
    }
    for difference in &fleet.differ {
        writeln!(text, "  ! {difference}").ok();
    }
    if let Some(hook) = &fleet.hook {
        writeln!(text, "  ! traffic moved and stays, and {hook} here").ok();
    }
    if let Some(public) = &fleet.public {
        writeln!(
            text,
            "  ! the site was there for the world before, and is not now: {public}"
        )
        .ok();
    }
    text
}

fn rows(fleet: &Fleet) -> String {
    let rows: Vec<[String; 4]> = fleet.hosts.iter().map(row).collect();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    for [mark, host, traffic, rest] in &rows {
        let line = format!(
            "  {mark:<a$} {host:<b$}  {traffic:<c$}  {rest}",
            a = widths[0],
            b = widths[1],
            c = widths[2]
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(host: &OnHost) -> [String; 4] {
    let mark = if host.exit_code == 0 { "✓" } else { "✗" };
    let rest = match (&host.failure, host.answer.as_deref()) {
        (Some(failed), _) => failed.what.clone(),
        (None, Some(Answer::Status(now))) => glance(now),
        _ => String::new(),
    };
    [mark.to_owned(), host.host.clone(), host.traffic(), rest]
}

/// What of a status fits a line.
fn glance(now: &Status) -> String {
    let mut parts = Vec::new();
    if now.maintenance {
        parts.push("maintenance page up".to_owned());
    }
    if now.doubt.is_some() {
        parts.push("in doubt".to_owned());
    }
    for slot in &now.slots {
        if let Health::Unhealthy(why) | Health::Down(why) = &slot.health {
            parts.push(format!("{} {why}", slot.color));
        }
    }
    for worker in &now.workers {
        match &worker.problem {
            Some(problem) => parts.push(format!("worker {} {problem}", worker.name)),
            None => parts.push(format!("worker {} runs", worker.name)),
        }
    }
    parts.push(match &now.rollback {
        RollbackStatus::Ready { to } => format!("rollback ready, to {to}"),
        RollbackStatus::Cold { to, .. } => format!("rollback to {to} would be started first"),
        RollbackStatus::Nothing { .. } => "no rollback".to_owned(),
    });
    parts.extend(now.drift.iter().cloned());
    parts.join("; ")
}

/// Answers that are pages of their own, each below its host's name.
fn pages(fleet: &Fleet, page: impl Fn(&Answer) -> String) -> String {
    let mut text = String::new();
    for host in &fleet.hosts {
        match host.answer.as_deref() {
            Some(Answer::Shown { .. } | Answer::ShownOf { .. }) => {}
            Some(answer) => {
                writeln!(text, "{}", host.host).ok();
                text.push_str(&page(answer));
            }
            None => {
                let what = host
                    .failure
                    .as_ref()
                    .map_or("done", |failed| failed.what.as_str());
                writeln!(text, "{}: {what}", host.host).ok();
            }
        }
    }
    text
}
