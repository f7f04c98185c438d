//! A command on one other machine, shown as if it had been done here.

use model::event::{Event, Note, Sink};
use model::failure::{Failure, Traffic};
use model::wire::{ClientMessage, Expected};
use tokio::sync::watch;

use super::invocation::{Invocation, left};
use super::source::bundle;
use super::{client_hooks, remote_exec};
use crate::remote::host::{Host, Way};
use crate::remote::interrupts::Interrupts;
use crate::remote::relay::{self, Finished, Onlooker};
use crate::ui::Ui;
use crate::verbs::Answer;

/// Does the command on the host of this name; returns the exit code.
pub async fn run(invocation: &Invocation, name: &str, way: &Way) -> u8 {
    let ui = invocation.ui;
    let host = match Host::connect(name, way, &|event| ui.emit(event)).await {
        Ok(host) => host,
        Err(failure) => return ui.end(Err(failure)),
    };
    let code = if invocation.verb.kind().becomes_a_program() {
        remote_exec::exec(&host, &invocation.request(name), ui).await
    } else {
        let world = invocation.world_before().await;
        let finished = carry_out(invocation, &host, &AsIfHere(ui)).await;
        let finished = world_after(invocation, world, finished).await;
        let finished = invocation.seen_from_here(name, finished);
        let finished = client_hooks::after(invocation, finished).await;
        ui.end(finished.result);
        finished.code
    };
    host.close().await;
    code
}

async fn carry_out(invocation: &Invocation, host: &Host, onlooker: &AsIfHere) -> Finished {
    if let Err(failure) = bundle::upload_to(host, invocation, &|event| onlooker.event(event)).await {
        return failure.into();
    }
    let mut request = invocation.request_to_remember(&host.name);
    if invocation.verb.kind().changes() {
        // Without a sight the verb itself says what is wrong.
        request.expected = invocation.observe(host).await.ok().map(|observed| Expected {
            live: observed.live.release,
        });
    }
    let mut interrupts = Interrupts::listen();
    let mut second = interrupts.clone();
    let (message, messages) = watch::channel(None);
    let work = relay::carry_out(
        host,
        &request,
        invocation.verb.kind().needs_root(),
        messages,
        onlooker,
    );
    tokio::pin!(work);
    loop {
        tokio::select! {
            finished = &mut work => return finished,
            () = interrupts.first(), if message.borrow().is_none() => {
                if invocation.verb.kind().changes() {
                    let on = host.name.clone();
                    onlooker.event(Event::Noted(Note::AskedHostToStop { on }));
                }
                message.send_replace(Some(ClientMessage::Stop));
            }
            () = second.second() => return left(&host.name).into(),
        }
    }
}

async fn world_after(invocation: &Invocation, before: Option<bool>, finished: Finished) -> Finished {
    let Ok(Some(Answer::Deployed(done))) = &finished.result else {
        return finished;
    };
    match invocation.world_now(before).await {
        None => finished,
        Some(error) => Failure::failed("the public URL answered before the switch and does not answer now")
            .because(error)
            .hint("`bg rollback` goes back at once")
            .with_traffic(Traffic::Moved {
                live: done.live.clone(),
            })
            .into(),
    }
}

/// The host is shown as if it were this one.
struct AsIfHere(Ui);

impl Onlooker for AsIfHere {
    fn event(&self, event: Event) {
        self.0.emit(event);
    }
    fn lines(&self, text: &str) {
        self.0.lines(text);
    }
    fn look(&self, answer: &Answer) {
        self.0.look(answer);
    }
}
