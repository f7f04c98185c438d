//! PM2's entry for an instance.

use keeper::pm2::Proc;
use model::failure::in_one_line;
use model::instance::Instance;

use crate::app::App;
use crate::workers::trouble::Problem;

/// PM2's name for its process.
pub(super) fn process(app: &App, instance: &Instance) -> String {
    format!("{}-worker-{instance}", app.entry.process_name)
}

/// PM2's entry for an instance.
pub(super) async fn entry(app: &App, instance: &Instance) -> Result<Option<Proc>, Problem> {
    let named = app.pm2.named(&process(app, instance)).await;
    named
        .map(|mut entries| entries.pop())
        .map_err(|error| Problem::new(in_one_line(&error)))
}

/// Whether PM2 starts it again whenever it ends.
pub(super) fn is_kept(entry: &Proc) -> bool {
    matches!(entry.status.as_str(), "online" | "launching" | "waiting restart")
}
