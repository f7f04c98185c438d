//! A slot that may be touched, as somebody has looked and seen that no visitor comes to it.

use model::color::{Color, Route};
use model::failure::{Failure, Traffic};

use crate::app::App;
use crate::traffic;

/// A slot that no visitor comes to: nothing else is started, stopped or replaced.
///
/// ```compile_fail,E0451
/// # use model::color::Color;
/// # use engine::slot::IdleSlot;
/// let live = IdleSlot { color: Color::Blue };
/// ```
///
/// ```compile_fail,E0308
/// # use engine::app::App;
/// # use model::color::Color;
/// # use engine::slot;
/// async fn stop_what_is_live(app: &App) {
///     slot::discard(app, Color::Blue).await.ok();
/// }
/// ```
///
/// ```
/// # use engine::app::App;
/// # use model::failure::Failure;
/// # use engine::run::Run;
/// # use engine::slot;
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

    /// The slot of `color`, of an app that NGINX was made to forget.
    ///
    /// # Errors
    /// When NGINX still answers for the app.
    pub async fn unrouted(app: &App, color: Color) -> Result<IdleSlot, Failure> {
        let Ok(route) = traffic::look(app).await.nginx else {
            return Ok(IdleSlot::of(color));
        };
        Err(
            Failure::failed(format!("NGINX still answers for {}, from {route}", app.name()))
                .hint("`bg remove` takes the app from NGINX first")
                .with_traffic(traffic::unchanged(app)),
        )
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
