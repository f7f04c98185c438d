//! The command line as people see it.

use clap::CommandFactory;

use super::Args;

/// What people type: without the commands that only our own programs use, which completions
/// would offer although they are hidden.
#[must_use]
pub fn public() -> clap::Command {
    let whole = Args::command();
    let mut public = clap::Command::new("bluegreen").args(whole.get_arguments().cloned());
    public = public
        .subcommands(
            whole
                .get_subcommands()
                .filter(|verb| !verb.is_hide_set())
                .cloned(),
        )
        .subcommand_required(true);
    if let Some(about) = whole.get_about() {
        public = public.about(about.clone());
    }
    if let Some(after) = whole.get_after_help() {
        public = public.after_help(after.clone());
    }
    public.version(env!("CARGO_PKG_VERSION"))
}
