//! The command lines that make an environment, with pip or with uv.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use sys::command::Command;

use crate::venv::interpreter::Interpreter;
use crate::venv::project::{PYPROJECT, Project};
use crate::venv::requirements::Requirements;
pub use crate::venv::tool::Tool;

/// Settings of pip, uv and the network that are the user's own.
const PASSED_ON: &[&str] = &["PIP_", "UV_"];
const PASSED_ON_WHOLE: &[&str] = &[
    "http_proxy",
    "https_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
];

impl Tool {
    /// Creates an empty environment.
    #[must_use]
    pub fn create(&self, interpreter: &Interpreter, venv: &Path) -> Command {
        match self {
            Tool::Pip => Command::new(&interpreter.path)
                .args(["-I", "-m", "venv"])
                .arg(venv),
            Tool::Uv(uv) => Command::new(uv)
                .args(["venv", "--quiet", "--no-project", "--python"])
                .arg(&interpreter.path)
                .arg(venv),
        }
    }

    /// What installs all that is required: what a lock names, then all the rest at once, so that
    /// it is resolved together. Bytecode is compiled apart, with [`compile`].
    #[must_use]
    pub fn install(
        &self,
        interpreter: &Interpreter,
        venv: &Path,
        app_folder: &Path,
        wanted: &Requirements,
    ) -> Vec<Command> {
        let locked = wanted
            .projects
            .iter()
            .filter_map(|project| match (self, project) {
                (Tool::Uv(uv), Project::Locked(folder)) => Some(
                    Command::new(uv)
                        .args(["sync", "--quiet", "--frozen", "--no-dev", "--inexact", "--python"])
                        .arg(&interpreter.path)
                        .env("UV_PROJECT_ENVIRONMENT", venv)
                        .folder(app_folder.join(folder)),
                ),
                _ => None,
            });
        let rest = self.unlocked(wanted);
        let together = (!rest.is_empty()).then(|| self.pip_install(venv).args(rest).folder(app_folder));
        locked.chain(together).collect()
    }

    fn pip_install(&self, venv: &Path) -> Command {
        let python = python(venv);
        match self {
            Tool::Pip => Command::new(python)
                .args(["-I", "-m", "pip", "install", "--quiet", "--no-input"])
                .args(["--disable-pip-version-check", "--no-compile"]),
            Tool::Uv(uv) => Command::new(uv)
                .args(["pip", "install", "--quiet", "--python"])
                .arg(python),
        }
    }

    /// The arguments for all that no lock names.
    fn unlocked(&self, wanted: &Requirements) -> Vec<OsString> {
        let mut args: Vec<OsString> = Vec::new();
        for list in &wanted.lists {
            args.extend(["-r".into(), list.into()]);
        }
        let mut names: Vec<OsString> = Vec::new();
        for project in &wanted.projects {
            match (self, project) {
                (_, Project::Locked(_)) => {}
                (_, Project::Package(folder)) => {
                    args.extend(["-e".into(), Path::new(".").join(folder).into()])
                }
                // Where uv is to find them, it reads there.
                (Tool::Uv(_), Project::Dependencies(folder, _)) => {
                    args.extend(["-r".into(), folder.join(PYPROJECT).into()]);
                }
                (Tool::Pip, Project::Dependencies(_, texts)) => {
                    names.extend(texts.iter().map(OsString::from))
                }
            }
        }
        if !names.is_empty() {
            args.push("--".into());
        }
        args.extend(names);
        args
    }
}

/// The interpreter of an environment.
#[must_use]
pub fn python(venv: &Path) -> PathBuf {
    venv.join("bin/python")
}

/// Compiles all modules below `folder`; links are not followed. Status 1 means that some
/// could not be compiled, which is normal: templates, files for another Python.
#[must_use]
pub fn compile(venv: &Path, folder: &Path) -> Command {
    Command::new(python(venv))
        .args(["-I", "-m", "compileall", "-q"])
        .args(["-x", r"/(\.git|node_modules)/"])
        .arg(folder)
}

/// Adds what the network and private indexes need from the environment; nothing may ask.
#[must_use]
pub fn reaching_out(command: Command) -> Command {
    let mut command = command.env("GIT_TERMINAL_PROMPT", "0");
    if std::env::var_os("GIT_SSH_COMMAND").is_none() {
        command = command.env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes");
    }
    for (name, value) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let meant = PASSED_ON.iter().any(|start| text.starts_with(start))
            || PASSED_ON_WHOLE.contains(&text.as_ref())
            || text == "GIT_SSH_COMMAND";
        if meant {
            command = command.env(name, value);
        }
    }
    command
}
