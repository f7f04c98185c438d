//! Releases whose schema does not serve what was made before them: how one comes to be
//! known as such, and the guard in front of going back past it.

use std::path::PathBuf;

use engine::run::Run;
use model::event::{Event, Sink, Warning};
use model::failure::Failure;
use model::release::{Contract, Manifest, ReleaseId};
use release::git::Git;
use state::releases;

/// What a commit's message says of itself, and how git finds it.
const TRAILER: &str = "Bg-Contract:";
const PATTERNS: [&str; 2] = ["^Bg-Contract:", "\\[contract\\]"];

/// Why `manifest` is a contract, as far as `bg deploy --contract` or the commits that it
/// brings say so.
///
/// # Errors
/// When the mirror cannot be read.
pub async fn announced(run: &Run<'_>, manifest: &Manifest, asked: bool) -> Result<Option<String>, Failure> {
    if asked {
        return Ok(Some("it was deployed with `--contract`".to_owned()));
    }
    let git = Git::new(run.app.layout.mirror());
    let live = live_commit(run);
    let messages = match git.messages(live.as_deref(), &manifest.commit, &PATTERNS).await {
        // The live commit may be gone from a repository whose history was written anew.
        Err(_) if live.is_some() => git.messages(None, &manifest.commit, &PATTERNS).await,
        messages => messages,
    };
    let messages =
        messages.map_err(|error| Failure::failed("the commits cannot be looked at").because(error))?;
    Ok(messages.iter().find_map(|message| said_by(message)))
}

/// The commit that is live, where its release can be read.
#[must_use]
pub fn live_commit(run: &Run<'_>) -> Option<String> {
    let live = run.live().release?;
    let manifest = releases::read(&run.app.layout, &live).ok()?;
    Some(manifest.commit)
}

/// `Bg-Contract: drops control.total`, or `[contract]` anywhere.
fn said_by(message: &str) -> Option<String> {
    let trailer = message.lines().find_map(|line| {
        let (name, value) = line.split_at_checked(TRAILER.len())?;
        name.eq_ignore_ascii_case(TRAILER).then(|| value.trim())
    });
    let subject = message.lines().next().unwrap_or_default();
    let by_its_commit = || format!("its commit \"{subject}\" says so");
    match trailer {
        Some(value) if ["no", "false"].contains(&value.to_ascii_lowercase().as_str()) => None,
        Some(value) if ["", "yes", "true"].contains(&value.to_ascii_lowercase().as_str()) => {
            Some(by_its_commit())
        }
        Some(value) => Some(value.to_owned()),
        None if message.to_ascii_lowercase().contains("[contract]") => Some(by_its_commit()),
        None => None,
    }
}

/// What a new release takes over: the newest contract of the releases that are kept. One
/// that was refused by its gate counts too, as its migration had run.
#[must_use]
pub fn inherited(run: &Run<'_>) -> Option<Contract> {
    let ids = releases::ids(&run.app.layout).unwrap_or_default();
    let contracts = ids
        .iter()
        .filter_map(|id| releases::read(&run.app.layout, id).ok()?.contract);
    contracts.max_by(|one, other| one.release.cmp(&other.release))
}

/// Code that was written before a contract can be deployed anew, which no rollback is.
pub async fn warn_of_older_code(run: &Run<'_>, manifest: &Manifest, earlier: &Contract) {
    let Ok(contract) = releases::read(&run.app.layout, &earlier.release) else {
        return;
    };
    let git = Git::new(run.app.layout.mirror());
    if let Ok(false) = git.has(&manifest.commit, &contract.commit).await {
        run.sink.emit(Event::Warned(Warning::OlderThanSchema {
            contract: earlier.release.clone(),
            reason: earlier.why.clone(),
        }));
    }
}

/// Notes that `manifest` is a contract, before or after its migration.
///
/// # Errors
/// When that cannot be written.
pub fn mark(
    run: &Run<'_>,
    manifest: &mut Manifest,
    why: String,
    backup: Option<PathBuf>,
) -> Result<(), Failure> {
    run.note(format!("contract: {why}"));
    manifest.contract = Some(Contract {
        release: manifest.id.clone(),
        why,
        backup,
    });
    keep(run, manifest)
}

/// Writes the snapshot again.
///
/// # Errors
/// When it cannot be written.
pub fn keep(run: &Run<'_>, manifest: &Manifest) -> Result<(), Failure> {
    releases::write(&run.app.layout, manifest)
        .map_err(|error| Failure::failed("the manifest was not written").because(error))
}

/// The contract between what is live and `target`, which is older than it.
#[must_use]
pub fn between(layout: &model::layout::Layout, live: &ReleaseId, target: &ReleaseId) -> Option<Contract> {
    let contract = releases::read(layout, live).ok()?.contract?;
    (*target < contract.release).then_some(contract)
}

/// Stands in front of going back to `target`, unless `force` gives a reason, which is
/// recorded.
///
/// # Errors
/// When the schema of what is live does not serve `target`.
pub fn guard(run: &Run<'_>, target: &ReleaseId, force: Option<&str>) -> Result<(), Failure> {
    let live = run.live().release;
    let Some(contract) = live.and_then(|live| between(&run.app.layout, &live, target)) else {
        return Ok(());
    };
    if let Some(reason) = force {
        run.note(format!(
            "past the contract {} by force: {reason}",
            contract.release.short()
        ));
        run.sink.emit(Event::ContractForced {
            contract: contract.release,
            reason: reason.to_owned(),
        });
        return Ok(());
    }
    Err(refusal(&contract, target))
}

fn refusal(contract: &Contract, target: &ReleaseId) -> Failure {
    let failure = Failure::failed(format!(
        "{} does not work with the database schema since {}",
        target.short(),
        contract.release
    ))
    .because(std::io::Error::other(format!(
        "{} is a contract release: {}",
        contract.release.short(),
        contract.why
    )));
    let failure = match &contract.backup {
        Some(backup) => failure.hint(format!(
            "`{}` is the backup from just before it, without anything written since",
            backup.display()
        )),
        None => failure,
    };
    failure
        .hint("`bg deploy REF` goes forward, to a commit that works with the new schema")
        .hint("`--force REASON` goes back anyway; the reason is recorded")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_says_it_by_a_trailer_or_a_word() {
        let cases = [
            (
                "Drop totals\n\nBg-Contract: drops orders.total\n",
                Some("drops orders.total"),
            ),
            (
                "Drop totals\n\nbg-contract: yes",
                Some("its commit \"Drop totals\" says so"),
            ),
            (
                "Drop totals [CONTRACT]",
                Some("its commit \"Drop totals [CONTRACT]\" says so"),
            ),
            ("Drop totals\n\nBg-Contract: no", None),
            ("A contract with nobody\n\nSee Bg-Contract: it is a trailer", None),
        ];
        let mut seen = 0;
        for (message, expected) in cases {
            assert_eq!(said_by(message).as_deref(), expected, "{message}");
            seen += 1;
        }
        assert_eq!(seen, 5);
    }
}
