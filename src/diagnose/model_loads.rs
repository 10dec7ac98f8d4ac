//! `ml.model-per-request`: a model is opened for each request instead of once.
//!
//! Needs: counted openings of the models of a service. Silent: unless the model loads per request of
//! the endpoint are judged to be worse than base's, or miss their target.

use super::{Case, place};
use crate::model::evidence::Route;
use crate::model::{
    Confidence, Expected, Finding, Metric, MetricId, Priority, Provenance, Recommendation, Risk,
};

/// Finds endpoints that load a model each time.
pub(super) fn rule(case: &Case<'_>) -> Vec<Finding> {
    case.endpoints(of_endpoint)
}

fn of_endpoint(case: &Case<'_>, endpoint: &str, route: &Route) -> Option<Finding> {
    let loads = MetricId::endpoint(endpoint, Metric::ModelLoadsPerRequest);
    let (before, now) = case.too_many(&loads)?;
    let compared = before.map_or(String::new(), |before| format!(" (base {before:.1} times)"));
    Some(Finding {
        rule: "ml.model-per-request".to_owned(),
        location: place::of_change(case, route),
        issue: format!("`{endpoint}` opens a model file {now:.1} times a request{compared}"),
        impact: "reading and preparing the model takes part of every request".to_owned(),
        priority: Priority::High,
        confidence: Confidence::Proved,
        evidence: vec![format!(
            "{now:.2} openings a request, counted by the kernel"
        )],
        recommendation: Some(Recommendation {
            change: "load the model once for each process, and keep it".to_owned(),
            expected: Expected {
                improvement: format!("{now:.1} fewer loads a request"),
                provenance: Provenance::Computed,
            },
            steps: vec![
                "load it when the module is imported, or with the first request behind a lock"
                    .to_owned(),
                "with several workers each keeps one: look at `memory`".to_owned(),
            ],
            risk: Risk::Low,
            quick_win: true,
        }),
        explains: [
            Metric::ModelLoadsPerRequest,
            Metric::BytesReadPerRequest,
            Metric::LatencyP50,
            Metric::LatencyP95,
            Metric::LatencyMean,
            Metric::CpuPerRequest,
            Metric::Throughput,
        ]
        .map(|metric| MetricId::endpoint(endpoint, metric))
        .to_vec(),
    })
}
