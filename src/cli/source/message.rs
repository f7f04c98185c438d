//! `bg deploy -m`: the old habit in one command. Commit all, push, deploy exactly that.

use std::path::Path;

use model::config::Source;
use model::event::{Event, Sink};
use model::failure::{Failure, Kind};
use release::local_checkout::{self, Change, LocalCheckout, LocalCheckoutError, Remote};

use super::super::context::Context;
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
    /// `origin (git@example.com:you/shop.git)`.
    to: String,
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
        Remote::Itself => (String::new(), Some(0)),
        Remote::Named(name) => (
            format!("`{name}` ({})", tree.address(name).await),
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

    /// As `git status --short`, under what is going to happen.
    fn story(&self, message: &str) -> String {
        let mut steps = Vec::new();
        if !self.changes.is_empty() {
            steps.push(format!("commit \"{message}\" to `{}`", self.branch));
        }
        if !self.to.is_empty() {
            let earlier = match self.unpushed {
                Some(0) | None => String::new(),
                Some(1) => " with 1 earlier commit".to_owned(),
                Some(count) => format!(" with {count} earlier commits"),
            };
            steps.push(format!("push `{}` to {}{earlier}", self.branch, self.to));
        }
        let mut story = format!("{}:", steps.join(", "));
        for change in self.changes.iter().take(SHOWN) {
            story.push_str(&format!("\n      {} {}", change.code, change.path.display()));
        }
        if self.changes.len() > SHOWN {
            story.push_str(&format!("\n      and {} more", self.changes.len() - SHOWN));
        }
        story.trim_end_matches(':').to_owned()
    }
}

fn agree(sending: &Sending, message: &str, yes: bool, ui: Ui) -> Result<(), Failure> {
    if sending.changes_nothing() {
        ui.emit(Event::Noted {
            text: "nothing to commit and nothing to push".to_owned(),
        });
        return Ok(());
    }
    ui.emit(Event::Noted {
        text: sending.story(message),
    });
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
    let short = sha.get(..7).unwrap_or(&sha);
    if let Remote::Named(name) = &sending.remote {
        tree.push(name, &sha, &sending.branch)
            .await
            .map_err(|error| not_pushed(error, short))?;
        ui.emit(Event::Noted {
            text: format!("{short} is on `{}` of `{name}`", sending.branch),
        });
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
    if let Some(text) = left_behind(&context.folder(), url, branch).await {
        ui.emit(Event::Warned { text });
    }
}

async fn left_behind(folder: &Path, url: &str, branch: &str) -> Option<String> {
    let tree = LocalCheckout::around(folder, false).await.ok()?;
    let remote = tree.remote_of(url).await?;
    let is_here = tree.branch().await.ok()?.as_deref() == Some(branch);
    let files = match is_here {
        true => tree.changes().await.ok()?.len(),
        false => 0,
    };
    let (ahead, deployed) = match &remote {
        Remote::Itself => (0, "the last commit is deployed".to_owned()),
        Remote::Named(name) => match tree.ahead(name, branch).await {
            Some(ahead) => (
                ahead.commits,
                format!("what `{name}` has is deployed, {} as last heard", ahead.theirs),
            ),
            None => (0, format!("what `{name}` has is deployed")),
        },
    };
    let commits = (ahead > 0).then(|| counted(ahead, "commit", "pushed"));
    let files = (files > 0).then(|| counted(files, "changed file", "committed"));
    let left: Vec<String> = commits.into_iter().chain(files).collect();
    if left.is_empty() {
        return None;
    }
    let takes = if is_here {
        "; `bg deploy -m \"...\"` takes it along"
    } else {
        ""
    };
    Some(format!("{}: {deployed}{takes}", left.join(" and ")))
}

fn counted(count: usize, what: &str, not: &str) -> String {
    match count {
        1 => format!("1 {what} is not {not}"),
        _ => format!("{count} {what}s are not {not}"),
    }
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
