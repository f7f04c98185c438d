//! As much of Markdown as the pages use.

use std::collections::BTreeSet;

/// A line of a page.
#[derive(Clone, Copy, Debug)]
pub enum Line<'p> {
    /// Inside of a fence, with the word behind its beginning.
    Fenced {
        /// `text`, `toml`, ...
        language: &'p str,
        /// The line.
        text: &'p str,
    },
    /// Any other.
    Text(&'p str),
}

/// The lines of a page, without the fences themselves.
pub fn lines(page: &str) -> Vec<Line<'_>> {
    let mut all = Vec::new();
    let mut fence = None;
    for text in page.lines() {
        match (text.trim_start().strip_prefix("```"), fence) {
            (Some(language), None) => fence = Some(language.trim()),
            (Some(_), Some(_)) => fence = None,
            (None, Some(language)) => all.push(Line::Fenced { language, text }),
            (None, None) => all.push(Line::Text(text)),
        }
    }
    assert_eq!(fence, None, "a fence is not closed");
    all
}

fn prose(page: &str) -> String {
    let texts = lines(page).into_iter().filter_map(|line| match line {
        Line::Text(text) => Some(text),
        Line::Fenced { .. } => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// What stands between single backquotes, outside of fences.
pub fn code_spans(page: &str) -> Vec<String> {
    // A span does not go on over an empty line or into another row.
    let texts = prose(page);
    let blocks = texts
        .split("\n\n")
        .flat_map(|block| match block.starts_with('|') {
            true => block.split('\n').collect(),
            false => vec![block],
        });
    blocks
        .flat_map(|block| block.split('`').skip(1).step_by(2))
        .map(|span| span.replace('\n', " "))
        .collect()
}

/// The targets of all links and pictures, outside of fences and code.
pub fn links(page: &str) -> Vec<String> {
    let texts = prose(page);
    let blocks = texts.split("\n\n");
    let plain: String = blocks
        .map(|block| block.split('`').step_by(2).collect::<Vec<_>>().join("``") + "\n\n")
        .collect();
    let targets = plain.split("](").skip(1);
    targets
        .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
        .collect()
}

/// What a `#` can name in a page, as GitHub makes it of the headings.
pub fn anchors(page: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for line in lines(page) {
        let Line::Text(text) = line else { continue };
        let Some((marks, title)) = text.split_once(' ') else {
            continue;
        };
        if marks.is_empty() || !marks.chars().all(|c| c == '#') {
            continue;
        }
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let name = kept.collect::<String>().to_lowercase().replace(' ', "-");
        let again = (1..).map(|number| format!("{name}-{number}"));
        let mut names = std::iter::once(name.clone()).chain(again);
        anchors.insert(names.find(|name| !anchors.contains(name)).unwrap());
    }
    anchors
}

/// The cells of the table whose first row is `head`.
pub fn rows_below(page: &str, head: &str) -> Vec<Vec<String>> {
    let rows = page.lines().skip_while(|line| *line != head).skip(2);
    let rows: Vec<Vec<String>> = rows
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split(" | ");
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .collect();
    assert!(!rows.is_empty(), "there is no table `{head}`");
    rows
}
