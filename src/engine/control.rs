//! The control channel: what a client says while its request is carried out (stop, go on, stay,
//! go back), and its heartbeat. A thread of its own reads it, so that no run waits for that.

use std::io::{BufRead, BufReader, Read};
use std::time::Instant;

use model::wire::{ClientMessage, LEASE};
use tokio::sync::watch;

/// What is taken for one line, ended or not. A message has some twenty bytes.
const LONGEST: u64 = 4096;

/// Everything received so far.
#[derive(Clone, Copy, Debug)]
struct Received {
    last: Instant,
    gone: bool,
    stop: bool,
    migrate: bool,
    start: bool,
    contracted: bool,
    go: bool,
    verdict: Option<Verdict>,
}

/// How a run over several hosts ends for one that has moved traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All moved.
    Stay,
    /// One did not.
    Back,
    /// The client went away before it said.
    Unheard,
}

/// The messages of a client; at a terminal there is none, and signals do the same.
#[derive(Clone, Debug)]
pub struct ControlChannel(Option<watch::Receiver<Received>>);

impl ControlChannel {
    /// Nobody will say anything.
    #[must_use]
    pub fn none() -> ControlChannel {
        ControlChannel(None)
    }

    /// Those that come in by `reader`, a line each, until it ends.
    #[must_use]
    pub fn from(reader: impl Read + Send + 'static) -> ControlChannel {
        let (tell, received) = watch::channel(Received {
            last: Instant::now(),
            gone: false,
            stop: false,
            migrate: false,
            start: false,
            contracted: false,
            go: false,
            verdict: None,
        });
        std::thread::spawn(move || {
            let (mut reader, mut line) = (BufReader::new(reader), Vec::new());
            while let Ok(1..) = (&mut reader).take(LONGEST).read_until(b'\n', &mut line) {
                tell.send_modify(|received| received.note(&line));
                line.clear();
            }
            tell.send_modify(|received| received.gone = true);
            // A sender that is dropped would end every wait for news.
            std::thread::park();
        });
        ControlChannel(Some(received))
    }

    /// Waits until the client wants the run stopped, or is not there any more; says which.
    pub async fn stopped(&self) -> &'static str {
        self.until(|received| {
            if received.stop {
                Some("Ctrl-C at the client")
            } else if received.verdict == Some(Verdict::Back) {
                Some("another host, which was not ready,")
            } else {
                received.lost()
            }
        })
        .await
    }

    /// Whether the client has asked to stop.
    #[must_use]
    pub fn stop_was_asked(&self) -> bool {
        self.0.as_ref().is_some_and(|received| received.borrow().stop)
    }

    /// Whether anybody listens at the other end, or did when this began.
    #[must_use]
    pub fn are_a_clients(&self) -> bool {
        self.0.is_some()
    }

    /// Waits until the client asks to stop, whether it is still there or not.
    pub async fn stop_asked(&self) {
        self.until(|received| received.stop.then_some(())).await;
    }

    /// Waits for the word that every host has its release.
    pub async fn migrate(&self) {
        self.until(|received| (received.migrate || received.start).then_some(()))
            .await;
    }

    /// Waits for the word that the schema is as the release needs it.
    pub async fn start(&self) {
        self.until(|received| received.start.then_some(())).await;
    }

    /// Whether that schema does not serve earlier releases, as far as the client has said.
    #[must_use]
    pub fn is_contracted(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|received| received.borrow().contracted)
    }

    /// Waits for the word that every host is ready.
    pub async fn go(&self) {
        self.until(|received| received.go.then_some(())).await;
    }

    /// Waits for the word about what has moved.
    pub async fn verdict(&self) -> Verdict {
        self.until(|received| {
            received
                .verdict
                .or_else(|| received.lost().map(|_| Verdict::Unheard))
        })
        .await
    }

    /// Waits until `found` finds something; looks again at each order and when the client
    /// should have been heard.
    async fn until<T>(&self, found: impl Fn(&Received) -> Option<T>) -> T {
        let Some(received) = &self.0 else {
            return std::future::pending().await;
        };
        let mut received = received.clone();
        loop {
            let now = *received.borrow_and_update();
            if let Some(found) = found(&now) {
                return found;
            }
            let silent_at = now.last + LEASE;
            tokio::select! {
                changed = received.changed() => if changed.is_err() {
                    return std::future::pending().await;
                },
                () = tokio::time::sleep_until(silent_at.into()), if silent_at > Instant::now() => {}
            }
        }
    }
}

impl Received {
    fn note(&mut self, line: &[u8]) {
        self.last = Instant::now();
        match serde_json::from_slice(line) {
            Ok(ClientMessage::Stop) => self.stop = true,
            Ok(ClientMessage::Migrate) => self.migrate = true,
            Ok(ClientMessage::Start) => self.start = true,
            Ok(ClientMessage::StartContracted) => (self.start, self.contracted) = (true, true),
            Ok(ClientMessage::Go) => self.go = true,
            Ok(ClientMessage::Stay) => self.verdict = Some(Verdict::Stay),
            Ok(ClientMessage::Back) => self.verdict = Some(Verdict::Back),
            // A later client may say more than this engine understands: it is there.
            Ok(ClientMessage::Heartbeat) | Err(_) => {}
        }
    }

    fn lost(&self) -> Option<&'static str> {
        if self.gone {
            Some("a lost connection")
        } else if self.last.elapsed() >= LEASE {
            Some("a client that stopped answering")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use crate::control::*;

    fn line() -> (std::io::PipeWriter, ControlChannel) {
        let (reader, writer) = std::io::pipe().unwrap();
        (writer, ControlChannel::from(reader))
    }

    async fn soon<T>(future: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(5), future)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn each_order_ends_its_own_wait() {
        let (mut writer, control) = line();
        writer.write_all(b"\"keep\"\n\"go\"\n").unwrap();
        soon(control.go()).await;
        assert!(!control.stop_was_asked());
        writer.write_all(b"\"back\"\n").unwrap();
        assert_eq!(soon(control.verdict()).await, Verdict::Back);
        let other = soon(control.stopped()).await;
        assert_eq!(other, "another host, which was not ready,");
        assert!(!control.stop_was_asked());
    }

    #[tokio::test]
    async fn ctrl_c_at_the_client_stops() {
        let (mut writer, control) = line();
        writer.write_all(b"\"stop\"\n").unwrap();
        assert_eq!(soon(control.stopped()).await, "Ctrl-C at the client");
        assert!(control.stop_was_asked());
    }

    #[tokio::test]
    async fn what_is_no_order_is_passed_over() {
        let (mut writer, control) = line();
        let write = std::thread::spawn(move || {
            for noise in [
                &[b'x'; 3 << 20][..],
                b"\xff\xfe\n",
                &[b'['; 1 << 20],
                b"\n\"fly\"\n\"go\"\n",
            ] {
                writer.write_all(noise).unwrap();
            }
            writer
        });
        soon(control.go()).await;
        assert!(!control.stop_was_asked());
        drop(write.join().unwrap());
    }

    #[tokio::test]
    async fn a_client_that_goes_away_is_noticed() {
        let (writer, control) = line();
        drop(writer);
        assert_eq!(soon(control.stopped()).await, "a lost connection");
        assert_eq!(soon(control.verdict()).await, Verdict::Unheard);
    }

    #[tokio::test]
    async fn a_client_that_says_nothing_is_lost_after_a_while() {
        let (_writer, control) = line();
        let began = Instant::now();
        let said = tokio::time::timeout(LEASE * 2, control.stopped()).await.unwrap();
        assert_eq!(said, "a client that stopped answering");
        assert!(began.elapsed() >= LEASE);
    }

    #[tokio::test]
    async fn nobody_is_never_lost() {
        let control = ControlChannel::none();
        let waited = tokio::time::timeout(Duration::from_millis(50), control.stopped()).await;
        assert!(waited.is_err());
    }
}
