//! What the color that was live before answers where the new one fails: one that fails in the
//! same way takes nothing away. It is still warm, and is asked only then, past NGINX, so that
//! no other switch waits for it.

use crate::host::app::App;
use crate::host::front::Sick;
use crate::host::health::{self, Pace};
use crate::model::color::Color;
use crate::model::config::HealthCheck;

use super::super::{gate, slot};

/// Whether `color` answers each path with the status that the other color gave.
pub async fn fails_alike(app: &App, color: Color, sick: &[Sick]) -> bool {
    let config = &app.config;
    let target = gate::target(config, slot::port_of_old(app, color));
    let check = |sick: &Sick| HealthCheck {
        expect: vec![sick.status],
        ..HealthCheck::of(&sick.path)
    };
    let checks: Vec<HealthCheck> = sick.iter().map(check).collect();
    let round = health::round(&target, &checks, 1, config.gate.attempt.0, Pace::AtOnce).await;
    round.is_healthy()
}
