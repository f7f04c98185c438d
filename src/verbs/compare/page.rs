//! One page of both colors.

use std::collections::BTreeMap;
use std::time::Duration;

use model::compare::Difference;
use web::http::{Answer, HttpError};

/// How much slower it must be to be called so, and by how much at least: an answer of 3 ms that
/// takes 9 is noise.
const SLOWER: f64 = 2.0;
const AT_LEAST: Duration = Duration::from_millis(100);

/// What one color said twice.
pub type Twice = [Result<Answer, HttpError>; 2];

/// What came of comparing a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same on both.
    Same,
    /// Not.
    Differs(Difference),
    /// Nothing follows: the live color fails there itself, or one of them says now this, now that.
    Unclear,
}

/// Compares what both said.
#[must_use]
pub fn verdict(live: &Twice, other: &Twice) -> Verdict {
    use Verdict::{Differs, Same, Unclear};
    let [Ok(first), Ok(second)] = live else {
        return Unclear;
    };
    let status = first.status;
    if status != second.status || status >= 400 {
        return Unclear;
    }
    let [mine, again] = other;
    let failing =
        |answer: &Result<Answer, HttpError>| answer.as_ref().map_or(true, |answer| answer.status >= 500);
    if failing(mine) && failing(again) {
        return Differs(Difference::Fails {
            live: status,
            other: mine.as_ref().ok().map(|answer| answer.status),
            problem: mine.as_ref().err().map(ToString::to_string),
        });
    }
    let ([Ok(mine), Ok(again)], false) = ([mine, again], failing(mine) || failing(again)) else {
        return Unclear;
    };
    if mine.status != status {
        return match mine.status == again.status {
            true => Differs(Difference::Status {
                live: status,
                other: mine.status,
            }),
            false => Unclear,
        };
    }
    let kind = |answer: &Answer| {
        let whole = answer.header("content-type").unwrap_or_default();
        whole
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    };
    if kind(first) != kind(mine) {
        return Differs(Difference::Type {
            live: kind(first),
            other: kind(mine),
        });
    }
    let faster = |one: &Answer, other: &Answer| one.took.min(other.took);
    let (live_took, other_took) = (faster(first, second), faster(mine, again));
    if other_took > live_took.mul_f64(SLOWER) && other_took > live_took + AT_LEAST {
        let ms = |took: Duration| u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        return Differs(Difference::Slower {
            live_ms: ms(live_took),
            other_ms: ms(other_took),
        });
    }
    match stays(first, second) == stays(mine, again) {
        true => Same,
        false => Differs(Difference::Text),
    }
}

/// The words that are in both answers of a color, and how often: what is made up anew for each,
/// as a token in a form or the time of day, is in one of them.
fn stays(one: &Answer, other: &Answer) -> BTreeMap<String, usize> {
    let (one, other) = (words(one), words(other));
    let both = one.into_iter().filter_map(|(word, times)| {
        let times = times.min(*other.get(&word)?);
        Some((word, times))
    });
    both.collect()
}

fn words(answer: &Answer) -> BTreeMap<String, usize> {
    let text = String::from_utf8_lossy(&answer.body);
    let mut all = BTreeMap::new();
    let location = answer.header("location").into_iter();
    for word in text.split(|c: char| !c.is_alphanumeric()).chain(location) {
        if !word.is_empty() {
            *all.entry(word.to_owned()).or_default() += 1;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, body: &str, ms: u64) -> Result<Answer, HttpError> {
        Ok(Answer {
            status,
            headers: reqwest::header::HeaderMap::new(),
            body: body.as_bytes().to_vec(),
            took: Duration::from_millis(ms),
        })
    }

    fn twice(status: u16, bodies: [&str; 2], ms: u64) -> Twice {
        bodies.map(|body| said(status, body, ms))
    }

    #[test]
    fn what_differs_between_two_answers_of_one_color_is_no_verdict() {
        let live = twice(
            200,
            ["Good day, token a1 at 12:01", "Good day, token b2 at 12:02"],
            5,
        );
        let same = twice(
            200,
            ["Good day, token c3 at 12:03", "Good day, token d4 at 12:04"],
            5,
        );
        assert_eq!(verdict(&live, &same), Verdict::Same);
        let other = twice(200, ["Hello, token c3 at 12:03", "Hello, token d4 at 12:04"], 5);
        assert_eq!(verdict(&live, &other), Verdict::Differs(Difference::Text));
    }

    #[test]
    fn the_worst_is_told_and_only_what_both_answers_show() {
        let live = || twice(200, ["x", "x"], 40);
        let refused = || Err(HttpError::Refused);
        let fails = |other, problem: Option<&str>| {
            Verdict::Differs(Difference::Fails {
                live: 200,
                other,
                problem: problem.map(str::to_owned),
            })
        };
        assert_eq!(
            verdict(&live(), &twice(500, ["y", "y"], 400)),
            fails(Some(500), None)
        );
        let gone = HttpError::Refused.to_string();
        assert_eq!(
            verdict(&live(), &[refused(), refused()]),
            fails(None, Some(&gone))
        );
        assert_eq!(
            verdict(&live(), &twice(404, ["y", "y"], 40)),
            Verdict::Differs(Difference::Status {
                live: 200,
                other: 404
            })
        );
        let slow = Difference::Slower {
            live_ms: 40,
            other_ms: 141,
        };
        assert_eq!(
            verdict(&live(), &twice(200, ["x", "x"], 141)),
            Verdict::Differs(slow)
        );
        assert_eq!(verdict(&live(), &twice(200, ["x", "x"], 139)), Verdict::Same);
        // One answer of two, a live color that fails itself, one that says now this and now that.
        assert_eq!(
            verdict(&live(), &[said(500, "", 1), said(200, "x", 40)]),
            Verdict::Unclear
        );
        assert_eq!(
            verdict(&twice(500, ["x", "x"], 1), &twice(500, ["x", "x"], 1)),
            Verdict::Unclear
        );
        assert_eq!(
            verdict(
                &[said(200, "x", 1), said(404, "x", 1)],
                &twice(500, ["x", "x"], 1)
            ),
            Verdict::Unclear
        );
        assert_eq!(
            verdict(&[refused(), said(200, "x", 1)], &twice(500, ["x", "x"], 1)),
            Verdict::Unclear
        );
    }
}
