//! The database and code rules, on evidence small enough to read.

use std::collections::BTreeMap;

use super::bundles::fixtures::{change, place, regressed, run};
use super::*;
use crate::model::evidence::{BundleEvidence, CacheUse, CallSite, Statement, TableUse};
use crate::model::{
    BudgetVerdict, Confidence, Estimate, Inconclusive, Location, Metric, Provenance, Target,
};

const LIST: &str = r#"SELECT "id" FROM "public"."project" LIMIT $1"#;
const LATEST: &str = r#"SELECT "id" FROM "public"."image" WHERE "public"."image"."project_id" = $1 ORDER BY "public"."image"."taken_at" LIMIT $2"#;

fn statement(text: &str, calls: f64, rows: f64, mean_ms: f64) -> Statement {
    Statement {
        text: text.to_owned(),
        calls_per_request: calls,
        rows_per_call: rows,
        pages_per_call: 0.0,
        mean_ms,
    }
}

/// A run with one endpoint, `list`, of service `api` in `api/`.
fn arm(statements: Vec<Statement>) -> Run {
    let mut run = run(BundleEvidence::default());
    run.evidence.bundles.clear();
    run.evidence.statements = BTreeMap::from([("list".to_owned(), statements)]);
    let route = Route {
        service: "api".to_owned(),
        directory: "api".to_owned(),
        request: "GET /list".to_owned(),
        databases: vec!["db".to_owned()],
    };
    run.evidence.routes = BTreeMap::from([("list".to_owned(), route)]);
    run.evidence.call_sites = vec![
        site("api/src/a.js:5", "project"),
        site("api/src/a.js:9", "image"),
        site("api/src/b.js:7", "image"),
        site("jobs/src/c.js:1", "image"),
    ];
    run
}

fn site(at: &str, table: &str) -> CallSite {
    CallSite {
        place: place(at),
        tables: vec![table.to_owned()],
        text: String::new(),
    }
}

fn id(metric: Metric) -> MetricId {
    MetricId::endpoint("list", metric)
}

fn findings(base: Option<&Run>, head: &Run, comparisons: &[Comparison]) -> Vec<Finding> {
    diagnose(&Case {
        head,
        base,
        comparisons,
    })
}

#[test]
fn a_loop_of_queries_is_named_with_its_changed_line() {
    let base = arm(vec![statement(LIST, 1.0, 20.0, 0.1)]);
    let mut head = arm(vec![
        statement(LATEST, 20.0, 1.0, 0.2),
        statement(LIST, 1.0, 20.0, 0.1),
    ]);
    change(&mut head, "api/src/b.js", 7);
    let comparisons = [
        regressed(id(Metric::QueriesPerRequest), 1.0, 21.0),
        regressed(id(Metric::LatencyP50), 2.0, 8.0),
        regressed(MetricId::service("db", Metric::Memory), 40e6, 60e6),
    ];
    let found = findings(Some(&base), &head, &comparisons);
    assert_eq!(
        found.len(),
        1,
        "latency and memory have the same cause: {found:#?}"
    );
    assert_eq!(found[0].rule, "db.n-plus-one");
    assert_eq!(found[0].location.to_string(), "api/src/b.js:7");
    assert!(found[0].issue.contains("1 queries a request became 21"));
    assert!(found[0].impact.contains("4.0 ms"), "{}", found[0].impact);
    assert!(found[0].evidence[0].contains(LATEST));
    let advice = found[0].recommendation.as_ref().unwrap();
    assert!(advice.change.contains("`image`"), "{}", advice.change);
    assert_eq!(advice.expected.provenance, Provenance::Measured);
    assert_eq!(
        advice.expected.improvement,
        "20 fewer queries a request: base, without them, answers in 2.0 ms instead of 8.0 ms"
    );
}

#[test]
fn two_call_sites_and_no_change_leave_the_route() {
    let base = arm(vec![]);
    let head = arm(vec![statement(LATEST, 20.0, 1.0, 0.2)]);
    let comparisons = [regressed(id(Metric::QueriesPerRequest), 0.0, 20.0)];
    let found = findings(Some(&base), &head, &comparisons);
    assert_eq!(found[0].location.to_string(), "api: GET /list");
}

#[test]
fn the_same_counts_are_no_finding() {
    let base = arm(vec![statement(LATEST, 20.0, 1.0, 0.2)]);
    let head = arm(vec![statement(LATEST, 20.0, 1.0, 0.2)]);
    assert!(findings(Some(&base), &head, &[]).is_empty());
}

#[test]
fn a_few_more_queries_are_not_called_a_loop() {
    let base = arm(vec![statement(LIST, 1.0, 20.0, 0.1)]);
    let head = arm(vec![
        statement(LIST, 1.0, 20.0, 0.1),
        statement(LATEST, 2.0, 1.0, 0.2),
    ]);
    let comparisons = [regressed(id(Metric::QueriesPerRequest), 1.0, 3.0)];
    let found = findings(Some(&base), &head, &comparisons);
    assert_eq!(found[0].rule, "db.more-queries");
}

#[test]
fn a_lost_limit_is_unbounded() {
    let base = arm(vec![statement(LIST, 1.0, 20.0, 0.1)]);
    let without_limit = LIST.replace(" LIMIT $1", "");
    let head = arm(vec![statement(&without_limit, 1.0, 4000.0, 9.0)]);
    let comparisons = [
        regressed(id(Metric::RowsPerRequest), 20.0, 4000.0),
        regressed(id(Metric::LatencyP50), 2.0, 20.0),
    ];
    let found = findings(Some(&base), &head, &comparisons);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].rule, "db.unbounded");
    assert_eq!(found[0].location.to_string(), "api/src/a.js:5");
}

#[test]
fn a_query_without_index_points_to_the_changed_schema() {
    let base = arm(vec![statement(LATEST, 1.0, 1.0, 0.1)]);
    let mut head = arm(vec![statement(LATEST, 1.0, 1.0, 6.0)]);
    let plan = "Limit\n  ->  Sort\n        ->  Seq Scan on image";
    head.evidence
        .plans
        .insert(LATEST.to_owned(), plan.to_owned());
    change(&mut head, "db/schema.sql", 31);
    let comparisons = [regressed(id(Metric::LatencyP50), 2.0, 8.0)];
    let found = findings(Some(&base), &head, &comparisons);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].rule, "db.slow-query");
    assert_eq!(found[0].location.to_string(), "db/schema.sql:31");
    assert_eq!(found[0].confidence, Confidence::Supported);
    let advice = found[0].recommendation.as_ref().unwrap();
    assert!(
        advice.change.contains("`image (project_id, taken_at)`"),
        "{}",
        advice.change
    );
    assert_eq!(advice.expected.provenance, Provenance::Measured);
    assert!(advice.quick_win);
}

#[test]
fn a_query_that_slows_nothing_down_is_no_finding() {
    let comparisons = [regressed(id(Metric::LatencyP50), 2.0, 8.0)];
    let base = arm(vec![statement(LATEST, 1.0, 1.0, 0.1)]);
    let little = arm(vec![statement(LATEST, 1.0, 1.0, 0.9)]);
    assert!(findings(Some(&base), &little, &comparisons).is_empty());
    // A cache's rare miss, slow by chance: it costs nothing a request.
    let rare = arm(vec![statement(LATEST, 0.001, 1.0, 9.0)]);
    assert!(findings(Some(&base), &rare, &comparisons).is_empty());
    let unconfirmed = arm(vec![statement(LATEST, 1.0, 1.0, 9.0)]);
    assert!(findings(Some(&base), &unconfirmed, &[]).is_empty());
    assert_eq!(findings(Some(&base), &unconfirmed, &comparisons).len(), 1);
}

#[test]
fn an_unexplained_slow_down_points_to_the_change_and_admits_doubt() {
    let base = arm(vec![]);
    let mut head = arm(vec![]);
    change(&mut head, "api/src/scoring.js", 12);
    change(&mut head, "api/README.md", 1);
    change(&mut head, "frontend/src/a.ts", 3);
    let comparisons = [regressed(id(Metric::CpuPerRequest), 3.0, 9.0)];
    let found = findings(Some(&base), &head, &comparisons);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].rule, "code.changed");
    assert_eq!(found[0].location.to_string(), "api/src/scoring.js:12");
    assert_eq!(found[0].confidence, Confidence::Inferred);
    assert_eq!(found[0].evidence, ["api/src/scoring.js:12"]);
    assert!(found[0].recommendation.is_none(), "nothing generic");
}

#[test]
fn a_change_elsewhere_is_not_blamed() {
    let base = arm(vec![]);
    let mut head = arm(vec![]);
    change(&mut head, "frontend/src/a.ts", 3);
    let comparisons = [regressed(id(Metric::CpuPerRequest), 3.0, 9.0)];
    assert!(findings(Some(&base), &head, &comparisons).is_empty());
}

#[test]
fn a_missed_target_names_the_service_and_recommends_nothing() {
    let head = arm(vec![]);
    let mut comparison = regressed(MetricId::service("api", Metric::PeakMemory), 1.0, 900e6);
    comparison.verdict = Verdict::Inconclusive(Inconclusive::NewMetric);
    comparison.target = Some(Target {
        limit: 512e6,
        verdict: BudgetVerdict::Missed,
    });
    comparison.now = Some(Estimate::exact(900e6));
    let found = findings(None, &head, &[comparison]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].rule, "target.missed");
    assert!(matches!(&found[0].location, Location::Service { service, .. } if service == "api"));
    assert!(found[0].recommendation.is_none());
}

#[test]
fn more_columns_of_the_same_rows_are_over_fetched() {
    let base = arm(vec![statement(
        "SELECT id FROM project LIMIT $1",
        1.0,
        20.0,
        0.1,
    )]);
    let wide = "SELECT id, name, metadata FROM project LIMIT $1";
    let head = arm(vec![statement(wide, 1.0, 20.0, 0.2)]);
    let comparisons = [regressed(id(Metric::BytesReadPerRequest), 9e3, 80e3)];
    let found = findings(Some(&base), &head, &comparisons);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].rule, "db.over-fetch");
    assert_eq!(found[0].location.to_string(), "api/src/a.js:5");
    let comparisons = [
        regressed(id(Metric::BytesReadPerRequest), 9e3, 80e3),
        regressed(id(Metric::ResponseBytes), 9e3, 80e3),
    ];
    let found = findings(Some(&base), &head, &comparisons);
    assert!(found.iter().all(|one| one.rule != "db.over-fetch"));
}

#[test]
fn a_cache_that_no_longer_serves_points_to_the_changed_code() {
    let with = |hits_per_request, misses_per_request| {
        let mut run = arm(Vec::new());
        let cache = CacheUse {
            hits_per_request,
            misses_per_request,
            commands_per_request: 1.0,
            keys: 10.0 * misses_per_request,
            lasting_keys: 10.0 * misses_per_request,
            memory: 1e6 + 2.5e6 * misses_per_request,
        };
        run.evidence.caches.insert("list".to_owned(), cache);
        run
    };
    let (base, mut head) = (with(1.0, 0.0), with(0.0, 1.0));
    change(&mut head, "api/src/statistics.js", 11);
    let comparisons = [regressed(id(Metric::CacheMissesPerRequest), 0.0, 1.0)];
    let found = findings(Some(&base), &head, &comparisons);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].rule, "cache.misses");
    assert_eq!(found[0].location.to_string(), "api/src/statistics.js:11");
    assert!(
        found[0]
            .issue
            .contains("finds 0 % of what it asks the cache for, where base finds 100 %")
    );
    let keys = "10 keys in the cache afterwards (base 0), 10 of them without expiry; it has 3.5 MB \
                allocated (base 1.0)";
    assert!(
        found[0].evidence.iter().any(|line| line == keys),
        "{:?}",
        found[0].evidence
    );
}

#[test]
fn a_model_opened_for_each_request_is_named() {
    let (base, mut head) = (arm(Vec::new()), arm(Vec::new()));
    change(&mut head, "api/app.py", 54);
    let comparisons = [regressed(id(Metric::ModelLoadsPerRequest), 0.0, 1.0)];
    let found = findings(Some(&base), &head, &comparisons);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].rule, "ml.model-per-request");
    assert_eq!(found[0].location.to_string(), "api/app.py:54");
}

#[test]
fn a_model_run_for_each_item_is_named() {
    let (base, mut head) = (arm(Vec::new()), arm(Vec::new()));
    change(&mut head, "api/app.py", 54);
    let comparisons = [regressed(id(Metric::ModelRunsPerRequest), 1.0, 8.0)];
    let found = findings(Some(&base), &head, &comparisons);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].rule, "ml.model-runs");
    assert!(
        found[0]
            .issue
            .contains("8.0 times a request (base 1.0 times)"),
        "{}",
        found[0].issue
    );
    let recommendation = found[0].recommendation.as_ref().unwrap();
    assert_eq!(
        recommendation.expected.improvement,
        "7.0 fewer runs a request"
    );
}

#[test]
fn more_pages_for_the_same_rows_are_a_missing_index_without_a_clock() {
    let pages = |pages_per_call| {
        let statement = statement(LATEST, 1.0, 1.0, 0.1);
        arm(vec![Statement {
            pages_per_call,
            ..statement
        }])
    };
    let (base, mut head) = (pages(4.0), pages(4000.0));
    change(&mut head, "db/schema.sql", 31);
    let plan = "Limit\n  ->  Sort\n        ->  Seq Scan on image";
    head.evidence
        .plans
        .insert(LATEST.to_owned(), plan.to_owned());
    let comparisons = [regressed(id(Metric::PagesPerRequest), 4.0, 4000.0)];
    let found = findings(Some(&base), &head, &comparisons);
    assert_eq!(found[0].rule, "db.slow-query", "{found:#?}");
    assert_eq!(found[0].location.to_string(), "db/schema.sql:31");
    assert_eq!(found[0].confidence, Confidence::Supported);

    let mut base = base;
    let read = |from_end_to_end, by_index, indexes: &[(&str, f64)]| {
        let indexes = indexes
            .iter()
            .map(|(name, scans)| ((*name).to_owned(), *scans));
        let read = TableUse {
            from_end_to_end,
            by_index,
            indexes: indexes.collect(),
        };
        let tables = BTreeMap::from([("image".to_owned(), read)]);
        BTreeMap::from([("db".to_owned(), tables)])
    };
    let used = [("image_pkey", 50.0), ("image_project", 150.0)];
    base.evidence.tables = read(0.0, 200.0, &used);
    head.evidence.tables = read(150.0, 50.0, &used[..1]);
    let found = findings(Some(&base), &head, &comparisons);
    assert_eq!(found[0].confidence, Confidence::Proved);
    assert!(
        found[0].evidence.contains(
            &"counted over all endpoints: 75 % of the scans of `image` read it from end to end \
              (base 0 %); its index `image_project` is gone"
                .to_owned()
        ),
        "{:#?}",
        found[0].evidence
    );
}

#[test]
fn the_slowest_statement_is_named_where_the_target_of_queries_is_missed() {
    let slow = statement(LATEST, 1.0, 1.0, 400.0);
    let head = arm(vec![statement(LIST, 20.0, 1.0, 1.0), slow]);
    let mut comparison = regressed(id(Metric::QueryMean), 1.0, 400.0);
    comparison.verdict = Verdict::Inconclusive(Inconclusive::NewMetric);
    let target = |verdict| {
        Some(Target {
            limit: 50.0,
            verdict,
        })
    };
    comparison.target = target(BudgetVerdict::Missed);
    let found = findings(None, &head, std::slice::from_ref(&comparison));
    assert_eq!(found[0].rule, "db.slow-query", "{found:#?}");
    assert!(found[0].issue.contains("400.00 ms"), "{}", found[0].issue);
    assert_eq!(found[0].evidence[0], LATEST);

    comparison.target = target(BudgetVerdict::Met);
    assert!(findings(None, &head, &[comparison]).is_empty());
}

#[test]
fn a_statement_that_became_slow_hides_none_that_misses_its_target() {
    let base = arm(vec![
        statement(LIST, 1.0, 1.0, 1.0),
        statement(LATEST, 1.0, 1.0, 400.0),
    ]);
    let head = arm(vec![
        statement(LIST, 1.0, 1.0, 9.0),
        statement(LATEST, 1.0, 1.0, 400.0),
    ]);
    let mut comparison = regressed(id(Metric::QueryMean), 400.0, 400.0);
    comparison.verdict = Verdict::Inconclusive(Inconclusive::NewMetric);
    comparison.target = Some(Target {
        limit: 50.0,
        verdict: BudgetVerdict::MissedByBaseToo,
    });
    let comparisons = [regressed(id(Metric::LatencyP50), 2.0, 10.0), comparison];
    let found = findings(Some(&base), &head, &comparisons);
    let named: Vec<&str> = found.iter().map(|one| one.evidence[0].as_str()).collect();
    assert_eq!(named, [LIST, LATEST], "{found:#?}");
}
