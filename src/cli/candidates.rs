//! The apps, releases, runs, workers and hosts that there are, for a shell to offer.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};
use engine::app::read_config;
use model::color::Color;
use model::config::Config;
use model::layout::Layout;
use state::registry::Registry;
use state::releases as kept;
use sys::store;

use super::author;
use super::context::{ConfigSource, Context};

/// The apps of this host.
pub fn apps() -> ArgValueCandidates {
    ArgValueCandidates::new(|| all(Registry::of_this_user().apps()))
}

/// The colors.
pub fn colors() -> ArgValueCandidates {
    ArgValueCandidates::new(|| all(Color::BOTH.map(Color::name)))
}

/// The kept releases, newest first, by their names or, once something is typed, by their commits.
pub fn releases() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let typed = typed.to_string_lossy();
        let mut ids = context()
            .and_then(|context| layout(&context))
            .map_or(Vec::new(), |layout| kept::ids(&layout).unwrap_or_default());
        ids.reverse();
        let commits = ids.iter().filter(|_| !typed.is_empty()).map(|id| id.short());
        let names = ids.iter().map(|id| id.as_str()).chain(commits);
        all(names.filter(|name| name.starts_with(&*typed)))
    })
}

/// The runs that are told of, newest first.
pub fn runs() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let layout = context().and_then(|context| layout(&context));
        let names = layout.and_then(|layout| store::names(&layout.runs()).ok());
        let mut names = names.unwrap_or_default();
        names.sort();
        all(names.iter().rev().filter_map(|name| name.strip_suffix(".ndjson")))
    })
}

/// The workers of the app.
pub fn workers() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let config = context().and_then(|context| config(&context));
        all(config
            .iter()
            .flat_map(|config| &config.workers)
            .map(|worker| &worker.name))
    })
}

/// The hosts and groups of bg.toml.
pub fn hosts() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let config = context().and_then(|context| config(&context));
        let named = config
            .iter()
            .flat_map(|config| config.fleet.groups.keys().chain(&config.hosts));
        all(named)
    })
}

fn all(values: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<CompletionCandidate> {
    // A terminal obeys what it is shown, and a shell may take the rest for its own.
    let fits = |value: &str| value.chars().all(|c| c.is_ascii_graphic());
    let values = values.into_iter().filter(|value| fits(value.as_ref()));
    values
        .map(|value| CompletionCandidate::new(value.as_ref()))
        .collect()
}

/// What is meant by the words so far. As with any command root reads nothing that is somebody
/// else's: from here on this process is that user's.
fn context() -> Option<Context> {
    let words: Vec<String> = std::env::args().collect();
    let config = given(&words, ["--config", "-c"]).map(PathBuf::from);
    let mut context = Context {
        app: given(&words, ["--app", "-a"]).or_else(|| std::env::var("BG_APP").ok()),
        config: config.map_or_else(ConfigSource::in_folder, ConfigSource::File),
        place: None,
        author: None,
    };
    author::act_as_author(&mut context).ok()?;
    Some(context)
}

fn given(words: &[String], names: [&str; 2]) -> Option<String> {
    let value = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1).cloned()
    };
    let joined = |word: &String| {
        let (name, value) = word.split_once('=')?;
        names.contains(&name).then(|| value.to_owned())
    };
    names
        .into_iter()
        .find_map(value)
        .or_else(|| words.iter().find_map(joined))
}

fn layout(context: &Context) -> Option<Layout> {
    let entry = context.entry().ok()?;
    Some(Layout::new(entry.root))
}

fn config(context: &Context) -> Option<Config> {
    let source = context.whole_config().ok().flatten();
    source.or_else(|| read_config(&layout(context)?.config()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_that_is_named_by_any_form_counts() {
        let of = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            given(&words, ["--app", "-a"])
        };
        assert_eq!(of("bg --app shop rollback").as_deref(), Some("shop"));
        assert_eq!(of("bg rollback -a shop --to x").as_deref(), Some("shop"));
        assert_eq!(of("bg --app=shop logs").as_deref(), Some("shop"));
        assert_eq!(of("bg logs"), None);
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_offered() {
        assert_eq!(all(["web1", "a\u{1b}[2J", "a b"]).len(), 1);
    }
}
