//! Everything that setup writes, compared with what is there.

use std::path::PathBuf;

use engine::app::App;
use engine::traffic;
use model::failure::{Failure, Kind as FailureKind};
use nginx::files::{self, Change, Kind, Rendered};
use nginx::written::{Whose, Written};
use site::render;
use state::registry::Registry;
use sys::store;

use super::facts::HostFacts;
use super::programs::{self, Programs};
use super::{names, nginx as in_nginx, owner, secret};
use crate::text::counted;

/// What there is to write.
pub struct Wanted {
    folders: Vec<PathBuf>,
    pub targets: Vec<Rendered>,
    shown: Vec<Change>,
    pub nginx: Vec<Change>,
    /// Those of them that others have changed since.
    theirs: Vec<PathBuf>,
    /// Files that others have changed and that stay so.
    pub left: Vec<Change>,
    pub programs: Programs,
    registered: bool,
    applied: bool,
    secret: bool,
}

impl Wanted {
    pub fn describe(&self, app: &App) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let owner = &app.entry.owner;
        let made = |path: &PathBuf| match path == app.nginx_files.link_folder() && app.reloads() {
            true => format!("create {}", path.display()),
            false => format!("create {}, owned by `{owner}`", path.display()),
        };
        lines.extend(self.folders.iter().map(made));
        let (marks, shown): (Vec<&Change>, Vec<&Change>) =
            self.shown.iter().partition(|change| is_label(change));
        let missing = marks.iter().filter(|mark| mark.kind == Kind::Create).count();
        if missing > 0 {
            let folder = app.nginx_files.link_folder().display();
            lines.push(format!(
                "write {} for the labels of a canary into {folder}",
                counted(missing, "empty file")
            ));
        }
        for change in shown.into_iter().chain(&self.nginx) {
            match change.kind {
                Kind::Create => lines.push(format!("write {}", change.path.display())),
                Kind::Update if self.theirs.contains(&change.path) => lines.push(format!(
                    "replace what others changed in {}, with `--overwrite`",
                    change.path.display()
                )),
                Kind::Update => lines.push(format!("change {}", change.path.display())),
                Kind::Same => {}
            }
        }
        if !self.secret {
            lines.push("create the secret that marks the requests of `bg` itself to NGINX".to_owned());
        }
        if !self.registered {
            lines.push(format!("enter the app into the registry, owned by `{owner}`"));
        }
        if !self.applied {
            lines.push("keep a copy of bg.toml as it is applied".to_owned());
        }
        lines.extend(self.programs.describe(app));
        lines
    }

    /// What others changed goes only on a word, with what would be lost on the screen.
    pub fn replaces_nothing_of_others(&self, app: &App, overwrite: bool) -> Result<(), Failure> {
        let mut theirs = self
            .nginx
            .iter()
            .filter(|change| self.theirs.contains(&change.path));
        let Some(change) = theirs.next().filter(|_| !overwrite) else {
            return Ok(());
        };
        let failure = Failure::failed(format!(
            "{} was edited since bg wrote it, and setup would undo those edits",
            change.path.display()
        ))
        .showing(change.diff.lines().map(str::to_owned))
        .with_traffic(traffic::unchanged(app));
        let certbots = change
            .before()
            .is_some_and(|text| String::from_utf8_lossy(text).contains("managed by Certbot"));
        let failure = match certbots {
            true => failure.hint(
                "write keys of `[nginx]` instead of certbot's edits: `tls` with its `fullchain.pem` and `privkey.pem`, `listen = [\"80\", \"443 ssl\"]`, `redirect_to_https`, `http2`",
            ),
            false => failure,
        };
        Err(failure.hint(format!(
            "`bg setup --overwrite` replaces it, with a copy in `{}`",
            in_nginx::backups(app).display()
        )))
    }
}

/// One of two hundred that are all alike.
fn is_label(change: &Change) -> bool {
    let name = change.path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with("green-"))
}

pub fn wanted(app: &App, facts: &HostFacts) -> Result<Wanted, Failure> {
    let config = &app.config;
    let failed = |error: render::RenderError| {
        Failure::new(
            FailureKind::Config,
            "cannot render NGINX's files from this configuration",
        )
        .because(error)
    };
    let (way, values) = (app.entry.switch, &names::facts(config, facts));
    let mut rendered = render::render(config, &app.layout, &app.nginx_files, way, values).map_err(failed)?;
    if facts.site_is_ours {
        rendered
            .extend(render::render_site(config, &app.layout, &app.nginx_files, way, values).map_err(failed)?);
    }
    let nginx = files::plan(&rendered)
        .map_err(|error| Failure::failed("a file cannot be compared").because(error))?;
    let written = Written::of(&app.nginx_files);
    let (mut theirs, mut left) = (Vec::new(), Vec::new());
    let nginx = nginx.into_iter().map(|change| match written.whose(&change) {
        Whose::Ours => change,
        Whose::Left => {
            left.push(change.clone());
            change.left()
        }
        Whose::Theirs => {
            theirs.push(change.path.clone());
            change
        }
    });
    let nginx = nginx.collect();
    let programs = programs::wanted(app, facts)?;
    let registered = Registry::of_this_user()
        .find(app.name())
        .is_ok_and(|entry| entry == app.entry);
    let secret = secret::is_kept(app);
    // From here on what the owner may have put there is read.
    let _rights = owner::rights(facts)?;
    let page = maintenance_page(app)?;
    let targets =
        render::link_targets(config, &app.layout, &app.nginx_files, page.as_deref()).map_err(failed)?;
    Ok(Wanted {
        folders: [app.layout.root(), app.nginx_files.link_folder()]
            .into_iter()
            .filter(|path| !path.is_dir())
            .map(PathBuf::from)
            .collect(),
        // What stands in the way of one is said, or taken away, when it is written.
        shown: files::plan(&targets).unwrap_or_default(),
        targets,
        nginx,
        theirs,
        left,
        programs,
        registered,
        applied: is_applied(app),
        secret,
    })
}

pub fn is_applied(app: &App) -> bool {
    engine::app::read_config(&app.layout.config()).is_ok_and(|applied| applied == app.config)
}

fn maintenance_page(app: &App) -> Result<Option<String>, Failure> {
    let Some(page) = &app.config.nginx.maintenance_page else {
        return Ok(None);
    };
    let path = app.layout.shared().join(page);
    match store::read_text(&path) {
        Ok(text) => Ok(Some(text)),
        Err(_) if !app.layout.root().exists() => Ok(None),
        Err(error) => Err(Failure::new(
            FailureKind::Config,
            format!("`{}` cannot be read", path.display()),
        )
        .because(error)
        .hint("`nginx.maintenance_page` in bg.toml names it")),
    }
}
