//! Folders of the work tree that NGINX serves itself: from the live color's release from now
//! on, so that pages move together with the code.

use std::path::{Component, Path, PathBuf};

use crate::takeover::location::{as_asked, path_of};
use crate::takeover::{Served, Walk};
use nginx::syntax::Directive;

impl<'d> Walk<'d> {
    pub(super) fn serve(&mut self, owner: &'d Directive, d: &'d Directive) {
        let Some(written) = d.args.first() else { return };
        let Some((inside, behind)) = self.below_checkout(written) else {
            return;
        };
        let Some(served) = folder(owner, d, &inside, &behind) else {
            self.taken.notes.push(format!(
                "{}: `{}` serves the whole work tree, `.git` with it; it stays as it is and does not follow the color",
                d.place,
                self.raw(d)
            ));
            return;
        };
        if hidden(&served.folder) || self.wish.untracked.contains(&served.folder) {
            self.taken.notes.push(format!(
                "{}: `{}` is not in git and stays where it is",
                d.place,
                served.folder.display()
            ));
            return;
        }
        let path = format!("{}{behind}", inside.display());
        let slash = if path.is_empty() { "" } else { "/" };
        let value = path.replace('\\', "\\\\").replace('"', "\\\"");
        let line = format!("{} \"{}{slash}{value}\";", d.name, self.wish.root);
        self.edits.replace(self.text_of(&d.place.file), d, &[line]);
        self.taken.statics.push(served);
    }

    /// What a path says below the work tree: the part that is on disk, and what stands
    /// behind it from a variable or a last slash on.
    fn below_checkout(&self, written: &str) -> Option<(PathBuf, String)> {
        let checkout = self.wish.checkout.as_ref()?;
        let fixed = written.split('$').next().unwrap_or_default();
        let end = match fixed.len() == written.len() {
            true => fixed.trim_end_matches('/').len(),
            false => fixed.rfind('/').unwrap_or(0),
        };
        let folder = Path::new(written.get(..end)?);
        let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let inside = real.strip_prefix(checkout).ok()?;
        Some((inside.to_owned(), written.get(end..)?.to_owned()))
    }
}

/// What is served, never the whole work tree: `root` there is as good as a folder where the
/// location's own prefix names one.
fn folder(owner: &Directive, d: &Directive, inside: &Path, behind: &str) -> Option<Served> {
    let prefix = path_of(owner);
    let as_url = |path: &str| (path.starts_with('/') && path.ends_with('/')).then(|| as_asked(path));
    let named = prefix.filter(|_| d.name == "root" && !behind.contains('$'));
    let folder = match named.map(|prefix| prefix.trim_matches('/')) {
        Some(below) if inside.as_os_str().is_empty() && !below.is_empty() => PathBuf::from(below),
        _ => inside.to_owned(),
    };
    let plain = folder
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let served = Served {
        url: prefix.and_then(as_url),
        folder,
    };
    (plain && !served.folder.as_os_str().is_empty()).then_some(served)
}

fn hidden(folder: &Path) -> bool {
    folder
        .components()
        .any(|part| part.as_os_str().as_encoded_bytes().starts_with(b"."))
}
