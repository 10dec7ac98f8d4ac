//! Why: one file per rule.
//!
//! A rule reads the evidence and makes a claim somebody can check, with a place. Must not change
//! the outcome, and says nothing where the evidence says nothing.

mod budget;
mod bundles;
mod cache_misses;
mod changed_code;
mod common_js;
mod deferrable;
mod different_answers;
mod duplicate_package;
mod eager_route;
mod model_loads;
mod model_runs;
mod new_dependency;
mod over_fetch;
mod place;
mod query_count;
mod rate_not_kept;
mod row_count;
mod slow_query;
#[cfg(test)]
mod tests;
mod whole_import;

use crate::model::evidence::Route;
use crate::model::{Comparison, Finding, Metric, MetricId, Run, Verdict};

/// What a rule may look at.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The head arm.
    pub head: &'a Run,
    /// The base arm, where there is one.
    pub base: Option<&'a Run>,
    /// The judged metrics.
    pub comparisons: &'a [Comparison],
}

/// A rule: evidence in, findings out. It never changes the outcome.
pub type Rule = fn(&Case<'_>) -> Vec<Finding>;

/// The rules that explain with a cause of their own.
const RULES: [Rule; 15] = [
    different_answers::rule,
    whole_import::rule,
    eager_route::rule,
    duplicate_package::rule,
    new_dependency::rule,
    common_js::rule,
    deferrable::rule,
    cache_misses::rule,
    model_loads::rule,
    model_runs::rule,
    query_count::rule,
    row_count::rule,
    over_fetch::rule,
    slow_query::rule,
    rate_not_kept::rule,
];

/// Rules for what is left: they see which metrics are explained already.
type LastRule = fn(&Case<'_>, &[Finding]) -> Vec<Finding>;

/// Weakest claim last.
const LAST_RULES: [LastRule; 2] = [changed_code::rule, budget::rule];

/// Every finding, most urgent first.
pub fn diagnose(case: &Case<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(case)).collect();
    for rule in LAST_RULES {
        let more = rule(case, &findings);
        findings.extend(more);
    }
    findings.sort_by(|left, right| {
        (left.priority, left.confidence).cmp(&(right.priority, right.confidence))
    });
    findings
}

impl Case<'_> {
    /// The judged metric, if there is one.
    fn comparison(&self, id: &MetricId) -> Option<&Comparison> {
        self.comparisons
            .iter()
            .find(|comparison| comparison.id == *id)
    }

    /// What a rule finds of each endpoint.
    fn endpoints(&self, rule: impl Fn(&Self, &str, &Route) -> Option<Finding>) -> Vec<Finding> {
        let routes = self.head.evidence.routes.iter();
        routes
            .filter_map(|(endpoint, route)| rule(self, endpoint, route))
            .collect()
    }

    /// What a count was in base, where it was measured there, and is now: where it got worse for sure
    /// or misses its target.
    fn too_many(&self, id: &MetricId) -> Option<(Option<f64>, f64)> {
        let comparison = self.comparison(id)?;
        let is_missed = (comparison.target).is_some_and(|target| target.verdict.is_missed());
        let before = comparison.before.map(|before| before.point);
        (self.has_regressed(id) || is_missed).then_some((before, comparison.now?.point))
    }

    /// Whether the metric got worse for sure.
    fn has_regressed(&self, id: &MetricId) -> bool {
        self.comparison(id)
            .is_some_and(|comparison| matches!(comparison.verdict, Verdict::Regressed(_)))
    }
}

/// What more to read from a database costs an endpoint, after the metrics that are the rule's own.
fn cost_of_reading(endpoint: &str, own: &[Metric]) -> Vec<MetricId> {
    let cost = [
        Metric::PagesPerRequest,
        Metric::BytesReadPerRequest,
        Metric::LatencyP50,
        Metric::LatencyP95,
        Metric::LatencyMean,
        Metric::CpuPerRequest,
    ];
    own.iter()
        .chain(&cost)
        .map(|metric| MetricId::endpoint(endpoint, *metric))
        .collect()
}

/// Whether a finding already explains the metric.
fn is_explained(id: &MetricId, findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.explains.contains(id))
}
