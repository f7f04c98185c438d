//! Says in a user's words what `toml` and `serde` say in a programmer's.

use std::ops::Range;

use toml::de::Error;

use super::mistake::Mistake;
use super::span::{Places, dotted};

/// Keys that people try, and what to write instead: the table, the key, the advice.
const TRIED: &[(&str, &str, &str)] = &[
    ("", "name", "write `app = \"shop\"`"),
    ("", "path", "write `root = \"/srv/shop\"`"),
    ("", "user", "write `owner = \"deploy\"`"),
    ("", "keep_warm", "write `warm = \"always\"` under `[keep]`"),
    ("source", "url", "write `git = \"git@example.com:you/shop.git\"`"),
    ("source", "repo", "write `git = \"git@example.com:you/shop.git\"`"),
    ("source", "ref", "write `branch = \"main\"`"),
    ("process", "port", "write `ports = { blue = 5001, green = 5002 }`"),
    ("process", "command", "write `run = \"...\"`"),
    ("process", "cmd", "write `run = \"...\"`"),
    ("python", "interpreter", "write `version = \"python3.12\"`"),
    ("health", "status", "write `expect = [200]`"),
    (
        "health",
        "url",
        "write `path = \"/health\"`: the path alone, without a host",
    ),
    ("nginx", "domain", "write `server_names = [\"example.com\"]`"),
    ("nginx", "port", "write `listen = [\"80\"]`"),
    (
        "nginx",
        "ssl",
        "write a table `[nginx.tls]` with `certificate` and `key`",
    ),
];

/// Keys that stand above the first table.
const TOP: &[&str] = &["app", "root", "owner", "shared", "scratch"];

/// Keys that must be there, as one might write them.
const NEEDED: &[(&str, &str)] = &[
    ("app", "app = \"shop\""),
    ("root", "root = \"/srv/shop\""),
    (
        "run",
        "run = \"{{ venv }}/bin/python -m gunicorn -b 127.0.0.1:{{ port }} app:app\"",
    ),
    ("ports", "ports = { blue = 5001, green = 5002 }"),
    ("blue", "blue = 5001"),
    ("green", "green = 5002"),
    ("path", "path = \"/health\""),
    ("pointer", "pointer = \"/status\""),
    ("equals", "equals = \"ok\""),
    ("server_names", "server_names = [\"example.com\"]"),
    ("url", "url = \"/static/\""),
    ("folder", "folder = \"static\""),
    ("certificate", "certificate = \"/etc/ssl/shop/fullchain.pem\""),
    ("key", "key = \"/etc/ssl/shop/key.pem\""),
    ("process", "`[process]` with `run` and `ports`"),
    ("nginx", "`[nginx]` with `server_names = [\"example.com\"]`"),
];

/// Every table that is written once.
const TABLES: &[&[&str]] = &[
    &["source"],
    &["process"],
    &["process", "ports"],
    &["env"],
    &["python"],
    &["gate"],
    &["nginx"],
    &["nginx", "tls"],
    &["nginx", "probe"],
    &["keep"],
    &["drain"],
    &["evidence"],
    &["timeouts"],
    &["pm2"],
    &["hooks"],
    &["migrate"],
    &["backup"],
    &["notify"],
];

/// Text that is no TOML at all.
pub(super) fn syntax(error: &Error, text: &str) -> Mistake {
    let (what, write) = error
        .message()
        .split_once(", expected ")
        .map_or((error.message(), None), |(what, expected)| (what, Some(expected)));
    let span = error.span().unwrap_or(text.len()..text.len());
    let found = text.get(span.clone()).unwrap_or_default();
    Mistake {
        write: match (what, write) {
            ("string values must be quoted", _) => format!("write `\"{found}\"`"),
            ("duplicate key", _) => "it is there already, further up: keep one of the two".into(),
            (_, Some(expected)) => format!("expected {expected}"),
            (_, None) => "this is not TOML".into(),
        },
        span,
        what: format!("not valid TOML: {what}"),
        note: None,
    }
}

/// A list where one table belongs. `serde` would take the list's items for the table's
/// keys, in their order.
pub(super) fn list_for_table(places: &Places<'_>) -> Option<Mistake> {
    let path = TABLES
        .iter()
        .find(|path| places.get(path).is_some_and(|value| value.is_array()))?;
    let name = dotted(path);
    let write = match name.as_str() {
        "process.ports" => "write `{ blue = 5001, green = 5002 }`".into(),
        _ => format!("write `[{name}]` once, in single brackets"),
    };
    Some(Mistake {
        span: places.value(path),
        what: format!("`{name}` is a list, not a table"),
        write,
        note: None,
    })
}

/// A key that is unknown, missing or of another type.
pub(super) fn shape(error: &Error, text: &str, places: &Places<'_>) -> Mistake {
    let span = error.span().unwrap_or(0..0);
    let path = places.path_at(&span);
    let message = error.message();
    let names: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let (name, expected) = names.split_first().unwrap_or((&"", &[]));
    if message.starts_with("unknown field") {
        unknown_key(span, &path, name, expected)
    } else if message.starts_with("missing field") {
        missing_key(span, &path, name, text)
    } else if message.starts_with("unknown variant") {
        Mistake {
            span,
            what: format!("`{name}` is no value of `{}`", dotted(&path)),
            write: nearest(name, expected)
                .map_or_else(|| one_of(expected), |near| format!("did you mean `{near}`?")),
            note: nearest(name, expected).map(|_| one_of(expected)),
        }
    } else if let Some(types) = message.strip_prefix("invalid type: ") {
        mistyped(span, &path, types, text)
    } else if let Some((_, expected)) = message
        .strip_prefix("invalid value: ")
        .and_then(|values| values.split_once("expected "))
    {
        Mistake {
            span,
            what: format!("`{}` is out of range", dotted(&path)),
            write: format!("expected {}", in_words(expected)),
            note: None,
        }
    } else {
        let (what, expected) = message.split_once("expected ").unwrap_or((message, ""));
        Mistake {
            span,
            what: format!("`{}`: {}", dotted(&path), what.trim_end_matches([' ', ',', ':'])),
            write: format!("expected {}", in_words(expected)),
            note: None,
        }
    }
}

fn unknown_key(span: Range<usize>, path: &[String], name: &str, known: &[&str]) -> Mistake {
    let parents = path.split_last().map_or(path, |(_, parents)| parents);
    let table = table_of(parents);
    let tried = TRIED
        .iter()
        .find(|(its_table, key, _)| parents.first().map_or("", String::as_str) == *its_table && *key == name);
    let write = if let Some((_, _, advice)) = tried {
        (*advice).to_owned()
    } else if !parents.is_empty() && TOP.contains(&name) {
        "write it above the first `[table]`: a key belongs to the last table before it".into()
    } else if let Some(near) = nearest(name, known) {
        format!("did you mean `{near}`?")
    } else if parents == ["env"] {
        "variables are written under `[env.set]`".into()
    } else {
        "remove it".into()
    };
    Mistake {
        span,
        what: format!("unknown key `{name}`{table}"),
        write,
        note: Some(one_of(known)),
    }
}

fn missing_key(span: Range<usize>, path: &[String], name: &str, text: &str) -> Mistake {
    let example = NEEDED
        .iter()
        .find(|(key, _)| *key == name)
        .map_or(name, |(_, line)| line);
    let example = match (path.first().map(String::as_str), name) {
        (Some("migrate"), "run") => "run = \"flask db upgrade\"",
        (Some("hooks"), "run") => "run = \"bin/notify\"",
        _ => example,
    };
    let is_table = example.starts_with('`');
    let end = text.trim_end().len();
    Mistake {
        span: if is_table { end..end } else { span },
        what: if is_table {
            format!("missing table `[{name}]`")
        } else {
            format!("missing key `{name}`{}", table_of(path))
        },
        write: if is_table {
            format!("add {example} below")
        } else if path.is_empty() {
            format!("add `{example}` at the top")
        } else {
            format!("add `{example}`")
        },
        note: None,
    }
}

fn mistyped(span: Range<usize>, path: &[String], types: &str, text: &str) -> Mistake {
    let (found, expected) = types.split_once(", expected ").unwrap_or((types, ""));
    let kind = found.split([' ', '`']).next().unwrap_or_default();
    let written = text.get(span.clone()).unwrap_or_default();
    let write = match (kind, expected) {
        ("map", "a sequence") if path == ["health"] || path == ["nginx", "static"] => {
            format!("write `[[{}]]`, in double brackets", dotted(path))
        }
        ("string", "a sequence") => format!("write `[{written}]`"),
        (_, expected) if expected.starts_with("struct ") => {
            format!("write the keys below `[{}]`", dotted(path))
        }
        ("integer" | "floating" | "boolean", "a string" | "path string") => format!("write `\"{written}\"`"),
        ("string", "u16" | "u32" | "usize") if written.trim_matches(['"', '\'']).parse::<u32>().is_ok() => {
            format!("write `{}`, without quotes", written.trim_matches(['"', '\'']))
        }
        _ => format!("expected {}", in_words(expected)),
    };
    let found = match kind {
        "string" => "text",
        "integer" | "floating" => "a number",
        "boolean" => "true or false",
        "sequence" => "a list",
        "map" => "a table",
        other => other,
    };
    Mistake {
        span,
        what: format!("`{}` is {found}, not {}", dotted(path), in_words(expected)),
        write,
        note: None,
    }
}

/// What `serde` calls a type, as a user would.
fn in_words(expected: &str) -> &str {
    match expected {
        "a string" => "text",
        "path string" => "a path",
        "u16" => "a number from 1 to 65535",
        "u32" | "usize" => "a whole number from 1 on",
        "a sequence" => "a list",
        "a map" => "a table",
        other if other.starts_with("struct ") => "a table",
        other => other,
    }
}

fn table_of(path: &[String]) -> String {
    match path.split_last() {
        None => String::new(),
        Some((_, outer)) if outer.iter().any(|step| step.parse::<usize>().is_ok()) => {
            format!(" in `{}`", dotted(path))
        }
        Some((last, list)) if last.parse::<usize>().is_ok() => format!(" in `[[{}]]`", dotted(list)),
        Some(_) => format!(" in `[{}]`", dotted(path)),
    }
}

fn one_of(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [one] => format!("expected {one}"),
        [one, two] => format!("expected {one} or {two}"),
        many => format!("expected one of {}", many.join(", ")),
    }
}

/// The known name that was probably meant. Below 0.8 the names have only letters in common.
fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    // Comparing takes the square of the length, and no key has half as many letters.
    if name.len() > 64 {
        return None;
    }
    known
        .iter()
        .map(|known| (strsim::jaro_winkler(name, known), *known))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known)
}
