//! The machine: PM2, ports, disk, memory, Python, git.

use std::collections::BTreeSet;
use std::time::Duration;

use engine::app::App;
use engine::{adopted, slot};
use keeper::pm2::Daemon;
use model::color::Color;
use model::password::without_password;
use release::git::Git;
use release::linked_paths;
use release::venv::installer::Tool;
use state::envfile::{self, EnvFileError};
use sys::command::Command;
use sys::{capacity, dotenv, process, sockets};

use super::super::build::as_written;
use super::super::memory::{self, Memory};
use super::super::{disk, packages, source};
use super::daemon;
use super::finding::{Level, Report, against};
use crate::text::notices;

/// Room for one more release with its environment; below it a deploy may fail half-way
/// through a build. A Flask environment with a few packages has 30 to 300 MB.
const ROOM: u64 = 1 << 30;

/// A checkout with its environment has some ten thousand files.
const INODES: u64 = 50_000;

const INSTALLER: &str = "install uv, or `python.installer = \"pip\"`";

const PACKAGES: &str = "`python.requirements` in bg.toml names the file with the app's packages";

pub(super) async fn look(report: &mut Report, app: &App) {
    pm2(report, app).await;
    daemon::sockets(report, app);
    daemon::locks(report, app);
    ports(report, app).await;
    for color in Color::BOTH {
        // The first says that there is one, the others what is to be looked at.
        for (at, note) in adopted::notes(app, color).await.into_iter().enumerate() {
            match at {
                0 => report.fine("adopted", note),
                _ => report.add(Level::Warning, "adopted", note, None),
            }
        }
    }
    disk(report, app);
    memory(report, app).await;
    python(report, app).await;
    git(report, app).await;
}

async fn pm2(report: &mut Report, app: &App) {
    let home = app.entry.pm2_home.display().to_string();
    let bin = app.entry.pm2_bin.display();
    match app.pm2.installed().await {
        Ok(found) if found.version.as_deref() == Some("7.0.0") => report.warn(
            "pm2",
            "7.0.0 breaks Python under any path with `bun` in it",
            "npm install -g pm2@latest",
        ),
        Ok(found) => {
            let version = found.version.unwrap_or_else(|| "installed".to_owned());
            report.fine("pm2", format!("{version} ({bin}, Node.js {})", found.node));
        }
        Err(error) => report.wrong(
            "pm2",
            error.to_string(),
            "npm install -g pm2, and the Node.js that it runs on",
        ),
    }
    match app.pm2.list().await {
        Ok(Daemon::Up(list)) => {
            report.fine(
                "pm2 daemon",
                format!("runs with {} processes in {home}", list.len()),
            );
        }
        Ok(Daemon::Down) => {
            report.fine(
                "pm2 daemon",
                format!("does not run in {home}; the first deploy starts it"),
            );
        }
        Err(error) => report.wrong("pm2 daemon", error.to_string(), "`pm2 ping` under its PM2_HOME"),
    }
}

async fn ports(report: &mut Report, app: &App) {
    let live = app.link.read().ok();
    for color in Color::BOTH {
        let port = app.config.process.ports.of(color);
        if let Some(foreign) = slot::foreign(app, color).await {
            let reached = live.is_some_and(|live| live.color == color && !live.maintenance);
            match reached && foreign.is_reached {
                true => report.wrong(
                    "ports",
                    format!("{foreign}, and {color} is live: visitors reach that program"),
                    &format!(
                        "`bg switch {}` or `bg maintenance on` keeps visitors away from that program; {}",
                        color.other(),
                        foreign.way_out()
                    ),
                ),
                false => report.wrong("ports", foreign.to_string(), &foreign.way_out()),
            }
            continue;
        }
        let ours = app
            .pm2
            .named(&adopted::process_name(app, color))
            .await
            .unwrap_or_default();
        let tree: Vec<u32> = ours
            .iter()
            .filter_map(|entry| entry.pid)
            .flat_map(process::tree)
            .collect();
        match sockets::holder(port) {
            None => report.fine("ports", format!("{color}'s {port} is free")),
            Some(holder) if tree.contains(&holder.pid) => {
                report.fine("ports", format!("{color}'s {port} is held by its own process"));
            }
            Some(holder) => report.wrong(
                "ports",
                format!("{color}'s {port} is taken by {holder}"),
                "end that process, or choose another port in `process.ports`",
            ),
        }
    }
}

pub(super) fn disk(report: &mut Report, app: &App) {
    let place = app.layout.root();
    // Before it is set up nothing there is the owner's.
    let refused = match app.layout.config().exists() {
        true => disk::writable(app).and_then(|()| disk::left(app)),
        false => Ok(()),
    };
    if let Err(failure) = refused {
        against(report, "disk", &failure);
    }
    let Ok(room) = capacity::disk_space(place) else {
        return;
    };
    let found = format!("{room} for {}", place.display());
    if room.bytes < ROOM || room.inodes.is_some_and(|inodes| inodes < INODES) {
        report.warn(
            "disk",
            found,
            "lower `keep.releases`, or use a larger disk: a release and its environment need room",
        );
    } else {
        report.fine("disk", found);
    }
}

async fn memory(report: &mut Report, app: &App) {
    let Ok(route) = app.link.read() else { return };
    let Some(memory) = Memory::for_one_more(app, route.color.other()).await else {
        return;
    };
    if memory.is_enough() {
        report.fine("memory", memory.to_string());
    } else {
        report.wrong("memory", memory.to_string(), &memory::fix("bg.toml".as_ref()));
    }
}

async fn python(report: &mut Report, app: &App) {
    let python = &app.config.python;
    match Command::new(&python.version).arg("--version").run().await {
        Ok(output) => report.fine("python", (output.stdout + &output.stderr).trim().to_owned()),
        Err(error) => report.wrong(
            "python",
            error.to_string(),
            "`python.version` in bg.toml names the interpreter",
        ),
    }
    let ensure = Command::new(&python.version)
        .args(["-c", "import venv, ensurepip"])
        .run()
        .await;
    match (Tool::choose(python.installer), ensure) {
        (Ok(Tool::Uv(uv)), _) => match Command::new(uv).arg("--version").run().await {
            Ok(output) => report.fine("installer", output.stdout.trim().to_owned()),
            Err(error) => report.wrong("installer", error.to_string(), INSTALLER),
        },
        (Err(error), _) => report.wrong("installer", error.to_string(), INSTALLER),
        (Ok(Tool::Pip), Ok(_)) => report.fine("installer", "pip"),
        (Ok(Tool::Pip), Err(_)) => {
            report.wrong(
                "installer",
                "this Python has neither `venv` nor `ensurepip`",
                "apt install python3-venv",
            );
        }
    }
    packages(report, app).await;
}

/// Whether a deploy could install what the app needs.
async fn packages(report: &mut Report, app: &App) {
    let run = &app.config.process.run;
    match packages::of_branch(app).await {
        Err(error) => {
            let fix = error.hint().unwrap_or_else(|| PACKAGES.to_owned());
            report.wrong("packages", error.to_string(), &fix);
        }
        _ if app.config.python.requirements.is_empty() && run.contains("venv") => report.warn(
            "packages",
            "`python.requirements` is empty, and `process.run` starts a program of the environment",
            PACKAGES,
        ),
        Ok(None) => report.fine(
            "packages",
            "not looked at: the first deploy fetches the repository",
        ),
        Ok(Some(files)) => {
            let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            report.fine("packages", format!("installed as {} says", names.join(", ")));
        }
    }
}

async fn git(report: &mut Report, app: &App) {
    let Some(url) = &app.config.source.git else {
        report.fine(
            "git",
            "no repository: every deploy brings its files with `--from`",
        );
        return environment_file(report, app);
    };
    let git = Git::new(app.layout.mirror());
    match git.reachable(url, Duration::from_secs(15)).await {
        Ok(()) => report.fine("git", format!("`{}` can be read", without_password(url))),
        Err(error) => report.wrong(
            "git",
            error.to_string(),
            "the app's owner needs access: a deploy key, or another `source.git`",
        ),
    }
    release(report, app, &git).await;
    environment_file(report, app);
}

/// The branch as it was fetched last; before the first deploy there is none.
async fn release(report: &mut Report, app: &App, git: &Git) {
    match git.resolve(&app.config.source.branch).await {
        Ok(commit) => {
            if let Err(failure) = source::can_be_made(app, &commit.sha).await {
                against(report, "release", &failure);
            }
        }
        Err(_) => {
            let missing = linked_paths::missing(&app.config.shared, &app.layout.shared(), &BTreeSet::new());
            if let Err(error) = missing {
                report.warn(
                    "release",
                    error.to_string(),
                    "a repository that has it will do too",
                );
            }
        }
    }
}

fn environment_file(report: &mut Report, app: &App) {
    if let Some(file) = &app.config.env.file {
        match envfile::look(&app.layout, file) {
            Ok(path) => {
                report.fine(
                    "environment file",
                    format!("{} is there and private", file.display()),
                );
                let text = std::fs::read_to_string(path).unwrap_or_default();
                if let Err(error) = dotenv::parse(&text) {
                    let found = format!("{} cannot be understood: {error}", file.display());
                    report.wrong("environment file", found, "write each line as `NAME=value`");
                }
                for literal in dotenv::literals(&text) {
                    let found = notices::not_expanded(&as_written(file, literal));
                    report.warn(
                        "environment file",
                        found,
                        "write the value itself: nothing is expanded in this file",
                    );
                }
            }
            Err(error) => {
                let fix = match &error {
                    EnvFileError::Open { .. } => "a deploy is refused until then",
                    _ => "put the file into `shared` below the root, mode 0600",
                };
                report.wrong("environment file", error.to_string(), fix);
            }
        }
    }
}
