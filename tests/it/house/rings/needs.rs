//! Which file needs which: a file needs another when it names an item that the other one
//! defines. Items are followed through `use` to where they are defined: handing one on by
//! `pub use` is no need of its own, and neither is `mod`.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Meta, UseTree, Visibility};

/// By the module of each file those of the others, and for what.
pub(in super::super) type Needs = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Of the texts of files, by their modules; the root's name is empty.
pub(in super::super) fn needs(texts: &BTreeMap<String, String>) -> Needs {
    let mut tree = Tree::default();
    let mut files = Vec::new();
    for (module, text) in texts {
        if tree.is_test(module) {
            continue;
        }
        let file = syn::parse_file(text).unwrap();
        tree.modules.entry(module.clone()).or_default();
        let tree = &mut tree;
        Declared { module, tree }.visit_file(&file);
        files.push((module, file));
    }
    let mut needs = Needs::new();
    for (module, file) in files {
        let mut named = Named {
            module,
            tree: &tree,
            needs: BTreeMap::new(),
        };
        named.visit_file(&file);
        named.needs.remove(module);
        needs.insert(module.clone(), named.needs);
    }
    needs
}

/// What can be reached by name, and what is there for tests alone.
#[derive(Default)]
struct Tree {
    modules: BTreeMap<String, Module>,
    tests: BTreeSet<String>,
}

#[derive(Default)]
struct Module {
    children: BTreeSet<String>,
    items: BTreeSet<String>,
    imports: BTreeMap<String, Vec<String>>,
}

impl Tree {
    /// The file that defines what `path` means in `module`, and its name there; none for a
    /// module, and for what is not of this program.
    fn defined(&self, module: &str, path: &[String]) -> Option<(String, String)> {
        let (file, name) = self.reached(module, path, 0)?;
        Some((file, name?))
    }

    fn reached(&self, module: &str, path: &[String], hops: usize) -> Option<(String, Option<String>)> {
        let (first, rest) = path.split_first()?;
        let here = self.modules.get(module)?;
        match first.as_str() {
            "crate" => self.within(self.root(module), rest, hops),
            "self" | "super" => self.within(module, path, hops),
            name if here.children.contains(name) || here.imports.contains_key(name) => {
                self.within(module, path, hops)
            }
            name if self.is_crate(name) => self.within(name, rest, hops),
            _ => None,
        }
    }

    /// A file at the top that no other one names as its module is a crate of its own.
    fn is_crate(&self, name: &str) -> bool {
        let is_module = |root: &Module| root.children.contains(name);
        self.modules.contains_key(name) && !self.modules.get("").is_some_and(is_module)
    }

    fn root<'m>(&self, module: &'m str) -> &'m str {
        let first = module.split("::").next().unwrap_or_default();
        if self.is_crate(first) { first } else { "" }
    }

    fn within(&self, module: &str, path: &[String], hops: usize) -> Option<(String, Option<String>)> {
        let Some((first, rest)) = path.split_first() else {
            return Some((module.to_owned(), None));
        };
        match first.as_str() {
            "self" => return self.within(module, rest, hops),
            "super" => return self.within(above(module), rest, hops),
            _ => {}
        }
        let here = self.modules.get(module)?;
        let is_child = here.children.contains(first);
        // A module may have the name of an item: only the last name of a path can be the item.
        let is_last = rest.is_empty();
        if let Some(import) = here.imports.get(first)
            && !(is_last && here.items.contains(first))
            && (is_last || !is_child)
            && hops < 20
        {
            return match self.reached(module, import, hops + 1)? {
                (module, None) => self.within(&module, rest, hops + 1),
                item => Some(item),
            };
        }
        match is_child && !(is_last && here.items.contains(first)) {
            true => self.within(&below(module, first), rest, hops),
            false => Some((module.to_owned(), Some(first.clone()))),
        }
    }

    fn is_test(&self, module: &str) -> bool {
        !module.is_empty() && (self.tests.contains(module) || self.is_test(above(module)))
    }
}

fn above(module: &str) -> &str {
    module.rsplit_once("::").map_or("", |(above, _)| above)
}

fn below(module: &str, name: &str) -> String {
    match module {
        "" => name.to_owned(),
        module => format!("{module}::{name}"),
    }
}

/// The modules and the imports of a file.
struct Declared<'t> {
    module: &'t str,
    tree: &'t mut Tree,
}

impl Declared<'_> {
    fn here(&mut self) -> &mut Module {
        self.tree.modules.entry(self.module.to_owned()).or_default()
    }
}

impl<'s> Visit<'s> for Declared<'_> {
    fn visit_item(&mut self, item: &'s Item) {
        if is_for_tests(item) {
            if let Item::Mod(module) = item {
                let module = below(self.module, &module.ident.to_string());
                self.tree.tests.insert(module);
            }
            return;
        }
        if let (_, Some(name)) = parts(item) {
            self.here().items.insert(name.to_string());
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, module: &'s ItemMod) {
        assert!(
            module.content.is_none(),
            "`{}` has no file of its own",
            module.ident
        );
        self.here().children.insert(module.ident.to_string());
    }

    fn visit_item_use(&mut self, item: &'s ItemUse) {
        self.here().imports.extend(imports(&item.tree));
    }
}

/// Each name that a `use` brings, and the path behind it.
fn imports(tree: &UseTree) -> Vec<(String, Vec<String>)> {
    match tree {
        UseTree::Name(name) if name.ident == "self" => vec![("self".into(), Vec::new())],
        UseTree::Name(name) => vec![(name.ident.to_string(), vec![name.ident.to_string()])],
        UseTree::Rename(name) => vec![(name.rename.to_string(), vec![name.ident.to_string()])],
        UseTree::Glob(_) => panic!("what `*` brings is not followed: name it"),
        UseTree::Group(group) => group.items.iter().flat_map(imports).collect(),
        UseTree::Path(path) => {
            let first = path.ident.to_string();
            let mut all = imports(&path.tree);
            for (name, rest) in &mut all {
                rest.insert(0, first.clone());
                if name == "self" {
                    *name = first.clone();
                }
            }
            all
        }
    }
}

/// What a file names that others define.
struct Named<'t> {
    module: &'t str,
    tree: &'t Tree,
    needs: BTreeMap<String, BTreeSet<String>>,
}

impl Named<'_> {
    fn name(&mut self, path: &[String]) {
        if let Some((file, name)) = self.tree.defined(self.module, path) {
            self.needs.entry(file).or_default().insert(name);
        }
    }

    /// The paths in a macro's or an attribute's own language.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match &token {
                TokenTree::Punct(sign) if sign.as_char() == ':' => colons += 1,
                TokenTree::Ident(name) if colons == 2 => {
                    path.push(name.to_string());
                    colons = 0;
                }
                _ => {
                    self.name(&std::mem::take(&mut path));
                    colons = 0;
                    match token {
                        TokenTree::Ident(name) => path.push(name.to_string()),
                        TokenTree::Group(group) => self.tokens(group.stream()),
                        TokenTree::Literal(text) => self.text(&text.to_string()),
                        TokenTree::Punct(_) => {}
                    }
                }
            }
        }
        self.name(&path);
    }

    /// A path in quotes, as serde has it.
    fn text(&mut self, text: &str) {
        let text = text.trim_matches('"');
        if let Ok(path) = syn::parse_str::<syn::Path>(text)
            && path.segments.len() > 1
        {
            self.visit_path(&path);
        }
    }
}

impl<'s> Visit<'s> for Named<'_> {
    fn visit_item(&mut self, item: &'s Item) {
        if !is_for_tests(item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'s ItemUse) {
        if matches!(item.vis, Visibility::Inherited) {
            for (_, path) in imports(&item.tree) {
                self.name(&path);
            }
        }
    }

    fn visit_path(&mut self, path: &'s syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        self.name(&names);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'s syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'s Attribute) {
        if let Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
    }
}

fn is_for_tests(item: &Item) -> bool {
    let (attributes, _) = parts(item);
    attributes.iter().any(|attribute| {
        let condition = attribute.meta.require_list();
        attribute.path().is_ident("cfg") && condition.is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

/// What stands above an item, and its name where it is no module.
fn parts(item: &Item) -> (&[Attribute], Option<&Ident>) {
    match item {
        Item::Const(item) => (&item.attrs, Some(&item.ident)),
        Item::Enum(item) => (&item.attrs, Some(&item.ident)),
        Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
        Item::Impl(item) => (&item.attrs, None),
        Item::Mod(item) => (&item.attrs, None),
        Item::Static(item) => (&item.attrs, Some(&item.ident)),
        Item::Struct(item) => (&item.attrs, Some(&item.ident)),
        Item::Trait(item) => (&item.attrs, Some(&item.ident)),
        Item::Type(item) => (&item.attrs, Some(&item.ident)),
        Item::Use(item) => (&item.attrs, None),
        _ => (&[], None),
    }
}
