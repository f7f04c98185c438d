//! The ports of a slot: the one that its release was made for, and the one where NGINX asks.

use crate::host::app::App;
use crate::host::releases;
use crate::model::color::Color;
use crate::model::failure::Failure;
use crate::model::release::Manifest;

/// NGINX asks for a color where `process.ports` says, and a kept release listens where that
/// said when the release was made.
///
/// # Errors
/// When these are two ports.
pub fn is_where_nginx_asks(app: &App, color: Color, manifest: &Manifest) -> Result<(), Failure> {
    let (made, asked) = (manifest.ports.of(color), app.config.process.ports.of(color));
    if made == asked {
        return Ok(());
    }
    let short = manifest.id.short();
    Err(Failure::failed(format!(
        "{short} listens on {made} as {color}, and NGINX asks for {color} on {asked}"
    ))
    .hint(format!("`bg deploy` of its commit makes a release for {asked}")))
}

/// The port of what a slot holds, which `process.ports` may not name any more.
#[must_use]
pub fn port_of_old(app: &App, color: Color) -> u16 {
    let held = releases::slot(&app.layout, color).and_then(|id| releases::read(&app.layout, &id).ok());
    held.map_or(app.config.process.ports, |manifest| manifest.ports)
        .of(color)
}
