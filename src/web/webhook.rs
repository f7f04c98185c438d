//! A message to a webhook: one request, a short deadline, and nothing that names its URL,
//! which is a secret as a rule.

use std::time::Duration;

use reqwest::Client;
use reqwest::header::CONTENT_TYPE;

use crate::http::{USER_AGENT, install_ring};

/// How long the whole of it may take: whoever deploys waits for it.
const WITHIN: Duration = Duration::from_secs(5);

/// Why a message did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// It was taken by nobody.
    #[error("the webhook did not take it")]
    Unsent(#[source] reqwest::Error),
    /// It was refused.
    #[error("the webhook answered {0}")]
    Refused(u16),
}

/// Posts `body`, which is JSON, on a connection of its own, by the proxy settings of the
/// environment.
///
/// # Errors
/// When there is no answer within 5 s, or another one than 2xx.
pub async fn post(url: &str, body: String) -> Result<(), WebhookError> {
    install_ring();
    let unsent = |error: reqwest::Error| WebhookError::Unsent(error.without_url());
    let client = Client::builder()
        .timeout(WITHIN)
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(unsent)?;
    let request = client
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .body(body);
    let answer = request.send().await.map_err(unsent)?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(WebhookError::Refused(status.as_u16())),
    }
}
