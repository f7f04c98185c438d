//! Who sits where, as the files say: a link a seat, and a kernel lock that whoever sits there
//! holds for as long as they live.

pub mod guard;

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use model::layout::Layout;
use model::release::ReleaseId;
use model::seat::{Occupant, Seat};
use sys::process::{self, Process};
use sys::store::{self, FileError};

/// The variable that marks a worker and what it starts: the path of its lock.
pub const SEAT_MARK: &str = "BG_WORKER_LOCK";

/// Every seat that was ever taken and not given up, by name.
#[must_use]
pub fn all(layout: &Layout) -> BTreeSet<Seat> {
    let names = store::names(&layout.seats()).unwrap_or_default();
    names
        .iter()
        .filter(|name| !name.starts_with('.') && !name.ends_with(".replaced"))
        .map(|name| Seat::named(name.strip_suffix(".lock").unwrap_or(name)))
        .filter(|seat| release(layout, seat).is_some() || occupant(layout, seat).is_some())
        .collect()
}

/// The release that a seat is to run.
#[must_use]
pub fn release(layout: &Layout, seat: &Seat) -> Option<ReleaseId> {
    let target = fs::read_link(layout.seat(seat)).ok()?;
    target.file_name()?.to_str()?.parse().ok()
}

/// Makes a seat run `id` from its next start on.
///
/// # Errors
/// When the link cannot be replaced.
pub fn point(layout: &Layout, seat: &Seat, id: &ReleaseId) -> Result<(), FileError> {
    let folder = layout.seats();
    fs::create_dir_all(&folder).map_err(FileError::at("create the folder", &folder))?;
    store::point(&layout.seat(seat), &Path::new("../../releases").join(id))
}

/// Gives a seat up: whoever PM2 starts for it waits.
///
/// # Errors
/// When the link cannot be removed.
pub fn give_up(layout: &Layout, seat: &Seat) -> Result<(), FileError> {
    let link = layout.seat(seat);
    match fs::remove_file(&link) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(FileError::at("remove", &link)(error)),
        _ => Ok(()),
    }
}

/// Who sat there last, whether they live or not.
#[must_use]
pub fn last_occupant(layout: &Layout, seat: &Seat) -> Option<Occupant> {
    serde_json::from_slice(&fs::read(layout.seat_lock(seat)).ok()?).ok()
}

/// Who sits there.
#[must_use]
pub fn occupant(layout: &Layout, seat: &Seat) -> Option<Occupant> {
    last_occupant(layout, seat).filter(lives)
}

/// Whether an occupant is still there.
#[must_use]
pub fn lives(occupant: &Occupant) -> bool {
    process_of(occupant).alive() && occupant.boot == process::boot()
}

/// An occupant as the kernel knows it.
#[must_use]
pub fn process_of(occupant: &Occupant) -> Process {
    Process {
        pid: occupant.pid,
        started: occupant.started,
    }
}

/// What was started from a seat and still runs, of this user, whoever its parent is by now.
#[must_use]
pub fn started_from(layout: &Layout, seat: &Seat) -> Vec<Process> {
    process::with_variable(SEAT_MARK, &layout.seat_lock(seat).to_string_lossy())
}

/// Every release that a seat names or runs.
#[must_use]
pub fn releases(layout: &Layout) -> BTreeSet<ReleaseId> {
    all(layout)
        .iter()
        .flat_map(|seat| {
            let runs = occupant(layout, seat).map(|occupant| occupant.release);
            release(layout, seat).into_iter().chain(runs)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::seats::guard::{Guard, GuardError};
    use crate::seats::*;
    use model::color::Color;

    /// What a later version writes there: it is read by nobody, and the lock holds all the same.
    #[test]
    fn a_seat_that_makes_no_sense_is_taken_and_keeps_its_release() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let seat = Seat::colored("sync", Color::Blue);
        let id: ReleaseId = "20261123T181500Z-3f6f782".parse().unwrap();
        point(&layout, &seat, &id).unwrap();
        let held = Guard::take(&layout.seat_lock(&seat)).unwrap();
        for text in ["", "{", r#"{"process":{"pid":7},"release":"x"}"#, r#"{"pid":-1}"#] {
            fs::write(layout.seat_lock(&seat), text).unwrap();
            assert_eq!(occupant(&layout, &seat), None, "{text}");
            let second = Guard::take(&layout.seat_lock(&seat));
            assert!(matches!(second, Err(GuardError::Held(_))), "{text}");
            assert_eq!(releases(&layout), BTreeSet::from([id.clone()]), "{text}");
        }
        drop(held);
    }
}
