//! `bg adopt`: which bg.toml it goes by, and the question before anything is changed.

use std::path::PathBuf;

use engine::app::App;
use engine::caller::Caller;
use model::config::Config;
use model::failure::{Failure, Kind};
use state::registry::Registry;
use sys::{store, user};

use super::args::Adopt;
use super::context::{ConfigSource, Context};
use crate::ui::Ui;
use crate::ui::ask::Answered;
use crate::verbs::Answer;
use crate::verbs::adopt::{self, Adopting, Ask};

/// Shows what would be done, asks on a terminal, and does it on a yes.
///
/// # Errors
/// As the verb.
pub async fn adopt(
    asked: &Adopt,
    context: &Context,
    caller: &Caller<'_>,
    ui: Ui,
) -> Result<Option<Adopting>, Failure> {
    let mut ask = ask(asked, context);
    let config = context.whole_config()?.map(Config::of_one_host);
    let config = config.map(|config| context.for_its_author(config)).transpose()?;
    if asked.propose {
        return propose(&ask, config, caller).await.map(Some);
    }
    if ask.yes || asked.plan || !ui.has_somebody() {
        return carry_out(asked, &ask, config, context, caller).await.map(Some);
    }
    let shown = carry_out(asked, &ask, config.clone(), context, caller).await?;
    ui.answer(&Answer::Adopting(shown));
    if ui.ask("do it?") != Answered::Yes {
        return Ok(None);
    }
    ask.yes = true;
    carry_out(asked, &ask, config, context, caller).await.map(Some)
}

fn ask(asked: &Adopt, context: &Context) -> Ask {
    let in_folder = matches!(context.config, ConfigSource::Missing);
    Ask {
        name: asked.name.clone().or_else(|| context.app.clone()),
        yes: asked.yes && !asked.plan,
        move_data: asked.move_data,
        leave_data: asked.leave_data,
        leave_env: asked.leave_env,
        conf: asked.nginx.clone(),
        root: asked.root.clone(),
        write: in_folder.then(|| std::env::current_dir().unwrap_or_default().join("bg.toml")),
    }
}

async fn carry_out(
    asked: &Adopt,
    ask: &Ask,
    config: Option<Config>,
    context: &Context,
    caller: &Caller<'_>,
) -> Result<Adopting, Failure> {
    if asked.undo {
        return adopt::undo(ask, config, caller).await;
    }
    if asked.move_data || asked.leave_data || asked.leave_env {
        let name = config
            .as_ref()
            .map(|config| config.app.clone())
            .or_else(|| ask.name.clone());
        if let Some(app) = adopted(name, context) {
            return told_later(&app, ask);
        }
    }
    adopt::adopt(ask, config, caller).await
}

/// What becomes of data and variables, once the process is adopted.
fn told_later(app: &App, ask: &Ask) -> Result<Adopting, Failure> {
    let moved = ask
        .move_data
        .then(|| adopt::move_data(app, ask.yes))
        .transpose()?;
    let left = ask.leave_data || ask.leave_env;
    let left = left.then(|| adopt::leave(app, ask)).transpose()?;
    let (mut moved, left) = (moved.unwrap_or_default(), left.unwrap_or_default());
    moved.steps.extend(left.steps);
    Ok(Adopting {
        app: app.name().to_owned(),
        done: moved.done || left.done,
        ..moved
    })
}

/// The app where it is there already.
fn adopted(name: Option<String>, context: &Context) -> Option<App> {
    let registry = Registry::of_this_user();
    let entry = match name {
        Some(name) => registry.find(&name),
        None => registry.only(),
    };
    entry.ok()?;
    context.open_as_is().ok()
}

async fn propose(ask: &Ask, config: Option<Config>, caller: &Caller<'_>) -> Result<Adopting, Failure> {
    if ask.write.is_none() && config.is_none() {
        return Err(Failure::new(
            Kind::Usage,
            "`--propose` writes only on the machine that runs the site",
        )
        .hint("`bg adopt` without `--propose` shows the same text"));
    }
    if config.is_some() {
        return Err(Failure::new(Kind::Usage, "this folder has a bg.toml already").hint("`bg adopt` uses it"));
    }
    let shown = adopt::adopt(
        &Ask {
            yes: false,
            ..ask.clone()
        },
        None,
        caller,
    )
    .await?;
    let path = ask.write.clone().unwrap_or_else(|| PathBuf::from("bg.toml"));
    let text = shown.config.clone().unwrap_or_default();
    let failed = || Failure::failed(format!("`{}` cannot be written", path.display()));
    let _rights = user::as_author(&path).map_err(|error| failed().because(error))?;
    store::write_whole(&path, text.as_bytes(), Config::MODE).map_err(|error| failed().because(error))?;
    Ok(Adopting {
        app: shown.app,
        process: shown.process,
        steps: vec![format!("wrote {}: look it over, then `bg adopt`", path.display())],
        warnings: shown.warnings,
        done: true,
        ..Adopting::default()
    })
}
