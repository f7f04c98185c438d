//! PM2's entry for a seat.

use keeper::pm2::Proc;
use model::failure::in_one_line;
use model::seat::Seat;

use crate::app::App;
use crate::workers::trouble::Problem;

/// PM2's name for whoever sits there.
pub(super) fn process(app: &App, seat: &Seat) -> String {
    format!("{}-worker-{seat}", app.entry.process_name)
}

/// PM2's entry for a seat.
pub(super) async fn entry(app: &App, seat: &Seat) -> Result<Option<Proc>, Problem> {
    let named = app.pm2.named(&process(app, seat)).await;
    named
        .map(|mut entries| entries.pop())
        .map_err(|error| Problem::new(in_one_line(&error)))
}

/// Whether PM2 starts it again whenever it ends.
pub(super) fn is_kept(entry: &Proc) -> bool {
    matches!(entry.status.as_str(), "online" | "launching" | "waiting restart")
}
