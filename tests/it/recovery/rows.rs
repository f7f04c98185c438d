//! Every row of the recovery table, made for real: the journal of a deploy that died in
//! this phase, the link here, NGINX there.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;

use bluegreen::model::attempt::Phase;
use bluegreen::model::color::{Color, Route};
use bluegreen::model::journal::{JournalState, OpenRun, Record, RunId, Verb};
use bluegreen::model::recovery::{Action, Seen, action};
use bluegreen::model::release::ReleaseId;
use jiff::Timestamp;

use super::scene::{answering, answering_pid, journal, last_record, point_link, records, slot, two_releases};
use crate::sandbox::outcome::Outcome;
use crate::sandbox::{Sandbox, set};

/// Each phase in which a run can be found dead.
pub const PHASES: [Phase; 5] = [
    Phase::Preparing,
    Phase::Replacing,
    Phase::Swapping,
    Phase::Proven,
    Phase::PuttingBack,
];

/// A host with a run that died: it found `from` and was heading for the other color.
struct Scene {
    sandbox: Sandbox,
    from: Route,
    to: Route,
    /// The journal before that run.
    before: Vec<u8>,
    done: usize,
    /// How often the table wanted what.
    wanted: BTreeMap<String, usize>,
}

impl Scene {
    fn new(way: &str, from: Color) -> Scene {
        let sandbox = Sandbox::deployed_with(|config| {
            set(config, "nginx", "switch", way);
            // Two listeners and proofs that fail take their whole deadline.
            set(config, "timeouts", "proof", "1500ms");
        });
        two_releases(&sandbox);
        if from == Color::Blue {
            sandbox.bg(&["switch", "blue"]).assert_code(0);
        }
        Scene {
            before: fs::read(journal(&sandbox)).unwrap(),
            from: Route::to(from),
            to: Route::to(from.other()),
            sandbox,
            done: 0,
            wanted: BTreeMap::new(),
        }
    }

    fn route(&self, seen: Seen) -> Option<Route> {
        match seen {
            Seen::From => Some(self.from),
            Seen::To => Some(self.to),
            Seen::Other => Some(Route {
                maintenance: true,
                ..self.from
            }),
            Seen::Nothing => None,
        }
    }

    fn point(&self, seen: Seen) {
        match self.route(seen) {
            Some(route) => point_link(&self.sandbox, &route.folder()),
            None => fs::remove_file(self.sandbox.link_folder().join("live")).unwrap(),
        }
    }

    /// What the idle slot holds, and what it is said to have held before.
    fn candidate(&self) -> (ReleaseId, ReleaseId) {
        let held = |color| slot(&self.sandbox, color).unwrap();
        let (mine, other) = (held(self.to.color), held(self.from.color));
        if mine != other {
            return (mine, other);
        }
        let all = fs::read_dir(self.sandbox.app_root().join("releases")).unwrap();
        let names = all
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok());
        let another = names.filter_map(|name| name.parse().ok()).find(|id| *id != mine);
        (mine, another.unwrap())
    }

    /// Writes what the dead run had written, and returns what the journal makes of it.
    fn die_in(&self, phase: Phase) -> OpenRun {
        let run = RunId(format!("20261123T181500000Z-{}", self.done));
        let at = Timestamp::now();
        let (release, replaces) = self.candidate();
        let mut lines = vec![Record::Begin {
            run: run.clone(),
            at,
            verb: Verb::Deploy,
            by: "ada".into(),
            from: self.from,
            was: slot(&self.sandbox, self.from.color),
            fleet: false,
            request_id: None,
        }];
        let path = match phase {
            Phase::Preparing => &[][..],
            Phase::Replacing => &[Phase::Replacing],
            Phase::Swapping => &[Phase::Replacing, Phase::Swapping],
            Phase::Proven => &[Phase::Replacing, Phase::Swapping, Phase::Proven],
            Phase::PuttingBack => &[Phase::Replacing, Phase::Swapping, Phase::PuttingBack],
        };
        lines.extend(path.iter().map(|phase| Record::Enter {
            run: run.clone(),
            at,
            phase: *phase,
            to: self.to,
            release: Some(release.clone()),
            replaces: (*phase == Phase::Replacing).then(|| replaces.clone()),
        }));
        let mut file = fs::File::create(journal(&self.sandbox)).unwrap();
        file.write_all(&self.before).unwrap();
        for line in lines {
            writeln!(file, "{}", serde_json::to_string(&line).unwrap()).unwrap();
        }
        JournalState::of(&records(&self.sandbox)).open.unwrap()
    }

    /// Runs `bg repair` on one row and compares what it did with what the table says.
    fn try_row(&mut self, phase: Phase, link: Seen, nginx: Seen) {
        self.point(link);
        let open = self.die_in(phase);
        // A preparing run has no goal yet: where it would have gone is just elsewhere.
        let seen = |seen| Seen::of(self.route(seen), &open);
        let wanted = action(phase, seen(link), seen(nginx));
        let row = format!(
            "row {}: {phase:?}, link {link:?}, NGINX {nginx:?}: {wanted:?}",
            self.done
        );
        eprintln!("{row}");
        let (shown, before) = (self.sandbox.bg(&["repair", "--plan"]), self.stand());
        assert!(shown.stdout.contains(&open.run.0), "{row}: {shown}");
        assert_eq!(self.stand(), before, "{row}: looking changes nothing");

        let repair = self.sandbox.bg(&["repair"]);
        if wanted == Action::Refuse {
            repair
                .assert_code(7)
                .assert_says("bg cannot repair that safely on its own");
            assert_eq!(self.stand(), before, "{row}: {repair}");
        } else if wanted == Action::PutBack && nginx == Seen::Nothing {
            // The link goes back at once; that NGINX follows can only be proven once it is there.
            repair
                .assert_code(7)
                .assert_says("bg cannot repair that safely on its own");
            assert_eq!(self.sandbox.link(), self.from.folder(), "{row}: {repair}");
            assert_eq!(
                JournalState::of(&records(&self.sandbox)).open.unwrap().run,
                open.run,
                "{row}"
            );
        } else {
            self.assert_done(&row, wanted, &open, nginx, &repair);
        }
        assert!(self.sandbox.lock_is_free(), "{row}");
        self.done += 1;
        *self.wanted.entry(format!("{wanted:?}")).or_default() += 1;
    }

    fn assert_done(&self, row: &str, wanted: Action, open: &OpenRun, nginx: Seen, repair: &Outcome) {
        let at = Some(if wanted == Action::Finish {
            self.to
        } else {
            self.from
        });
        // Without NGINX the run is ended all the same, and the command that came upon it
        // goes no further.
        let stopped = nginx == Seen::Nothing;
        repair.assert_code(if stopped { 7 } else { 0 });
        repair.assert_says(&format!("deploy {} died while", open.run));
        let restored = match wanted {
            Action::Abandon => "record that the run ended",
            Action::RestoreSlot => "restore the release that",
            Action::Finish => "verify that",
            Action::PutBack => "put traffic back",
            Action::Follow => "make NGINX follow",
            Action::Refuse => unreachable!(),
        };
        repair.assert_says(restored);
        if !stopped {
            assert_eq!(
                self.sandbox.live_color(),
                at.map(|route| route.color),
                "{row}: {repair}"
            );
        }
        assert_eq!(
            Some(self.sandbox.link().as_str()),
            at.map(Route::folder).as_deref(),
            "{row}: {repair}"
        );
        let record = last_record(&self.sandbox);
        assert_eq!(record.run(), &open.run, "{row}");
        let as_noted = match (&record, wanted) {
            (Record::Commit { live, was, .. }, Action::Finish) => {
                live.color == self.to.color
                    && live.release == slot(&self.sandbox, self.to.color)
                    && *was == open.was
            }
            (Record::Abort { refused, .. }, Action::PutBack | Action::Follow) => {
                refused.as_ref() == open.attempt.release()
            }
            (Record::Abort { refused, .. }, Action::Abandon | Action::RestoreSlot) => refused.is_none(),
            _ => false,
        };
        assert!(as_noted, "{row}: {record:?}");
        let idle = self.to.color;
        if matches!(wanted, Action::RestoreSlot | Action::PutBack | Action::Follow) {
            let old = open.attempt.replaced().and_then(|slot| slot.old.clone());
            assert_eq!(slot(&self.sandbox, idle), old, "{row}: {repair}");
            let answers = answering(&self.sandbox, idle);
            assert_eq!(answers, old.map(|old| old.to_string()), "{row}: {repair}");
        }
    }

    /// Every row was tried, and so often each action: a table that was changed shows.
    fn assert_all(&self, wanted: &[(&str, usize)]) {
        let counted: Vec<_> = self
            .wanted
            .iter()
            .map(|(action, count)| (action.as_str(), *count))
            .collect();
        assert_eq!(counted, wanted);
        assert_eq!(self.done, wanted.iter().map(|(_, count)| count).sum::<usize>());
    }

    /// All that a refusal must leave alone.
    fn stand(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let of_both =
            Color::BOTH.map(|color| (slot(&self.sandbox, color), answering_pid(&self.sandbox, color)));
        let link = fs::read_link(self.sandbox.link_folder().join("live")).ok();
        (link, of_both, fs::read(journal(&self.sandbox)).unwrap())
    }
}

#[test]
fn in_the_reload_way_every_row_of_the_table_is_done_or_refused_as_it_says() {
    let mut scene = Scene::new("reload", Color::Blue);
    for nginx in [Seen::From, Seen::To, Seen::Other, Seen::Nothing] {
        for phase in PHASES {
            for link in [Seen::From, Seen::To, Seen::Other, Seen::Nothing] {
                if nginx == Seen::Nothing {
                    scene.sandbox.front.stop();
                } else {
                    scene.point(nginx);
                    scene.sandbox.front.reload();
                }
                scene.try_row(phase, link, nginx);
            }
        }
    }
    scene.assert_all(&[
        ("Abandon", 2),
        ("Finish", 2),
        ("Follow", 3),
        ("PutBack", 5),
        ("Refuse", 62),
        ("RestoreSlot", 6),
    ]);
    scene.point(Seen::From);
    scene.sandbox.front.start_again();
}

#[test]
fn in_the_live_way_every_row_that_can_be_is_done_or_refused_as_it_says() {
    // NGINX looks through the link, and where there is none it takes blue.
    let seen = [
        (Seen::From, Seen::From),
        (Seen::To, Seen::To),
        (Seen::Other, Seen::Other),
        (Seen::Nothing, Seen::To),
    ];
    let mut scene = Scene::new("live", Color::Green);
    for phase in PHASES {
        for (link, nginx) in seen {
            scene.try_row(phase, link, nginx);
        }
    }
    scene.sandbox.front.stop();
    for phase in PHASES {
        for (link, _) in seen {
            scene.try_row(phase, link, Seen::Nothing);
        }
    }
    scene.assert_all(&[
        ("Abandon", 2),
        ("Finish", 2),
        ("PutBack", 2),
        ("Refuse", 28),
        ("RestoreSlot", 6),
    ]);
    scene.point(Seen::From);
    scene.sandbox.front.start_again();
}
