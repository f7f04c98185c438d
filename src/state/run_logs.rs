//! What each run told, a file a run: the newest are kept.

use std::fs;

use model::journal::RunId;
use model::layout::Layout;
use sys::store;

/// A year of three runs a day, at some 5 kB each.
const KEPT: usize = 1000;

/// Deletes the oldest beyond those that are kept, and returns the newest. Best effort: the
/// next run tries again.
pub fn forget_old(layout: &Layout) -> Option<RunId> {
    let mut runs = runs(layout);
    for run in runs.iter().take(runs.len().saturating_sub(KEPT)) {
        fs::remove_file(layout.runs().join(format!("{run}.ndjson"))).ok();
    }
    runs.pop().map(RunId)
}

/// All of them, oldest first.
fn runs(layout: &Layout) -> Vec<String> {
    let names = store::names(&layout.runs()).unwrap_or_default();
    names
        .iter()
        .filter_map(|name| name.strip_suffix(".ndjson").map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::run_logs::*;

    #[test]
    fn the_newest_stay() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        assert_eq!(forget_old(&layout), None);
        fs::create_dir_all(layout.runs()).unwrap();
        for number in 0..KEPT + 3 {
            fs::write(layout.runs().join(format!("20261126T{number:09}Z-1.ndjson")), "").unwrap();
        }
        let newest = forget_old(&layout);
        let left = runs(&layout);
        assert_eq!(left.len(), KEPT);
        assert_eq!(left[0], "20261126T000000003Z-1");
        assert_eq!(newest.map(|run| run.0), left.last().cloned());
    }
}
