//! What the values of a `bg.toml` must be, where their types allow more.

mod duration;
mod findings;
mod fleet;
mod health;
mod hooks;
mod nginx;
mod open;
mod process;
mod source;
mod value;
mod worker;

use super::Config;
use super::mistake::Mistake;
use super::span::Places;
use findings::Findings;
pub use source::{is_app_name, source_address};

/// Every rule that `config` breaks.
pub(super) fn broken(config: &Config, places: &Places<'_>) -> Vec<Mistake> {
    let mut findings = Findings {
        places,
        mistakes: Vec::new(),
    };
    open::check(config, &mut findings);
    if !findings.mistakes.is_empty() {
        return findings.mistakes;
    }
    source::check(config, &mut findings);
    process::check(config, &mut findings);
    health::check(config, &mut findings);
    nginx::check(&config.nginx, config.process.ports, &mut findings);
    nginx::canary(&config.canary, &config.bake, &mut findings);
    nginx::bake(&config.bake, &mut findings);
    fleet::check(config, &mut findings);
    worker::check(config, &mut findings);
    hooks::check(config, &mut findings);
    duration::check(config, &mut findings);
    findings.mistakes
}
