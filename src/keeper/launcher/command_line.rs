//! The command of the configuration, made into the words that are executed.

use std::path::Path;

use model::color::Color;

/// A command that does not render.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// There is no word in it.
    #[error("the command is empty")]
    Empty,
    /// A word does not render.
    #[error("`{word}` does not render: the variables are `port`, `venv`, `release` and `color`")]
    Word {
        /// The word.
        word: String,
        /// Where, and what is wrong.
        #[source]
        source: Box<tera::Error>,
    },
}

/// Renders a command, word by word, so that a value with spaces stays one word.
///
/// # Errors
/// When a word is no template, or names a variable that there is not.
pub fn render_run(
    words: &[String],
    port: u16,
    venv: &Path,
    release: &Path,
    color: Color,
) -> Result<Vec<String>, RenderError> {
    let mut context = tera::Context::new();
    context.insert("port", &port);
    context.insert("venv", &venv.to_string_lossy());
    context.insert("release", &release.to_string_lossy());
    context.insert("color", color.name());
    if words.is_empty() {
        return Err(RenderError::Empty);
    }
    words
        .iter()
        .map(|word| {
            tera::Tera::one_off(word, &context, false).map_err(|source| RenderError::Word {
                word: word.clone(),
                source: Box::new(source),
            })
        })
        .collect()
}
