//! The engine on a host: the one that was uploaded before, else one that is installed there
//! and is no older, else uploaded now.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;

use super::call::{Call, NoEngine};
use super::program::{NoProgram, Program};
use super::ssh::{Chunk, Connection, SshError};

/// Below the home folder of whoever connects; each engine in a folder named by its hash.
const FOLDER: &str = ".cache/bluegreen/engines";

/// Run by the host's shell with the folder, the hash and the seconds that the upload may take.
const UPLOAD: &str = include_str!("upload.sh");

/// How long an upload may take: 10 MB on a line of 1 Mbit/s take 80 s.
const UPLOAD_WITHIN: Duration = Duration::from_secs(300);

/// What is kept of what a host prints beside the answer, as start-up files of shells do.
const PRINTED: usize = 64 << 10;

/// How long a small question may take.
const QUESTION_WITHIN: Duration = Duration::from_secs(20);

/// No engine could be had on a host.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The connection.
    #[error(transparent)]
    Ssh(#[from] SshError),
    /// It did not start.
    #[error(transparent)]
    Start(NoEngine),
    /// There is nothing to upload.
    #[error("there is no program to upload")]
    NoProgram(#[from] NoProgram),
    /// The host is another kind of machine.
    #[error("the host is {theirs}, this program is for {ours}")]
    OtherMachine {
        /// What `uname -sm` says there.
        theirs: String,
        /// What this program was built for.
        ours: String,
    },
    /// The upload arrived changed.
    #[error("the program arrived damaged: its checksum differs, or the disk of the host is full")]
    Damaged,
    /// It does not run there.
    #[error("the program does not run on the host{}", said(.complaint))]
    DoesNotRun {
        /// What the host said.
        complaint: String,
    },
    /// The host refused.
    #[error("the program was not put on the host (exit code {code}){}", said(.complaint))]
    Refused {
        /// The upload's exit code.
        code: u32,
        /// What the host said.
        complaint: String,
    },
    /// It took too long.
    #[error("the upload did not end within {} s", UPLOAD_WITHIN.as_secs())]
    TooSlow,
}

fn said(complaint: &str) -> String {
    match complaint.trim() {
        "" => String::new(),
        text => format!(": {text}"),
    }
}

/// An engine that was seen to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Engine {
    program: String,
}

impl Engine {
    /// Starts one, wherever it is found, and hears its hello; `uploaded` is told when one
    /// had to be brought.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn first(
        connection: &Connection,
        program: &Program,
        uploaded: impl FnOnce(),
    ) -> Result<(Engine, Call), EngineError> {
        let brought = Engine {
            program: format!("{FOLDER}/{}/bluegreen", program.hash),
        };
        if let Some(call) = brought.try_start(connection).await? {
            return Ok((brought, call));
        }
        let installed = Engine {
            program: "bluegreen".to_owned(),
        };
        if let Some(call) = installed.try_start(connection).await?
            && is_no_older(&call.hello.version)
        {
            return Ok((installed, call));
        }
        upload(connection, program).await?;
        uploaded();
        let call = brought.start(connection, false).await?;
        Ok((brought, call))
    }

    /// Starts it; `as_root` through a `sudo` that asks nothing.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(&self, connection: &Connection, as_root: bool) -> Result<Call, EngineError> {
        let sudo: &[&str] = if as_root { &["sudo", "-n", "--"] } else { &[] };
        let words = [sudo, &[self.program.as_str(), "engine"]].concat();
        Call::start(connection, &words)
            .await
            .map_err(|error| match error {
                NoEngine::Ssh(error) => EngineError::Ssh(error),
                other => EngineError::Start(other),
            })
    }

    async fn try_start(&self, connection: &Connection) -> Result<Option<Call>, EngineError> {
        match self.start(connection, false).await {
            Ok(call) => Ok(Some(call)),
            Err(EngineError::Start(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where it lies on the host.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.program
    }
}

/// An engine of a later version with the same protocol knows what this one knows.
fn is_no_older(theirs: &str) -> bool {
    let numbers = |version: &str| -> Vec<u64> {
        version
            .split(['.', '-', '+'])
            .map_while(|part| part.parse().ok())
            .collect()
    };
    numbers(theirs) >= numbers(env!("CARGO_PKG_VERSION"))
}

async fn upload(connection: &Connection, program: &Program) -> Result<(), EngineError> {
    // The line's end first: a login shell may have printed something without one.
    let theirs = ask(connection, &["sh", "-c", "echo; uname -sm"]).await?;
    let ours = format!("Linux {}", std::env::consts::ARCH);
    if theirs != ours {
        return Err(EngineError::OtherMachine { theirs, ours });
    }
    let content = program.content()?;
    let limit = UPLOAD_WITHIN.as_secs().to_string();
    let words = [
        "sh",
        "-c",
        UPLOAD,
        "bluegreen-upload",
        FOLDER,
        &program.hash,
        &limit,
    ];
    match timeout(UPLOAD_WITHIN, send(connection, &words, content)).await {
        Err(_) => Err(EngineError::TooSlow),
        Ok(ended) => match ended? {
            (0, _, _) => Ok(()),
            (65, _, _) => Err(EngineError::Damaged),
            (66, _, complaint) => Err(EngineError::DoesNotRun { complaint }),
            (124, _, _) => Err(EngineError::TooSlow),
            (code, _, complaint) => Err(EngineError::Refused { code, complaint }),
        },
    }
}

async fn ask(connection: &Connection, words: &[&str]) -> Result<String, EngineError> {
    match timeout(QUESTION_WITHIN, send(connection, words, Bytes::new())).await {
        Err(_) => Err(EngineError::TooSlow),
        Ok(ended) => {
            let (_, stdout, _) = ended?;
            Ok(stdout.lines().last().unwrap_or_default().trim().to_owned())
        }
    }
}

/// Runs a command with `bytes` as its input: its exit code and what it printed.
async fn send(
    connection: &Connection,
    words: &[&str],
    bytes: Bytes,
) -> Result<(u32, String, String), SshError> {
    let (mut input, mut output) = connection.exec(words).await?;
    let feed = async {
        // A command that ends early says why itself.
        input.write(bytes).await.ok();
        input.end().await;
    };
    let read = async {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        loop {
            match output.next().await {
                Some(Chunk::Stdout(bytes)) => keep(&mut stdout, &bytes),
                Some(Chunk::Stderr(bytes)) => keep(&mut stderr, &bytes),
                Some(Chunk::Exit(code)) => break Ok((code, stdout, stderr)),
                Some(Chunk::Signal(_)) | None => break Ok((1, stdout, stderr)),
                Some(Chunk::Lost(error)) => break Err(error),
            }
        }
    };
    let ((), read) = tokio::join!(feed, read);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    read.map(|(code, stdout, stderr)| (code, text(stdout), text(stderr)))
}

/// Adds what a host prints, of which the end says how it went.
fn keep(kept: &mut Vec<u8>, bytes: &[u8]) {
    kept.extend_from_slice(bytes);
    kept.drain(..kept.len().saturating_sub(PRINTED));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_a_host_prints_the_end_is_kept() {
        let mut kept = Vec::new();
        for _ in 0..1000 {
            keep(&mut kept, &[b'x'; 1000]);
        }
        keep(&mut kept, b"Linux x86_64\n");
        assert_eq!(kept.len(), PRINTED);
        assert!(kept.ends_with(b"xLinux x86_64\n"));
    }

    #[test]
    fn only_a_later_version_stands_in_for_this_one() {
        assert!(is_no_older(env!("CARGO_PKG_VERSION")));
        assert!(is_no_older("99.0.0"));
        assert!(!is_no_older("0.0.9"));
        assert!(!is_no_older("nonsense"));
        assert!(!is_no_older(""));
    }

    #[test]
    fn an_upload_that_hangs_ends_by_itself_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut upload = std::process::Command::new("sh")
            .args(["-c", UPLOAD, "bluegreen-upload", "engines", "0123", "1"])
            .current_dir(folder.path())
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = upload.stdin.take().unwrap();
        std::io::Write::write_all(&mut line, b"the first part").unwrap();
        assert_eq!(upload.wait().unwrap().code(), Some(124));
        assert!(!folder.path().join("engines/0123").exists());
        drop(line);
    }
}
