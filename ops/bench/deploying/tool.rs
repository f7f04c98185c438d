//! `bg`, as it is released.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use crate::measured;
use crate::sandbox::{Sandbox, set};

use super::deployer::Deployer;

/// An app with a release in each color.
pub struct Tool {
    sandbox: Sandbox,
}

impl Tool {
    /// Packages are installed with `installer`.
    pub fn start(installer: &str) -> Tool {
        let sandbox = Sandbox::with(|config| {
            set(config, "python", "installer", installer);
            set(config, "evidence", "window", "0s");
            set(config, "timeouts", "proof", "10s");
        });
        let tool = Tool { sandbox };
        for words in ["setup", "deploy", "deploy"] {
            tool.commit();
            assert!(tool.bg(words).status().unwrap().success(), "bg {words}");
        }
        tool
    }

    fn bg(&self, verb: &str) -> Command {
        let mut command = measured::command(&self.sandbox, &[verb]);
        command.stdout(std::process::Stdio::null());
        command
    }
}

impl Deployer for Tool {
    fn repo(&self) -> PathBuf {
        self.sandbox.repo()
    }

    fn door(&self) -> SocketAddr {
        self.sandbox.address()
    }

    fn command(&self) -> Command {
        self.bg("deploy")
    }
}
