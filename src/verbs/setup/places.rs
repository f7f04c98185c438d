//! The places that root obeys or writes to: root's own, and NGINX's.

use std::path::Path;

use model::config::Config;
use model::failure::{Failure, Kind};
use model::layout::NginxLayout;
use nix::unistd::Uid;
use site::render::{hook_is_ours, written_for};
use sys::{path_security, store};

/// What root runs, or has parsed, nobody else may be able to change: a bg.toml that names
/// another program or file would otherwise make its author root.
///
/// # Errors
/// Names the place that others can change, and `hint`.
pub fn roots_alone(path: &Path, hint: &str) -> Result<(), Failure> {
    if !Uid::effective().is_root() {
        return Ok(());
    }
    match path_security::roots_to_make(path) {
        Err(error) => Err(Failure::new(
            Kind::Config,
            format!(
                "users other than root can change `{}`, and root would obey it",
                error.place().display()
            ),
        )
        .because(error)
        .hint(hint.to_owned())),
        Ok(()) => Ok(()),
    }
}

/// What NGINX is called; a build of one's own keeps the name.
const NGINX_NAMES: [&str; 4] = ["nginx", "openresty", "angie", "tengine"];

/// The program that root starts as NGINX, and what it parses. Of the programs that are root's
/// alone, any other would do something else with NGINX's arguments.
///
/// # Errors
/// Names the one that root does not obey.
pub fn nginx_is_roots(bin: &Path, conf: &Path) -> Result<(), Failure> {
    let hint = "`nginx.bin` and `nginx.conf` in bg.toml must name root's own";
    roots_alone(bin, hint)?;
    roots_alone(conf, hint)?;
    let real = std::fs::canonicalize(bin).unwrap_or_else(|_| bin.to_owned());
    let name = real.file_name().unwrap_or_default().to_string_lossy();
    if Uid::effective().is_root() && !NGINX_NAMES.iter().any(|nginx| name.contains(nginx)) {
        return Err(Failure::new(
            Kind::Config,
            format!(
                "`{}` is not called `nginx`, and root would run it",
                real.display()
            ),
        )
        .hint(hint));
    }
    Ok(())
}

/// Where setup writes what NGINX will parse, and nowhere that others can come between.
///
/// # Errors
/// Names the place that is none.
pub fn places(config: &Config, files: &NginxLayout, site_is_ours: bool) -> Result<(), Failure> {
    let hint = "files that NGINX parses, and the folders above them, must be root's: chown root, chmod go-w";
    let mut places = vec![files.folder(), files.hook()];
    if site_is_ours {
        places.push(files.site());
    }
    for place in &places {
        let folder = place.parent().unwrap_or(place);
        roots_alone(folder, hint)?;
        roots_alone(place, hint)?;
    }
    // What a template says becomes NGINX's own configuration: it is read once more when all is
    // looked at, and may not come into being in between.
    let Some(templates) = &config.nginx.templates else {
        return Ok(());
    };
    let hint = "`nginx.templates` must name a folder of root's own";
    let folder = config.root.join(templates);
    if !folder.is_dir() {
        return Err(Failure::new(
            Kind::Config,
            format!(
                "`nginx.templates` names `{}`, which is not a folder",
                folder.display()
            ),
        )
        .hint(hint));
    }
    roots_alone(&folder, hint)?;
    let inside = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    inside
        .map(|file| file.path())
        .try_for_each(|path| roots_alone(&path, hint))
}

/// Nothing that somebody else wrote is written over, whatever its name is: a site of one's own
/// may be called as our file is, and that of app `bg-shop` is called as one of app `shop`.
///
/// # Errors
/// Names the file that is not ours.
pub fn nobodys(config: &Config, files: &NginxLayout, site_is_ours: bool) -> Result<(), Failure> {
    let read = |path: &Path| {
        store::read_plain(path, store::LONGEST_TEXT).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    let refused = |path: &Path, text: &str, hint: &str| {
        let whose = match written_for(text) {
            Some(other) => format!("belongs to app `{other}`"),
            None => format!("was not written by bg for `{}`", config.app),
        };
        let what = format!("`{}` {whose}, so it was not overwritten", path.display());
        Err(Failure::new(Kind::Config, what).hint(hint.to_owned()))
    };
    let hook = files.hook();
    if let Ok(text) = read(&hook)
        && !hook_is_ours(&text, &config.app, files)
    {
        return refused(
            &hook,
            &text,
            "give that file another name, or the app another `nginx.include` or `app` in bg.toml",
        );
    }
    let site = files.site();
    match read(&site) {
        Ok(text) if !site_is_ours && written_for(&text).is_some() => refused(
            &site,
            &text,
            "`nginx.site` in bg.toml names another file for this app's site",
        ),
        _ => Ok(()),
    }
}
