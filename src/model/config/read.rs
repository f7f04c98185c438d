//! Reads `bg.toml` and explains what is wrong with it, with the line and a caret.
