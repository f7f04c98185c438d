use super::*;

fn participants(steps: &[Step], decision: Option<ClientMessage>) -> Participants {
    Participants {
        steps: steps.to_vec(),
        primary: 0,
        moved: Vec::new(),
        decision,
    }
}

#[test]
fn nobody_goes_before_all_are_ready_and_one_failure_sends_all_back() {
    use ClientMessage::{Back, Go, Migrate, Start, StartContracted, Stay};
    use Step::{Contracted, Done, Failed, Migrated, Moved, Ready, Staging, Whole};
    let table: [(&[Step], Option<ClientMessage>, Option<ClientMessage>); 21] = [
        (&[Whole, Staging], None, None),
        (&[Whole, Whole], None, Some(Migrate)),
        // The primary's configuration knows of no migration.
        (&[Ready, Whole], None, Some(Start)),
        (&[Whole, Whole], Some(Migrate), None),
        (&[Migrated, Whole], Some(Migrate), Some(Start)),
        (&[Contracted, Whole], Some(Migrate), Some(StartContracted)),
        (&[Failed, Whole], Some(Migrate), Some(Back)),
        (&[Migrated, Whole], Some(Start), None),
        (&[Ready, Whole], Some(Start), None),
        (&[Ready, Ready], Some(StartContracted), Some(Go)),
        (&[Staging, Ready], None, None),
        (&[Ready, Ready], None, Some(Go)),
        (&[Ready, Done], None, Some(Go)),
        (&[Failed, Staging], None, Some(Back)),
        (&[Failed, Ready], None, Some(Back)),
        (&[Moved, Ready], Some(Go), None),
        (&[Moved, Moved], Some(Go), Some(Stay)),
        (&[Moved, Done], Some(Go), Some(Stay)),
        (&[Moved, Failed], Some(Go), Some(Back)),
        (&[Done, Failed], Some(Back), None),
        (&[Moved, Failed], Some(Stay), None),
    ];
    let mut seen = 0;
    for (steps, decision, expected) in table {
        assert_eq!(
            participants(steps, decision).next_decision(),
            expected,
            "{steps:?} {decision:?}"
        );
        seen += 1;
    }
    assert_eq!(seen, 21);
}

struct Nobody;

impl Onlooker for Nobody {
    fn event(&self, _: Event) {}
    fn lines(&self, _: &str) {}
    fn look(&self, _: &Answer) {}
}

#[test]
fn a_host_that_waits_takes_nobodys_room() {
    let release = "20261123T181500Z-2f61c0a".parse().unwrap();
    let waits = [
        Event::AwaitsSchema { release },
        Event::Ready {
            color: model::color::Color::Blue,
            release: None,
        },
    ];
    let mut seen = 0;
    for event in waits {
        let room = Arc::new(Semaphore::new(1));
        let watcher = Watcher {
            index: 0,
            tell: mpsc::unbounded_channel().0,
            onlooker: &Nobody,
            room: Mutex::new(Arc::clone(&room).try_acquire_owned().ok()),
        };
        assert_eq!(room.available_permits(), 0);
        watcher.event(event);
        assert_eq!(room.available_permits(), 1);
        seen += 1;
    }
    assert_eq!(seen, 2);
}
