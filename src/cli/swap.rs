//! This program under its other name: the one that sudo lets an app's owner start as root.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use model::failure::{Failure, Kind};
use sys::system::SWAP;

use crate::ui::Ui;
use crate::verbs::swap_as_root;

/// Runs under that name, or says that this is another.
#[must_use]
pub fn main() -> Option<ExitCode> {
    let mut words = std::env::args_os();
    let name = words.next()?;
    if Path::new(&name).file_name() != Some(OsStr::new(SWAP)) {
        return None;
    }
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    let done = match words.as_slice() {
        [app, route] => carry_out(app, route),
        _ => Err(Failure::new(
            Kind::Usage,
            "two words are wanted: an app and a route",
        )),
    };
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            Ui::Human { name: "bluegreen" }.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    })
}

fn carry_out(app: &str, route: &str) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed("this program cannot start").because(error))?
        .block_on(swap_as_root::swap(app, route))
}
