//! What setup finds on the host before it changes anything, and what stands against it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use model::config::{Config, SwitchStrategy};
use model::failure::{Failure, Kind};
use model::layout::{Entry, NginxLayout};
use model::listen::Listener;
use model::strategy;
use nginx::build::Build;
use nginx::dump::{Dump, Server};
use nginx::{Nginx, NginxError, raw};
use nix::unistd::{Uid, User};
use site::render::site_mark;
use state::registry::{Registry, RegistryError};
use sys::command::find_program;

use super::places::{nginx_is_roots, nobodys, places};

/// What was found.
#[derive(Debug)]
pub struct HostFacts {
    /// The entry that the registry gets.
    pub entry: Entry,
    /// The app's owner.
    pub owner: User,
    /// The NGINX there is.
    pub build: Build,
    /// Its configuration as it is.
    pub dump: Dump,
    /// Whether it runs.
    pub running: bool,
    /// Whether the site's file is ours to write.
    pub site_is_ours: bool,
}

impl HostFacts {
    /// Whether root sets the app up, for whoever it belongs to.
    #[must_use]
    pub fn is_roots(&self) -> bool {
        Uid::effective().is_root()
    }

    /// Whether NGINX parses what the link points at, by its files as they are.
    #[must_use]
    pub fn parses_link(&self, files: &NginxLayout) -> bool {
        let setting = files.live().join("color.conf");
        let servers = self.dump.servers();
        servers.iter().any(|server| server.includes.contains(&setting))
    }
}

/// Looks at the host.
///
/// # Errors
/// What stands against setting the app up here.
pub async fn gather(config: &Config, registry: &Registry) -> Result<HostFacts, Failure> {
    let (facts, unseen) = look(config).await?;
    unseen.map_or(Ok(()), Err)?;
    stands_against(config, &facts, registry)?;
    Ok(facts)
}

/// The same for whoever changes nothing: where NGINX refuses its configuration, or does not
/// show it to this user, its files are read as they are, and why comes with it.
///
/// # Errors
/// When there is nothing to look at.
pub async fn look(config: &Config) -> Result<(HostFacts, Option<Failure>), Failure> {
    let files = NginxLayout::new(config);
    let owner = owner(config)?;
    let nginx_bin = program(&config.nginx.bin, "nginx.bin")?;
    let pm2_bin = program(&config.pm2.bin, "pm2.bin")?;
    nginx_is_roots(&nginx_bin, files.conf())?;
    let mut nginx = Nginx {
        bin: nginx_bin.clone(),
        conf: files.conf().to_owned(),
        pid_file: "/run/nginx.pid".into(),
    };
    let build = nginx
        .build()
        .await
        .map_err(|error| Failure::failed("cannot tell NGINX's version and paths").because(error))?;
    let (dump, unseen) = match nginx.dump(config.timeouts.reload.0).await {
        Ok(dump) => (dump, None),
        Err(error) => {
            let failure = not_shown(error, files.conf(), "bg setup");
            match Dump::read(files.conf()) {
                Ok(dump) => (dump, Some(failure)),
                Err(_) => return Err(failure),
            }
        }
    };
    if let Some(pid_file) = dump.pid().or_else(|| build.pid_path.clone()) {
        nginx.pid_file = pid_file;
    }
    let running = nginx.master().is_ok();
    let (switch, switch_reason) = decide(config, &build, &site(config, &files, &dump), &owner)?;
    let entry = Entry {
        format: Entry::FORMAT,
        app: config.app.clone(),
        root: config.root.clone(),
        owner: owner.name.clone(),
        pm2_home: config.pm2.home.clone().unwrap_or_else(|| owner.dir.join(".pm2")),
        pm2_bin,
        process_name: config.process.name.clone(),
        switch,
        switch_reason,
        nginx_bin,
        nginx_conf: files.conf().to_owned(),
        nginx_pid: nginx.pid_file,
        nginx_include: config.nginx.include.clone(),
        nginx_site: site_file(config, &files),
        link_folder: files.link_folder().to_owned(),
        reload_timeout: config.timeouts.reload,
    };
    let files = NginxLayout::of(&entry);
    let facts = HostFacts {
        site_is_ours: is_ours(&files, &config.app)?,
        entry,
        owner,
        build,
        dump,
        running,
    };
    Ok((facts, unseen))
}

/// Why NGINX does not show the configuration in `conf`, which `command` is about to change: to
/// whoever it does not belong to, it is not shown at all.
pub fn not_shown(error: NginxError, conf: &Path, command: &str) -> Failure {
    let user = Uid::effective();
    let owner = std::fs::metadata(conf).map_or(user.as_raw(), |about| about.uid());
    let failure = match user.is_root() || owner == user.as_raw() {
        true => Failure::failed("NGINX's configuration cannot be read, or is broken")
            .hint(format!("`nginx -t` must pass before `{command}`")),
        false => Failure::failed(format!(
            "`{command}` needs root here: it changes NGINX's configuration, which this user cannot test"
        ))
        .hint("run it with sudo"),
    };
    failure.because(error)
}

/// Whom the app is for.
///
/// # Errors
/// When there is no such user.
pub fn owner(config: &Config) -> Result<User, Failure> {
    let named = config.owner.clone().or_else(|| std::env::var("SUDO_USER").ok());
    let found = match &named {
        Some(name) => User::from_name(name),
        None => User::from_uid(Uid::effective()),
    };
    found.ok().flatten().ok_or_else(|| {
        Failure::new(
            Kind::Config,
            format!("there is no user `{}` on this host", named.unwrap_or_default()),
        )
        .hint("`owner` in bg.toml names the user that deploys and runs the app")
    })
}

fn program(wanted: &Path, key: &str) -> Result<PathBuf, Failure> {
    find_program(wanted).ok_or_else(|| {
        Failure::new(
            Kind::Config,
            format!("`{}` is not installed, or not on PATH", wanted.display()),
        )
        .hint(format!(
            "install it, or give its absolute path as `{key}` in bg.toml"
        ))
    })
}

/// The servers of this site as NGINX has them now: those that include our files, and those
/// that carry one of its names on one of its ports. The same name on another port, as on one
/// that only sends visitors to HTTPS, is another site's or needs nothing of ours.
#[must_use]
pub fn site(config: &Config, files: &NginxLayout, dump: &Dump) -> Vec<Server> {
    let port = |text: &str| {
        text.parse::<Listener>()
            .ok()
            .map(|listener| listener.address.port())
    };
    let answers = |text: &&String| {
        let listener = text.parse::<Listener>();
        !config.nginx.redirect_to_https || listener.is_ok_and(|listener| listener.tls)
    };
    let listen = config.nginx.listen.iter().filter(answers);
    let ports: Vec<u16> = listen.filter_map(|text| port(text)).collect();
    let ours = |server: &Server| {
        let named = server
            .names
            .iter()
            .any(|name| config.nginx.server_names.contains(name));
        // One that we cannot read may be any of them.
        let heard = server
            .listens
            .iter()
            .any(|words| port(&words.join(" ")).is_none_or(|port| ports.contains(&port)));
        let includes = |file: &PathBuf| server.includes.contains(file);
        let ours = [files.route(), files.proxy(), files.pass()];
        ours.iter().any(includes) || (named && heard)
    };
    dump.servers().into_iter().filter(ours).collect()
}

fn decide(
    config: &Config,
    build: &Build,
    site: &[Server],
    owner: &User,
) -> Result<(SwitchStrategy, String), Failure> {
    let mut listeners = config
        .nginx
        .listen
        .iter()
        .filter_map(|text| text.parse::<Listener>().ok());
    let http2_or_3 = config.nginx.http2
        || listeners.any(|listener| listener.http2 || listener.http3)
        || site.iter().any(|server| server.http2 || server.http3);
    let can_reload = can_reload(owner);
    let facts = strategy::NginxFacts {
        version: build.version,
        keepalive_min_timeout: !site.is_empty()
            && site.iter().all(|server| server.keepalive_min_timeout.is_some()),
        http2_or_3,
        can_reload,
    };
    let decided = strategy::decide(config.nginx.switch, facts);
    if decided.0 == SwitchStrategy::Reload && !can_reload {
        return Err(Failure::new(
            Kind::Config,
            format!(
                "`{}` cannot reload NGINX, so it cannot switch by a reload",
                owner.name
            ),
        )
        .hint(
            "`nginx.switch = \"live\"` needs no reload; with sudo installed, `bg setup` as root lets them",
        ));
    }
    Ok(decided)
}

/// Whoever deploys must be able to signal NGINX's master and write what it reads, or to
/// have root's program do it.
fn can_reload(owner: &User) -> bool {
    let has_sudo = || find_program(Path::new("sudo")).is_some();
    owner.uid == Uid::effective() || (Uid::effective().is_root() && has_sudo())
}

/// The site's own file where it is not the usual one. That of app `bg-shop` would be called as
/// what pulls the files of app `shop` into `http`; one that is there already stays.
fn site_file(config: &Config, files: &NginxLayout) -> Option<PathBuf> {
    let (app, include) = (&config.app, &config.nginx.include);
    let clashes = config.nginx.site.is_none() && app.starts_with("bg-");
    let is_there = || raw::read(&files.site()).is_ok_and(|text| text.starts_with(&site_mark(app)));
    match clashes && !is_there() {
        true => Some(include.join(format!("{app}.site.conf"))),
        false => config.nginx.site.clone(),
    }
}

fn is_ours(files: &NginxLayout, app: &str) -> Result<bool, Failure> {
    match raw::read(&files.site()) {
        Ok(text) => Ok(text.starts_with(&site_mark(app))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => {
            Err(Failure::failed(format!("`{}` cannot be read", files.site().display())).because(error))
        }
    }
}

/// What stands against setting the app up here, by what was found.
///
/// # Errors
/// The first of it.
pub fn stands_against(config: &Config, facts: &HostFacts, registry: &Registry) -> Result<(), Failure> {
    let files = NginxLayout::of(&facts.entry);
    if !facts.dump.http_includes(&files.hook()) {
        return Err(Failure::new(
            Kind::Config,
            format!(
                "`{}` does not include `{}/*.conf` inside `http`",
                files.conf().display(),
                config.nginx.include.display()
            ),
        )
        .hint("add that include, or name a folder that it includes as `nginx.include` in bg.toml"));
    }
    places(config, &files, facts.site_is_ours)?;
    nobodys(config, &files, facts.site_is_ours)?;
    for served in facts.dump.served_folders() {
        let (folder, place) = (Path::new(&served.text), &served.place);
        // What we serve ourselves lies inside the root, never around it.
        if folder.is_absolute() && config.root.starts_with(folder) {
            return Err(Failure::new(
                Kind::Config,
                format!(
                    "`root` {} lies inside {}, which NGINX serves ({place})",
                    config.root.display(),
                    folder.display()
                ),
            )
            .hint("choose another `root`, as `/srv/NAME`: secrets and history must not be served"));
        }
    }
    if let Some(tree) = config
        .root
        .ancestors()
        .find(|folder| folder.join(".git").exists())
    {
        return Err(Failure::new(
            Kind::Config,
            format!(
                "`root` {} lies inside the git work tree {}",
                config.root.display(),
                tree.display()
            ),
        )
        .hint("choose another `root`, as `/srv/NAME`"));
    }
    for other in registry
        .entries()
        .into_iter()
        .filter(|other| other.app != config.app)
    {
        clash(config, facts, &other)?;
    }
    match registry.find(&config.app) {
        Ok(entry) if entry.root != config.root => Err(Failure::new(
            Kind::Config,
            format!(
                "app `{}` is set up on this host with root {}",
                config.app,
                entry.root.display()
            ),
        )
        .hint("give this one another `app`, or `bg remove` that one first")),
        // What this version does not understand it does not write anew either.
        Err(error @ RegistryError::Newer(_)) => Err(Failure::new(Kind::Config, error.to_string())
            .hint("use the `bluegreen` that wrote it, or a later one")),
        _ => Ok(()),
    }
}

/// Two apps share nothing: no process name in one PM2, no root, no link, no port.
fn clash(config: &Config, facts: &HostFacts, other: &Entry) -> Result<(), Failure> {
    let mine = &facts.entry;
    let refuse = |what: String, hint: &str| {
        Err(Failure::new(
            Kind::Config,
            format!("{what} belongs to app `{}` on this host", other.app),
        )
        .hint(hint.to_owned()))
    };
    if other.process_name == mine.process_name && other.pm2_home == mine.pm2_home {
        return refuse(
            format!("process name `{}`", mine.process_name),
            "choose another `process.name` in bg.toml, as `flask-NAME`",
        );
    }
    if other.root == mine.root || other.root.starts_with(&mine.root) || mine.root.starts_with(&other.root) {
        return refuse(
            format!("root {}", other.root.display()),
            "choose another `root` in bg.toml",
        );
    }
    if other.link_folder == mine.link_folder {
        return refuse(
            format!("link folder {}", mine.link_folder.display()),
            "choose another `nginx.link_folder`",
        );
    }
    let theirs = engine::app::read_config(&other.root.join("bg.toml")).map(|config| config.process.ports);
    if let Ok(theirs) = theirs {
        let ours = config.process.ports;
        for port in [ours.blue, ours.green] {
            if port == theirs.blue || port == theirs.green {
                return refuse(format!("port {port}"), "choose other `process.ports` in bg.toml");
            }
        }
    }
    Ok(())
}
