//! `code.changed`: what got slower or larger in a service without a cause found elsewhere, and
//! the lines of that service this change touched.
//!
//! Needs: the diff. Silent: where another finding explains the metric, and where the change does
//! not touch the service. The numbers are measured; the place is concluded from the diff, and the
//! report says so.

use super::{Case, is_explained, place};
use crate::model::evidence::{ChangedLines, Place};
use crate::model::{
    Comparison, Confidence, Finding, Location, Metric, MetricId, Priority, Subject, Weight,
};

/// Changed places listed.
const LISTED: usize = 6;
/// Files that are no code of the service.
const NO_CODE: [&str; 6] = [".md", ".lock", ".txt", "package-lock.json", ".yaml", ".yml"];

/// Finds the changed lines behind unexplained regressions, one finding for each service.
pub(super) fn rule(case: &Case<'_>, findings: &[Finding]) -> Vec<Finding> {
    let mut services: Vec<&str> = case
        .head
        .evidence
        .routes
        .values()
        .map(|route| route.service.as_str())
        .collect();
    services.sort_unstable();
    services.dedup();
    services
        .into_iter()
        .filter_map(|service| of_service(case, service, findings))
        .collect()
}

fn of_service(case: &Case<'_>, service: &str, findings: &[Finding]) -> Option<Finding> {
    let worse: Vec<&Comparison> = case
        .comparisons
        .iter()
        .filter(|comparison| belongs(case, comparison, service))
        .filter(|comparison| case.has_regressed(&comparison.id))
        .filter(|comparison| !is_explained(&comparison.id, findings))
        .collect();
    let first = worse.first()?;
    let directory = directory_of(case, service)?;
    let changes: Vec<&ChangedLines> = place::changes_below(case, directory)
        .into_iter()
        .filter(|change| !NO_CODE.iter().any(|end| change.file.ends_with(end)))
        .collect();
    let largest = changes.iter().max_by_key(|change| lines_of(change))?;
    let place = Place {
        file: largest.file.clone(),
        line: largest.first.max(1),
    };
    let subjects = names(&worse);
    let what = worse
        .iter()
        .map(|comparison| comparison.id.metric.label())
        .fold(Vec::new(), |mut labels: Vec<&str>, label| {
            if !labels.contains(&label) {
                labels.push(label);
            }
            labels
        })
        .join(", ");
    Some(Finding {
        rule: "code.changed".to_owned(),
        location: Location::Source {
            place,
            changed: true,
        },
        issue: format!(
            "{subjects} got worse ({what}), and no query, row or package found explains it; of service `{service}` this change touches these lines"
        ),
        impact: worse
            .iter()
            .take(3)
            .filter_map(|comparison| describe(comparison))
            .collect::<Vec<_>>()
            .join("; "),
        priority: if first.weight == Weight::Gates {
            Priority::High
        } else {
            Priority::Medium
        },
        confidence: Confidence::Inferred,
        evidence: changes
            .iter()
            .take(LISTED)
            .map(|change| range(change))
            .collect(),
        recommendation: None,
        explains: worse
            .iter()
            .map(|comparison| comparison.id.clone())
            .collect(),
    })
}

fn belongs(case: &Case<'_>, comparison: &Comparison, service: &str) -> bool {
    match &comparison.id.subject {
        Subject::Endpoint { endpoint } => case
            .head
            .evidence
            .routes
            .get(endpoint)
            .is_some_and(|route| route.service == service),
        Subject::Service { service: name } => name == service,
        Subject::Bundle { .. } | Subject::Asset { .. } | Subject::Entry { .. } => false,
    }
}

fn directory_of<'a>(case: &Case<'a>, service: &str) -> Option<&'a str> {
    let mut routes = case.head.evidence.routes.values();
    routes
        .find(|route| route.service == service)
        .map(|route| route.directory.as_str())
}

fn lines_of(change: &ChangedLines) -> u32 {
    (change.last + 1).saturating_sub(change.first)
}

fn range(change: &ChangedLines) -> String {
    if change.last > change.first {
        format!("{}:{}-{}", change.file, change.first, change.last)
    } else {
        format!("{}:{}", change.file, change.first.max(1))
    }
}

fn names(worse: &[&Comparison]) -> String {
    let mut names: Vec<String> = worse
        .iter()
        .map(|comparison| format!("`{}`", comparison.id.subject.name()))
        .collect();
    names.dedup();
    names.join(", ")
}

/// One metric in numbers, in its own unit.
pub(super) fn describe(comparison: &Comparison) -> Option<String> {
    let (before, now) = comparison.before.zip(comparison.now)?;
    let change = comparison.verdict.change()?.worse_by.point * 100.0;
    let MetricId { subject, metric } = &comparison.id;
    let value = |value: f64| quantity(*metric, value);
    Some(format!(
        "`{}` {} {} → {} ({change:+.0} %)",
        subject.name(),
        metric.label(),
        value(before.point),
        value(now.point)
    ))
}

/// A value with its unit, short.
pub(super) fn quantity(metric: Metric, value: f64) -> String {
    use crate::model::Unit;
    match metric.unit() {
        Unit::Bytes if value >= 1e6 => format!("{:.1} MB", value / 1e6),
        Unit::Bytes => format!("{:.1} KB", value / 1e3),
        Unit::Milliseconds => format!("{value:.1} ms"),
        Unit::PerMinute => format!("{value:.1}/min"),
        Unit::Share => format!("{:.1} %", value * 100.0),
        Unit::Count => format!("{value:.1}"),
    }
}
