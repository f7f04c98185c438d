//! Where traffic is: the link and NGINX's own answer on every listener, compared each
//! time, never remembered.

use model::color::{Color, Route};
use model::failure::{Deployment, Failure, Traffic};
use site::endpoint::{self, EndpointError};
use state::releases;
use sys::link::LinkError;

use crate::app::App;

/// What the link and NGINX say, before anybody judges it.
#[derive(Debug)]
pub struct Observe {
    /// Where the link points.
    pub link: Result<Route, LinkError>,
    /// What NGINX answers, the same on every listener, or why that is not known.
    pub nginx: Result<Route, EndpointError>,
}

/// Looks at both.
pub async fn look(app: &App) -> Observe {
    let link = app.link.read();
    // NGINX looks at the link's target with each request, and says whose is the rest of the
    // visitors, not how many those are.
    let nginx = nginx_route(app).await.map(|nginx| match &link {
        Ok(link) if link.without_share() == nginx => *link,
        _ => nginx,
    });
    Observe { link, nginx }
}

async fn nginx_route(app: &App) -> Result<Route, EndpointError> {
    let answers = endpoint::live_answers(&app.endpoints, app.name()).await?;
    Ok(Route {
        color: answers.color,
        maintenance: answers.maintenance,
        share: None,
    })
}

/// What is live, agreed on by the link and NGINX.
///
/// # Errors
/// Exit 7 when they disagree or one of them cannot be seen: nothing may be touched then.
pub async fn observe(app: &App) -> Result<Route, Failure> {
    let Observe { link, nginx } = look(app).await;
    match (link, nginx) {
        (Ok(link), Ok(nginx)) if link == nginx => Ok(link),
        (Ok(link), Ok(nginx)) => Err(Failure::unknown(
            "the link and NGINX disagree about what is live",
            format!("the link says {link}, NGINX answers from {nginx}"),
        )
        .hint(disagreement_hint(app))),
        (Ok(link), Err(error)) => Err(Failure::unknown(
            "NGINX does not say what is live",
            format!("the link says {link}, NGINX gives no answer"),
        )
        .because(error)
        .hint("look at NGINX first (`nginx -t`, its error log), then `bg check`")),
        (Err(error), nginx) => {
            let seen = nginx.map_or_else(
                |_| "the link cannot be read and NGINX gives no answer".to_owned(),
                |route| format!("the link cannot be read, NGINX answers from {route}"),
            );
            let hint = match &error {
                LinkError::Io { .. } => "`bg check` names the folder that cannot be entered",
                _ => "`bg switch COLOR` points the link at a color again",
            };
            Err(Failure::unknown("the live link cannot be read", seen)
                .because(error)
                .hint(hint))
        }
    }
}

fn disagreement_hint(app: &App) -> String {
    if app.reloads() {
        "`bg repair` makes NGINX read the link again".to_owned()
    } else {
        format!(
            "NGINX's worker user must be able to look into `{}`; `bg check` names the folder that it cannot",
            app.entry.link_folder.display()
        )
    }
}

/// A color with what its slot holds.
#[must_use]
pub fn deployment(app: &App, color: Color) -> Deployment {
    Deployment {
        color,
        release: releases::slot(&app.layout, color),
    }
}

/// Where traffic is, for a failure that did not move it.
#[must_use]
pub fn unchanged(app: &App) -> Traffic {
    match app.link.read() {
        Ok(route) => Traffic::Unchanged {
            live: deployment(app, route.color),
        },
        Err(error) => Traffic::Unknown {
            seen: error.to_string(),
        },
    }
}
