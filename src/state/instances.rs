//! Which process holds which instance, as the files say: a link each, and a kernel lock that the
//! process holds for as long as it lives.

pub mod lock;

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use model::instance::{Holder, Instance};
use model::layout::Layout;
use model::release::ReleaseId;
use sys::process::{self, Process};
use sys::store::{self, FileError};

/// The variable that marks a worker and what it starts: the path of its lock.
pub const INSTANCE_MARK: &str = "BG_WORKER_LOCK";

/// Every instance that was ever taken and not given up, by name.
#[must_use]
pub fn all(layout: &Layout) -> BTreeSet<Instance> {
    let names = store::names(&layout.instances()).unwrap_or_default();
    names
        .iter()
        .filter(|name| !name.starts_with('.') && !name.ends_with(".replaced"))
        .map(|name| Instance::named(name.strip_suffix(".lock").unwrap_or(name)))
        .filter(|instance| release(layout, instance).is_some() || holder(layout, instance).is_some())
        .collect()
}

/// The release that an instance is to run.
#[must_use]
pub fn release(layout: &Layout, instance: &Instance) -> Option<ReleaseId> {
    let target = fs::read_link(layout.instance(instance)).ok()?;
    target.file_name()?.to_str()?.parse().ok()
}

/// Makes an instance run `id` from its next start on.
///
/// # Errors
/// When the link cannot be replaced.
pub fn point(layout: &Layout, instance: &Instance, id: &ReleaseId) -> Result<(), FileError> {
    let folder = layout.instances();
    fs::create_dir_all(&folder).map_err(FileError::at("create the folder", &folder))?;
    store::point(&layout.instance(instance), &Path::new("../../releases").join(id))
}

/// Gives an instance up: whoever PM2 starts for it waits.
///
/// # Errors
/// When the link cannot be removed.
pub fn give_up(layout: &Layout, instance: &Instance) -> Result<(), FileError> {
    let link = layout.instance(instance);
    match fs::remove_file(&link) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(FileError::at("remove", &link)(error)),
        _ => Ok(()),
    }
}

/// The last holder, whether that lives or not.
#[must_use]
pub fn last_holder(layout: &Layout, instance: &Instance) -> Option<Holder> {
    serde_json::from_slice(&fs::read(layout.instance_lock(instance)).ok()?).ok()
}

/// The holder.
#[must_use]
pub fn holder(layout: &Layout, instance: &Instance) -> Option<Holder> {
    last_holder(layout, instance).filter(lives)
}

/// Whether an holder is still there.
#[must_use]
pub fn lives(holder: &Holder) -> bool {
    process_of(holder).alive() && holder.boot == process::boot()
}

/// An holder as the kernel knows it.
#[must_use]
pub fn process_of(holder: &Holder) -> Process {
    Process {
        pid: holder.pid,
        started: holder.started,
    }
}

/// What was started from an instance and still runs, of this user, whoever its parent is by now.
#[must_use]
pub fn started_from(layout: &Layout, instance: &Instance) -> Vec<Process> {
    process::with_variable(INSTANCE_MARK, &layout.instance_lock(instance).to_string_lossy())
}

/// Every release that an instance names or runs.
#[must_use]
pub fn releases(layout: &Layout) -> BTreeSet<ReleaseId> {
    all(layout)
        .iter()
        .flat_map(|instance| {
            let runs = holder(layout, instance).map(|holder| holder.release);
            release(layout, instance).into_iter().chain(runs)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::instances::lock::{InstanceLock, InstanceLockError};
    use crate::instances::*;
    use model::color::Color;

    /// What a later version writes there: it is read by nobody, and the lock holds all the same.
    #[test]
    fn an_instance_that_makes_no_sense_is_taken_and_keeps_its_release() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path());
        let instance = Instance::colored("sync", Color::Blue);
        let id: ReleaseId = "20261123T181500Z-3f6f782".parse().unwrap();
        point(&layout, &instance, &id).unwrap();
        let held = InstanceLock::take(&layout.instance_lock(&instance)).unwrap();
        for text in ["", "{", r#"{"process":{"pid":7},"release":"x"}"#, r#"{"pid":-1}"#] {
            fs::write(layout.instance_lock(&instance), text).unwrap();
            assert_eq!(holder(&layout, &instance), None, "{text}");
            let second = InstanceLock::take(&layout.instance_lock(&instance));
            assert!(matches!(second, Err(InstanceLockError::Held(_))), "{text}");
            assert_eq!(releases(&layout), BTreeSet::from([id.clone()]), "{text}");
        }
        drop(held);
    }
}
