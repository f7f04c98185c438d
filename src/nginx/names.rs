//! What NGINX makes of a `server_name`: which names fit it, whose it is where two fit, and
//! how the app is told of it.

mod example;
mod name;

pub use example::examples;
use name::{Name, expression, is_below, is_below_reversed};

/// The longest name that NGINX's maps take without further settings: buckets of 64 bytes,
/// less two pointers and the length.
const LONGEST: usize = 46;

/// How much a name means a host: NGINX gives a request to the server with the greatest, and to
/// the first of several with the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// It is another one.
    None,
    /// An expression that cannot be read here: it may mean any.
    Unknown,
    /// An expression.
    Pattern,
    /// `www.example.*`, by its length.
    Above(usize),
    /// `*.example.com`, by its length.
    Below(usize),
    /// The name itself.
    Exact,
}

impl Weight {
    pub(super) fn of(name: &str, host: &str) -> Weight {
        let host = host.to_ascii_lowercase();
        let name = Name::read(name);
        match &name {
            Name::Pattern(pattern) => match expression(pattern) {
                Some(read) if read.is_match(&host) => Weight::Pattern,
                Some(_) => Weight::None,
                None => Weight::Unknown,
            },
            name if !name.fits(&host) => Weight::None,
            Name::Domain(domain) if *domain != host => Weight::Below(domain.len()),
            Name::Below(domain) => Weight::Below(domain.len()),
            Name::Above(start) => Weight::Above(start.len()),
            _ => Weight::Exact,
        }
    }
}

/// Whether a server with the name `ours` is given requests that one with the name `theirs`
/// on the same address would get alone. NGINX looks for the exact name first, then for the
/// longest `*.` that fits, the longest `.*`, and the first regular expression.
#[must_use]
pub fn takes(ours: &str, theirs: &str) -> bool {
    if ours == theirs {
        return true;
    }
    let (ours, theirs) = (Name::read(ours), Name::read(theirs));
    // The same is given to whichever is read first.
    if ours == theirs {
        return ours != Name::Nobodys;
    }
    match (&ours, &theirs) {
        (Name::Exact(name), theirs) => theirs.fits(name),
        // NGINX has both as the same name.
        (Name::Domain(domain), Name::Exact(name)) => domain == name,
        (Name::Domain(mine) | Name::Below(mine), Name::Domain(other) | Name::Below(other)) => {
            mine == other || is_below(mine, other)
        }
        (Name::Domain(_) | Name::Below(_), Name::Above(_)) => true,
        (Name::Domain(domain) | Name::Below(domain), theirs @ Name::Pattern(_)) => {
            theirs.fits(domain)
                || ["www", "a", "1"]
                    .iter()
                    .any(|first| theirs.fits(&format!("{first}.{domain}")))
        }
        (Name::Above(mine), Name::Above(other)) => is_below_reversed(mine, other),
        (Name::Above(start), theirs @ Name::Pattern(_)) => ["com", "org", "example"]
            .iter()
            .any(|last| theirs.fits(&format!("{start}.{last}"))),
        _ => false,
    }
}

/// The names of a site, as NGINX's maps take them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What the app is told where the visitor asked for none of them: a name, or NGINX's word
    /// for what the visitor asked for where the site has no name.
    pub own: String,
    /// All of them, for a map with `hostnames`, ready to stand in NGINX's quotes.
    pub all: Vec<String>,
    /// Those that are one name and nothing else.
    pub plain: Vec<String>,
}

impl Known {
    /// Those of `names` that are a name.
    pub fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Known {
        let mut read: Vec<Name> = Vec::new();
        for name in names {
            let known = Name::read(name);
            if known != Name::Nobodys && !read.contains(&known) && !name.contains(char::is_control) {
                read.push(known);
            }
        }
        let own = read.iter().find_map(plain);
        let own = own.map(str::to_owned).or_else(|| read.first().map(stand_in));
        let is_covered = |name: &Name| match name {
            // NGINX has `.example.com` as both of these.
            Name::Exact(domain) | Name::Below(domain) => read.contains(&Name::Domain(domain.clone())),
            _ => false,
        };
        let mut told: Vec<String> = Vec::new();
        for name in read.iter().filter_map(plain).filter(|name| is_short(name)) {
            if !told.iter().any(|known| known == name) {
                told.push(name.to_owned());
            }
        }
        Known {
            own: own.map_or("$host".to_owned(), |own| format!("\"{}\"", quoted(&own))),
            all: read.iter().filter(|name| !is_covered(name)).map(source).collect(),
            plain: told,
        }
    }
}

/// The first of `names` that a visitor could ask for; where there is none, one that fits the
/// first pattern.
#[must_use]
pub fn asked_for<'n>(names: impl IntoIterator<Item = &'n str> + Clone) -> Option<String> {
    let mut read = names.clone().into_iter().map(Name::read);
    let told = read.find_map(|name| plain(&name).map(str::to_owned));
    told.or_else(|| names.into_iter().flat_map(examples).next())
}

/// The name that it is, or that it begins with.
fn plain(name: &Name) -> Option<&str> {
    match name {
        Name::Exact(name) | Name::Domain(name) => Some(name),
        _ => None,
    }
}

/// A name of the same owner's where none can be asked for.
fn stand_in(name: &Name) -> String {
    match name {
        Name::Exact(name) | Name::Domain(name) | Name::Below(name) | Name::Above(name) => name.clone(),
        Name::Pattern(_) | Name::Nobodys => "localhost".to_owned(),
    }
}

/// Whether NGINX's hashes take it as it is.
fn is_short(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    name.len() <= LONGEST && name.chars().all(fits)
}

/// As a map's source; what its hash does not take as a regular expression.
fn source(name: &Name) -> String {
    let expression = |before: &str, name: &str, after: &str| {
        quoted(&format!("~*^{before}{}{after}$", regex_lite::escape(name)))
    };
    match name {
        Name::Exact(name) if is_short(name) => name.clone(),
        Name::Exact(name) => expression("", name, ""),
        Name::Domain(domain) if is_short(domain) => format!(".{domain}"),
        Name::Domain(domain) => expression("(?:.+[.])?", domain, ""),
        Name::Below(domain) if is_short(domain) => format!("*.{domain}"),
        Name::Below(domain) => expression(".+[.]", domain, ""),
        Name::Above(start) if is_short(start) => format!("{start}.*"),
        Name::Above(start) => expression("", start, "[.].+"),
        Name::Pattern(pattern) => quoted(&format!("~*{pattern}")),
        Name::Nobodys => String::new(),
    }
}

/// Between NGINX's double quotes.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use crate::names::*;

    #[test]
    fn a_name_takes_what_nginx_would_give_it() {
        let table = [
            ("shop.example", "shop.example", true),
            ("shop.example", "SHOP.Example", true),
            ("Shop.Example", "shop.example.", true),
            ("shop.example.", "shop.example", true),
            ("shop.example", ".shop.example", true),
            ("shop.example", ".example", true),
            ("shop.example", "*.example", true),
            ("shop.example", "*.shop.example", false),
            ("shop.example", "shop.*", true),
            ("shop.example", "notshop.example", false),
            ("notshop.example", ".shop.example", false),
            ("shop.example", "~^shop\\.example$", true),
            ("shop.example", r"~^(?<sub>\w+)\.example$", true),
            ("shop.example", r"~^www\.", false),
            ("shop.example", r"~.", false),
            ("shop.example", r"~^(?!x)shop", false),
            (".shop.example", "shop.example", true),
            (".shop.example", "www.shop.example", false),
            (".shop.example", "*.shop.example", true),
            ("*.shop.example", ".example", true),
            ("*.example", "*.shop.example", false),
            ("*.shop.example", "shop.example", false),
            ("*.shop.example", "www.*", true),
            ("*.shop.example", r"~^www\.shop\.example$", true),
            ("www.*", "*.shop.example", false),
            ("www.shop.*", "www.*", true),
            ("_", "_", true),
            ("_", "", false),
            ("_", "shop.example", false),
            ("shop.example", "_", false),
        ];
        for (ours, theirs, expected) in table {
            assert_eq!(takes(ours, theirs), expected, "{ours} {theirs}");
        }
        assert_eq!(table.len(), 30);
    }

    #[test]
    fn a_site_is_told_by_its_first_real_name() {
        let known = |names: &[&str]| Known::of(names.iter().copied());
        let table: [(&[&str], &str, &[&str]); 6] = [
            (&["_"], "$host", &[]),
            (&["_", "B.example"], "\"b.example\"", &["b.example"]),
            (&["*.b.example"], "\"b.example\"", &["*.b.example"]),
            (
                &["*.b.example", ".b.example", "b.example"],
                "\"b.example\"",
                &[".b.example"],
            ),
            (&["~^a\\.b\"$"], "\"localhost\"", &["~*^a\\\\.b\\\"$"]),
            (&["[::1]"], "\"[::1]\"", &["~*^\\\\[::1\\\\]$"]),
        ];
        for (names, own, all) in table {
            let known = known(names);
            assert_eq!(
                (known.own.as_str(), known.all),
                (own, all.iter().map(ToString::to_string).collect())
            );
        }
        assert_eq!(known(&["b.example", ".b.example"]).plain, ["b.example"]);
        let long = format!("{}.example", "a".repeat(60));
        let known = known(&[&long]);
        assert_eq!(known.plain, Vec::<String>::new());
        assert_eq!(known.all, [format!("~*^{}\\\\.example$", "a".repeat(60))]);
    }
}
