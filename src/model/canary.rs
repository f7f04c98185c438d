//! The labels of a canary's visitors, and what a target of the live link says of each.

use crate::color::{Color, Route, Share};

/// How many labels there are: one for each percent.
pub const LABELS: u8 = 100;

/// Every group that a visitor can be in: the labels of `upstreams.conf.tera`, the two that one can
/// ask for, and that of `bg` itself where it looks whether facts arrive.
pub fn groups() -> impl Iterator<Item = String> {
    let labels = (0..LABELS).map(label);
    labels.chain(["in", "out", "facts"].map(str::to_owned))
}

/// The groups of `share` of the visitors whose requests are written down while a release is
/// watched, and that of `bg` itself: labels that lie evenly among those of a canary, wherever that
/// begins.
#[must_use]
pub fn watched(share: Share) -> Vec<String> {
    // Has no factor in common with a hundred, and is near the golden section of it.
    const STEP: u32 = 61;
    let nth = |n: u8| u8::try_from(u32::from(n) * STEP % u32::from(LABELS)).unwrap_or_default();
    let labels = (0..share.percent()).map(|n| label(nth(n)));
    labels.chain(["facts".to_owned()]).collect()
}

/// A label as NGINX writes it.
#[must_use]
pub fn label(number: u8) -> String {
    format!("{number:02}")
}

/// The names of the files in a target. They name green, never "the other color": a request that
/// looks before a rename and after it must not get what neither target means.
#[must_use]
pub fn marks(route: Route, share: Share, first: u8) -> Vec<String> {
    let is_in = |label: u8| (label + LABELS - first) % LABELS < share.percent();
    let is_green = |is_in: bool| is_in == (route.color == Color::Blue);
    let labels = (0..LABELS).filter(|label| is_green(is_in(*label)));
    let mut marks: Vec<String> = labels.map(|number| format!("green-{}", label(number))).collect();
    // Who asked to be in it is, and who asked to be out of it never, as `bg` itself, which wants to
    // know what is live.
    let groups = [("green-in", true), ("green-out", false), ("green-facts", false)];
    marks.extend(
        groups
            .iter()
            .filter(|(_, is_in)| is_green(*is_in))
            .map(|(name, _)| (*name).to_owned()),
    );
    marks.push("is-special".to_owned());
    if route.color == Color::Green {
        marks.push("is-green".to_owned());
    }
    if route.maintenance {
        marks.push("is-maintenance".to_owned());
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greens(route: &str, first: u8) -> Vec<String> {
        let route = Route::from_folder(route).unwrap();
        let mut marks = marks(route, route.share.unwrap(), first);
        marks.retain(|mark| mark.starts_with("green-"));
        marks
    }

    /// A request that has passed the page's look just before that came reads its label behind it.
    #[test]
    fn behind_the_page_each_visitor_has_the_same_color() {
        for (route, share) in [
            ("blue-to-green-5", 5),
            ("green-to-blue-50", 50),
            ("blue-to-green-100", 100),
        ] {
            let open = Route::from_folder(route).unwrap();
            let page = Route {
                maintenance: true,
                ..open
            };
            let share = format!("{share}%").parse().unwrap();
            let mut expected = marks(open, share, 37);
            expected.push("is-maintenance".to_owned());
            assert_eq!(marks(page, share, 37), expected);
        }
    }

    #[test]
    fn each_step_has_the_visitors_of_the_one_before() {
        for first in [0, 37, 99] {
            for [from, to] in [["blue", "green"], ["green", "blue"]] {
                let at = |share: u8| greens(&format!("{from}-to-{to}-{share}"), first);
                for share in 1..=100 {
                    let labels = at(share)
                        .iter()
                        .filter(|mark| mark.ends_with(|last: char| last.is_ascii_digit()))
                        .count();
                    let expected = if to == "green" { share } else { 100 - share };
                    assert_eq!(labels, usize::from(expected), "{share} {to}");
                    if share > 1 {
                        let (fewer, more) = match to {
                            "green" => (at(share - 1), at(share)),
                            _ => (at(share), at(share - 1)),
                        };
                        assert!(fewer.iter().all(|mark| more.contains(mark)), "{share} {to}");
                    }
                }
            }
        }
        assert_eq!(
            greens("blue-to-green-2", 99),
            ["green-00", "green-99", "green-in"]
        );
        let last = greens("green-to-blue-99", 0);
        assert_eq!(last, ["green-99", "green-out", "green-facts"]);
        assert_eq!(greens("green-to-blue-100", 0), ["green-out", "green-facts"]);
        assert_eq!(greens("blue-to-green-100", 5).len(), 101);
    }
}
