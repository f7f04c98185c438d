//! `bg deploy --from`: files are packed here, and brought to each host before it is asked for
//! a deploy of them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use model::event::{Event, Sink};
use model::failure::{Failure, Kind};
use release::incoming;
use release::parcel::{self, Parcel};

use super::super::args::Verb;
use super::super::errand::Errand;
use super::super::here::Here;
use crate::remote::bring;
use crate::remote::host::{Host, Tell};
use crate::ui::Ui;

/// Packs `path`, as `message` calls it.
///
/// # Errors
/// When it holds what cannot be released; nothing was asked of a host then.
pub async fn pack(path: &Path, message: Option<String>, here: &Here, ui: Ui) -> Result<Parcel, Failure> {
    let name = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = name
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let subject = message.unwrap_or_else(|| format!("from {name}"));
    let parcel = parcel::pack(path, &subject, folder(here)?.as_deref())
        .await
        .map_err(|error| {
            Failure::new(Kind::Failed, format!("`{}` cannot be deployed", path.display())).because(error)
        })?;
    for secret in &parcel.secrets {
        ui.emit(Event::Warned {
            text: format!(
                "`{}` is uploaded, and its name looks like a secret: keep it in `<root>/shared` on the host instead",
                secret.display()
            ),
        });
    }
    ui.emit(Event::Noted {
        text: format!(
            "{} of {name} packed as {}",
            counted(parcel.files),
            parcel.brought.commit.get(..7).unwrap_or_default()
        ),
    });
    Ok(parcel)
}

fn counted(files: usize) -> String {
    match files {
        1 => "1 file".to_owned(),
        _ => format!("{files} files"),
    }
}

/// Where the app lives in the files.
fn folder(here: &Here) -> Result<Option<PathBuf>, Failure> {
    let at_hand = here.whole_config()?;
    let applied = || here.open_as_is().ok().map(|app| app.config);
    Ok(at_hand.or_else(applied).and_then(|config| config.source.folder))
}

/// On the host itself: puts it where the app's owner takes it from.
///
/// # Errors
/// When it is not set up here, belongs to somebody else, or cannot be written.
pub fn hand_over(parcel: &Parcel, here: &Here) -> Result<(), Failure> {
    let app = here.open()?;
    let reader = FromTheStart {
        file: &parcel.file,
        at: 0,
    };
    incoming::receive(&app.layout, &parcel.brought.commit, parcel.bytes, reader)
        .map_err(|error| Failure::failed("cannot write the bundle into the app's root").because(error))
}

/// Brings it to a host, as part of `errand`.
///
/// # Errors
/// When it does not get there whole.
pub async fn bring_to(host: &Host, errand: &Errand, tell: Tell<'_>) -> Result<(), Failure> {
    let Some(parcel) = &errand.parcel else {
        return Ok(());
    };
    let verb = Verb::Receive {
        commit: parcel.brought.commit.clone(),
        bytes: parcel.bytes,
    };
    bring::bring(host, &errand.request_of(&verb, &host.name), &parcel.file, tell).await
}

/// A file from its first byte on, wherever others stand in it.
struct FromTheStart<'f> {
    file: &'f File,
    at: u64,
}

impl io::Read for FromTheStart<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(into, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}
