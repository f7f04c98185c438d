//! No files of `src` need each other in a circle: each can be read with those below it alone.

pub(super) mod needs;

use std::collections::BTreeMap;
use std::fs;

use super::{FOR_TESTS, module_path, sources};
use needs::{Needs, needs};

/// The files of `src` by their modules, without those that are there for tests.
pub(super) fn texts() -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    for file in sources() {
        let path = module_path(&file);
        if !path
            .first()
            .is_some_and(|room| room == "bin" || room == FOR_TESTS)
        {
            texts.insert(path.join("::"), fs::read_to_string(&file).unwrap());
        }
    }
    texts
}

#[test]
fn no_files_import_in_a_circle() {
    let needs = needs(&texts());
    assert!(needs.len() > 200, "only {} files were found", needs.len());
    let shown: Vec<String> = circles(&needs)
        .iter()
        .map(|circle| shown(circle, &needs))
        .collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}

#[test]
fn a_circle_through_a_reexport_is_found() {
    let circle = found(&[
        ("", "pub mod shop;"),
        (
            "shop",
            "mod desk; mod price; pub use price::Price; pub struct Shop(desk::Desk);",
        ),
        ("shop::desk", "use super::Price;\npub struct Desk(Price);"),
        (
            "shop::price",
            "pub struct Price;\nfn of() { crate::shop::Shop::open(); }",
        ),
    ]);
    assert_eq!(circle, [["shop", "shop::desk", "shop::price"]]);
}

#[test]
fn a_crate_is_found_by_its_name_and_is_its_own_root() {
    let circles = found(&[
        ("", "mod front;"),
        (
            "front",
            "use back::Back; pub use back::Shelf; pub struct Front(Back, Shelf);",
        ),
        ("back", "mod shelf; pub use shelf::Shelf; pub struct Back(Shelf);"),
        ("back::shelf", "pub struct Shelf; fn of(_: crate::Back) {}"),
    ]);
    assert_eq!(circles, [["back", "back::shelf"]]);
}

#[test]
fn every_way_to_name_an_item_makes_a_circle() {
    let root = ("", "mod a; mod b;");
    for (a, b) in [
        ("pub fn x() {}", "pub fn y() { println!(\"{}\", super::a::x()) }"),
        (
            "pub fn x() {}",
            "pub struct Y { #[serde(default = \"super::a::x\")] z: u8 }",
        ),
        ("pub fn x() {}", "pub use super::a::x; fn y() { x() }"),
        ("pub struct X;", "use super::a; fn y(_: a::X) {}"),
        ("use super::b; pub fn b() {}", "fn y() { super::a::b() }"),
    ] {
        let back = format!("use crate::b::y; {a}");
        assert_eq!(found(&[root, ("a", &back), ("b", b)]), [["a", "b"]], "{b}");
    }
}

#[test]
fn what_is_handed_on_or_tested_makes_no_circle() {
    let circles = found(&[
        ("", "pub mod shop;"),
        (
            "shop",
            "mod desk; mod price; #[cfg(test)] mod tests;\npub use desk::Desk; pub use price::Price;",
        ),
        (
            "shop::desk",
            "use super::{Price, tests::X};\npub struct Desk(Price);",
        ),
        (
            "shop::price",
            "use std::fs; pub struct Price;\n#[cfg(test)] mod tests { use super::super::Desk; }",
        ),
        ("shop::tests", "use super::Desk; pub struct X;"),
    ]);
    assert_eq!(circles, Vec::<Vec<String>>::new());
}

fn found(texts: &[(&str, &str)]) -> Vec<Vec<String>> {
    let owned = |&(module, text): &(&str, &str)| (module.to_owned(), text.to_owned());
    circles(&needs(&texts.iter().map(owned).collect()))
}

fn shown(circle: &[String], needs: &Needs) -> String {
    let mut lines = vec![format!("{} files in a circle:", circle.len())];
    for from in circle {
        for (to, names) in needs[from].iter().filter(|(to, _)| circle.contains(to)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            lines.push(format!("    {from} needs {to} for {}", names.join(", ")));
        }
    }
    lines.join("\n")
}

/// The groups of files that reach each other, the way Tarjan found them.
fn circles(needs: &Needs) -> Vec<Vec<String>> {
    let mut search = Search {
        needs,
        seen: BTreeMap::new(),
        open: Vec::new(),
        circles: Vec::new(),
    };
    for file in needs.keys() {
        if !search.seen.contains_key(file.as_str()) {
            search.from(file);
        }
    }
    search.circles
}

struct Search<'n> {
    needs: &'n Needs,
    seen: BTreeMap<&'n str, usize>,
    open: Vec<&'n str>,
    circles: Vec<Vec<String>>,
}

impl<'n> Search<'n> {
    /// The number of the first open file that is reached from `file`.
    fn from(&mut self, file: &'n str) -> usize {
        let number = self.seen.len();
        self.seen.insert(file, number);
        self.open.push(file);
        let mut first = number;
        for next in self.needs.get(file).into_iter().flat_map(BTreeMap::keys) {
            match self.seen.get(next.as_str()) {
                None => first = first.min(self.from(next)),
                Some(seen) if self.open.contains(&next.as_str()) => first = first.min(*seen),
                Some(_) => {}
            }
        }
        if first == number {
            let start = self.open.iter().position(|open| *open == file).unwrap();
            let mut circle: Vec<String> = self
                .open
                .split_off(start)
                .into_iter()
                .map(str::to_owned)
                .collect();
            circle.sort();
            if circle.len() > 1 {
                self.circles.push(circle);
            }
        }
        first
    }
}
