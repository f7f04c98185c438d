//! What `bg` wrote into NGINX's files when it last did: what they hold besides, others wrote.

use std::io;
use std::path::{Path, PathBuf};

use model::layout::NginxLayout;
use sys::store;

use crate::files::{self, Change};

/// A copy of each file as it was written, beside NGINX's own.
#[derive(Clone, Debug)]
pub struct Written {
    folder: PathBuf,
    site: PathBuf,
}

/// Whose a file is that is about to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// It is as it was written, or there is nothing to lose.
    Ours,
    /// Others changed it, and `bg` has nothing new to say.
    Left,
    /// Others changed it, and what they wrote would be lost.
    Theirs,
}

impl Written {
    /// For the files of one app.
    #[must_use]
    pub fn of(files: &NginxLayout) -> Written {
        Written {
            folder: files.folder().join("written"),
            site: files.site(),
        }
    }

    fn copy(&self, path: &Path) -> PathBuf {
        self.folder.join(files::flat(path))
    }

    /// Whose the file of `change` is. Without a copy only the site's is taken for others':
    /// nobody edits the rest.
    #[must_use]
    pub fn whose(&self, change: &Change) -> Whose {
        let Some(now) = change.before().filter(|now| *now != change.after()) else {
            return Whose::Ours;
        };
        let site = std::fs::canonicalize(&self.site).unwrap_or_else(|_| self.site.clone());
        let is_site = change.path == site;
        match store::read_text(&self.copy(&change.path)) {
            Ok(text) if text.as_bytes() == now => Whose::Ours,
            Ok(text) if is_site && text.as_bytes() == change.after() => Whose::Left,
            Err(_) if !is_site => Whose::Ours,
            Ok(_) | Err(_) => Whose::Theirs,
        }
    }

    /// Notes what was written, or would have been.
    ///
    /// # Errors
    /// When a copy cannot be written.
    pub fn keep(&self, changes: &[(PathBuf, Vec<u8>)]) -> io::Result<()> {
        store::make_all(&self.folder)?;
        for (path, text) in changes {
            let copy = self.copy(path);
            if store::read_text(&copy).is_ok_and(|kept| kept.as_bytes() == text) {
                continue;
            }
            store::write_whole(&copy, text, 0o644).map_err(io::Error::other)?;
        }
        Ok(())
    }
}
