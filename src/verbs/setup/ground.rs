//! What setup finds on the host before it changes anything, and what stands against it.

use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};

use crate::host::command::find_program;
use crate::host::nginx::render::site_mark;
use crate::host::nginx::{Build, Dump, Nginx};
use crate::host::registry::Registry;
use crate::model::config::{Config, SwitchWay};
use crate::model::failure::{Failure, Kind};
use crate::model::layout::{Entry, NginxLayout};
use crate::model::listen::Listener;
use crate::model::way;

/// What was found.
#[derive(Debug)]
pub struct Ground {
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

/// Looks at the host.
///
/// # Errors
/// What stands against setting the app up here.
pub async fn survey(config: &Config, registry: &Registry) -> Result<Ground, Failure> {
    let files = NginxLayout::new(config);
    let owner = owner(config)?;
    let nginx_bin = program(&config.nginx.bin, "nginx.bin")?;
    let pm2_bin = program(&config.pm2.bin, "pm2.bin")?;
    let first = Nginx::new(&nginx_bin, files.conf(), Path::new("/run/nginx.pid"));
    let build = first
        .build()
        .await
        .map_err(|error| Failure::failed("NGINX does not say what it is").because(error))?;
    let dump = first.dump().await.map_err(|error| {
        Failure::failed("NGINX's configuration cannot be read, or is broken")
            .because(error)
            .hint("`nginx -t` must pass before `bg setup`; as an ordinary user it may need sudo")
    })?;
    let nginx_pid = dump
        .pid(files.conf_dir())
        .or_else(|| build.pid_path.clone())
        .unwrap_or_else(|| PathBuf::from("/run/nginx.pid"));
    let running = Nginx::new(&nginx_bin, files.conf(), &nginx_pid).master().is_ok();
    let (switch, switch_reason) = decide(config, &build, &dump, &owner)?;
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
        nginx_pid,
        link_folder: files.link_folder().to_owned(),
    };
    let ground = Ground { site_is_ours: is_ours(&files, &config.app)?, entry, owner, build, dump, running };
    stands_against(config, &ground, registry)?;
    Ok(ground)
}

fn owner(config: &Config) -> Result<User, Failure> {
    let named = config.owner.clone().or_else(|| std::env::var("SUDO_USER").ok());
    let found = match &named {
        Some(name) => User::from_name(name),
        None => User::from_uid(Uid::effective()),
    };
    found.ok().flatten().ok_or_else(|| {
        Failure::new(Kind::Config, format!("there is no user `{}` on this host", named.unwrap_or_default()))
            .hint("`owner` in bg.toml names the user that deploys and runs the app")
    })
}

fn program(wanted: &Path, key: &str) -> Result<PathBuf, Failure> {
    find_program(wanted).ok_or_else(|| {
        Failure::new(Kind::Config, format!("`{}` is not installed, or not on PATH", wanted.display()))
            .hint(format!("install it, or give its absolute path as `{key}` in bg.toml"))
    })
}

fn decide(config: &Config, build: &Build, dump: &Dump, owner: &User) -> Result<(SwitchWay, String), Failure> {
    let listeners = config.nginx.listen.iter().filter_map(|text| text.parse::<Listener>().ok());
    let http2_or_3 = listeners.into_iter().any(|listener| listener.http2 || listener.http3) || dump.http2_or_3();
    // Whoever deploys must be able to signal NGINX's master and write what it reads.
    let can_reload = owner.uid == Uid::effective();
    let ground = way::Ground {
        version: build.version,
        keepalive_min_timeout: dump.keepalive_min_timeout(),
        http2_or_3,
        can_reload,
    };
    let decided = way::decide(config.nginx.switch, ground);
    if decided.0 == SwitchWay::Reload && !can_reload {
        return Err(Failure::new(Kind::Config, format!("`{}` cannot reload NGINX, so it cannot switch by a reload", owner.name))
            .hint("`nginx.switch = \"live\"` needs no reload; or let root own the app (`owner = \"root\"`)"));
    }
    Ok(decided)
}

fn is_ours(files: &NginxLayout, app: &str) -> Result<bool, Failure> {
    match std::fs::read_to_string(files.site()) {
        Ok(text) => Ok(text.starts_with(&site_mark(app))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(error) => {
            Err(Failure::failed(format!("`{}` cannot be read", files.site().display())).because(error))
        }
    }
}

fn stands_against(config: &Config, ground: &Ground, registry: &Registry) -> Result<(), Failure> {
    let files = NginxLayout::new(config);
    if !ground.dump.includes(&files.hook()) {
        return Err(Failure::new(
            Kind::Config,
            format!("`{}` does not include `{}/*.conf` inside `http`", files.conf().display(), config.nginx.include.display()),
        )
        .hint("add that include, or name a folder that it includes as `nginx.include` in bg.toml"));
    }
    for (folder, place) in ground.dump.served_folders() {
        if config.root.starts_with(&folder) {
            return Err(Failure::new(
                Kind::Config,
                format!("`root` {} lies inside {}, which NGINX serves ({place})", config.root.display(), folder.display()),
            )
            .hint("choose another `root`, as `/srv/NAME`: secrets and history must not be served"));
        }
    }
    if let Some(tree) = config.root.ancestors().find(|folder| folder.join(".git").exists()) {
        return Err(Failure::new(
            Kind::Config,
            format!("`root` {} lies inside the git work tree {}", config.root.display(), tree.display()),
        )
        .hint("choose another `root`, as `/srv/NAME`"));
    }
    for other in registry.entries().into_iter().filter(|other| other.app != config.app) {
        clash(config, ground, &other)?;
    }
    if let Ok(entry) = registry.find(&config.app)
        && entry.root != config.root
    {
        return Err(Failure::new(
            Kind::Config,
            format!("app `{}` is set up on this host with root {}", config.app, entry.root.display()),
        )
        .hint("give this one another `app`, or `bg remove` that one first"));
    }
    Ok(())
}

/// Two apps share nothing: no process name in one PM2, no root, no link, no port.
fn clash(config: &Config, ground: &Ground, other: &Entry) -> Result<(), Failure> {
    let mine = &ground.entry;
    let refuse = |what: String, hint: &str| {
        Err(Failure::new(Kind::Config, format!("{what} belongs to app `{}` on this host", other.app)).hint(hint.to_owned()))
    };
    if other.process_name == mine.process_name && other.pm2_home == mine.pm2_home {
        return refuse(
            format!("process name `{}`", mine.process_name),
            "choose another `process.name` in bg.toml, as `flask-NAME`",
        );
    }
    if other.root == mine.root || other.root.starts_with(&mine.root) || mine.root.starts_with(&other.root) {
        return refuse(format!("root {}", other.root.display()), "choose another `root` in bg.toml");
    }
    if other.link_folder == mine.link_folder {
        return refuse(format!("link folder {}", mine.link_folder.display()), "choose another `nginx.link_folder`");
    }
    let theirs = crate::host::app::read_config(&other.root.join("bg.toml")).map(|config| config.process.ports);
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
