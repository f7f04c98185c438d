//! Asking for a passphrase, on a terminal only, once per key however many hosts want it.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use russh::keys::{PrivateKey, decode_secret_key};
use tokio::sync::Mutex;

/// As with OpenSSH.
const TRIES: usize = 3;

/// What came of each key; nothing where its passphrase was not given. Held while somebody is
/// asked, so that questions do not mix.
static ASKED: Mutex<BTreeMap<PathBuf, Option<Arc<PrivateKey>>>> = Mutex::const_new(BTreeMap::new());

/// What came of asking.
pub(super) enum Answer {
    /// The key is open.
    Open(Arc<PrivateKey>),
    /// Nobody is there to ask.
    NobodyThere,
    /// It was wrong each time, or empty.
    Wrong,
}

/// Whether this process has a terminal, wherever its inputs and outputs go.
fn has_terminal() -> bool {
    OpenOptions::new().read(true).write(true).open("/dev/tty").is_ok()
}

/// Unlocks the key in `file`, whose text is `text`.
pub(super) async fn unlock(file: &Path, text: &str) -> Answer {
    let mut asked = ASKED.lock().await;
    if let Some(key) = asked.get(file) {
        return key.clone().map_or(Answer::Wrong, Answer::Open);
    }
    if !has_terminal() {
        return Answer::NobodyThere;
    }
    let (path, text) = (file.to_owned(), text.to_owned());
    let key = tokio::task::spawn_blocking(move || ask(&path, &text)).await;
    let key = key.ok().flatten().map(Arc::new);
    asked.insert(file.to_owned(), key.clone());
    key.map_or(Answer::Wrong, Answer::Open)
}

fn ask(file: &Path, text: &str) -> Option<PrivateKey> {
    let mut question = format!("passphrase of the key `{}`: ", file.display());
    for _ in 0..TRIES {
        let passphrase = rpassword::prompt_password(&question).ok()?;
        if passphrase.is_empty() {
            return None;
        }
        if let Ok(key) = decode_secret_key(text, Some(&passphrase)) {
            return Some(key);
        }
        question = format!("wrong passphrase; passphrase of the key `{}`: ", file.display());
    }
    None
}
