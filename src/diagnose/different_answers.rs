//! `answers.differ`: head answers the same requests otherwise than base.
//!
//! Needs: checksums of the answers of both arms. Silent: where the same request is answered now
//! like this and now like that, and unless the answers are asked to be the same or the endpoint is
//! called faster for it: an answer may change for good reasons, but not in passing.

use super::Case;
use crate::model::evidence::Route;
use crate::model::{Confidence, Finding, Location, Metric, MetricId, Priority, Verdict};

/// Finds endpoints that answer otherwise.
pub(super) fn rule(case: &Case<'_>) -> Vec<Finding> {
    case.endpoints(of_endpoint)
}

fn of_endpoint(case: &Case<'_>, endpoint: &str, route: &Route) -> Option<Finding> {
    let answers = case.head.evidence.answers.get(endpoint)?;
    if answers.different == 0 {
        return None;
    }
    let id = |metric| MetricId::endpoint(endpoint, metric);
    let is_faster = [Metric::LatencyP50, Metric::CpuPerRequest]
        .into_iter()
        .any(|metric| {
            let comparison = case.comparison(&id(metric));
            comparison.is_some_and(|one| matches!(one.verdict, Verdict::Improved(_)))
        });
    let is_asked = case.has_regressed(&id(Metric::DifferentAnswers));
    if !is_faster && !is_asked {
        return None;
    }
    let (different, compared) = (answers.different, answers.compared);
    Some(Finding {
        rule: "answers.differ".to_owned(),
        location: Location::Service {
            service: route.service.clone(),
            route: Some(route.request.clone()),
        },
        issue: format!(
            "`{endpoint}` answers {different} of {compared} requests otherwise than base does, \
             always in the same way"
        ),
        impact: if is_faster {
            "a faster answer that is another answer is no improvement".to_owned()
        } else {
            "users get something else for the same request".to_owned()
        },
        priority: if is_asked {
            Priority::High
        } else {
            Priority::Medium
        },
        confidence: Confidence::Proved,
        evidence: vec![format!(
            "checksums of the answers to {compared} requests that both arms answer alike each time"
        )],
        recommendation: None,
        explains: vec![id(Metric::DifferentAnswers)],
    })
}
