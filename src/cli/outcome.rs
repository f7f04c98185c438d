//! What came of a request whose connection was lost.

use engine::app::App;
use engine::traffic;
use model::failure::{Failure, Traffic};
use model::journal::Record;
use model::wire::Said;
use state::journal::Journal;
use state::outcome;

use crate::verbs::Answer;

/// What came of an earlier request, for a client that lost the connection to it.
///
/// # Errors
/// What that request failed with; or, when it ended without a word, where traffic is.
pub async fn of(app: &App, ticket: &str) -> Result<Option<Answer>, Failure> {
    let Some(said) = outcome::wait(&app.layout, ticket).await else {
        return Err(ended_without_a_word(app, ticket).await);
    };
    match serde_json::from_str(&said) {
        Ok(Said::Answer { answer, .. }) => Ok(serde_json::from_value(answer).ok()),
        Ok(Said::Failure(failed)) => Err(failed.into()),
        _ => Ok(None),
    }
}

/// The engine died, or what came of it could not be written: the journal knows.
async fn ended_without_a_word(app: &App, ticket: &str) -> Failure {
    let told = |records: &[Record]| last_of(records, ticket).is_some();
    let records = Journal::latest(&app.layout.journal(), told).unwrap_or_default();
    let route = match traffic::observe(app).await {
        Ok(route) => route,
        Err(failure) => return failure,
    };
    let live = traffic::standing(app, route.color);
    match last_of(&records, ticket) {
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

/// The last record of the run that has this ticket.
fn last_of<'a>(records: &'a [Record], ticket: &str) -> Option<&'a Record> {
    let has_it =
        |record: &&Record| matches!(record, Record::Begin { ticket: Some(one), .. } if one == ticket);
    let run = records.iter().find(has_it)?.run();
    records.iter().rev().find(|record| record.run() == run)
}
