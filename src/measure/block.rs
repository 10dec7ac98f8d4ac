//! One block of one endpoint: read, drive, read again.
//!
//! Drives each arm in turn and returns what was read of it. Keeps nothing, and does not know
//! which block it is.

use std::collections::BTreeMap;
use std::time::Duration;

use super::arm::{Arm, ArmName};
use super::http::drive::Switch;
use super::http::{Arms, Recording};
use super::plan::{Plan, Service};
use super::probes::contention::{Load, Watch};
use super::probes::postgres::{self, Counters, Unread};
use super::probes::rabbitmq;
use super::probes::redis::{self, Tally};
use super::probes::{files, model_runs};
use super::record::Counted;
use super::services::{Stack, stack};

/// What is driven, and where.
#[derive(Debug)]
pub(super) struct Site<'s> {
    /// The service that answers.
    pub(super) service: &'s str,
    /// The databases behind it.
    pub(super) databases: &'s [String],
    /// The caches behind it.
    pub(super) caches: &'s [String],
    /// The services with queues behind it.
    pub(super) queues: &'s [String],
    /// The services behind it that count how often they run their models.
    pub(super) models: &'s [String],
    /// Cores of the services, and cores of the load generator.
    pub(super) cores: (Vec<usize>, Vec<usize>),
    /// How long all arms are driven together.
    pub(super) length: Duration,
}

/// What was read of one arm.
#[derive(Debug)]
pub(super) struct Timed {
    /// Which arm.
    pub(super) name: ArmName,
    /// The answers.
    pub(super) recording: Recording,
    /// CPU time of the service's process tree; none when it is no process of ours.
    pub(super) cpu: Option<Duration>,
    /// What the databases did; none when there is none, or the reason.
    pub(super) statements: Option<Result<Counters, Unread>>,
    /// What else was counted.
    pub(super) counted: Counted,
    /// How busy the machine was with other work.
    pub(super) load: Load,
}

/// Drives the endpoint once in all arms.
pub(super) async fn time(
    arms: &mut [&mut Arm],
    driven: &mut Arms,
    site: &Site<'_>,
    random: &mut fastrand::Rng,
) -> Vec<Timed> {
    // First and last: answering these questions may ask databases and caches.
    let runs_before = runs(arms, site.models).await;
    let before = statements(arms, site.databases).await;
    let caches_before = caches(arms, site.caches).await;
    let _from_now_on = loads(arms, site.service);
    let watch = watch(arms, site);
    let earlier = watch.read();
    let read_before = read(arms, site.service);
    let cpu_before = cpu(arms, site.service);
    let stacks = arms.iter().filter_map(|arm| {
        let stack = arm.stack.as_ref()?;
        Some((arm.name, stack))
    });
    let switch = Freezer {
        stacks: stacks.collect(),
    };
    let is_one_at_a_time = driven.is_one_at_a_time();
    let recordings = driven.drive(site.length, random, &switch).await;
    drop(switch);
    let cpu_after = cpu(arms, site.service);
    let read_after = read(arms, site.service);
    let under_way = recordings.iter().map(|(_, answers)| answers.driven).sum();
    let busy = earlier.until(&watch.read(), under_way);
    let mut waiting = queues(arms, site.queues).await;
    let mut opened = loads(arms, site.service);
    let caches_after = caches(arms, site.caches).await;
    let after = statements(arms, site.databases).await;
    let runs_after = runs(arms, site.models).await;
    let timed = recordings.into_iter().map(|(name, recording)| Timed {
        name,
        cpu: cpu_after
            .get(&name)
            .zip(cpu_before.get(&name))
            .map(|(now, then)| now.saturating_sub(*then)),
        statements: between(before.get(&name), after.get(&name)),
        counted: Counted {
            read: match (read_before.get(&name), read_after.get(&name)) {
                (Some(Ok(then)), Some(Ok(now))) => now.checked_sub(*then).map(Ok),
                (Some(Err(why)), _) | (_, Some(Err(why))) => Some(Err(why.clone())),
                (None, _) | (_, None) => None,
            },
            caches: match (caches_before.get(&name), caches_after.get(&name)) {
                (Some(Ok(then)), Some(Ok(now))) => Some(Ok(now.since(*then))),
                (Some(Err(why)), _) | (_, Some(Err(why))) => Some(Err(why.clone())),
                (None, _) | (_, None) => None,
            },
            loads: opened.remove(&name),
            runs: ran(runs_before.get(&name), runs_after.get(&name)),
            waiting: waiting.remove(&name),
        },
        load: {
            let load = busy.get(&name).copied().unwrap_or_default();
            let load = load.and_late(recording.lateness());
            if is_one_at_a_time {
                load
            } else {
                load.and_several()
            }
        },
        recording,
    });
    timed.collect()
}

/// What databases did so far, by arm.
type Statements = BTreeMap<ArmName, Result<Counters, Unread>>;

async fn statements(arms: &mut [&mut Arm], databases: &[String]) -> Statements {
    let mut read = Statements::new();
    for arm in arms {
        if let Some(statements) = arm.statements(databases).await {
            read.insert(arm.name, statements);
        }
    }
    read
}

async fn caches(
    arms: &mut [&mut Arm],
    caches: &[String],
) -> BTreeMap<ArmName, Result<Tally, String>> {
    let mut read = BTreeMap::new();
    for arm in arms {
        if let Some(tally) = arm.caches(caches).await {
            read.insert(arm.name, tally);
        }
    }
    read
}

/// How many messages wait in each arm.
async fn queues(arms: &[&mut Arm], queues: &[String]) -> BTreeMap<ArmName, Result<u64, String>> {
    let mut waiting = BTreeMap::new();
    for arm in arms {
        if let Some(stack) = &arm.stack
            && !queues.is_empty()
        {
            waiting.insert(arm.name, stack.queue_depth(queues).await);
        }
    }
    waiting
}

/// How often the models of a service were opened since this was last asked.
fn loads(arms: &mut [&mut Arm], service: &str) -> BTreeMap<ArmName, Result<u64, String>> {
    let of_arm = |arm: &mut &mut Arm| Some((arm.name, arm.model_loads(service)?));
    arms.iter_mut().filter_map(of_arm).collect()
}

/// What each counter of model runs says, by service.
type Runs = BTreeMap<String, (f64, String)>;

/// How often models were run so far, by arm.
async fn runs(arms: &[&mut Arm], services: &[String]) -> BTreeMap<ArmName, Result<Runs, String>> {
    let mut read = BTreeMap::new();
    for arm in arms {
        if let Some(stack) = &arm.stack
            && !services.is_empty()
        {
            read.insert(arm.name, stack.model_runs(services).await);
        }
    }
    read
}

/// How often models were run between two readings, over all services.
fn ran(
    before: Option<&Result<Runs, String>>,
    after: Option<&Result<Runs, String>>,
) -> Option<Result<f64, String>> {
    let (before, after) = match (before?, after?) {
        (Ok(before), Ok(after)) => (before, after),
        (Err(why), _) | (_, Err(why)) => return Some(Err(why.clone())),
    };
    let of_service = |(service, (now, counter)): (&String, &(f64, String))| {
        let earlier = before.get(service).map_or(0.0, |(earlier, _)| *earlier);
        let ran = model_runs::since(earlier, *now, counter);
        ran.map_err(|why| format!("{service}: {why}"))
    };
    Some(after.iter().map(of_service).sum())
}

/// What the processes of a service have read.
fn read(arms: &[&mut Arm], service: &str) -> BTreeMap<ArmName, Result<u64, String>> {
    let of_arm = |arm: &&mut Arm| {
        let root = arm.stack.as_ref()?.root(service)?;
        Some((arm.name, files::read_by_tree(root)))
    };
    arms.iter().filter_map(of_arm).collect()
}

fn cpu(arms: &[&mut Arm], service: &str) -> BTreeMap<ArmName, Duration> {
    let of_arm = |arm: &&mut Arm| Some((arm.name, arm.stack.as_ref()?.cpu(service)?));
    arms.iter().filter_map(of_arm).collect()
}

fn watch(arms: &[&mut Arm], site: &Site<'_>) -> Watch {
    let answering = |arm: &&mut Arm| Some((arm.name, arm.stack.as_ref()?.root(site.service)?));
    let (serving, driving) = site.cores.clone();
    Watch {
        answering: arms.iter().filter_map(answering).collect(),
        all: arms
            .iter()
            .filter_map(|arm| arm.stack.as_ref())
            .flat_map(Stack::roots)
            .collect(),
        serving,
        driving,
    }
}

fn between(
    before: Option<&Result<Counters, Unread>>,
    after: Option<&Result<Counters, Unread>>,
) -> Option<Result<Counters, Unread>> {
    match (before?, after?) {
        (Ok(before), Ok(after)) => Some(Ok(postgres::difference(before, after))),
        (Err(why), _) | (_, Err(why)) => Some(Err(why.clone())),
    }
}

/// The databases a service reaches, directly or through others.
pub(super) fn databases_behind(plan: &Plan, service: &str) -> Vec<String> {
    behind(plan, service, stack::is_postgres)
}

/// The caches a service reaches, directly or through others.
pub(super) fn caches_behind(plan: &Plan, service: &str) -> Vec<String> {
    behind(plan, service, redis::is_redis)
}

/// The services with queues that a service reaches, directly or through others.
pub(super) fn queues_behind(plan: &Plan, service: &str) -> Vec<String> {
    behind(plan, service, rabbitmq::has_queues)
}

/// The services that a service reaches and that count how often they run their models, itself
/// included.
pub(super) fn models_behind(plan: &Plan, service: &str) -> Vec<String> {
    behind(plan, service, model_runs::are_counted)
}

/// The services that a service reaches, itself included, with a target for how busy graphics cards
/// are with them.
pub(super) fn on_cards_behind(plan: &Plan, service: &str) -> Vec<String> {
    behind(plan, service, |one| one.has_gpu_utilization_budget)
}

/// The services of a kind that a service reaches, directly or through others.
fn behind(plan: &Plan, service: &str, is_kind: fn(&Service) -> bool) -> Vec<String> {
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
    let is_behind = |service: &&Service| seen.contains(&service.name.as_str()) && is_kind(service);
    plan.services
        .iter()
        .filter(is_behind)
        .map(|service| service.name.clone())
        .collect()
}

/// Lets one arm run and freezes the others.
struct Freezer<'s> {
    stacks: Vec<(ArmName, &'s Stack)>,
}

impl Freezer<'_> {
    fn thaw_all(&self) {
        self.stacks.iter().for_each(|(_, stack)| stack.thaw());
    }
}

/// Nothing stays frozen when driving is broken off.
impl Drop for Freezer<'_> {
    fn drop(&mut self) {
        self.thaw_all();
    }
}

impl Switch for Freezer<'_> {
    fn to(&self, turn: ArmName) {
        let (runs, rest): (Vec<_>, Vec<_>) =
            self.stacks.iter().partition(|(name, _)| *name == turn);
        rest.iter().for_each(|(_, stack)| stack.freeze());
        runs.iter().for_each(|(_, stack)| stack.thaw());
    }
}
