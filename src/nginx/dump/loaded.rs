//! Whether NGINX has to read its configuration again for a file to count.

use crate::dump::Dump;
use crate::files::Change;
use crate::syntax::{self, Directive};

impl Dump {
    /// Whether `change` changes what NGINX does: in a file that it reads, and not in comments
    /// alone.
    #[must_use]
    pub fn is_changed_by(&self, change: &Change) -> bool {
        let Some(before) = change.before() else {
            return self.http_includes(&change.path);
        };
        let parsed = |text: &[u8]| syntax::parse(&change.path, &String::from_utf8_lossy(text));
        let reads = self.files.iter().any(|(file, _)| {
            *file == change.path || std::fs::canonicalize(file).is_ok_and(|file| file == change.path)
        });
        reads && !same(&parsed(before), &parsed(change.after()))
    }
}

fn same(one: &[Directive], other: &[Directive]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| {
            (&one.name, &one.args) == (&other.name, &other.args) && same(&one.block, &other.block)
        })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use crate::dump::loaded::*;
    use crate::files;
    use crate::files::Rendered;

    #[test]
    fn words_in_a_file_that_is_read_count_and_comments_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let main = format!("http {{ include {}/*.conf; }}", folder.path().display());
        let site = "server { listen 80; } # mine\n";
        let dump = Dump::of(vec![
            (PathBuf::from("/etc/nginx/nginx.conf"), main),
            (at("site.conf"), site.to_owned()),
        ]);
        std::fs::write(at("site.conf"), site).unwrap();
        std::fs::write(at("unread"), "a 1;").unwrap();
        let cases = [
            ("site.conf", "# another\nserver {\n  listen 80; }", false),
            ("site.conf", "server { listen 81; }", true),
            ("site.conf", "server { listen 80; listen 81; }", true),
            ("site.conf", "server { listen 80; } server { }", true),
            ("unread", "a 2;", false),
            ("new", "a 2;", false),
            ("new.conf", "a 2;", true),
        ];
        let mut seen = 0;
        for (name, text, counts) in cases {
            let path = at(name);
            let text = text.to_owned();
            let changes = files::plan(&[Rendered { path, text }]).unwrap();
            assert!(
                changes.iter().all(|change| dump.is_changed_by(change) == counts),
                "{name}"
            );
            seen += 1;
        }
        assert_eq!(seen, 7);
    }
}
