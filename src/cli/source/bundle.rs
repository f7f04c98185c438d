//! `bg deploy --from`: files are packed here, and brought to each host before it is asked for
//! a deploy of them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use model::event::{Event, Note, Sink, Warning};
use model::failure::{Failure, Kind};
use release::bundle::{self, Bundle};
use release::uploads;

use super::super::args::Verb;
use super::super::context::Context;
use super::super::invocation::Invocation;
use crate::remote::host::{Host, Tell};
use crate::remote::upload;
use crate::ui::Ui;

/// Packs `path`, as `message` calls it.
///
/// # Errors
/// When it holds what cannot be released; nothing was asked of a host then.
pub async fn pack(
    path: &Path,
    message: Option<String>,
    context: &Context,
    ui: Ui,
) -> Result<Bundle, Failure> {
    let name = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = name
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let subject = message.unwrap_or_else(|| format!("from {name}"));
    let bundle = bundle::pack(path, &subject, folder(context)?.as_deref())
        .await
        .map_err(|error| {
            Failure::new(Kind::Failed, format!("`{}` cannot be deployed", path.display())).because(error)
        })?;
    for secret in &bundle.secrets {
        ui.emit(Event::Warned(Warning::SecretUploaded { path: secret.clone() }));
    }
    ui.emit(Event::Noted(Note::Packed {
        folder: name,
        files: bundle.files,
        commit: bundle.uploaded.commit.clone(),
    }));
    Ok(bundle)
}

/// Where the app lives in the files.
fn folder(context: &Context) -> Result<Option<PathBuf>, Failure> {
    let source = context.whole_config()?;
    let applied = || context.open_as_is().ok().map(|app| app.config);
    Ok(source.or_else(applied).and_then(|config| config.source.folder))
}

/// On the host itself: puts it where the app's owner takes it from.
///
/// # Errors
/// When it is not set up here, belongs to somebody else, or cannot be written.
pub fn hand_over(bundle: &Bundle, context: &Context) -> Result<(), Failure> {
    let app = context.open()?;
    let reader = FromTheStart {
        file: &bundle.file,
        at: 0,
    };
    uploads::receive(&app.layout, &bundle.uploaded.commit, bundle.bytes, reader)
        .map_err(|error| Failure::failed("cannot write the bundle into the app's root").because(error))
}

/// Brings it to a host, as part of `invocation`.
///
/// # Errors
/// When it does not get there whole.
pub async fn upload_to(host: &Host, invocation: &Invocation, tell: Tell<'_>) -> Result<(), Failure> {
    let Some(bundle) = &invocation.bundle else {
        return Ok(());
    };
    let verb = Verb::Receive {
        commit: bundle.uploaded.commit.clone(),
        bytes: bundle.bytes,
    };
    upload::upload(
        host,
        &invocation.request_of(&verb, &host.name),
        &bundle.file,
        tell,
    )
    .await
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
