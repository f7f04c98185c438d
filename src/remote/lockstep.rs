//! Several hosts as one: everything is staged and gated everywhere, then all switch, and
//! when one does not, the others go back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures_util::future::join_all;
use model::event::{Event, FleetStage, Note};
use model::failure::{Failure, Kind};
use model::wire::{ClientMessage, Request};
use tokio::sync::{Semaphore, mpsc, watch};

use super::host::{Host, Tell};
use super::interrupts::Interrupts;
use super::relay::{self, Finished, Onlooker};
use crate::verbs::Answer;

/// A host with whoever looks on at it.
pub struct Member<'a> {
    /// The host.
    pub host: &'a Host,
    /// What it is asked for.
    pub request: Request,
    /// Who is shown what it says.
    pub onlooker: &'a dyn Onlooker,
}

/// What a run on several hosts came to.
#[derive(Debug)]
pub struct Coordinated {
    /// Each host's part, in order.
    pub finished: Vec<Finished>,
    /// From the first switch that was heard of to the last.
    pub skew_ms: Option<f64>,
    /// Whether all moved, so that nobody was told to go back.
    pub together: bool,
}

/// How far a host has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// It fetches, builds, starts, gates.
    Staging,
    /// It has its release, and waits for the schema to be migrated.
    Whole,
    /// It is the primary, and the schema is as the release needs it.
    Migrated,
    /// The same, and earlier releases do not work with it.
    Contracted,
    /// It waits for the others.
    Ready,
    /// Its traffic moved.
    Moved,
    /// It ended, and its traffic is where it should be.
    Done,
    /// It ended, and its traffic is not.
    Failed,
}

/// Has each member do the same, at most `parallel` at a time, without waiting for each
/// other.
pub async fn each(
    members: &[Member<'_>],
    as_root: bool,
    parallel: usize,
    messages: &relay::Messages,
) -> Vec<Finished> {
    let room = Semaphore::new(parallel);
    let one = async |member: &Member<'_>| {
        let _room = room.acquire().await;
        relay::carry_out(
            member.host,
            &member.request,
            as_root,
            messages.clone(),
            member.onlooker,
        )
        .await
    };
    join_all(members.iter().map(one)).await
}

/// How members are one company.
#[derive(Clone, Copy, Debug)]
pub struct Together {
    /// How many are worked on at the same time.
    pub parallel: usize,
    /// The one where what must happen once happens.
    pub primary: usize,
}

/// Has all members switch together or not at all; `tell_all` hears of what concerns all of them.
pub async fn switch_together(
    members: &[Member<'_>],
    together: Together,
    interrupts: Interrupts,
    tell_all: Tell<'_>,
) -> Coordinated {
    let (tell, told) = mpsc::unbounded_channel();
    let (message, messages) = watch::channel(None);
    let room = Arc::new(Semaphore::new(together.parallel));
    let participants = Participants::new(members.len(), together.primary);
    let run = join_all(members.iter().enumerate().map(|(index, member)| {
        let watcher = Watcher {
            index,
            tell: tell.clone(),
            onlooker: member.onlooker,
            room: Mutex::new(None),
        };
        take_part(member, watcher, Arc::clone(&room), messages.clone())
    }));
    drop(tell);
    let (finished, participants) =
        tokio::join!(run, coordinate(participants, told, message, interrupts, tell_all));
    Coordinated {
        finished,
        skew_ms: participants.skew_ms(),
        together: participants.decision == Some(ClientMessage::Stay),
    }
}

async fn take_part(
    member: &Member<'_>,
    watcher: Watcher<'_>,
    room: Arc<Semaphore>,
    messages: relay::Messages,
) -> Finished {
    let permit = room.acquire_owned().await.ok();
    *watcher.room.lock().unwrap_or_else(PoisonError::into_inner) = permit;
    let held_back = matches!(
        *messages.borrow(),
        Some(ClientMessage::Back | ClientMessage::Stop)
    );
    let finished = if held_back {
        Failure::new(Kind::Interrupted, "skipped: another host was not ready").into()
    } else {
        relay::carry_out(member.host, &member.request, false, messages, &watcher).await
    };
    let step = match &finished.result {
        Ok(Some(Answer::Deployed(_) | Answer::Stepped(_))) => Step::Done,
        _ => Step::Failed,
    };
    watcher.tell.send((watcher.index, step)).ok();
    finished
}

/// Looks on at one host and tells how far it has come.
struct Watcher<'a> {
    index: usize,
    tell: mpsc::UnboundedSender<(usize, Step)>,
    onlooker: &'a dyn Onlooker,
    /// Given up when the host waits for the others: it does no work then.
    room: Mutex<Option<tokio::sync::OwnedSemaphorePermit>>,
}

impl Onlooker for Watcher<'_> {
    fn event(&self, event: Event) {
        let step = match &event {
            Event::AwaitsSchema { .. } => Some(Step::Whole),
            Event::SchemaReady { contract: None, .. } => Some(Step::Migrated),
            Event::SchemaReady { .. } => Some(Step::Contracted),
            Event::Ready { .. } => Some(Step::Ready),
            Event::TrafficMoved { .. } | Event::Stepped { .. } => Some(Step::Moved),
            _ => None,
        };
        if matches!(step, Some(Step::Whole | Step::Ready)) {
            self.room.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        if let Some(step) = step {
            self.tell.send((self.index, step)).ok();
        }
        self.onlooker.event(event);
    }

    fn lines(&self, text: &str) {
        self.onlooker.lines(text);
    }

    fn look(&self, answer: &Answer) {
        self.onlooker.look(answer);
    }
}

/// Where all hosts stand, and the last word that was given.
struct Participants {
    steps: Vec<Step>,
    primary: usize,
    moved: Vec<Instant>,
    decision: Option<ClientMessage>,
}

impl Participants {
    fn new(hosts: usize, primary: usize) -> Participants {
        Participants {
            steps: vec![Step::Staging; hosts],
            primary,
            moved: Vec::new(),
            decision: None,
        }
    }

    fn note(&mut self, index: usize, step: Step) {
        if step == Step::Moved {
            self.moved.push(Instant::now());
        }
        if let Some(at) = self.steps.get_mut(index) {
            *at = step;
        }
    }

    /// What is to be said now, if anything: once back, always back.
    fn next_decision(&self) -> Option<ClientMessage> {
        let all = |fits: fn(&Step) -> bool| self.steps.iter().all(fits);
        match self.decision {
            Some(ClientMessage::Back | ClientMessage::Stop | ClientMessage::Stay) => None,
            _ if self.steps.contains(&Step::Failed) => Some(ClientMessage::Back),
            None if all(|step| *step != Step::Staging) && self.steps.contains(&Step::Whole) => {
                Some(self.whose_schema())
            }
            Some(ClientMessage::Migrate) if self.steps.get(self.primary) != Some(&Step::Whole) => {
                Some(self.whose_schema())
            }
            None | Some(ClientMessage::Start | ClientMessage::StartContracted)
                if all(|step| matches!(step, Step::Ready | Step::Done)) =>
            {
                Some(ClientMessage::Go)
            }
            Some(ClientMessage::Go) if all(|step| matches!(step, Step::Moved | Step::Done)) => {
                Some(ClientMessage::Stay)
            }
            _ => None,
        }
    }

    /// The primary migrates when every host has its release, and the others go on after it;
    /// at once where it has nothing to migrate.
    fn whose_schema(&self) -> ClientMessage {
        match self.steps.get(self.primary) {
            Some(Step::Whole) => ClientMessage::Migrate,
            Some(Step::Contracted) => ClientMessage::StartContracted,
            _ => ClientMessage::Start,
        }
    }

    /// Whether no host has been told to move traffic.
    fn is_before_the_move(&self) -> bool {
        matches!(
            self.decision,
            None | Some(ClientMessage::Migrate | ClientMessage::Start | ClientMessage::StartContracted)
        )
    }

    fn stage(&self) -> FleetStage {
        match self.decision {
            _ if self.is_before_the_move() => FleetStage::BeforeTheMove,
            Some(ClientMessage::Go | ClientMessage::Stay) => FleetStage::Moving,
            _ => FleetStage::Stopping,
        }
    }

    fn skew_ms(&self) -> Option<f64> {
        let (first, last) = (self.moved.iter().min()?, self.moved.iter().max()?);
        Some(last.duration_since(*first).as_secs_f64() * 1000.0)
    }
}

/// Hears how far each host is and gives the word, until all have ended.
async fn coordinate(
    mut participants: Participants,
    mut told: mpsc::UnboundedReceiver<(usize, Step)>,
    message: watch::Sender<Option<ClientMessage>>,
    mut interrupts: Interrupts,
    tell_all: Tell<'_>,
) -> Participants {
    let mut asked_to_stop = false;
    loop {
        let decision = tokio::select! {
            news = told.recv() => {
                let Some((index, step)) = news else { return participants };
                participants.note(index, step);
                participants.next_decision()
            }
            () = interrupts.first(), if !asked_to_stop => {
                asked_to_stop = true;
                let when = participants.stage();
                tell_all(Event::Noted(Note::AskedHostsToStop { when }));
                // After the word to go, the hosts finish, or all of them go back.
                participants.is_before_the_move().then_some(ClientMessage::Stop)
            }
        };
        if let Some(decision) = decision {
            participants.decision = Some(decision);
            message.send_replace(Some(decision));
        }
    }
}

#[cfg(test)]
mod tests;
