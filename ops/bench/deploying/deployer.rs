//! Whatever deploys a commit, watched from the front door.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::sandbox::wait::wait_until;
use crate::sandbox::{HOST, http, repo};

/// From the start of the command.
#[derive(Clone, Copy)]
pub struct Took {
    /// To the first answer of the other color.
    pub first: Duration,
    /// To the end of the command.
    pub end: Duration,
}

pub trait Deployer {
    /// The repository that is deployed.
    fn repo(&self) -> PathBuf;

    /// Where the site listens.
    fn door(&self) -> SocketAddr;

    /// The command that deploys what the repository holds.
    fn command(&self) -> Command;

    /// A commit that changes one file.
    fn commit(&self) {
        repo::commit(&self.repo(), "one more", |repo| {
            fs::write(repo.join("note"), format!("{:?}", Instant::now())).unwrap();
        });
    }

    /// And one that has every package installed anew.
    fn change_requirements(&self) {
        repo::commit(&self.repo(), "other packages", |repo| {
            let file = repo.join("requirements.txt");
            let text = fs::read_to_string(&file).unwrap();
            fs::write(file, format!("{text}# {:?}\n", Instant::now())).unwrap();
        });
    }

    /// Who answers visitors.
    fn color(&self) -> Option<String> {
        let answer = http::get(self.door(), HOST, "/whoami").ok()?;
        answer.header("x-app-color").map(str::to_owned)
    }

    /// Deploys, and watches the front door meanwhile.
    fn deploy(&self) -> Took {
        let before = self.color();
        let began = Instant::now();
        let mut command = self.command();
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut first = None;
        wait_until(Duration::from_secs(120), "the other color answers", || {
            let now = self.color();
            let other = now.is_some() && now != before;
            first = other.then(|| began.elapsed());
            other
        });
        let output = child.unwrap().wait_with_output().unwrap();
        let end = began.elapsed();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {said}");
        Took {
            first: first.unwrap(),
            end,
        }
    }
}
