//! One arm's services.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::ready::{self, Target};
use super::template::Values;
use crate::measure::arm::ArmName;
use crate::measure::http::Origin;
use crate::measure::plan::{Fresh, Process, Ready, Service, ServiceKind};
use crate::measure::process::spawn::last_lines;
use crate::measure::process::step::{self, Step, StepError};
use crate::measure::process::supervise::describe;
use crate::measure::process::tree::Usage;
use crate::measure::process::{Supervised, Supervisor};

/// Where services listen.
const HOST: &str = "127.0.0.1";
/// Ports for services: above those of well-known servers and below 32768, where Linux begins to
/// take ports for outgoing connections.
const SERVICE_PORTS: std::ops::Range<u16> = 20_000..32_768;
/// The number of arms: base, head and a control.
const ARMS: u16 = 3;
/// Ports tried before the kernel is asked for any free one.
const PORT_TRIES: usize = 100;
/// How often a service is asked whether it is ready.
const POLL: Duration = Duration::from_millis(15);
/// Lines of a service's log an error quotes.
const QUOTED_LINES: usize = 10;
/// How long a prepare or seed step may take.
const SEED_WITHIN: Duration = Duration::from_secs(600);

/// A service that could not be brought up, or went away.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// A step before or after the start failed.
    #[error("service `{service}`: {source}")]
    Step {
        /// Which service.
        service: String,
        /// What failed.
        source: Box<StepError>,
    },
    /// The process could not be started at all.
    #[error("service `{service}` could not be started: {source}")]
    Start {
        /// Which service.
        service: String,
        /// Why.
        source: std::io::Error,
    },
    /// A fixed port is in use.
    #[error("port {port} of service `{service}` is taken by something else")]
    PortTaken {
        /// Which service.
        service: String,
        /// Which port.
        port: u16,
    },
    /// The process ended although it should stay.
    #[error("service `{service}` {what} {when}{}", quote(last_lines))]
    Ended {
        /// Which service.
        service: String,
        /// How it ended.
        what: String,
        /// When: `before it was ready`, `while it was measured`.
        when: &'static str,
        /// The last lines it wrote.
        last_lines: Vec<String>,
    },
    /// What it speaks at its address cannot be spoken from here.
    #[error("service `{service}`: {why}")]
    Speaks {
        /// Which service.
        service: String,
        /// Why.
        why: String,
    },
    /// It runs and does not answer.
    #[error("service `{service}` was not ready within {} s: {answer}{}", within.as_secs(), quote(last_lines))]
    NotReady {
        /// Which service.
        service: String,
        /// How long was waited.
        within: Duration,
        /// What it answered last.
        answer: String,
        /// The last lines it wrote.
        last_lines: Vec<String>,
    },
}

fn quote(lines: &[String]) -> String {
    if lines.is_empty() {
        return "; it wrote nothing".to_owned();
    }
    lines.iter().fold(String::new(), |mut text, line| {
        text.push_str("\n  | ");
        text.push_str(line);
        text
    })
}

/// The services of one arm.
#[derive(Debug)]
pub struct Stack {
    supervisor: Supervisor,
    services: Vec<Service>,
    /// The project in this arm.
    project: PathBuf,
    /// Folder for the data of this arm's services.
    data: PathBuf,
    /// Folder for their logs.
    logs: PathBuf,
    ports: BTreeMap<String, u16>,
    values: Values,
    running: BTreeMap<String, Supervised>,
}

impl Stack {
    /// Chooses ports; starts nothing.
    pub fn plan(
        supervisor: &Supervisor,
        services: &[Service],
        arm: ArmName,
        project: &Path,
        data: &Path,
        logs: &Path,
    ) -> Result<Self, ServiceError> {
        let mut ports = BTreeMap::new();
        let mut values = Values::default();
        // Held until all are chosen, so that no two services get the same one.
        let mut held = Vec::new();
        for service in services {
            match &service.kind {
                ServiceKind::Process(process) => {
                    let listener = listen(&service.name, process, arm)?;
                    let port = port_of(&service.name, &listener)?;
                    held.push(listener);
                    values.service(&service.name, HOST, port);
                    ports.insert(service.name.clone(), port);
                }
                ServiceKind::External { url } => {
                    let (host, port) = host_and_port(url);
                    values.service(&service.name, &host, port);
                }
            }
        }
        Ok(Self {
            supervisor: supervisor.clone(),
            services: services.to_vec(),
            project: project.to_owned(),
            data: data.join(arm.name()),
            logs: logs.join(arm.name()),
            ports,
            values,
            running: BTreeMap::new(),
        })
    }

    /// Prepares, starts and seeds everything, dependencies first.
    pub async fn start(&mut self) -> Result<(), ServiceError> {
        for service in self.services.clone() {
            if let ServiceKind::Process(process) = &service.kind {
                self.prepare(&service, process).await?;
                self.launch(&service, process)?;
            }
            self.wait_until_ready(&service).await?;
            self.seed(&service).await?;
        }
        Ok(())
    }

    /// Gives every service that asks for it a fresh process.
    pub async fn refresh(&mut self) -> Result<(), ServiceError> {
        let services = self.services.clone();
        let fresh = || {
            services
                .iter()
                .filter(|service| service.fresh == Fresh::PerBlock)
        };
        for service in fresh().rev() {
            if let Some(running) = self.running.remove(&service.name) {
                running.end().await;
            }
        }
        for service in fresh() {
            if let ServiceKind::Process(process) = &service.kind {
                self.launch(service, process)?;
            }
        }
        for service in fresh() {
            self.wait_until_ready(service).await?;
        }
        Ok(())
    }

    /// Ends everything, dependants first.
    pub async fn stop(&mut self) {
        for service in self.services.clone().iter().rev() {
            if let Some(running) = self.running.remove(&service.name) {
                running.end().await;
            }
        }
    }

    /// Fails when a service has gone away.
    pub fn check_alive(&mut self) -> Result<(), ServiceError> {
        for (name, running) in &mut self.running {
            if let Some(status) = running.ended() {
                return Err(ServiceError::Ended {
                    service: name.clone(),
                    what: describe(status),
                    when: "while it was measured",
                    last_lines: last_lines(running.log(), QUOTED_LINES),
                });
            }
        }
        Ok(())
    }

    /// Stops every process where it stands.
    pub fn freeze(&self) {
        self.running.values().for_each(Supervised::freeze);
    }

    /// Lets every process go on.
    pub fn thaw(&self) {
        self.running.values().for_each(Supervised::thaw);
    }

    /// Lets every process run on these cores only.
    pub fn pin(&self, cores: &[usize]) {
        for running in self.running.values() {
            running.pin(cores);
        }
    }

    /// `host:port` of a service.
    pub fn address(&self, service: &str) -> String {
        self.values
            .fill(&format!("{{{{ services.{service}.address }}}}"))
    }

    /// Where a service's requests go, and what is spoken there.
    pub fn origin(&self, name: &str) -> Result<Origin, ServiceError> {
        let address = self.address(name);
        let Some(service) = self.services.iter().find(|service| service.name == name) else {
            return Ok(Origin::plain(&address));
        };
        let values = self.values_of(service);
        let path = |text: &str| self.project.join(values.fill(text));
        let mut speaks = service.speaks.clone();
        if let Some(ca) = speaks.tls.as_mut().and_then(|tls| tls.ca.as_mut()) {
            *ca = path(&ca.to_string_lossy());
        }
        let socket = speaks.socket.as_deref().map(path);
        Origin::new(&address, &speaks, socket).map_err(|why| ServiceError::Speaks {
            service: name.to_owned(),
            why,
        })
    }

    /// Address of a service's database, where it has one.
    pub fn connection(&self, service: &Service) -> Option<String> {
        let connection = service.connection.as_ref()?;
        Some(self.values_of(service).fill(connection))
    }

    /// The services of this stack.
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// What the process tree of a service uses; none for what is not a process of ours.
    pub fn usage(&self, service: &str) -> Option<Usage> {
        self.running.get(service).map(Supervised::usage)
    }

    /// The CPU time the process tree of a service has used.
    pub fn cpu(&self, service: &str) -> Option<Duration> {
        self.running.get(service).map(Supervised::cpu)
    }

    /// The supervisor of a service; none for what is not a process of ours.
    pub fn root(&self, service: &str) -> Option<i32> {
        self.running.get(service).map(Supervised::root)
    }

    /// The supervisors of all services.
    pub fn roots(&self) -> impl Iterator<Item = i32> {
        self.running.values().map(Supervised::root)
    }

    async fn prepare(&self, service: &Service, process: &Process) -> Result<(), ServiceError> {
        // The data folder's parent exists and is open to all; the folder itself is the
        // service's, which may want to create it.
        let file_error = |source| ServiceError::Start {
            service: service.name.clone(),
            source,
        };
        std::fs::create_dir_all(&self.data).map_err(file_error)?;
        match &process.prepare {
            Some(line) => self.step(service, process, line, "prepare").await,
            None => std::fs::create_dir_all(self.data_of(service)).map_err(file_error),
        }
    }

    async fn seed(&self, service: &Service) -> Result<(), ServiceError> {
        let Some(seed) = &service.seed else {
            return Ok(());
        };
        let process = match &service.kind {
            ServiceKind::Process(process) => process.clone(),
            ServiceKind::External { .. } => Process {
                directory: PathBuf::new(),
                install: None,
                prepare: None,
                command: String::new(),
                environment: BTreeMap::new(),
                port: None,
            },
        };
        let connection = self.connection(service).unwrap_or_default();
        let line = if Path::new(seed).extension().is_some_and(|end| end == "sql") {
            format!("psql -q -X -v ON_ERROR_STOP=1 -f '{seed}' '{connection}'")
        } else {
            seed.clone()
        };
        self.step(service, &process, &line, "seed").await
    }

    async fn step(
        &self,
        service: &Service,
        process: &Process,
        line: &str,
        name: &str,
    ) -> Result<(), ServiceError> {
        let values = self.values_of(service);
        let step = Step {
            line: &values.fill(line),
            directory: &self.project.join(&process.directory),
            environment: &filled(&values, &process.environment),
            log: &self.logs.join(format!("{}-{name}.log", service.name)),
            within: SEED_WITHIN,
        };
        step::run(&self.supervisor, &step)
            .await
            .map_err(|source| ServiceError::Step {
                service: service.name.clone(),
                source,
            })
    }

    fn launch(&mut self, service: &Service, process: &Process) -> Result<(), ServiceError> {
        let values = self.values_of(service);
        let log = self.log_of(service);
        let running = self
            .supervisor
            .spawn(
                &values.fill(&process.command),
                &self.project.join(&process.directory),
                &filled(&values, &process.environment),
                &log,
            )
            .map_err(|source| ServiceError::Start {
                service: service.name.clone(),
                source,
            })?;
        self.running.insert(service.name.clone(), running);
        Ok(())
    }

    async fn wait_until_ready(&mut self, service: &Service) -> Result<(), ServiceError> {
        let connection = self.connection(service);
        let deadline = Instant::now() + service.within;
        loop {
            // A certificate may be made while it starts.
            let answer = match self.origin(&service.name) {
                Ok(origin) => {
                    let target = Target {
                        origin: &origin,
                        connection: connection.as_deref(),
                    };
                    ready::attempt(&service.ready, &target).await
                }
                Err(ServiceError::Speaks { why, .. }) => Err(why),
                Err(error) => return Err(error),
            };
            // Asked after the attempt: what answers on our port may be a stranger, while ours
            // has ended because the port was taken.
            self.still_runs(service)?;
            let Err(answer) = answer else {
                return Ok(());
            };
            if Instant::now() > deadline {
                return Err(ServiceError::NotReady {
                    service: service.name.clone(),
                    within: service.within,
                    answer,
                    last_lines: last_lines(&self.log_of(service), QUOTED_LINES),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn still_runs(&mut self, service: &Service) -> Result<(), ServiceError> {
        let Some(running) = self.running.get_mut(&service.name) else {
            return Ok(());
        };
        match running.ended() {
            None => Ok(()),
            Some(status) => Err(ServiceError::Ended {
                service: service.name.clone(),
                what: describe(status),
                when: "before it was ready",
                last_lines: last_lines(running.log(), QUOTED_LINES),
            }),
        }
    }

    fn values_of(&self, service: &Service) -> Values {
        let data = self.data_of(service).to_string_lossy().into_owned();
        match self.ports.get(&service.name) {
            Some(port) => self.values.within(HOST, *port, &data),
            None => {
                let address = self.address(&service.name);
                let (host, port) = host_and_port(&address);
                self.values.within(&host, port, &data)
            }
        }
    }

    fn data_of(&self, service: &Service) -> PathBuf {
        self.data.join(&service.name)
    }

    fn log_of(&self, service: &Service) -> PathBuf {
        self.logs.join(format!("{}.log", service.name))
    }
}

fn filled(values: &Values, environment: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    environment
        .iter()
        .map(|(name, value)| (name.clone(), values.fill(value)))
        .collect()
}

/// Listens on the fixed port of an arm, or on a free one. A service gets its port again and again
/// with every fresh process, so it is none that the kernel gives to outgoing connections: in the
/// moment the service is down one of those could take it.
fn listen(service: &str, process: &Process, arm: ArmName) -> Result<TcpListener, ServiceError> {
    let port = match process.port {
        Some(port) => port.saturating_add(arm.after_the_fixed_port()),
        None => {
            // Each arm has ports of its own: all are planned before the first one is taken.
            let is_own = |port: &u16| port % ARMS == arm.after_the_fixed_port();
            let mut tries = std::iter::repeat_with(|| fastrand::u16(SERVICE_PORTS)).filter(is_own);
            let free = |port| TcpListener::bind((HOST, port)).ok();
            if let Some(listener) = tries.by_ref().take(PORT_TRIES).find_map(free) {
                return Ok(listener);
            }
            0
        }
    };
    TcpListener::bind((HOST, port)).map_err(|source| {
        let service = service.to_owned();
        if source.kind() == std::io::ErrorKind::AddrInUse {
            ServiceError::PortTaken { service, port }
        } else {
            ServiceError::Start { service, source }
        }
    })
}

fn port_of(service: &str, listener: &TcpListener) -> Result<u16, ServiceError> {
    listener
        .local_addr()
        .map(|address| address.port())
        .map_err(|source| ServiceError::Start {
            service: service.to_owned(),
            source,
        })
}

/// Host and port of a URL or `host:port`; without one, 443 for HTTPS and 80 otherwise.
fn host_and_port(url: &str) -> (String, u16) {
    let usual = if url.starts_with("https://") { 443 } else { 80 };
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or(rest);
    let authority = authority.rsplit('@').next().unwrap_or(authority);
    match authority.rsplit_once(':') {
        Some((host, port)) => (host.to_owned(), port.parse().unwrap_or(usual)),
        None => (authority.to_owned(), usual),
    }
}

/// Whether a service's database can be read by the statement probe.
pub fn is_postgres(service: &Service) -> bool {
    service
        .connection
        .as_deref()
        .is_some_and(|url| url.starts_with("postgresql://") || url.starts_with("postgres://"))
        || matches!(service.ready, Ready::Postgres { .. })
}
