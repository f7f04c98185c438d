//! What the documentation says of the code: its links, paths, tables and messages.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use bluegreen::cli::args::command::command;
use bluegreen::model::attempt::Phase;
use bluegreen::model::color::Color;
use bluegreen::model::failure::{Deployment, Failure, Kind, Traffic};
use bluegreen::model::recovery::{Action, Seen, action};

mod markdown;

use crate::recovery::rows::PHASES;
use markdown::{Line, anchors, code_spans, lines, links, rows_below};

/// Folders of this repository that a page names with a path from the top.
const NAMED: [&str; 5] = ["src/", "tests/", "templates/", "ops/", "docs/"];

#[test]
fn links_in_the_pages_lead_to_files_and_headings() {
    let (mut dead, mut followed) = (Vec::new(), 0);
    for (page, text) in pages() {
        for link in links(&text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            followed += 1;
            let (file, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => page.clone(),
                file => plain(&page.parent().unwrap().join(file)),
            };
            if !top().join(&target).exists() {
                dead.push(format!("{}: there is no {}", page.display(), target.display()));
            } else if !heading.is_empty() && !anchors(&read(&target)).contains(heading) {
                dead.push(format!("{}: {link} names no heading", page.display()));
            }
        }
    }
    assert!(followed > 60, "only {followed} links were found");
    assert!(dead.is_empty(), "{}", dead.join("\n"));
}

#[test]
fn every_page_can_be_reached_from_the_readme() {
    let pages = pages();
    let mut reached = BTreeSet::from([PathBuf::from("README.md")]);
    let mut open = vec![PathBuf::from("README.md")];
    while let Some(page) = open.pop() {
        let Some(text) = pages.get(&page) else { continue };
        for link in links(text) {
            let file = link.split('#').next().unwrap_or_default();
            let target = plain(&page.parent().unwrap().join(file));
            if reached.insert(target.clone()) {
                open.push(target);
            }
        }
    }
    let lost: Vec<_> = pages
        .keys()
        .filter(|page| page.starts_with("docs") && !reached.contains(*page))
        .collect();
    assert!(lost.is_empty(), "no link leads to {lost:?}");
}

#[test]
fn paths_and_tests_that_the_pages_name_exist() {
    let tests = all_below(&["tests", "src"]);
    let (mut missing, mut paths, mut names) = (Vec::new(), 0, 0);
    for (page, text) in pages() {
        for span in code_spans(&text) {
            for word in span.split_whitespace().filter(|word| is_a_path(word)) {
                paths += 1;
                if !exists(word) {
                    missing.push(format!("{}: there is no {word}", page.display()));
                }
            }
            if is_a_test_name(&span) {
                names += 1;
                if !tests.contains(&format!("fn {span}(")) {
                    missing.push(format!("{}: there is no test {span}", page.display()));
                }
            }
        }
    }
    assert!(paths > 60, "only {paths} paths were found");
    assert!(names > 5, "only {names} tests were found");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn commands_and_options_in_the_pages_exist() {
    let (mut unknown, mut typed) = (Vec::new(), 0);
    for (page, text) in pages() {
        let console = lines(&text).into_iter().filter_map(|line| match line {
            Line::Fenced { text, .. } => text.strip_prefix("$ ").map(str::to_owned),
            Line::Text(_) => None,
        });
        for line in console.chain(code_spans(&text)) {
            if let Some(verdict) = understood(&line) {
                typed += 1;
                unknown.extend(
                    verdict
                        .err()
                        .map(|what| format!("{}: `{line}`: {what}", page.display())),
                );
            }
        }
    }
    assert!(typed > 100, "only {typed} commands were found");
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}

#[test]
fn the_recovery_table_is_that_of_the_code() {
    let page = read(Path::new("docs/architecture.md"));
    let documented = rows_below(&page, "| phase | link | NGINX | action |");
    assert_eq!(documented, rows_of_the_code());
    let explained: BTreeSet<String> = rows_below(&page, "| action | what bg does |")
        .into_iter()
        .map(|row| row[0].trim_matches('`').to_owned())
        .collect();
    let actions: BTreeSet<String> = combinations()
        .map(|(phase, link, nginx)| format!("{:?}", action(phase, link, nginx)))
        .collect();
    assert_eq!(explained, actions);
}

#[test]
fn exit_codes_in_troubleshooting_are_those_of_the_program() {
    let page = read(Path::new("docs/troubleshooting.md"));
    let code_of = |row: &Vec<String>| {
        row[0]
            .trim_start_matches('[')
            .split(']')
            .next()
            .unwrap()
            .to_owned()
    };
    let documented: BTreeMap<String, String> = rows_below(&page, "| exit | traffic | meaning | type |")
        .iter()
        .map(|row| (code_of(row), row[1].clone()))
        .collect();
    let mut expected = BTreeMap::from([("0".to_owned(), "as asked".to_owned())]);
    for (code, states) in exits() {
        expected.insert(code.to_string(), states.join(" or "));
    }
    assert_eq!(documented, expected);
    for code in expected.keys() {
        let heading = format!("### Exit {code}");
        assert!(
            page.lines().any(|line| line == heading),
            "there is no `{heading}`"
        );
    }
}

#[test]
fn messages_in_troubleshooting_are_those_of_the_program() {
    let page = read(Path::new("docs/troubleshooting.md"));
    // As the compiler reads them: a line of a string that ends in a backslash goes on.
    let source = all_below(&["src"]).replace("\\\"", "\"");
    let source: Vec<&str> = source.split("\\\n").map(str::trim_start).collect();
    let source = source.concat();
    let fenced = lines(&page).into_iter().filter_map(|line| match line {
        Line::Fenced {
            language: "text",
            text,
        } => Some(text.to_owned()),
        _ => None,
    });
    let messages: Vec<String> = fenced
        .chain(code_spans(&page).into_iter().filter(|span| is_a_message(span)))
        .collect();
    assert!(messages.len() > 40, "only {} messages were found", messages.len());
    let mut unknown = Vec::new();
    for message in messages {
        let said = message.trim_start_matches([' ', '·', '!']);
        let said = said.trim_start_matches("error: ").trim_start_matches("hint: ");
        let parts = said.split("...").map(|part| part.trim().trim_matches('`').trim());
        for part in parts.filter(|part| part.len() >= 6) {
            if !source.contains(part) {
                unknown.push(format!("`{message}`: nothing in src says `{part}`"));
            }
        }
    }
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}

#[test]
fn what_is_wrong_in_a_page_is_found() {
    let page = "# The `live` link, twice\n## Twice\n## Twice\n\
                [a](x.md#y) and `[not](one)` ![b](z.svg)\n\
                ```text\n[neither](this) `nor/this`\n```\n\
                | a | b |\n|---|---|\n| 1 | `x \\| y` |\n\nafter `src/lib.rs`\n";
    assert_eq!(links(page), ["x.md#y", "z.svg"]);
    assert_eq!(code_spans(page), ["live", "[not](one)", "x \\| y", "src/lib.rs"]);
    let found = anchors(page);
    assert_eq!(
        found.iter().map(String::as_str).collect::<Vec<_>>(),
        ["the-live-link-twice", "twice", "twice-1"]
    );
    assert_eq!(rows_below(page, "| a | b |"), [["1", "`x \\| y`"]]);
    assert!(exists("src/model/") && exists("tests/it/attacker*") && exists("src/ROOM/Cargo.toml"));
    assert!(!exists("src/none.rs") && !exists("tests/it/nobody*"));
    assert!(is_a_message("... is live but down: ...") && !is_a_message("bluegreen logs ..."));
    assert!(is_a_test_name("a_gate_that_is_forced") && !is_a_test_name("putting_back"));
    assert_eq!(understood("gunicorn --keep-alive 75"), None);
    assert_eq!(understood("sudo bg deploy REF --plan --hosts=a"), Some(Ok(())));
    assert_eq!(understood("bg exec blue -- ls --none"), Some(Ok(())));
    assert_eq!(
        understood("bg deploi"),
        Some(Err("no command `deploi`".to_owned()))
    );
    assert_eq!(
        understood("bg status --none"),
        Some(Err("no option `--none`".to_owned()))
    );
}

/// The part `name` of `page`, which stands between two comments, is `text`. With `BG_WRITE_PAGES`
/// it is written.
pub fn generated(page: &str, name: &str, text: &str) {
    let (before, part, after) = divided(page, name);
    if std::env::var_os("BG_WRITE_PAGES").is_some() {
        fs::write(top().join(page), before + text + &after).unwrap();
        return;
    }
    assert!(
        part == text,
        "{page}: `{name}` is not what the code says: `BG_WRITE_PAGES=1 cargo test --features faults --test it house` writes it"
    );
}

/// The part `name` of `page`.
pub fn part(page: &str, name: &str) -> String {
    divided(page, name).1
}

/// What stands before that part, the part, and what stands behind it.
fn divided(page: &str, name: &str) -> (String, String, String) {
    let whole = read(Path::new(page));
    let open = format!("<!-- {name}: generated -->\n");
    let start = whole.find(&open).unwrap() + open.len();
    let (before, rest) = whole.split_at(start);
    let (part, after) = rest.split_at(rest.find(&format!("<!-- {name}: end -->")).unwrap());
    (before.to_owned(), part.to_owned(), after.to_owned())
}

/// The pages, by their path from the top.
pub fn pages() -> BTreeMap<PathBuf, String> {
    let docs = fs::read_dir(top().join("docs")).unwrap().flatten();
    let docs = docs.map(|entry| Path::new("docs").join(entry.file_name()));
    let all = docs.chain(["README.md", "CONTRIBUTING.md"].map(PathBuf::from));
    let pages: BTreeMap<PathBuf, String> = all
        .filter(|page| page.extension().is_some_and(|ending| ending == "md"))
        .map(|page| (page.clone(), read(&page)))
        .collect();
    assert!(pages.len() > 15, "only {} pages were found", pages.len());
    pages
}

pub fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(page: &Path) -> String {
    fs::read_to_string(top().join(page)).unwrap_or_else(|error| panic!("{}: {error}", page.display()))
}

/// Without `.` and `..`, as far as they are not the first.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// All Rust files below some folders, as one text.
fn all_below(folders: &[&str]) -> String {
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| top().join(folder)).collect();
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                text.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}

fn is_a_path(word: &str) -> bool {
    NAMED.iter().any(|folder| word.starts_with(folder))
}

/// A word in capitals, as `NAME.rs`, stands for any; so does what comes after a `*`.
fn exists(path: &str) -> bool {
    let any = |part: &&str| {
        let name = part.split('.').next().unwrap_or_default();
        !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase())
    };
    let parts: Vec<&str> = path.split('/').collect();
    let known = parts
        .iter()
        .position(any)
        .map_or(parts.as_slice(), |at| &parts[..at]);
    let known = known.join("/");
    match known.split_once('*') {
        None => top().join(known).exists(),
        Some((begins, _)) => {
            let path = top().join(begins);
            let (folder, name) = (path.parent().unwrap(), path.file_name().unwrap());
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let mut names = entries.map(|entry| entry.file_name().into_string().unwrap());
            names.any(|entry| entry.starts_with(name.to_str().unwrap()))
        }
    }
}

/// The ways to move traffic.
const WAYS: [&str; 3] = ["auto", "live", "reload"];

/// Whether a line is understood that begins with this program's name; `None` for any other line.
fn understood(line: &str) -> Option<Result<(), String>> {
    let line = line.strip_prefix("sudo ").unwrap_or(line);
    let rest = line
        .strip_prefix("bluegreen ")
        .or_else(|| line.strip_prefix("bg "))?;
    let words = rest
        .split_whitespace()
        .take_while(|word| !["#", "--", "|"].contains(word));
    let mut whole = command();
    whole.build();
    let mut verb = &whole;
    for (at, word) in words.enumerate() {
        let option = word.split(['=', '\'', '"']).next().unwrap_or_default();
        let inner = verb.get_subcommands().find(|inner| inner.get_name() == word);
        match (option.strip_prefix("--"), inner) {
            (Some(long), _) => {
                let mut all = verb.get_arguments().chain(whole.get_arguments());
                if !all.any(|arg| arg.get_long() == Some(long)) {
                    return Some(Err(format!("no option `{option}`")));
                }
            }
            (None, Some(inner)) => verb = inner,
            // A word in capitals stands for any; `bg live` is a row of what was measured.
            (None, None) if at == 0 && word.contains(char::is_lowercase) && !WAYS.contains(&word) => {
                return Some(Err(format!("no command `{word}`")));
            }
            (None, None) => {}
        }
    }
    Some(Ok(()))
}

/// No word of a configuration, and no phase, is as long as the name of a test.
fn is_a_test_name(span: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    span.starts_with(|c: char| c.is_ascii_lowercase())
        && span.chars().all(plain)
        && span.matches('_').count() >= 4
}

/// Something that the program says, and nothing to type.
fn is_a_message(span: &str) -> bool {
    let typed = ["bluegreen ", "sudo ", "pm2 ", "PM2_HOME", "nginx ", "kill ", "-"];
    let long = span.contains("...") || span.split_whitespace().count() >= 5;
    long && !typed.iter().any(|begins| span.starts_with(begins))
}

const SEEN: [Seen; 4] = [Seen::From, Seen::To, Seen::Other, Seen::Nothing];

fn combinations() -> impl Iterator<Item = (Phase, Seen, Seen)> {
    let links = |phase| SEEN.into_iter().map(move |link| (phase, link));
    let pairs = PHASES.into_iter().flat_map(links);
    pairs.flat_map(|(phase, link)| SEEN.into_iter().map(move |nginx| (phase, link, nginx)))
}

/// A row for each phase, place of the link and action but `Refuse`, with the answers of NGINX
/// for which the code wants it.
fn rows_of_the_code() -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (phase, link, nginx) in combinations() {
        let wanted = action(phase, link, nginx);
        if wanted == Action::Refuse {
            continue;
        }
        let (phase, link, wanted) = (format!("{phase:?}"), format!("{link:?}"), format!("{wanted:?}"));
        let same = |row: &&mut Vec<String>| row[0] == phase && row[1] == link && row[3] == wanted;
        match rows.iter_mut().find(same) {
            Some(row) => row[2] = format!("{}, {nginx:?}", row[2]),
            None => rows.push(vec![phase, link, format!("{nginx:?}"), wanted]),
        }
    }
    rows
}

/// Every exit code that a failure can have, with the words for where traffic is then.
fn exits() -> BTreeMap<u8, Vec<&'static str>> {
    let live = Deployment {
        color: Color::Blue,
        release: None,
    };
    let kinds = [
        Kind::Failed,
        Kind::Usage,
        Kind::Config,
        Kind::Locked,
        Kind::Interrupted,
    ];
    let states = [
        Traffic::Untouched,
        Traffic::Unchanged { live: live.clone() },
        Traffic::PutBack { live: live.clone() },
        Traffic::Moved { live },
        Traffic::Unknown { seen: String::new() },
    ];
    let mut exits: BTreeMap<u8, Vec<&'static str>> = BTreeMap::new();
    for kind in kinds {
        for traffic in &states {
            let code = Failure::new(kind, "x").with_traffic(traffic.clone()).exit_code();
            let words = exits.entry(code).or_default();
            if !words.contains(&named(traffic)) {
                words.push(named(traffic));
            }
        }
    }
    exits
}

fn named(traffic: &Traffic) -> &'static str {
    match traffic {
        Traffic::Untouched => "untouched",
        Traffic::Unchanged { .. } => "unchanged",
        Traffic::PutBack { .. } => "put back",
        Traffic::Moved { .. } => "moved",
        Traffic::Unknown { .. } => "unknown",
    }
}
