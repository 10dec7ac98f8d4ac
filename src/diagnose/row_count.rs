//! `db.unbounded`: a query returns many more rows than it did in base.
//!
//! Needs: statement counts of both arms. Silent: without base, and unless the rows per request of
//! the endpoint are judged to be worse; and where more queries explain the rows.

use super::{Case, cost_of_reading, place};
use crate::model::evidence::{Route, Statement};
use crate::model::{
    Confidence, Expected, Finding, Metric, MetricId, Priority, Provenance, Recommendation, Risk,
};

/// Growth of the rows of one execution from which they, and not the number of executions, are
/// the cause.
const GROWTH_FROM: f64 = 1.5;

/// Finds endpoints that read more rows.
pub(super) fn rule(case: &Case<'_>) -> Vec<Finding> {
    case.endpoints(of_endpoint)
}

fn of_endpoint(case: &Case<'_>, endpoint: &str, route: &Route) -> Option<Finding> {
    let rows = MetricId::endpoint(endpoint, Metric::RowsPerRequest);
    if !case.has_regressed(&rows) {
        return None;
    }
    let before = case.base?.evidence.statements.get(endpoint)?;
    let now = case.head.evidence.statements.get(endpoint)?;
    let largest = now
        .iter()
        .max_by(|left, right| rows_of(left).total_cmp(&rows_of(right)))?;
    // The text may have changed with the limit: then base's largest on the same tables counts.
    let tables = place::tables_of(&largest.text);
    let earlier = before
        .iter()
        .filter(|statement| place::tables_of(&statement.text) == tables)
        .map(|statement| statement.rows_per_call)
        .fold(0.0, f64::max);
    if largest.rows_per_call < earlier * GROWTH_FROM {
        return None;
    }
    let comparison = case.comparison(&rows)?;
    let (then, today) = (comparison.before?.point, comparison.now?.point);
    let table = tables.first().map_or("a table", String::as_str);
    Some(Finding {
        rule: "db.unbounded".to_owned(),
        location: place::of_statement(case, route, &largest.text),
        issue: format!(
            "`{endpoint}` reads {today:.0} rows a request, where base read {then:.0}; one query on `{table}` returns {:.0} rows (base {earlier:.0})",
            largest.rows_per_call
        ),
        impact: format!(
            "{:.0} more rows a request to read, send and decode",
            today - then
        ),
        priority: Priority::High,
        confidence: Confidence::Proved,
        evidence: vec![format!(
            "{:.0} rows a call, {:.2} ms: {}",
            largest.rows_per_call, largest.mean_ms, largest.text
        )],
        recommendation: Some(Recommendation {
            change: format!("limit the query on `{table}` in the database, not afterwards in code"),
            expected: Expected {
                improvement: format!("{:.0} fewer rows a request", today - then),
                provenance: Provenance::Computed,
            },
            steps: vec![
                "give the query its limit back: Prisma `take: …`, SQL `LIMIT …`".to_owned(),
                "where all rows are needed for a total, ask for `count` instead".to_owned(),
            ],
            risk: Risk::Medium,
            quick_win: false,
        }),
        explains: cost_of_reading(endpoint, &[Metric::RowsPerRequest, Metric::QueryMean]),
    })
}

fn rows_of(statement: &Statement) -> f64 {
    statement.rows_per_call * statement.calls_per_request
}
