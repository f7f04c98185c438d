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

/// How many of a hundred visitors get the other color, in a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Share(u8);

impl Share {
    /// Everybody.
    pub const ALL: Share = Share(100);

    /// Of a hundred.
    #[must_use]
    pub fn percent(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// Text that is no share.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a share: expected whole percent from 1% to 100%")]
pub struct NotAShare(String);

impl FromStr for Share {
    type Err = NotAShare;

    fn from_str(text: &str) -> Result<Self, NotAShare> {
        let digits = text.strip_suffix('%').unwrap_or(text);
        let number = digits.parse().ok().filter(|percent| (1..=100).contains(percent));
        number
            .filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .map(Share)
            .ok_or_else(|| NotAShare(text.to_owned()))
    }
}

impl TryFrom<String> for Share {
    type Error = NotAShare;

    fn try_from(text: String) -> Result<Self, NotAShare> {
        text.parse()
    }
}

impl From<Share> for String {
    fn from(share: Share) -> String {
        share.to_string()
    }
}

/// Where the live link points: a color, with or without the maintenance page in
/// front of it, and in a canary with a share of the visitors on the other one. Each
/// combination has a folder of its own because independent bits would be torn under a
/// flip: a request could look at the one before the swap and at the other after it, and
/// reach a color that was never live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Route {
    /// The color that answers, or would without the maintenance page.
    pub color: Color,
    /// Whether visitors get the maintenance page.
    pub maintenance: bool,
    /// Who gets the other color.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
}

impl Route {
    /// Every route there is without a canary.
    pub const ALL: [Route; 4] = [
        Route::to(Color::Blue),
        Route::to(Color::Green),
        Route {
            maintenance: true,
            ..Route::to(Color::Blue)
        },
        Route {
            maintenance: true,
            ..Route::to(Color::Green)
        },
    ];

    /// Traffic to `color`, no maintenance page.
    #[must_use]
    pub const fn to(color: Color) -> Route {
        Route {
            color,
            maintenance: false,
            share: None,
        }
    }

    /// The same maintenance setting with another color behind it, for everybody.
    #[must_use]
    pub fn with_color(self, color: Color) -> Route {
        Route {
            color,
            share: None,
            ..self
        }
    }

    /// The same without the maintenance page.
    #[must_use]
    pub fn without_page(self) -> Route {
        Route {
            maintenance: false,
            ..self
        }
    }

    /// The same without a canary.
    #[must_use]
    pub fn without_share(self) -> Route {
        self.with_color(self.color)
    }

    /// The name of the folder beside the link: `blue`, `maintenance-green`, `blue-to-green-25`, ...
    #[must_use]
    pub fn folder(self) -> String {
        let page = if self.maintenance { "maintenance-" } else { "" };
        let way = self.share.map_or(String::new(), |share| {
            format!("-to-{}-{}", self.color.other(), share.percent())
        });
        format!("{page}{}{way}", self.color)
    }

    /// Reads a link's target, `None` when it is none of these folders.
    #[must_use]
    pub fn from_folder(folder: &str) -> Option<Route> {
        let (maintenance, rest) = match folder.strip_prefix("maintenance-") {
            Some(rest) => (true, rest),
            None => (false, folder),
        };
        let (color, share) = match rest.split_once("-to-") {
            Some((color, way)) => (color, Some(way.rsplit_once('-')?.1.parse().ok()?)),
            None => (rest, None),
        };
        let route = Route {
            color: color.parse().ok()?,
            maintenance,
            share,
        };
        // Nothing but what `folder` writes.
        (route.folder() == folder).then_some(route)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.color.fmt(f)?;
        if let Some(share) = self.share {
            write!(f, " with {share} of the visitors on {}", self.color.other())?;
        }
        match self.maintenance {
            true => f.write_str(" behind the maintenance page"),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_reads_back_from_its_folder() {
        let shares = ["1%", "25%", "100%"].map(|share| Some(share.parse().unwrap()));
        let all = Route::ALL.into_iter().flat_map(|route| {
            let steps = shares.map(|share| Route { share, ..route });
            std::iter::once(route).chain(steps)
        });
        for route in all {
            assert_eq!(Route::from_folder(&route.folder()), Some(route));
        }
        let step = Route::from_folder("maintenance-green-to-blue-5").unwrap();
        assert_eq!(
            step.to_string(),
            "green with 5% of the visitors on blue behind the maintenance page"
        );
        for other in [
            "../blue",
            "blue-to-blue-5",
            "blue-to-green-0",
            "blue-to-green-101",
            "blue-to-green-05",
            "blue-to-green",
            "blue-to-green-+5",
            "maintenance-maintenance-blue",
        ] {
            assert_eq!(Route::from_folder(other), None, "{other}");
        }
    }

    #[test]
    fn a_share_is_whole_percent() {
        assert_eq!("5%".parse::<Share>().unwrap(), "5".parse().unwrap());
        assert_eq!("100%".parse::<Share>().unwrap(), Share::ALL);
        for bad in ["0%", "101%", "5.5%", "-5", "+5", "%", "", "5%%", "five"] {
            assert!(bad.parse::<Share>().is_err(), "{bad}");
        }
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
