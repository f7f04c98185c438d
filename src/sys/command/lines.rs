//! A program whose output is heard line by line, as it comes.

use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::sync::mpsc::{Sender, channel};

use crate::command::{Command, CommandError};

/// How long the last lines may take once the program has ended: what it left in the
/// background may hold its output open for ever.
const LAST_LINES: Duration = Duration::from_millis(500);

/// What a line has past this is not read: far above any line that a person reads.
const LONGEST_LINE: u64 = 64 << 10;

/// How many lines may wait to be heard. A program that says more than anybody can hear waits
/// with the next one, as it would for a slow terminal.
const WAITING: usize = 64;

impl Command {
    /// Runs it to its end and passes on each line of its output, both streams mixed as they
    /// come. What could steer a terminal is taken out of them.
    ///
    /// # Errors
    /// When it cannot be started or misses the deadline.
    pub async fn follow(&self, say: impl FnMut(&str)) -> Result<ExitStatus, CommandError> {
        self.follow_from(|_| {}, say).await
    }

    /// The same, and says which process it is once it is started.
    ///
    /// # Errors
    /// As [`Command::follow`].
    pub async fn follow_from(
        &self,
        started: impl FnOnce(u32),
        mut say: impl FnMut(&str),
    ) -> Result<ExitStatus, CommandError> {
        let mut child = self
            .ready()?
            .kill_on_drop(false)
            .spawn()
            .map_err(|source| self.not_started(source))?;
        if let Some(pid) = child.id() {
            started(pid);
        }
        let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()));
        let (tell, mut told) = channel(WAITING);
        let readers = [
            child
                .stdout
                .take()
                .map(|out| tokio::spawn(read(out, tell.clone()))),
            child
                .stderr
                .take()
                .map(|out| tokio::spawn(read(out, tell.clone()))),
        ];
        drop(tell);
        let whole = async {
            let status = loop {
                tokio::select! {
                    biased;
                    Some(line) = told.recv() => say(&line),
                    status = child.wait() => break status,
                }
            };
            let rest = async {
                while let Some(line) = told.recv().await {
                    say(&line);
                }
            };
            tokio::time::timeout(LAST_LINES, rest).await.ok();
            status
        };
        let ended = tokio::time::timeout(self.deadline, whole).await;
        readers.into_iter().flatten().for_each(|reader| reader.abort());
        match ended {
            Ok(status) => {
                group.0 = None;
                status.map_err(|source| self.not_started(source))
            }
            Err(_) => {
                group.end(Signal::SIGKILL);
                Err(CommandError::TimedOut {
                    command: self.to_string(),
                    after: self.deadline,
                })
            }
        }
    }
}

/// A program with all that it has started. Nobody hears it any more when this is dropped, and
/// it is asked to end.
struct Group(Option<i32>);

impl Group {
    fn end(&mut self, signal: Signal) {
        if let Some(group) = self.0.take() {
            killpg(Pid::from_raw(group), signal).ok();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end(Signal::SIGTERM);
    }
}

async fn read(stream: impl AsyncRead + Unpin, tell: Sender<String>) {
    let mut stream = BufReader::new(stream);
    let (mut line, mut goes_on) = (Vec::new(), false);
    while let Ok(1..) = (&mut stream)
        .take(LONGEST_LINE)
        .read_until(b'\n', &mut line)
        .await
    {
        if !goes_on && tell.send(plain(&line)).await.is_err() {
            return;
        }
        goes_on = !line.ends_with(b"\n");
        line.clear();
    }
}

fn plain(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end().replace('\t', "    ");
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use crate::command::lines::*;

    async fn said_by(script: &str, deadline: Duration) -> (Vec<String>, Result<ExitStatus, CommandError>) {
        let mut said = Vec::new();
        let command = Command::new("sh").args(["-c", script]).deadline(deadline);
        let ended = command.follow(|line| said.push(line.to_owned())).await;
        (said, ended)
    }

    #[tokio::test]
    async fn each_line_is_heard_and_the_status_told() {
        let (said, ended) = said_by("echo one; printf 'tw\\033o'; exit 3", Duration::from_secs(20)).await;
        assert_eq!(said, ["one", "two"]);
        assert_eq!(ended.unwrap().code(), Some(3));
    }

    /// Otherwise all that it says would wait in memory.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_says_more_than_is_heard_has_to_wait() {
        let folder = tempfile::tempdir().unwrap();
        let done = folder.path().join("done");
        let script = format!("seq 1 20000; touch {}", done.display());
        let (mut heard, mut waited) = (0, true);
        let command = Command::new("sh")
            .args(["-c", &script])
            .deadline(Duration::from_secs(60));
        let ended = command.follow(|_| {
            heard += 1;
            let until = std::time::Instant::now() + Duration::from_secs(1);
            while heard == 1 && std::time::Instant::now() < until {
                waited &= !done.exists();
                std::thread::yield_now();
            }
        });
        assert!(ended.await.unwrap().success());
        assert!(waited, "everything was taken in while the first line was heard");
        assert_eq!(heard, 20_000);
    }

    #[tokio::test]
    async fn what_stays_in_the_background_is_not_waited_for() {
        let began = std::time::Instant::now();
        let (said, ended) = said_by("echo one; sleep 30 &", Duration::from_secs(20)).await;
        assert_eq!(said, ["one"]);
        assert!(ended.unwrap().success());
        assert!(began.elapsed() < Duration::from_secs(15));
    }

    #[tokio::test]
    async fn whoever_stops_listening_has_it_end_as_it_likes() {
        let folder = tempfile::tempdir().unwrap();
        let tidy = folder.path().join("tidy");
        let script = format!(
            "trap 'touch {}; exit' TERM; echo one; sleep 30 & wait",
            tidy.display()
        );
        let command = Command::new("sh").args(["-c", &script]);
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let heard = async { told.recv().await };
        tokio::select! {
            _ = command.follow(|line| drop(tell.send(line.to_owned()))) => panic!("it ended by itself"),
            line = heard => assert_eq!(line.as_deref(), Some("one")),
        }
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while !tidy.exists() {
            assert!(std::time::Instant::now() < deadline, "it was not asked to end");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test]
    async fn the_deadline_ends_it_and_what_it_had_started() {
        let (said, ended) = said_by("echo one; sleep 30; echo two", Duration::from_millis(300)).await;
        assert_eq!(said, ["one"]);
        assert!(matches!(ended, Err(CommandError::TimedOut { .. })));
    }
}
