//! What a log's last lines say that an operator can do.

use model::config::Config;

/// What to do about the module that an app died for, as Python's own words name it.
pub fn on_missing_module(log: &[String], config: &Config) -> Option<String> {
    let module = log.iter().rev().find_map(|line| missing_module(line))?;
    let place = match config.python.requirements.first() {
        Some(file) => format!("`{}`", file.display()),
        None => "a file that `python.requirements` names".to_owned(),
    };
    Some(format!(
        "`{module}` is neither installed nor in the release: add the package that brings it to {place}"
    ))
}

/// The module of `ModuleNotFoundError: No module named 'redis'`, or of `python -m gunicorn`
/// where there is none. A package that is there and cannot be started is another matter.
fn missing_module(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("No module named ")?;
    let quoted = rest.strip_prefix('\'').and_then(|rest| rest.split_once('\''));
    let module = match quoted {
        Some((module, _)) => module,
        None => rest.split_whitespace().next()?,
    };
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    (module.chars().all(is_name) && !module.contains("__main__")).then_some(module)
}

#[cfg(test)]
mod tests {
    use crate::gate::advice::*;

    #[test]
    fn the_module_that_python_misses_is_named() {
        let cases = [
            (
                "web | ModuleNotFoundError: No module named 'redis'",
                Some("redis"),
            ),
            (
                "No module named 'shop.views'; 'shop' is not a package",
                Some("shop.views"),
            ),
            ("/srv/v/bin/python: No module named gunicorn", Some("gunicorn")),
            (
                "python: No module named gunicorn.__main__; 'gunicorn' is a package",
                None,
            ),
            ("ImportError: No module named <b>", None),
            ("ImportError: cannot import name 'x'", None),
        ];
        for (line, expected) in cases {
            assert_eq!(missing_module(line), expected, "{line}");
        }
    }
}
