//! `bg deploy -m`: the old habit in one command. Commit all, push, deploy exactly that.

use std::path::Path;

use model::config::Source;
use model::event::{self, ChangedFile, Event, Note, Sink, Warning};
use model::failure::{Failure, Kind};
use release::local_checkout::{self, Change, LocalCheckout, LocalCheckoutError, Remote};

use super::super::context::Context;
use crate::text;
use crate::ui::Ui;
use crate::ui::ask::Answered;

/// As many changed files are shown.
const SHOWN: usize = 20;

/// What would be sent.
struct Sending {
    tree: LocalCheckout,
    branch: String,
    changes: Vec<Change>,
    remote: Remote,
    /// Where it is pushed; none where the work tree is the source itself.
    to: Option<event::Remote>,
    /// Commits that are not pushed yet; none where that is not known.
    unpushed: Option<usize>,
}

/// Commits and pushes; returns the full hash of what is to be deployed.
///
/// # Errors
/// What stands against it. A commit that was made stays.
pub async fn send(
    message: &str,
    yes: bool,
    context: &Context,
    afar: bool,
    ui: Ui,
) -> Result<String, Failure> {
    if message.trim().is_empty() {
        return Err(Failure::new(Kind::Usage, "the message of `-m` is empty"));
    }
    let source = source(context, afar)?;
    let Some(url) = &source.git else {
        return Err(
            Failure::new(Kind::Config, "`-m` pushes to `source.git`, which is not set")
                .hint("`--from PATH` deploys a folder as it is"),
        );
    };
    let sending = look(&context.folder(), url, &source.branch, ui)
        .await
        .map_err(|error| refused(error, &source.branch))?;
    agree(&sending, message, yes, ui)?;
    carry_out(&sending, message, ui).await
}

async fn look(folder: &Path, url: &str, branch: &str, ui: Ui) -> Result<Sending, LocalCheckoutError> {
    let tree = LocalCheckout::around(folder, ui.has_somebody()).await?;
    let changes = tree.changes().await?;
    local_checkout::no_conflicts(&changes)?;
    tree.is_on(branch).await?;
    local_checkout::no_secrets(&changes)?;
    let remote = tree.remote_for(url, branch).await?;
    let (to, unpushed) = match &remote {
        Remote::Itself => (None, Some(0)),
        Remote::Named(name) => (
            Some(event::Remote {
                name: name.clone(),
                address: tree.address(name).await,
            }),
            tree.ahead(name, branch).await.map(|ahead| ahead.commits),
        ),
    };
    Ok(Sending {
        tree,
        branch: branch.to_owned(),
        changes,
        remote,
        to,
        unpushed,
    })
}

impl Sending {
    fn changes_nothing(&self) -> bool {
        self.changes.is_empty() && self.unpushed == Some(0)
    }

    /// What is going to happen.
    fn told(&self, message: &str) -> Note {
        let changed = self.changes.iter().take(SHOWN);
        Note::Sending {
            message: (!self.changes.is_empty()).then(|| message.to_owned()),
            branch: self.branch.clone(),
            remote: self.to.clone(),
            earlier: self.unpushed,
            changes: changed
                .map(|change| ChangedFile {
                    code: change.code.clone(),
                    path: change.path.clone(),
                })
                .collect(),
            more: self.changes.len().saturating_sub(SHOWN),
        }
    }
}

fn agree(sending: &Sending, message: &str, yes: bool, ui: Ui) -> Result<(), Failure> {
    if sending.changes_nothing() {
        ui.emit(Event::Noted(Note::NothingToSend));
        return Ok(());
    }
    ui.emit(Event::Noted(sending.told(message)));
    if yes {
        return Ok(());
    }
    match ui.ask("Do that, and deploy it?") {
        Answered::Yes => Ok(()),
        Answered::No => Err(Failure::new(
            Kind::Interrupted,
            "nothing was committed, pushed or deployed",
        )),
        Answered::Nobody => Err(Failure::new(
            Kind::Usage,
            "there is no terminal to ask whether to commit and push this",
        )
        .hint("`--yes` answers")),
    }
}

async fn carry_out(sending: &Sending, message: &str, ui: Ui) -> Result<String, Failure> {
    let tree = &sending.tree;
    let made = match sending.changes.is_empty() {
        true => tree.head().await,
        false => tree.commit(message).await,
    };
    let sha = made.map_err(|error| {
        Failure::failed("it was not committed, and nothing was pushed or deployed").because(error)
    })?;
    let short = text::short(&sha);
    if let Remote::Named(name) = &sending.remote {
        tree.push(name, &sha, &sending.branch)
            .await
            .map_err(|error| not_pushed(error, short))?;
        ui.emit(Event::Noted(Note::Pushed {
            commit: sha.clone(),
            branch: sending.branch.clone(),
            remote: name.clone(),
        }));
    }
    Ok(sha)
}

fn not_pushed(error: LocalCheckoutError, short: &str) -> Failure {
    let hint = match error {
        LocalCheckoutError::Diverged { .. } => {
            "`git pull --rebase` fetches those commits; then `bg deploy -m` again, with nothing left to commit"
        }
        _ => "`git push` shows more; then `bg deploy -m` again, with nothing left to commit",
    };
    Failure::failed(format!(
        "{short} was committed but not pushed; nothing was deployed"
    ))
    .because(error)
    .hint(hint)
}

fn refused(error: LocalCheckoutError, branch: &str) -> Failure {
    let hint = match &error {
        LocalCheckoutError::None { .. } => {
            "type it in the work tree, or give its bg.toml with `--config`; `--from PATH` needs no git".to_owned()
        }
        LocalCheckoutError::Detached | LocalCheckoutError::OtherBranch { .. } => format!(
            "`git switch {branch}` first; `bg deploy REF` deploys another branch as it was pushed"
        ),
        LocalCheckoutError::Unfinished { what } => {
            let rest = if *what == "bisect" { "reset" } else { "--continue" };
            format!("`git {what} {rest}`, or `git {what} --abort` where it has that")
        }
        LocalCheckoutError::Conflicts { .. } => "edit them, then `git add` them".to_owned(),
        LocalCheckoutError::Secrets { .. } => {
            "add it to .gitignore and put it into `<root>/shared` on the host; `git add` it if it is no secret"
                .to_owned()
        }
        LocalCheckoutError::NoRemote => "`git remote add origin URL`".to_owned(),
        LocalCheckoutError::Diverged { .. } | LocalCheckoutError::Git(_) => "`git status` shows more".to_owned(),
    };
    Failure::failed("this work tree cannot be committed and pushed")
        .because(error)
        .hint(hint)
}

/// Without `-m`: what is here and not over there is pointed out, as far as it can be told
/// without asking anybody.
pub async fn point_out(reference: Option<&str>, context: &Context, ui: Ui) {
    let Ok(Some(config)) = context.whole_config() else {
        return;
    };
    let (Some(url), branch) = (&config.source.git, &config.source.branch) else {
        return;
    };
    if reference.is_some_and(|reference| reference != branch) {
        return;
    }
    if let Some(left) = left_behind(&context.folder(), url, branch).await {
        ui.emit(Event::Warned(left));
    }
}

async fn left_behind(folder: &Path, url: &str, branch: &str) -> Option<Warning> {
    let tree = LocalCheckout::around(folder, false).await.ok()?;
    let remote = match tree.remote_of(url).await? {
        Remote::Itself => None,
        Remote::Named(name) => Some(name),
    };
    let is_here = tree.branch().await.ok()?.as_deref() == Some(branch);
    let files = match is_here {
        true => tree.changes().await.ok()?.len(),
        false => 0,
    };
    let ahead = match &remote {
        Some(name) => tree.ahead(name, branch).await,
        None => None,
    };
    let (commits, theirs) = ahead.map_or((0, None), |ahead| (ahead.commits, Some(ahead.theirs)));
    (commits > 0 || files > 0).then_some(Warning::NotSent {
        commits,
        files,
        remote,
        theirs,
        can_be_sent: is_here,
    })
}

/// By the configuration at hand; on the host itself, else by the one that was last applied.
fn source(context: &Context, afar: bool) -> Result<Source, Failure> {
    if let Some(config) = context.whole_config()? {
        return Ok(config.source);
    }
    if afar {
        return Err(Failure::new(
            Kind::Config,
            "`-m` needs `source.git` of a bg.toml, and this folder has none",
        ));
    }
    Ok(context.open_as_is()?.config.source)
}
