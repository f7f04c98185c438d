//! A file for the engine of a host: it comes behind the request, on the same line.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use bytes::Bytes;
use model::failure::Failure;
use model::wire::{EngineMessage, READ_TIMEOUT, Request};
use tokio::time::timeout;

use super::call::{Call, Received};
use super::host::{Host, Tell};

/// A piece of the file.
const PIECE: usize = 32 << 10;

/// How long a host may take to write it to disk, once it has all of it.
const WRITTEN_WITHIN: Duration = Duration::from_secs(120);

/// Has the engine take all of `file`, which `request` announces.
///
/// # Errors
/// When the host refuses it, or it does not get there.
pub async fn upload(host: &Host, request: &Request, file: &File, tell: Tell<'_>) -> Result<(), Failure> {
    let mut call = host.call(request, false, tell).await?;
    let fed = feed(&mut call, file).await;
    // A host that refuses says why, and does not read on.
    match (received(&mut call, host).await, fed) {
        (Err(failure), _) => Err(failure),
        (Ok(()), fed) => fed.map_err(|why| Failure::failed(format!("`{}` {why}", host.name))),
    }
}

async fn feed(call: &mut Call, file: &File) -> Result<(), &'static str> {
    let (mut at, mut piece) = (0, vec![0; PIECE]);
    loop {
        let count = file
            .read_at(&mut piece, at)
            .map_err(|_| "was not sent all of it")?;
        at += count as u64;
        let bytes = Bytes::copy_from_slice(piece.get(..count).unwrap_or_default());
        // An empty piece is its end.
        let fed = timeout(READ_TIMEOUT, call.feed(bytes)).await;
        fed.map_err(|_| "takes nothing more")?
            .map_err(|_| "stopped taking it")?;
        if count == 0 {
            return Ok(());
        }
    }
}

async fn received(call: &mut Call, host: &Host) -> Result<(), Failure> {
    let waited = timeout(WRITTEN_WITHIN, async {
        loop {
            match call.next().await {
                Received::EngineMessage(EngineMessage::Done) => return Ok(()),
                Received::EngineMessage(EngineMessage::Failure(failed)) => return Err(failed.into()),
                Received::EngineMessage(_) => {}
                Received::Lost(error) => return Err(host.lost(error)),
                Received::Ended => {
                    let ended =
                        Failure::failed(format!("the engine on `{}` exited without an answer", host.name));
                    return Err(ended.showing(call.complaint().lines().map(str::to_owned)));
                }
            }
        }
    });
    waited.await.unwrap_or_else(|_| {
        Err(Failure::failed(format!(
            "the engine on `{}` did not confirm the upload",
            host.name
        )))
    })
}
