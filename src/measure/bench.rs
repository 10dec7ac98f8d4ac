//! The bench: both arms built, started and measured side by side.
//!
//! Reads as the order of things; what each thing is lives in its own module. Must not judge: it
//! does not know what a regression is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::arm::{Arm, ArmName};
use super::block::{
    self, Site as Timing, Timed, caches_behind, databases_behind, models_behind, on_cards_behind,
    queues_behind,
};
use super::bundle::build::{self, BuildError, Site};
use super::bundle::{self};
use super::checkout::{Checkout, CheckoutError, Tree};
use super::containers::{Engine, EngineError, image, leftovers};
use super::http::drive::Target;
use super::http::drive::is_hopeless;
use super::http::prepare::PrepareError;
use super::http::session::{self, Login, SessionError};
use super::http::{Arms, Prepared};
use super::install::{self, install};
use super::placement::{Placement, Side};
use super::plan::{Container, Endpoint, Image, Load, Plan, Rate, Service, ServiceKind, Session};
use super::probes::contention;
use super::probes::gpu;
use super::probes::machine;
use super::process::Supervisor;
use super::process::peak::Peaks;
use super::process::step::StepError;
use super::process::tree::{self, Usage};
use super::progress::{Progress, SoFar};
use super::record::{Circumstances, EndpointBlock, Record, Stage};
use super::services::{Containers, ServiceError, Stack, restore};
use super::sources;
use crate::model::evidence::{BundleEvidence, Route};
use crate::model::{
    Contention, Machine, Metric, MetricId, Phase, PhaseKind, Run, RunFile, Subject,
};

/// How long base is driven to find out what it can answer.
const CAPACITY_WITHIN: Duration = Duration::from_secs(1);
/// Requests a second at least, where base answers next to nothing.
const SLOWEST_RATE: f64 = 0.2;
/// What most libraries that compute read the size of their pool of threads from.
const THREADS: &str = "OMP_NUM_THREADS";
/// How often a block's endpoints are gone round while warming up.
const WARM_UP_ROUNDS: u32 = 2;

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

/// One block.
#[derive(Debug, Clone, Copy)]
struct Round {
    stage: Stage,
    number: u32,
}

/// One block of one endpoint.
#[derive(Debug)]
struct Place {
    stage: Stage,
    number: u32,
    index: usize,
    /// What the reader sees.
    label: String,
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
    /// How the machine changed since, if it did.
    machine_changed: Option<String>,
    measured_at: String,
    random: fastrand::Rng,
    /// Who runs where while something is timed.
    placement: Placement,
    prepared: Vec<Prepared>,
    /// The container engine, where a service needs one.
    engine: Option<Engine>,
    /// The images of each arm, by service.
    images: BTreeMap<ArmName, BTreeMap<String, String>>,
    /// Blocks measured so far.
    done: BTreeMap<Stage, u32>,
    head: Arm,
    base: Result<Arm, String>,
    /// Base once more, where it is asked for.
    control: Option<Arm>,
    /// How long each endpoint was timed.
    spent: BTreeMap<usize, Duration>,
    /// When measuring ends, whatever is missing then.
    deadline: Option<tokio::time::Instant>,
    /// How head compares so far, for who waits.
    so_far: SoFar,
    /// Why frontends of base could not be built.
    unbuilt: Vec<String>,
    /// Why graphics cards cannot be asked: once is enough, the answer may take long.
    no_gpu: Option<String>,
    /// What stored runs say of earlier builds: the same build is not made again.
    pub known_bundles: Vec<BundleEvidence>,
    /// Shows what is going on and keeps the time.
    pub progress: Progress,
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
            machine_changed: None,
            measured_at: OffsetDateTime::now_utc()
                .format(&Rfc3339)
                .unwrap_or_default(),
            random: fastrand::Rng::with_seed(plan.sampling.seed),
            placement: Placement::on(tree::own_cores()),
            prepared,
            engine: None,
            images: BTreeMap::new(),
            done: BTreeMap::new(),
            head: Arm::new(ArmName::Head, &checkout.head),
            base: Ok(Arm::new(ArmName::Base, &checkout.base)),
            control: None,
            spent: BTreeMap::new(),
            deadline: None,
            so_far: SoFar::default(),
            unbuilt: Vec::new(),
            no_gpu: None,
            known_bundles: Vec::new(),
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

    /// Builds and weighs the frontends of both arms. A frontend of base that cannot be built is no
    /// failure of head, and takes nothing from the others.
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
                known: &self.known_bundles,
            };
            let progress = &mut self.progress;
            let head_site = site(&self.checkout.head, &head_logs);
            let head = build::build(frontend, head_site, self.supervisor, progress).await?;
            if self.base.is_ok() {
                let (tree, folder) = (&self.checkout.base, &frontend.directory);
                let base = if self.checkout.tree_hash(tree, folder).is_some() {
                    build::build(frontend, site(tree, &base_logs), self.supervisor, progress)
                        .await
                        .map_err(|error| error.to_string())
                } else {
                    let (name, folder) = (&frontend.name, folder.display());
                    Err(format!("frontend `{name}`: there is no folder `{folder}`"))
                };
                progress.phase(PhaseKind::Weigh);
                self.weigh(&frontend.name, head, base);
            } else {
                keep_bundle(&mut self.head.record, &frontend.name, head);
            }
        }
        self.give_up_a_base_without_anything();
        Ok(())
    }

    /// A base of which no frontend could be built, where there is nothing else to measure, is none:
    /// stored runs may stand in for it.
    fn give_up_a_base_without_anything(&mut self) {
        if let Ok(arm) = &self.base
            && self.plan.endpoints.is_empty()
            && arm.record.evidence.bundles.is_empty()
            && let Some(why) = self.unbuilt.first()
        {
            self.base = Err(why.clone());
        }
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
            (Ok(arm), Err(why)) => {
                bundle::pair(&mut head.evidence.clone(), &mut head.evidence);
                // Only of this one there is no base.
                for (id, _) in bundle::samples(frontend, &head.evidence) {
                    arm.record.miss(id, why.clone());
                }
                self.progress.step(&format!("base cannot be built: {why}"));
                let note = format!("only its targets are judged, base cannot be built: {why}");
                let skipped = &mut self.head.record.evidence.skipped;
                skipped.push(format!("{frontend}: {note}"));
                self.unbuilt.push(why);
            }
            (Err(_), _) => {}
        }
        keep_bundle(&mut self.head.record, frontend, head);
    }

    /// Installs, prepares, starts and seeds the services of both arms.
    pub async fn start(&mut self) -> Result<(), MeasureError> {
        if self.plan.endpoints.is_empty() {
            return Ok(());
        }
        self.find_engine().await?;
        self.install_head().await?;
        if self.base.is_ok()
            && let Err(error) = self.install_base().await
        {
            self.base = Err(error.to_string());
        }
        self.prune_images().await;
        let limit = self.plan.sampling.time_limit;
        self.deadline = limit.map(|limit| tokio::time::Instant::now() + limit);
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
        self.start_control().await;
        self.note_data();
        self.note_thread_pools().await;
        self.describe_endpoints();
        Ok(())
    }

    /// Whether both arms start with the same data, and whether each block does.
    fn note_data(&mut self) {
        let base = self.base.as_ref().ok().and_then(|arm| arm.stack.as_ref());
        let head = self.head.stack.as_ref();
        let mut notes = Vec::new();
        for (service, of_head) in head.iter().flat_map(|stack| stack.rows()) {
            let of_base = base.and_then(|stack| stack.rows().get(service)?.as_ref());
            let both = of_base.zip(of_head.as_ref());
            let other = both.and_then(|(of_base, of_head)| restore::other_rows(of_base, of_head));
            notes.extend(other.map(|rows| {
                format!("{service}: base and head do not start with the same rows: {rows}")
            }));
        }
        for stack in base.into_iter().chain(head) {
            for note in stack.not_restored() {
                if !notes.contains(note) {
                    notes.push(note.clone());
                }
            }
        }
        for said in notes {
            self.progress.step(&said);
            self.head.record.evidence.skipped.push(said);
        }
    }

    /// A pool of threads as large as the machine does not fit the cores that services have while
    /// they are timed.
    async fn note_thread_pools(&mut self) {
        let cores = self.placement.pinned().0.len().max(1);
        for service in self
            .plan
            .services
            .iter()
            .filter(|one| !one.models.is_empty())
        {
            let threads = match &service.kind {
                ServiceKind::Process(process) => {
                    let own = process.environment.get(THREADS).cloned();
                    own.or_else(|| std::env::var(THREADS).ok())
                }
                // Nothing of our own environment gets into a container; what its image says does.
                ServiceKind::Container(container) => match container.environment.get(THREADS) {
                    Some(threads) => Some(threads.clone()),
                    None => self.variable_of_image(&service.name, THREADS).await,
                },
                ServiceKind::External { .. } => continue,
            };
            let fits = threads.and_then(|text| text.trim().parse::<usize>().ok());
            if fits.is_some_and(|threads| threads <= cores) {
                continue;
            }
            let said = format!(
                "{}: its model may compute on more threads than the {cores} cores it has while it is \
                 timed; set `{THREADS}: \"{cores}\"` or less in its `environment`",
                service.name
            );
            self.progress.step(&said);
            self.head.record.evidence.skipped.push(said);
        }
    }

    /// What the image of a service in head sets a variable to.
    async fn variable_of_image(&self, service: &str, name: &str) -> Option<String> {
        let image = self.images.get(&ArmName::Head)?.get(service)?;
        image::variable(self.engine.as_ref()?, image, name).await
    }

    /// Starts base once more beside itself, where that is asked for.
    async fn start_control(&mut self) {
        if !self.plan.sampling.control || self.base.is_err() {
            return;
        }
        self.progress.step("base once more, as a control");
        let mut arm = Arm::new(ArmName::Control, &self.checkout.base);
        let of_base = self.base.as_ref().ok().and_then(|arm| arm.stack.as_ref());
        let made = of_base.map(Stack::made).unwrap_or_default();
        let started = match self.new_stack(&arm) {
            Ok(stack) => {
                let stack = arm.stack.insert(stack);
                stack.keep_apart(made);
                stack.start().await
            }
            Err(error) => Err(error),
        };
        self.control = Some(arm);
        if let Err(error) = started {
            self.lose_control(&error.to_string()).await;
        }
    }

    /// Finds the container engine where a service needs one, and removes what runs that were killed
    /// left there.
    async fn find_engine(&mut self) -> Result<(), ServiceError> {
        let is_container = |kind: &ServiceKind| matches!(kind, ServiceKind::Container(_));
        if !self
            .plan
            .services
            .iter()
            .any(|service| is_container(&service.kind))
        {
            return Ok(());
        }
        self.progress.phase(PhaseKind::Install);
        let engine = Engine::connect().await?;
        self.progress
            .step(&format!("containers by {}", engine.name));
        let removed = leftovers::sweep(&engine).await?;
        if !removed.is_empty() {
            let said = format!("removed {} things that a killed run left", removed.len());
            self.progress.step(&said);
        }
        self.engine = Some(engine);
        Ok(())
    }

    /// Removes images of earlier runs, once it is known which ones this run uses.
    async fn prune_images(&self) {
        let Some(engine) = &self.engine else {
            return;
        };
        let is_built = |service: &&Service| match &service.kind {
            ServiceKind::Container(container) => matches!(container.image, Image::Built(_)),
            ServiceKind::Process(_) | ServiceKind::External { .. } => false,
        };
        let mut used = BTreeSet::new();
        for service in self.plan.services.iter().filter(is_built) {
            let of_arms = self.images.values();
            used.extend(of_arms.filter_map(|images| images.get(&service.name).cloned()));
        }
        image::prune(engine, &used).await;
    }

    fn new_stack(&self, arm: &Arm) -> Result<Stack, ServiceError> {
        // A control is made of the same files as base.
        let made_as = match arm.name {
            ArmName::Control => ArmName::Base,
            ArmName::Base | ArmName::Head => arm.name,
        };
        let containers = self.engine.as_ref().map(|engine| Containers {
            engine: engine.clone(),
            images: self.images.get(&made_as).cloned().unwrap_or_default(),
        });
        Stack::plan(
            self.supervisor,
            &self.plan.services,
            arm.name,
            &arm.tree.project,
            self.checkout.data(),
            &self.logs,
            containers,
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
            let process = match &service.kind {
                ServiceKind::Process(process) => process,
                ServiceKind::Container(container) => {
                    let made = self.image(tree, arm, &service.name, container).await;
                    let service = service.name.clone();
                    made.map_err(|source| ServiceError::Engine { service, source })?;
                    continue;
                }
                ServiceKind::External { .. } => continue,
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

    /// Pulls or builds the image of a service.
    async fn image(
        &mut self,
        tree: &Tree,
        arm: ArmName,
        service: &str,
        container: &Container,
    ) -> Result<(), EngineError> {
        let Some(engine) = self.engine.clone() else {
            return Ok(());
        };
        let named = match &container.image {
            Image::Named(named) => {
                self.progress.step(&format!("{service}: image {named}"));
                image::pull(&engine, named).await?;
                named.clone()
            }
            Image::Built(build) => {
                let files = self.checkout.tree_hash(tree, &build.context);
                let files = files.unwrap_or_else(|| tree.revision.tree.clone());
                let name = image::name(&self.plan.project, service, build, &files);
                let context = build.context.display();
                let arm_name = arm.name();
                self.progress
                    .step(&format!("{service} ({arm_name}): image from {context}"));
                let log = self
                    .logs
                    .join(arm_name)
                    .join(format!("{service}-build.log"));
                let request = image::Request {
                    image: &name,
                    build,
                    folder: &tree.project.join(&build.context),
                    log: &log,
                };
                image::build(&engine, &request).await?;
                name
            }
        };
        let of_arm = self.images.entry(arm).or_default();
        of_arm.insert(service.to_owned(), named);
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
        // What identical code reads like is known by now; the cores are for those that are judged.
        if let Some(arm) = &mut self.control {
            arm.stop().await;
        }
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
                Subject::Bundle { .. } | Subject::Asset { .. } | Subject::Entry { .. } => false,
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
            let round = Round { stage, number };
            let Some(deadline) = self.deadline else {
                self.block(endpoints, round).await?;
                continue;
            };
            match tokio::time::timeout_at(deadline, self.block(endpoints, round)).await {
                Ok(measured) => measured?,
                Err(_) => {
                    self.unpin();
                    self.say_that_time_is_up(round);
                    break;
                }
            }
        }
        if self.machine_changed.is_none() {
            self.machine_changed = machine::change(&self.machine, &machine::fingerprint());
        }
        Ok(())
    }

    /// Fresh processes, warmed up, and every one of these endpoints once.
    async fn block(&mut self, endpoints: &[usize], round: Round) -> Result<(), MeasureError> {
        let Round { stage, number } = round;
        self.progress.phase(PhaseKind::Start);
        let is_first = number == 1 && stage == Stage::First;
        if !is_first {
            self.refresh().await?;
        }
        self.connect(is_first).await?;
        let peaks = self.watch_peaks();
        let label = self.label(round);
        let mut order = endpoints.to_vec();
        order.retain(|index| self.time_left(*index).is_none_or(|left| !left.is_zero()));
        self.random.shuffle(&mut order);
        self.progress.phase(PhaseKind::WarmUp);
        self.progress
            .step(&format!("{label}, {} endpoints", order.len()));
        let mut driven = self.warm_up(&order, round).await?;
        self.progress.phase(PhaseKind::Measure);
        self.pin();
        let mut memory = BTreeMap::new();
        for (index, driven) in order.iter().zip(&mut driven) {
            let name = &self.prepared[*index].endpoint.name;
            let at = Place {
                stage,
                number,
                index: *index,
                label: format!("{label}, {name}"),
            };
            let so_far = self
                .so_far
                .of(name)
                .map(|ratio| format!(" ({ratio} so far)"));
            let so_far = so_far.unwrap_or_default();
            self.progress.tick(&format!("{}{so_far}", at.label));
            self.endpoint_in_time(&at, driven).await?;
            self.read_memory(&mut memory);
        }
        if let Some(ratios) = self.so_far.summary() {
            self.progress.step(&format!("{label}: {ratios}"));
        }
        self.keep_memory(stage, number, &memory, &peaks.end());
        self.keep_gpu_memory(round).await;
        self.keep_batch_gains(round, &order);
        self.unpin();
        Ok(())
    }

    fn label(&self, at: Round) -> String {
        let sampling = &self.plan.sampling;
        match at.stage {
            Stage::First => format!("block {}/{}", at.number, sampling.blocks),
            Stage::Confirmation => {
                format!("fresh block {}/{}", at.number, sampling.confirmation_blocks)
            }
        }
    }

    /// How long an endpoint may still be timed; none without a limit.
    fn time_left(&self, index: usize) -> Option<Duration> {
        let limit = self.prepared[index].endpoint.time_limit?;
        let spent = self.spent.get(&index).copied().unwrap_or_default();
        Some(limit.saturating_sub(spent))
    }

    /// Measures one block of one endpoint, for as long as it may be timed.
    async fn endpoint_in_time(
        &mut self,
        at: &Place,
        driven: &mut Arms,
    ) -> Result<(), MeasureError> {
        let start = Instant::now();
        let measured = match self.time_left(at.index) {
            None => self.endpoint(at, driven).await,
            Some(left) => {
                let within = tokio::time::timeout(left, self.endpoint(at, driven)).await;
                within.unwrap_or(Ok(()))
            }
        };
        *self.spent.entry(at.index).or_default() += start.elapsed();
        if self.time_left(at.index).is_some_and(|left| left.is_zero()) {
            let endpoint = &self.prepared[at.index].endpoint;
            let limit = endpoint.time_limit.unwrap_or_default();
            let said = format!(
                "{}: measuring ended at its time limit of {} s, in {}",
                endpoint.name,
                limit.as_secs_f64(),
                self.label(Round {
                    stage: at.stage,
                    number: at.number
                })
            );
            self.progress.step(&said);
            let record = &mut self.head.record;
            record.evidence.skipped.push(said.clone());
            record.ended_endpoints.insert(endpoint.name.clone(), said);
        }
        measured
    }

    /// What was measured so far stays; what has no answer then says that blocks are missing.
    fn say_that_time_is_up(&mut self, at: Round) {
        let limit = self.plan.sampling.time_limit.unwrap_or_default();
        let said = format!(
            "measuring ended at its time limit of {} s, in {}",
            limit.as_secs_f64(),
            self.label(at)
        );
        self.progress.step(&said);
        let record = &mut self.head.record;
        if record.ended.is_none() {
            record.evidence.skipped.push(said.clone());
            record.ended = Some(said);
        }
    }

    /// Gives the services and the generator their cores for timing.
    fn pin(&self) {
        let (theirs, own) = self.placement.pinned();
        tree::pin_self(&own);
        self.stacks().for_each(|stack| stack.pin(&theirs));
    }

    /// Gives everything every core: for starting and warming up.
    fn unpin(&self) {
        let all = self.placement.all();
        tree::pin_self(all);
        self.stacks().for_each(|stack| stack.pin(all));
    }

    /// The arms there are.
    fn arms(&self) -> impl Iterator<Item = &Arm> {
        let base = self.base.as_ref().ok().into_iter();
        base.chain([&self.head]).chain(&self.control)
    }

    fn arms_mut(&mut self) -> impl Iterator<Item = &mut Arm> {
        let base = self.base.as_mut().ok().into_iter();
        base.chain([&mut self.head]).chain(&mut self.control)
    }

    fn arm_mut(&mut self, name: ArmName) -> Option<&mut Arm> {
        self.arms_mut().find(|arm| arm.name == name)
    }

    /// The stacks that run.
    fn stacks(&self) -> impl Iterator<Item = &Stack> {
        self.arms().filter_map(|arm| arm.stack.as_ref())
    }

    /// Fresh processes in all arms, at the same time.
    async fn refresh(&mut self) -> Result<(), MeasureError> {
        let refreshing = self
            .arms_mut()
            .map(async |arm| (arm.name, arm.refresh().await));
        for (name, outcome) in join_all(refreshing).await {
            self.bear(name, outcome).await?;
        }
        Ok(())
    }

    /// Logs in and connects the probes: once, and again where the service is fresh.
    async fn connect(&mut self, first: bool) -> Result<(), MeasureError> {
        let plan = self.plan;
        let mut outcomes = Vec::new();
        for arm in self.arms_mut() {
            outcomes.push((arm.name, arm.connect(plan, first).await));
        }
        for (name, outcome) in outcomes {
            self.bear(name, outcome).await?;
        }
        Ok(())
    }

    /// What the failure of an arm means: that of head ends the run, that of another one only
    /// what it was there for.
    async fn bear(
        &mut self,
        name: ArmName,
        outcome: Result<(), impl Into<MeasureError>>,
    ) -> Result<(), MeasureError> {
        match (outcome, name) {
            (Ok(()), _) => Ok(()),
            (Err(error), ArmName::Head) => Err(error.into()),
            (Err(error), ArmName::Base) => {
                self.lose_base(&error.into().to_string()).await;
                Ok(())
            }
            (Err(error), ArmName::Control) => {
                self.lose_control(&error.into().to_string()).await;
                Ok(())
            }
        }
    }

    /// Opens the connections of a block and warms both arms up, endpoint by endpoint, twice
    /// round: what the first endpoints compile serves the last ones, and the other way round.
    /// Endpoints that still get faster then go on for as long as that helps.
    async fn warm_up(&mut self, order: &[usize], at: Round) -> Result<Vec<Arms>, MeasureError> {
        let mut all = Vec::new();
        for index in order {
            all.push(Arms::new(self.requests(*index)?));
        }
        self.take_cold_starts(order, &mut all, at).await;
        let length = self.for_all_arms(self.plan.sampling.warm_up) / WARM_UP_ROUNDS;
        for _ in 0..WARM_UP_ROUNDS {
            for arms in &mut all {
                arms.warm_up(length).await;
            }
        }
        let limit = self.for_all_arms(self.plan.sampling.warm_up_limit);
        for (index, arms) in order.iter().zip(&mut all) {
            let mut spent = length * WARM_UP_ROUNDS;
            while !arms.is_steady() && spent < limit {
                arms.warm_up(length).await;
                spent += length;
            }
            if !arms.is_steady() {
                self.progress.step(&format!(
                    "{}: still got faster after {:.1} s of warming up",
                    self.prepared[*index].endpoint.name,
                    spent.as_secs_f64()
                ));
            }
            self.find_rate(*index, arms).await;
        }
        Ok(all)
    }

    /// Keeps how long the first request of a fresh process takes, where that is asked for. In the
    /// order of the configuration: who is first pays for what the others share.
    async fn take_cold_starts(&mut self, order: &[usize], all: &mut [Arms], at: Round) {
        let mut asked: Vec<(usize, &mut Arms)> = order.iter().copied().zip(all).collect();
        asked.retain(|(index, _)| self.prepared[*index].endpoint.cold_start);
        asked.sort_by_key(|(index, _)| *index);
        for (index, arms) in asked {
            let firsts = arms.first_answers(&mut self.random).await;
            let endpoint = self.prepared[index].endpoint.name.clone();
            for (name, time) in firsts {
                if let Some(arm) = self.arm_mut(name) {
                    arm.record
                        .take_cold_start(at.stage, at.number, &endpoint, time);
                }
            }
        }
    }

    /// Finds out once what base can answer, where the rate depends on that. All arms get the same
    /// rate from then on, in every block.
    async fn find_rate(&mut self, index: usize, arms: &mut Arms) {
        let endpoint = &mut self.prepared[index].endpoint;
        let Load::Open(open) = &mut endpoint.load else {
            return;
        };
        if open.rate != Rate::Auto {
            return;
        }
        let capacity = arms.capacity(CAPACITY_WITHIN).await;
        let rate = (capacity * Rate::AUTO_SHARE).max(SLOWEST_RATE);
        open.rate = Rate::PerSecond(rate);
        arms.set_rate(rate);
        self.progress.step(&format!(
            "{}: base answers {capacity:.0} requests a second, so both get {rate:.0}",
            endpoint.name
        ));
    }

    /// Measures one block of one endpoint; once more when the machine was busy with something
    /// else.
    async fn endpoint(&mut self, at: &Place, driven: &mut Arms) -> Result<(), MeasureError> {
        let mut timed = self.time(at, driven).await;
        let mut alive = self.check_alive().await;
        let repeated = alive.is_ok() && self.is_disturbed(&timed);
        if repeated {
            self.progress.step(&format!(
                "{}: measured again, the machine was busy with something else",
                at.label
            ));
            let most_taken = timed
                .iter()
                .max_by(|one, other| one.load.taken.total_cmp(&other.load.taken));
            let busier = most_taken.map_or(Side::default(), |one| one.load.busier);
            if self.placement.avoid(busier) {
                self.pin();
            }
            let again = self.time(at, driven).await;
            let discarded = std::mem::replace(&mut timed, again);
            keep_wrong_answers(discarded, &mut timed);
            alive = self.check_alive().await;
        }
        let disturbed = repeated && self.is_disturbed(&timed);
        // What the arms answered is kept even if one of them has gone away.
        self.take(at, timed, |load| Contention {
            fresh: at.stage == Stage::Confirmation,
            block: at.number,
            service_wait: load.service_wait,
            generator_wait: load.generator_wait,
            steal: load.steal,
            foreign: load.foreign,
            late: load.late,
            generator_cpu: load.generator_cpu,
            by: load.by,
            repeated,
            disturbed,
        });
        alive
    }

    /// Whether other work took so much of the machine that the block says little about the clock.
    /// An endpoint that only ever answered wrongly has nothing to measure again.
    fn is_disturbed(&self, timed: &[Timed]) -> bool {
        let limit = self.plan.sampling.contention_limit;
        let mut judged = timed.iter().filter(|one| one.name != ArmName::Control);
        judged.clone().any(|one| one.load.taken > limit)
            && !judged.any(|one| is_hopeless(&one.recording))
    }

    /// Keeps what was read of each arm that is still there.
    fn take(
        &mut self,
        at: &Place,
        timed: Vec<Timed>,
        contention: impl Fn(contention::Load) -> Contention,
    ) {
        let endpoint = &self.prepared[at.index].endpoint;
        let items = endpoint.batch.as_ref().map_or(1, |batch| batch.size);
        let (service, has_target) = (endpoint.service.clone(), endpoint.has_read_budget);
        let endpoint = endpoint.name.clone();
        self.so_far.take(&endpoint, &timed);
        for one in timed {
            let block = EndpointBlock {
                recording: one.recording,
                items,
                cpu: one.cpu,
                statements: one.statements,
                counted: one.counted,
                contention: contention(one.load),
            };
            if let Some(arm) = self.arm_mut(one.name) {
                arm.record.take(at.stage, at.number, &endpoint, &block);
                if let Some(Err(why)) = &block.counted.read {
                    let record = &mut arm.record;
                    record.miss_what_was_read(&service, &endpoint, has_target, why);
                }
            }
        }
    }

    /// Drives an endpoint in the arms that run.
    async fn time(&mut self, at: &Place, driven: &mut Arms) -> Vec<Timed> {
        let runs = |arm: &&Arm| arm.stack.is_some();
        let running: Vec<ArmName> = self.arms().filter(runs).map(|arm| arm.name).collect();
        driven.retain(&running);
        driven.set_apart(self.placement.is_apart());
        let service = self.prepared[at.index].endpoint.service.clone();
        let timing = Timing {
            service: &service,
            databases: &databases_behind(self.plan, &service),
            caches: &caches_behind(self.plan, &service),
            queues: &queues_behind(self.plan, &service),
            models: &models_behind(self.plan, &service),
            cores: self.placement.pinned(),
            length: self.for_all_arms(self.plan.sampling.block),
        };
        let on_cards = on_cards_behind(self.plan, &service);
        let watch = (!on_cards.is_empty()).then(|| match &self.no_gpu {
            Some(why) => gpu::Watch::none(why),
            None => gpu::Watch::start(),
        });
        let mut random = self.random.fork();
        let mut arms: Vec<&mut Arm> = self.arms_mut().collect();
        let Some(watch) = watch else {
            return block::time(&mut arms, driven, &timing, &mut random).await;
        };
        let timed = block::time(&mut arms, driven, &timing, &mut random).await;
        let share = watch.end().await;
        let round = Round {
            stage: at.stage,
            number: at.number,
        };
        self.keep_gpu_utilization(round, &on_cards, share);
        timed
    }

    /// A length that was given for two arms together. A control takes its part on top, so that
    /// the other two are measured as long as without it.
    fn for_all_arms(&self, length: Duration) -> Duration {
        let running = u32::try_from(self.stacks().count()).unwrap_or(u32::MAX);
        length * running.max(2) / 2
    }

    /// The requests for each arm that runs.
    fn requests(&mut self, index: usize) -> Result<Vec<Target>, MeasureError> {
        let prepared = self.prepared[index].clone();
        let endpoint = &prepared.endpoint;
        let is_its = |session: &&Session| Some(&session.name) == endpoint.session.as_ref();
        let session = self.plan.sessions.iter().find(is_its);
        let mut requests = Vec::new();
        for arm in self.arms_mut() {
            let sequence = arm.sequence(&endpoint.name);
            let Some(stack) = &arm.stack else {
                continue;
            };
            let login = match session {
                Some(session) => Some(Login {
                    session: session.clone(),
                    origin: stack.origin(&session.service)?,
                }),
                None => None,
            };
            let pass = session.and_then(|session| arm.passes.get(&session.name));
            let origin = stack.origin(&endpoint.service)?;
            requests.push(Target {
                arm: arm.name,
                request: prepared.at(&origin, pass)?,
                origin,
                login,
                sequence,
            });
        }
        Ok(requests)
    }

    /// Reads the memory of every service of all arms: after each endpoint, because one reading
    /// of a garbage-collected process says little.
    fn read_memory(&self, readings: &mut BTreeMap<(ArmName, String), Vec<Usage>>) {
        for arm in self.arms() {
            for (service, usage) in arm.memory() {
                readings.entry((arm.name, service)).or_default().push(usage);
            }
        }
    }

    fn keep_memory(
        &mut self,
        stage: Stage,
        number: u32,
        readings: &BTreeMap<(ArmName, String), Vec<Usage>>,
        peaks: &BTreeMap<(ArmName, String), u64>,
    ) {
        for (of, usages) in readings {
            let (name, service) = of;
            let peak = peaks.get(of).copied();
            if let Some(arm) = self.arm_mut(*name) {
                arm.record.take_usage(stage, number, service, usages, peak);
            }
        }
    }

    /// Looks, from now on, for memory that processes have which end before the next reading.
    fn watch_peaks(&mut self) -> Peaks<(ArmName, String)> {
        let mut roots = BTreeMap::new();
        for arm in self.arms_mut() {
            let name = arm.name;
            let Some(stack) = &mut arm.stack else {
                continue;
            };
            stack.remember_processes();
            let watched = stack.peaks_to_watch().into_iter();
            roots.extend(watched.map(|(service, root)| ((name, service), root)));
        }
        Peaks::watch(roots)
    }

    /// Reads the memory on graphics cards of the services that have a budget for it.
    async fn keep_gpu_memory(&mut self, at: Round) {
        let asked: Vec<String> = (self.plan.services.iter())
            .filter(|service| service.has_gpu_memory_budget)
            .map(|service| service.name.clone())
            .collect();
        if asked.is_empty() {
            return;
        }
        let memory = match &self.no_gpu {
            Some(why) => Err(why.clone()),
            None => gpu::memory().await,
        };
        self.no_gpu = self.no_gpu.take().or(memory.as_ref().err().cloned());
        for service in &asked {
            for arm in self.arms_mut() {
                let Some(root) = arm.stack.as_ref().and_then(|stack| stack.root(service)) else {
                    continue;
                };
                let pids = tree::living_descendants(root);
                let id = MetricId::service(service, Metric::GpuMemory);
                let memory = memory.as_ref().map_err(Clone::clone);
                let bytes = memory.and_then(|memory| memory.of(&pids));
                arm.record.take_gpu((at.stage, at.number), id, bytes);
            }
        }
    }

    /// Keeps how busy graphics cards were while these services worked. They do not tell the arms apart,
    /// so it is of all together, and base has none of its own to be excused by.
    fn keep_gpu_utilization(&mut self, at: Round, services: &[String], share: Result<f64, String>) {
        self.no_gpu = self.no_gpu.take().or(share.as_ref().err().cloned());
        for service in services {
            let id = MetricId::service(service, Metric::GpuUtilization);
            let record = &mut self.head.record;
            record.take_gpu((at.stage, at.number), id, share.clone());
        }
    }

    fn keep_batch_gains(&mut self, at: Round, order: &[usize]) {
        for index in order {
            let endpoint = self.prepared[*index].endpoint.clone();
            let Some(batch) = &endpoint.batch else {
                continue;
            };
            for arm in self.arms_mut() {
                let record = &mut arm.record;
                record.take_batch_gain(at.stage, at.number, &endpoint.name, batch);
            }
        }
    }

    async fn check_alive(&mut self) -> Result<(), MeasureError> {
        let outcomes: Vec<_> = self
            .arms_mut()
            .map(|arm| (arm.name, arm.check_alive()))
            .collect();
        for (name, outcome) in outcomes {
            self.bear(name, outcome).await?;
        }
        Ok(())
    }

    /// Base is gone: its numbers so far do not line up with head's any more, and a control has
    /// nothing to be compared with.
    async fn lose_base(&mut self, why: &str) {
        if let Ok(arm) = &mut self.base {
            arm.stop().await;
        }
        self.base = Err(why.to_owned());
        if let Some(mut arm) = self.control.take() {
            arm.stop().await;
        }
    }

    /// The control is gone: the run goes on without it, and says so.
    async fn lose_control(&mut self, why: &str) {
        let Some(arm) = &mut self.control else {
            return;
        };
        arm.stop().await;
        let said = format!("base was not measured beside itself to the end: {why}");
        self.progress.step(&said);
        self.head.record.evidence.skipped.push(said);
    }

    /// Asks for the plans of slow statements, and where head's queries are issued.
    pub async fn explain(&mut self) -> Result<(), MeasureError> {
        self.progress.phase(PhaseKind::Report);
        self.head.record.evidence.changed = self.checkout.changed_lines()?;
        for service in &self.plan.services {
            if let Some(directory) = service.kind.directory()
                && directory != Path::new("")
                && directory != Path::new(".")
            {
                let sites = sources::call_sites(&self.head.tree.project, directory);
                self.head.record.evidence.call_sites.extend(sites);
            }
        }
        let plan = self.plan;
        let compared = |arm: &&mut Arm| arm.name != ArmName::Control;
        for arm in self.arms_mut().filter(compared) {
            arm.ask_for_plans(&plan.services).await;
        }
        Ok(())
    }

    /// What is measured so far.
    pub fn run_file(&self, phases: Vec<Phase>) -> RunFile {
        let endpoints = self.plan.endpoints.iter();
        let same = endpoints.filter(|endpoint| endpoint.expect.same.is_some());
        let same: Vec<String> = same.map(|endpoint| endpoint.name.clone()).collect();
        let run = |arm: &Arm, other: Option<&Arm>, control: Option<&Arm>| {
            arm.record.run(&Circumstances {
                revision: &arm.tree.revision,
                machine: &self.machine,
                machine_changed: self.machine_changed.as_deref(),
                measured_at: &self.measured_at,
                is_head: arm.name == ArmName::Head,
                same: &same,
                other: other.map(|arm| &arm.record),
                control: control.map(|arm| &arm.record),
            })
        };
        RunFile {
            format: RunFile::FORMAT,
            tool: format!("tollgate {}", env!("CARGO_PKG_VERSION")),
            project: self.plan.project.clone(),
            seed: self.plan.sampling.seed,
            shard: None,
            base: match &self.base {
                Ok(arm) => Ok(run(arm, Some(&self.head), self.control.as_ref())),
                Err(why) => Err(why.clone()),
            },
            head: run(&self.head, self.base.as_ref().ok(), None),
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
        for arm in self.arms_mut() {
            arm.stop().await;
        }
    }

    /// Endpoints that only ever answered wrongly have no latency, and say why.
    pub fn name_what_is_missing(&mut self) {
        let names: Vec<String> = self
            .prepared
            .iter()
            .map(|prepared| prepared.endpoint.name.clone())
            .collect();
        for arm in self.arms_mut() {
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
                .and_then(|service| service.kind.directory())
                .map(Path::to_owned)
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
    for (id, why) in bundle::unknown(frontend, &built.evidence) {
        record.cannot_offer(id, why.to_owned());
    }
    if let Some(why) = &built.evidence.first_load_unknown {
        record.evidence.skipped.push(format!("{frontend}: {why}"));
    }
    record.evidence.skipped.extend(built.skipped);
    record
        .evidence
        .bundles
        .insert(frontend.to_owned(), built.evidence);
}

/// A time that was disturbed is worth nothing; a wrong answer stays one.
fn keep_wrong_answers(discarded: Vec<Timed>, timed: &mut [Timed]) {
    for earlier in discarded {
        if let Some(one) = timed.iter_mut().find(|one| one.name == earlier.name) {
            one.recording.take_wrong_of(earlier.recording);
        }
    }
}
