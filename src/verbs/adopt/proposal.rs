//! The bg.toml that fits what was found.

mod code;
mod facts;
mod site;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use ::site::endpoint::{self, Endpoint, Manner};
use keeper::pm2::Proc;
use model::config::{Config, read};
use model::failure::{Failure, Kind};
use nginx::names;
use sys::sockets;

use super::found::Found;
use super::variables;
use crate::verbs::guess;
pub use facts::SiteFacts;
use facts::quoted;

/// Health checks by their usual paths.
const HEALTH: [&str; 5] = ["/health", "/healthz", "/_health", "/ping", "/api/health"];

/// A configuration, as text and as what it says.
#[derive(Debug)]
pub struct Proposal {
    /// `bg.toml`.
    pub text: String,
    /// What it says.
    pub config: Config,
    /// What its reader has to know.
    pub notes: Vec<String>,
}

/// Writes it.
///
/// # Errors
/// When there is no work tree to release from, or what was found fits into no bg.toml.
pub async fn write(facts: &SiteFacts<'_>) -> Result<Proposal, Failure> {
    let found = facts.found;
    let Some(tree) = &found.tree else {
        return Err(Failure::new(
            Kind::Config,
            format!("`{}` does not run in a git work tree", found.folder.display()),
        )
        .hint("`bg init` writes a bg.toml: fill it in, then `bg adopt --config bg.toml`"));
    };
    let origin = tree
        .origin()
        .await
        .unwrap_or_else(|| tree.top.display().to_string());
    let branch = tree.branch().await.unwrap_or_else(|| "main".to_owned());
    let (code, next, python) = code::look(found, &tree.top)?;
    let site = site::look(facts).await?;
    let endpoint = Endpoint {
        address: ([127, 0, 0, 1], found.port).into(),
        tls: false,
        host: names::asked_for(site.names.iter().map(String::as_str)).unwrap_or_default(),
        secret: None,
        manner: Manner::default(),
        pace: None,
    };
    let (health, expect) = health(&endpoint, code.health.as_deref()).await;
    let app = guess::app_name(&tree.top);
    let mut text = String::new();
    let mut say = |line: String| writeln!(text, "{line}").unwrap_or_default();
    say("# Proposed by `bg adopt` from what runs on this host. `bg init` explains every key.".to_owned());
    say(format!("app = {}", quoted(&app)));
    say(format!("root = {}", quoted(root(facts, &app))));
    say(format!("owner = {}", quoted(&found.owner.name)));
    if !facts.data.is_empty() {
        let paths: Vec<String> = facts
            .data
            .iter()
            .map(|data| quoted(data.path.display()))
            .collect();
        say("# Data that lies in the work tree: `bg adopt --move-data` moves it into `shared`.".to_owned());
        say(format!("shared = [{}]", paths.join(", ")));
    }
    say(format!(
        "\n[source]\ngit = {}\nbranch = {}",
        quoted(&origin),
        quoted(&branch)
    ));
    if !code.folder.as_os_str().is_empty() {
        say(format!("folder = {}", quoted(code.folder.display())));
    }
    say(format!(
        "\n[process]\nname = {}",
        quoted(process_name(found, &app))
    ));
    for note in &next.notes {
        say(format!("# {note}"));
    }
    say(format!("run = {}", quoted(&next.run)));
    say(format!(
        "ports = {{ blue = {}, green = {} }}",
        found.port,
        another_port(facts)
    ));
    say(format!("workers = {}", next.workers.max(1)));
    let variables = variables::all(found);
    if !variables.is_empty() {
        say(
            "\n# The process has these variables from PM2, and a release gets none of them; what the app needs\n\
             # belongs into"
                .to_owned(),
        );
        say(format!(
            "# `shared/app.env` below the root, mode 0600:\n# {}\n#[env]\n#file = \"app.env\"",
            variables.join(", ")
        ));
    }
    say(format!("\n[python]\nversion = {}", quoted(&python)));
    let requirements: Vec<String> = code
        .requirements
        .iter()
        .map(|file| quoted(file.display()))
        .collect();
    say(format!("requirements = [{}]", requirements.join(", ")));
    say(format!("\n[[health]]\npath = {}", quoted(&health)));
    if expect != 200 {
        say(format!("expect = [{expect}]"));
    }
    site::write(facts, &site, &health, &mut say);
    say(format!(
        "\n[pm2]\nbin = {}\nhome = {}",
        quoted(found.pm2_bin.display()),
        quoted(found.pm2_home.display())
    ));
    workers(&found.others, &tree.top.join(&code.folder), &tree.top, &mut say);
    let config = read::parse(&text, Path::new("bg.toml")).map_err(|error| {
        Failure::new(Kind::Config, "what was found fits into no bg.toml")
            .showing(error.to_string().lines().chain(text.lines()).map(str::to_owned))
            .hint("write the text into bg.toml, mend it, then `bg adopt --config bg.toml`")
    })?;
    let mut notes = next.notes;
    notes.extend(code.notes);
    notes.extend(site.note());
    Ok(Proposal { text, config, notes })
}

/// `/srv/NAME`, or beside what is there already.
fn root(facts: &SiteFacts<'_>, app: &str) -> String {
    if let Some(root) = facts.root {
        return root.display().to_string();
    }
    let usual = PathBuf::from(format!("/srv/{app}"));
    match usual.exists() {
        true => format!("/srv/{app}-releases"),
        false => usual.display().to_string(),
    }
}

fn process_name(found: &Found, app: &str) -> String {
    let colors = ["flask-blue", "flask-green"];
    let taken = |entry: &Proc| colors.contains(&entry.name.as_str());
    match found.others.iter().any(taken) || taken(&found.entry) {
        true => app.to_owned(),
        false => "flask".to_owned(),
    }
}

fn another_port(facts: &SiteFacts<'_>) -> u16 {
    let passed = facts.dump.passed_ports();
    let is_free = |port: &u16| !passed.contains(port) && sockets::is_free(*port);
    let above = facts.found.port.saturating_add(1);
    (above..u16::MAX)
        .chain(1024..above)
        .find(is_free)
        .unwrap_or(above)
}

/// The first path that answers 200; else the front page with what it answers.
async fn health(endpoint: &Endpoint, guessed: Option<&str>) -> (String, u16) {
    for path in guessed.into_iter().chain(HEALTH) {
        if endpoint::status(endpoint, path)
            .await
            .is_ok_and(|status| status == 200)
        {
            return (path.to_owned(), 200);
        }
    }
    let status = endpoint::status(endpoint, "/").await.unwrap_or(200);
    ("/".to_owned(), status)
}

/// What else PM2 keeps from the same work tree, to be read and switched on by a person.
fn workers(others: &[Proc], app: &Path, top: &Path, say: &mut impl FnMut(String)) {
    let below = |entry: &&Proc| entry.cwd.starts_with(top) || entry.script.starts_with(top);
    for entry in others.iter().filter(below) {
        let mut words = vec![
            "{{ venv }}/bin/python".to_owned(),
            in_release(&entry.script, app, top),
        ];
        words.extend(entry.args.iter().cloned());
        say(format!(
            "\n# PM2 keeps `{}` too. As a worker it is handed over with each release, and never runs twice;\n\
             # the entry that is there now is stopped at the first handover.\n\
             #[[worker]]\n#name = {}\n#run = {}\n#handover = \"singleton\"\n#replaces = {}",
            entry.name,
            quoted(&entry.name),
            quoted(words.join(" ")),
            quoted(&entry.name)
        ));
    }
}

/// How a command names a file of the work tree: from the app's folder on, where it starts.
fn in_release(script: &Path, app: &Path, top: &Path) -> String {
    match (script.strip_prefix(app), script.strip_prefix(top)) {
        (Ok(below), _) => below.display().to_string(),
        (_, Ok(below)) => format!("{{{{ release }}}}/{}", below.display()),
        _ => script.display().to_string(),
    }
}
