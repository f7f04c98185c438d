//! `load`: keeps asking a site until it is told to stop, then prints what it counted as
//! one line of JSON. Knows nothing of `bg`.

#[path = "load.rs"]
mod load;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use load::{Count, Kind, Load, Plan};

/// Constant mixed load, counted; ends at SIGTERM, SIGINT or after `--seconds`.
#[derive(Parser)]
struct Arguments {
    /// Where the site listens, as `127.0.0.1:8080`.
    address: SocketAddr,
    /// The Host header.
    #[arg(long, default_value = "localhost")]
    host: String,
    /// Connections that stay open and send GET.
    #[arg(long, default_value_t = 4)]
    get: usize,
    /// Connections that stay open and send POST.
    #[arg(long, default_value_t = 2)]
    post: usize,
    /// GETs at once, each on a new connection.
    #[arg(long, default_value_t = 2)]
    fresh_get: usize,
    /// POSTs at once, each on a new connection.
    #[arg(long, default_value_t = 1)]
    fresh_post: usize,
    /// Answers at once that take 2 s.
    #[arg(long, default_value_t = 0)]
    slow: usize,
    /// Uploads at once that take 2 s.
    #[arg(long, default_value_t = 0)]
    upload: usize,
    /// Streamed answers at once that take 2 s.
    #[arg(long, default_value_t = 0)]
    stream: usize,
    /// Milliseconds between a connection's answer and its next request.
    #[arg(long, default_value_t = 20)]
    pause: u64,
    /// Ends after this many seconds.
    #[arg(long)]
    seconds: Option<u64>,
    /// A file that always holds the count up to now, written anew five times a second.
    #[arg(long)]
    progress: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let load = Load::run(plan(&arguments));
    let end = arguments
        .seconds
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    while end.is_none_or(|end| Instant::now() < end) {
        if let Some(file) = &arguments.progress {
            write_whole(file, &load.so_far())?;
        }
        tokio::select! {
            _ = term.recv() => break,
            _ = int.recv() => break,
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
        }
    }
    let count = load.stop();
    if let Some(file) = &arguments.progress {
        write_whole(file, &count)?;
    }
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&count)?)
}

fn plan(arguments: &Arguments) -> Plan {
    let workers = [
        (Kind::Get, arguments.get),
        (Kind::Post, arguments.post),
        (Kind::FreshGet, arguments.fresh_get),
        (Kind::FreshPost, arguments.fresh_post),
        (Kind::Slow(2), arguments.slow),
        (Kind::Upload(2), arguments.upload),
        (Kind::Stream(2), arguments.stream),
    ];
    Plan {
        pause: Duration::from_millis(arguments.pause),
        ..Plan::new(arguments.address, &arguments.host, &workers)
    }
}

/// Readers see the old count or the new one, never half of one.
fn write_whole(file: &Path, count: &Count) -> std::io::Result<()> {
    let beside = file.with_extension("new");
    std::fs::write(&beside, serde_json::to_string(count)?)?;
    std::fs::rename(beside, file)
}
