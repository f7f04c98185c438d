//! What came of a request whose connection was lost.

use engine::app::App;
use engine::traffic;
use model::failure::{Failure, Traffic};
use model::journal::Record;
use model::wire::EngineMessage;
use state::journal::Journal;
use state::outcome;

use crate::verbs::Answer;

/// What came of an earlier request, for a client that lost the connection to it.
///
/// # Errors
/// What that request failed with; or, when it ended without a word, where traffic is.
pub async fn of(app: &App, request_id: &str) -> Result<Option<Answer>, Failure> {
    let Some(said) = outcome::wait(&app.layout, request_id).await else {
        return Err(ended_without_a_word(app, request_id).await);
    };
    match serde_json::from_str(&said) {
        Ok(EngineMessage::Answer { answer, .. }) => Ok(serde_json::from_value(answer).ok()),
        Ok(EngineMessage::Failure(failed)) => Err(failed.into()),
        _ => Ok(None),
    }
}

/// The engine died, or what came of it could not be written: the journal knows.
async fn ended_without_a_word(app: &App, request_id: &str) -> Failure {
    let told = |records: &[Record]| last_of(records, request_id).is_some();
    let records = Journal::latest(&app.layout.journal(), told).unwrap_or_default();
    let route = match traffic::observe(app).await {
        Ok(route) => route,
        Err(failure) => return failure,
    };
    let live = traffic::deployment(app, route.color);
    match last_of(&records, request_id) {
        None => Failure::failed("the request was not carried out: the connection was lost before it began")
            .with_traffic(Traffic::Unchanged { live })
            .hint("type the command again"),
        Some(Record::Abort { reason, .. }) => {
            Failure::failed(reason.clone()).with_traffic(Traffic::Unchanged { live })
        }
        Some(Record::Commit { run, summary, .. }) => Failure::failed(format!(
            "{run} finished, but the connection was lost before its result arrived: {summary}"
        ))
        .with_traffic(Traffic::Moved { live })
        .hint("`bg status` shows what it left"),
        Some(Record::Begin { run, .. } | Record::Enter { run, .. }) => Failure::unknown(
            "the engine on the host died before the run ended",
            format!("{route} is live, and {run} is not finished"),
        )
        .hint("`bg repair` finishes the run or undoes it; so does the next command"),
    }
}

/// The last record of the run that has this request_id.
fn last_of<'a>(records: &'a [Record], request_id: &str) -> Option<&'a Record> {
    let has_it =
        |record: &&Record| matches!(record, Record::Begin { request_id: Some(one), .. } if one == request_id);
    let run = records.iter().find(has_it)?.run();
    records.iter().rev().find(|record| record.run() == run)
}
