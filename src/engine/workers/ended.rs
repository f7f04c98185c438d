//! A worker that has ended: how, and its last words.

use std::time::Duration;

use model::instance::{Holder, Instance};

use crate::app::App;
use crate::slot;
use crate::workers::entry::entry;
use crate::workers::trouble::Problem;
use crate::workers::wanted::Wanted;

/// How long PM2 may take to write down a worker's last words.
const LAST_WORDS: Duration = Duration::from_millis(150);

/// What is known of a worker that has ended.
pub(super) async fn why_it_ended(
    app: &App,
    instance: &Instance,
    wanted: Wanted<'_>,
    died: &Holder,
    log_from: u64,
) -> Problem {
    let age = jiff::Timestamp::now().duration_since(died.since).as_secs_f64();
    let log = last_words(app, wanted, log_from).await;
    let code = match entry(app, instance).await {
        Ok(Some(entry)) => entry.exit_code,
        _ => None,
    };
    let code = code.map_or(String::new(), |code| format!(" with exit code {code}"));
    Problem {
        text: format!("its process ended {:.1} s after its start{code}", age.max(0.0)),
        log,
    }
}

/// The last lines of a worker since its log was `from` bytes long.
pub(super) async fn last_words(app: &App, wanted: Wanted<'_>, from: u64) -> Vec<String> {
    tokio::time::sleep(LAST_WORDS).await;
    let redactor = slot::redactor(app, wanted.manifest);
    let name = &wanted.worker.name;
    slot::last_lines(&app.layout.worker_log(name), from, &redactor, name)
}
