//! `bg exec` on another machine: standard input, output and error go through as they are.

use std::io::Read;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::model::failure::Failure;
use crate::model::wire::{Request, Said};
use crate::remote::call::{Call, Heard, Raw};
use crate::remote::host::Host;
use crate::ui::Ui;

use super::run::told;

/// A piece of standard input.
const PIECE: usize = 32 << 10;

/// Runs the command of `request` there; returns its exit code, 255 as ssh does when the
/// connection is lost.
pub async fn exec(host: &Host, request: &Request, ui: Ui) -> u8 {
    let mut call = match host.call(request, false, &|_| {}).await {
        Ok(call) => call,
        Err(failure) => return told(ui, Err(failure)),
    };
    match call.next().await {
        Heard::Said(Said::Done) => pass(&mut call, host, ui).await,
        Heard::Said(Said::Failure(failed)) => told(ui, Err(failed.into())),
        Heard::Lost(error) => told(ui, Err(host.lost(error))),
        Heard::Said(_) | Heard::Ended => told(
            ui,
            Err(
                Failure::failed(format!("`{}` did not start the command", host.name))
                    .showing(call.complaint().lines().map(str::to_owned)),
            ),
        ),
    }
}

async fn pass(call: &mut Call, host: &Host, ui: Ui) -> u8 {
    let mut typed = standard_input();
    let mut open = true;
    loop {
        tokio::select! {
            raw = call.next_raw() => match raw {
                Raw::Stdout(bytes) => Ui::raw(&bytes, &[]),
                Raw::Stderr(bytes) => Ui::raw(&[], &bytes),
                Raw::Ended(code) => return u8::try_from(code).unwrap_or(255),
                Raw::Signal(_) => return 255,
                Raw::Lost(error) => {
                    told(ui, Err(host.lost(error)));
                    return 255;
                }
            },
            piece = typed.recv(), if open => {
                let piece = piece.unwrap_or_default();
                open = !piece.is_empty();
                open &= call.feed(piece).await.is_ok();
            }
        }
    }
}

/// Read by a thread, which a terminal may hold up for ever without anybody waiting for it.
fn standard_input() -> mpsc::Receiver<Bytes> {
    let (send, receive) = mpsc::channel(4);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut piece = vec![0; PIECE];
        while let Ok(count @ 1..) = stdin.read(&mut piece) {
            let bytes = Bytes::copy_from_slice(piece.get(..count).unwrap_or_default());
            if send.blocking_send(bytes).is_err() {
                return;
            }
        }
    });
    receive
}
