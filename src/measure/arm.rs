//! One arm: a revision, the services that run it, and what was measured of it.
//!
//! Must not know the other arms: what they do together is the bench's.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::bench::MeasureError;
use super::checkout::Tree;
use super::http::session::{self, Pass};
use super::plan::{Fresh, Plan, Service, ServiceKind};
use super::probes::files::Opens;
use super::probes::postgres::{self, Counters, Probe, Unread};
use super::probes::redis::{self, Tally};
use super::process::tree::Usage;
use super::record::Record;
use super::services::stack;
use super::services::{ServiceError, Stack};

/// Statements faster than this on average are never slow enough to ask for their plan.
const PLAN_FROM_MS: f64 = 1.0;
/// Plans asked for, over all endpoints.
const MOST_PLANS: usize = 12;

/// Which arm it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArmName {
    /// What head is compared with.
    Base,
    /// What is judged.
    Head,
    /// Base once more, on processes of its own: what identical code reads like.
    Control,
}

impl ArmName {
    /// The name used for folders, logs and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Head => "head",
            Self::Control => "control",
        }
    }

    /// Which port it gets of those from a fixed one on.
    pub fn after_the_fixed_port(self) -> u16 {
        match self {
            Self::Base => 0,
            Self::Head => 1,
            Self::Control => 2,
        }
    }
}

/// One arm.
#[derive(Debug)]
pub(super) struct Arm {
    pub(super) name: ArmName,
    pub(super) tree: Tree,
    /// Its services, while they run.
    pub(super) stack: Option<Stack>,
    pub(super) record: Record,
    pub(super) passes: BTreeMap<String, Pass>,
    probes: BTreeMap<String, Result<Probe, Unread>>,
    caches: BTreeMap<String, Result<redis::Probe, String>>,
    /// Who opens the models of each service.
    models: BTreeMap<String, Result<Opens, String>>,
    /// How many requests each endpoint was sent.
    sequences: BTreeMap<String, Rc<Cell<u64>>>,
}

impl Arm {
    /// An arm that nothing was measured of.
    pub(super) fn new(name: ArmName, tree: &Tree) -> Self {
        Self {
            name,
            tree: tree.clone(),
            stack: None,
            record: Record::default(),
            passes: BTreeMap::new(),
            probes: BTreeMap::new(),
            caches: BTreeMap::new(),
            models: BTreeMap::new(),
            sequences: BTreeMap::new(),
        }
    }

    /// Counts the requests that an endpoint is sent over the whole run.
    pub(super) fn sequence(&mut self, endpoint: &str) -> Rc<Cell<u64>> {
        let sequence = self.sequences.entry(endpoint.to_owned()).or_default();
        Rc::clone(sequence)
    }

    /// Gives its services fresh processes.
    pub(super) async fn refresh(&mut self) -> Result<(), ServiceError> {
        match &mut self.stack {
            Some(stack) => {
                stack.refresh().await?;
                self.keep_tables();
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Keeps how tables were read so far, and says once where that is not known.
    fn keep_tables(&mut self) {
        let tables = self.stack.iter().flat_map(|stack| stack.tables());
        for (database, tables) in tables {
            let evidence = &mut self.record.evidence;
            match tables {
                Ok(tables) => {
                    evidence.tables.insert(database.clone(), tables.clone());
                }
                Err(why) => {
                    evidence.tables.remove(database);
                    let said = format!("{database}: how its tables are read is not known: {why}");
                    if !evidence.skipped.contains(&said) {
                        evidence.skipped.push(said);
                    }
                }
            }
        }
    }

    /// Fails when one of its services has gone away.
    pub(super) fn check_alive(&mut self) -> Result<(), ServiceError> {
        match &mut self.stack {
            Some(stack) => stack.check_alive(),
            None => Ok(()),
        }
    }

    /// Ends its services.
    pub(super) async fn stop(&mut self) {
        if let Some(stack) = &mut self.stack {
            stack.stop().await;
        }
        self.stack = None;
    }

    /// Logs in and connects the probes: once, and again where the service is fresh.
    pub(super) async fn connect(&mut self, plan: &Plan, first: bool) -> Result<(), MeasureError> {
        let Some(stack) = &self.stack else {
            return Ok(());
        };
        for session in &plan.sessions {
            let pass = session::log_in(session, &stack.origin(&session.service)?).await?;
            self.passes.insert(session.name.clone(), pass);
        }
        for service in stack.services().iter().filter(|s| stack::is_postgres(s)) {
            let is_another = service.fresh == Fresh::PerBlock || stack.is_restored(&service.name);
            if first || is_another {
                let probe = match stack.connection(service) {
                    Some(url) => Probe::connect(&url).await,
                    None => {
                        let why = format!("service `{}` has no `connection`", service.name);
                        Err(Unread::Failed(why))
                    }
                };
                if let (true, Err(why)) = (first, &probe) {
                    let note = format!("{}: {why}", service.name);
                    self.record.evidence.skipped.push(note);
                }
                self.probes.insert(service.name.clone(), probe);
            }
        }
        for service in stack.services().iter().filter(|s| redis::is_redis(s)) {
            if first || service.fresh == Fresh::PerBlock {
                let address = stack.address(&service.name);
                let connection = stack.connection(service);
                let probe = redis::Probe::connect(&address, connection.as_deref()).await;
                if let (true, Err(why)) = (first, &probe) {
                    let note = format!("{}: its commands are not counted: {why}", service.name);
                    self.record.evidence.skipped.push(note);
                }
                self.caches.insert(service.name.clone(), probe);
            }
        }
        if first {
            self.note_what_is_elsewhere();
        }
        self.watch_models(plan, first);
        Ok(())
    }

    /// Says which services cannot be looked at from here.
    fn note_what_is_elsewhere(&mut self) {
        if let Some(stack) = &self.stack {
            let services = stack.services().iter();
            for service in services.filter(|one| stack.is_elsewhere(&one.name)) {
                let note = format!(
                    "{}: its CPU time and memory are not measured: the engine runs its processes \
                     where they cannot be seen from here; run Tollgate where the engine runs",
                    service.name
                );
                self.record.evidence.skipped.push(note);
            }
        }
    }

    /// Counts from now on how often the files of models are opened. A container that was started
    /// again has other ones.
    fn watch_models(&mut self, plan: &Plan, first: bool) {
        for service in plan.services.iter().filter(|s| !s.models.is_empty()) {
            let files = match &service.kind {
                ServiceKind::Process(process) if first => {
                    let folder = self.tree.project.join(&process.directory);
                    Ok(service
                        .models
                        .iter()
                        .map(|file| folder.join(file))
                        .collect())
                }
                ServiceKind::Container(_) if first || service.fresh == Fresh::PerBlock => {
                    let stack = self.stack.as_ref();
                    let Some(files) = stack.and_then(|stack| stack.models_inside(service)) else {
                        continue;
                    };
                    files
                }
                ServiceKind::Process(_)
                | ServiceKind::Container(_)
                | ServiceKind::External { .. } => continue,
            };
            let opens = files.and_then(Opens::watch);
            if let (true, Err(why)) = (first, &opens) {
                let note = format!("{}: model loads are not counted: {why}", service.name);
                self.record.evidence.skipped.push(note);
            }
            let is_restless = |stack: &Stack| stack.is_restless(&service.name);
            if first && opens.is_ok() && self.stack.as_ref().is_some_and(is_restless) {
                let note = format!(
                    "{}: it is ready but never idle: what it reads by itself counts as model loads",
                    service.name
                );
                self.record.evidence.skipped.push(note);
            }
            self.models.insert(service.name.clone(), opens);
        }
    }

    /// How often the models of a service were opened since this was last asked; none without
    /// models.
    pub(super) fn model_loads(&mut self, service: &str) -> Option<Result<u64, String>> {
        let opens = self.models.get_mut(service)?;
        Some(match opens {
            Ok(opens) => opens.take(),
            Err(why) => Err(why.clone()),
        })
    }

    /// What these caches did so far, together; none when there is none, or the reason.
    pub(super) async fn caches(&mut self, caches: &[String]) -> Option<Result<Tally, String>> {
        let mut sum: Option<Tally> = None;
        for cache in caches {
            let read = match self.caches.get_mut(cache) {
                Some(Ok(probe)) => probe.read().await,
                Some(Err(why)) => Err(why.clone()),
                None => Err(format!("service `{cache}` was not asked")),
            };
            match read {
                Ok(tally) => sum = Some(sum.unwrap_or_default().and(tally)),
                Err(why) => return Some(Err(why)),
            }
        }
        sum.map(Ok)
    }

    /// What these databases did so far, together; none when there is none, or the reason.
    pub(super) async fn statements(
        &mut self,
        databases: &[String],
    ) -> Option<Result<Counters, Unread>> {
        let mut statements = None;
        for database in databases {
            let read = match self.probes.get_mut(database) {
                Some(Ok(probe)) => probe.read().await,
                Some(Err(why)) => Err(why.clone()),
                None => {
                    let why = format!("service `{database}` was not asked");
                    Err(Unread::Failed(why))
                }
            };
            let read = read.map_err(|why| why.of(database));
            statements = Some(match statements {
                None => read,
                Some(earlier) => postgres::together(earlier, read),
            });
        }
        statements
    }

    /// The memory of every service of it.
    pub(super) fn memory(&self) -> Vec<(String, Usage)> {
        let of_service = |stack: &Stack, service: &Service| {
            let usage = stack.usage(&service.name)?;
            Some((service.name.clone(), usage))
        };
        self.stack
            .iter()
            .flat_map(|stack| {
                stack
                    .services()
                    .iter()
                    .filter_map(|service| of_service(stack, service))
            })
            .collect()
    }

    /// Asks the databases for the plans of the slow statements.
    pub(super) async fn ask_for_plans(&mut self, services: &[Service]) {
        let Some(stack) = &self.stack else {
            return;
        };
        let mut slow: Vec<String> = self
            .record
            .statements()
            .into_values()
            .flatten()
            .filter(|statement| statement.mean_ms >= PLAN_FROM_MS)
            .map(|statement| statement.text)
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
                    self.record.evidence.plans.insert(text.clone(), plan);
                }
            }
        }
    }
}
