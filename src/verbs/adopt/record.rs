//! What was found and changed, kept beside NGINX's files until it is undone: root's alone
//! where root adopts, since undoing writes what it says.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use model::color::Color;
use model::config::Config;
use model::failure::{Failure, Kind};
use model::layout::{Entry, NginxLayout};
use model::release::ReleaseId;
use nginx::files::{self, Change, Rendered};
use nginx::raw;
use nix::unistd::Uid;
use serde::{Deserialize, Serialize};
use site::endpoint::{Endpoint, Manner};
use sys::path_security::{self, Untrusted};
use sys::store;

/// An adoption, under way or done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// The format of this file; the first one did not say.
    #[serde(default = "Record::first_format")]
    pub format: u32,
    /// Whether it reached its end.
    pub done: bool,
    /// The registry entry that it makes.
    pub entry: Entry,
    /// The configuration that it applies.
    pub config: Config,
    /// The color that the process becomes.
    pub color: Color,
    /// The release that stands for it.
    pub release: ReleaseId,
    /// The site's files.
    pub files: Vec<SiteFile>,
    /// What each path answered before.
    pub seen: Vec<Seen>,
    /// The work tree.
    pub checkout: PathBuf,
    /// Data that was moved out of it, or is about to be.
    pub moved: Vec<PathBuf>,
}

/// A file of the site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteFile {
    /// Where it is.
    pub path: PathBuf,
    /// As it was.
    pub before: String,
    /// As it becomes.
    pub after: String,
}

/// What one path of one listener answered before anything was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Where NGINX was asked.
    pub address: SocketAddr,
    /// Whether over TLS.
    pub tls: bool,
    /// The name it was asked by.
    pub host: String,
    /// The path.
    pub path: String,
    /// What it answered; nothing where it did not.
    pub status: Option<u16>,
    /// Whether the app's answer can be told there, rather than a file's or NGINX's own.
    pub to_the_app: bool,
    /// How the site's front wants to be asked there.
    #[serde(default)]
    pub manner: Manner,
}

impl Seen {
    /// Where it was asked.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            address: self.address,
            tls: self.tls,
            host: self.host.clone(),
            secret: None,
            manner: self.manner.clone(),
            pace: None,
        }
    }
}

/// Where a site's file stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// As it was.
    Before,
    /// As it became.
    After,
    /// Somebody has changed it since.
    Changed,
}

/// Whether a later version says what is to be undone: it may have done more.
fn is_newer(text: &[u8]) -> bool {
    let read = serde_json::from_slice::<serde_json::Value>(text).unwrap_or_default();
    let later = |at: &str, known: u32| {
        let format = read.pointer(at).and_then(serde_json::Value::as_u64);
        format.is_some_and(|format| format > u64::from(known))
    };
    later("/format", Record::FORMAT) || later("/entry/format", Entry::FORMAT)
}

fn only_roots_word(path: &Path) -> Result<(), Untrusted> {
    match Uid::effective().is_root() {
        true => path_security::roots_alone(path)
            .map(drop)
            .or_else(Untrusted::unless_missing),
        false => Ok(()),
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("record.json")
}

impl Record {
    /// The format that this version writes and reads.
    pub const FORMAT: u32 = 1;

    fn first_format() -> u32 {
        1
    }

    /// Where it lies.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        NginxLayout::of(&self.entry).adoption()
    }

    /// The one in `folder`, if there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Record>, Failure> {
        let path = path(folder);
        let failed = || Failure::failed(format!("`{}` cannot be read", path.display()));
        // Undoing writes what it says, where it says.
        if let Err(error) = only_roots_word(&path) {
            return Err(Failure::new(
                Kind::Config,
                format!("root does not act on `{}`", path.display()),
            )
            .because(error)
            .hint("only root may write the record of `bg adopt`: find out who changed it, and look at `nginx.conf` in bg.toml"));
        }
        match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed()
                .because(error)
                .hint("`bg adopt` needs the rights that NGINX's files need")),
            Ok(text) if is_newer(&text) => Err(Failure::new(
                Kind::Config,
                format!("`{}` was written by a newer bluegreen", path.display()),
            )
            .hint("use the `bluegreen` that wrote it, or a later one")),
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|error| failed().because(error)),
        }
    }

    /// Writes it, readable by nobody else: a site's file may hold a password.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&self) -> Result<(), Failure> {
        let folder = self.folder();
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        let made = fs::create_dir_all(&folder).map_err(store::FileError::at("make", &folder));
        made.and_then(|()| store::write_whole(&path(&folder), &text, 0o600))
            .map_err(|error| {
                Failure::failed("cannot record the changes before making them")
                    .because(error)
                    .hint("`bg adopt` writes into NGINX's folder: run it with sudo")
            })
    }

    /// The files that are `after` what they were, to be brought back; nothing where none is.
    ///
    /// # Errors
    /// Names the file that somebody has changed since, with what they changed.
    pub fn way_back(&self) -> Result<Vec<Change>, Failure> {
        let mut back = Vec::new();
        for file in &self.files {
            match file.state() {
                FileState::Before => {}
                FileState::After => back.push(Rendered {
                    path: file.path.clone(),
                    text: file.before.clone(),
                }),
                FileState::Changed => return Err(file.was_changed()),
            }
        }
        files::plan(&back).map_err(|error| Failure::failed("a file cannot be compared").because(error))
    }
}

impl SiteFile {
    /// As what it stands there now.
    #[must_use]
    pub fn state(&self) -> FileState {
        match raw::read(&self.path) {
            Ok(now) if now == self.before => FileState::Before,
            Ok(now) if now == self.after => FileState::After,
            _ => FileState::Changed,
        }
    }

    fn was_changed(&self) -> Failure {
        let now = raw::shown(&raw::read(&self.path).unwrap_or_default());
        let name = self.path.display().to_string();
        let diff = similar::TextDiff::from_lines(raw::shown(&self.after).as_str(), now.as_str())
            .unified_diff()
            .header("as `bg` left it", &name)
            .to_string();
        Failure::new(Kind::Config, format!("`{name}` was changed since, and is left as it is"))
            .showing(diff.lines().map(str::to_owned))
            .hint("take that change back and type it again, or take the lines marked `# bg:` out by hand and put what they name in their place")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_a_later_version_is_refused_and_one_that_makes_no_sense_too() {
        let folder = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            fs::write(path(folder.path()), text).unwrap();
            Record::read(folder.path()).unwrap_err().what
        };
        for text in [
            r#"{"format":2,"done":true}"#,
            r#"{"format":1,"entry":{"format":3,"shard":"x"}}"#,
            r#"{"done":true,"entry":{"format":3}}"#,
        ] {
            assert!(read(text).ends_with("was written by a newer bluegreen"), "{text}");
        }
        for text in ["", "{", "[]", r#"{"format":1}"#, &"[".repeat(100_000)] {
            assert!(read(text).ends_with("cannot be read"), "{text}");
        }
    }
}
