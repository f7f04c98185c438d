//! Who asked for a command, and on what terms: somebody at a terminal, or a client over
//! SSH that can say more while it runs.

use model::event::{Event, Sink};
use model::wire::{InStep, Saw};

use crate::orders::Orders;

/// Whoever asked.
pub struct Caller<'a> {
    sink: &'a dyn Sink,
    /// What they say while it runs.
    pub orders: Orders,
    /// What they saw live.
    pub saw: Option<Saw>,
    /// Their part in a run over several hosts.
    pub fleet: Option<InStep>,
    /// By what they will ask what came of it, if they have to.
    pub ticket: Option<String>,
}

impl<'a> Caller<'a> {
    /// Somebody on this host.
    #[must_use]
    pub fn here(sink: &'a dyn Sink) -> Caller<'a> {
        Caller::afar(sink, Orders::none(), None, None)
    }

    /// A client.
    #[must_use]
    pub fn afar(sink: &'a dyn Sink, orders: Orders, saw: Option<Saw>, fleet: Option<InStep>) -> Caller<'a> {
        Caller {
            sink,
            orders,
            saw,
            fleet,
            ticket: None,
        }
    }
}

impl Sink for Caller<'_> {
    fn emit(&self, event: Event) {
        self.sink.emit(event);
    }
}
