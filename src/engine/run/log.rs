//! A run's own file, in which its events are kept beside being told.

use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use model::event::{Event, Sink};
use model::journal::RunId;

use crate::app::App;

/// Tells every event to two: whoever looks on, and the run's own file.
#[derive(Clone)]
pub struct RunLog<'a> {
    onlooker: &'a dyn Sink,
    file: Option<Arc<Mutex<File>>>,
    began: Instant,
}

impl<'a> RunLog<'a> {
    pub(super) fn new(app: &App, run: &RunId, onlooker: &'a dyn Sink) -> RunLog<'a> {
        // Without room for the file the run goes on: its story is worth less than it.
        let file = std::fs::create_dir_all(app.layout.runs())
            .and_then(|()| File::create(app.layout.runs().join(format!("{run}.ndjson"))))
            .ok();
        RunLog {
            onlooker,
            file: file.map(|file| Arc::new(Mutex::new(file))),
            began: Instant::now(),
        }
    }
}

impl Sink for RunLog<'_> {
    fn emit(&self, event: Event) {
        if let Some(file) = &self.file {
            let mut file = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let line = serde_json::json!({"ms": self.began.elapsed().as_millis() as u64, "event": event});
            file.write_all(format!("{line}\n").as_bytes()).ok();
        }
        self.onlooker.emit(event);
    }
}
