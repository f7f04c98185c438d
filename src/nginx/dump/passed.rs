//! What a site passes on to the app, and what it serves of its releases.

use crate::dump::Dump;
use crate::syntax::{Directive, Span};

/// How often a variable is looked for behind another one.
const DEEPEST: usize = 4;

/// A block that something stands in, with what is in force there.
struct Block<'d> {
    owner: &'d Directive,
    /// `proxy_set_header`: those of the innermost level that has any.
    headers: Vec<&'d Directive>,
    /// `disable_symlinks`.
    symlinks: Option<&'d Directive>,
}

impl Dump {
    /// Every `proxy_set_header` of `header` that is in force where something is passed to the
    /// upstream that the variable `color` names, and hands the variable `raw` on.
    #[must_use]
    pub fn handed_on(&self, color: &str, header: &str, raw: &str) -> Vec<Span> {
        let mut places: Vec<Span> = Vec::new();
        for block in self.blocks() {
            let passes =
                |d: &&Directive| d.name == "proxy_pass" && d.args.iter().any(|to| to.contains(color));
            if !block.owner.block.iter().any(|d| passes(&d)) {
                continue;
            }
            for set in &block.headers {
                let is_it = set
                    .args
                    .first()
                    .is_some_and(|name| name.eq_ignore_ascii_case(header));
                let value = set.args.get(1).map_or("", String::as_str);
                if is_it && self.carries(value, raw, DEEPEST) && !places.contains(&set.place) {
                    places.push(set.place.clone());
                }
            }
        }
        places
    }

    /// Every `root` and `alias` that begins with the variable `root`, where links are followed.
    #[must_use]
    pub fn follows_links(&self, root: &str) -> Vec<Span> {
        let mut places: Vec<Span> = Vec::new();
        for block in self.blocks() {
            let is_off = |d: &Directive| d.args.first().is_none_or(|word| word == "off");
            if !block.symlinks.is_none_or(is_off) {
                continue;
            }
            let serves = |d: &&Directive| {
                ["root", "alias"].contains(&d.name.as_str())
                    && d.args.first().is_some_and(|path| path.starts_with(root))
            };
            let found = block.owner.block.iter().filter(|d| serves(d));
            places.extend(found.map(|d| d.place.clone()));
        }
        places.dedup();
        places
    }

    /// Every block inside of `http`.
    fn blocks(&self) -> Vec<Block<'_>> {
        let mut found = Vec::new();
        for http in self.tree.iter().filter(|d| d.name == "http") {
            collect(http, &[], None, &mut found);
        }
        found
    }

    /// Whether `value` is made of the variable `raw`, or of one that is set to it.
    fn carries(&self, value: &str, raw: &str, deep: usize) -> bool {
        if variables(value).any(|name| name == raw) {
            return true;
        }
        let Some(deep) = deep.checked_sub(1) else {
            return false;
        };
        let mut all = Vec::new();
        super::walk(&self.tree, &mut |d| match (d.name.as_str(), d.args.as_slice()) {
            ("set", [name, value]) => all.push((name, value)),
            ("map", [_, name]) => {
                all.extend(d.block.iter().filter_map(|one| Some((name, one.args.first()?))))
            }
            _ => {}
        });
        // Ours hand on what they may, and no more.
        let others = variables(value).filter(|name| !name.starts_with("bg_"));
        others.into_iter().any(|name| {
            all.iter()
                .filter(|(set, _)| set.strip_prefix('$') == Some(name))
                .any(|(_, value)| self.carries(value, raw, deep))
        })
    }
}

fn collect<'d>(
    owner: &'d Directive,
    headers: &[&'d Directive],
    symlinks: Option<&'d Directive>,
    found: &mut Vec<Block<'d>>,
) {
    let named = |name: &'static str| owner.block.iter().filter(move |d| d.name == name);
    let mut own: Vec<&Directive> = named("proxy_set_header").collect();
    if own.is_empty() {
        own = headers.to_vec();
    }
    let symlinks = named("disable_symlinks").next().or(symlinks);
    for inner in owner.block.iter().filter(|d| !d.block.is_empty()) {
        collect(inner, &own, symlinks, found);
    }
    found.push(Block {
        owner,
        headers: own,
        symlinks,
    });
}

/// The names of the variables in a value: `$a`, `${b}`.
fn variables(value: &str) -> impl Iterator<Item = &str> {
    value.split('$').skip(1).map(|rest| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
    })
}
