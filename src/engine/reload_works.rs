//! Whether NGINX could be told to reload: looked at before anything depends on it.

use model::failure::Failure;
use nginx::Tested;

use crate::app::App;
use crate::traffic;

/// NGINX would take its configuration, where it has to.
#[derive(Debug)]
pub struct ReloadWorks(pub(super) Option<Tested>);

impl ReloadWorks {
    /// Whether that can still be relied on.
    pub fn is_fresh(&self) -> bool {
        self.0.as_ref().is_none_or(Tested::is_fresh)
    }
}

/// In the reload way a configuration that was broken before, or a master that cannot be
/// found, would only show after the swap: both are tried before.
pub async fn reload_would_work(app: &App) -> Result<ReloadWorks, Failure> {
    // Root's program tries both by itself, and nobody else can.
    if !app.reloads() || app.switcher.via_sudo().is_some() {
        return Ok(ReloadWorks(None));
    }
    app.nginx.master().map_err(|error| {
        Failure::failed("NGINX cannot be told to reload, so traffic was not moved")
            .because(error)
            .hint("NGINX's `pid` file must name its master: restart NGINX, or set `nginx.switch = \"live\"`, which needs no reload")
            .with_traffic(traffic::unchanged(app))
    })?;
    let tested = app.nginx.tested(app.config.timeouts.reload.0).await;
    tested.map(|tested| ReloadWorks(Some(tested))).map_err(|error| {
        let whose = if error.is_ours(&app.nginx_files) {
            "this app's"
        } else {
            "NGINX's (not this app's)"
        };
        Failure::failed(format!(
            "{whose} configuration is broken, so a reload cannot move traffic"
        ))
        .because(error)
        .hint("it was broken before this command: fix it until `nginx -t` passes, or set `nginx.switch = \"live\"`, which needs no reload")
        .with_traffic(traffic::unchanged(app))
    })
}
