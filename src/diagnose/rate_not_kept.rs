//! `load.rate-not-kept`: head cannot keep up with a rate that base keeps up with.
//!
//! Needs: what both arms were asked and answered. Silent: without a rate, and unless the latency
//! of the endpoint is judged to be worse. Where base cannot keep up either nothing is judged.

use super::Case;
use crate::model::evidence::Route;
use crate::model::{Confidence, Finding, Location, Metric, MetricId, OpenLoop, Priority, Run};

/// Head answers less than this share of what it is asked.
const KEPT: f64 = 0.9;

/// Finds endpoints that fall behind.
pub(super) fn rule(case: &Case<'_>) -> Vec<Finding> {
    case.endpoints(of_endpoint)
}

fn of_endpoint(case: &Case<'_>, endpoint: &str, route: &Route) -> Option<Finding> {
    let latencies =
        [Metric::LatencyP50, Metric::LatencyP95].map(|metric| MetricId::endpoint(endpoint, metric));
    if !latencies.iter().any(|id| case.has_regressed(id)) {
        return None;
    }
    let (asked, answered) = rates(case.head, endpoint)?;
    if answered >= asked * KEPT {
        return None;
    }
    let (_, before) = rates(case.base?, endpoint)?;
    Some(Finding {
        rule: "load.rate-not-kept".to_owned(),
        location: Location::Service {
            service: route.service.clone(),
            route: Some(route.request.clone()),
        },
        issue: format!(
            "`{endpoint}` answers {answered:.0} of {asked:.0} requests a second, where base \
             answers {before:.0}"
        ),
        impact: "requests wait for one another, and longer for as long as the load lasts"
            .to_owned(),
        priority: Priority::High,
        confidence: Confidence::Proved,
        evidence: vec!["requests left when they were due; the wait is that for answers".to_owned()],
        recommendation: None,
        explains: latencies.to_vec(),
    })
}

/// Requests a second that were due and that were answered, on average.
fn rates(run: &Run, endpoint: &str) -> Option<(f64, f64)> {
    let loops = run.open_loops.get(endpoint).filter(|all| !all.is_empty())?;
    #[expect(clippy::cast_precision_loss, reason = "blocks of a run")]
    let count = loops.len() as f64;
    let of = |value: fn(&OpenLoop) -> f64| loops.iter().map(value).sum::<f64>() / count;
    Some((of(|one| one.asked), of(|one| one.answered)))
}
