//! What came of a request, kept by its request_id for a client that lost the connection before
//! it heard.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use model::layout::Layout;
use sys::lock;
use sys::store::{self, FileError};

/// How many are kept: a client asks within minutes.
const KEPT: usize = 20;

/// How often a client that asks is looked after.
const LOOK: Duration = Duration::from_millis(100);

/// How long an engine that has let its lock go may take to write what came of it.
const LAST_WORD: Duration = Duration::from_secs(2);

/// How long a run that goes on is waited for in one go.
const PATIENCE: Duration = Duration::from_secs(300);

/// Keeps `said`, a line of the wire, for whoever has the request_id.
///
/// # Errors
/// When it cannot be written.
pub fn keep(layout: &Layout, request_id: &str, said: &str) -> Result<(), FileError> {
    let Some(path) = path(layout, request_id) else {
        return Ok(());
    };
    let folder = layout.outcomes();
    fs::create_dir_all(&folder).map_err(FileError::at("make", &folder))?;
    store::write_whole(&path, said.as_bytes(), 0o600)?;
    let names = store::names(&folder).unwrap_or_default();
    let old = names.len().saturating_sub(KEPT);
    for name in names.into_iter().take(old) {
        fs::remove_file(folder.join(name)).ok();
    }
    Ok(())
}

/// Waits for what came of the request with this request_id; `None` when nobody works on
/// anything any more and it was not said.
pub async fn wait(layout: &Layout, request_id: &str) -> Option<String> {
    let path = path(layout, request_id)?;
    let began = Instant::now();
    let mut idle_since = began;
    loop {
        if let Ok(said) = fs::read_to_string(&path) {
            return Some(said);
        }
        if lock::current_holder(&layout.lock()).is_some() {
            idle_since = Instant::now();
        }
        if idle_since.elapsed() > LAST_WORD || began.elapsed() > PATIENCE {
            return None;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Tickets are ours: digits, letters and dashes, the time first, so that they sort by age.
fn path(layout: &Layout, request_id: &str) -> Option<PathBuf> {
    let fits = !request_id.is_empty()
        && request_id.len() <= 64
        && request_id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    fits.then(|| layout.outcomes().join(format!("{request_id}.json")))
}

#[cfg(test)]
mod tests {
    use crate::outcome::*;

    fn layout() -> (tempfile::TempDir, Layout) {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        fs::create_dir_all(layout.state()).unwrap();
        (root, layout)
    }

    #[tokio::test]
    async fn what_came_of_a_request_is_found_by_its_id() {
        let (_root, layout) = layout();
        keep(&layout, "20261125T000000Z-a", "\"done\"").unwrap();
        let said = wait(&layout, "20261125T000000Z-a").await;
        assert_eq!(said.as_deref(), Some("\"done\""));
        assert_eq!(wait(&layout, "20261125T000000Z-b").await, None);
    }

    #[tokio::test]
    async fn a_request_id_cannot_name_a_file_elsewhere() {
        let (root, layout) = layout();
        fs::write(root.path().join("journal.json"), "{}").unwrap();
        for request_id in ["../journal", "", "a/b", &"x".repeat(65)] {
            assert_eq!(wait(&layout, request_id).await, None, "{request_id}");
            keep(&layout, request_id, "x").unwrap();
        }
        assert!(!layout.outcomes().exists());
    }

    #[test]
    fn only_the_latest_are_kept() {
        let (_root, layout) = layout();
        for number in 10..45 {
            keep(&layout, &format!("20261125T0000{number}Z-x"), "x").unwrap();
        }
        let names = store::names(&layout.outcomes()).unwrap();
        assert_eq!(names.len(), KEPT);
        assert_eq!(names.first().map(String::as_str), Some("20261125T000025Z-x.json"));
    }
}
