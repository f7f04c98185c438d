//! What CONTRIBUTING.md says of a new command: four files, and no list of commands in a fifth.

use std::collections::BTreeSet;

use super::rings::{needs::needs, texts};

#[test]
fn a_command_is_in_four_files() {
    let texts = texts();
    let needs = needs(&texts);
    for (command, words) in [
        (
            "releases",
            ["Verb::Releases", "Answer::Releases", "\"releases --json"],
        ),
        ("list", ["Verb::List", "Answer::Listed", "\"list --hosts"]),
    ] {
        let its_own = format!("verbs::{command}");
        let files: BTreeSet<&str> = needs
            .iter()
            .filter(|(file, on)| {
                let names_it = || words.iter().any(|word| has_word(&texts[*file], word));
                **file == its_own || on.contains_key(&its_own) || names_it()
            })
            .map(|(file, _)| file.as_str())
            .collect();
        let expected = ["cli::args", "cli::dispatch", "verbs", &its_own];
        assert_eq!(files, expected.into(), "`bg {command}`");
    }
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(word)
        .skip(1)
        .any(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}
