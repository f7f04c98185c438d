//! `bg init`: an annotated starter bg.toml for the app in a folder.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::host::guess;
use crate::host::store;
use crate::model::config::{Config, starter};
use crate::model::failure::{Failure, Kind};
use crate::model::password::without_password;

/// What was written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Started {
    /// The file.
    pub path: PathBuf,
    /// What was guessed and should be looked at.
    pub guessed: Vec<String>,
}

/// Writes `bg.toml` into `folder`.
///
/// # Errors
/// When there is one already and `force` is not given.
pub async fn init(folder: &Path, force: bool) -> Result<Started, Failure> {
    let path = folder.join("bg.toml");
    if path.exists() && !force {
        return Err(Failure::new(Kind::Usage, "there is a bg.toml here already")
            .hint("`bg init --force` replaces it"));
    }
    let guess = guess::guess(folder).await;
    let text = starter::starter(&guess)
        .map_err(|error| Failure::failed("the starter cannot be written").because(error))?;
    store::write_whole(&path, text.as_bytes(), Config::MODE)
        .map_err(|error| Failure::failed(format!("`{}` cannot be written", path.display())).because(error))?;
    Ok(Started {
        path,
        guessed: vec![
            format!("app = {}", guess.app),
            format!(
                "source.git = {}, branch {}",
                without_password(&guess.git),
                guess.branch
            ),
            format!("the WSGI app = {}", guess.module),
            format!("a health check = {}", guess.health),
        ],
    })
}
