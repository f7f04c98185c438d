//! A plan in words.

use std::path::PathBuf;

use engine::{adopted, verifiable};
use model::failure::Failure;
use nginx::files;
use sys::user;

use super::plan::Plan;
use super::request::{Adopting, Ask};
use super::seen::Looked;
use crate::text;

impl Plan {
    /// What would be done.
    ///
    /// # Errors
    /// When a file cannot be compared.
    pub(super) fn shown(&self, ask: &Ask) -> Result<Adopting, Failure> {
        let (app, found) = (&self.app, &self.found);
        let changes = files::plan(&self.rendered())
            .map_err(|error| Failure::failed("a file cannot be compared").because(error))?;
        let mut steps = Vec::new();
        if self.config_text.is_some() {
            steps.push("write bg.toml".to_owned());
        }
        steps.push(format!(
            "create {}, and bg's files in {}",
            app.layout.root().display(),
            app.nginx_files.folder().display()
        ));
        let changed = changes
            .iter()
            .map(|change| format!("change {}, keeping a copy", change.path.display()));
        steps.extend(changed);
        steps.push(format!(
            "reload NGINX once, after a test; unless {} then answers as before, all of this is put back",
            match self.looked.seen.iter().filter(|seen| seen.to_the_app).count() {
                1 => "1 path".to_owned(),
                count => format!("{count} paths and listeners"),
            }
        ));
        steps.push(format!(
            "keep `{}` (pid {}, port {}) running as {}: it is not started again",
            found.entry.name, found.process.pid, found.port, self.color
        ));
        let data = self.data.clone();
        if ask.move_data && !data.is_empty() {
            steps.push(format!("move the data into {}", app.layout.shared().display()));
        }
        Ok(Adopting {
            app: app.name().to_owned(),
            process: self.words(),
            steps,
            warnings: self.warnings(ask),
            diffs: changes.into_iter().map(|change| change.diff).collect(),
            config: self.config_text.clone(),
            data,
            done: false,
        })
    }

    fn words(&self) -> String {
        let found = &self.found;
        let at = self.state.as_ref().map_or(String::new(), |state| {
            let short = text::short(&state.commit);
            format!(", at {short} \"{}\"", state.subject)
        });
        format!(
            "`{}` (pid {}) of `{}` on port {}, in {}{at}",
            found.entry.name,
            found.process.pid,
            found.owner.name,
            found.port,
            found.folder.display()
        )
    }

    /// The environment file is read as whoever it belongs to.
    fn missing_variables(&self) -> Vec<String> {
        let adopted = self.adopted(Vec::new());
        let Ok(_rights) = user::as_user(&self.found.owner) else {
            return Vec::new();
        };
        adopted::missing_variables(&self.app, &adopted)
    }

    fn warnings(&self, ask: &Ask) -> Vec<String> {
        let mut warnings = self.notes.clone();
        if !self.looked.unverifiable.is_empty() {
            let Looked {
                unverifiable, open, ..
            } = &self.looked;
            let refusal = verifiable::refusal(unverifiable, open, &self.found.pass());
            warnings.push(format!("{}: {}", refusal.what, refusal.excerpt.join("; ")));
            warnings.extend(refusal.hints);
        }
        let not_shared: Vec<PathBuf> = self
            .data
            .iter()
            .map(|data| data.path.clone())
            .filter(|path| {
                !self
                    .app
                    .config
                    .shared
                    .iter()
                    .any(|shared| path.starts_with(shared))
            })
            .collect();
        if !not_shared.is_empty() && !ask.leave_data {
            warnings.push(format!(
                "`shared` in bg.toml does not name {}: the next release would start without",
                adopted::listed(&not_shared)
            ));
        }
        if !self.data.is_empty() && !ask.move_data && !ask.leave_data {
            warnings.push(
                "data lies in the work tree: no deploy begins before `--move-data` has moved it into `shared`, \
                 or `--leave-data` has said that the next release does without"
                    .to_owned(),
            );
        }
        let missing = self.missing_variables();
        if !missing.is_empty() && !ask.leave_env {
            warnings.push(format!(
                "`{}` has variables from PM2 that a release does not get: {} (values hidden). No deploy begins \
                 before they have a place: {}",
                self.found.entry.name,
                missing.join(", "),
                adopted::WHERE_VARIABLES_GO
            ));
        }
        for other in &self.found.strangers {
            warnings.push(format!("PM2 keeps `{}` too, which is left as it is", other.name));
        }
        warnings
    }
}
