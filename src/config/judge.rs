//! Budgets, tolerances and the list of everything that is asked for.

use std::collections::{BTreeMap, BTreeSet};

use crate::compare::Policy;
use crate::compare::policy::{LEAST_NOISY_TOLERANCE, Tolerances, Weights};
use crate::gate;
use crate::measure::Plan;
use crate::measure::plan::{Endpoint, Fresh, Ready, Service};
use crate::model::{Metric, MetricId, Outcome, Subject, Weight};

use super::error::{Flaw, Problem, quote};
use super::locate::KeyPath;
use super::quantity::Share;
use super::raw::{
    RawConfig, RawEndpointBudgets, RawFrontendBudgets, RawGate, RawServiceBudgets, RawSeverities,
    RawSeverity, RawTolerance, RawWeight,
};
use super::stack::is_postgres;

/// How to judge a run of this plan.
pub(super) fn policy(raw: &RawConfig, plan: &Plan) -> Result<Policy, Problem> {
    let budgets = budgets(raw, &plan.services)?;
    Ok(Policy {
        tolerances: tolerances(&raw.gate.tolerance)?,
        weights: weights(&raw.gate.severity),
        blocks: plan.sampling.blocks as usize,
        fresh_blocks: plan.sampling.confirmation_blocks as usize,
        expected: expected(plan, &budgets),
        one_process: one_process(plan),
        budgets,
    })
}

/// What is measured on one process for the whole run.
fn one_process(plan: &Plan) -> BTreeSet<Subject> {
    let stays = |service: &&Service| service.fresh == Fresh::PerRun;
    let services: Vec<&Service> = plan.services.iter().filter(stays).collect();
    let endpoints = plan.endpoints.iter().filter(|endpoint| {
        services
            .iter()
            .any(|service| service.name == endpoint.service)
    });
    let of_endpoints = endpoints.map(|endpoint| Subject::Endpoint {
        endpoint: endpoint.name.clone(),
    });
    let of_services = services.iter().map(|service| Subject::Service {
        service: service.name.clone(),
    });
    of_services.chain(of_endpoints).collect()
}

/// What the verdicts mean.
pub(super) fn gate(raw: &RawGate) -> gate::Policy {
    let default = gate::Policy::default();
    gate::Policy {
        inconclusive: match raw.inconclusive {
            None => default.inconclusive,
            Some(RawSeverity::Warn) => Outcome::Warn,
            Some(RawSeverity::Fail) => Outcome::Inconclusive,
        },
        missed_by_base: match raw.missed_by_base {
            None => default.missed_by_base,
            Some(RawSeverity::Warn) => Outcome::Warn,
            Some(RawSeverity::Fail) => Outcome::Fail,
        },
    }
}

fn weights(raw: &RawSeverities) -> Weights {
    let default = Weights::default();
    let or = |written: Option<RawWeight>, default| match written {
        None => default,
        Some(RawWeight::Fail) => Weight::Gates,
        Some(RawWeight::Warn) => Weight::Warns,
        Some(RawWeight::Show) => Weight::Shown,
    };
    Weights {
        bundle: or(raw.bundle, default.bundle),
        latency: or(raw.latency, default.latency),
        tail: or(raw.p95, default.tail),
        cpu: or(raw.cpu, default.cpu),
        memory: or(raw.memory, default.memory),
        count: or(raw.count, default.count),
    }
}

fn tolerances(raw: &RawTolerance) -> Result<Tolerances, Problem> {
    let default = Tolerances::default();
    Ok(Tolerances {
        bundle: exact(raw.bundle, "bundle", default.bundle)?,
        latency: noisy(raw.latency, "latency", default.latency)?,
        tail: noisy(raw.p95, "p95", default.tail)?,
        cpu: noisy(raw.cpu, "cpu", default.cpu)?,
        memory: noisy(raw.memory, "memory", default.memory)?,
        count: exact(raw.count, "count", default.count)?,
    })
}

fn exact(written: Option<Share>, key: &str, default: f64) -> Result<f64, Problem> {
    let Some(Share(share)) = written else {
        return Ok(default);
    };
    if share < 1.0 {
        return Ok(share);
    }
    let flaw = Flaw::new("a tolerance of all there is lets everything pass");
    Err(flaw.help("write for example `3%`").at(&tolerance_path(key)))
}

fn noisy(written: Option<Share>, key: &str, default: f64) -> Result<f64, Problem> {
    let share = exact(written, key, default)?;
    if share >= LEAST_NOISY_TOLERANCE {
        return Ok(share);
    }
    let flaw = Flaw::new(format!(
        "a tolerance of {}% is too small for `{key}`",
        (share * 1e4).round() / 100.0
    ));
    let help = format!(
        "use at least `{}%`: two processes of the same code differ by up to 0.3%, which must \
         stay small against the tolerance",
        LEAST_NOISY_TOLERANCE * 100.0
    );
    Err(flaw.help(help).at(&tolerance_path(key)))
}

fn tolerance_path(key: &str) -> KeyPath {
    KeyPath::root().key("gate").key("tolerance").key(key)
}

/// Every target, in the unit of its metric.
fn budgets(raw: &RawConfig, services: &[Service]) -> Result<BTreeMap<MetricId, f64>, Problem> {
    let mut budgets = BTreeMap::new();
    for frontend in &raw.frontend {
        for (metric, value) in of_frontend(&frontend.budgets) {
            budgets.insert(MetricId::bundle(&frontend.name, metric), value);
        }
        for (file, size) in &frontend.budgets.files.0 {
            budgets.insert(MetricId::asset(&frontend.name, file), size.0);
        }
        for (module, size) in &frontend.budgets.on_demand.0 {
            let id = MetricId::entry(&frontend.name, module, Metric::OnDemand);
            budgets.insert(id, size.0);
        }
    }
    for (index, endpoint) in raw.endpoints.iter().enumerate() {
        let at = KeyPath::root().key("endpoints").index(index).key("budgets");
        possible(&endpoint.budgets, &endpoint.service, services, &at)?;
        for (metric, value) in of_endpoint(&endpoint.budgets) {
            budgets.insert(MetricId::endpoint(&endpoint.name, metric), value);
        }
    }
    for (name, service) in &raw.services.0 {
        for (metric, value) in service.budgets.iter().flat_map(of_service) {
            budgets.insert(MetricId::service(name, metric), value);
        }
    }
    Ok(budgets)
}

/// A budget that can never be met or never be measured is a mistake.
fn possible(
    budgets: &RawEndpointBudgets,
    service: &str,
    services: &[Service],
    at: &KeyPath,
) -> Result<(), Problem> {
    if budgets.error_rate.is_some_and(|Share(share)| share > 1.0) {
        let flaw = Flaw::new("more than every response cannot be wrong");
        return Err(flaw
            .help("write for example `0%`")
            .at(&at.key("error-rate")));
    }
    if budgets.cpu.is_some() && !is_process(service, services) {
        let flaw = Flaw::new("the CPU time of a service with a `url` cannot be measured");
        let help = "remove this budget, or let `command` start the service";
        return Err(flaw.help(help).at_key(&at.key("cpu")));
    }
    if budgets.model_runs_per_request.is_some() && !reaches(service, services, counts_model_runs) {
        let name = quote(service);
        let flaw = Flaw::new(format!(
            "nothing counts how often service {name} runs a model"
        ));
        let help = "add `model-runs: { path: /metrics, counter: model_runs_total }` to the service";
        return Err(flaw.help(help).at_key(&at.key("model-runs-per-request")));
    }
    let statements = [
        ("queries-per-request", budgets.queries_per_request.is_some()),
        ("query-mean", budgets.query_mean.is_some()),
        ("rows-per-request", budgets.rows_per_request.is_some()),
        ("pages-per-request", budgets.pages_per_request.is_some()),
    ];
    match statements.into_iter().find(|(_, written)| *written) {
        Some((key, _)) if !reaches(service, services, has_postgres) => {
            let name = quote(service);
            let flaw = Flaw::new(format!(
                "service {name} reaches no PostgreSQL to count queries of"
            ));
            let help = "give the database a `connection: postgresql://…`, and name it in `needs`";
            Err(flaw.help(help).at_key(&at.key(key)))
        }
        _ => Ok(()),
    }
}

fn of_frontend(raw: &RawFrontendBudgets) -> Vec<(Metric, f64)> {
    written([
        (Metric::InitialJs, raw.initial_js.map(|size| size.0)),
        (Metric::InitialCss, raw.initial_css.map(|size| size.0)),
        (Metric::Total, raw.total.map(|size| size.0)),
    ])
}

fn of_endpoint(raw: &RawEndpointBudgets) -> Vec<(Metric, f64)> {
    let rows = raw.rows_per_request;
    written([
        (Metric::LatencyP50, raw.p50.map(|time| time.0)),
        (Metric::LatencyP95, raw.p95.map(|time| time.0)),
        (Metric::LatencyMean, raw.mean.map(|time| time.0)),
        (Metric::ColdStart, raw.cold_start.map(|time| time.0)),
        (Metric::CpuPerRequest, raw.cpu.map(|time| time.0)),
        (Metric::Throughput, raw.throughput.map(|rate| rate.0)),
        (Metric::BatchGain, raw.batch_gain.map(|count| count.0)),
        (Metric::ErrorRate, raw.error_rate.map(|share| share.0)),
        (
            Metric::QueriesPerRequest,
            raw.queries_per_request.map(|count| count.0),
        ),
        (Metric::QueryMean, raw.query_mean.map(|time| time.0)),
        (Metric::RowsPerRequest, rows.map(|count| count.0)),
        (
            Metric::PagesPerRequest,
            raw.pages_per_request.map(|count| count.0),
        ),
        (Metric::ResponseBytes, raw.response_bytes.map(|size| size.0)),
        (
            Metric::BytesReadPerRequest,
            raw.bytes_read_per_request.map(|size| size.0),
        ),
        (
            Metric::CacheCommandsPerRequest,
            raw.cache_commands_per_request.map(|count| count.0),
        ),
        (
            Metric::CacheMissesPerRequest,
            raw.cache_misses_per_request.map(|count| count.0),
        ),
        (
            Metric::ModelLoadsPerRequest,
            raw.model_loads_per_request.map(|count| count.0),
        ),
        (
            Metric::ModelRunsPerRequest,
            raw.model_runs_per_request.map(|count| count.0),
        ),
        (Metric::QueueDepth, raw.queue_depth.map(|count| count.0)),
    ])
}

fn of_service(raw: &RawServiceBudgets) -> Vec<(Metric, f64)> {
    written([
        (Metric::Memory, raw.memory.map(|size| size.0)),
        (Metric::PeakMemory, raw.peak_memory.map(|size| size.0)),
        (Metric::GpuMemory, raw.gpu_memory.map(|size| size.0)),
        (
            Metric::GpuUtilization,
            raw.gpu_utilization.map(|share| share.0),
        ),
    ])
}

fn written<const N: usize>(all: [(Metric, Option<f64>); N]) -> Vec<(Metric, f64)> {
    all.into_iter()
        .filter_map(|(metric, value)| Some((metric, value?)))
        .collect()
}

/// Everything the configuration asks for: what is always measured, then what has a budget.
fn expected(plan: &Plan, budgets: &BTreeMap<MetricId, f64>) -> Vec<MetricId> {
    let frontends = plan.frontends.iter().flat_map(|frontend| {
        [Metric::InitialJs, Metric::Total].map(|metric| MetricId::bundle(&frontend.name, metric))
    });
    let endpoints = plan.endpoints.iter().flat_map(|endpoint| {
        let metrics = always_measured(endpoint, &plan.services).into_iter();
        metrics.map(|metric| MetricId::endpoint(&endpoint.name, metric))
    });
    let services = plan
        .services
        .iter()
        // What has ended uses nothing.
        .filter(|service| service.kind.is_ours() && service.ready != Ready::Completed)
        .map(|service| MetricId::service(&service.name, Metric::Memory));
    let always = frontends.chain(endpoints).chain(services);
    let mut seen = BTreeSet::new();
    always
        .chain(budgets.keys().cloned())
        .filter(|id| seen.insert(id.clone()))
        .collect()
}

fn always_measured(endpoint: &Endpoint, services: &[Service]) -> Vec<Metric> {
    let mut metrics = vec![Metric::LatencyP50, Metric::ErrorRate, Metric::ResponseBytes];
    if is_process(&endpoint.service, services) {
        metrics.push(Metric::CpuPerRequest);
    }
    if reaches(&endpoint.service, services, has_postgres) {
        metrics.push(Metric::QueriesPerRequest);
    }
    if reaches(&endpoint.service, services, counts_model_runs) {
        metrics.push(Metric::ModelRunsPerRequest);
    }
    if endpoint.expect.same.is_some() {
        metrics.push(Metric::DifferentAnswers);
    }
    metrics
}

fn has_postgres(service: &Service) -> bool {
    service.connection.as_deref().is_some_and(is_postgres)
}

fn counts_model_runs(service: &Service) -> bool {
    service.model_runs.is_some()
}

/// Whether the service, or one it needs, is of a kind. The needs have no cycles: services are in
/// start order.
fn reaches(name: &str, services: &[Service], is_kind: fn(&Service) -> bool) -> bool {
    named(name, services).is_some_and(|service| {
        is_kind(service) || (service.needs.iter()).any(|need| reaches(need, services, is_kind))
    })
}

fn is_process(name: &str, services: &[Service]) -> bool {
    named(name, services).is_some_and(|service| service.kind.is_ours())
}

fn named<'a>(name: &str, services: &'a [Service]) -> Option<&'a Service> {
    services.iter().find(|service| service.name == name)
}
