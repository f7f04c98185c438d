//! The command line, with what is the same for every command that people type: `--color`. PM2
//! keeps lines of commands that only our own programs use, whose `--color` names one.

use anstream::ColorChoice;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches};

use super::Args;

/// How `--color` is called where its value is looked up.
const WHEN: &str = "when to color";

/// When colors are shown, as it is typed.
const CHOICES: [(&str, ColorChoice); 3] = [
    ("auto", ColorChoice::Auto),
    ("always", ColorChoice::Always),
    ("never", ColorChoice::Never),
];

/// Understands what was typed, and has everything from here on printed in colors, or not, as it
/// says.
///
/// # Errors
/// What is wrong with it, or the help that was asked for.
pub fn parse() -> Result<Args, clap::Error> {
    let parsed = command().try_get_matches().map_err(without_force);
    let when = match &parsed {
        Ok(matches) => when(matches),
        Err(_) => typed(std::env::args()),
    };
    if let Some(when) = when.and_then(|word| choice(&word)) {
        when.write_global();
    }
    Args::from_arg_matches(&parsed?).map_err(|error| error.format(&mut command()))
}

/// Nobody is led by a slip of the finger to an option that goes past a safeguard.
fn without_force(mut error: clap::Error) -> clap::Error {
    let suggested = error.get(ContextKind::SuggestedArg);
    if matches!(suggested, Some(ContextValue::String(option)) if option.starts_with("--force")) {
        error.remove(ContextKind::SuggestedArg);
        // It is that of the suggestion.
        error.remove(ContextKind::Usage);
    }
    error
}

fn choice(word: &str) -> Option<ColorChoice> {
    let mut choices = CHOICES.iter();
    choices.find_map(|(name, choice)| (*name == word).then_some(*choice))
}

/// The last one that was given, which stands behind the command.
fn when(matches: &ArgMatches) -> Option<String> {
    let below = matches.subcommand().and_then(|(_, below)| when(below));
    let context = || matches.try_get_one::<String>(WHEN).ok().flatten().cloned();
    below.or_else(context)
}

/// The same among words that were not understood, or ask for help.
fn typed(words: impl Iterator<Item = String>) -> Option<String> {
    let words: Vec<String> = words.take_while(|word| word != "--").collect();
    let last = words.iter().rposition(|word| word.starts_with("--color"))?;
    match words.get(last)?.strip_prefix("--color=") {
        Some(value) => Some(value.to_owned()),
        None => words.get(last + 1).cloned(),
    }
}

/// All that is understood.
#[must_use]
pub fn command() -> Command {
    Args::command()
        .arg(color())
        .mut_subcommands(|verb| match verb.is_hide_set() {
            true => verb,
            false => typed_by_people(verb),
        })
}

fn typed_by_people(verb: Command) -> Command {
    verb.arg(color()).mut_subcommands(|verb| verb.arg(color()))
}

fn color() -> Arg {
    Arg::new(WHEN)
        .long("color")
        .value_name("WHEN")
        .value_parser(CHOICES.map(|(name, _)| name))
        .help_heading("Common options")
        .hide_possible_values(true)
        .help("Colors: auto, always or never [default: auto, on a terminal where NO_COLOR is not set]")
}

/// What people type: without the commands that only our own programs use, which completions
/// would offer although they are hidden.
#[must_use]
pub fn public() -> Command {
    let whole = command();
    let mut public = Command::new("bluegreen").args(whole.get_arguments().cloned());
    public = public
        .subcommands(
            whole
                .get_subcommands()
                .filter(|verb| !verb.is_hide_set())
                .cloned(),
        )
        .subcommand_required(true);
    if let Some(about) = whole.get_about() {
        public = public.about(about.clone());
    }
    if let Some(after) = whole.get_after_help() {
        public = public.after_help(after.clone());
    }
    public.version(env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<(Args, Option<String>), clap::Error> {
        let matches = command().try_get_matches_from(words)?;
        Ok((Args::from_arg_matches(&matches)?, when(&matches)))
    }

    #[test]
    fn colors_are_chosen_before_or_behind_every_command_that_people_type() {
        command().debug_assert();
        for verb in public().get_subcommands() {
            let nested = verb.get_subcommands().next();
            for one in std::iter::once(verb).chain(nested) {
                let arg = one.get_arguments().find(|arg| arg.get_id() == WHEN);
                assert_eq!(arg.and_then(Arg::get_long), Some("color"), "{}", one.get_name());
            }
        }
        let table = [
            (&["bg", "--color", "never", "status"][..], "never"),
            (&["bg", "status", "--color=always"], "always"),
            (&["bg", "--color=never", "logs", "--color", "auto"], "auto"),
            (&["bg", "data", "move", "--color", "never"], "never"),
        ];
        for (words, expected) in table {
            assert_eq!(parsed(words).unwrap().1.as_deref(), Some(expected), "{words:?}");
        }
        assert_eq!(parsed(&["bg", "status"]).unwrap().1, None);
        parsed(&["bg", "status", "--color", "blue"]).unwrap_err();
        let asked = ["bg", "deploy", "--help", "--color", "never", "--", "--color", "x"];
        assert_eq!(
            typed(asked.iter().map(ToString::to_string)).as_deref(),
            Some("never")
        );
        assert_eq!(typed(["bg", "--help"].iter().map(ToString::to_string)), None);
    }

    #[test]
    fn a_line_that_pm2_keeps_is_understood_also_from_an_earlier_version() {
        let words = ["bg", "launch", "--root", "/srv/shop", "--color", "green"];
        let (args, when) = parsed(&words).unwrap();
        assert_eq!(when, None);
        let Args { verb, .. } = args;
        assert!(matches!(verb, super::super::Verb::Launch { color, .. } if color.name() == "green"));
        let words = [
            "bg",
            "stop-standby",
            "--color",
            "blue",
            "--after",
            "5m",
            "--app",
            "shop",
        ];
        assert_eq!(parsed(&words).unwrap().1, None);
    }

    #[test]
    fn every_command_has_two_examples_that_are_understood() {
        let mut commands = 0;
        for verb in public().get_subcommands() {
            let shown = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            let lines: Vec<&str> = shown.lines().skip(1).collect();
            assert_eq!(lines.len(), 2, "{}", verb.get_name());
            for line in lines {
                let (typed, what) = line.trim_start().split_once("  ").unwrap();
                assert!(!what.trim().is_empty(), "{line}");
                let (typed, _) = typed.split_once(" > ").unwrap_or((typed, ""));
                let words = shlex::split(typed).unwrap();
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                assert_eq!(words.get(1), Some(&verb.get_name()), "{line}");
                parsed(&words).unwrap_or_else(|error| panic!("{line}: {error}"));
            }
            commands += 1;
        }
        assert!(commands >= 22, "{commands}");
    }
}
