//! A canary in a real NGINX: who gets which color at each step, and while steps are taken.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use model::canary::marks;
use model::color::{Color, Route, Share};

use crate::rehearsal::{PATIENCE, Rehearsal, Scene};

/// How many steps are taken under load; `BG_STEPS` asks for more.
const STEPS: usize = 200;

async fn start(scene: Scene) -> Rehearsal {
    Rehearsal::start(Scene {
        previews: true,
        ..scene
    })
    .await
}

fn share(percent: u8) -> Share {
    format!("{percent}%").parse().unwrap()
}

/// A route with so many percent on the other color; 0 and without a target of its own for none.
fn step(from: Color, percent: u8) -> Route {
    Route {
        share: (percent > 0).then(|| share(percent)),
        ..Route::to(from)
    }
}

fn lay_out(r: &Rehearsal, route: Route, first: u8) {
    lay_out_as(r, route, first, marks);
}

/// What of a target says which visitors get green.
type Marks = fn(Route, Share, u8) -> Vec<String>;

fn lay_out_as(r: &Rehearsal, route: Route, first: u8, marks: Marks) {
    for maintenance in [false, true] {
        let route = Route { maintenance, ..route };
        let folder = r.files.target(route);
        std::fs::create_dir_all(&folder).unwrap();
        for mark in marks(route, route.share.unwrap(), first) {
            std::fs::write(folder.join(mark), "").unwrap();
        }
    }
}

/// What a visitor with this browser gets.
async fn visit(r: &Rehearsal, agent: usize, more: &str) -> Color {
    let headers = format!("User-Agent: browser-{agent}\r\n{more}");
    let answer = r.ask("GET", "/", &headers, "").await;
    assert_eq!(answer.status, 200, "{}", answer.head);
    answer.color().parse().unwrap()
}

/// Which of the visitors get the other color than `from`, asked several at a time.
async fn moved(r: &Rehearsal, visitors: usize, from: Color) -> Vec<usize> {
    let mut asked = tokio::task::JoinSet::new();
    let to = std::net::SocketAddr::from(([127, 0, 0, 1], r.port));
    for first in 0..8 {
        asked.spawn(async move {
            let mut moved = Vec::new();
            for visitor in (first..visitors).step_by(8) {
                let headers = format!("User-Agent: browser-{visitor}\r\n");
                let answer = crate::rehearsal::ask([127, 0, 0, 1].into(), to, "GET", "/", &headers, "").await;
                assert_eq!(answer.status, 200, "{}", answer.head);
                if answer.color() == from.other().name() {
                    moved.push(visitor);
                }
            }
            moved
        });
    }
    asked.join_all().await.into_iter().flatten().collect()
}

#[tokio::test]
async fn each_visitor_keeps_the_color_and_each_step_has_those_of_the_one_before() {
    let r = start(Scene::default()).await;
    let visitors = std::env::var("BG_VISITORS").map_or(200, |count| count.parse().unwrap());
    for from in Color::BOTH {
        let mut before = Vec::new();
        for percent in [0, 1, 10, 50, 99, 100] {
            let route = step(from, percent);
            if percent > 0 {
                lay_out(&r, route, 37);
            }
            r.route(route);
            let moved = moved(&r, visitors, from).await;
            assert!(
                before.iter().all(|visitor| moved.contains(visitor)),
                "{percent} {from}"
            );
            // Four standard deviations of as many throws of a coin.
            let expected = f64::from(percent) / 100.0 * visitors as f64;
            let deviation = (expected * (1.0 - f64::from(percent) / 100.0)).sqrt();
            let off = (moved.len() as f64 - expected).abs();
            assert!(
                off <= 4.0 * deviation,
                "{} of {visitors} at {percent} %",
                moved.len()
            );
            let asked = [("in", percent > 0), ("out", false)];
            for (group, is_other) in asked {
                let cookie = format!("Cookie: bg_shop_canary={group}\r\n");
                let color = visit(&r, 1, &cookie).await;
                assert_eq!(
                    color == from.other(),
                    is_other,
                    "{group} at {percent} % of {from}"
                );
            }
            // What is live stays so for whoever wants to be out of it.
            let out = "Cookie: bg_shop_canary=out\r\n";
            let live = r.ask("GET", "/.bg/shop/live", out, "").await;
            assert_eq!(live.header("X-Bg-Color"), Some(from.name()), "{}", live.head);
            assert!(live.body.contains(from.name()), "{}", live.body);
            before = moved;
        }
        r.route(Route::to(from.other()));
        assert_eq!(visit(&r, 1, "").await, from.other());
    }
}

#[tokio::test]
async fn a_preview_on_a_plain_color_moves_no_visitor() {
    let r = start(Scene::default()).await;
    r.preview(&[]);
    for color in [Color::Green, Color::Blue] {
        r.route(Route::to(color));
        for visitor in 0..100 {
            assert_eq!(visit(&r, visitor, "").await, color);
        }
    }
}

#[tokio::test]
async fn visitors_are_told_apart_by_a_cookie_of_the_apps_where_that_is_named() {
    let r = start(Scene {
        top: "canary.cookie = \"visitor\"",
        ..Scene::default()
    })
    .await;
    let route = step(Color::Blue, 50);
    lay_out(&r, route, 0);
    r.route(route);
    let mut colors = BTreeMap::new();
    for visitor in 0..60 {
        let cookie = format!("Cookie: visitor=v{visitor}\r\n");
        let color = visit(&r, 0, &cookie).await;
        // Another browser is the same visitor.
        assert_eq!(visit(&r, 1, &cookie).await, color);
        *colors.entry(color).or_insert(0) += 1;
    }
    assert!(colors.values().all(|count| *count > 10), "{colors:?}");
}

/// One answer, and the targets that may have been in force between when it was asked for and when it
/// came.
struct Seen {
    visitor: usize,
    began: usize,
    ended: usize,
    color: Option<Color>,
}

/// The targets, in the order in which they came into force, and which of them is known to be.
#[derive(Clone)]
struct Targets {
    all: Arc<Mutex<Vec<Route>>>,
    in_force: Arc<AtomicUsize>,
}

impl Targets {
    fn count(&self) -> usize {
        self.all.lock().unwrap().len()
    }

    /// Known before it is in force: what comes in between may be either.
    fn go(&self, r: &Rehearsal, to: Route) {
        self.all.lock().unwrap().push(to);
        r.route(to);
        self.in_force.store(self.count() - 1, Ordering::SeqCst);
    }
}

async fn go_on(
    port: u16,
    visitor: usize,
    targets: Targets,
    stop: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
) -> Vec<Seen> {
    let to = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let headers = format!("User-Agent: browser-{visitor}\r\n");
    let mut seen = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let began = targets.in_force.load(Ordering::SeqCst);
        let answer = crate::rehearsal::ask([127, 0, 0, 1].into(), to, "GET", "/", &headers, "").await;
        let ended = targets.count() - 1;
        assert!([200, 503].contains(&answer.status), "{}", answer.head);
        seen.push(Seen {
            visitor,
            began,
            ended,
            color: answer.color().parse().ok(),
        });
        asked.fetch_add(1, Ordering::Relaxed);
    }
    seen
}

/// What came of steps under load.
struct Flips {
    requests: usize,
    /// How many of them were under way during a step.
    straddling: usize,
    /// The first that got what no target allowed.
    wrong: Option<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_gets_a_color_that_no_target_in_force_allows() {
    let steps = std::env::var("BG_STEPS").map_or(STEPS, |count| count.parse().unwrap());
    let flips = flip(steps, marks).await;
    assert_eq!(flips.wrong, None);
    assert!(
        flips.straddling > 50,
        "{} of {}",
        flips.straddling,
        flips.requests
    );
}

/// Marks that name the other color, whichever that is, and not green: what is asked for before a rename
/// means something else after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_that_name_the_other_color_would_be_found() {
    let the_other = |route: Route, share: Share, first: u8| {
        let of_blue = marks(Route::to(Color::Blue), share, first);
        let own = marks(route, share, first).into_iter();
        let labels = of_blue.into_iter().filter(|mark| mark.starts_with("green-"));
        own.filter(|mark| !mark.starts_with("green-"))
            .chain(labels)
            .collect()
    };
    let flips = flip(20, the_other).await;
    assert!(flips.wrong.is_some(), "{} requests", flips.requests);
}

async fn flip(steps: usize, marks: Marks) -> Flips {
    let r = start(Scene::default()).await;
    let percents = [5_u8, 25, 50, 100];
    for from in Color::BOTH {
        for percent in percents {
            lay_out_as(&r, step(from, percent), 37, marks);
        }
    }
    // Who is in which step, asked once while nothing moves.
    let visitors = 8;
    let mut joins = BTreeMap::new();
    for percent in percents {
        r.route(step(Color::Blue, percent));
        for visitor in 0..visitors {
            if visit(&r, visitor, "").await == Color::Green {
                joins.entry(visitor).or_insert(percent);
            }
        }
    }
    let first = Route::to(Color::Blue);
    r.route(first);
    let targets = Targets {
        all: Arc::new(Mutex::new(vec![first])),
        in_force: Arc::default(),
    };
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicU64::new(0));
    let going: Vec<_> = (0..visitors)
        .map(|visitor| {
            tokio::spawn(go_on(
                r.port,
                visitor,
                targets.clone(),
                stop.clone(),
                asked.clone(),
            ))
        })
        .collect();
    // Up and over to the other color, up half of the way and back, with the page in between.
    let mut route = first;
    let go = |to: Route| targets.go(&r, to);
    while targets.count() < steps {
        let from = route.color;
        for percent in percents {
            go(step(from, percent));
            settle(&asked).await;
        }
        go(Route::to(from.other()));
        settle(&asked).await;
        route = Route::to(from.other());
        for percent in [5, 25] {
            go(step(route.color, percent));
            settle(&asked).await;
        }
        go(Route {
            maintenance: true,
            ..step(route.color, 25)
        });
        settle(&asked).await;
        go(step(route.color, 25));
        settle(&asked).await;
        go(route);
        settle(&asked).await;
        r.nginx.reload(None, PATIENCE).await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let targets = targets.all.lock().unwrap().clone();
    let allows = |route: Route, visitor: usize| {
        let is_in = route
            .share
            .is_some_and(|share| joins[&visitor] <= share.percent());
        match (route.maintenance, is_in) {
            (true, _) => None,
            (false, true) => Some(route.color.other()),
            (false, false) => Some(route.color),
        }
    };
    let mut flips = Flips {
        requests: 0,
        straddling: 0,
        wrong: None,
    };
    for one in going {
        for seen in one.await.unwrap() {
            flips.requests += 1;
            flips.straddling += usize::from(seen.began != seen.ended);
            let in_force = &targets[seen.began..=seen.ended];
            let allowed: Vec<Option<Color>> = in_force
                .iter()
                .map(|route| allows(*route, seen.visitor))
                .collect();
            if !allowed.contains(&seen.color) {
                let Seen { visitor, color, .. } = seen;
                flips.wrong.get_or_insert(format!(
                    "visitor {visitor} got {color:?}, and {in_force:?} allow {allowed:?}"
                ));
            }
        }
    }
    println!(
        "{} steps, {} requests, {} under way during one",
        targets.len(),
        flips.requests,
        flips.straddling
    );
    flips
}

/// Until some requests have come between two steps.
async fn settle(asked: &AtomicU64) {
    let before = asked.load(Ordering::Relaxed);
    while asked.load(Ordering::Relaxed) < before + 12 {
        tokio::task::yield_now().await;
    }
}
