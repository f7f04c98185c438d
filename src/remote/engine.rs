//! The engine on a host: the one that was uploaded before, else one that is installed there
//! and is no older, else uploaded now.

use std::time::{Duration, Instant};

use bytes::Bytes;
use ssh::{Chunk, Connection, SshError};
use tokio::time::timeout;

use super::call::{Call, NoEngine};
use super::program::{NoProgram, Program};

/// Below the home folder of whoever connects; each engine in a folder named by its hash.
const FOLDER: &str = ".cache/bluegreen/engines";

/// Run by the host's shell with the folder, the hash and the seconds that the upload may take.
const UPLOAD: &str = include_str!("upload.sh");

/// How long an upload may take: 10 MB on a line of 1 Mbit/s take 80 s.
const UPLOAD_WITHIN: Duration = Duration::from_secs(300);

/// What is kept of what a host prints beside the answer, as start-up files of shells do.
const PRINTED: usize = 64 << 10;

/// So many of its last lines are shown.
const SHOWN: usize = 3;

/// How long a small question may take: a login shell's start-up was seen to take 0.3 s.
const QUESTION_WITHIN: Duration = Duration::from_secs(10);

/// Printed in front of the answer to a question: a login shell may have printed something
/// before, and an account that runs no commands prints something else.
const MARK: &str = "bluegreen asked:";

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
    /// The account is for something else than commands, or a start-up file ends its shell.
    #[error("the account runs no commands{}", said(.printed))]
    NoCommands {
        /// What was printed instead.
        printed: String,
    },
    /// Nothing that was started there came to an end.
    #[error("no command sent to the host ended within {} s{}", .within.as_secs(), said(.printed))]
    Hangs {
        /// How long it was waited for.
        within: Duration,
        /// What was printed meanwhile.
        printed: String,
    },
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
    #[error("the program was not installed on the host (exit code {code}){}", said(.complaint))]
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
        let own = Engine {
            program: format!("{FOLDER}/{}/bluegreen", program.hash),
        };
        let began = Instant::now();
        match own.start(connection, false).await {
            Ok(call) => return Ok((own, call)),
            // Where nothing ends, a second engine would be waited for as long as the first.
            Err(EngineError::Start(NoEngine::Silent { .. })) => machine(connection, began).await.map(drop)?,
            Err(EngineError::Start(_)) => {}
            Err(error) => return Err(error),
        }
        let installed = Engine {
            program: "bluegreen".to_owned(),
        };
        if let Some(call) = installed.try_start(connection).await?
            && is_no_older(&call.hello.version)
        {
            return Ok((installed, call));
        }
        upload(connection, program, machine(connection, began).await?).await?;
        uploaded();
        let call = own.start(connection, false).await?;
        Ok((own, call))
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

/// What kind of machine it is, asked of an account that may run nothing at all.
async fn machine(connection: &Connection, began: Instant) -> Result<String, EngineError> {
    let script = format!("echo; echo '{MARK}' `uname -sm`");
    let words = ["sh", "-c", &script];
    let ended = send(connection, &words, Bytes::new(), QUESTION_WITHIN).await?;
    let answer = ended.stdout.lines().find_map(|line| line.strip_prefix(MARK));
    match (answer, ended.code) {
        (Some(machine), _) => Ok(machine.trim().to_owned()),
        (None, Some(_)) => Err(EngineError::NoCommands {
            printed: ended.in_short(),
        }),
        (None, None) => Err(EngineError::Hangs {
            within: began.elapsed(),
            printed: ended.in_short(),
        }),
    }
}

async fn upload(connection: &Connection, program: &Program, theirs: String) -> Result<(), EngineError> {
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
    let ended = send(connection, &words, content, UPLOAD_WITHIN).await?;
    let complaint = ended.stderr;
    match ended.code {
        Some(0) => Ok(()),
        Some(65) => Err(EngineError::Damaged),
        Some(66) => Err(EngineError::DoesNotRun { complaint }),
        Some(124) | None => Err(EngineError::TooSlow),
        Some(code) => Err(EngineError::Refused { code, complaint }),
    }
}

/// How a command ended.
struct Ended {
    /// `None` where it had not by its deadline.
    code: Option<u32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    /// The last of what was printed, on a line.
    fn in_short(&self) -> String {
        let lines = self.stdout.lines().chain(self.stderr.lines());
        let lines: Vec<&str> = lines.map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = lines.get(lines.len().saturating_sub(SHOWN)..).unwrap_or_default();
        last.join(" / ")
    }
}

/// Runs a command with `bytes` as its input, and hears what it prints until `deadline`.
async fn send(
    connection: &Connection,
    words: &[&str],
    bytes: Bytes,
    deadline: Duration,
) -> Result<Ended, SshError> {
    let (mut input, mut output) = connection.exec(words).await?;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let feed = async {
        // A command that ends early says why itself.
        input.write(bytes).await.ok();
        input.end().await;
    };
    let read = async {
        loop {
            match output.next().await {
                Some(Chunk::Stdout(bytes)) => keep(&mut stdout, &bytes),
                Some(Chunk::Stderr(bytes)) => keep(&mut stderr, &bytes),
                Some(Chunk::Exit(code)) => break Ok(code),
                Some(Chunk::Signal(_)) | None => break Ok(1),
                Some(Chunk::Lost(error)) => break Err(error),
            }
        }
    };
    let ended = timeout(deadline, async { tokio::join!(feed, read).1 }).await;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Ended {
        code: ended.ok().transpose()?,
        stdout: text(stdout),
        stderr: text(stderr),
    })
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
