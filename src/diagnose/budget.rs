//! `target.missed`: an absolute target is missed, and no other finding says why.
//!
//! Needs: a budget in the configuration. Silent: where another finding explains the metric. It
//! recommends nothing: a missed target alone does not say what to change.

use super::changed_code::quantity;
use super::{Case, is_explained, place};
use crate::model::{
    Better, BudgetVerdict, Comparison, Confidence, Finding, Location, Priority, Subject, Target,
};

/// A target is missed badly from one and a half times its value on.
const CRITICAL_FROM: f64 = 1.5;

/// Finds missed targets that nothing explains yet.
pub(super) fn rule(case: &Case<'_>, findings: &[Finding]) -> Vec<Finding> {
    case.comparisons
        .iter()
        .filter(|comparison| !is_explained(&comparison.id, findings))
        .filter_map(|comparison| of_comparison(case, comparison))
        .collect()
}

fn of_comparison(case: &Case<'_>, comparison: &Comparison) -> Option<Finding> {
    let target = comparison.target?;
    let now = comparison.now?.point;
    let by_base = match target.verdict {
        BudgetVerdict::Missed => "",
        BudgetVerdict::MissedByBaseToo => ", as it is in base",
        BudgetVerdict::Met | BudgetVerdict::Undecided | BudgetVerdict::NotMeasured => return None,
    };
    let metric = comparison.id.metric;
    let (value, limit) = (quantity(metric, now), quantity(metric, target.limit));
    Some(Finding {
        rule: "target.missed".to_owned(),
        location: location(case, &comparison.id.subject),
        issue: format!(
            "{} of `{}` is {value}; its target is {limit}{by_base}",
            metric.label(),
            comparison.id.subject.name()
        ),
        impact: format!(
            "{} away from the target",
            quantity(metric, (now - target.limit).abs())
        ),
        priority: priority(target, metric.better(), now),
        confidence: Confidence::Proved,
        evidence: Vec::new(),
        recommendation: None,
        explains: vec![comparison.id.clone()],
    })
}

fn priority(target: Target, better: Better, now: f64) -> Priority {
    let gap = match better {
        Better::Lower => now / target.limit,
        Better::Higher => target.limit / now,
    };
    if target.verdict == BudgetVerdict::MissedByBaseToo {
        Priority::Medium
    } else if gap >= CRITICAL_FROM {
        Priority::Critical
    } else {
        Priority::High
    }
}

fn location(case: &Case<'_>, subject: &Subject) -> Location {
    match subject {
        Subject::Bundle { frontend }
        | Subject::Asset { frontend, .. }
        | Subject::Entry { frontend, .. } => Location::Frontend {
            frontend: frontend.clone(),
        },
        Subject::Service { service } => Location::Service {
            service: service.clone(),
            route: None,
        },
        Subject::Endpoint { endpoint } => case.head.evidence.routes.get(endpoint).map_or_else(
            || Location::Service {
                service: endpoint.clone(),
                route: None,
            },
            place::of_route,
        ),
    }
}
