//! One host at the other end of a connection, with its engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::event::{Event, Note, Warning};
use model::failure::Failure;
use model::wire::Request;
use ssh::{self, Address, Connection, SshError};
use tokio::sync::Mutex;

use super::call::{Call, NoEngine};
use super::engine::{Engine, EngineError};
use super::program::Program;

/// Where the story goes while hosts are talked to.
pub type Tell<'a> = &'a (dyn Fn(Event) + Send + Sync);

/// How hosts are reached.
#[derive(Clone, Debug)]
pub struct Way {
    /// SSH's own options.
    pub ssh: ssh::Options,
    /// What is uploaded where there is no engine.
    pub program: Program,
}

/// A host, connected.
#[derive(Clone)]
pub struct Host {
    /// Its name, as it was typed.
    pub name: String,
    /// How it was reached.
    pub way: Way,
    connection: Connection,
    engine: Arc<Mutex<Option<Engine>>>,
    without_root: Arc<AtomicBool>,
}

impl Host {
    /// Connects.
    ///
    /// # Errors
    /// Why not; nothing was sent to a host that is not trusted.
    pub async fn connect(name: &str, way: &Way, tell: Tell<'_>) -> Result<Host, Failure> {
        let lost = |error: SshError| error.into_failure(name, way.ssh.name);
        let address: Address = name.parse().map_err(lost)?;
        let connection = ssh::connect(&address, &way.ssh).await.map_err(lost)?;
        for warning in connection.warnings() {
            tell(Event::Warned(Warning::SshSettingIgnored(warning.clone())));
        }
        Ok(Host {
            name: name.to_owned(),
            way: way.clone(),
            connection,
            engine: Arc::default(),
            without_root: Arc::default(),
        })
    }

    /// Sends a request to the engine, which is brought first where there is none.
    ///
    /// # Errors
    /// Why there is no engine, or that the connection is lost.
    pub async fn call(&self, request: &Request, as_root: bool, tell: Tell<'_>) -> Result<Call, Failure> {
        let call = self.start(as_root, tell).await;
        let mut call = call.map_err(|error| self.explain(error))?;
        call.request(request)
            .await
            .map_err(|error| self.explain(error.into()))?;
        Ok(call)
    }

    async fn start(&self, as_root: bool, tell: Tell<'_>) -> Result<Call, EngineError> {
        let mut known = self.engine.lock().await;
        if let Some(engine) = known.as_ref() {
            return self.start_known(engine, as_root).await;
        }
        let uploaded = || {
            tell(Event::Noted(Note::EngineInstalled {
                on: self.name.clone(),
                engine: env!("CARGO_PKG_VERSION").to_owned(),
            }));
        };
        let (engine, call) = Engine::first(&self.connection, &self.way.program, uploaded).await?;
        *known = Some(engine.clone());
        if !as_root || self.user() == "root" {
            return Ok(call);
        }
        drop(call);
        self.start_known(&engine, as_root).await
    }

    /// Root's rights are asked for where they may be needed; without them the verb itself
    /// says what it lacks.
    async fn start_known(&self, engine: &Engine, as_root: bool) -> Result<Call, EngineError> {
        if as_root && self.user() != "root" {
            match engine.start(&self.connection, true).await {
                Err(EngineError::Start(_)) => self.without_root.store(true, Ordering::Relaxed),
                started => return started,
            }
        }
        engine.start(&self.connection, false).await
    }

    /// What to type where root's rights were asked for and not given; `None` where they were.
    #[must_use]
    pub fn root_hint(&self, command: &str) -> Option<String> {
        let place = self
            .name
            .rsplit_once('@')
            .map_or(self.name.as_str(), |(_, place)| place);
        self.without_root.load(Ordering::Relaxed).then(|| {
            format!(
                "`{}` has no root's rights there: `bg {command} --hosts root@{place}`, or allow `{}` a sudo that asks for no password",
                self.user(),
                self.user()
            )
        })
    }

    /// Ends the connection.
    pub async fn close(&self) {
        self.connection.close().await;
    }

    /// Who we are over there.
    #[must_use]
    pub fn user(&self) -> &str {
        self.connection.user()
    }

    /// A lost connection, in words.
    #[must_use]
    pub fn lost(&self, error: SshError) -> Failure {
        error.into_failure(&self.name, self.way.ssh.name)
    }

    fn explain(&self, error: EngineError) -> Failure {
        let error = match error {
            EngineError::Ssh(error) => return self.lost(error),
            other => other,
        };
        let hint = self.what_to_do(&error);
        Failure::failed(format!("cannot start an engine on `{}`", self.name))
            .because(error)
            .hint(hint)
    }

    fn what_to_do(&self, error: &EngineError) -> String {
        let by_hand =
            "put a `bluegreen` for that machine into its /usr/local/bin: `ops/install.sh` does that";
        match error {
            EngineError::Start(NoEngine::OtherProtocol(hello)) => format!(
                "unset `BG_ENGINE`, which names another version, or use version {} on this machine too",
                hello.version
            ),
            EngineError::DoesNotRun { complaint } if complaint.contains("ermission denied") => format!(
                "the home folder of `{}` there is mounted noexec, it seems: {by_hand}",
                self.user()
            ),
            EngineError::DoesNotRun { complaint } if complaint.contains("GLIBC") => {
                "this program is not a static build: `ops/build` makes one, which runs on any Linux of the same CPU"
                    .to_owned()
            }
            EngineError::OtherMachine { .. } | EngineError::DoesNotRun { .. } => by_hand.to_owned(),
            EngineError::NoCommands { .. } | EngineError::Hangs { .. } => format!(
                "`ssh {} true` must end at once with exit code 0: give `{}` a login shell that runs commands \
                 (`getent passwd {1}` there shows which it has), take `ForceCommand`, `command=` and restrictions \
                 to SFTP away, and see that its start-up files, as `.bashrc`, neither exit nor wait",
                self.name,
                self.user()
            ),
            EngineError::Damaged | EngineError::TooSlow => self.look_for_room(),
            EngineError::Refused { complaint, .. } if complaint.contains("o space left") => self.look_for_room(),
            EngineError::Refused { .. } => format!(
                "`{}` must be able to write into `.cache` of the home folder there; or {by_hand}",
                self.user()
            ),
            EngineError::NoProgram(_) => "`BG_ENGINE` names the program to upload".to_owned(),
            EngineError::Ssh(_) | EngineError::Start(_) => {
                format!("`ssh {} true` must print nothing: such output hides the engine's answer", self.name)
            }
        }
    }

    fn look_for_room(&self) -> String {
        format!("`ssh {} df -h .cache` shows whether there is room", self.name)
    }
}
