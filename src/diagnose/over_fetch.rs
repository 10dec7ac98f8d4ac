//! `db.over-fetch`: a query reads more of the same rows than it did in base.
//!
//! Needs: statement counts of both arms. Silent: without base; unless the pages or the bytes read per
//! request are judged to be worse; where rows, queries or the response grew as well; and unless a
//! query on the same tables became another one that returns as many rows.

use super::{Case, cost_of_reading, place};
use crate::model::evidence::{Route, Statement};
use crate::model::{
    Confidence, Expected, Finding, Metric, MetricId, Priority, Provenance, Recommendation, Risk,
};

/// Growth of rows that is none.
const SAME_ROWS: f64 = 1.1;

/// Finds endpoints that read more of each row.
pub(super) fn rule(case: &Case<'_>) -> Vec<Finding> {
    case.endpoints(of_endpoint)
}

fn of_endpoint(case: &Case<'_>, endpoint: &str, route: &Route) -> Option<Finding> {
    let id = |metric| MetricId::endpoint(endpoint, metric);
    let read = [Metric::BytesReadPerRequest, Metric::PagesPerRequest].map(id);
    let grown: Vec<&MetricId> = read.iter().filter(|id| case.has_regressed(id)).collect();
    let others = [
        Metric::RowsPerRequest,
        Metric::QueriesPerRequest,
        Metric::ResponseBytes,
    ];
    if grown.is_empty()
        || others
            .into_iter()
            .any(|metric| case.has_regressed(&id(metric)))
    {
        return None;
    }
    let before = case.base?.evidence.statements.get(endpoint)?;
    let now = case.head.evidence.statements.get(endpoint)?;
    let (statement, earlier) = now.iter().find_map(|statement| {
        let earlier = of_the_same_rows(statement, before, now)?;
        Some((statement, earlier))
    })?;
    let tables = place::tables_of(&statement.text);
    let table = tables.first().map_or("a table", String::as_str);
    let impact: Vec<String> = grown
        .into_iter()
        .filter_map(|id| super::changed_code::describe(case.comparison(id)?))
        .collect();
    Some(Finding {
        rule: "db.over-fetch".to_owned(),
        location: place::of_statement(case, route, &statement.text),
        issue: format!(
            "`{endpoint}` reads more of each row of `{table}` than base, and sends no more"
        ),
        impact: impact.join("; "),
        priority: Priority::High,
        confidence: Confidence::Supported,
        evidence: vec![
            format!(
                "{:.0} rows a call: {}",
                statement.rows_per_call, statement.text
            ),
            format!(
                "base: {:.0} rows a call: {}",
                earlier.rows_per_call, earlier.text
            ),
        ],
        recommendation: Some(Recommendation {
            change: format!("select only the columns of `{table}` that are used"),
            expected: Expected {
                improvement: "back to what base reads, as measured".to_owned(),
                provenance: Provenance::Measured,
            },
            steps: vec!["name the columns: Prisma `select: { … }`, SQL `select a, b`".to_owned()],
            risk: Risk::Low,
            quick_win: true,
        }),
        explains: cost_of_reading(endpoint, &[Metric::QueryMean]),
    })
}

/// The statement of base that this new one stands for: gone from head, on the same tables, with as
/// many rows, and shorter, for it named fewer columns.
fn of_the_same_rows<'a>(
    statement: &Statement,
    before: &'a [Statement],
    now: &[Statement],
) -> Option<&'a Statement> {
    let has = |all: &[Statement], text: &str| all.iter().any(|one| one.text == text);
    if has(before, &statement.text) {
        return None;
    }
    let tables = place::tables_of(&statement.text);
    before.iter().find(|earlier| {
        !has(now, &earlier.text)
            && place::tables_of(&earlier.text) == tables
            && statement.rows_per_call <= earlier.rows_per_call * SAME_ROWS
            && statement.text.len() > earlier.text.len()
    })
}
