//! `bluegreen-swap APP ROUTE`: the program that sudo lets an app's owner start as root. It moves
//! the traffic of that app and does nothing else.

mod swap;

use std::io::{self, Write};
use std::process::ExitCode;

use model::failure::{Failure, Kind};
use nix::sys::stat::{Mode, umask};
use sys::nss;

fn main() -> ExitCode {
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    nss::pin();
    let words = std::env::args_os().skip(1);
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    let done = match words.as_slice() {
        [app, route] => carry_out(app, route),
        _ => Err(Failure::new(
            Kind::Usage,
            "expected two arguments: an app and a route",
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            io::stderr().write_all(shown(&failure).as_bytes()).ok();
            ExitCode::from(failure.exit_code())
        }
    }
}

fn carry_out(app: &str, route: &str) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed("this program cannot start").because(error))?
        .block_on(swap::swap(app, route))
}

/// Line by line, without what steers a terminal: causes have words of NGINX in them, which have
/// words of configuration files in them.
fn shown(failure: &Failure) -> String {
    let mut lines = vec![format!("error: {}", failure.what)];
    let causes = failure.causes();
    lines.extend(causes.iter().map(|cause| format!("caused by: {cause}")));
    lines.extend(failure.excerpt.iter().map(|line| format!("  {line}")));
    lines.extend(failure.hints.iter().map(|hint| format!("hint: {hint}")));
    let text = lines.join("\n");
    let steers = |letter: &char| letter.is_control() && *letter != '\n';
    text.chars()
        .filter(|letter| !steers(letter))
        .chain(['\n'])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_line_by_line_and_steers_no_terminal() {
        let failure = Failure::failed("traffic of `shop` was not moved")
            .because("nginx: \u{1b}]0;x\u{7}unknown directive\nin site.conf".to_owned())
            .hint("`bg setup` as root fixes that");
        let text = "error: traffic of `shop` was not moved\n\
                    caused by: nginx: ]0;xunknown directive\nin site.conf\n\
                    hint: `bg setup` as root fixes that\n";
        assert_eq!(shown(&failure), text);
    }
}
