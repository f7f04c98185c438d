//! Why a file of NGINX's could not be rendered.

use std::io;
use std::path::PathBuf;

use model::listen::ListenError;

/// Why a file could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A value that NGINX has no safe way to write.
    #[error("{what} `{value}` cannot be used in NGINX: {why}")]
    Value {
        /// What the value is: a key of bg.toml or a path.
        what: &'static str,
        /// The value.
        value: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A listener.
    #[error("`nginx.listen` names `{text}`")]
    Listen {
        /// The words.
        text: String,
        /// What is wrong with them.
        #[source]
        source: ListenError,
    },
    /// A TLS listener without a certificate.
    #[error("`{listen}` speaks TLS and `nginx.tls` names no certificate")]
    NoCertificate {
        /// The listener.
        listen: String,
    },
    /// The way has not been decided yet.
    #[error("the switch way is still `auto`: `bluegreen setup` decides it")]
    Undecided,
    /// A template of the user's own that cannot be read.
    #[error("the template `{}` cannot be read", .path.display())]
    TemplateFile {
        /// The file, or the folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A template that does not parse or names something that does not exist.
    #[error("the template `{name}` cannot be rendered")]
    Template {
        /// Its name.
        name: &'static str,
        /// Where and why.
        #[source]
        source: tera::Error,
    },
}
