//! What a client says while its request is carried out: stop, go on, stay, go back; and
//! whether it is still there. Read by a thread of its own, so that nothing here can make
//! a run wait.

use std::io::{BufRead, BufReader, Read};
use std::time::Instant;

use model::wire::{LEASE, Order};
use tokio::sync::watch;

/// What is taken for one line, ended or not. An order has some twenty bytes.
const LONGEST: u64 = 4096;

/// Everything heard so far.
#[derive(Clone, Copy, Debug)]
struct Heard {
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

/// The orders of whoever asked; of nobody at a terminal, whose signals say it all.
#[derive(Clone, Debug)]
pub struct Orders(Option<watch::Receiver<Heard>>);

impl Orders {
    /// Nobody will say anything.
    #[must_use]
    pub fn none() -> Orders {
        Orders(None)
    }

    /// Those that come in by `reader`, a line each, until it ends.
    #[must_use]
    pub fn from(reader: impl Read + Send + 'static) -> Orders {
        let (tell, heard) = watch::channel(Heard {
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
                tell.send_modify(|heard| heard.note(&line));
                line.clear();
            }
            tell.send_modify(|heard| heard.gone = true);
            // A sender that is dropped would end every wait for news.
            std::thread::park();
        });
        Orders(Some(heard))
    }

    /// Waits until the client wants the run stopped, or is not there any more; says which.
    pub async fn stopped(&self) -> &'static str {
        self.until(|heard| {
            if heard.stop {
                Some("Ctrl-C at the client")
            } else if heard.verdict == Some(Verdict::Back) {
                Some("another host, which was not ready,")
            } else {
                heard.lost()
            }
        })
        .await
    }

    /// Whether the client has asked to stop.
    #[must_use]
    pub fn stop_was_asked(&self) -> bool {
        self.0.as_ref().is_some_and(|heard| heard.borrow().stop)
    }

    /// Whether anybody listens at the other end, or did when this began.
    #[must_use]
    pub fn are_a_clients(&self) -> bool {
        self.0.is_some()
    }

    /// Waits until the client asks to stop, whether it is still there or not.
    pub async fn stop_asked(&self) {
        self.until(|heard| heard.stop.then_some(())).await;
    }

    /// Waits for the word that every host has its release.
    pub async fn migrate(&self) {
        self.until(|heard| (heard.migrate || heard.start).then_some(()))
            .await;
    }

    /// Waits for the word that the schema is as the release needs it.
    pub async fn start(&self) {
        self.until(|heard| heard.start.then_some(())).await;
    }

    /// Whether that schema does not serve earlier releases, as far as the client has said.
    #[must_use]
    pub fn is_contracted(&self) -> bool {
        self.0.as_ref().is_some_and(|heard| heard.borrow().contracted)
    }

    /// Waits for the word that every host is ready.
    pub async fn go(&self) {
        self.until(|heard| heard.go.then_some(())).await;
    }

    /// Waits for the word about what has moved.
    pub async fn verdict(&self) -> Verdict {
        self.until(|heard| heard.verdict.or_else(|| heard.lost().map(|_| Verdict::Unheard)))
            .await
    }

    /// Waits until `found` finds something; looks again at each order and when the client
    /// should have been heard.
    async fn until<T>(&self, found: impl Fn(&Heard) -> Option<T>) -> T {
        let Some(heard) = &self.0 else {
            return std::future::pending().await;
        };
        let mut heard = heard.clone();
        loop {
            let now = *heard.borrow_and_update();
            if let Some(found) = found(&now) {
                return found;
            }
            let silent_at = now.last + LEASE;
            tokio::select! {
                changed = heard.changed() => if changed.is_err() {
                    return std::future::pending().await;
                },
                () = tokio::time::sleep_until(silent_at.into()), if silent_at > Instant::now() => {}
            }
        }
    }
}

impl Heard {
    fn note(&mut self, line: &[u8]) {
        self.last = Instant::now();
        match serde_json::from_slice(line) {
            Ok(Order::Stop) => self.stop = true,
            Ok(Order::Migrate) => self.migrate = true,
            Ok(Order::Start) => self.start = true,
            Ok(Order::StartContracted) => (self.start, self.contracted) = (true, true),
            Ok(Order::Go) => self.go = true,
            Ok(Order::Stay) => self.verdict = Some(Verdict::Stay),
            Ok(Order::Back) => self.verdict = Some(Verdict::Back),
            // A later client may say more than this engine understands: it is there.
            Ok(Order::Keep) | Err(_) => {}
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

    use crate::orders::*;

    fn line() -> (std::io::PipeWriter, Orders) {
        let (reader, writer) = std::io::pipe().unwrap();
        (writer, Orders::from(reader))
    }

    async fn soon<T>(future: impl Future<Output = T>) -> T {
        tokio::time::timeout(Duration::from_secs(5), future)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn each_order_ends_its_own_wait() {
        let (mut writer, orders) = line();
        writer.write_all(b"\"keep\"\n\"go\"\n").unwrap();
        soon(orders.go()).await;
        assert!(!orders.stop_was_asked());
        writer.write_all(b"\"back\"\n").unwrap();
        assert_eq!(soon(orders.verdict()).await, Verdict::Back);
        let other = soon(orders.stopped()).await;
        assert_eq!(other, "another host, which was not ready,");
        assert!(!orders.stop_was_asked());
    }

    #[tokio::test]
    async fn ctrl_c_at_the_client_stops() {
        let (mut writer, orders) = line();
        writer.write_all(b"\"stop\"\n").unwrap();
        assert_eq!(soon(orders.stopped()).await, "Ctrl-C at the client");
        assert!(orders.stop_was_asked());
    }

    #[tokio::test]
    async fn what_is_no_order_is_passed_over() {
        let (mut writer, orders) = line();
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
        soon(orders.go()).await;
        assert!(!orders.stop_was_asked());
        drop(write.join().unwrap());
    }

    #[tokio::test]
    async fn a_client_that_goes_away_is_noticed() {
        let (writer, orders) = line();
        drop(writer);
        assert_eq!(soon(orders.stopped()).await, "a lost connection");
        assert_eq!(soon(orders.verdict()).await, Verdict::Unheard);
    }

    #[tokio::test]
    async fn a_client_that_says_nothing_is_lost_after_a_while() {
        let (_writer, orders) = line();
        let began = Instant::now();
        let said = tokio::time::timeout(LEASE * 2, orders.stopped()).await.unwrap();
        assert_eq!(said, "a client that stopped answering");
        assert!(began.elapsed() >= LEASE);
    }

    #[tokio::test]
    async fn nobody_is_never_lost() {
        let orders = Orders::none();
        let waited = tokio::time::timeout(Duration::from_millis(50), orders.stopped()).await;
        assert!(waited.is_err());
    }
}
