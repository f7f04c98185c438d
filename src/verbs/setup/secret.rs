//! What the requests of a proof carry: made once, kept where NGINX's master and the app's
//! owner read it, and nobody else.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use engine::app::App;
use model::failure::Failure;
use site::endpoint::Secret;
use site::render;
use sys::store;

use super::facts::HostFacts;
use super::owner;

/// Whether both files are there, say the same, and are open to nobody else.
#[must_use]
pub fn is_kept(app: &App) -> bool {
    let files = [app.nginx_files.secret(), app.layout.secret()];
    let [parsed, owners] = files.each_ref().map(|file| Secret::read(file));
    parsed.is_some() && parsed == owners && files.iter().all(|file| is_closed(file))
}

fn is_closed(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|about| about.mode() & 0o077 == 0)
}

/// Makes what is missing. NGINX is told by the next reload.
///
/// # Errors
/// When a file cannot be written.
pub fn keep(app: &App, facts: &HostFacts) -> Result<(), Failure> {
    let (parsed, owners) = (app.nginx_files.secret(), app.layout.secret());
    let failed = |file: &Path| Failure::failed(format!("`{}` cannot be written", file.display()));
    let id = render::root_variable(app.name()).unwrap_or_default();
    let id = id.trim_end_matches("_root");
    let known = Secret::read(&parsed).filter(|_| is_closed(&parsed));
    let secret = match known {
        Some(secret) => secret,
        None => {
            let secret = Secret::fresh().map_err(|error| failed(&parsed).because(error))?;
            let text = format!(
                "# Made by bg for {}, once. To be read by NGINX's master alone.\nmap $http_x_bg_secret {id}_secret {{\n    default 0;\n    \"{}\" 1;\n}}\n",
                app.name(),
                secret.text()
            );
            store::make_all(&app.nginx_files.folder()).map_err(|error| failed(&parsed).because(error))?;
            store::write_whole(&parsed, text.as_bytes(), 0o600)
                .map_err(|error| failed(&parsed).because(error))?;
            secret
        }
    };
    let _rights = owner::rights(facts)?;
    if Secret::read(&owners).as_ref() != Some(&secret) || !is_closed(&owners) {
        let text = format!("{}\n", secret.text());
        store::write_whole(&owners, text.as_bytes(), 0o600)
            .map_err(|error| failed(&owners).because(error))?;
    }
    Ok(())
}
