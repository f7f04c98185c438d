//! What can be asked for once a process is adopted: its data moved, or left.

use std::path::PathBuf;

use engine::adopted;
use engine::app::App;
use model::color::Color;
use model::failure::{Failure, Kind};
use model::layout::{Entry, Layout, NginxLayout};
use model::release::Manifest;
use state::releases;

use super::super::remove;
use super::data;
use super::record::Record;
use super::request::{Adopting, Ask};

/// An app that is there already is not adopted again.
pub(super) fn refuse_unless_unfinished(entry: &Entry) -> Result<(), Failure> {
    let record = Record::read(&NginxLayout::of(entry).adoption())?;
    match record {
        Some(record) if !record.done => Ok(()),
        Some(_) => Err(Failure::new(
            Kind::Config,
            format!(
                "`{}` is adopted already, in {}",
                entry.app,
                Layout::new(&entry.root).root().display()
            ),
        )
        .hint("`bg status` shows it; `bg deploy` makes the first release, `bg adopt --undo` undoes the adoption")),
        None => Err(Failure::new(
            Kind::Config,
            format!("`{}` is set up on this host already", entry.app),
        )
        .hint("choose another `app` in bg.toml, or `bg remove` first")),
    }
}

fn in_a_slot(app: &App) -> Result<Manifest, Failure> {
    Color::BOTH
        .into_iter()
        .filter_map(|color| releases::read(&app.layout, &releases::slot(&app.layout, color)?).ok())
        .find(|manifest| manifest.adopted.is_some())
        .ok_or_else(|| Failure::new(Kind::Config, "no slot holds an adopted process"))
}

/// Moves the data of an adopted process into `shared`.
///
/// # Errors
/// When it cannot be moved.
pub fn move_data(app: &App, yes: bool) -> Result<Adopting, Failure> {
    let owner = remove::owner(app)?;
    let (manifest, left) = {
        let _rights = remove::rights(&owner)?;
        let manifest = in_a_slot(app)?;
        let left = manifest.adopted.as_ref().map(adopted::left_behind);
        (manifest, left.unwrap_or_default())
    };
    let Some(known) = &manifest.adopted else {
        return Ok(Adopting::default());
    };
    let mut adopting = told(
        app,
        "move",
        &left,
        &format!("into {}", app.layout.shared().display()),
    );
    if !yes || left.is_empty() {
        return Ok(adopting);
    }
    if let Some(mut record) = Record::read(&app.nginx_files.adoption())? {
        record.moved.extend(
            left.iter()
                .filter(|path| !record.moved.contains(path))
                .cloned()
                .collect::<Vec<_>>(),
        );
        record.write()?;
    }
    data::share(&known.checkout, &app.layout.shared(), &left, &owner)?;
    adopting.done = true;
    Ok(adopting)
}

/// Says that the next release does without the data, or without the variables that PM2 gave
/// the process, as was asked for.
///
/// # Errors
/// When that cannot be written down.
pub fn leave(app: &App, ask: &Ask) -> Result<Adopting, Failure> {
    let owner = remove::owner(app)?;
    let _rights = remove::rights(&owner)?;
    let mut manifest = in_a_slot(app)?;
    let Some(known) = &mut manifest.adopted else {
        return Ok(Adopting::default());
    };
    let mut adopting = Adopting::default();
    if ask.leave_data {
        let left = adopted::left_behind(known);
        adopting = told(
            app,
            "leave",
            &left,
            "where it is; the next release starts without it",
        );
        known.data.clear();
    }
    if ask.leave_env {
        let step = |name: &String| format!("leave {name} out of the next release's environment");
        adopting.steps.extend(known.variables.iter().map(step));
        adopting.app = app.name().to_owned();
        known.variables.clear();
    }
    if !ask.yes {
        return Ok(adopting);
    }
    releases::write(&app.layout, &manifest)
        .map_err(|error| Failure::failed("cannot record that").because(error))?;
    adopting.done = true;
    Ok(adopting)
}

fn told(app: &App, what: &str, left: &[PathBuf], rest: &str) -> Adopting {
    let steps = left
        .iter()
        .map(|path| format!("{what} {} {rest}", path.display()));
    Adopting {
        app: app.name().to_owned(),
        steps: steps.collect(),
        ..Adopting::default()
    }
}
