//! `bg deploy`: a release is built, started in the idle color, gated, and traffic moves.

use engine::app::App;
use engine::begin::begin;
use engine::caller::Caller;
use engine::gate::{self, Gated};
use engine::run::Run;
use engine::{adopted, cutover, participant, process_list, resolve, resurrect, slot, verification};
use model::color::{Route, Share};
use model::config::CanaryStep;
use model::event::Sink;
use model::failure::{Failure, Traffic};
use model::journal::Verb;
use state::releases;

use super::deployed::Deployed;
use super::finish::finish;
use super::{
    assets, bake, build, canary, check, compare, data, disk, hooks, memory, migrate, preflight, preview,
};

pub mod ask;

pub use ask::{Ask, Previewed};

/// The configuration that a deploy applies, as whoever types it knows it.
const BG_TOML: &str = "bg.toml";

/// Builds, starts, gates and switches.
///
/// # Errors
/// As the exit codes say: 1 before traffic moved, 5 after it was put back, 6 when only the
/// clean-up failed, 7 when nobody can say.
pub async fn deploy(app: &App, ask: &Ask, caller: &Caller<'_>) -> Result<Deployed, Failure> {
    let run = begin(app, Verb::Deploy, ask.patience, caller).await?;
    let done = release(&run, ask).await;
    let deployed = hooks::after(&run, resolve::unless_done(&run, done).await).await?;
    if ask.wait_bake && deployed.is_watched() {
        // The verdict needs the lock.
        drop(run);
        let watched = match deployed.canary {
            Some(_) => &deployed.other,
            None => &deployed.live,
        };
        bake::verdict(app, watched).await?;
    }
    Ok(deployed)
}

async fn release(run: &Run<'_>, ask: &Ask) -> Result<Deployed, Failure> {
    let passed = run.until_interrupted(stage(run, ask)).await?;
    if ask.canary {
        return first_share(run, passed, ask).await;
    }
    if ask.no_switch {
        return park(run, &passed, ask).await;
    }
    let lasts = ask.bake.unwrap_or(run.app.config.bake.lasts);
    let to = passed.deployment();
    let laid = bake::lay_out(run, &to, lasts);
    let switched = cutover::cutover(run, passed).await;
    let switched = switched.inspect_err(|failure| laid.give_up(run, failure))?;
    finish(run, switched, laid).await
}

/// What is looked at before anything is made, for a release beside what `route` names.
///
/// # Errors
/// The first thing that stands in the way.
pub(super) async fn can_begin(app: &App, route: Route, ask: &Ask, sink: &dyn Sink) -> Result<(), Failure> {
    let live = route.color;
    adopted::data_is_where_it_belongs(app, live)?;
    adopted::variables_are_given(app, live)?;
    data::is_not_left_behind(app, live, ask.leave_data, sink)?;
    slot::is_none_in_use(app, route)?;
    if ask.canary {
        canary::can_be_had(app)?;
        if releases::slot(&app.layout, live).is_none() {
            return Err(
                Failure::failed("nothing is live yet: a canary has nothing beside it")
                    .hint("`bg deploy` makes a release live"),
            );
        }
    }
    slot::is_ours_to_take(app, live.other()).await?;
    disk::writable(app)?;
    disk::left(app)?;
    memory::left(app, live.other(), BG_TOML.as_ref()).await?;
    if !ask.no_switch {
        verification::can_be_had(app, route).await?;
    }
    compare::can_be_done(app)?;
    if let Some(asked) = &ask.preview {
        preview::can_last(app, asked.lasts)?;
    }
    check::before_deploy(app, ask.checks, sink).await
}

async fn stage(run: &Run<'_>, ask: &Ask) -> Result<Gated, Failure> {
    resurrect::resurrect(run.app, &run.sink).await;
    can_begin(run.app, run.from, ask, &run.sink).await?;
    hooks::before_build(run).await?;
    let mut manifest = build::build(run, &ask.wanted).await?;
    run.works_on(&manifest.id);
    hooks::after_build(run, &manifest).await?;
    disk::left(run.app)?;
    let (app, color) = (run.app, run.idle());
    let release = manifest.id.clone();
    let tried = async {
        build::compile(run, &manifest).await;
        preflight::before_schema(run, &manifest, ask.force_gate.as_deref()).await
    };
    let (finished, tried) = tokio::try_join!(slot::finish_requests(app, color, &run.sink), tried)?;
    run.idle_slot().await?;
    memory::left(app, color, BG_TOML.as_ref()).await?;
    slot::is_ours_to_take(app, color).await?;
    migrate::schema(run, &mut manifest, ask).await?;
    let past = preflight::after_schema(run, &manifest, tried, ask.force_gate.as_deref()).await?;
    data::seal(app, &release)?;
    let idle = run.idle_slot().await?;
    run.replaces(&idle, &release)?;
    slot::clear(app, &idle, finished, &run.sink).await?;
    let running = slot::start(app, idle, manifest, &run.id.0, &run.sink).await?;
    let passed = match gate::full(app, &running, &run.sink).await {
        Ok(passed) => passed,
        Err(refusal) => match &ask.force_gate {
            Some(reason) => Gated::forced(&running, reason, refusal, &run.sink).map_err(|refusal| {
                refusal.into_failure(color).hint(
                    "`--force-gate` overrides failed checks; it cannot send visitors to a color that does not answer",
                )
            })?,
            None => return Err(refusal.into_failure(color)),
        },
    };
    let past = match compare::hold_against(run, &passed, ask.force_gate.as_deref()).await? {
        Some(reason) => Some(reason),
        None => past,
    };
    assets::keep(run, passed.deployment().release.as_ref()).await?;
    if ask.canary {
        hooks::before_switch(run, &passed).await?;
        return Ok(participant::ready(run, passed).await?.despite(past));
    }
    if ask.no_switch {
        return Ok(passed.despite(past));
    }
    hooks::before_switch(run, &passed).await?;
    let passed = participant::ready(run, passed).await?;
    Ok(passed.despite(past))
}

/// `--canary`: the candidate gets the first visitors.
async fn first_share(run: &Run<'_>, passed: Gated, ask: &Ask) -> Result<Deployed, Failure> {
    let save = process_list::for_a_reboot(run).await;
    let save = save.map(|saved| run.sink.emit(saved));
    let config = &run.app.config;
    let first = config.canary.after(None).unwrap_or(CanaryStep {
        share: Share::ALL,
        lasts: None,
    });
    let lasts = ask.bake.unwrap_or(config.bake.lasts);
    let stepped = canary::up(run, &passed, first, lasts).await?;
    let deployed = Deployed::of(run, stepped.live.clone(), stepped.other.clone(), false);
    save.map(|()| Deployed {
        canary: Some(Box::new(stepped)),
        ..deployed
    })
}

/// `--no-switch`: the candidate stays in its slot, warm.
async fn park(run: &Run<'_>, passed: &Gated, ask: &Ask) -> Result<Deployed, Failure> {
    let save = process_list::for_a_reboot(run).await;
    let save = save.map(|saved| run.sink.emit(saved));
    let staged = passed.deployment();
    let shown = match (&ask.preview, staged.release) {
        (Some(asked), Some(release)) => {
            let key = asked.key.clone();
            preview::show(run, staged.color, release, asked.lasts, key)
                .await
                .map(Some)
        }
        _ => Ok(None),
    };
    run.commit(
        run.live(),
        run.from.maintenance,
        format!(
            "staged {} beside {}{}",
            passed.deployment(),
            run.live(),
            cutover::forced(passed.forced_because())
        ),
    )?;
    let deployed = Deployed::of(run, run.live(), passed.deployment(), false);
    let preview = shown.map_err(|failure| {
        failure
            .hint("the release is staged all the same: `bg preview` tries again")
            .with_traffic(Traffic::Unchanged { live: run.live() })
    });
    if save.is_err() {
        // Nobody will see its link.
        engine::preview::end_of(run.app, run.idle(), &run.sink).ok();
    }
    save.and(preview).map(|preview| Deployed {
        preview: preview.map(Box::new),
        ..deployed
    })
}
