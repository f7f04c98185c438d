//! Everything that is looked at before anything is changed, and what stands against it.

use std::path::{Path, PathBuf};

use engine::app::App;
use engine::slot::Running;
use engine::{adopted, gate, verifiable};
use jiff::Timestamp;
use model::adopted::Adopted;
use model::color::Color;
use model::config::Config;
use model::failure::{Failure, Kind};
use model::layout::NginxLayout;
use model::release::ReleaseId;
use nginx::dump::Dump;
use nginx::files::Rendered;
use nginx::{Nginx, raw};
use nix::unistd::Uid;
use release::adopted_checkout::State;
use site::render;
use site::takeover::{self, Takeover, Wish};
use state::registry::Registry;
use sys::command::find_program;
use sys::process::Process;

use super::super::setup::facts::{self, HostFacts};
use super::super::setup::places;
use super::data::{self, Data};
use super::found::{self, Found};
use super::record::SiteFile;
use super::request::Ask;
use super::seen::{self, Looked, Site};
use super::{proposal, variables};

/// Everything that was found, and what would become of it.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) app: App,
    pub(super) facts: HostFacts,
    pub(super) found: Found,
    pub(super) state: Option<State>,
    pub(super) takeover: Takeover,
    pub(super) color: Color,
    pub(super) release: ReleaseId,
    pub(super) data: Vec<Data>,
    pub(super) looked: Looked,
    pub(super) notes: Vec<String>,
    pub(super) config_text: Option<String>,
}

async fn dump(conf: &Path, config: Option<&Config>) -> Result<Dump, Failure> {
    let wanted = config.map_or(Path::new("nginx"), |config| &config.nginx.bin);
    let bin = find_program(wanted).ok_or_else(|| {
        Failure::new(
            Kind::Config,
            format!("`{}` is not installed, or not on PATH", wanted.display()),
        )
    })?;
    places::nginx_is_roots(&bin, conf)?;
    let nginx = Nginx {
        bin,
        conf: conf.to_owned(),
        pid_file: PathBuf::new(),
    };
    let deadline = std::time::Duration::from_secs(15);
    let dump = nginx.dump(deadline).await.map(Dump::with_their_bytes);
    dump.map_err(|error| facts::not_shown(error, conf, "bg adopt"))
}

/// Looks.
///
/// # Errors
/// Why the process cannot be adopted.
pub(super) async fn plan(ask: &Ask, config: Option<Config>, conf: &Path) -> Result<Plan, Failure> {
    let dump = dump(conf, config.as_ref()).await?;
    let found = found::look(&dump, ask.name.as_deref(), config.as_ref()).await?;
    let data = match &found.tree {
        Some(tree) => data::list(tree, &found.owner).await,
        None => Vec::new(),
    };
    let mut notes = warnings(&found);
    let (config, config_text) = match config {
        Some(config) => (config, None),
        None => {
            // Names depend on the app's, which the site's paths do not.
            let takeover = take(&dump, &wish(&found, "app", &NginxLayout::stand_in(conf))?)?;
            let facts = proposal::SiteFacts {
                found: &found,
                takeover: &takeover,
                dump: &dump,
                conf,
                data: &data,
                root: ask.root.as_deref(),
            };
            let proposal = proposal::write(&facts).await?;
            notes.extend(proposal.notes);
            (proposal.config, Some(proposal.text))
        }
    };
    let files = NginxLayout::new(&config);
    let mut wish = wish(&found, &config.app, &files)?;
    wish.untracked = untracked(&dump, &wish, &found).await;
    let takeover = take(&dump, &wish)?;
    as_read(&dump, &takeover)?;
    of_the_same(&config, &found)?;
    let color = color(&config, found.port)?;
    let facts = facts::gather(&config, &Registry::of_this_user()).await?;
    fits(&config, &facts, &found, &takeover)?;
    let app = App::with(facts.entry.clone(), config)
        .map_err(|error| Failure::new(Kind::Config, "the configuration cannot be used").because(error))?;
    let site = Site {
        app: &app,
        port: found.port,
        dump: &dump,
    };
    let looked = seen::before(site, &takeover).await;
    notes.extend(looked.notes.iter().cloned());
    notes.extend(takeover.notes.iter().cloned());
    let state = match &found.tree {
        Some(tree) => tree.state().await,
        None => None,
    };
    let commit = state.as_ref().map_or("adopted", |state| state.commit.as_str());
    let plan = Plan {
        release: ReleaseId::new(Timestamp::now(), commit, None),
        app,
        facts,
        found,
        state,
        takeover,
        color,
        data,
        looked,
        notes,
        config_text,
    };
    plan.is_healthy().await?;
    plan.is_provable(ask)?;
    Ok(plan)
}

fn wish(found: &Found, app: &str, files: &NginxLayout) -> Result<Wish, Failure> {
    let root = render::root_variable(app)
        .map_err(|error| Failure::new(Kind::Config, "the app's name cannot be used").because(error))?;
    Ok(Wish {
        port: found.port,
        route: files.route(),
        pass: files.pass(),
        root,
        checkout: found.tree.as_ref().and_then(|tree| tree.top.canonicalize().ok()),
        untracked: Vec::new(),
    })
}

fn take(dump: &Dump, wish: &Wish) -> Result<Takeover, Failure> {
    takeover::take(dump, wish).map_err(|refused| {
        let lines = refused
            .iter()
            .flat_map(|one| [format!("{}: {}", one.place, one.what), format!("    {}", one.fix)]);
        Failure::new(
            Kind::Config,
            "these NGINX directives cannot be converted without changing what they do",
        )
        .showing(lines)
        .hint("edit these lines, `nginx -t && nginx -s reload`, then `bg adopt` again")
    })
}

/// What NGINX read is what lies on disk: else somebody is changing it just now.
fn as_read(dump: &Dump, takeover: &Takeover) -> Result<(), Failure> {
    for file in &takeover.files {
        let read = dump.files.iter().find(|(path, _)| *path == file.path);
        let disk = raw::read(&file.path).unwrap_or_default();
        if read.is_none_or(|(_, text)| text.trim_end() != disk.trim_end()) {
            return Err(
                Failure::failed(format!("`{}` was changed a moment ago", file.path.display()))
                    .hint("`bg adopt` again when nobody edits the file"),
            );
        }
    }
    Ok(())
}

/// What NGINX serves from the work tree and git does not have: built there, and missing in a
/// release.
async fn untracked(dump: &Dump, wish: &Wish, found: &Found) -> Vec<PathBuf> {
    let (Ok(takeover), Some(tree)) = (takeover::take(dump, wish), &found.tree) else {
        return Vec::new();
    };
    let mut missing = Vec::new();
    for served in takeover.statics {
        if !tree.has(&served.folder).await {
            missing.push(served.folder);
        }
    }
    missing
}

fn warnings(found: &Found) -> Vec<String> {
    let mut notes = found.silent.clone();
    notes.extend(adopted::starts_again(&found.pm2_home, &found.entry));
    if let Some(address) = found.exposed {
        notes.push(format!(
            "`{}` listens on {address}:{}, open to the network past NGINX; the next release is bound to 127.0.0.1",
            found.entry.name, found.port
        ));
    }
    notes
}

/// The process belongs to whom the configuration says.
fn of_the_same(config: &Config, found: &Found) -> Result<(), Failure> {
    let named = config.owner.clone().or_else(|| std::env::var("SUDO_USER").ok());
    let me = nix::unistd::User::from_uid(Uid::effective())
        .ok()
        .flatten()
        .map(|user| user.name);
    let owner = named.or(me).unwrap_or_default();
    if owner == found.owner.name {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Config,
        format!(
            "`{}` runs as `{}`, not as `{owner}`",
            found.entry.name, found.owner.name
        ),
    )
    .hint(format!("set `owner = \"{}\"` in bg.toml", found.owner.name)))
}

fn color(config: &Config, port: u16) -> Result<Color, Failure> {
    let ports = config.process.ports;
    Color::BOTH
        .into_iter()
        .find(|color| ports.of(*color) == port)
        .ok_or_else(|| {
            Failure::new(
                Kind::Config,
                format!("`process.ports` gives no color port {port}, which the process holds"),
            )
            .hint(format!(
                "set `ports = {{ blue = {port}, green = ... }}` in bg.toml"
            ))
        })
}

fn fits(config: &Config, facts: &HostFacts, found: &Found, takeover: &Takeover) -> Result<(), Failure> {
    let refused = |what: String, hint: String| Err(Failure::new(Kind::Config, what).hint(hint));
    if !facts.running {
        return refused(
            format!("`{}` names no running NGINX", facts.entry.nginx_pid.display()),
            "start NGINX first: it must answer before and after the change".to_owned(),
        );
    }
    if takeover.servers.is_empty() {
        return refused(
            format!("no server of NGINX passes anything to port {}", found.port),
            "add a `proxy_pass` to that port".to_owned(),
        );
    }
    if facts.site_is_ours {
        let site = takeover.servers.first().map(|server| server.place.file.clone());
        return refused(
            "the site has a file of its own, and bg.toml names another".to_owned(),
            format!(
                "`nginx.site` in bg.toml must name `{}`, from NGINX's folder on",
                site.unwrap_or_default().display()
            ),
        );
    }
    if facts.entry.pm2_home != found.pm2_home {
        return refused(
            format!(
                "`{}` belongs to the PM2 in {}",
                found.entry.name,
                found.pm2_home.display()
            ),
            format!("set `pm2.home = \"{}\"` in bg.toml", found.pm2_home.display()),
        );
    }
    let names = Color::BOTH.map(|color| format!("{}-{color}", config.process.name));
    let taken = found
        .others
        .iter()
        .chain([&found.entry])
        .find(|entry| names.contains(&entry.name));
    match taken {
        Some(entry) => refused(
            format!(
                "PM2 already has an entry `{}`, which a color would need",
                entry.name
            ),
            "choose another `process.name` in bg.toml".to_owned(),
        ),
        None => Ok(()),
    }
}

impl Plan {
    /// What stands for a release.
    pub(super) fn adopted(&self, data: Vec<PathBuf>) -> Adopted {
        let found = &self.found;
        let top = found.tree.as_ref().map(|tree| tree.top.clone());
        Adopted {
            pm2_name: found.entry.name.clone(),
            pid: found.process.pid,
            started: found.process.started,
            port: found.port,
            folder: found.folder.clone(),
            checkout: top.unwrap_or_else(|| found.folder.clone()),
            changes: self.state.as_ref().map(|state| state.changes.clone()),
            data,
            variables: variables::its_own(found),
            at: Timestamp::now(),
        }
    }

    /// The brief gate: what cannot pass it could never be gone back to.
    async fn is_healthy(&self) -> Result<(), Failure> {
        let process: Process = self.found.process;
        let running = Running::found(&self.app, self.color, self.manifest()?, process);
        gate::brief(&self.app, &running)
            .await
            .map(drop)
            .map_err(|refusal| {
                refusal.into_failure(self.color).hint(
                    "`[[health]]` in bg.toml says what a healthy app answers: it must fit the one that runs",
                )
            })
    }

    /// What later switches are proven on can be. A proposal is shown all the same: its reader
    /// says in it how the site wants to be asked.
    fn is_provable(&self, ask: &Ask) -> Result<(), Failure> {
        let Looked {
            unverifiable, open, ..
        } = &self.looked;
        match unverifiable.is_empty() || (self.config_text.is_some() && !ask.yes) {
            true => Ok(()),
            false => Err(verifiable::refusal(unverifiable, open, &self.found.pass())),
        }
    }

    /// The files that change, as they are and as they will be.
    pub(super) fn files(&self) -> Vec<SiteFile> {
        let text_of = |path: &Path| raw::read(path).unwrap_or_default();
        let files = self.takeover.files.iter();
        files
            .map(|file| SiteFile {
                path: file.path.clone(),
                before: text_of(&file.path),
                after: as_on_disk(&file.text, &text_of(&file.path)),
            })
            .collect()
    }

    /// The same as files to write.
    pub(super) fn rendered(&self) -> Vec<Rendered> {
        let files = self.files().into_iter();
        files
            .map(|file| Rendered {
                path: file.path,
                text: file.after,
            })
            .collect()
    }
}

/// `nginx -T` ends each file with a line of its own.
fn as_on_disk(text: &str, disk: &str) -> String {
    let blank = |text: &str| text.len() - text.trim_end_matches('\n').len();
    let kept = blank(disk);
    format!("{}{}", text.trim_end_matches('\n'), "\n".repeat(kept))
}
