//! What `bg init` did not find and nobody has written since.

use super::super::{Config, OPEN, run_command};
use super::findings::Findings;
use super::value::{Verdict, wrong, wrong_part};

/// All that is left open; while something is, nothing else is looked at.
pub(super) fn check(config: &Config, findings: &mut Findings<'_, '_>) {
    let git = config.source.git.as_deref().unwrap_or_default();
    findings.value(
        "source.git",
        filled(
            git,
            "write a git URL, or the path of a repository on the host; without this line each deploy brings its files with `--from`",
        ),
    );
    let words = run_command::words(&config.process.run).unwrap_or_default();
    if words.iter().any(|word| word == OPEN) {
        let app = "write what gunicorn loads, as `app:app` for the `app` in app.py, or `shop:create_app()`";
        findings.value("process.run", wrong_part(OPEN, LEFT_OPEN, app));
    }
    let files = config.python.requirements.iter();
    let packages =
        "write the file that names the packages, as `\"requirements.txt\"` or `\"pyproject.toml\"`";
    findings.each(
        "python.requirements",
        files.map(|file| filled(&file.display().to_string(), packages)),
    );
    let names = config.nginx.server_names.iter();
    let name = "write the name that visitors ask for, as `\"shop.example.com\"`";
    findings.each("nginx.server_names", names.map(|found| filled(found, name)));
}

const LEFT_OPEN: &str = "is not filled in yet";

fn filled(value: &str, write: &str) -> Verdict {
    match value == OPEN {
        true => wrong(LEFT_OPEN, write),
        false => Ok(()),
    }
}
