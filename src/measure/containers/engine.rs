//! The container engine of this machine: found, asked, and blamed when it does not answer.

use std::path::Path;
use std::sync::OnceLock;

use bollard::{API_DEFAULT_VERSION, Docker};

use super::owner::Owner;

/// Longest time that one answer may take, in seconds: pulling and building answer all the time.
const ANSWERS_WITHIN: u64 = 120;

/// The socket that was used in this process, once one was.
static USED: OnceLock<String> = OnceLock::new();

/// A connection to the engine.
#[derive(Debug, Clone)]
pub struct Engine {
    pub(super) docker: Docker,
    /// Where it listens.
    socket: String,
    /// What it is: `Docker 20.10.24`.
    pub name: String,
    /// Whether it runs without root: addresses of containers cannot be reached from here then.
    pub(super) is_rootless: bool,
    /// Names what this run makes.
    pub(super) run: String,
    pub(super) owner: Owner,
}

/// Something the engine could not do.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// None answers.
    #[error("no container engine answers here{}\nstart one (`sudo systemctl start docker`), or install one (Debian's packages `docker.io` and `iptables`, or `podman` with `podman system service`); `DOCKER_HOST=unix:///path` names another socket", tried.iter().map(|(socket, why)| format!("\n  | {socket}: {why}")).collect::<String>())]
    None {
        /// Each socket, and why not.
        tried: Vec<(String, String)>,
    },
    /// `DOCKER_HOST` names one that is not on this machine.
    #[error(
        "`DOCKER_HOST` is `{host}`, and an engine on another machine cannot be measured: CPU time and memory are read here\nwrite `unix:///path/of/the.sock`, or unset it"
    )]
    Elsewhere {
        /// What it is.
        host: String,
    },
    /// It answered with an error, or not at all.
    #[error("{doing}: {why}")]
    Failed {
        /// What was asked for: `starting it`.
        doing: String,
        /// What the engine says.
        why: String,
    },
}

impl EngineError {
    pub(super) fn new(doing: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Failed {
            doing: doing.into(),
            why: why.into(),
        }
    }

    /// Something of this machine cannot be mounted.
    pub fn mounting(why: String) -> Self {
        Self::new("mounting", why)
    }

    pub(super) fn of(doing: impl Into<String>) -> impl FnOnce(bollard::errors::Error) -> Self {
        let doing = doing.into();
        move |error| Self::new(doing, said(&error))
    }
}

/// What the engine says is wrong, without the words around it.
pub(super) fn said(error: &bollard::errors::Error) -> String {
    use bollard::errors::Error;
    if let Error::DockerResponseServerError { message: words, .. }
    | Error::DockerStreamError { error: words } = error
    {
        return words.trim().to_owned();
    }
    format!("the engine does not answer: {}", innermost(error))
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Whether there is no such thing.
pub(super) fn is_missing(error: &bollard::errors::Error) -> bool {
    matches!(
        error,
        bollard::errors::Error::DockerResponseServerError {
            status_code: 404,
            ..
        }
    )
}

impl Engine {
    /// Finds the engine: the one `DOCKER_HOST` names, else the first of the usual sockets that
    /// answers.
    pub async fn connect() -> Result<Self, EngineError> {
        let mut tried = Vec::new();
        for socket in sockets()? {
            match Self::at(&socket).await {
                Ok(engine) => return Ok(engine),
                Err(why) => tried.push((socket, why)),
            }
        }
        Err(EngineError::None { tried })
    }

    /// The engine that was used in this process, if one was.
    pub(super) async fn used() -> Option<Result<Self, String>> {
        Some(Self::at(USED.get()?).await)
    }

    /// Remembers that there may be something to remove.
    pub(super) fn is_used(&self) {
        let _already = USED.set(self.socket.clone());
    }

    async fn at(socket: &str) -> Result<Self, String> {
        if !Path::new(socket).exists() {
            return Err("does not exist".to_owned());
        }
        let docker = client(socket).map_err(|error| innermost(&error))?;
        let docker = docker
            .negotiate_version()
            .await
            .map_err(|error| innermost(&error))?;
        let version = docker.version().await.map_err(|error| innermost(&error))?;
        let info = docker.info().await.map_err(|error| innermost(&error))?;
        let kind = version.components.unwrap_or_default();
        let is_podman = kind.iter().any(|one| one.name.contains("Podman"));
        let options = info.security_options.unwrap_or_default();
        let is_rootless = options.iter().any(|one| one.contains("rootless"));
        let owner = Owner::this();
        Ok(Self {
            docker,
            socket: socket.to_owned(),
            name: format!(
                "{} {}",
                if is_podman { "Podman" } else { "Docker" },
                version.version.unwrap_or_default()
            ),
            is_rootless,
            run: format!("{}-{:08x}", std::process::id(), fastrand::u32(..)),
            owner,
        })
    }

    /// Where it listens.
    pub fn socket(&self) -> &str {
        &self.socket
    }

    /// Asks something from where nothing can be awaited, on a thread and a connection of its own:
    /// the caller's thread waits.
    pub(super) fn blocking<T: Send>(
        &self,
        work: impl AsyncFnOnce(Docker) -> T + Send,
    ) -> Option<T> {
        let socket = &self.socket;
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .ok()?;
                runtime.block_on(async {
                    let docker = client(socket).ok()?.negotiate_version().await.ok()?;
                    Some(work(docker).await)
                })
            });
            thread.join().ok().flatten()
        })
    }
}

fn client(socket: &str) -> Result<Docker, bollard::errors::Error> {
    Docker::connect_with_unix(socket, ANSWERS_WITHIN, API_DEFAULT_VERSION)
}

/// Where engines listen, the likeliest first.
fn sockets() -> Result<Vec<String>, EngineError> {
    if let Ok(host) = std::env::var("DOCKER_HOST")
        && !host.is_empty()
    {
        return match host.strip_prefix("unix://") {
            Some(path) => Ok(vec![path.to_owned()]),
            None => Err(EngineError::Elsewhere { host }),
        };
    }
    let mut sockets = vec!["/var/run/docker.sock".to_owned()];
    let own = std::env::var("XDG_RUNTIME_DIR").ok();
    if let Some(own) = &own {
        sockets.push(format!("{own}/docker.sock"));
    }
    sockets.push("/run/podman/podman.sock".to_owned());
    if let Some(own) = &own {
        sockets.push(format!("{own}/podman/podman.sock"));
    }
    Ok(sockets)
}
