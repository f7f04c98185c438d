//! Years of use: releases and journal lines as `bg` writes them, made from those of a release
//! that really was deployed, under other names and other times.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use bluegreen::model::color::Color;
use bluegreen::model::layout::Layout;
use bluegreen::model::release::ReleaseId;
use bluegreen::release::prune;
use bluegreen::state::releases;
use jiff::{SignedDuration, Timestamp};

use crate::sandbox::Sandbox;

/// The first of them. Long before the real ones, which stay the latest.
const BEGINNING: &str = "2020-01-01T00:00:00Z";

/// What is multiplied.
pub struct Years {
    layout: Layout,
    /// The two releases that are really there, the older one first.
    real: Vec<ReleaseId>,
    /// What the journal said of them.
    journal: String,
    /// Names for releases to prune.
    next: Cell<u32>,
    kept: Cell<usize>,
}

impl Years {
    /// From a host on which two releases have been deployed.
    pub fn of(sandbox: &Sandbox) -> Years {
        let layout = Layout::new(sandbox.app_root());
        let real = releases::ids(&layout).unwrap();
        assert_eq!(real.len(), 2);
        Years {
            journal: fs::read_to_string(layout.journal()).unwrap(),
            real,
            layout,
            next: Cell::new(0),
            kept: Cell::new(2),
        }
    }

    /// As if `runs` deploys had gone by, of which the last `kept` releases are still there.
    pub fn pass(&self, kept: usize, runs: usize) {
        let ids: Vec<ReleaseId> = (0..runs.max(kept)).map(|number| self.id(number)).collect();
        self.write_journal(&ids[ids.len() - runs..]);
        for old in releases::ids(&self.layout).unwrap() {
            if !self.real.contains(&old) {
                fs::remove_dir_all(self.layout.release(&old)).unwrap();
                fs::remove_file(self.layout.manifest(&old)).unwrap();
            }
        }
        // The two that are really there count.
        for id in ids.iter().rev().take(kept - self.real.len()) {
            self.copy_release(id);
        }
        self.kept.set(kept);
    }

    /// One release more than is kept, older than all.
    pub fn add_one(&self) {
        let number = self.next.replace(self.next.get() + 1);
        self.copy_release(&self.named(-SignedDuration::from_hours(i64::from(number) + 1)));
    }

    /// A deploy's last step: the one goes that is too many.
    pub fn prune(&self) {
        let needed: BTreeSet<ReleaseId> = Color::BOTH
            .iter()
            .filter_map(|color| releases::slot(&self.layout, *color))
            .collect();
        let needs = prune::Needs {
            releases: &needed,
            paths: &[],
            has_served: &|_| true,
            holds_data: &|_| false,
        };
        let pruned = prune::prune(&self.layout, self.kept.get(), &needs).unwrap();
        assert_eq!(pruned.releases.len(), 1);
    }

    fn id(&self, number: usize) -> ReleaseId {
        let hours = i64::try_from(number).unwrap();
        self.named(SignedDuration::from_hours(hours))
    }

    fn named(&self, after: SignedDuration) -> ReleaseId {
        let beginning: Timestamp = BEGINNING.parse().unwrap();
        ReleaseId::new(beginning + after, self.real[0].short(), None)
    }

    /// The snapshot under another name, and the checkout.
    fn copy_release(&self, id: &ReleaseId) {
        let text = fs::read_to_string(self.layout.manifest(&self.real[0])).unwrap();
        let text = text.replace(self.real[0].as_str(), id.as_str());
        fs::write(self.layout.manifest(id), text).unwrap();
        copy_tree(&self.layout.release(&self.real[0]), &self.layout.release(id));
    }

    /// The lines of the real second deploy once for each, then what really was.
    fn write_journal(&self, ids: &[ReleaseId]) {
        let lines: Vec<&str> = self.journal.lines().collect();
        let second = lines
            .iter()
            .rposition(|line| line.contains("\"record\":\"begin\""))
            .unwrap();
        let one = lines[second..].join("\n");
        let run = field(&one, "run");
        let at = field(&one, "at");
        let real_file = self.layout.runs().join(format!("{run}.ndjson"));
        let mut text = String::new();
        let mut before = &self.real[0];
        for id in ids {
            let other = format!("{}-1234", id.made_at().unwrap().strftime("%Y%m%dT%H%M%S%3fZ"));
            let story = one
                .replace(&run, &other)
                .replace(&at, &id.made_at().unwrap().to_string())
                .replace(self.real[0].as_str(), "BEFORE")
                .replace(self.real[1].as_str(), id.as_str())
                .replace("BEFORE", before.as_str());
            text.push_str(&story);
            text.push('\n');
            before = id;
            fs::hard_link(&real_file, self.layout.runs().join(format!("{other}.ndjson"))).ok();
        }
        text.push_str(&self.journal);
        fs::write(self.layout.journal(), text).unwrap();
    }
}

/// What a field says where it is named first.
fn field(json: &str, name: &str) -> String {
    let from = json.split_once(&format!("\"{name}\":\"")).unwrap().1;
    from.split_once('"').unwrap().0.to_owned()
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let place: PathBuf = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy_tree(&entry.path(), &place);
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path()).unwrap(), place).unwrap();
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}
