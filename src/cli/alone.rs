//! A command on one other machine, shown as if it had been done here.

use model::event::{Event, Sink};
use model::failure::{Failure, Traffic};
use model::wire::{Order, Saw};
use tokio::sync::watch;

use super::errand::{Errand, left};
use super::source::brought;
use super::{desk, passage};
use crate::remote::host::{Host, Way};
use crate::remote::interrupts::Interrupts;
use crate::remote::relay::{self, Finished, Onlooker};
use crate::ui::Ui;
use crate::verbs::Answer;

/// Does the errand on the host of this name; returns the exit code.
pub async fn alone(errand: &Errand, name: &str, way: &Way) -> u8 {
    let ui = errand.ui;
    let host = match Host::connect(name, way, &|event| ui.emit(event)).await {
        Ok(host) => host,
        Err(failure) => return ui.end(Err(failure)),
    };
    let code = if errand.verb.becomes_a_program() {
        passage::exec(&host, &errand.request(name), ui).await
    } else {
        let world = errand.world_before().await;
        let finished = carry_out(errand, &host, &Here(ui)).await;
        let finished = world_after(errand, world, finished).await;
        let finished = errand.seen_from_here(name, finished);
        let finished = desk::after(errand, finished).await;
        ui.end(finished.result);
        finished.code
    };
    host.close().await;
    code
}

async fn carry_out(errand: &Errand, host: &Host, onlooker: &Here) -> Finished {
    if let Err(failure) = brought::bring_to(host, errand, &|event| onlooker.event(event)).await {
        return failure.into();
    }
    let mut request = errand.request_to_remember(&host.name);
    if errand.verb.changes() {
        // Without a sight the verb itself says what is wrong.
        request.saw = errand.sight(host).await.ok().map(|sighted| Saw {
            live: sighted.live.release,
        });
    }
    let mut interrupts = Interrupts::listen();
    let mut second = interrupts.clone();
    let (order, orders) = watch::channel(None);
    let work = relay::carry_out(host, &request, errand.verb.needs_root(), orders, onlooker);
    tokio::pin!(work);
    loop {
        tokio::select! {
            finished = &mut work => return finished,
            () = interrupts.first(), if order.borrow().is_none() => {
                if errand.verb.changes() {
                    onlooker.event(Event::Noted {
                        text: format!("asked `{}` to stop before traffic moves; Ctrl-C again leaves the run to the host", host.name),
                    });
                }
                order.send_replace(Some(Order::Stop));
            }
            () = second.second() => return left(&host.name).into(),
        }
    }
}

async fn world_after(errand: &Errand, before: Option<bool>, finished: Finished) -> Finished {
    let Ok(Some(Answer::Deployed(done))) = &finished.result else {
        return finished;
    };
    match errand.world_now(before).await {
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
struct Here(Ui);

impl Onlooker for Here {
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
