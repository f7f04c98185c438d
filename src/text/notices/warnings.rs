//! What is warned of.

use std::path::PathBuf;
use std::time::Duration;

use engine::adopted::listed;
use model::config::duration::Span;
use model::event::{SharedChange, SshSetting, Step, Unexpanded, Warning, WithoutEffect};
use model::journal::Damage;
use release::statics::in_words;

use super::data::{left_behind, written};
use super::repairs::drift_and_fix;
use crate::text::{counted, short};

/// A warning, in a sentence.
#[must_use]
pub fn warning(warning: &Warning) -> String {
    match warning {
        Warning::StepFailed { step, problem } => failed(*step, problem),
        Warning::Drifted(it) => drift_and_fix(it),
        Warning::PortTaken(foreign) => format!("{foreign}; {}", foreign.way_out()),
        Warning::OtherRunGoesOn { holder, wait_ms } => format!(
            "{holder} is running: a deploy would wait up to {}, then give up",
            Span(Duration::from_millis(*wait_ms))
        ),
        Warning::RunCutOff { run } => {
            format!("the run {run} was cut off: a deploy would finish or undo it first")
        }
        Warning::JournalDamaged(it) => format!("journal: {}", damage(it)),
        Warning::MigrationCutOff { run, release, backup } => {
            let backup = backup.as_ref().map_or("no backup was made before".to_owned(), |backup| {
                format!("`{}` is the backup from before the migration", backup.display())
            });
            format!(
                "{run} was cut short while it migrated the database for {release}: look at the schema before the next deploy; {backup}"
            )
        }
        Warning::MigrationCutOffUnnamed => "a migration was cut short, and what was noted of it makes no sense here: look at the schema before the next deploy".to_owned(),
        Warning::UnhealthyAnyway {
            color,
            problem,
            alike,
        } => {
            let why = alike.map_or("nothing was live before".to_owned(), |live| {
                format!("{live} fails the same way")
            });
            format!("{color} answers but is unhealthy: {problem}; traffic moves anyway, because {why}")
        }
        Warning::LiveUnhealthy { live, problem } => format!("{live} is live but unhealthy: {problem}"),
        Warning::LeftBusy { color } => format!("{color} is still busy and was left running"),
        Warning::LeftServing { color, problem } => format!("{color} is left as it is: {problem}"),
        Warning::SlotNotRestored {
            color,
            release,
            problem,
        } => format!(
            "{color} could not be started with {} again: {problem}; `bg rollback --to {release}` can bring it back later",
            release.short()
        ),
        Warning::AdoptedNotRestored { color, process } => format!(
            "{color} is empty: the adopted process `{process}` was stopped before and cannot be brought back"
        ),
        Warning::InDoubt => "lost the client before all hosts confirmed, so this host is in doubt: `bg switch --reconcile RELEASE` settles that".to_owned(),
        Warning::WorkerFailed(trouble) => format!("{trouble}: {}", trouble.problem),
        // The first line of a fix: `bg check` shows all of it.
        Warning::CheckFound { subject, found, fix } => {
            match fix.as_deref().and_then(|fix| fix.lines().next()) {
                Some(fix) => format!("{subject}: {found} ({fix})"),
                None => format!("{subject}: {found}"),
            }
        }
        Warning::RefusedBefore { release } => {
            format!(
                "an earlier run refused {}, or went back from it; `bg history` shows which",
                release.short()
            )
        }
        Warning::OlderThanSchema { contract, reason } => format!(
            "this commit does not have {} in its history, and may not work with the database schema since then: {reason}",
            contract.short()
        ),
        Warning::DataLeftBehind(left) => format!("{}: left, as asked", left_behind(left)),
        Warning::DataStaysBehind { live, data } => format!(
            "the data of {live} lies in its own folder, and {} does not see it: {}; `bg data` shows what to do",
            live.color.other(),
            written(data)
        ),
        Warning::AssetChanged { path } => format!(
            "`/{}` had another content in an earlier release: pages of other releases get the earlier one",
            path.display()
        ),
        Warning::StaticLinks { paths } => format!(
            "NGINX does not follow links in static files, so {} will be missing: put a copy in its place, or list its path in `shared`",
            in_words(paths)
        ),
        Warning::SubmoduleEmpty { path } => format!(
            "the submodule `{}` is not fetched: its folder is empty; `source.submodules = true` in bg.toml fetches it",
            path.display()
        ),
        Warning::LfsFileExcluded { path } => format!(
            "`{}` stays a pointer of Git LFS, as `lfs.fetchexclude` has it",
            path.display()
        ),
        Warning::SharedChanged(change) => shared_changed(change),
        Warning::NotExpanded(it) => not_expanded(it),
        Warning::NoWebhook { variable } => {
            format!("no notification was sent: the environment file has no `{variable}`")
        }
        Warning::ReloadCosts(why) => format!(
            "a reload of NGINX may lose a request on each open connection to every site of this host: {why}"
        ),
        Warning::NotSent {
            commits,
            files,
            remote,
            theirs,
            can_be_sent,
        } => {
            let commits = (*commits > 0).then(|| missing(*commits, "commit", "pushed"));
            let files = (*files > 0).then(|| missing(*files, "changed file", "committed"));
            let left: Vec<String> = commits.into_iter().chain(files).collect();
            let deployed = match (remote, theirs) {
                (None, _) => "the last commit is deployed".to_owned(),
                (Some(name), Some(theirs)) => {
                    format!("what `{name}` has is deployed, {theirs} as last heard")
                }
                (Some(name), None) => format!("what `{name}` has is deployed"),
            };
            let takes = match can_be_sent {
                true => "; `bg deploy -m \"...\"` takes it along",
                false => "",
            };
            format!("{}: {deployed}{takes}", left.join(" and "))
        }
        Warning::SecretUploaded { path } => format!(
            "`{}` is uploaded, and its name looks like a secret: keep it in `<root>/shared` on the host instead",
            path.display()
        ),
        Warning::UrlDownBefore { problem } => format!("already before this command: {problem}"),
        Warning::SshSettingIgnored(setting) => without_effect(setting),
        Warning::ConnectionLost { on, problem } => format!("{problem}; asking `{on}` for the result"),
    }
}

fn failed(step: Step, problem: &str) -> String {
    match step {
        Step::SaveProcessList => format!("the process list was not saved for a reboot: {problem}"),
        Step::ResurrectProcesses => format!("PM2's processes could not all be brought back: {problem}"),
        Step::OnFailure => format!("{problem}; the rest of the run is not affected"),
        Step::Notify => format!("no notification was sent: {problem}"),
        Step::Previews => format!("previewers may see more than they should: {problem}"),
        Step::Watch => format!("the release is not watched: {problem}"),
        Step::RecordProof
        | Step::RecordEnd
        | Step::RestoreSlot
        | Step::StopCandidate
        | Step::SettleWorkers
        | Step::Compile => problem.to_owned(),
    }
}

fn damage(damage: &Damage) -> String {
    match damage {
        Damage::Unreadable { line } => format!("line {line} cannot be parsed and is ignored"),
        Damage::Incomplete => "the last line is incomplete and is ignored".to_owned(),
        Damage::SetAside { file } => {
            format!("moved the lines that cannot be parsed to `{}`", file.display())
        }
    }
}

fn missing(count: usize, what: &str, not: &str) -> String {
    let is = if count == 1 { "is" } else { "are" };
    format!("{} {is} not {not}", counted(count, what))
}

/// What a commit changes, and how to have it where the app reads.
fn shared_changed(change: &SharedChange) -> String {
    let (commit, folder, repository) = (
        &change.commit,
        change.folder.display(),
        change.repository.display(),
    );
    let ways = if !change.below.is_empty() {
        format!(
            "`git -C {repository} diff --name-only {} {commit} -- {}` lists {} files",
            change.live,
            typed(&change.below),
            change.files
        )
    } else {
        let take = (!change.changed.is_empty()).then(|| {
            format!(
                "`git -C {repository} archive {commit} -- {} | tar -x -C {folder}` takes the commit's {}",
                typed(&change.changed),
                listed(&change.changed)
            )
        });
        let delete = (!change.deleted.is_empty()).then(|| format!("it deletes {}", listed(&change.deleted)));
        take.into_iter().chain(delete).collect::<Vec<_>>().join("; ")
    };
    format!(
        "{} changes shared files, but the app keeps using those in `{folder}`: {ways}",
        short(commit)
    )
}

/// As they are typed.
fn typed(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    shlex::try_join(names.iter().map(String::as_str)).unwrap_or_default()
}

/// What is said of a value that looks as if it were to be expanded.
#[must_use]
pub fn not_expanded(it: &Unexpanded) -> String {
    let Unexpanded {
        file,
        line,
        variable,
        reference,
    } = it;
    format!(
        "{} line {line}: `{reference}` in `{variable}` is not expanded; write the value itself, or \
         single quotes if the text is meant",
        file.display()
    )
}

fn without_effect(setting: &SshSetting) -> String {
    let SshSetting {
        file,
        line,
        setting,
        reason,
    } = setting;
    let reason = match reason {
        WithoutEffect::HostKeysAreChecked => "has no effect, host keys are always checked",
        WithoutEffect::Unsupported => "has no effect here",
        WithoutEffect::NotEvaluated => "is not evaluated, so the lines under it are passed over",
    };
    format!("`{}` line {line}: `{setting}` {reason}", file.display())
}
