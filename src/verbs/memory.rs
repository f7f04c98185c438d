//! Room in memory: both colors run at once until the old one goes, and a host that cannot hold
//! both would have the kernel kill one of them, the live one as well.

use std::fmt;
use std::path::Path;

use engine::app::App;
use engine::{slot, traffic};
use model::color::Color;
use model::failure::Failure;
use sys::capacity;

/// What to do where it is too little; `file` is the configuration that is looked at.
pub(super) fn fix(file: &Path) -> String {
    format!(
        "both colors run at once for a time: more memory, fewer workers, or `process.memory_mb` in `{}`, \
         which says what a fresh one needs (0: do not look)",
        file.display()
    )
}

/// What one more color needs, and what it would find.
#[derive(Debug)]
pub struct Memory {
    live: Color,
    /// Bytes that the live color uses.
    used: u64,
    /// Bytes that the configuration asks for instead.
    asked: Option<u64>,
    left: capacity::Memory,
    /// Bytes of that which the old process of the color still has.
    held: u64,
}

impl Memory {
    /// For `color`, whose own old process goes first. `None` where no live color runs that
    /// would show how much that is, or nobody is to look.
    pub async fn for_one_more(app: &App, color: Color) -> Option<Memory> {
        let asked = app.config.process.memory_mb.map(|megabytes| megabytes << 20);
        if asked == Some(0) {
            return None;
        }
        let live = roots(app, color.other()).await;
        let mut left = capacity::memory_beside(*live.first()?).ok()?;
        let held = capacity::memory_of(&roots(app, color).await);
        left.bytes += held;
        Some(Memory {
            live: color.other(),
            used: capacity::memory_of(&live),
            asked,
            left,
            held,
        })
    }

    /// Whether it would find as much as it needs.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.asked.unwrap_or(self.used) <= self.left.bytes
    }

    /// Whether there would be enough also while the old process still runs.
    #[must_use]
    pub fn is_enough_for_three(&self) -> bool {
        self.asked.unwrap_or(self.used) <= self.left.bytes.saturating_sub(self.held)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (used, left) = (self.used >> 20, self.left.bytes >> 20);
        match self.asked {
            Some(asked) => write!(f, "`process.memory_mb` asks for {} MB", asked >> 20)?,
            None => write!(f, "{} uses {used} MB", self.live)?,
        }
        write!(f, ", {left} MB are free for {}", self.live.other())?;
        match &self.left.group {
            Some(group) => write!(f, " under the limit of `{}`", group.display()),
            None => Ok(()),
        }
    }
}

async fn roots(app: &App, color: Color) -> Vec<u32> {
    let running = slot::running_in(app, color).await.unwrap_or_default();
    running.iter().map(|process| process.pid).collect()
}

/// Looks whether `color` can be started beside the live one, as the configuration that was read
/// from `file` has it.
///
/// # Errors
/// When memory is too little; nothing has been touched.
pub async fn left(app: &App, color: Color, file: &Path) -> Result<(), Failure> {
    match Memory::for_one_more(app, color).await {
        Some(memory) if !memory.is_enough() => {
            let what = format!("there is too little memory to start {color}: {memory}");
            let failure = Failure::failed(what).hint(fix(file));
            Err(failure.with_traffic(traffic::unchanged(app)))
        }
        _ => Ok(()),
    }
}
