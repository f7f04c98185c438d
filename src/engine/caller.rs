//! Who asked for a command, and on what terms: somebody at a terminal, or a client over
//! SSH that can say more while it runs.

use model::event::{Event, Sink};
use model::wire::{Expected, Participant};

use crate::control::ControlChannel;

/// Whoever asked.
pub struct Caller<'a> {
    sink: &'a dyn Sink,
    /// What they say while it runs.
    pub control: ControlChannel,
    /// What they saw live.
    pub expected: Option<Expected>,
    /// Their part in a run over several hosts.
    pub fleet: Option<Participant>,
    /// By what they will ask what came of it, if they have to.
    pub request_id: Option<String>,
}

impl<'a> Caller<'a> {
    /// Somebody on this host.
    #[must_use]
    pub fn here(sink: &'a dyn Sink) -> Caller<'a> {
        Caller::afar(sink, ControlChannel::none(), None, None)
    }

    /// A client.
    #[must_use]
    pub fn afar(
        sink: &'a dyn Sink,
        control: ControlChannel,
        expected: Option<Expected>,
        fleet: Option<Participant>,
    ) -> Caller<'a> {
        Caller {
            sink,
            control,
            expected,
            fleet,
            request_id: None,
        }
    }
}

impl Sink for Caller<'_> {
    fn emit(&self, event: Event) {
        self.sink.emit(event);
    }
}
