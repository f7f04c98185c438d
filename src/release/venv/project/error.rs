//! Why the packages of a project cannot be installed.

use std::path::PathBuf;

const UV_EXPORT: &str = "uv export --frozen --no-dev --no-emit-project -o requirements.txt";

/// A project whose packages cannot be installed here.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// Another tool's file.
    #[error("`{}` is read by {tool} alone", .file.display())]
    OfOneTool {
        /// The file.
        file: PathBuf,
        /// Its tool.
        tool: &'static str,
        /// What writes a list of requirements.
        export: &'static str,
    },
    /// A lock of uv, and pip is to install it.
    #[error("`{}` is read by uv, and `python.installer` is \"pip\" here", .lock.display())]
    NotPips {
        /// The lock.
        lock: PathBuf,
    },
    /// A lock of uv, and no uv.
    #[error("`{}` is read by uv, which is not installed here", .lock.display())]
    NoUv {
        /// The lock.
        lock: PathBuf,
    },
    /// Nothing to install.
    #[error("`{}` has neither `dependencies` in `[project]` nor a `[build-system]`", .0.display())]
    Nothing(PathBuf),
    /// It is no TOML.
    #[error("`{}` cannot be understood", .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<toml::de::Error>,
    },
}

impl ProjectError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let export = |command: &str| {
            format!(
                "`{command}` in the checkout writes what pip and uv read: commit that, and set \
                 `python.requirements = [\"requirements.txt\"]`"
            )
        };
        match self {
            ProjectError::OfOneTool { export: command, .. } => Some(export(command)),
            ProjectError::NotPips { .. } => Some(format!(
                "set `python.installer = \"uv\"`, or: {}",
                export(UV_EXPORT)
            )),
            ProjectError::NoUv { .. } => Some(format!(
                "install uv for the user that deploys, or: {}",
                export(UV_EXPORT)
            )),
            ProjectError::Nothing(_) => {
                Some("`python.requirements` in bg.toml names the file with the app's packages".to_owned())
            }
            ProjectError::Syntax { .. } => None,
        }
    }
}
