//! The rules of the house: which room may look into which, how long a file may be, and how many
//! a command takes.

mod checks;
mod command;
mod configuration;
mod json;
mod lexicon;
pub mod pages;
mod rings;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The rooms that are crates, from the ground floor up. A crate needs those on lower floors
/// only, so neighbours of one floor do not know each other.
const CRATES: &[(&str, u32)] = &[
    ("model", 0),
    ("sys", 1),
    ("state", 2),
    ("nginx", 2),
    ("ssh", 2),
    ("web", 2),
    ("keeper", 3),
    ("site", 3),
    ("swap-helper", 3),
    ("release", 4),
    ("engine", 5),
    ("bluegreen", 6),
];

/// The rooms of the program itself, above them.
const ROOMS: &[(&str, u32)] = &[("text", 0), ("verbs", 1), ("ui", 2), ("remote", 2), ("cli", 3)];

/// What tests share, and what they share it with.
const FOR_TESTS: &str = "testkit";

/// Files that belong to no room: they hand over, and look where they like.
const DOORS: &[&str] = &["", "bin"];

/// No file of `src` is longer.
const LONGEST_FILE: usize = 600;

/// What cargo knows of the workspace.
fn metadata(option: Option<&str>) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline"])
        .args(option)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_program_that_sudo_starts_is_built_without_ssh_tls_and_templates() {
    let metadata = metadata(None);
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let name = |id: &str| {
        let mut packages = metadata["packages"].as_array().unwrap().iter();
        let package = packages.find(|package| package["id"] == id).unwrap();
        package["name"].as_str().unwrap().to_owned()
    };
    let needed_by = |wanted: &str| {
        let mut found = BTreeSet::new();
        let mut left: Vec<&Value> = nodes
            .iter()
            .filter(|node| name(node["id"].as_str().unwrap()) == wanted)
            .collect();
        while let Some(node) = left.pop() {
            for needed in node["deps"].as_array().unwrap() {
                let kinds = needed["dep_kinds"].as_array().unwrap();
                let is_built_in = kinds.iter().any(|kind| kind["kind"].is_null());
                if is_built_in && found.insert(needed["pkg"].as_str().unwrap()) {
                    left.extend(nodes.iter().find(|node| node["id"] == needed["pkg"]));
                }
            }
        }
        found.into_iter().map(name).collect::<BTreeSet<_>>()
    };
    let kept_out = [
        "russh",
        "reqwest",
        "tera",
        "tokio-rustls",
        "rustls",
        "hyper",
        "ssh",
        "web",
        "site",
    ];
    let among = |needed: &BTreeSet<String>| kept_out.map(|name| needed.contains(name));
    assert_eq!(among(&needed_by("bluegreen")), [true; 9]);
    let needed = needed_by("swap-helper");
    assert!(needed.contains("model") && needed.contains("nginx"), "{needed:?}");
    assert_eq!(among(&needed), [false; 9], "{needed:?}");
}

#[test]
fn crates_need_only_those_below() {
    let metadata = metadata(Some("--no-deps"));
    let packages = metadata["packages"].as_array().unwrap();
    assert_eq!(
        packages.len(),
        CRATES.len() + 1,
        "a crate is on no floor yet: add it to CRATES"
    );
    let mut upwards = Vec::new();
    let mut needs = 0;
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let Some(floor) = floor_of(CRATES, name) else {
            assert_eq!(name, FOR_TESTS);
            continue;
        };
        let needed = package["dependencies"].as_array().unwrap().iter();
        for needed in needed.filter(|needed| needed["kind"].is_null()) {
            let needed = needed["name"].as_str().unwrap();
            assert_ne!(needed, FOR_TESTS, "{name}");
            let below = floor_of(CRATES, needed);
            needs += usize::from(below.is_some());
            if below.is_some_and(|below| below >= floor) {
                upwards.push(format!("{name} needs {needed}"));
            }
        }
    }
    assert!(needs > 15, "only {needs} needs were seen");
    assert!(upwards.is_empty(), "{}", upwards.join("\n"));
}

#[test]
fn imports_run_only_downwards() {
    let mut rooms_seen = Vec::new();
    let mut upwards = Vec::new();
    for file in sources() {
        let path = module_path(&file);
        let room = path.first().cloned().unwrap_or_default();
        if DOORS.contains(&room.as_str()) || is_crate(&room) {
            continue;
        }
        let floor =
            floor_of(ROOMS, &room).unwrap_or_else(|| panic!("`{room}` is on no floor yet: add it to ROOMS"));
        let text = fs::read_to_string(&file).unwrap();
        for (line, named) in rooms_named(&text, path.len()) {
            if named != room && floor_of(ROOMS, &named).is_some_and(|other| other >= floor) {
                upwards.push(format!("{}:{line} looks into `{named}`", file.display()));
            }
        }
        rooms_seen.push(room);
    }
    assert!(rooms_seen.iter().any(|room| room == "verbs"));
    assert!(rooms_seen.iter().any(|room| room == "cli"));
    assert!(upwards.is_empty(), "{}", upwards.join("\n"));
}

#[test]
fn no_file_is_too_long() {
    let files = sources();
    assert!(files.len() > 10, "only {} files were found", files.len());
    let too_long: Vec<String> = files
        .iter()
        .map(|file| (file, fs::read_to_string(file).unwrap().lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(file, lines)| format!("{}: {lines} lines", file.display()))
        .collect();
    assert!(too_long.is_empty(), "{}", too_long.join("\n"));
}

#[test]
fn files_have_names_that_say_something() {
    let vague = ["mod", "utils", "util", "helpers", "common", "misc"];
    for file in sources() {
        let name = file.file_stem().unwrap().to_str().unwrap();
        assert!(!vague.contains(&name), "{}", file.display());
    }
}

#[test]
fn every_way_to_name_a_room_is_found() {
    let text = "use crate::verbs::deploy;\n\
                use crate::{model::color, ui::human};\n\
                use crate::{\n    cli,\n    host::{lock, ui_like},\n};\n\
                // crate::remote in a comment\n\
                pub(crate) fn x() { super::super::verbs::go() }\n\
                fn y() { super::model() }\n";
    let named: Vec<String> = rooms_named(text, 2).into_iter().map(|(_, name)| name).collect();
    assert_eq!(named, ["verbs", "model", "ui", "cli", "host", "verbs"]);
    let third = rooms_named(text, 2).into_iter().map(|(line, _)| line).nth(3);
    assert_eq!(third, Some(3));
}

/// The line and the first name behind each `crate::`, and behind each chain of `super::`
/// that climbs out of a module `depth` names deep.
fn rooms_named(text: &str, depth: usize) -> Vec<(usize, String)> {
    let code: String = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n")
        .collect();
    let to_the_root = "super::".repeat(depth);
    let mut found = Vec::new();
    for from in ["crate::", to_the_root.as_str()] {
        for (at, _) in code.match_indices(from) {
            let line = code[..at].matches('\n').count() + 1;
            let rest = &code[at + from.len()..];
            found.extend(first_names(rest).into_iter().map(|name| (line, name)));
        }
    }
    found
}

/// `a` of `a::b`; `a` and `b` of `{a::{x, y}, b::z}`.
fn first_names(rest: &str) -> Vec<String> {
    let Some(group) = rest.strip_prefix('{') else {
        return vec![identifier(rest)];
    };
    let mut names = Vec::new();
    let mut nesting = 0;
    let mut at_start = true;
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => nesting += 1,
            '}' if nesting == 0 => break,
            '}' => nesting -= 1,
            ',' if nesting == 0 => at_start = true,
            _ if at_start && !letter.is_whitespace() => {
                names.push(identifier(&group[at..]));
                at_start = false;
            }
            _ => {}
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

fn floor_of(floors: &[(&str, u32)], room: &str) -> Option<u32> {
    floors
        .iter()
        .find(|(name, _)| *name == room)
        .map(|(_, floor)| *floor)
}

/// Whether a folder of `src` is a crate of its own.
fn is_crate(room: &str) -> bool {
    room == FOR_TESTS || floor_of(CRATES, room).is_some()
}

/// `["keeper", "pm2", "list"]` for `src/keeper/pm2/list.rs`, `["keeper"]` for `src/keeper/lib.rs`.
fn module_path(file: &Path) -> Vec<String> {
    let relative = file.strip_prefix(source_folder()).unwrap().with_extension("");
    let mut path: Vec<String> = relative
        .iter()
        .map(|name| name.to_str().unwrap().to_owned())
        .collect();
    path.pop_if(|last| last == "lib");
    path
}

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![source_folder()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if entry.path().extension().is_some_and(|ending| ending == "rs") {
                files.push(entry.path());
            }
        }
    }
    files
}
