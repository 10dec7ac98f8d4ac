//! The bench: both arms built, started and measured side by side.
//!
//! Reads as the order of things; what each thing is lives in its own module. Must not judge: it
//! does not know what a regression is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::bundle::build::{self, BuildError, Site};
use super::bundle::{self};
use super::checkout::{Checkout, CheckoutError, Tree};
use super::http::drive::Switch;
use super::http::prepare::PrepareError;
use super::http::session::{self, SessionError};
use super::http::{Arms, Prepared, Turn};
use super::install::{self, install};
use super::plan::{Endpoint, Fresh, Plan, Service, ServiceKind};
use super::probes::machine;
use super::probes::postgres::{self, Counters, Probe};
use super::process::Supervisor;
use super::process::step::StepError;
use super::process::tree::{self, Usage};
use super::progress::Progress;
use super::record::{EndpointBlock, Record, Stage};
use super::services::stack::{self, Arm as ArmName};
use super::services::{ServiceError, Stack};
use super::sources;
use crate::model::evidence::Route;
use crate::model::{Machine, Metric, MetricId, Phase, PhaseKind, Run, RunFile, Subject};

/// Statements faster than this on average are never slow enough to ask for their plan.
const PLAN_FROM_MS: f64 = 1.0;
/// How often a block's endpoints are gone round while warming up.
const WARM_UP_ROUNDS: u32 = 2;
/// Plans asked for, over all endpoints.
const MOST_PLANS: usize = 12;

/// Head could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// Its frontend could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A service's install step failed.
    #[error("service `{service}`: install: {source}")]
    Install {
        /// Which service.
        service: String,
        /// What failed.
        source: Box<StepError>,
    },
    /// A service could not be brought up, or went away.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// A request cannot be made.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// A login gave no token.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// Git failed.
    #[error(transparent)]
    Checkout(#[from] CheckoutError),
}

impl MeasureError {
    /// Where the whole output of a failed step is.
    pub fn log(&self) -> Option<&Path> {
        match self {
            Self::Build(error) => error.log(),
            Self::Install { source, .. } | Self::Service(ServiceError::Step { source, .. }) => {
                Some(&source.log)
            }
            Self::Service(_) | Self::Prepare(_) | Self::Session(_) | Self::Checkout(_) => None,
        }
    }
}

/// Both arms, side by side.
#[derive(Debug)]
pub struct Bench<'a> {
    plan: &'a Plan,
    checkout: &'a Checkout,
    supervisor: &'a Supervisor,
    cache: PathBuf,
    logs: PathBuf,
    machine: Machine,
    measured_at: String,
    random: fastrand::Rng,
    /// Cores we may use.
    cores: Vec<usize>,
    prepared: Vec<Prepared>,
    /// Blocks measured so far.
    done: BTreeMap<Stage, u32>,
    head: Arm,
    base: Result<Arm, String>,
    /// Shows what is going on and keeps the time.
    pub progress: Progress,
}

/// One arm.
#[derive(Debug)]
struct Arm {
    name: ArmName,
    tree: Tree,
    stack: Option<Stack>,
    record: Record,
    probes: BTreeMap<String, Result<Probe, String>>,
    tokens: BTreeMap<String, String>,
}

impl Arm {
    fn new(name: ArmName, tree: &Tree) -> Self {
        Self {
            name,
            tree: tree.clone(),
            stack: None,
            record: Record::default(),
            probes: BTreeMap::new(),
            tokens: BTreeMap::new(),
        }
    }
}

impl<'a> Bench<'a> {
    /// An empty bench for these two arms.
    pub fn new(
        plan: &'a Plan,
        checkout: &'a Checkout,
        supervisor: &'a Supervisor,
        home: &Path,
        logs: &Path,
        progress: Progress,
    ) -> Result<Self, MeasureError> {
        let prepared = plan
            .endpoints
            .iter()
            .map(|endpoint| Prepared::new(endpoint, &checkout.head.project))
            .collect::<Result<_, _>>()?;
        for session in &plan.sessions {
            session::check(session, &checkout.head.project)?;
        }
        Ok(Self {
            plan,
            checkout,
            supervisor,
            cache: home.join("cache"),
            logs: logs.to_owned(),
            machine: machine::fingerprint(),
            measured_at: OffsetDateTime::now_utc()
                .format(&Rfc3339)
                .unwrap_or_default(),
            random: fastrand::Rng::with_seed(plan.sampling.seed),
            cores: tree::own_cores(),
            prepared,
            done: BTreeMap::new(),
            head: Arm::new(ArmName::Head, &checkout.head),
            base: Ok(Arm::new(ArmName::Base, &checkout.base)),
            progress,
        })
    }

    /// A bench for head alone: what a baseline is measured on.
    pub fn alone(
        plan: &'a Plan,
        checkout: &'a Checkout,
        supervisor: &'a Supervisor,
        home: &Path,
        logs: &Path,
        progress: Progress,
    ) -> Result<Self, MeasureError> {
        let mut bench = Self::new(plan, checkout, supervisor, home, logs, progress)?;
        bench.base = Err("a baseline is measured alone".to_owned());
        Ok(bench)
    }

    /// Builds and weighs the frontends of both arms. A base that cannot be built is no failure
    /// of head: from then on there is no base.
    pub async fn build(&mut self) -> Result<(), MeasureError> {
        let cache = self.cache.clone();
        let head_logs = self.logs.join(ArmName::Head.name());
        let base_logs = self.logs.join(ArmName::Base.name());
        for frontend in &self.plan.frontends {
            let site = |tree, logs| Site {
                checkout: self.checkout,
                tree,
                cache: &cache,
                logs,
            };
            let progress = &mut self.progress;
            let head_site = site(&self.checkout.head, &head_logs);
            let head = build::build(frontend, head_site, self.supervisor, progress).await?;
            if self.base.is_ok() {
                let base_site = site(&self.checkout.base, &base_logs);
                let base = build::build(frontend, base_site, self.supervisor, progress)
                    .await
                    .map_err(|error| error.to_string());
                progress.phase(PhaseKind::Weigh);
                self.weigh(&frontend.name, head, base);
            } else {
                keep_bundle(&mut self.head.record, &frontend.name, head);
            }
        }
        Ok(())
    }

    fn weigh(
        &mut self,
        frontend: &str,
        mut head: build::Built,
        base: Result<build::Built, String>,
    ) {
        match (&mut self.base, base) {
            (Ok(arm), Ok(mut base)) => {
                bundle::pair(&mut base.evidence, &mut head.evidence);
                keep_bundle(&mut arm.record, frontend, base);
            }
            (missing, Err(why)) => {
                *missing = Err(why);
                bundle::pair(&mut head.evidence.clone(), &mut head.evidence);
            }
            (Err(_), Ok(_)) => {}
        }
        keep_bundle(&mut self.head.record, frontend, head);
    }

    /// Installs, prepares, starts and seeds the services of both arms.
    pub async fn start(&mut self) -> Result<(), MeasureError> {
        if self.plan.endpoints.is_empty() {
            return Ok(());
        }
        self.install_head().await?;
        if self.base.is_ok()
            && let Err(error) = self.install_base().await
        {
            self.base = Err(error.to_string());
        }
        self.progress.phase(PhaseKind::Start);
        let names: Vec<&str> = self.plan.services.iter().map(|s| s.name.as_str()).collect();
        self.progress.step(&names.join(", "));
        // A port that is taken is this machine's fault in either arm, and no fault of base.
        let mut head = self.new_stack(&self.head)?;
        let mut base = match &self.base {
            Ok(arm) => Ok(self.new_stack(arm)?),
            Err(why) => Err(why.clone()),
        };
        // Kept before they start, so that whatever runs is ended with us.
        let (head_started, base_started) = tokio::join!(head.start(), async {
            match &mut base {
                Ok(stack) => stack.start().await.map_err(|error| error.to_string()),
                Err(why) => Err(why.clone()),
            }
        });
        self.head.stack = Some(head);
        head_started?;
        match (base, base_started) {
            (Ok(stack), Ok(())) => {
                if let Ok(arm) = &mut self.base {
                    arm.stack = Some(stack);
                }
            }
            (Ok(mut stack), Err(why)) => {
                stack.stop().await;
                self.base = Err(why);
            }
            (Err(why), _) => self.base = Err(why),
        }
        self.describe_endpoints();
        Ok(())
    }

    fn new_stack(&self, arm: &Arm) -> Result<Stack, ServiceError> {
        Stack::plan(
            self.supervisor,
            &self.plan.services,
            arm.name,
            &arm.tree.project,
            self.checkout.data(),
            &self.logs,
        )
    }

    async fn install_head(&mut self) -> Result<(), MeasureError> {
        let tree = self.head.tree.clone();
        self.install(&tree, ArmName::Head).await
    }

    async fn install_base(&mut self) -> Result<(), MeasureError> {
        let tree = self.checkout.base.clone();
        self.install(&tree, ArmName::Base).await
    }

    async fn install(&mut self, tree: &Tree, arm: ArmName) -> Result<(), MeasureError> {
        self.progress.phase(PhaseKind::Install);
        for service in &self.plan.services {
            let ServiceKind::Process(process) = &service.kind else {
                continue;
            };
            let Some(step) = &process.install else {
                continue;
            };
            self.progress
                .step(&format!("{} ({}): {}", service.name, arm.name(), step.run));
            let log = self
                .logs
                .join(arm.name())
                .join(format!("{}-install.log", service.name));
            let request = install::Request {
                install: step,
                directory: &process.directory,
                within: install::WITHIN,
                log: &log,
            };
            install(self.checkout, tree, self.supervisor, &self.cache, &request)
                .await
                .map_err(|source| MeasureError::Install {
                    service: service.name.clone(),
                    source,
                })?;
        }
        Ok(())
    }

    /// Measures `count` more blocks of the first stage: of every endpoint, or of those that the
    /// `open` metrics belong to.
    pub async fn first_stage(
        &mut self,
        open: Option<&[MetricId]>,
        count: u32,
    ) -> Result<(), MeasureError> {
        let chosen = match open {
            None => (0..self.prepared.len()).collect(),
            Some(open) => self.endpoints_of(open),
        };
        self.blocks(Stage::First, &chosen, count).await
    }

    /// Measures `count` more fresh blocks of what these metrics belong to.
    pub async fn confirm(&mut self, suspects: &[MetricId], count: u32) -> Result<(), MeasureError> {
        let chosen = self.endpoints_of(suspects);
        self.blocks(Stage::Confirmation, &chosen, count).await
    }

    /// The endpoints that must be driven to measure these metrics.
    fn endpoints_of(&self, metrics: &[MetricId]) -> Vec<usize> {
        let is_needed = |endpoint: &Endpoint| {
            metrics.iter().any(|id| match &id.subject {
                Subject::Endpoint { endpoint: name } => *name == endpoint.name,
                // Memory after a block is what all endpoints of the service leave behind.
                Subject::Service { service } => *service == endpoint.service,
                Subject::Bundle { .. } | Subject::Asset { .. } => false,
            })
        };
        (0..self.prepared.len())
            .filter(|index| is_needed(&self.prepared[*index].endpoint))
            .collect()
    }

    async fn blocks(
        &mut self,
        stage: Stage,
        endpoints: &[usize],
        count: u32,
    ) -> Result<(), MeasureError> {
        if endpoints.is_empty() {
            return Ok(());
        }
        let done = self.done.entry(stage).or_default();
        let numbers = *done + 1..=*done + count;
        *done += count;
        for number in numbers {
            self.progress.phase(PhaseKind::Start);
            let is_first = number == 1 && stage == Stage::First;
            if !is_first {
                self.refresh().await?;
            }
            self.connect(is_first).await?;
            let label = match stage {
                Stage::First => format!("block {number}/{}", self.plan.sampling.blocks),
                Stage::Confirmation => format!(
                    "fresh block {number}/{}",
                    self.plan.sampling.confirmation_blocks
                ),
            };
            let mut order = endpoints.to_vec();
            self.random.shuffle(&mut order);
            self.progress.phase(PhaseKind::WarmUp);
            self.progress
                .step(&format!("{label}, {} endpoints", order.len()));
            let mut arms = self.warm_up(&order).await?;
            self.progress.phase(PhaseKind::Measure);
            self.pin();
            let mut memory = BTreeMap::new();
            for (index, arms) in order.iter().zip(&mut arms) {
                self.progress
                    .tick(&format!("{label}, {}", self.prepared[*index].endpoint.name));
                self.endpoint(stage, number, *index, arms).await?;
                self.read_memory(&mut memory);
            }
            self.keep_memory(stage, number, &memory);
            self.unpin();
        }
        Ok(())
    }

    /// Gives the generator a core of its own and the services the others. Without it the
    /// scheduler puts the arms beside different neighbours for seconds at a time, and that reads
    /// as a difference between them.
    fn pin(&self) {
        if let Some((own, theirs)) = self.cores.split_last()
            && !theirs.is_empty()
        {
            tree::pin_self(&[*own]);
            self.stacks().for_each(|stack| stack.pin(theirs));
        }
    }

    /// Gives everything every core: for starting and warming up.
    fn unpin(&self) {
        tree::pin_self(&self.cores);
        self.stacks().for_each(|stack| stack.pin(&self.cores));
    }

    /// The stacks that run.
    fn stacks(&self) -> impl Iterator<Item = &Stack> {
        let base = self.base.as_ref().ok().and_then(|arm| arm.stack.as_ref());
        base.into_iter().chain(&self.head.stack)
    }

    /// Fresh processes in both arms, at the same time.
    async fn refresh(&mut self) -> Result<(), MeasureError> {
        let head = self.head.stack.as_mut();
        let base = self.base.as_mut().ok().and_then(|arm| arm.stack.as_mut());
        let (head, base) = tokio::join!(refresh(head), refresh(base));
        head?;
        if let Err(error) = base {
            self.lose_base(&error.to_string()).await;
        }
        Ok(())
    }

    /// Logs in and connects the probes: once, and again where the service is fresh.
    async fn connect(&mut self, first: bool) -> Result<(), MeasureError> {
        connect_arm(self.plan, &mut self.head, first).await?;
        if let Ok(arm) = &mut self.base
            && let Err(error) = connect_arm(self.plan, arm, first).await
        {
            self.lose_base(&error.to_string()).await;
        }
        Ok(())
    }

    /// Opens the connections of a block and warms both arms up, endpoint by endpoint, twice
    /// round: what the first endpoints compile serves the last ones, and the other way round.
    async fn warm_up(&mut self, order: &[usize]) -> Result<Vec<Arms>, MeasureError> {
        let mut all = Vec::new();
        for index in order {
            all.push(Arms::new(self.requests(&self.prepared[*index])?));
        }
        for _ in 0..WARM_UP_ROUNDS {
            for arms in &mut all {
                arms.warm_up(self.plan.sampling.warm_up / WARM_UP_ROUNDS)
                    .await;
            }
        }
        Ok(all)
    }

    async fn endpoint(
        &mut self,
        stage: Stage,
        number: u32,
        index: usize,
        arms: &mut Arms,
    ) -> Result<(), MeasureError> {
        let endpoint = self.prepared[index].endpoint.clone();
        let sampling = &self.plan.sampling;
        let mut random = self.random.fork();
        let databases = databases_behind(self.plan, &endpoint.service);
        let before = self.read(&endpoint.service, &databases).await;
        let switch = Freezer {
            base: self.base.as_ref().ok().and_then(|arm| arm.stack.as_ref()),
            head: self.head.stack.as_ref(),
        };
        let recordings = arms.drive(sampling.block, &mut random, &switch).await;
        switch.thaw_both();
        let after = self.read(&endpoint.service, &databases).await;
        for (turn, recording) in recordings {
            let (before, after) = match turn {
                Turn::Base => (&before.base, &after.base),
                Turn::Head => (&before.head, &after.head),
            };
            let block = EndpointBlock {
                recording,
                cpu: after
                    .cpu
                    .zip(before.cpu)
                    .map(|(now, then)| now.saturating_sub(then)),
                statements: between(before, after),
            };
            if let Some(arm) = self.arm_mut(turn) {
                arm.record.take(stage, number, &endpoint.name, &block);
            }
        }
        self.check_alive().await
    }

    fn arm_mut(&mut self, turn: Turn) -> Option<&mut Arm> {
        match turn {
            Turn::Base => self.base.as_mut().ok(),
            Turn::Head => Some(&mut self.head),
        }
    }

    /// The request for each arm that runs.
    fn requests(&self, prepared: &Prepared) -> Result<Vec<(Turn, Prepared, String)>, MeasureError> {
        let arms = [
            (Turn::Base, self.base.as_ref().ok()),
            (Turn::Head, Some(&self.head)),
        ];
        let mut requests = Vec::new();
        for (turn, arm) in arms {
            let Some(stack) = arm.and_then(|arm| arm.stack.as_ref()) else {
                continue;
            };
            let token = prepared
                .endpoint
                .session
                .as_ref()
                .and_then(|session| arm?.tokens.get(session));
            let address = stack.address(&prepared.endpoint.service);
            let request = prepared.at(&address, token.map(String::as_str))?;
            requests.push((turn, request, address));
        }
        Ok(requests)
    }

    async fn read(&mut self, service: &str, databases: &[String]) -> Readings {
        let head = read_arm(&mut self.head, service, databases).await;
        let base = match &mut self.base {
            Ok(arm) => read_arm(arm, service, databases).await,
            Err(_) => Reading::default(),
        };
        Readings { base, head }
    }

    /// Reads the memory of every service of both arms: after each endpoint, because one reading
    /// of a garbage-collected process says little.
    fn read_memory(&self, readings: &mut BTreeMap<(ArmName, String), Vec<Usage>>) {
        let arms = self.base.as_ref().ok().into_iter().chain([&self.head]);
        for arm in arms {
            for service in arm.stack.iter().flat_map(Stack::services) {
                let usage = arm
                    .stack
                    .as_ref()
                    .and_then(|stack| stack.usage(&service.name));
                if let Some(usage) = usage {
                    let key = (arm.name, service.name.clone());
                    readings.entry(key).or_default().push(usage);
                }
            }
        }
    }

    fn keep_memory(
        &mut self,
        stage: Stage,
        number: u32,
        readings: &BTreeMap<(ArmName, String), Vec<Usage>>,
    ) {
        for ((name, service), usages) in readings {
            let arm = match name {
                ArmName::Base => self.base.as_mut().ok(),
                ArmName::Head => Some(&mut self.head),
            };
            if let Some(arm) = arm {
                arm.record.take_usage(stage, number, service, usages);
            }
        }
    }

    async fn check_alive(&mut self) -> Result<(), MeasureError> {
        if let Some(stack) = &mut self.head.stack {
            stack.check_alive()?;
        }
        let base = match self.base.as_mut().ok().and_then(|arm| arm.stack.as_mut()) {
            Some(stack) => stack.check_alive(),
            None => Ok(()),
        };
        if let Err(error) = base {
            self.lose_base(&error.to_string()).await;
        }
        Ok(())
    }

    /// Base is gone: its numbers so far do not line up with head's any more.
    async fn lose_base(&mut self, why: &str) {
        if let Ok(arm) = &mut self.base
            && let Some(stack) = &mut arm.stack
        {
            stack.stop().await;
        }
        self.base = Err(why.to_owned());
    }

    /// Asks for the plans of slow statements, and where head's queries are issued.
    pub async fn explain(&mut self) -> Result<(), MeasureError> {
        self.progress.phase(PhaseKind::Report);
        self.head.record.evidence.changed = self.checkout.changed_lines()?;
        for service in &self.plan.services {
            if let ServiceKind::Process(process) = &service.kind
                && process.directory != Path::new("")
                && process.directory != Path::new(".")
            {
                let sites = sources::call_sites(&self.head.tree.project, &process.directory);
                self.head.record.evidence.call_sites.extend(sites);
            }
        }
        plans_of(&mut self.head, &self.plan.services).await;
        if let Ok(arm) = &mut self.base {
            plans_of(arm, &self.plan.services).await;
        }
        Ok(())
    }

    /// What is measured so far.
    pub fn run_file(&self, phases: Vec<Phase>) -> RunFile {
        let run = |arm: &Arm, other: Option<&Arm>| {
            let other = other.map(|other| &other.record);
            let revision = &arm.tree.revision;
            arm.record
                .run(other, revision, &self.machine, &self.measured_at)
        };
        RunFile {
            format: RunFile::FORMAT,
            tool: format!("tollgate {}", env!("CARGO_PKG_VERSION")),
            project: self.plan.project.clone(),
            seed: self.plan.sampling.seed,
            base: match &self.base {
                Ok(arm) => Ok(run(arm, Some(&self.head))),
                Err(why) => Err(why.clone()),
            },
            head: run(&self.head, self.base.as_ref().ok()),
            phases,
        }
    }

    /// Both runs, where there are both.
    pub fn runs(&mut self) -> Option<(Run, Run)> {
        self.name_what_is_missing();
        let file = self.run_file(Vec::new());
        Some((file.base.ok()?, file.head))
    }

    /// Ends every service.
    pub async fn stop(&mut self) {
        self.progress.phase(PhaseKind::Stop);
        if let Some(stack) = &mut self.head.stack {
            stack.stop().await;
        }
        if let Ok(arm) = &mut self.base
            && let Some(stack) = &mut arm.stack
        {
            stack.stop().await;
        }
    }

    /// Endpoints that only ever answered wrongly have no latency, and say why.
    pub fn name_what_is_missing(&mut self) {
        let names: Vec<String> = self
            .prepared
            .iter()
            .map(|prepared| prepared.endpoint.name.clone())
            .collect();
        let arms = self.base.as_mut().ok().into_iter().chain([&mut self.head]);
        for arm in arms {
            for name in &names {
                let Some(example) = arm.record.only_wrong(name) else {
                    continue;
                };
                let why = format!("every answer was wrong: {example}");
                for metric in [
                    Metric::LatencyP50,
                    Metric::LatencyMean,
                    Metric::CpuPerRequest,
                    Metric::ResponseBytes,
                ] {
                    arm.record
                        .miss(MetricId::endpoint(name, metric), why.clone());
                }
            }
        }
    }

    fn describe_endpoints(&mut self) {
        for prepared in &self.prepared {
            let endpoint = &prepared.endpoint;
            let directory = self
                .plan
                .services
                .iter()
                .find(|service| service.name == endpoint.service)
                .and_then(|service| match &service.kind {
                    ServiceKind::Process(process) => Some(process.directory.clone()),
                    ServiceKind::External { .. } => None,
                })
                .unwrap_or_default();
            let route = Route {
                service: endpoint.service.clone(),
                directory: directory.to_string_lossy().into_owned(),
                request: format!("{} {}", endpoint.request.method, endpoint.request.path),
                databases: databases_behind(self.plan, &endpoint.service),
            };
            for arm in self.base.as_mut().ok().into_iter().chain([&mut self.head]) {
                let routes = &mut arm.record.evidence.routes;
                routes.insert(endpoint.name.clone(), route.clone());
            }
        }
    }
}

fn keep_bundle(record: &mut Record, frontend: &str, built: build::Built) {
    for (id, samples) in bundle::samples(frontend, &built.evidence) {
        record.set(id, &samples);
    }
    record.evidence.skipped.extend(built.skipped);
    record
        .evidence
        .bundles
        .insert(frontend.to_owned(), built.evidence);
}

async fn refresh(stack: Option<&mut Stack>) -> Result<(), ServiceError> {
    match stack {
        Some(stack) => stack.refresh().await,
        None => Ok(()),
    }
}

async fn connect_arm(plan: &Plan, arm: &mut Arm, first: bool) -> Result<(), SessionError> {
    let Some(stack) = &arm.stack else {
        return Ok(());
    };
    for session in &plan.sessions {
        let token = session::log_in(session, &stack.address(&session.service)).await?;
        arm.tokens.insert(session.name.clone(), token);
    }
    for service in stack.services().iter().filter(|s| stack::is_postgres(s)) {
        if first || service.fresh == Fresh::PerBlock {
            let probe = match stack.connection(service) {
                Some(url) => Probe::connect(&url).await,
                None => Err(format!("service `{}` has no `connection`", service.name)),
            };
            if let (true, Err(why)) = (first, &probe) {
                let note = format!("{}: {why}", service.name);
                arm.record.evidence.skipped.push(note);
            }
            arm.probes.insert(service.name.clone(), probe);
        }
    }
    Ok(())
}

/// The databases a service reaches, directly or through others.
fn databases_behind(plan: &Plan, service: &str) -> Vec<String> {
    let mut open = vec![service];
    let mut seen: Vec<&str> = Vec::new();
    while let Some(name) = open.pop() {
        if seen.contains(&name) {
            continue;
        }
        seen.push(name);
        if let Some(service) = plan.services.iter().find(|service| service.name == name) {
            open.extend(service.needs.iter().map(String::as_str));
        }
    }
    plan.services
        .iter()
        .filter(|service| seen.contains(&service.name.as_str()) && stack::is_postgres(service))
        .map(|service| service.name.clone())
        .collect()
}

/// What was read of both arms at one moment.
struct Readings {
    base: Reading,
    head: Reading,
}

/// What was read of one arm at one moment.
#[derive(Default)]
struct Reading {
    cpu: Option<std::time::Duration>,
    statements: Option<Result<Counters, String>>,
}

async fn read_arm(arm: &mut Arm, service: &str, databases: &[String]) -> Reading {
    let mut statements = None;
    for database in databases {
        let read = match arm.probes.get_mut(database) {
            Some(Ok(probe)) => probe.read().await,
            Some(Err(why)) => Err(why.clone()),
            None => Err(format!("service `{database}` was not asked")),
        };
        statements = Some(match (statements, read) {
            (None, read) => read,
            (Some(Ok(mut sum)), Ok(more)) => {
                postgres::add(&mut sum, &more);
                Ok(sum)
            }
            (Some(Err(why)), _) | (Some(Ok(_)), Err(why)) => Err(why),
        });
    }
    let cpu = arm.stack.as_ref().and_then(|stack| stack.cpu(service));
    Reading { cpu, statements }
}

fn between(before: &Reading, after: &Reading) -> Option<Result<Counters, String>> {
    match (&before.statements, &after.statements) {
        (Some(Ok(before)), Some(Ok(after))) => Some(Ok(postgres::difference(before, after))),
        (Some(Err(why)), _) | (_, Some(Err(why))) => Some(Err(why.clone())),
        (None, _) | (_, None) => None,
    }
}

async fn plans_of(arm: &mut Arm, services: &[Service]) {
    let Some(stack) = &arm.stack else {
        return;
    };
    let run = arm
        .record
        .run(None, &arm.tree.revision, &machine::fingerprint(), "");
    let mut slow: Vec<String> = run
        .evidence
        .statements
        .values()
        .flatten()
        .filter(|statement| statement.mean_ms >= PLAN_FROM_MS)
        .map(|statement| statement.text.clone())
        .collect();
    slow.sort();
    slow.dedup();
    slow.truncate(MOST_PLANS);
    for service in services
        .iter()
        .filter(|service| stack::is_postgres(service))
    {
        let Some(url) = stack.connection(service) else {
            continue;
        };
        for text in &slow {
            // A statement without a plan is no news: utility statements have none.
            if let Ok(plan) = postgres::plan(&url, text).await {
                arm.record.evidence.plans.insert(text.clone(), plan);
            }
        }
    }
}

/// Lets one arm run and freezes the other.
struct Freezer<'s> {
    base: Option<&'s Stack>,
    head: Option<&'s Stack>,
}

impl Freezer<'_> {
    fn thaw_both(&self) {
        self.base.into_iter().chain(self.head).for_each(Stack::thaw);
    }
}

impl Switch for Freezer<'_> {
    fn to(&self, turn: Turn) {
        let (runs, rests) = match turn {
            Turn::Base => (self.base, self.head),
            Turn::Head => (self.head, self.base),
        };
        if let Some(stack) = rests {
            stack.freeze();
        }
        if let Some(stack) = runs {
            stack.thaw();
        }
    }
}
