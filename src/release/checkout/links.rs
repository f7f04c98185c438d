//! Which links of a tree lead out of it, decided from their text alone: no file is touched,
//! so links to what is not there yet are judged as well.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// The kernel gives up on a path after as many links, with `ELOOP`.
const LINKS_FOLLOWED: usize = 40;

/// A link that leads out of its tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escape {
    /// The link, relative to the tree.
    pub link: PathBuf,
    /// What it holds.
    pub target: PathBuf,
}

/// The first of `links` (path in the tree, target) that leads out, through other links if
/// need be.
#[must_use]
pub fn first_escape(links: &BTreeMap<PathBuf, PathBuf>) -> Option<Escape> {
    let (link, target) = links.iter().find(|(link, _)| !stays_inside(link, links))?;
    Some(Escape {
        link: link.clone(),
        target: target.clone(),
    })
}

/// Walks `path` as the kernel would, with the tree's root in place of `/`.
fn stays_inside(path: &Path, links: &BTreeMap<PathBuf, PathBuf>) -> bool {
    let mut here = PathBuf::new();
    let mut ahead = steps(path);
    let mut followed = 0;
    while let Some(step) = ahead.pop_front() {
        match step {
            Step::Root => return false,
            Step::Up if !here.pop() => return false,
            Step::Up => {}
            Step::Into(name) => here.push(name),
        }
        if let Some(target) = links.get(&here) {
            followed += 1;
            if followed > LINKS_FOLLOWED {
                return true;
            }
            here.pop();
            for step in steps(target).into_iter().rev() {
                ahead.push_front(step);
            }
        }
    }
    true
}

enum Step {
    Root,
    Up,
    Into(OsString),
}

fn steps(path: &Path) -> VecDeque<Step> {
    path.components()
        .filter_map(|component| match component {
            Component::RootDir | Component::Prefix(_) => Some(Step::Root),
            Component::ParentDir => Some(Step::Up),
            Component::Normal(name) => Some(Step::Into(name.to_owned())),
            Component::CurDir => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::checkout::links::*;

    fn escape_of(links: &[(&str, &str)]) -> Option<String> {
        let links = links
            .iter()
            .map(|(link, target)| (PathBuf::from(link), PathBuf::from(target)))
            .collect();
        first_escape(&links).map(|escape| escape.link.display().to_string())
    }

    #[test]
    fn links_within_the_tree_are_fine() {
        for links in [
            [("a/b/up", "../../c"), ("x", "not/there/yet")],
            [("here", "."), ("a/root", "..")],
            [("one", "two"), ("two", "one")],
        ] {
            assert_eq!(escape_of(&links), None, "{links:?}");
        }
    }

    #[test]
    fn links_out_of_the_tree_are_found() {
        for (links, found) in [
            ([("a", "/etc"), ("b", "c")], "a"),
            ([("a", "b"), ("x/y", "../..")], "x/y"),
            // As text this stays inside; as a path it does not, for `deep/up` is the root.
            ([("deep/up", ".."), ("out", "deep/up/../x")], "out"),
            ([("in", "b/../../../x"), ("b", "c/d")], "in"),
        ] {
            assert_eq!(escape_of(&links).as_deref(), Some(found), "{links:?}");
        }
    }

    /// Paths of a small tree, with ways up, down and to the root.
    fn a_path() -> impl Strategy<Value = PathBuf> {
        let step = proptest::sample::select(vec!["a", "b", "c", ".", "..", "..", "/"]);
        proptest::collection::vec(step, 1..6).prop_map(|steps| steps.into_iter().collect())
    }

    proptest! {
        #![proptest_config(testkit::hostile::few())]

        /// What the text says is what the kernel does.
        #[test]
        fn where_none_is_found_the_kernel_finds_none(targets in proptest::collection::vec(a_path(), 6)) {
            let temp = tempfile::tempdir().unwrap();
            let tree = temp.path().canonicalize().unwrap().join("tree");
            std::fs::create_dir_all(tree.join("a/b/c")).unwrap();
            std::fs::create_dir_all(tree.join("b/a")).unwrap();
            let names = ["c", "a/a", "a/c", "a/b/a", "a/b/c/b", "b/b"].map(PathBuf::from);
            let links: BTreeMap<PathBuf, PathBuf> = names.into_iter().zip(targets).collect();
            for (name, target) in &links {
                std::os::unix::fs::symlink(target, tree.join(name)).unwrap();
            }
            if first_escape(&links).is_none() {
                for name in links.keys() {
                    let there = std::fs::canonicalize(tree.join(name)).unwrap_or(tree.clone());
                    prop_assert!(there.starts_with(&tree), "{:?} of {:?}", there, links);
                }
            }
        }
    }
}
