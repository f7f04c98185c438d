//! A slot that may be touched, as somebody has looked and seen that no visitor comes to it.

use model::color::{Color, Route, Share};
use model::failure::{Failure, Traffic, in_one_line};
use site::endpoint;

use crate::app::App;
use crate::traffic::{self, Observe};

/// A slot that no visitor is answered from: nothing else is started, stopped or replaced.
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
        if let Some(share) = now.share {
            return Err(serves(app, now, share));
        }
        if now == live {
            return Ok(IdleSlot::of(live.color.other()));
        }
        Err(Failure::failed(format!(
            "traffic was on {live} when this run began, and somebody else has moved it to {now} since"
        ))
        .with_traffic(Traffic::Unchanged {
            live: traffic::deployment(app, now.color),
        }))
    }

    /// The slot of `color`, where the link points elsewhere and NGINX does not say otherwise: one
    /// that gives no answer follows the link once it is there again.
    pub async fn unless_live(app: &App, color: Color) -> Option<IdleSlot> {
        let Observe { link, nginx } = traffic::look(app).await;
        let live = link
            .ok()
            .filter(|live| live.color != color && live.share.is_none())?;
        nginx
            .map_or(true, |route| route == live)
            .then(|| IdleSlot::of(color))
    }

    /// Both slots of an app that NGINX was made to forget.
    ///
    /// # Errors
    /// When NGINX still answers for the app on one of its listeners, or nobody can say.
    pub async fn unrouted(app: &App) -> Result<[IdleSlot; 2], Failure> {
        for endpoint in &app.endpoints {
            let seen = match endpoint::live_answers(std::slice::from_ref(endpoint), app.name()).await {
                Ok(answers) => format!("{} on {endpoint}", answers.color),
                Err(error) if error.is_of_another() => continue,
                Err(error) => in_one_line(&error),
            };
            return Err(
                Failure::failed(format!("NGINX still knows {}: {seen}", app.name()))
                    .hint("`bg remove` takes the app from NGINX first")
                    .with_traffic(traffic::unchanged(app)),
            );
        }
        Ok(Color::BOTH.map(IdleSlot::of))
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

/// In a canary no slot is idle.
fn serves(app: &App, route: Route, share: Share) -> Failure {
    Failure::failed(format!(
        "a canary is under way: {share} of the visitors get {}",
        route.color.other()
    ))
    .hint("`bg promote` sends more there, `bg abort` sends all back")
    .with_traffic(Traffic::Unchanged {
        live: traffic::deployment(app, route.color),
    })
}

/// Whether a slot is free to be used, on `route`.
///
/// # Errors
/// In a canary both serve visitors.
pub fn is_none_in_use(app: &App, route: Route) -> Result<(), Failure> {
    route.share.map_or(Ok(()), |share| Err(serves(app, route, share)))
}
