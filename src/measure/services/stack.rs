//! One arm's services.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bollard::models::{Mount, MountType};
use futures_util::future::try_join_all;

use super::binds;
use super::models::Places;
use super::ready::{self, Target};
use super::restore::{self, Rows, Template};
use super::running::Running;
use super::template::Values;
use crate::measure::arm::ArmName;
use crate::measure::containers::running::End;
use crate::measure::containers::spec::{self, Spec};
use crate::measure::containers::{self, Engine, EngineError, files, leftovers};
use crate::measure::http::Origin;
use crate::measure::plan::{
    Container, Fresh, Image, Process, Ready, Service, ServiceKind, Volume, VolumeSource,
};
use crate::measure::probes::tables::{self, Tables};
use crate::measure::probes::{model_runs, rabbitmq, redis};
use crate::measure::process::Supervisor;
use crate::measure::process::step::{self, Step, StepError};
use crate::measure::process::tree::{self, Usage};

/// Where services listen.
const HOST: &str = "127.0.0.1";
/// Where containers listen inside: on every address they have.
const EVERYWHERE: &str = "0.0.0.0";
/// Ports for services: above those of well-known servers and below 32768, where Linux begins to
/// take ports for outgoing connections.
const SERVICE_PORTS: std::ops::Range<u16> = 20_000..32_768;
/// The number of arms: base, head and a control.
const ARMS: u16 = 3;
/// Ports tried before the kernel is asked for any free one.
const PORT_TRIES: usize = 100;
/// How often a service is asked whether it is ready.
const POLL: Duration = Duration::from_millis(15);
/// The same where the engine has to be asked: for a health check, a log.
const ASK: Duration = Duration::from_millis(100);
/// How long a service with models must do nothing before it is measured: the first of several
/// workers may answer while others still read the model.
const QUIET: Duration = Duration::from_millis(100);
/// CPU time in that time which is nothing: an event loop that looks whether its workers live.
const IDLE: Duration = Duration::from_millis(5);
/// Looks at what its processes do in that time.
const LOOKS: u32 = 4;
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
    /// Its memory was full.
    #[error("service `{service}` ran out of memory{} {when}: a process of it was killed{}", limit.map(|bytes| format!(" at its limit of {} MB", megabytes(bytes))).unwrap_or_default(), quote(last_lines))]
    OutOfMemory {
        /// Which service.
        service: String,
        /// Its limit in bytes, where it has one.
        limit: Option<u64>,
        /// When: `before it was ready`, `while it was measured`.
        when: &'static str,
        /// The last lines it wrote.
        last_lines: Vec<String>,
    },
    /// The container engine could not do something for it.
    #[error("service `{service}`: {source}")]
    Engine {
        /// Which service.
        service: String,
        /// What.
        source: EngineError,
    },
    /// The container engine could not do something for all of them.
    #[error(transparent)]
    NoEngine(#[from] EngineError),
    /// What it speaks at its address cannot be spoken from here.
    #[error("service `{service}`: {why}")]
    Speaks {
        /// Which service.
        service: String,
        /// Why.
        why: String,
    },
    /// Its data could not be put back.
    #[error("service `{service}`: its data could not be put back for the next block: {why}")]
    Restore {
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

/// Bytes in the unit that sizes are written in: 1,000,000 of them, with a digit where it matters.
fn megabytes(bytes: u64) -> String {
    let tenths = bytes.saturating_add(50_000) / 100_000;
    match (tenths / 10, tenths % 10) {
        (whole, 0) => whole.to_string(),
        (whole, tenth) => format!("{whole}.{tenth}"),
    }
}

/// What containers are made with.
#[derive(Debug, Clone)]
pub struct Containers {
    /// Who makes them.
    pub engine: Engine,
    /// The image of each service that has one.
    pub images: BTreeMap<String, String>,
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
    arm: ArmName,
    ports: BTreeMap<String, u16>,
    /// What expressions mean outside of containers.
    values: Values,
    /// What they mean inside.
    inside: Values,
    containers: Option<Containers>,
    running: BTreeMap<String, Running>,
    /// The databases that are put back before every block.
    templates: BTreeMap<String, Template>,
    /// The rows that each database starts with; none where they were not counted.
    rows: BTreeMap<String, Option<Rows>>,
    /// What is not put back, and why, unless that was asked for.
    not_restored: Vec<String>,
    /// How the tables of each database were read so far, or why that is not known.
    tables: BTreeMap<String, Result<Tables, String>>,
    /// What each database had counted when the block began; nothing where it was new.
    tables_before: BTreeMap<String, Tables>,
    /// Services with models that are never quiet: they are not waited for again.
    restless: Mutex<BTreeSet<String>>,
    /// Folders to mount that git does not know: they were made.
    made: Mutex<BTreeSet<PathBuf>>,
    /// The models of containers that cannot be looked into, as files of this machine, or why there
    /// are none.
    copied: Mutex<BTreeMap<String, Result<Vec<PathBuf>, String>>>,
    /// Folders to mount that are not those of the tree.
    apart: BTreeSet<PathBuf>,
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
        containers: Option<Containers>,
    ) -> Result<Self, ServiceError> {
        let mut ports = BTreeMap::new();
        let mut values = Values::default();
        let mut inside = Values::default();
        // Held until all are chosen, so that no two services get the same one.
        let mut held = Vec::new();
        for service in services {
            match &service.kind {
                ServiceKind::Process(process) => {
                    let listener = listen(&service.name, process.port, arm)?;
                    let port = port_of(&service.name, &listener)?;
                    held.push(listener);
                    values.service(&service.name, HOST, port);
                    inside.service(&service.name, HOST, port);
                    ports.insert(service.name.clone(), port);
                }
                ServiceKind::Container(container) => {
                    let Some(port_inside) = container.port else {
                        continue;
                    };
                    let listener = listen(&service.name, None, arm)?;
                    let port = port_of(&service.name, &listener)?;
                    held.push(listener);
                    values.service(&service.name, HOST, port);
                    inside.service(&service.name, &service.name, port_inside);
                    ports.insert(service.name.clone(), port);
                }
                ServiceKind::External { url } => {
                    let (host, port) = host_and_port(url);
                    values.service(&service.name, &host, port);
                    inside.service(&service.name, &host, port);
                }
            }
        }
        Ok(Self {
            supervisor: supervisor.clone(),
            services: services.to_vec(),
            project: project.to_owned(),
            data: data.join(arm.name()),
            logs: logs.join(arm.name()),
            arm,
            ports,
            values,
            inside,
            containers,
            running: BTreeMap::new(),
            templates: BTreeMap::new(),
            rows: BTreeMap::new(),
            not_restored: Vec::new(),
            tables: BTreeMap::new(),
            restless: Mutex::default(),
            made: Mutex::default(),
            copied: Mutex::default(),
            apart: BTreeSet::new(),
            tables_before: BTreeMap::new(),
        })
    }

    /// Prepares, starts and seeds everything: what needs nothing else at the same time, then what
    /// needs only that, and so on.
    pub async fn start(&mut self) -> Result<(), ServiceError> {
        self.join_network().await?;
        let mut waiting = self.services.clone();
        while !waiting.is_empty() {
            let is_waiting = |need: &String| waiting.iter().any(|other| other.name == *need);
            let (later, now): (Vec<_>, Vec<_>) = waiting
                .clone()
                .into_iter()
                .partition(|service| service.needs.iter().any(is_waiting));
            let started = try_join_all(now.iter().map(|service| self.bring_up(service))).await?;
            let names = now.into_iter().map(|service| service.name);
            let running = names.zip(started);
            self.running
                .extend(running.filter_map(|(name, running)| Some((name, running?))));
            waiting = later;
            Box::pin(self.keep_data(&waiting)).await;
        }
        Ok(())
    }

    /// Keeps a copy of every database that is filled by now and that nobody uses yet.
    async fn keep_data(&mut self, waiting: &[Service]) {
        for service in self.services.clone() {
            let is_known = self.rows.contains_key(&service.name);
            let runs = self.running.contains_key(&service.name);
            let fills = |other: &Service| {
                other.ready == Ready::Completed && other.needs.contains(&service.name)
            };
            if is_known || !runs || !is_postgres(&service) || waiting.iter().any(fills) {
                continue;
            }
            let Some(url) = self.connection(&service) else {
                continue;
            };
            let against = match self.keeps_open(&service) {
                _ if service.fresh == Fresh::PerBlock => {
                    Some("it gets a fresh process for every block".to_owned())
                }
                other => other.map(|other| format!("`{other}` stays connected to it")),
            };
            let restore = if against.is_some() {
                Some(false)
            } else {
                service.restore
            };
            let (rows, outcome) = match restore::seeded(&url, restore).await {
                Ok(seeded) => (Some(seeded.rows), seeded.template),
                Err(why) => (None, Err(why)),
            };
            self.rows.insert(service.name.clone(), rows);
            match tables::read(&url).await {
                Ok(seeded) => {
                    self.tables_before.insert(service.name.clone(), seeded);
                }
                Err(why) => {
                    self.tables.insert(service.name.clone(), Err(why));
                }
            }
            let outcome = against.map_or(outcome, Err);
            match outcome {
                Ok(template) => {
                    self.templates.insert(service.name.clone(), template);
                }
                // Who asks for no copy knows that there is none.
                Err(_) if service.restore == Some(false) => {}
                Err(why) => {
                    let said = format!("{}: not put back before each block: {why}", service.name);
                    self.not_restored.push(said);
                }
            }
        }
    }

    /// A service that would lose its connections when this one's data is put back: one that runs
    /// through all blocks.
    fn keeps_open(&self, service: &Service) -> Option<&str> {
        let mut others = self.services.iter().filter(|other| {
            other.needs.contains(&service.name)
                && other.ready != Ready::Completed
                && (other.fresh == Fresh::PerRun || !other.kind.is_ours())
        });
        others.next().map(|other| other.name.as_str())
    }

    /// Adds up how tables were read in the block that is over.
    async fn count_table_use(&mut self) {
        let addresses: Vec<_> = self
            .services
            .iter()
            .filter_map(|service| Some((service.name.clone(), self.connection(service)?)))
            .collect();
        for (service, url) in addresses {
            let Some(before) = self.tables_before.get_mut(&service) else {
                continue;
            };
            let sum = self.tables.entry(service.clone());
            let Ok(sum) = sum.or_insert_with(|| Ok(Tables::new())) else {
                continue;
            };
            match tables::read(&url).await {
                Ok(now) => {
                    tables::add(sum, before, &now);
                    // A database that is made again counts from nothing.
                    let is_new = self.templates.contains_key(&service);
                    *before = if is_new { Tables::new() } else { now };
                }
                Err(why) => {
                    self.tables.insert(service, Err(why));
                }
            }
        }
    }

    /// How the tables of each database were read so far, or why that is not known.
    pub fn tables(&self) -> &BTreeMap<String, Result<Tables, String>> {
        &self.tables
    }

    /// Puts databases back as they were seeded, and empties caches. Nothing that would notice runs.
    async fn restore(&self) -> Result<(), ServiceError> {
        for service in &self.services {
            let restored = match self.templates.get(&service.name) {
                Some(template) => template.put_back().await,
                None if self.is_emptied(service) => {
                    let address = self.address(&service.name);
                    let connection = self.connection(service);
                    match redis::Probe::connect(&address, connection.as_deref()).await {
                        Ok(mut cache) => cache.empty().await,
                        // It cannot be asked anything, and its counts are missing for that.
                        Err(_) => Ok(()),
                    }
                }
                None if self.is_purged(service) => match self.connection(service) {
                    Some(address) => rabbitmq::empty(&address, &service.queues).await,
                    None => Ok(()),
                },
                None => Ok(()),
            };
            restored.map_err(|why| ServiceError::Restore {
                service: service.name.clone(),
                why,
            })?;
        }
        Ok(())
    }

    /// Whether a service is a cache of ours that starts every block empty.
    fn is_emptied(&self, service: &Service) -> bool {
        let may = match service.restore {
            Some(asked) => asked,
            None => service.seed.is_none(),
        };
        may && service.kind.is_ours()
            && service.fresh == Fresh::PerRun
            && redis::is_redis(service)
            && self.keeps_open(service).is_none()
    }

    /// Whether the queues of a service of ours are empty at the start of every block.
    fn is_purged(&self, service: &Service) -> bool {
        let may = service.restore.unwrap_or(service.seed.is_none());
        may && service.kind.is_ours()
            && service.fresh == Fresh::PerRun
            && rabbitmq::has_queues(service)
    }

    /// How many messages wait in the queues of these services.
    pub async fn queue_depth(&self, services: &[String]) -> Result<u64, String> {
        let mut waiting = 0;
        for service in self.services.iter().filter(|s| services.contains(&s.name)) {
            let address = self.connection(service).ok_or("there is no address")?;
            let asked = rabbitmq::depth(&address, &service.queues).await;
            waiting += asked.map_err(|why| format!("{}: {why}", service.name))?;
        }
        Ok(waiting)
    }

    /// How often the models of these services were run so far, with the name of each counter.
    pub async fn model_runs(
        &self,
        services: &[String],
    ) -> Result<BTreeMap<String, (f64, String)>, String> {
        let mut runs = BTreeMap::new();
        for service in self.services.iter().filter(|s| services.contains(&s.name)) {
            let Some(source) = &service.model_runs else {
                continue;
            };
            let of_it = |why: String| format!("{}: {why}", service.name);
            let origin = self.origin(&service.name);
            let origin = origin.map_err(|error| error.to_string())?;
            let read = model_runs::read(&origin, source).await.map_err(of_it)?;
            runs.insert(service.name.clone(), (read, source.counter.clone()));
        }
        Ok(runs)
    }

    /// Whether a database is another one in every block.
    pub fn is_restored(&self, service: &str) -> bool {
        self.templates.contains_key(service)
    }

    /// The rows that each database starts with; none where they were not counted.
    pub fn rows(&self) -> &BTreeMap<String, Option<Rows>> {
        &self.rows
    }

    /// What is not put back before every block although nobody said so, with the reason.
    pub fn not_restored(&self) -> &[String] {
        &self.not_restored
    }

    /// Makes the network that the arm's containers share. Processes that containers need listen on
    /// this machine's address in it: nothing else of this machine is reached from there.
    async fn join_network(&mut self) -> Result<(), ServiceError> {
        let is_container = |service: &&Service| matches!(service.kind, ServiceKind::Container(_));
        let mut containers = self.services.iter().filter(is_container).peekable();
        let Some(made_with) = self
            .containers
            .as_ref()
            .filter(|_| containers.peek().is_some())
        else {
            return Ok(());
        };
        let gateway = made_with.engine.network(self.arm.name()).await?;
        let Some(gateway) = gateway.map(|address| address.to_string()) else {
            return Ok(());
        };
        let needed: Vec<&String> = containers.flat_map(|service| &service.needs).collect();
        for service in &self.services {
            match &service.kind {
                ServiceKind::Process(_) if needed.contains(&&service.name) => {
                    let port = self.ports.get(&service.name).copied().unwrap_or_default();
                    self.values.service(&service.name, &gateway, port);
                    self.inside.service(&service.name, &gateway, port);
                }
                ServiceKind::External { url } => {
                    let (host, port) = host_and_port(url);
                    if matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]") {
                        self.inside.service(&service.name, &gateway, port);
                    }
                }
                ServiceKind::Process(_) | ServiceKind::Container(_) => {}
            }
        }
        Ok(())
    }

    /// One service, ready and seeded; nothing that runs where it is none of ours.
    async fn bring_up(&self, service: &Service) -> Result<Option<Running>, ServiceError> {
        let mut running = match &service.kind {
            ServiceKind::Process(process) => {
                self.prepare(service, process).await?;
                Some(self.launch(service, process)?)
            }
            ServiceKind::Container(container) => Some(self.contain(service, container).await?),
            ServiceKind::External { .. } => None,
        };
        self.wait_until_ready(service, running.as_mut()).await?;
        self.seed(service).await?;
        Ok(running)
    }

    /// Gives every service that asks for it a fresh process, on the data of the first block.
    pub async fn refresh(&mut self) -> Result<(), ServiceError> {
        let mut fresh = self.services.clone();
        fresh.retain(|service| service.fresh == Fresh::PerBlock && service.kind.is_ours());
        let mut containers = Vec::new();
        for service in fresh.iter().rev() {
            match self.running.remove(&service.name) {
                Some(Running::Process(process)) => process.end().await,
                Some(Running::Container(mut container)) => {
                    container.end().await.map_err(engine_error(service))?;
                    containers.push((service.name.clone(), container));
                }
                None => {}
            }
        }
        Box::pin(self.count_table_use()).await;
        Box::pin(self.restore()).await?;
        for service in &fresh {
            let kept = containers
                .iter()
                .position(|(name, _)| *name == service.name);
            let mut running = match &service.kind {
                ServiceKind::Process(process) => self.launch(service, process)?,
                ServiceKind::Container(container) => match kept.map(|at| containers.remove(at)) {
                    Some((_, mut kept)) => {
                        kept.launch().await.map_err(engine_error(service))?;
                        Running::Container(kept)
                    }
                    None => self.contain(service, container).await?,
                },
                ServiceKind::External { .. } => continue,
            };
            // What needs it is started once it is ready; what does not, meanwhile.
            let is_needed = fresh
                .iter()
                .any(|other| other.needs.contains(&service.name));
            if is_needed {
                self.wait_until_ready(service, Some(&mut running)).await?;
            }
            self.running.insert(service.name.clone(), running);
        }
        for service in &fresh {
            let mut running = self.running.remove(&service.name);
            self.wait_until_ready(service, running.as_mut()).await?;
            if let Some(running) = running {
                self.running.insert(service.name.clone(), running);
            }
        }
        Ok(())
    }

    /// Ends everything, dependants first, and removes what was made for it.
    pub async fn stop(&mut self) {
        for service in self.services.clone().iter().rev() {
            match self.running.remove(&service.name) {
                Some(Running::Process(process)) => process.end().await,
                // They are removed together, below.
                Some(Running::Container(container)) => container.keep_log().await,
                None => {}
            }
        }
        if let Some(containers) = &self.containers {
            // What the engine cannot remove now, it is asked to once more when the run ends.
            let _left = leftovers::remove_arm(&containers.engine, self.arm.name()).await;
        }
    }

    /// Fails when a service has gone away.
    pub fn check_alive(&mut self) -> Result<(), ServiceError> {
        for service in &self.services {
            if service.ready == Ready::Completed {
                continue;
            }
            if let Some(running) = self.running.get_mut(&service.name) {
                still_runs(service, running, "while it was measured")?;
            }
        }
        Ok(())
    }

    /// Stops every process where it stands.
    pub fn freeze(&self) {
        self.running.values().for_each(Running::freeze);
    }

    /// Lets every process go on.
    pub fn thaw(&self) {
        self.running.values().for_each(Running::thaw);
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
        self.origin_of(name, self.running.get(name))
    }

    fn origin_of(&self, name: &str, running: Option<&Running>) -> Result<Origin, ServiceError> {
        let address = self
            .direct(name, running)
            .unwrap_or_else(|| self.address(name));
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

    /// The address of a container itself: the published port leads through a proxy, whose time
    /// would be measured too.
    fn direct(&self, name: &str, running: Option<&Running>) -> Option<String> {
        let service = self.services.iter().find(|service| service.name == name)?;
        match (&service.kind, running) {
            (ServiceKind::Container(planned), Some(Running::Container(container))) => {
                Some(format!("{}:{}", container.address()?, planned.port?))
            }
            _ => None,
        }
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

    /// What the processes of a service use; none for what is not ours, what has ended, and what
    /// cannot be seen from here.
    pub fn usage(&self, service: &str) -> Option<Usage> {
        let ends = |one: &Service| one.name == service && one.ready == Ready::Completed;
        if self.services.iter().any(ends) {
            return None;
        }
        self.running.get(service).and_then(Running::usage)
    }

    /// A block begins: what ends from now on had memory that counts.
    pub fn remember_processes(&mut self) {
        self.running
            .values_mut()
            .for_each(Running::remember_processes);
    }

    /// The services with a target for their peak, each with the process that they are below, where
    /// somebody has to look for it.
    pub fn peaks_to_watch(&self) -> BTreeMap<String, i32> {
        let asked = self.services.iter().filter(|one| one.has_peak_budget);
        asked
            .filter_map(|service| {
                let running = self.running.get(&service.name)?;
                let root = running.root().filter(|_| !running.keeps_peak())?;
                Some((service.name.clone(), root))
            })
            .collect()
    }

    /// The CPU time the processes of a service have used.
    pub fn cpu(&self, service: &str) -> Option<Duration> {
        self.running.get(service).and_then(Running::cpu)
    }

    /// The process whose descendants are those of a service; none for what is not ours.
    pub fn root(&self, service: &str) -> Option<i32> {
        self.running.get(service).and_then(Running::root)
    }

    /// The same of all services.
    pub fn roots(&self) -> impl Iterator<Item = i32> {
        self.running.values().filter_map(Running::root)
    }

    /// Whether the processes of a service run where we cannot look.
    pub fn is_elsewhere(&self, service: &str) -> bool {
        let running = self.running.get(service);
        running.is_some_and(Running::is_elsewhere)
    }

    /// The models of a service in a container, as files that can be watched from outside; none where
    /// it does not run.
    pub fn models_inside(&self, service: &Service) -> Option<Result<Vec<PathBuf>, String>> {
        let Running::Container(container) = self.running.get(&service.name)? else {
            return None;
        };
        let copied = self.copied.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = || {
            let folder = container.folder();
            Ok(service
                .models
                .iter()
                .map(|file| folder.join(file))
                .collect())
        };
        Some(copied.get(&service.name).cloned().unwrap_or_else(seen))
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
            ServiceKind::External { .. } | ServiceKind::Container(_) => Process {
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

    fn launch(&self, service: &Service, process: &Process) -> Result<Running, ServiceError> {
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
        Ok(Running::Process(running))
    }

    /// Makes a container and starts it.
    async fn contain(
        &self,
        service: &Service,
        container: &Container,
    ) -> Result<Running, ServiceError> {
        let Some(Containers { engine, images }) = &self.containers else {
            let tried = Vec::new();
            return Err(EngineError::None { tried }.into());
        };
        let values = self.inside_of(service, container);
        let image = match (&container.image, images.get(&service.name)) {
            (_, Some(image)) | (Image::Named(image), None) => image.clone(),
            (Image::Built(build), None) => build.context.display().to_string(),
        };
        let mut mounts = Vec::new();
        for volume in &container.volumes {
            mounts.push(
                self.mount(engine, volume)
                    .await
                    .map_err(engine_error(service))?,
            );
        }
        let asked = mounts.len();
        if !service.models.is_empty() && files::are_hidden(engine) {
            let places = self.places_of_models(engine, service, container, &image);
            let copied = places.await.map(|places| {
                mounts.extend(places.mounts());
                places.files
            });
            self.remember_copies(service, copied);
        }
        let environment = filled(&values, &container.environment).into_iter();
        let arm = self.arm.name();
        let mut spec = Spec {
            service: &service.name,
            image: &image,
            planned: container,
            command: container
                .command
                .as_ref()
                .map(|words| words.iter().map(|word| values.fill(word)).collect()),
            environment: environment
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
            mounts,
            published: self.ports.get(&service.name).copied(),
            network: &engine.network_name(arm),
            labels: engine.labels(arm),
        };
        let log = self.log_of(service);
        let mut started = containers::Running::start(engine, arm, &spec, log.clone()).await;
        if let Err(error) = &started
            && spec.mounts.len() > asked
        {
            // An engine on another machine does not have our copies. Without them it may start.
            self.remember_copies(service, Err(error.to_string()));
            spec.mounts.truncate(asked);
            started = containers::Running::start(engine, arm, &spec, log).await;
        }
        Ok(Running::Container(started.map_err(engine_error(service))?))
    }

    fn remember_copies(&self, service: &Service, copied: Result<Vec<PathBuf>, String>) {
        let mut all = self.copied.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(service.name.clone(), copied);
    }

    /// Where the models of a container can be watched that cannot be looked into; copied on the way.
    async fn places_of_models(
        &self,
        engine: &Engine,
        service: &Service,
        container: &Container,
        image: &str,
    ) -> Result<Places, String> {
        let folder = match &container.working_dir {
            Some(folder) => PathBuf::from(folder),
            None => files::working_dir(engine, image).await?,
        };
        // A dot: neither a service nor a folder of the project has such a name here.
        let own = self.data.join(".copied-models").join(&service.name);
        let models = &service.models;
        let outside = |path: &Path| self.folder_of(path).join(path);
        let places = Places::of(models, &folder, &container.volumes, &own, outside)?;
        let missing = places.missing();
        let of = (self.arm.name(), service.name.as_str());
        if !missing.is_empty() {
            let copied = files::copy_out(engine, of, image, &missing).await;
            copied.map_err(|error| error.to_string())?;
        }
        Ok(places)
    }

    async fn mount(&self, engine: &Engine, volume: &Volume) -> Result<Mount, EngineError> {
        let (kind, source) = match &volume.source {
            VolumeSource::Named(name) => {
                let name = engine.volume(self.arm.name(), name).await?;
                (MountType::VOLUME, Some(name))
            }
            VolumeSource::Bind(path) => {
                let project = self.folder_of(path);
                std::fs::create_dir_all(project).map_err(|error| {
                    EngineError::mounting(format!("`{}`: {error}", project.display()))
                })?;
                let made = binds::provide(project, path).map_err(EngineError::mounting)?;
                if made {
                    let mut all = self.made.lock().unwrap_or_else(PoisonError::into_inner);
                    all.insert(path.clone());
                }
                let path = project.join(path).to_string_lossy().into_owned();
                (MountType::BIND, Some(path))
            }
            VolumeSource::Tmpfs => (MountType::TMPFS, None),
        };
        Ok(spec::mount(kind, source, &volume.target, volume.read_only))
    }

    /// Where a folder that is mounted is looked for.
    fn folder_of(&self, path: &Path) -> &Path {
        if self.apart.contains(path) {
            &self.data
        } else {
            &self.project
        }
    }

    /// The folders that git does not know and that were made for this arm.
    pub fn made(&self) -> BTreeSet<PathBuf> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.clone()
    }

    /// These folders are another arm's in the same tree: this one gets its own.
    pub fn keep_apart(&mut self, folders: BTreeSet<PathBuf>) {
        self.apart = folders;
    }

    async fn wait_until_ready(
        &self,
        service: &Service,
        running: Option<&mut Running>,
    ) -> Result<(), ServiceError> {
        let connection = self.connection(service);
        let deadline = Instant::now() + service.within;
        let mut running = running;
        loop {
            // An attempt that hangs must not be waited for longer than the service.
            let left = deadline.saturating_duration_since(Instant::now()).max(ASK);
            let attempt =
                self.attempt(service, running.as_deref_mut(), connection.as_deref(), left);
            let answer = match tokio::time::timeout(left + ASK, attempt).await {
                Ok(answer) => answer,
                Err(_) => Ok(Err("the last attempt hung without an answer".to_owned())),
            };
            // Asked after the attempt: what answers on our port may be a stranger, while ours
            // has ended because the port was taken.
            if let Some(running) = running.as_deref_mut()
                && service.ready != Ready::Completed
            {
                still_runs(service, running, "before it was ready")?;
            }
            let Err(answer) = answer? else {
                if let Some(running) = running.filter(|_| !service.models.is_empty()) {
                    self.settle(service, running, deadline).await;
                }
                return Ok(());
            };
            if Instant::now() > deadline {
                let lines = running
                    .as_ref()
                    .map(|running| running.last_lines(QUOTED_LINES));
                return Err(ServiceError::NotReady {
                    service: service.name.clone(),
                    within: service.within,
                    answer,
                    last_lines: lines.unwrap_or_default(),
                });
            }
            let asks = matches!(service.ready, Ready::Health | Ready::Log { .. });
            tokio::time::sleep(if asks { ASK } else { POLL }).await;
        }
    }

    /// Waits until none of its processes has anything to do, as long as it may take to be ready.
    async fn settle(&self, service: &Service, running: &Running, deadline: Instant) {
        let Some(root) = running.root() else {
            return;
        };
        if self.is_restless(&service.name) {
            return;
        }
        let cpu = || running.cpu().unwrap_or_default();
        loop {
            let before = cpu();
            let mut is_busy = false;
            for _ in 0..LOOKS {
                tokio::time::sleep(QUIET / LOOKS).await;
                is_busy |= tree::is_busy(root);
            }
            if !is_busy && cpu().saturating_sub(before) < IDLE {
                return;
            }
            if Instant::now() > deadline {
                break;
            }
        }
        let mut restless = self.restless.lock().unwrap_or_else(PoisonError::into_inner);
        restless.insert(service.name.clone());
    }

    /// Whether a service with models went on with something after it was ready.
    pub fn is_restless(&self, service: &str) -> bool {
        let restless = self.restless.lock().unwrap_or_else(PoisonError::into_inner);
        restless.contains(service)
    }

    /// One look at whether a service is ready, no longer than `within` where it may hang: fine, or
    /// what it answered instead.
    async fn attempt(
        &self,
        service: &Service,
        running: Option<&mut Running>,
        connection: Option<&str>,
        within: Duration,
    ) -> Result<Result<(), String>, ServiceError> {
        match (&service.ready, running) {
            (Ready::Started, _) => Ok(Ok(())),
            (Ready::Log { text }, Some(running)) => {
                let has_it = running.log().await.lines().any(|line| line.contains(text));
                Ok(has_it
                    .then_some(())
                    .ok_or_else(|| format!("no line of its log has `{text}`")))
            }
            (Ready::Health, Some(Running::Container(container))) => {
                Ok(container.check_health(within).await)
            }
            (Ready::Completed, Some(running)) => match running.ended() {
                Some(End::Status { success: true, .. }) => Ok(Ok(())),
                Some(end) => Err(gone(service, end, "before it was done", running)),
                None => Ok(Err("it has not ended".to_owned())),
            },
            (_, running) => {
                // A certificate may be made while it starts.
                let origin = match self.origin_of(&service.name, running.as_deref()) {
                    Ok(origin) => origin,
                    Err(ServiceError::Speaks { why, .. }) => return Ok(Err(why)),
                    Err(error) => return Err(error),
                };
                let target = Target {
                    origin: &origin,
                    connection,
                };
                Ok(ready::attempt(&service.ready, &target).await)
            }
        }
    }

    fn values_of(&self, service: &Service) -> Values {
        let data = self.data_of(service).to_string_lossy().into_owned();
        let (host, port) = host_and_port(&self.address(&service.name));
        self.values.within(&host, port, &data)
    }

    /// What expressions mean inside a container: it listens on all its addresses, and knows the
    /// others of its arm by name.
    fn inside_of(&self, service: &Service, container: &Container) -> Values {
        let data = self.data_of(service).to_string_lossy().into_owned();
        self.inside
            .within(EVERYWHERE, container.port.unwrap_or(0), &data)
    }

    fn data_of(&self, service: &Service) -> PathBuf {
        self.data.join(&service.name)
    }

    fn log_of(&self, service: &Service) -> PathBuf {
        self.logs.join(format!("{}.log", service.name))
    }
}

/// Fails when a service has ended, or lost a process for want of memory.
fn still_runs(
    service: &Service,
    running: &mut Running,
    when: &'static str,
) -> Result<(), ServiceError> {
    match running.ended() {
        None => Ok(()),
        Some(end) => Err(gone(service, end, when, running)),
    }
}

fn gone(service: &Service, end: End, when: &'static str, running: &Running) -> ServiceError {
    let last_lines = running.last_lines(QUOTED_LINES);
    let service = service.name.clone();
    match end {
        End::Status { what, .. } => ServiceError::Ended {
            service,
            what,
            when,
            last_lines,
        },
        End::OutOfMemory { limit } => ServiceError::OutOfMemory {
            service,
            limit,
            when,
            last_lines,
        },
    }
}

fn engine_error(service: &Service) -> impl FnOnce(EngineError) -> ServiceError {
    let service = service.name.clone();
    |source| ServiceError::Engine { service, source }
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
fn listen(service: &str, fixed: Option<u16>, arm: ArmName) -> Result<TcpListener, ServiceError> {
    let port = match fixed {
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
