//! An adopted process as a release.

use jiff::Timestamp;
use model::config::Config;
use model::config::run_command::words;
use model::failure::{Failure, Kind};
use model::release::Manifest;
use sys::lock::user_name;

use super::plan::Plan;

impl Plan {
    /// What stands for a release that was never built.
    pub(super) fn manifest(&self) -> Result<Manifest, Failure> {
        let config = &self.app.config;
        let run = words(&config.process.run)
            .map_err(|error| Failure::new(Kind::Config, "`process.run` cannot be used").because(error))?;
        let name = &self.found.entry.name;
        let state = self.state.as_ref();
        // Its workers are PM2's own entries, which come back when it does.
        let config = Config {
            workers: Vec::new(),
            ..config.clone()
        };
        Ok(Manifest {
            format: Manifest::FORMAT,
            id: self.release.clone(),
            commit: state.map_or("adopted".to_owned(), |state| state.commit.clone()),
            subject: state.map_or(format!("adopted from {name}"), |state| state.subject.clone()),
            reference: "adopted".to_owned(),
            made_at: Timestamp::now(),
            made_by: user_name(),
            folder: None,
            run,
            ports: config.process.ports,
            venv: String::new(),
            env: config.env.set.clone(),
            env_file: None,
            config,
            contract: None,
            made_for: None,
            adopted: Some(self.adopted(Vec::new())),
        })
    }
}
