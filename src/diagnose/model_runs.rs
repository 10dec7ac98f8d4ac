//! `ml.model-runs`: models are run more often for a request, as where each item is a run of its own.
//!
//! Needs: a counter of model runs that the service exposes. Silent: unless the model runs per request
//! of the endpoint are judged to be worse than base's, or miss their target.

use super::{Case, place};
use crate::model::evidence::Route;
use crate::model::{
    Confidence, Expected, Finding, Metric, MetricId, Priority, Provenance, Recommendation, Risk,
};

/// So many more runs come from a loop.
const FROM_A_LOOP: f64 = 2.0;

/// Finds endpoints that run a model more often than they have to.
pub(super) fn rule(case: &Case<'_>) -> Vec<Finding> {
    case.endpoints(of_endpoint)
}

fn of_endpoint(case: &Case<'_>, endpoint: &str, route: &Route) -> Option<Finding> {
    let runs = MetricId::endpoint(endpoint, Metric::ModelRunsPerRequest);
    let (before, now) = case.too_many(&runs)?;
    let compared = before.map_or(String::new(), |before| format!(" (base {before:.1} times)"));
    let fewer = now - before.unwrap_or(1.0).min(now);
    Some(Finding {
        rule: "ml.model-runs".to_owned(),
        location: place::of_change(case, route),
        issue: format!("`{endpoint}` runs its models {now:.1} times a request{compared}"),
        impact:
            "each run pays for itself what a batch pays once, and leaves cores or the card idle"
                .to_owned(),
        priority: Priority::High,
        confidence: Confidence::Proved,
        evidence: vec![format!("{now:.2} runs a request, counted by the service")],
        recommendation: Some(Recommendation {
            change: "run each model once over all items of a request".to_owned(),
            expected: Expected {
                improvement: format!("{fewer:.1} fewer runs a request"),
                provenance: Provenance::Computed,
            },
            steps: vec![
                "look for a loop over the items: stack them along the first axis, and run the model \
                 on the stack"
                    .to_owned(),
                "limit the batch to what fits in memory: look at `peak-memory`".to_owned(),
            ],
            risk: Risk::Low,
            // A model that was added on purpose has nothing to be stacked.
            quick_win: fewer >= FROM_A_LOOP,
        }),
        explains: [
            Metric::ModelRunsPerRequest,
            Metric::LatencyP50,
            Metric::LatencyP95,
            Metric::LatencyMean,
            Metric::CpuPerRequest,
            Metric::Throughput,
            Metric::BatchGain,
        ]
        .map(|metric| MetricId::endpoint(endpoint, metric))
        .to_vec(),
    })
}
