//! `process.run`, word by word.

/// What `process.run` may name in double braces.
pub const VARIABLES: [&str; 4] = ["port", "venv", "release", "color"];

/// A command that cannot be split into words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// A quote or a backslash has no end.
    #[error("the quotes do not pair up")]
    Quotes,
    /// There is no word.
    #[error("the command is empty")]
    Empty,
    /// A template tag that is not `{{`.
    #[error("`{0}` opens no variable in double braces")]
    Braces(String),
    /// `{{` without `}}`, with what follows it.
    #[error("`{}` is not closed by `}}}}`", .0.trim_end())]
    Open(String),
    /// A variable that does not exist.
    #[error("`{{{{ {0} }}}}` is not known")]
    Variable(String),
}

/// Splits `run` as a shell would, without running one. Each word is a template of its own
/// that names only [`VARIABLES`], its braces without spaces: `127.0.0.1:{{port}}`. Render
/// the words, not the line: a path with spaces then stays one word.
///
/// # Errors
/// When quotes or braces do not pair up, a variable is unknown, or no word is left.
pub fn words(run: &str) -> Result<Vec<String>, RunError> {
    let words = shlex::split(&close_braces(run)?).ok_or(RunError::Quotes)?;
    if words.first().is_none_or(String::is_empty) {
        return Err(RunError::Empty);
    }
    Ok(words)
}

/// The module that a server is told to load, as `shop.wsgi` of `shop.wsgi:app` or of
/// `flask --app shop.wsgi:app`; `None` where no word says.
#[must_use]
pub fn loads(words: &[String]) -> Option<&str> {
    let named = words
        .iter()
        .zip(words.iter().skip(1))
        .find(|(option, _)| ["--app", "-A"].contains(&option.as_str()))
        .map(|(_, value)| value.as_str());
    let target = named.or_else(|| {
        words.iter().skip(1).map(String::as_str).find(|word| {
            word.split_once(':')
                .is_some_and(|(module, name)| is_module(module) && starts_a_name(name))
        })
    })?;
    let module = target.split(':').next().unwrap_or(target);
    is_module(module).then_some(module)
}

fn is_module(text: &str) -> bool {
    text.split('.').all(|part| {
        starts_a_name(part)
            && part
                .chars()
                .all(|letter| letter.is_alphanumeric() || letter == '_')
    })
}

fn starts_a_name(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
}

/// `{{ port }}` as `{{port}}`, so that splitting does not tear it.
fn close_braces(run: &str) -> Result<String, RunError> {
    for tag in ["{%", "{#"] {
        if run.contains(tag) {
            return Err(RunError::Braces(tag.into()));
        }
    }
    let mut pieces = run.split("{{");
    let mut closed = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once("}}").ok_or_else(|| open(piece))?;
        if name.contains('}') {
            return Err(open(piece));
        }
        let name = name.trim();
        if !VARIABLES.contains(&name) {
            return Err(RunError::Variable(name.into()));
        }
        closed.push_str(&format!("{{{{{name}}}}}{rest}"));
    }
    Ok(closed)
}

/// With one character more than it needs, to tell it from a variable that is closed.
fn open(piece: &str) -> RunError {
    let end = piece.find('}').map_or(piece.len(), |brace| brace + 1);
    let more = piece.get(end..).and_then(|rest| rest.chars().next());
    let shown = piece.get(..end).unwrap_or(piece);
    RunError::Open(format!("{{{{{shown}{}", more.map_or(String::new(), String::from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_with_spaces_in_its_braces_stays_one_word() {
        assert_eq!(
            words("'{{ venv }}/bin/my python' -b 127.0.0.1:{{ port }} {{color}}").unwrap(),
            ["{{venv}}/bin/my python", "-b", "127.0.0.1:{{port}}", "{{color}}"]
        );
    }

    #[test]
    fn what_a_server_loads_is_found_behind_its_options() {
        let cases = [
            ("gunicorn -b 127.0.0.1:8001 shop.wsgi:app", Some("shop.wsgi")),
            (
                "waitress-serve --listen=127.0.0.1:8001 app:create_app()",
                Some("app"),
            ),
            ("python -m flask --app shop run --port 8001", Some("shop")),
            ("flask -A shop:create_app run", Some("shop")),
            ("python serve.py 8001", None),
            ("serve localhost:8001", None),
            ("flask --app ./shop.py run", None),
        ];
        for (line, module) in cases {
            assert_eq!(loads(&words(line).unwrap()), module, "{line}");
        }
    }

    #[test]
    fn what_cannot_be_split_says_why() {
        assert_eq!(words("  "), Err(RunError::Empty));
        assert_eq!(words("gunicorn 'app"), Err(RunError::Quotes));
        assert_eq!(words("gunicorn {{ port"), Err(RunError::Open("{{ port".into())));
        for run in [
            "{{ venv }}/gunicorn {{ port } app:app",
            "{{ venv }}/gunicorn {{ port } {{ color }}",
            "{{ venv }}/gunicorn {{ port } app }}",
        ] {
            assert_eq!(words(run), Err(RunError::Open("{{ port } ".into())));
        }
        assert_eq!(words("{% if x %}gunicorn"), Err(RunError::Braces("{%".into())));
        assert_eq!(
            words("gunicorn {{ prot }}"),
            Err(RunError::Variable("prot".into()))
        );
    }
}
