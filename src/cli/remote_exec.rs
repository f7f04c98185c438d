//! `bg exec` on another machine: standard input, output and error go through as they are.

use std::io::Read;

use bytes::Bytes;
use model::failure::Failure;
use model::wire::{EngineMessage, Failed, Request};
use nix::sys::signal::Signal;
use tokio::sync::mpsc;

use crate::remote::call::{Call, Raw, Received};
use crate::remote::host::Host;
use crate::ui::Ui;

/// A piece of standard input.
const PIECE: usize = 32 << 10;

/// Runs the command of `request` there; returns its exit code, 128 and the number of a signal
/// that ended it, 255 as ssh does when the connection is lost.
pub async fn exec(host: &Host, request: &Request, ui: Ui) -> u8 {
    let mut call = match host.call(request, false, &|_| {}).await {
        Ok(call) => call,
        Err(failure) => return ui.end(Err(failure)),
    };
    match call.next().await {
        Received::EngineMessage(EngineMessage::Done) => pass(&mut call, host, ui).await,
        Received::EngineMessage(EngineMessage::Failure(failed)) => ui.end(Err(failed.into())),
        Received::Lost(error) => ui.end(Err(host.lost(error))),
        Received::EngineMessage(_) | Received::Ended => ui.end(Err(Failure::failed(format!(
            "`{}` did not start the command",
            host.name
        ))
        .showing(call.complaint().lines().map(str::to_owned)))),
    }
}

async fn pass(call: &mut Call, host: &Host, ui: Ui) -> u8 {
    let mut typed = standard_input();
    let (mut open, mut silent) = (true, true);
    loop {
        tokio::select! {
            raw = call.next_raw() => match raw {
                Raw::Stdout(bytes) => {
                    if let Some(failed) = not_started(&bytes).filter(|_| silent) {
                        return ui.end(Err(failed.into()));
                    }
                    silent = false;
                    Ui::raw(&bytes, &[]);
                }
                Raw::Stderr(bytes) => Ui::raw(&[], &bytes),
                Raw::Ended(code) => return u8::try_from(code).unwrap_or(255),
                Raw::Signal(name) => return signalled(&name),
                Raw::Lost(error) => {
                    ui.end(Err(host.lost(error)));
                    return 255;
                }
            },
            piece = typed.recv(), if open => {
                let piece = piece.unwrap_or_default();
                open = !piece.is_empty();
                let mut failed = None;
                let print = |stdout: &[u8], stderr: &[u8]| {
                    failed = failed.take().or_else(|| not_started(stdout).filter(|_| silent));
                    if failed.is_none() {
                        silent &= stdout.is_empty();
                        Ui::raw(stdout, stderr);
                    }
                };
                open &= call.feed_and_hear(piece, print).await.is_ok();
                if let Some(failed) = failed {
                    return ui.end(Err(failed.into()));
                }
            }
        }
    }
}

/// The engine's last word, when it did not become the command after all: its first output is
/// a line of the wire then.
fn not_started(bytes: &[u8]) -> Option<Failed> {
    match serde_json::from_slice(bytes) {
        Ok(EngineMessage::Failure(failed)) => Some(failed),
        _ => None,
    }
}

/// As shells count it: 128 and the signal's number. 255 for a signal that is none of ours.
fn signalled(name: &str) -> u8 {
    let signal = format!("SIG{name}").parse::<Signal>();
    signal.map_or(255, |signal| 128 + u8::try_from(signal as i32).unwrap_or(127))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_counts_as_in_a_shell() {
        for (name, code) in [
            ("KILL", 137),
            ("TERM", 143),
            ("SEGV", 139),
            ("odd@example.com", 255),
        ] {
            assert_eq!(signalled(name), code, "{name}");
        }
    }
}
