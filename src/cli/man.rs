//! The man page: one for all commands, each with its options.

use std::io;

use clap::builder::StyledStr;
use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

/// The page in roff.
///
/// # Errors
/// Never into memory; the error is the writer's.
pub fn page(command: Command) -> io::Result<Vec<u8>> {
    let exit = plain(command.get_after_help());
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        roff.control("SS", [verb.get_name()]);
        roff.text([roman(plain(verb.get_about()))]);
        for arg in verb.get_arguments().filter(|arg| !arg.is_hide_set()) {
            roff.control("TP", []);
            roff.text(name(arg));
            roff.text([roman(plain(arg.get_help()))]);
        }
    }
    roff.control("SH", ["EXIT STATUS"]);
    roff.text([roman(exit)]);

    let man = Man::new(command);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_options_section(&mut page)?;
    roff.to_writer(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(page)
}

fn plain(text: Option<&StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

fn name(arg: &Arg) -> Vec<Inline> {
    let long = arg.get_long().map(|long| format!("--{long}"));
    let short = arg.get_short().map(|short| format!("-{short}"));
    let flags: Vec<String> = short.into_iter().chain(long).collect();
    let mut shown = vec![bold(flags.join(", "))];
    if arg.get_action().takes_values() {
        let gap = if flags.is_empty() { "" } else { " " };
        let values = arg.get_value_names().unwrap_or_default();
        let values: Vec<&str> = values.iter().map(clap::builder::Str::as_str).collect();
        shown.push(italic(format!("{gap}{}", values.join(" "))));
    }
    shown
}
