//! The way back: the site's files as they were, one reload, each listener as before, and
//! nothing of ours left. The process is not touched.

use std::path::{Path, PathBuf};

use engine::app::App;
use engine::{adopted, traffic};
use model::color::Color;
use model::config::Config;
use model::event::{Event, Note, Sink};
use model::failure::{Failure, Kind};
use model::layout::{Layout, NginxLayout};
use nginx::files::{self, Change};
use nix::unistd::User;
use release::relocate;
use site::render::hook_is_ours;
use state::registry::Registry;
use state::releases;
use sys::lock::{Holder, Lock};
use sys::system_paths::SystemFolders;
use sys::{store, user};

use super::super::remove;
use super::super::setup::programs;
use super::record::Record;
use super::request::{Adopting, Ask, conf};
use super::seen;

/// Every record beside NGINX's main file.
fn records(conf: &Path) -> Vec<PathBuf> {
    let folder = conf.parent().unwrap_or(Path::new("/")).join("bg");
    let apps = store::names(&folder).unwrap_or_default();
    let of = |app: String| folder.join(app).join("adoption");
    apps.into_iter()
        .map(of)
        .filter(|folder| folder.exists())
        .collect()
}

fn record(conf: &Path, name: Option<&str>, config: Option<&Config>) -> Result<Option<Record>, Failure> {
    if let Some(config) = config {
        return Record::read(&NginxLayout::new(config).adoption());
    }
    if let Some(entry) = name.and_then(|name| Registry::of_this_user().find(name).ok()) {
        return Record::read(&NginxLayout::of(&entry).adoption());
    }
    let mut found = Vec::new();
    for folder in records(conf) {
        found.extend(Record::read(&folder)?);
    }
    found.retain(|record| name.is_none_or(|name| record.entry.app == name) || found_in(record, name));
    match found.len() {
        0 | 1 => Ok(found.pop()),
        _ => {
            let apps: Vec<String> = found.iter().map(|record| record.entry.app.clone()).collect();
            Err(Failure::new(
                Kind::Config,
                format!("several apps are adopted: {}", apps.join(", ")),
            )
            .hint("`bg adopt --undo NAME` chooses one"))
        }
    }
}

/// Whether PM2's own name was typed.
fn found_in(record: &Record, name: Option<&str>) -> bool {
    let owner = User::from_name(&record.entry.owner).ok().flatten();
    let Some(Ok(_rights)) = owner.as_ref().map(user::as_user) else {
        return false;
    };
    let manifest = releases::read(&Layout::new(&record.entry.root), &record.release);
    let adopted = manifest.ok().and_then(|manifest| manifest.adopted);
    adopted.is_some_and(|adopted| Some(adopted.pm2_name.as_str()) == name)
}

/// An adoption that did not come to its end.
///
/// # Errors
/// When what was written down of it cannot be read.
pub(super) fn unfinished(
    conf: &Path,
    name: Option<&str>,
    config: Option<&Config>,
) -> Result<Option<Record>, Failure> {
    // Without NGINX's rights there is nothing that this user could have left.
    let record = record(conf, name, config)?;
    Ok(record.filter(|record| !record.done))
}

/// What is shown of one that was interrupted.
pub(super) fn shown(record: &Record) -> Adopting {
    Adopting {
        app: record.entry.app.clone(),
        steps: vec!["an adoption was interrupted: finish it, or put it back and begin again".to_owned()],
        warnings: vec!["`bg adopt --undo` puts it back and leaves it at that".to_owned()],
        ..Adopting::default()
    }
}

/// Undoes an adoption, until the first deploy.
///
/// # Errors
/// When there is none, a release was deployed since, or the site's files were changed since.
pub async fn undo(ask: &Ask, config: Option<Config>, sink: &dyn Sink) -> Result<Adopting, Failure> {
    let conf = conf(ask, config.as_ref());
    let named = config.as_ref();
    let Some(record) = record(&conf, ask.name.as_deref(), named)? else {
        return Err(Failure::new(
            Kind::Config,
            "no app is adopted on this host, or the adoption was undone already",
        )
        .hint("`bg status` shows what there is"));
    };
    if record.done {
        let owner = User::from_name(&record.entry.owner).ok().flatten();
        let _rights = owner.as_ref().map(remove::rights).transpose()?;
        nothing_was_deployed(&record)?;
    }
    let changes = record.way_back()?;
    let diffs = changes.iter().map(|change| change.diff.clone()).collect();
    let mut steps: Vec<String> = changes
        .iter()
        .map(|change| format!("put {} back as it was", change.path.display()))
        .collect();
    steps.push("reload NGINX once; unless each listener then answers as before, it stops there".to_owned());
    if !record.moved.is_empty() {
        steps.push(format!(
            "move {} back into the work tree",
            adopted::listed(&record.moved)
        ));
    }
    steps.push(format!(
        "delete {}, {} and what bg made in {}",
        NginxLayout::of(&record.entry).folder().display(),
        record.entry.link_folder.display(),
        record.entry.root.display()
    ));
    let mut adopting = Adopting {
        app: record.entry.app.clone(),
        steps,
        diffs,
        ..Adopting::default()
    };
    if ask.yes {
        put_back(&record, sink).await?;
        adopting.done = true;
    }
    Ok(adopting)
}

fn nothing_was_deployed(record: &Record) -> Result<(), Failure> {
    let layout = Layout::new(&record.entry.root);
    let slots = Color::BOTH.map(|color| releases::slot(&layout, color));
    let alone = slots.iter().flatten().all(|release| *release == record.release);
    if alone && slots.iter().flatten().count() == 1 {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Config,
        "a release was deployed since: the adoption can no longer be undone",
    )
    .hint("`bg rollback` goes back to the adopted process as long as its slot was not needed")
    .hint("`bg remove` takes the app off this host once the site's own file names another way"))
}

/// Puts everything back as far as it has come. Taken up again after a cut it does the rest.
///
/// # Errors
/// When the site's files were changed since, or NGINX does not take them.
pub(super) async fn put_back(record: &Record, sink: &dyn Sink) -> Result<(), Failure> {
    let app = App::with(record.entry.clone(), record.config.clone())
        .map_err(|error| Failure::new(Kind::Config, "the configuration cannot be used").because(error))?;
    let back = record.way_back()?;
    let owner = remove::owner(&app)?;
    let _lock = lock(&app, &owner)?;
    from_nginx(&app, record, back).await?;
    {
        let _rights = remove::rights(&owner)?;
        relocate::bring_back(&record.checkout, &app.layout.shared(), &record.moved)
            .map_err(|error| Failure::failed("the data was not moved back").because(error))?;
    }
    remove::delete_of(&record.entry.link_folder, &owner)?;
    if nix::unistd::Uid::effective().is_root() {
        programs::forbid(
            &SystemFolders::of_this_user(),
            app.name(),
            &Registry::of_this_user(),
        )?;
    }
    remove::delete(&Registry::of_this_user().path(app.name()))?;
    root(&app, &owner)?;
    // The record goes last: until then this can be done again.
    remove::delete(&app.nginx_files.folder())?;
    let above = app.nginx_files.conf_dir().join("bg");
    std::fs::remove_file(app.nginx_files.reload_lock()).ok();
    std::fs::remove_dir(above).ok();
    sink.emit(Event::Noted(Note::AdoptionUndone));
    Ok(())
}

fn lock(app: &App, owner: &User) -> Result<Option<Lock>, Failure> {
    if !app.layout.state().is_dir() {
        return Ok(None);
    }
    let _rights = remove::rights(owner)?;
    Lock::take(&app.layout.lock(), &Holder::this("adopt --undo"))
        .map(Some)
        .map_err(|error| {
            Failure::new(Kind::Locked, "another command is running")
                .because(error)
                .with_traffic(traffic::unchanged(app))
        })
}

/// The site's files and the hook, with one reload; both as they were when NGINX minds.
async fn from_nginx(app: &App, record: &Record, back: Vec<Change>) -> Result<(), Failure> {
    let hook = app.nginx_files.hook();
    let text = std::fs::read_to_string(&hook).unwrap_or_default();
    let hook = Some(hook).filter(|_| hook_is_ours(&text, app.name(), &app.nginx_files));
    if back.is_empty() && hook.is_none() {
        return Ok(());
    }
    let failed = || Failure::failed("NGINX's files cannot be put back");
    let applied =
        files::apply(back, &record.folder().join("after")).map_err(|error| failed().because(error))?;
    if let Err(failure) = remove::take_from_nginx(app, hook.as_slice()).await {
        applied.restore().map_err(|error| failed().because(error))?;
        return Err(failure);
    }
    seen::unchanged(&record.seen, app.config.timeouts.proof.0)
        .await
        .map_err(|error| {
            Failure::failed("the site's files were put back, but the site answers differently than before")
                .because(error)
                .hint("look at NGINX's error log and at the process; `bg adopt --undo` continues from here")
        })
}

/// What is ours below the root, and the root itself where nothing else is in it.
fn root(app: &App, owner: &User) -> Result<(), Failure> {
    let root = app.layout.root();
    for name in Layout::NAMES.iter().filter(|name| **name != "shared") {
        remove::delete_of(&root.join(name), owner)?;
    }
    let _rights = remove::rights(owner)?;
    std::fs::remove_dir(app.layout.shared()).ok();
    std::fs::remove_dir(root).ok();
    Ok(())
}
