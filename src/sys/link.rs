//! THE symlink: reading it and replacing it in one rename, with nothing that a full disk
//! or a full inode table could refuse.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use model::color::Route;
use nix::fcntl::AtFlags;
use nix::unistd::linkat;

use crate::fault;

/// The live link of one app.
#[derive(Clone, Debug)]
pub struct Link {
    folder: PathBuf,
}

/// The link could not be read or replaced.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// There is none.
    #[error("there is no link `{}`", .0.display())]
    Missing(PathBuf),
    /// It points at none of our folders.
    #[error("the link `{}` points at `{}`, which is not a color", .link.display(), .target.display())]
    Strange {
        /// The link.
        link: PathBuf,
        /// What it points at.
        target: PathBuf,
    },
    /// Somebody else moved it.
    #[error("the link pointed at {found} where {expected} was expected")]
    Moved {
        /// What was expected.
        expected: Route,
        /// What was found.
        found: Route,
    },
    /// The system refused.
    #[error("`{}` cannot be {what}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Link {
    /// The link `live` in `folder`.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Link {
        Link {
            folder: folder.into(),
        }
    }

    fn live(&self) -> PathBuf {
        self.folder.join("live")
    }

    /// A link beside `live` that already points at `route`: the swap is then a rename of
    /// something that exists, and needs no space.
    fn spare(&self, route: Route) -> PathBuf {
        self.folder.join(format!(".next-{}", route.folder()))
    }

    /// Where it points.
    ///
    /// # Errors
    /// When it is missing or points elsewhere.
    pub fn read(&self) -> Result<Route, LinkError> {
        let live = self.live();
        let target = std::fs::read_link(&live).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => LinkError::Missing(live.clone()),
            _ => LinkError::Io {
                what: "read",
                path: live.clone(),
                source,
            },
        })?;
        target
            .to_str()
            .and_then(Route::from_folder)
            .ok_or(LinkError::Strange { link: live, target })
    }

    /// How long ago it was last replaced; zero when the clock has jumped back since.
    #[must_use]
    pub fn age(&self) -> Duration {
        std::fs::symlink_metadata(self.live())
            .and_then(|metadata| metadata.modified())
            .ok()
            .and_then(|modified| SystemTime::now().duration_since(modified).ok())
            .unwrap_or(Duration::ZERO)
    }

    /// Makes the link and its spares where they are missing. An existing link keeps its
    /// target.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn lay_out(&self, default: Route) -> Result<bool, LinkError> {
        let mut made = false;
        for route in Route::ALL {
            made |= make(&self.spare(route), route)?;
        }
        if std::fs::symlink_metadata(self.live()).is_err() {
            made |= make(&self.live(), default)?;
        }
        Ok(made)
    }

    /// Makes the spare of `route`, so that going there needs no space.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn prepare(&self, route: Route) -> Result<(), LinkError> {
        make(&self.spare(route), route).map(drop)
    }

    /// Forgets the spare of a route whose target is gone.
    pub fn forget(&self, route: Route) {
        std::fs::remove_file(self.spare(route)).ok();
    }

    /// Replaces `expected` by `to` in one rename. The same route twice is no change.
    ///
    /// # Errors
    /// When the link is not as expected; then nothing was changed.
    pub fn swap(&self, expected: Route, to: Route) -> Result<(), LinkError> {
        if self.may_swap(expected, to)? {
            self.replace(to)?;
        }
        Ok(())
    }

    /// Whether [`Link::swap`] would have something to replace.
    ///
    /// # Errors
    /// When the link is not as expected.
    pub fn may_swap(&self, expected: Route, to: Route) -> Result<bool, LinkError> {
        match self.read()? {
            found if found == to => Ok(false),
            found if found != expected => Err(LinkError::Moved { expected, found }),
            _ => Ok(true),
        }
    }

    /// Points the link at `to`, whatever it is now, even nothing.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn replace(&self, to: Route) -> Result<(), LinkError> {
        let (live, spare) = (self.live(), self.spare(to));
        if std::fs::read_link(&spare).ok().as_deref() != Some(Path::new(&to.folder())) {
            std::fs::remove_file(&spare).ok();
            make(&spare, to)?;
        }
        if let Ok(now) = self.read() {
            // The way back keeps its inode: a second name for today's link costs none.
            let folder = nix::fcntl::AT_FDCWD;
            linkat(folder, &live, folder, &self.spare(now), AtFlags::empty()).ok();
        }
        fault::at("swap", &live, || std::fs::rename(&spare, &live)).map_err(|source| LinkError::Io {
            what: "replaced",
            path: live.clone(),
            source,
        })?;
        // The link names the new route by now: whoever said that it does not would be wrong
        // about where traffic is. After a power cut the recovery table takes it from there.
        fault::file("flush the swap", &live)
            .and_then(|()| File::open(&self.folder)?.sync_all())
            .ok();
        stamp(&live);
        Ok(())
    }
}

/// Sets the link's own time to now: a spare was made long ago, and its age would hide
/// when traffic moved.
fn stamp(link: &Path) {
    let now = nix::sys::time::TimeSpec::UTIME_NOW;
    let flag = nix::sys::stat::UtimensatFlags::NoFollowSymlink;
    nix::sys::stat::utimensat(nix::fcntl::AT_FDCWD, link, &now, &now, flag).ok();
}

fn make(link: &Path, to: Route) -> Result<bool, LinkError> {
    match std::os::unix::fs::symlink(to.folder(), link) {
        Ok(()) => Ok(true),
        Err(source) if source.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(source) => Err(LinkError::Io {
            what: "made",
            path: link.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use crate::link::*;
    use model::color::Color;

    const BLUE: Route = Route::to(Color::Blue);
    const GREEN: Route = Route::to(Color::Green);

    fn link() -> (tempfile::TempDir, Link) {
        let folder = tempfile::tempdir().unwrap();
        let link = Link::new(folder.path());
        link.lay_out(BLUE).unwrap();
        (folder, link)
    }

    #[test]
    fn it_goes_to_and_fro() {
        let (_folder, link) = link();
        for _ in 0..3 {
            link.swap(BLUE, GREEN).unwrap();
            assert_eq!(link.read().unwrap(), GREEN);
            link.swap(GREEN, BLUE).unwrap();
            assert_eq!(link.read().unwrap(), BLUE);
        }
    }

    #[test]
    fn a_stale_swap_is_refused_and_a_repeated_one_is_nothing() {
        let (_folder, link) = link();
        link.swap(BLUE, GREEN).unwrap();
        link.swap(BLUE, GREEN).unwrap();
        let other = Route {
            maintenance: true,
            ..BLUE
        };
        assert!(matches!(
            link.swap(BLUE, other),
            Err(LinkError::Moved { found: GREEN, .. })
        ));
        assert_eq!(link.read().unwrap(), GREEN);
    }

    #[test]
    fn the_way_back_is_there_before_it_is_needed() {
        let (folder, link) = link();
        link.swap(BLUE, GREEN).unwrap();
        assert!(std::fs::symlink_metadata(folder.path().join(".next-blue")).is_ok());
        link.swap(GREEN, BLUE).unwrap();
        assert!(std::fs::symlink_metadata(folder.path().join(".next-green")).is_ok());
    }

    #[test]
    fn its_age_counts_from_the_swap() {
        let (folder, link) = link();
        let old = nix::sys::time::TimeSpec::new(1_000_000, 0);
        let flag = nix::sys::stat::UtimensatFlags::NoFollowSymlink;
        for name in ["live", ".next-green"] {
            let path = folder.path().join(name);
            nix::sys::stat::utimensat(nix::fcntl::AT_FDCWD, &path, &old, &old, flag).unwrap();
        }
        assert!(link.age() > Duration::from_secs(1_000_000));
        link.swap(BLUE, GREEN).unwrap();
        assert!(link.age() < Duration::from_secs(60));
    }

    #[test]
    fn a_link_to_elsewhere_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", folder.path().join("live")).unwrap();
        let error = Link::new(folder.path()).read().unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("points at `/etc`, which is not a color"),
            "{error}"
        );
    }
}
