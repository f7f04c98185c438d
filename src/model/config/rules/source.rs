//! The app itself: its name, its root, its code, its files, its Python, PM2.

use super::super::Config;
use super::findings::Findings;
use super::hooks::glob;
use super::value::{Verdict, absolute, no_option, program, relative, safe_in_nginx, text, word, wrong};

pub(super) fn check(config: &Config, findings: &mut Findings<'_, '_>) {
    findings.value("app", app_name(&config.app));
    let root = absolute(&config.root, "/srv/shop");
    findings.value(
        "root",
        root.and_then(|()| safe_in_nginx(&config.root.to_string_lossy())),
    );
    if let Some(owner) = &config.owner {
        findings.value("owner", user_name(owner));
    }
    let source = &config.source;
    if let Some(git) = &source.git {
        findings.value("source.git", repository(git));
    }
    findings.value("source.branch", word(&source.branch, "main"));
    if let Some(folder) = &source.folder {
        findings.value("source.folder", relative(folder, "the repository", "backend"));
    }
    let shared = config.shared.iter();
    findings.each(
        "shared",
        shared.map(|path| relative(path, "`<root>/shared`", "uploads")),
    );
    let scratch = config.scratch.iter();
    findings.each("scratch", scratch.map(|path| glob(path, "tmp")));
    findings.value("python.version", python(&config.python.version));
    let requirements = config.python.requirements.iter();
    findings.each(
        "python.requirements",
        requirements.map(|path| relative(path, "the app's folder", "requirements.txt")),
    );
    findings.value("pm2.bin", program(&config.pm2.bin, "pm2"));
    if let Some(home) = &config.pm2.home {
        findings.value("pm2.home", absolute(home, "/home/deploy/.pm2"));
    }
}

fn app_name(app: &str) -> Verdict {
    let rule = "write 1 to 31 lower-case letters, digits and dashes, from a letter on, as `\"shop\"`";
    match is_app_name(app) {
        true => Ok(()),
        false => wrong("is not a name that NGINX, PM2 and files can share", rule),
    }
}

/// Whether an app can be called so. 31 characters: the name goes into names of NGINX, of
/// files and of processes, to which more is added.
#[must_use]
pub fn is_app_name(app: &str) -> bool {
    app.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
        && app.starts_with(|c: char| c.is_ascii_lowercase())
        && !app.ends_with('-')
        && app.len() <= 31
}

fn user_name(owner: &str) -> Verdict {
    word(owner, "deploy")?;
    match owner.contains([':', '/']) {
        true => wrong("is not a user name", "write the name alone, as `\"deploy\"`"),
        false => Ok(()),
    }
}

/// Whether git may be given `address`, wherever it stands.
///
/// # Errors
/// What is wrong with it, after its name.
pub fn source_address(address: &str) -> Result<(), String> {
    repository(address).map_err(|wrong| wrong.what)
}

fn repository(git: &str) -> Verdict {
    let example = "git@example.com:you/shop.git";
    text(git, example)?;
    no_option(git, example)?;
    if let Some((helper, _)) = git.split_once("::")
        && helper.chars().all(char::is_alphanumeric)
    {
        return wrong(
            format!("names the transport `{helper}::`, which may run any command"),
            format!("write a URL as `\"{example}\"`, or an absolute path"),
        );
    }
    if git.starts_with('/') || git.contains(':') {
        return Ok(());
    }
    wrong(
        "is neither a URL nor an absolute path",
        format!("write something like `\"{example}\"` or `\"/home/you/shop\"`"),
    )
}

fn python(version: &str) -> Verdict {
    word(version, "python3")?;
    if version.starts_with(|c: char| c.is_ascii_digit()) {
        return wrong(
            "is a number, not an interpreter",
            format!("write `\"python{version}\"`"),
        );
    }
    program(version.as_ref(), "python3")
}
