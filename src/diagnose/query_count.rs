//! `db.n-plus-one` and `db.more-queries`: one request runs more statements than it did in base.
//!
//! Needs: statement counts of both arms. Silent: without base, and unless the queries per request
//! of the endpoint are judged to be worse.

use std::fmt::Write;

use super::{Case, cost_of_reading, place};
use crate::model::evidence::{Route, Statement};
use crate::model::{
    Confidence, Expected, Finding, Metric, MetricId, Priority, Provenance, Recommendation, Risk,
};

/// Runs of one statement in one request from which it is a loop: below it, two or three look-ups
/// of the same kind are ordinary code.
const LOOP_FROM: f64 = 5.0;
/// Statements quoted.
const QUOTED: usize = 3;

/// A statement that runs more often than in base.
struct More<'a> {
    statement: &'a Statement,
    before: f64,
}

impl More<'_> {
    fn extra(&self) -> f64 {
        self.statement.calls_per_request - self.before
    }

    /// Database time it adds to a request, in milliseconds.
    fn cost(&self) -> f64 {
        self.extra() * self.statement.mean_ms
    }
}

/// Finds endpoints that ask the database more often.
pub(super) fn rule(case: &Case<'_>) -> Vec<Finding> {
    case.endpoints(of_endpoint)
}

fn of_endpoint(case: &Case<'_>, endpoint: &str, route: &Route) -> Option<Finding> {
    let queries = MetricId::endpoint(endpoint, Metric::QueriesPerRequest);
    if !case.has_regressed(&queries) {
        return None;
    }
    let base = case.base?;
    let before = base.evidence.statements.get(endpoint);
    let now = case.head.evidence.statements.get(endpoint)?;
    let mut more = more_often(now, before.map_or(&[], Vec::as_slice));
    more.sort_by(|left, right| right.extra().total_cmp(&left.extra()));
    let worst = more.first()?;
    let comparison = case.comparison(&queries)?;
    let (then, today) = (comparison.before?.point, comparison.now?.point);
    let is_loop = worst.statement.calls_per_request >= LOOP_FROM;
    let cost: f64 = more.iter().map(More::cost).sum();
    let rule = if is_loop {
        "db.n-plus-one"
    } else {
        "db.more-queries"
    };
    let issue = if is_loop {
        format!(
            "`{endpoint}` runs one statement {:.0} times for each request, where base ran it {:.0} times (N+1): {then:.0} queries a request became {today:.0}",
            worst.statement.calls_per_request, worst.before
        )
    } else {
        format!(
            "`{endpoint}` asks the database {today:.1} times a request, where base asked {then:.1} times"
        )
    };
    Some(Finding {
        rule: rule.to_owned(),
        location: place::of_statement(case, route, &worst.statement.text),
        issue,
        impact: impact(case, endpoint, cost, today - then),
        priority: Priority::High,
        confidence: Confidence::Proved,
        evidence: more.iter().take(QUOTED).map(quote).collect(),
        recommendation: Some(recommendation(
            is_loop,
            &more,
            expected(case, endpoint, today - then, cost),
        )),
        explains: explained(endpoint, route),
    })
}

fn more_often<'a>(now: &'a [Statement], before: &[Statement]) -> Vec<More<'a>> {
    now.iter()
        .map(|statement| More {
            statement,
            before: before
                .iter()
                .find(|earlier| earlier.text == statement.text)
                .map_or(0.0, |earlier| earlier.calls_per_request),
        })
        .filter(|more| more.extra() >= 0.5)
        .collect()
}

fn quote(more: &More<'_>) -> String {
    format!(
        "{:.1} × a request (base {:.1}), {:.2} ms each: {}",
        more.statement.calls_per_request, more.before, more.statement.mean_ms, more.statement.text
    )
}

/// What it costs: the queries, the time in the database, and what that did to the latency.
fn impact(case: &Case<'_>, endpoint: &str, cost: f64, extra: f64) -> String {
    let mut text = format!("{extra:.0} more queries a request, {cost:.1} ms of it in the database");
    let latency = case.comparison(&MetricId::endpoint(endpoint, Metric::LatencyP50));
    if let Some((before, now)) = latency.and_then(|latency| latency.before.zip(latency.now))
        && now.point > before.point
    {
        let _infallible = write!(text, "; p50 {:.1} → {:.1} ms", before.point, now.point);
    }
    text
}

/// What it brings to ask as often as base does: base was measured in this very run.
fn expected(case: &Case<'_>, endpoint: &str, extra: f64, cost: f64) -> Expected {
    let latency = MetricId::endpoint(endpoint, Metric::LatencyP50);
    let levels = case
        .comparison(&latency)
        .filter(|_| case.has_regressed(&latency))
        .and_then(|latency| latency.before.zip(latency.now));
    match levels {
        Some((before, now)) => Expected {
            improvement: format!(
                "{extra:.0} fewer queries a request: base, without them, answers in {:.1} ms instead of {:.1} ms",
                before.point, now.point
            ),
            provenance: Provenance::Measured,
        },
        None => Expected {
            improvement: format!(
                "{extra:.0} fewer queries and {cost:.1} ms less database time a request"
            ),
            provenance: Provenance::Computed,
        },
    }
}

fn recommendation(is_loop: bool, more: &[More<'_>], expected: Expected) -> Recommendation {
    let names: Vec<String> = more
        .iter()
        .take(QUOTED)
        .flat_map(|more| place::tables_of(&more.statement.text))
        .collect();
    let table = names.first().map_or("that table", String::as_str);
    let (change, steps, risk) = if is_loop {
        (
            format!(
                "read the rows of `{table}` for all items in one query instead of one query each"
            ),
            vec![
                "collect the ids of the page first".to_owned(),
                format!(
                    "ask once: Prisma `include`/`select` on the list query, or `where: {{ … : {{ in: ids }} }}` on `{table}`"
                ),
                "put the rows together by id in memory".to_owned(),
            ],
            Risk::Medium,
        )
    } else {
        (
            format!("bring back what kept `{table}` from being asked on each request"),
            vec![
                "if a cache was in front: check that its key is the same for the same request, and that it is written".to_owned(),
                "otherwise ask for everything in the query that was there before".to_owned(),
            ],
            Risk::Medium,
        )
    };
    Recommendation {
        change,
        expected,
        steps,
        risk,
        quick_win: false,
    }
}

/// What more queries explain: the counts, what waiting and talking cost, and the memory of the
/// connections the database holds for them.
fn explained(endpoint: &str, route: &Route) -> Vec<MetricId> {
    let memory = route
        .databases
        .iter()
        .map(|database| MetricId::service(database, Metric::Memory));
    let of_endpoint = cost_of_reading(
        endpoint,
        &[Metric::QueriesPerRequest, Metric::RowsPerRequest],
    );
    of_endpoint.into_iter().chain(memory).collect()
}
