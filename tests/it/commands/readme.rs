//! README's examples are true.

use std::collections::BTreeSet;
use std::path::Path;

use bluegreen::model::color::Color;
use bluegreen::model::config::read::parse;
use bluegreen::model::failure::{Deployment, Failure, Kind, Traffic};

use crate::sandbox::Sandbox;

fn readme() -> String {
    page("README.md")
}

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The fenced blocks of a page in one language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(&fence)
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_example_configuration_has_ten_lines_and_is_understood() {
    let examples = blocks(&readme(), "toml");
    assert_eq!(examples.len(), 1);
    let text = &examples[0];
    assert_eq!(text.lines().count(), 10, "`bg.toml` in ten lines:\n{text}");
    let config = parse(text, Path::new("README.md")).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.app, "shop");
    assert_eq!(config.process.ports.green, 5002);
}

#[test]
fn every_recipe_is_a_whole_configuration() {
    let recipes = blocks(&page("docs/recipes.md"), "toml");
    assert_eq!(recipes.len(), 5);
    for text in recipes {
        let config = parse(&text, Path::new("docs/recipes.md")).unwrap_or_else(|error| panic!("{error}"));
        assert!(
            text.contains(&format!("\"{}.example.com\"", config.app)),
            "{text}"
        );
    }
}

/// The cells of the row that begins with `first`, in the table below `header`.
fn row(page: &str, header: &str, first: &str) -> Vec<String> {
    let mut rows = page
        .lines()
        .skip_while(|line| !line.starts_with(header))
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            line.trim_matches('|')
                .split('|')
                .map(str::trim)
                .map(str::to_owned)
        });
    rows.find_map(|cells| {
        let cells: Vec<String> = cells.collect();
        (cells[0] == first).then_some(cells)
    })
    .unwrap_or_else(|| panic!("no row `{first}` below `{header}`"))
}

#[test]
fn the_figures_of_the_readme_are_those_of_the_tables() {
    let readme = readme().split_whitespace().collect::<Vec<_>>().join(" ");
    let measured = page("docs/measuring.md");
    let lost = |way| row(&measured, "| | switches | requests | failed |", way);
    let times = |way| row(&measured, "| | first new answer | last old answer |", way);
    let (bg, script) = (lost("bg auto (here: live)"), lost("script"));
    let share = row(
        &page("docs/measuring-path.md"),
        "| CPU a request |",
        "the live way's share of it",
    );
    let quoted = [
        format!("of {} requests over {} switches [{} failed]", bg[2], bg[1], bg[3]),
        format!(
            "`ops/bench/switch --full`: `bg` answers from the new release after {}, {} of {} requests failed",
            times(&bg[0])[1],
            bg[3],
            bg[2]
        ),
        format!(
            "a script by hand after {}, {} of {} failed",
            times("script")[1],
            script[3],
            script[2]
        ),
        format!("`ops/bench/path`: [{}]", share[1]),
        "`ops/bench/faults` and `ops/bench/chaos`".to_owned(),
        "[0 violations]".to_owned(),
    ];
    for quote in quoted {
        assert!(readme.contains(&quote), "README lacks: {quote}");
    }
    assert!(measured.contains("Measured with `ops/bench/switch --full` on "));
    let faults = measured.split("### Faults").nth(1).unwrap();
    let faults = faults.split("\n## ").next().unwrap();
    // The table, its part about canaries, and the walks.
    assert_eq!(
        faults.matches(", 0 violations").count() + faults.matches(": 0 violations").count(),
        3
    );
}

#[test]
fn every_command_and_option_that_is_named_exists() {
    let sandbox = Sandbox::new();
    let help = sandbox.bg(&["--help"]).stdout;
    let known: BTreeSet<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|word| !word.is_empty())
        .collect();
    assert!(known.len() >= 18, "{known:?}");
    let readme = readme();
    let mut named: BTreeSet<&str> = readme
        .match_indices("bluegreen ")
        .filter_map(|(at, found)| {
            readme[at + found.len()..]
                .split(|c: char| !c.is_ascii_lowercase() && c != '-')
                .next()
        })
        .filter(|word| !word.is_empty())
        .collect();
    let rows = readme
        .split("## Commands")
        .nth(1)
        .unwrap()
        .split("##")
        .next()
        .unwrap();
    for row in rows.lines().filter(|row| row.starts_with("| `")) {
        let words = row.split('|').nth(1).unwrap().split('`').skip(1).step_by(2);
        named.extend(words.filter_map(|code| code.split(' ').next()));
    }
    assert!(named.len() >= 10, "{named:?}");
    let unknown: Vec<_> = named.difference(&known).collect();
    assert!(
        unknown.is_empty(),
        "README names {unknown:?}, `--help` has {known:?}"
    );
    let mut options = 0;
    for (verb, option) in [
        ("deploy", "--plan"),
        ("deploy", "--no-switch"),
        ("deploy", "--wait"),
        ("rollback", "--to"),
        ("logs", "--follow"),
    ] {
        let said = sandbox.bg(&[verb, "--help"]);
        said.assert_code(0);
        assert!(said.stdout.contains(option), "{said}");
        options += 1;
    }
    assert_eq!(options, 5);
}

#[test]
fn the_exit_codes_are_those_of_the_program() {
    let live = Deployment {
        color: Color::Blue,
        release: None,
    };
    let code = |kind, traffic| {
        Failure::new(kind, "x")
            .with_traffic(traffic)
            .exit_code()
            .to_string()
    };
    let unchanged = || Traffic::Unchanged { live: live.clone() };
    let table = [
        (code(Kind::Failed, unchanged()), "unchanged"),
        (code(Kind::Usage, Traffic::Untouched), "untouched"),
        (code(Kind::Config, Traffic::Untouched), "untouched"),
        (code(Kind::Locked, unchanged()), "unchanged"),
        (
            code(Kind::Failed, Traffic::PutBack { live: live.clone() }),
            "put back",
        ),
        (code(Kind::Failed, Traffic::Moved { live: live.clone() }), "moved"),
        (
            code(Kind::Failed, Traffic::Unknown { seen: String::new() }),
            "unknown",
        ),
        (code(Kind::Interrupted, unchanged()), "unchanged"),
    ];
    let readme = readme();
    let rows: Vec<(Vec<&str>, &str)> = readme
        .lines()
        .skip_while(|line| !line.starts_with("| exit | traffic |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            (cells[1].split(", ").collect(), cells[2])
        })
        .collect();
    for (code, traffic) in &table {
        let row = rows.iter().find(|(codes, _)| codes.contains(&code.as_str()));
        let (_, said) = row.unwrap_or_else(|| panic!("README has no exit code {code}: {rows:?}"));
        assert!(
            said.contains(traffic),
            "{code}: README says {said:?}, the program {traffic:?}"
        );
    }
    let in_readme = rows
        .iter()
        .flat_map(|(codes, _)| codes)
        .filter(|code| **code != "0")
        .count();
    assert_eq!(in_readme, table.len(), "{rows:?}");
    // What `--help` says at its end is the same list.
    let help = Sandbox::new().bg(&["--help"]).stdout.replace('\n', " ");
    for (code, _) in &table {
        assert!(help.contains(&format!(" {code} ")), "{code} in {help}");
    }
}
