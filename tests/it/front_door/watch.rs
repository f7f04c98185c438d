//! Visitors on fresh connections, each answer with its time: was the color that gave it
//! live at any moment between question and answer?

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::sandbox::{HOST, Sandbox, http};

/// What a visitor got: a color's name, `page` for 503, or what went wrong.
#[derive(Clone, Debug)]
pub struct Seen {
    from: Instant,
    until: Instant,
    what: String,
}

/// Visitors that keep coming.
pub struct Watch {
    ending: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Seen>>>,
    visitors: Vec<JoinHandle<()>>,
    /// From when on an answer is a right one, and until when it is.
    right: Vec<(String, Instant, Option<Instant>)>,
}

impl Watch {
    /// `visitors` at once; `live` is what they must see until told otherwise.
    pub fn start(sandbox: &Sandbox, visitors: usize, live: &str) -> Watch {
        let ending = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let address = sandbox.address();
        let right = vec![(live.to_owned(), Instant::now(), None)];
        let visitors = (0..visitors)
            .map(|_| {
                let (ending, seen) = (ending.clone(), seen.clone());
                std::thread::spawn(move || {
                    while !ending.load(Ordering::Relaxed) {
                        let one = visit(address);
                        seen.lock().unwrap().push(one);
                        // How often they come.
                        std::thread::sleep(Duration::from_millis(2));
                    }
                })
            })
            .collect();
        Watch {
            ending,
            seen,
            visitors,
            right,
        }
    }

    /// `change` turns what visitors must see into `to`; while it goes on both are right.
    pub fn during<T>(&mut self, to: &str, change: impl FnOnce() -> T) -> T {
        let before = self.right.len() - 1;
        self.right.push((to.to_owned(), Instant::now(), None));
        let done = change();
        if self.right[before].0 != to {
            self.right[before].2 = Some(Instant::now());
        }
        done
    }

    /// How many answers there are, and those that were not right.
    pub fn stop(mut self) -> (usize, Vec<String>) {
        self.ending.store(true, Ordering::Relaxed);
        for visitor in self.visitors.drain(..) {
            visitor.join().unwrap();
        }
        let seen = self.seen.lock().unwrap();
        let wrong = seen.iter().filter(|one| !self.is_right(one));
        let wrong = wrong.map(|one| format!("{} {:?}", one.what, self.told(one)));
        (seen.len(), wrong.collect())
    }

    fn is_right(&self, one: &Seen) -> bool {
        self.told(one).contains(&one.what)
    }

    /// What was right at any moment between question and answer.
    fn told(&self, one: &Seen) -> Vec<String> {
        let overlaps = |from: Instant, until: Option<Instant>| {
            from <= one.until && until.is_none_or(|until| one.from <= until)
        };
        let right = self
            .right
            .iter()
            .filter(|(_, from, until)| overlaps(*from, *until));
        right.map(|(what, ..)| what.clone()).collect()
    }
}

fn visit(address: SocketAddr) -> Seen {
    let from = Instant::now();
    let what = match http::get(address, HOST, "/whoami") {
        Ok(answer) if answer.status == 503 && answer.body.contains("Back in a moment") => "page".to_owned(),
        Ok(answer) if answer.status == 200 => answer.header("x-app-color").unwrap_or("nobody").to_owned(),
        Ok(answer) => format!("status {}", answer.status),
        Err(error) => error.to_string(),
    };
    Seen {
        from,
        until: Instant::now(),
        what,
    }
}

/// The watch itself can fail.
#[test]
fn an_answer_that_was_not_live_is_noticed() {
    let begin = Instant::now();
    let at = |millis| begin + Duration::from_millis(millis);
    let watch = Watch {
        ending: Arc::default(),
        seen: Arc::default(),
        visitors: Vec::new(),
        right: vec![
            ("blue".into(), begin, Some(at(20))),
            ("green".into(), at(10), None),
        ],
    };
    let answers = [
        ("blue", 0, 5, true),
        ("green", 0, 5, false),
        ("green", 5, 12, true),
        ("blue", 15, 30, true),
        ("blue", 25, 30, false),
        ("page", 12, 15, false),
    ];
    for (what, from, until, _) in answers {
        watch.seen.lock().unwrap().push(Seen {
            from: at(from),
            until: at(until),
            what: what.into(),
        });
    }
    let wanted = answers.iter().filter(|answer| !answer.3).count();
    let (all, wrong) = watch.stop();
    assert_eq!((all, wrong.len()), (answers.len(), wanted), "{wrong:?}");
}
