//! Pages of both colors.

use model::compare::{Difference, Page};

/// A page on which they differ, and in what.
#[must_use]
pub fn page(page: &Page) -> String {
    let how = match &page.difference {
        Difference::Fails {
            live,
            other: Some(other),
            ..
        }
        | Difference::Status { live, other } => format!("{live} → {other}"),
        Difference::Fails { live, problem, .. } => {
            format!("{live} → {}", problem.as_deref().unwrap_or("no answer"))
        }
        Difference::Type { live, other } => format!("`{live}` → `{other}`"),
        Difference::Slower { live_ms, other_ms } => {
            let times = *other_ms as f64 / (*live_ms).max(1) as f64;
            format!("{times:.1} × slower, {live_ms} → {other_ms} ms")
        }
        Difference::Text => "other text".to_owned(),
    };
    format!("{} {how}", page.path)
}
