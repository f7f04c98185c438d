//! A slot that may be touched, as somebody has looked and seen that no visitor comes to it.

use crate::engine::app::App;
use crate::model::color::{Color, Route};
use crate::model::failure::{Failure, Traffic};

use crate::engine::traffic;

/// A slot that no visitor comes to: nothing else is started, stopped or replaced.
///
/// ```compile_fail,E0451
/// # use bluegreen::model::color::Color;
/// # use bluegreen::engine::slot::IdleSlot;
/// let live = IdleSlot { color: Color::Blue };
/// ```
///
/// ```compile_fail,E0308
/// # use bluegreen::engine::app::App;
/// # use bluegreen::model::color::Color;
/// # use bluegreen::engine::slot;
/// async fn stop_what_is_live(app: &App) {
///     slot::discard(app, Color::Blue).await.ok();
/// }
/// ```
///
/// ```
/// # use bluegreen::engine::app::App;
/// # use bluegreen::model::failure::Failure;
/// # use bluegreen::engine::run::Run;
/// # use bluegreen::engine::slot;
/// async fn stop_the_candidate(run: &Run<'_>) -> Result<(), Failure> {
///     let idle = run.idle_slot().await?;
///     slot::discard(run.app, &idle).await
/// }
/// ```
#[derive(Debug)]
pub struct IdleSlot {
    color: Color,
}

impl IdleSlot {
    /// The one that traffic is not on, where the link and NGINX both still say `live`.
    ///
    /// # Errors
    /// When traffic is elsewhere, or nobody can say.
    pub async fn beside(app: &App, live: Route) -> Result<IdleSlot, Failure> {
        let now = traffic::observe(app).await?;
        if now == live {
            return Ok(IdleSlot::of(live.color.other()));
        }
        Err(Failure::failed(format!(
            "traffic was on {live} when this run began and somebody else moved it to {now}"
        ))
        .with_traffic(Traffic::Unchanged {
            live: traffic::standing(app, now.color),
        }))
    }

    /// The slot of `color`, for what has looked in a way of its own: the recovery table, the
    /// proof of a switch, a repair that found nothing running there.
    pub(crate) fn of(color: Color) -> IdleSlot {
        IdleSlot { color }
    }

    /// Its color.
    #[must_use]
    pub fn color(&self) -> Color {
        self.color
    }
}
