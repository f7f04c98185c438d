//! The site as the world sees it: asked from the client, before a switch and after it.

use std::time::Duration;

use reqwest::Client;

/// How long the whole answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Why the site is not there for the world.
#[derive(Debug, thiserror::Error)]
pub enum NotThere {
    /// It answers that it cannot.
    #[error("`{url}` answers {status}")]
    Answers {
        /// The URL.
        url: String,
        /// The status.
        status: u16,
    },
    /// It does not answer.
    #[error("`{url}` does not answer")]
    Silent {
        /// The URL.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
}

/// Asks once, on a connection of its own, by the proxy settings of the environment.
///
/// # Errors
/// When there is no answer, its certificate is not trusted, or its status is above 499.
pub async fn ask(url: &str) -> Result<(), NotThere> {
    rustls::crypto::ring::default_provider().install_default().ok();
    let silent = |source| NotThere::Silent {
        url: url.to_owned(),
        source,
    };
    let client = Client::builder().timeout(ANSWER_WITHIN).build().map_err(silent)?;
    let answer = client.get(url).send().await.map_err(silent)?;
    match answer.status().as_u16() {
        status if status < 500 => Ok(()),
        status => Err(NotThere::Answers {
            url: url.to_owned(),
            status,
        }),
    }
}
