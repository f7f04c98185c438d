//! Names that this project had for what the field calls otherwise stay gone: one word a thing,
//! and the word that an engineer of this field already knows.

use std::collections::BTreeSet;
use std::fs;

use proc_macro2::{TokenStream, TokenTree};

use super::{pages, source_folder, sources};

/// A name, or the end of one, and what is said in its place. A word that has a plain meaning too
/// stands here in the form that only the old one had.
const GONE: &[(&str, &str)] = &[
    ("desk", "client"),
    ("errand", "invocation"),
    ("passage", "remote exec"),
    ("at_hand", "config source"),
    ("ticket", "request id"),
    ("saw", "expected"),
    ("sight", "observe"),
    ("sighted", "observed"),
    ("in_step", "participant"),
    ("board", "participants"),
    ("conduct", "coordinate"),
    ("converge", "reconcile"),
    ("parcel", "bundle"),
    ("brought", "uploaded"),
    ("bring", "upload"),
    ("worktree", "local checkout"),
    ("server_tree", "adopted checkout"),
    ("stories", "run logs"),
    ("tee", "run log"),
    ("mover", "switcher"),
    ("looks", "live"),
    ("unfollowed", "reload failed"),
    ("forsaken", "caller gone"),
    ("put_in_force", "apply"),
    ("door", "endpoint"),
    ("doors", "endpoints"),
    ("astray", "mismatch"),
    ("unproven", "verification failed"),
    ("unprovable", "unverifiable"),
    ("seat", "instance"),
    ("seats", "instances"),
    ("occupant", "holder"),
    ("sit", "acquire"),
    ("sat", "acquired"),
    ("ground", "facts"),
    ("survey", "gather"),
    ("carry", "apply"),
    ("custody", "ownership"),
    ("borrowed", "as user"),
    ("space", "capacity"),
    ("wake", "resurrect"),
    ("cool", "stop standby"),
    ("standing", "deployment"),
    ("stall", "idle timeout"),
];

/// Of these no file of `src` may be called, while the words have other uses in code.
const NO_FILES: &[&str] = &[
    "alone", "boot", "evidence", "fold", "front", "here", "hold", "incoming", "orders", "place", "proof",
    "quick", "room", "rotation", "save", "scene", "shared", "step", "system", "told", "trust", "way",
];

/// `in_step` for `InStep`.
pub(super) fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (at, letter) in name.char_indices() {
        if letter.is_uppercase() && at > 0 && !name.chars().all(|c| c.is_uppercase() || c == '_') {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

fn names_in(tokens: TokenStream, names: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => names_in(group.stream(), names),
            TokenTree::Ident(name) => {
                names.insert(snake(&name.to_string()));
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

fn gone(name: &str) -> Option<&'static str> {
    let found = GONE.iter().find(|(old, _)| *old == name);
    found.map(|(_, new)| *new)
}

#[test]
fn every_thing_has_the_name_that_the_field_has_for_it() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        let mut names = BTreeSet::new();
        names_in(text.parse().unwrap(), &mut names);
        let relative = file.strip_prefix(source_folder()).unwrap();
        let said = |name: &String| Some(format!("{}: {name}: say {}", relative.display(), gone(name)?));
        wrong.extend(names.iter().filter_map(said));
        seen.extend(names);
        for part in relative.with_extension("").iter() {
            let part = part.to_str().unwrap();
            if NO_FILES.contains(&part) || gone(part).is_some() {
                wrong.push(format!("{}: another name", relative.display()));
            }
        }
    }
    assert!(seen.contains("attempt") && seen.len() > 3000, "{}", seen.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Of [`GONE`], those that mean nothing else to a reader of a page or of a generated file.
const GONE_IN_PROSE: &[&str] = &[
    "errand", "parcel", "converge", "mover", "astray", "unproven", "occupant", "seat", "seats", "custody",
    "survey", "ticket", "desk", "worktree",
];

#[test]
fn no_page_and_no_template_says_an_old_word() {
    let mut texts = pages::pages();
    let templates = source_folder().with_file_name("templates");
    let folders = [templates.clone(), templates.join("nginx")];
    let entries = folders.map(|folder| fs::read_dir(folder).unwrap().flatten());
    let templates = entries.into_iter().flatten().map(|entry| entry.path());
    let changes = source_folder().with_file_name("CHANGELOG.md");
    for file in templates.filter(|file| file.is_file()).chain([changes]) {
        let text = fs::read_to_string(&file).unwrap();
        texts.insert(file, text);
    }
    let (mut wrong, mut words) = (Vec::new(), 0);
    for (file, text) in texts {
        for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()) {
            words += 1;
            if GONE_IN_PROSE.contains(&word) {
                wrong.push(format!("{}: {word}: say {}", file.display(), gone(word).unwrap()));
            }
        }
    }
    assert!(words > 20_000, "only {words} words were read");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_old_name_is_found_in_each_of_its_forms() {
    let table = [
        ("InStep", Some("participant")),
        ("in_step", Some("participant")),
        ("DOORS", Some("endpoints")),
        ("Seat", Some("instance")),
        ("outdoors", None),
        ("Instance", None),
    ];
    for (name, said) in table {
        assert_eq!(gone(&snake(name)), said, "{name}");
    }
    assert_eq!(table.len(), 6);
}
