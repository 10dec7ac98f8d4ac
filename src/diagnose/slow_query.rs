//! `db.slow-query`: a statement takes longer than in base, or longer than its budget.
//!
//! Needs: statement times; the plan, where PostgreSQL gave one. Silent: where neither the latency
//! of the endpoint nor the pages its statements go through got worse, and no budget is missed; below a millisecond a request more than base;
//! and where the statement returns many more rows (`db.unbounded` says so then).

use std::collections::BTreeMap;

use super::{Case, place};
use crate::model::evidence::{ChangedLines, Place, Route, Statement, TableUse};
use crate::model::{
    Confidence, Expected, Finding, Location, Metric, MetricId, Priority, Provenance,
    Recommendation, Risk,
};

/// Growth from which a statement counts as slower: query means vary more than paired latencies.
const GROWTH_FROM: f64 = 1.25;
/// Milliseconds more from which it matters.
const EXTRA_FROM_MS: f64 = 1.0;
/// Pages more a call from which it matters.
const EXTRA_FROM_PAGES: f64 = 8.0;
/// Growth of the share of a table's scans that read it from end to end, from which it is said.
const WORSE_FROM: f64 = 0.01;
/// Rows may grow by this much before they are the better explanation.
const SAME_ROWS: f64 = 1.5;

/// Finds statements that became slow, and those that are too slow for their target.
pub(super) fn rule(case: &Case<'_>) -> Vec<Finding> {
    let mut found = case.endpoints(slower_than_base);
    found.extend(case.endpoints(over_budget));
    found
}

fn slower_than_base(case: &Case<'_>, endpoint: &str, route: &Route) -> Option<Finding> {
    let (statement, earlier) = slower(case, endpoint)?;
    Some(finding(case, endpoint, route, statement, Some(earlier)))
}

/// The statement that became slow, and what it was in base.
fn slower<'c>(case: &Case<'c>, endpoint: &str) -> Option<(&'c Statement, &'c Statement)> {
    let now = case.head.evidence.statements.get(endpoint)?;
    let before = case.base?.evidence.statements.get(endpoint)?;
    // Query times are not paired: they may explain a slow-down that was confirmed, not claim one.
    let is_confirmed = [
        Metric::LatencyP50,
        Metric::LatencyP95,
        Metric::PagesPerRequest,
    ]
    .map(|metric| MetricId::endpoint(endpoint, metric))
    .iter()
    .any(|id| case.has_regressed(id));
    now.iter().filter(|_| is_confirmed).find_map(|statement| {
        let mut earlier = before.iter();
        let earlier = earlier.find(|earlier| earlier.text == statement.text)?;
        is_slower(earlier, statement).then_some((statement, earlier))
    })
}

/// The statement that the missed target is about: the slowest, unless it is named already.
fn over_budget(case: &Case<'_>, endpoint: &str, route: &Route) -> Option<Finding> {
    let comparison = case.comparison(&MetricId::endpoint(endpoint, Metric::QueryMean))?;
    let is_missed = comparison.target?.verdict.is_missed();
    let now = case.head.evidence.statements.get(endpoint)?.iter();
    let slowest = now.max_by(|left, right| left.mean_ms.total_cmp(&right.mean_ms))?;
    let is_named = slower(case, endpoint).is_some_and(|(named, _)| named.text == slowest.text);
    (is_missed && !is_named).then(|| finding(case, endpoint, route, slowest, None))
}

fn is_slower(before: &Statement, now: &Statement) -> bool {
    let takes_longer = now.mean_ms >= before.mean_ms * GROWTH_FROM
        && (now.mean_ms - before.mean_ms) * now.calls_per_request >= EXTRA_FROM_MS;
    // Runs before format 5 have no pages.
    let reads_more = before.pages_per_call > 0.0
        && now.pages_per_call >= before.pages_per_call * GROWTH_FROM
        && now.pages_per_call - before.pages_per_call >= EXTRA_FROM_PAGES;
    (takes_longer || reads_more) && now.rows_per_call <= before.rows_per_call * SAME_ROWS + 1.0
}

fn finding(
    case: &Case<'_>,
    endpoint: &str,
    route: &Route,
    statement: &Statement,
    earlier: Option<&Statement>,
) -> Finding {
    let plan = case.head.evidence.plans.get(&statement.text);
    let scanned = plan.and_then(|plan| scanned_table(plan));
    let sorted = plan.is_some_and(|plan| plan.contains("Sort"));
    let before = earlier.map_or(0.0, |earlier| earlier.mean_ms);
    let saved = (statement.mean_ms - before) * statement.calls_per_request;
    let why = match (&scanned, sorted) {
        (Some(table), _) => format!(": no index serves it, `{table}` is read from end to end"),
        (None, true) => {
            ": its rows are sorted for each request instead of read in order".to_owned()
        }
        (None, false) => String::new(),
    };
    let compared = earlier.map_or(String::new(), |earlier| {
        format!(" (base {:.2} ms)", earlier.mean_ms)
    });
    let mut evidence = vec![statement.text.clone()];
    evidence.extend(earlier.filter(|one| one.pages_per_call > 0.0).map(|one| {
        format!(
            "{:.0} pages a call (base {:.0})",
            statement.pages_per_call, one.pages_per_call
        )
    }));
    let counted = scanned
        .as_deref()
        .and_then(|table| scans(case, route, table));
    let is_counted = counted.is_some();
    evidence.extend(counted);
    evidence.extend(plan.map(|plan| format!("plan: {}", plan.replace('\n', " ⏎ "))));
    Finding {
        rule: "db.slow-query".to_owned(),
        location: schema_change(case)
            .filter(|_| scanned.is_some() || sorted)
            .unwrap_or_else(|| place::of_statement(case, route, &statement.text)),
        issue: format!(
            "a query of `{endpoint}` takes {:.2} ms{compared}{why}",
            statement.mean_ms
        ),
        impact: format!("{saved:.1} ms more database time a request"),
        priority: Priority::High,
        // A plan is made without the values that the app asks with; what was counted is not.
        confidence: if scanned.is_some() && !is_counted {
            Confidence::Supported
        } else {
            Confidence::Proved
        },
        evidence,
        recommendation: recommendation(statement, scanned.as_deref(), sorted, earlier),
        explains: [
            Metric::PagesPerRequest,
            Metric::QueryMean,
            Metric::LatencyP50,
            Metric::LatencyP95,
            Metric::LatencyMean,
        ]
        .map(|metric| MetricId::endpoint(endpoint, metric))
        .to_vec(),
    }
}

/// How a table was read where that is worse than in base, as PostgreSQL counted it over all endpoints.
fn scans(case: &Case<'_>, route: &Route, table: &str) -> Option<String> {
    let of = |databases: &BTreeMap<String, BTreeMap<String, TableUse>>| {
        let mut tables = route.databases.iter().filter_map(|one| databases.get(one));
        tables.find_map(|tables| tables.get(table).cloned())
    };
    let now = of(&case.head.evidence.tables)?;
    let before = of(&case.base?.evidence.tables)?;
    let (share, earlier) = (whole(&now)?, whole(&before)?);
    if share < earlier + WORSE_FROM {
        return None;
    }
    let unused: Vec<String> = before
        .indexes
        .iter()
        .filter(|(index, scans)| {
            **scans > 0.0 && now.indexes.get(*index).is_none_or(|scans| *scans == 0.0)
        })
        .map(|(index, _)| {
            let what = match now.indexes.get(index) {
                Some(_) => "is not used any more",
                None => "is gone",
            };
            format!("; its index `{index}` {what}")
        })
        .collect();
    Some(format!(
        "counted over all endpoints: {:.0} % of the scans of `{table}` read it from end to end \
         (base {:.0} %){}",
        share * 100.0,
        earlier * 100.0,
        unused.concat()
    ))
}

/// The share of a table's scans that read it from end to end.
fn whole(table: &TableUse) -> Option<f64> {
    let all = table.from_end_to_end + table.by_index;
    (all > 0.0).then(|| table.from_end_to_end / all)
}

/// The table a plan reads from end to end.
fn scanned_table(plan: &str) -> Option<String> {
    let rest = plan.split("Seq Scan on ").nth(1)?;
    rest.split_whitespace().next().map(str::to_owned)
}

/// A line of the schema that this change touched: where an index may have gone.
fn schema_change(case: &Case<'_>) -> Option<Location> {
    let is_schema = |change: &&ChangedLines| {
        let file = change.file.to_ascii_lowercase();
        [".sql", ".prisma"].iter().any(|end| file.ends_with(end)) || file.contains("migration")
    };
    let change = case.head.evidence.changed.iter().find(is_schema)?;
    let place = Place {
        file: change.file.clone(),
        line: change.first.max(1),
    };
    Some(place::source(&place, true))
}

fn recommendation(
    statement: &Statement,
    scanned: Option<&str>,
    sorted: bool,
    earlier: Option<&Statement>,
) -> Option<Recommendation> {
    let columns = conditions(&statement.text);
    if (scanned.is_none() && !sorted) || columns.is_empty() {
        return None;
    }
    let tables = place::tables_of(&statement.text);
    let table = scanned.or(tables.first().map(String::as_str))?;
    let list = columns.join(", ");
    let (improvement, provenance) = match earlier {
        Some(earlier) => (
            format!(
                "back to {:.2} ms a query, as base measures with its index",
                earlier.mean_ms
            ),
            Provenance::Measured,
        ),
        None => (
            "most of the query's time: an index read instead of the whole table".to_owned(),
            Provenance::Estimated,
        ),
    };
    Some(Recommendation {
        change: format!("an index on `{table} ({list})`"),
        expected: Expected {
            improvement,
            provenance,
        },
        steps: vec![
            format!("`create index on {table} ({list});`, or `@@index([…])` in the Prisma model"),
            "in production: `create index concurrently`, so that writes go on".to_owned(),
        ],
        risk: Risk::Low,
        quick_win: true,
    })
}

/// The columns a statement compares and sorts by, in order, without qualifiers.
fn conditions(statement: &str) -> Vec<String> {
    let lower = statement.to_ascii_lowercase();
    let Some(start) = lower.find(" where ") else {
        return Vec::new();
    };
    let words: Vec<&str> = statement[start..].split_whitespace().collect();
    let mut columns: Vec<String> = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let next = words.get(index + 1).copied().unwrap_or_default();
        let before = index.checked_sub(1).and_then(|i| words.get(i)).copied();
        let compares = ["=", ">", ">=", "<", "<="].contains(&next);
        let sorts = before.is_some_and(|word| word.eq_ignore_ascii_case("by"));
        if compares || sorts {
            let name = word.rsplit('.').next().unwrap_or(word);
            let name = name.trim_matches(|c: char| !c.is_alphanumeric() && c != '_');
            let is_column = name.chars().next().is_some_and(char::is_alphabetic);
            if is_column && !columns.iter().any(|column| column == name) {
                columns.push(name.to_owned());
            }
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_columns_an_index_needs() {
        let statement = r#"SELECT "t"."id" FROM "images" AS "t" WHERE ("t"."status" = $1 AND "t"."cell_count" >= $2) ORDER BY "t"."cell_count" ASC LIMIT $3"#;
        assert_eq!(conditions(statement), ["status", "cell_count"]);
        assert!(conditions("SELECT 1").is_empty());
    }

    #[test]
    fn reads_the_scanned_table_from_a_plan() {
        let plan = "Limit\n  ->  Seq Scan on images t\n        Filter: (a = b)";
        assert_eq!(scanned_table(plan).as_deref(), Some("images"));
        assert_eq!(scanned_table("Index Scan using a on images"), None);
    }
}
