//! What the engine says, as lines on standard output. Written by a thread of its own: a
//! client that does not read must never hold up a run.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use model::wire::EngineMessage;

/// How long the end of an engine waits for a client that does not read.
const LAST_WORD: Duration = Duration::from_secs(10);

enum Job {
    Line(String),
    Flushed(SyncSender<()>),
}

static WRITER: OnceLock<Sender<Job>> = OnceLock::new();

pub(super) fn say(said: &EngineMessage) {
    if let Ok(mut line) = serde_json::to_string(said) {
        line.push('\n');
        writer().send(Job::Line(line)).ok();
    }
}

/// Waits until everything was written, or nobody reads it.
pub(super) fn flush() {
    let (done, is_done) = sync_channel(1);
    writer().send(Job::Flushed(done)).ok();
    is_done.recv_timeout(LAST_WORD).ok();
}

fn writer() -> &'static Sender<Job> {
    WRITER.get_or_init(|| {
        let (jobs, next) = channel();
        std::thread::spawn(move || {
            let mut stdout = std::io::stdout();
            for job in next {
                match job {
                    Job::Line(line) => {
                        stdout
                            .write_all(line.as_bytes())
                            .and_then(|()| stdout.flush())
                            .ok();
                    }
                    Job::Flushed(done) => {
                        done.send(()).ok();
                    }
                }
            }
        });
        jobs
    })
}
