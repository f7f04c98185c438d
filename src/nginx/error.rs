//! What can go wrong with NGINX, with the place it names.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::layout::NginxLayout;
use sys::command::CommandError;

/// What can go wrong with NGINX.
#[derive(Debug, thiserror::Error)]
pub enum NginxError {
    /// The program could not be run.
    #[error("NGINX could not be asked")]
    Command(#[from] CommandError),
    /// `nginx -V` named no version.
    #[error("`{}` does not say which version of NGINX it is", .bin.display())]
    NoVersion {
        /// The program.
        bin: PathBuf,
    },
    /// The configuration is broken.
    #[error("NGINX refuses its configuration{}\n{output}", at(.file.as_deref(), *.line))]
    Rejected {
        /// The file it names.
        file: Option<PathBuf>,
        /// The line it names.
        line: Option<u64>,
        /// All it said.
        output: String,
    },
    /// No pid file: NGINX does not run, or writes it elsewhere.
    #[error("NGINX does not seem to run: its pid file `{}` cannot be read", .path.display())]
    PidFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The pid file names something else. Nothing was signalled.
    #[error("NGINX does not seem to run: `{}` names process `{pid}`, and {found}", .path.display())]
    NotNginx {
        /// The pid file.
        path: PathBuf,
        /// What it holds.
        pid: String,
        /// What is there instead.
        found: String,
    },
    /// The master could not be signalled.
    #[error("NGINX's master (pid {pid}) cannot be told to reload: {source}; run this as root")]
    Signal {
        /// Its pid.
        pid: i32,
        /// Why.
        source: std::io::Error,
    },
    /// NGINX was told to reload, and the old workers go on serving.
    #[error("NGINX was told to reload and still serves its old configuration after {:.1} s{}", .waited.as_secs_f64(), indented(.log))]
    NotApplied {
        /// How long it was awaited.
        waited: Duration,
        /// What the error log says since, empty when it could not be read.
        log: String,
    },
}

impl NginxError {
    /// Whether the configuration is refused because of one of our own files; otherwise it
    /// is somebody else's to mend.
    #[must_use]
    pub fn is_ours(&self, layout: &NginxLayout) -> bool {
        match self {
            NginxError::Rejected { file: Some(file), .. } => {
                file.starts_with(layout.folder())
                    || file.starts_with(layout.link_folder())
                    || *file == layout.hook()
                    || *file == layout.site()
            }
            _ => false,
        }
    }

    /// Whether somebody else's change a moment ago can be the cause.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, NginxError::Rejected { .. } | NginxError::NotApplied { .. })
    }
}

/// `nginx: [emerg] unknown directive "x" in /etc/nginx/conf.d/y.conf:3`
pub(super) fn rejected(output: &str) -> NginxError {
    let place = output
        .lines()
        .filter(|line| line.contains("[emerg]"))
        .find_map(|line| {
            let (path, line) = line.rsplit_once(" in ")?.1.rsplit_once(':')?;
            Some((PathBuf::from(path), line.trim().parse().ok()?))
        });
    NginxError::Rejected {
        file: place.as_ref().map(|(file, _)| file.clone()),
        line: place.map(|(_, line)| line),
        output: output.to_owned(),
    }
}

fn at(file: Option<&Path>, line: Option<u64>) -> String {
    match (file, line) {
        (Some(file), Some(line)) => format!(" at {}:{line}", file.display()),
        _ => String::new(),
    }
}

fn indented(log: &str) -> String {
    log.lines().map(|line| format!("\n  {line}")).collect()
}
