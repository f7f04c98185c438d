//! Who answers at the front door, by what the app says of itself.

use bluegreen::model::color::Color;

use super::{HOST, Sandbox, http};

/// A color and the release in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Answering {
    /// The color.
    pub color: Color,
    /// Its release.
    pub release: String,
}

impl Answering {
    /// `None` when it is not the app.
    pub fn at_the_door(sandbox: &Sandbox) -> Option<Answering> {
        let answer = http::get(sandbox.address(), HOST, "/whoami").ok()?;
        Some(Answering {
            color: answer.header("x-app-color")?.parse().ok()?,
            release: answer.header("x-app-release")?.to_owned(),
        })
    }
}
