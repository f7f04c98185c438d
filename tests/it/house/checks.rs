//! The subjects of `bg check`, in its code and in docs/check.md.

use std::collections::BTreeSet;
use std::fs;

use super::pages::top;
use super::sources;

#[test]
fn each_subject_of_a_check_has_its_row_in_the_page_and_each_row_its_check() {
    let page = fs::read_to_string(top().join("docs/check.md")).unwrap();
    let (_, table) = page.split_once("## What is looked at").unwrap();
    let table = table.split("\n## ").next().unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed: BTreeSet<String> = rows
        .flat_map(|row| {
            let (subjects, _) = row.split_once(" |").unwrap();
            let subjects = subjects.split(", ").map(|word| word.trim_matches('`').to_owned());
            subjects.collect::<Vec<_>>()
        })
        .collect();
    let mut reported = BTreeSet::new();
    let mut code = String::new();
    for file in sources() {
        if file.to_str().unwrap().contains("/verbs/check") {
            let text = fs::read_to_string(file).unwrap();
            reported.extend(subjects(&text));
            code += &text;
        }
    }
    assert!(reported.len() > 30, "{reported:?}");
    let missing: Vec<_> = reported.difference(&listed).collect();
    assert!(missing.is_empty(), "docs/check.md has no row for {missing:?}");
    let gone: Vec<_> = listed
        .iter()
        .filter(|subject| !code.contains(&format!("\"{subject}\"")))
        .collect();
    assert!(
        gone.is_empty(),
        "no check says {gone:?}, which docs/check.md lists"
    );
}

/// What is reported under a name that is written out.
fn subjects(code: &str) -> Vec<String> {
    let calls = [".fine(", ".warn(", ".wrong(", "against(report,"];
    let after = calls.iter().flat_map(|call| code.split(call).skip(1));
    let literal = after.filter_map(|rest| rest.trim_start().strip_prefix('"'));
    literal
        .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
        .collect()
}
