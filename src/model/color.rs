//! The two slots of an app and the folder that the live link can point at.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One of the two slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    /// The default color: what NGINX serves when the link names neither.
    Blue,
    /// The other one.
    Green,
}

impl Color {
    /// Both colors, blue first.
    pub const BOTH: [Color; 2] = [Color::Blue, Color::Green];

    /// The other slot.
    #[must_use]
    pub fn other(self) -> Color {
        match self {
            Color::Blue => Color::Green,
            Color::Green => Color::Blue,
        }
    }

    /// `blue` or `green`, as in paths, process names and NGINX.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Color::Blue => "blue",
            Color::Green => "green",
        }
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A word that is neither `blue` nor `green`.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a color: expected `blue` or `green`")]
pub struct NotAColor(String);

impl FromStr for Color {
    type Err = NotAColor;

    fn from_str(word: &str) -> Result<Self, NotAColor> {
        match word {
            "blue" => Ok(Color::Blue),
            "green" => Ok(Color::Green),
            other => Err(NotAColor(other.to_owned())),
        }
    }
}

/// Where the live link points: a color, with or without the maintenance page in
/// front of it. Maintenance has a folder per color because two independent bits
/// would be torn under a flip: a request could look at the one before the swap
/// and at the other after it, and reach a color that was never live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Route {
    /// The color that answers, or would without the maintenance page.
    pub color: Color,
    /// Whether visitors get the maintenance page.
    pub maintenance: bool,
}

impl Route {
    /// Every route there is.
    pub const ALL: [Route; 4] = [
        Route::to(Color::Blue),
        Route::to(Color::Green),
        Route {
            color: Color::Blue,
            maintenance: true,
        },
        Route {
            color: Color::Green,
            maintenance: true,
        },
    ];

    /// Traffic to `color`, no maintenance page.
    #[must_use]
    pub const fn to(color: Color) -> Route {
        Route {
            color,
            maintenance: false,
        }
    }

    /// The same maintenance setting with another color behind it.
    #[must_use]
    pub fn with_color(self, color: Color) -> Route {
        Route { color, ..self }
    }

    /// The name of the folder beside the link: `blue`, `maintenance-green`, ...
    #[must_use]
    pub fn folder(self) -> &'static str {
        match (self.color, self.maintenance) {
            (Color::Blue, false) => "blue",
            (Color::Green, false) => "green",
            (Color::Blue, true) => "maintenance-blue",
            (Color::Green, true) => "maintenance-green",
        }
    }

    /// Reads a link's target, `None` when it is none of the four folders.
    #[must_use]
    pub fn from_folder(folder: &str) -> Option<Route> {
        Route::ALL.into_iter().find(|route| route.folder() == folder)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.maintenance {
            write!(f, "{} behind the maintenance page", self.color)
        } else {
            self.color.fmt(f)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_reads_back_from_its_folder() {
        for route in Route::ALL {
            assert_eq!(Route::from_folder(route.folder()), Some(route));
        }
        assert_eq!(Route::from_folder("../blue"), None);
    }

    #[test]
    fn a_color_reads_back_from_its_name() {
        for color in Color::BOTH {
            assert_eq!(color.name().parse::<Color>().unwrap(), color);
            assert_eq!(color.other().other(), color);
        }
        assert_eq!(
            "red".parse::<Color>().unwrap_err().to_string(),
            "`red` is not a color: expected `blue` or `green`"
        );
    }
}
