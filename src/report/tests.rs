//! The report as its readers see it.

use std::collections::BTreeMap;

use super::*;
use crate::model::evidence::Place;
use crate::model::{
    BudgetVerdict, Change, Confidence, Estimate, Expected, Inconclusive, Location, Metric,
    MetricId, Outcome, PhaseKind, Priority, Provenance, Reason, Recommendation, Risk, Target,
    Tolerance, Verdict, Weight,
};

fn report(outcome: Outcome, comparisons: Vec<Comparison>) -> Report {
    Report {
        project: "spheroid".to_owned(),
        head: Revision {
            commit: "4f1c2aa0b7d94e1f".to_owned(),
            tree: "e3b0c442".to_owned(),
            label: "show the images of a project".to_owned(),
        },
        against: "main (merge base 1a2b3c4d5e)".to_owned(),
        machine: Machine {
            cpu: "AMD EPYC 7763 64-Core Processor".to_owned(),
            cores: 4,
            memory: 16_766_000_000,
            kernel: "Linux 6.11".to_owned(),
            image: Some("ubuntu24".to_owned()),
        },
        blocks: (8, 16),
        comparisons,
        findings: Vec::new(),
        decision: Decision {
            outcome,
            reasons: Vec::new(),
        },
        responses: BTreeMap::new(),
        phases: vec![
            phase(PhaseKind::CheckOut, 1.2),
            phase(PhaseKind::Install, 41.0),
            phase(PhaseKind::Build, 38.4),
            phase(PhaseKind::Weigh, 2.1),
            phase(PhaseKind::Start, 52.0),
            phase(PhaseKind::Measure, 192.0),
            phase(PhaseKind::Report, 0.1),
        ],
        skipped: Vec::new(),
    }
}

fn phase(kind: PhaseKind, seconds: f64) -> Phase {
    Phase { kind, seconds }
}

/// Worse by `point`, give or take `spread`.
fn by(point: f64, spread: f64) -> Change {
    Change {
        worse_by: Estimate {
            point,
            low: point - spread,
            high: point + spread,
        },
    }
}

fn comparison(id: MetricId, before: f64, now: f64, verdict: Verdict) -> Comparison {
    let noisy = id.metric.class() == crate::model::Class::Noisy;
    Comparison {
        before: Some(Estimate::exact(before)),
        now: Some(Estimate::exact(now)),
        verdict,
        tolerance: Some(Tolerance {
            relative: 0.03,
            floor: 0.3,
        }),
        target: None,
        weight: Weight::Gates,
        stored: None,
        detectable: noisy.then_some(0.021),
        id,
    }
}

fn unchanged(id: MetricId, value: f64) -> Comparison {
    let verdict = Verdict::Unchanged(by(0.002, 0.006));
    comparison(id, value, value * 1.002, verdict)
}

fn with_target(mut comparison: Comparison, limit: f64, verdict: BudgetVerdict) -> Comparison {
    comparison.target = Some(Target { limit, verdict });
    comparison
}

fn quiet_metrics() -> Vec<Comparison> {
    let mut all: Vec<Comparison> = ["health", "segment one image", "login"]
        .into_iter()
        .flat_map(|endpoint| {
            [
                unchanged(MetricId::endpoint(endpoint, Metric::LatencyP50), 4.1),
                unchanged(MetricId::endpoint(endpoint, Metric::CpuPerRequest), 1.9),
            ]
        })
        .collect();
    all.push(with_target(
        comparison(
            MetricId::bundle("web", Metric::InitialJs),
            88_012.0,
            88_012.0,
            Verdict::Unchanged(by(0.0, 0.0)),
        ),
        500_000.0,
        BudgetVerdict::Met,
    ));
    all.push(unchanged(
        MetricId::service("api", Metric::Memory),
        81_000_000.0,
    ));
    all
}

fn n_plus_one() -> Finding {
    Finding {
        rule: "db.n-plus-one".to_owned(),
        location: Location::Source {
            place: Place {
                file: "api/src/routes/projects.js".to_owned(),
                line: 41,
            },
            changed: true,
        },
        issue: "`SELECT … FROM \"Image\" WHERE \"projectId\" = $1` runs 20 times per request of `list projects`, once for each row of `Project`.".to_owned(),
        impact: "20 of 21 queries, 4.9 ms of 12.3 ms per request".to_owned(),
        priority: Priority::High,
        confidence: Confidence::Proved,
        evidence: vec![
            "SELECT \"id\", \"name\", \"url\" FROM \"Image\" WHERE \"projectId\" = $1  -- 20.0 per request, 0.24 ms each".to_owned(),
            "api/src/routes/projects.js:41  const images = await prisma.image.findMany({ where: { projectId: project.id } })".to_owned(),
        ],
        recommendation: Some(Recommendation {
            change: "Load the images together with the projects: `include: { images: true }`.".to_owned(),
            expected: Expected {
                improvement: "20 queries and about 4.9 ms fewer per request".to_owned(),
                provenance: Provenance::Computed,
            },
            steps: vec![
                "Add `include: { images: true }` to the `findMany` in line 36.".to_owned(),
                "Remove the query in the loop in line 41.".to_owned(),
                "Run `tollgate check` again: 2 queries per request are expected.".to_owned(),
            ],
            risk: Risk::Medium,
            quick_win: true,
        }),
        explains: vec![
            MetricId::endpoint("list projects", Metric::LatencyP50),
            MetricId::endpoint("list projects", Metric::QueriesPerRequest),
            MetricId::endpoint("list projects", Metric::CpuPerRequest),
        ],
    }
}

pub(super) fn regression() -> Report {
    let id = |metric| MetricId::endpoint("list projects", metric);
    let mut comparisons = quiet_metrics();
    comparisons.extend([
        comparison(
            id(Metric::LatencyP50),
            7.41,
            12.34,
            Verdict::Regressed(by(0.665, 0.012)),
        ),
        comparison(
            id(Metric::CpuPerRequest),
            2.91,
            4.11,
            Verdict::Regressed(by(0.412, 0.015)),
        ),
        with_target(
            comparison(
                id(Metric::QueriesPerRequest),
                1.0,
                21.0,
                Verdict::Regressed(by(20.0, 0.0)),
            ),
            5.0,
            BudgetVerdict::Missed,
        ),
        Comparison {
            tolerance: None,
            weight: Weight::Shown,
            stored: None,
            detectable: None,
            ..with_target(
                unchanged(id(Metric::LatencyMean), 12.9),
                200.0,
                BudgetVerdict::Met,
            )
        },
        Comparison {
            detectable: Some(0.081),
            ..comparison(
                id(Metric::LatencyP95),
                14.2,
                21.0,
                Verdict::Inconclusive(Inconclusive::TooNoisy {
                    change: by(0.48, 0.52),
                    detectable: 0.081,
                    blocks: Some(40),
                }),
            )
        },
        comparison(
            MetricId::bundle("web", Metric::Total),
            412_300.0,
            371_200.0,
            Verdict::Improved(by(-0.0997, 0.0)),
        ),
    ]);
    let mut report = report(Outcome::Fail, comparisons);
    report.findings = vec![n_plus_one()];
    report.decision.reasons = vec![Reason {
        id: Some(id(Metric::LatencyP50)),
        outcome: Outcome::Fail,
        because: "regressed".to_owned(),
    }];
    report
}

pub(super) fn all_unchanged() -> Report {
    Report {
        blocks: (8, 0),
        ..report(Outcome::Pass, quiet_metrics())
    }
}

fn pages(report: &Report) -> Pages {
    render(report).expect("the report renders")
}

#[test]
fn a_regression_with_its_cause() {
    insta::assert_snapshot!(pages(&regression()).comment, @r#"
    ## ❌ Tollgate: 3 regressions, 1 target missed: `list projects`

    **Next step:** at `api/src/routes/projects.js:41` (changed in this pull request): Load the images together with the projects: `include: { images: true }`.

    <sub>`4f1c2aa0b7` (show the images of a project) against main (merge base 1a2b3c4d5e) · AMD EPYC 7763 64-Core Processor, 4 cores, 17 GB, ubuntu24 · 8 blocks, 16 more to confirm</sub><br><sub>This run would have caught, on every endpoint and service: latency p50 +2.1 %, CPU per request +2.1 %, memory +2.1 %, but could not judge latency p95 of `list projects`.</sub>

    ### 📊 Current Metrics

    | Measurement | Current Value | Target Value | Gap | Base | Change | Verdict |
    |:--|--:|--:|:--|--:|--:|:--|
    | `list projects`<br>queries per request | 21.0 queries | ≤ 5 queries | over by 16 (320 %) | 1.0 queries | +2,000 % | 🔴 regressed<br>🎯 target missed |
    | `list projects`<br>latency p50 | 12.3 ms | — | — | 7.41 ms | +66.5 %<br><sub>65.3 … 67.7</sub> | 🔴 regressed |
    | `list projects`<br>CPU per request | 4.11 ms | — | — | 2.91 ms | +41.2 %<br><sub>39.7 … 42.7</sub> | 🔴 regressed |
    | `list projects`<br>latency p95 | 21.0 ms | — | — | 14.2 ms | +48.0 %<br><sub>−4.0 … 100.0</sub> | ❔ inconclusive<br><sub>too noisy to gate: only a change of 8.1 % or more would have been seen; 40 fresh blocks, longer ones or a quieter machine would help</sub> |
    | `web`<br>total (gzip) | 371.2 KB | — | — | 412.3 KB | −10.0 % | 🟢 improved |

    <details><summary>9 metrics without a change</summary>

    | Measurement | Current Value | Target Value | Gap | Base | Change | Verdict |
    |:--|--:|--:|:--|--:|--:|:--|
    | `web`<br>initial JS (gzip) | 88.0 KB | ≤ 500 KB | inside by 412 KB (82 %) | 88.0 KB | 0.0 % | ⚪ unchanged |
    | `health`<br>latency p50 | 4.11 ms | — | — | 4.10 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `health`<br>CPU per request | 1.90 ms | — | — | 1.90 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `list projects`<br>latency mean | 12.9 ms | ≤ 200 ms | inside by 187 ms (94 %) | 12.9 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ target met |
    | `login`<br>latency p50 | 4.11 ms | — | — | 4.10 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `login`<br>CPU per request | 1.90 ms | — | — | 1.90 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `segment one image`<br>latency p50 | 4.11 ms | — | — | 4.10 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `segment one image`<br>CPU per request | 1.90 ms | — | — | 1.90 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `api`<br>memory | 81.16 MB | — | — | 81.00 MB | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |

    </details>

    ### 🐌 Bottlenecks Identified

    | Location | Issue | Impact | Priority |
    |:--|:--|:--|:--|
    | `api/src/routes/projects.js:41`<br><sub>changed in this pull request</sub> | `SELECT … FROM "Image" WHERE "projectId" = $1` runs 20 times per request of `list projects`, once for each row of `Project`. | 20 of 21 queries, 4.9 ms of 12.3 ms per request | 🟠 High |

    <details><summary>Evidence</summary>

    `api/src/routes/projects.js:41` — `db.n-plus-one`, proved; explains `list projects` (latency p50, queries per request, CPU per request)

    ```text
    SELECT "id", "name", "url" FROM "Image" WHERE "projectId" = $1  -- 20.0 per request, 0.24 ms each
    api/src/routes/projects.js:41  const images = await prisma.image.findMany({ where: { projectId: project.id } })
    ```

    </details>

    ### ⚡ Optimization Recommendations

    **1.** `api/src/routes/projects.js:41`<br>**Change:** Load the images together with the projects: `include: { images: true }`.<br>**Expected Improvement:** 20 queries and about 4.9 ms fewer per request _(computed)_<br>**Implementation:**

    1. Add `include: { images: true }` to the `findMany` in line 36.
    2. Remove the query in the loop in line 41.
    3. Run `tollgate check` again: 2 queries per request are expected.

    **Risk Level:** Medium

    ### ✅ Quick Wins

    - `api/src/routes/projects.js:41`: Load the images together with the projects: `include: { images: true }` — 20 queries and about 4.9 ms fewer per request (computed)

    ---

    <sub>Change: head against base, below it the 95 % interval where it was timed. 1 KB is 1,000 bytes.</sub><br><sub>Time: 5 min 23 s (measure 3 min 12 s, start services 52 s, install 41 s, build 38 s) for the project itself; 3.4 s (weigh 2.1 s, check out 1.2 s, report 0.1 s) for the gate.</sub>
    "#);
}

#[test]
fn a_regression_on_a_terminal() {
    insta::assert_snapshot!(pages(&regression()).summary, @r#"
    FAIL  spheroid: 3 regressions, 1 target missed: list projects
    next step: at api/src/routes/projects.js:41 (changed in this pull request): Load the images together with the projects: `include: { images: true }`.
    4f1c2aa0b7 (show the images of a project) against main (merge base 1a2b3c4d5e) · AMD EPYC 7763 64-Core Processor, 4 cores, 17 GB, ubuntu24 · 8 blocks, 16 more to confirm
    This run would have caught, on every endpoint and service: latency p50 +2.1 %, CPU per request +2.1 %, memory +2.1 %, but could not judge latency p95 of list projects.

    measurement                                  now       target  gap                        base  change                  verdict
    list projects: queries per request  21.0 queries  ≤ 5 queries  over by 16 (320 %)  1.0 queries  +2,000 %                regressed; target missed
    list projects: latency p50               12.3 ms            —  —                       7.41 ms  +66.5 % (65.3 … 67.7)   regressed
    list projects: CPU per request           4.11 ms            —  —                       2.91 ms  +41.2 % (39.7 … 42.7)   regressed
    list projects: latency p95               21.0 ms            —  —                       14.2 ms  +48.0 % (−4.0 … 100.0)  inconclusive (too noisy to gate: only a change of 8.1 % or more would have been seen; 40 fresh blocks, longer ones or a quieter machine would help)
    web: total (gzip)                       371.2 KB            —  —                      412.3 KB  −10.0 %                 improved

    9 metrics without a change

    findings
      High      api/src/routes/projects.js:41  (changed here)
                `SELECT … FROM "Image" WHERE "projectId" = $1` runs 20 times per request of `list projects`, once for each row of `Project`.
                cost: 20 of 21 queries, 4.9 ms of 12.3 ms per request
                do: Load the images together with the projects: `include: { images: true }` — 20 queries and about 4.9 ms fewer per request (computed; risk medium)

    Time: 5 min 23 s (measure 3 min 12 s, start services 52 s, install 41 s, build 38 s) for the project itself; 3.4 s (weigh 2.1 s, check out 1.2 s, report 0.1 s) for the gate.
    "#);
}

#[test]
fn nothing_changed() {
    insta::assert_snapshot!(pages(&all_unchanged()).comment, @r#"
    ## ✅ Tollgate: no change beyond tolerance (3 endpoints, 1 service, 1 bundle, 8 metrics)

    **Next step:** nothing to do.

    <sub>`4f1c2aa0b7` (show the images of a project) against main (merge base 1a2b3c4d5e) · AMD EPYC 7763 64-Core Processor, 4 cores, 17 GB, ubuntu24 · 8 blocks</sub><br><sub>This run would have caught, on every endpoint and service: latency p50 +2.1 %, CPU per request +2.1 %, memory +2.1 %.</sub>

    ### 📊 Current Metrics

    Nothing changed beyond its tolerance, and no target is missed.

    <details><summary>8 metrics without a change</summary>

    | Measurement | Current Value | Target Value | Gap | Base | Change | Verdict |
    |:--|--:|--:|:--|--:|--:|:--|
    | `web`<br>initial JS (gzip) | 88.0 KB | ≤ 500 KB | inside by 412 KB (82 %) | 88.0 KB | 0.0 % | ⚪ unchanged |
    | `health`<br>latency p50 | 4.11 ms | — | — | 4.10 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `health`<br>CPU per request | 1.90 ms | — | — | 1.90 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `login`<br>latency p50 | 4.11 ms | — | — | 4.10 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `login`<br>CPU per request | 1.90 ms | — | — | 1.90 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `segment one image`<br>latency p50 | 4.11 ms | — | — | 4.10 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `segment one image`<br>CPU per request | 1.90 ms | — | — | 1.90 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `api`<br>memory | 81.16 MB | — | — | 81.00 MB | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |

    </details>

    ### 🐌 Bottlenecks Identified

    None: no gating metric regressed and no target is missed.

    ### ⚡ Optimization Recommendations

    None needed.

    ### ✅ Quick Wins

    None found.

    ---

    <sub>Change: head against base, below it the 95 % interval where it was timed. 1 KB is 1,000 bytes.</sub><br><sub>Time: 5 min 23 s (measure 3 min 12 s, start services 52 s, install 41 s, build 38 s) for the project itself; 3.4 s (weigh 2.1 s, check out 1.2 s, report 0.1 s) for the gate.</sub>
    "#);
}

#[test]
fn nothing_changed_on_a_terminal() {
    insta::assert_snapshot!(pages(&all_unchanged()).summary, @r#"
    PASS  spheroid: no change beyond tolerance (3 endpoints, 1 service, 1 bundle, 8 metrics)
    next step: nothing to do.
    4f1c2aa0b7 (show the images of a project) against main (merge base 1a2b3c4d5e) · AMD EPYC 7763 64-Core Processor, 4 cores, 17 GB, ubuntu24 · 8 blocks
    This run would have caught, on every endpoint and service: latency p50 +2.1 %, CPU per request +2.1 %, memory +2.1 %.

    8 metrics without a change

    Time: 5 min 23 s (measure 3 min 12 s, start services 52 s, install 41 s, build 38 s) for the project itself; 3.4 s (weigh 2.1 s, check out 1.2 s, report 0.1 s) for the gate.
    "#);
}

#[test]
fn a_regression_without_a_cause_says_so() {
    let mut report = regression();
    report.findings.clear();
    let comment = pages(&report).comment;
    for sentence in [
        "find out why queries per request of `list projects` went from 1.0 queries to 21.0 queries",
        "No cause found for `list projects` (queries per request, latency p50, CPU per request)",
        "None: the evidence does not say what to change.",
    ] {
        assert!(comment.contains(sentence), "{comment}");
    }
}

fn inconclusive() -> Report {
    let mut comparisons = quiet_metrics();
    comparisons.push(Comparison {
        now: None,
        ..comparison(
            MetricId::endpoint("list projects", Metric::LatencyP50),
            7.41,
            0.0,
            Verdict::Inconclusive(Inconclusive::NotMeasured {
                why: "`api` of head ended with status 1 in block 3".to_owned(),
            }),
        )
    });
    let mut report = report(Outcome::Inconclusive, comparisons);
    report.decision.reasons = vec![
        Reason {
            id: Some(MetricId::endpoint("list projects", Metric::LatencyP50)),
            outcome: Outcome::Inconclusive,
            because: "not measured: `api` of head ended with status 1 in block 3".to_owned(),
        },
        Reason {
            id: None,
            outcome: Outcome::Warn,
            because: "3 of 8 blocks were measured".to_owned(),
        },
    ];
    report
}

#[test]
fn no_answer() {
    insta::assert_snapshot!(pages(&inconclusive()).comment, @r#"
    ## ❔ Tollgate: inconclusive — 1 metric without an answer: `list projects`

    **Next step:** find out why there is no answer for latency p50 of `list projects` — not measured: `api` of head ended with status 1 in block 3.

    - 3 of 8 blocks were measured.

    <sub>`4f1c2aa0b7` (show the images of a project) against main (merge base 1a2b3c4d5e) · AMD EPYC 7763 64-Core Processor, 4 cores, 17 GB, ubuntu24 · 8 blocks, 16 more to confirm</sub><br><sub>This run would have caught, on every endpoint and service: latency p50 +2.1 %, CPU per request +2.1 %, memory +2.1 %, but could not judge latency p50 of `list projects`.</sub>

    ### 📊 Current Metrics

    | Measurement | Current Value | Target Value | Gap | Base | Change | Verdict |
    |:--|--:|--:|:--|--:|--:|:--|
    | `list projects`<br>latency p50 | — | — | — | 7.41 ms | — | ❔ inconclusive<br><sub>not measured: `api` of head ended with status 1 in block 3</sub> |

    <details><summary>8 metrics without a change</summary>

    | Measurement | Current Value | Target Value | Gap | Base | Change | Verdict |
    |:--|--:|--:|:--|--:|--:|:--|
    | `web`<br>initial JS (gzip) | 88.0 KB | ≤ 500 KB | inside by 412 KB (82 %) | 88.0 KB | 0.0 % | ⚪ unchanged |
    | `health`<br>latency p50 | 4.11 ms | — | — | 4.10 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `health`<br>CPU per request | 1.90 ms | — | — | 1.90 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `login`<br>latency p50 | 4.11 ms | — | — | 4.10 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `login`<br>CPU per request | 1.90 ms | — | — | 1.90 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `segment one image`<br>latency p50 | 4.11 ms | — | — | 4.10 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `segment one image`<br>CPU per request | 1.90 ms | — | — | 1.90 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `api`<br>memory | 81.16 MB | — | — | 81.00 MB | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |

    </details>

    ### 🐌 Bottlenecks Identified

    None found in what was measured.

    ### ⚡ Optimization Recommendations

    None needed.

    ### ✅ Quick Wins

    None found.

    ---

    <sub>Change: head against base, below it the 95 % interval where it was timed. 1 KB is 1,000 bytes.</sub><br><sub>Time: 5 min 23 s (measure 3 min 12 s, start services 52 s, install 41 s, build 38 s) for the project itself; 3.4 s (weigh 2.1 s, check out 1.2 s, report 0.1 s) for the gate.</sub>
    "#);
}

fn missed_before() -> Report {
    let mut comparisons = quiet_metrics();
    comparisons.push(Comparison {
        tolerance: None,
        weight: Weight::Shown,
        stored: None,
        detectable: None,
        ..with_target(
            unchanged(
                MetricId::endpoint("segment one image", Metric::LatencyMean),
                6_120.0,
            ),
            5_000.0,
            BudgetVerdict::MissedByBaseToo,
        )
    });
    report(Outcome::Warn, comparisons)
}

#[test]
fn a_target_that_base_misses_too() {
    insta::assert_snapshot!(pages(&missed_before()).comment, @r#"
    ## ⚠️ Tollgate: passed with a warning — 1 target missed by base too: `segment one image`

    **Next step:** nothing in this pull request: base misses the target too.

    <sub>`4f1c2aa0b7` (show the images of a project) against main (merge base 1a2b3c4d5e) · AMD EPYC 7763 64-Core Processor, 4 cores, 17 GB, ubuntu24 · 8 blocks, 16 more to confirm</sub><br><sub>This run would have caught, on every endpoint and service: latency p50 +2.1 %, CPU per request +2.1 %, memory +2.1 %.</sub>

    ### 📊 Current Metrics

    | Measurement | Current Value | Target Value | Gap | Base | Change | Verdict |
    |:--|--:|--:|:--|--:|--:|:--|
    | `segment one image`<br>latency mean | 6.13 s | ≤ 5 s | over by 1.13 s (23 %) | 6.12 s | +0.2 %<br><sub>−0.4 … 0.8</sub> | 🎯 target missed by base too |

    <details><summary>8 metrics without a change</summary>

    | Measurement | Current Value | Target Value | Gap | Base | Change | Verdict |
    |:--|--:|--:|:--|--:|--:|:--|
    | `web`<br>initial JS (gzip) | 88.0 KB | ≤ 500 KB | inside by 412 KB (82 %) | 88.0 KB | 0.0 % | ⚪ unchanged |
    | `health`<br>latency p50 | 4.11 ms | — | — | 4.10 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `health`<br>CPU per request | 1.90 ms | — | — | 1.90 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `login`<br>latency p50 | 4.11 ms | — | — | 4.10 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `login`<br>CPU per request | 1.90 ms | — | — | 1.90 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `segment one image`<br>latency p50 | 4.11 ms | — | — | 4.10 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `segment one image`<br>CPU per request | 1.90 ms | — | — | 1.90 ms | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |
    | `api`<br>memory | 81.16 MB | — | — | 81.00 MB | +0.2 %<br><sub>−0.4 … 0.8</sub> | ⚪ unchanged |

    </details>

    ### 🐌 Bottlenecks Identified


    No cause found for `segment one image` (latency mean): the evidence collected does not explain it.

    ### ⚡ Optimization Recommendations

    None needed.

    ### ✅ Quick Wins

    None found.

    ---

    <sub>Change: head against base, below it the 95 % interval where it was timed. 1 KB is 1,000 bytes.</sub><br><sub>Time: 5 min 23 s (measure 3 min 12 s, start services 52 s, install 41 s, build 38 s) for the project itself; 3.4 s (weigh 2.1 s, check out 1.2 s, report 0.1 s) for the gate.</sub>
    "#);
}

fn wrong_answers() -> Report {
    let id = MetricId::endpoint("list projects", Metric::ErrorRate);
    let verdict = Verdict::Regressed(Change {
        worse_by: Estimate::exact(f64::MAX),
    });
    let mut report = report(Outcome::Fail, vec![comparison(id, 0.0, 0.25, verdict)]);
    report.responses = BTreeMap::from([(
        "list projects".to_owned(),
        Responses {
            good: 300,
            wrong: BTreeMap::from([("status 500".to_owned(), 100)]),
            example: Some("`GET /api/projects?page=1` answered 500 instead of 200".to_owned()),
        },
    )]);
    report
}

#[test]
fn wrong_answers_come_first() {
    let comment = pages(&wrong_answers()).comment;
    let opening: Vec<&str> = comment.lines().take(3).collect();
    insta::assert_snapshot!(opening.join("\n"), @r#"
    ## ❌ Tollgate: 1 endpoint answers wrongly: `list projects`

    **Next step:** make `list projects` answer correctly; for example: `GET /api/projects?page=1` answered 500 instead of 200.
    "#);
    assert!(
        comment.contains("100 of 400 responses were wrong (status 500 × 100)."),
        "{comment}"
    );
}

fn empty() -> Report {
    let mut report = report(Outcome::Inconclusive, Vec::new());
    report.decision.reasons = vec![Reason {
        id: None,
        outcome: Outcome::Inconclusive,
        because: "no endpoint and no frontend was measured".to_owned(),
    }];
    report
}

#[test]
fn an_empty_run_is_never_green() {
    let comment = pages(&empty()).comment;
    let opening: Vec<&str> = comment.lines().take(3).collect();
    insta::assert_snapshot!(opening.join("\n"), @r#"
    ## ❔ Tollgate: inconclusive — no endpoint and no frontend was measured

    **Next step:** resolve what the first line says; no metric is to blame.
    "#);
}

/// Text that tries everything that acts in a GitHub comment.
const HOSTILE: &str = "x`|``<img src=//t.test>@team #123 GH-1 https://t.test www.t.test --> </details>\n# h\u{202e}\u{200b} [a](b) **b** \\| \u{1b}[31m";

fn hostile() -> Report {
    let id = MetricId::endpoint(HOSTILE, Metric::LatencyP50);
    let mut report = report(
        Outcome::Fail,
        vec![comparison(
            id.clone(),
            7.41,
            12.34,
            Verdict::Regressed(by(0.665, 0.012)),
        )],
    );
    HOSTILE.clone_into(&mut report.head.label);
    HOSTILE.clone_into(&mut report.against);
    report.skipped = vec![HOSTILE.to_owned()];
    let finding = n_plus_one();
    report.findings = vec![Finding {
        rule: HOSTILE.to_owned(),
        location: Location::Service {
            service: HOSTILE.to_owned(),
            route: Some(HOSTILE.to_owned()),
        },
        issue: HOSTILE.to_owned(),
        impact: HOSTILE.to_owned(),
        evidence: vec![HOSTILE.to_owned(), "```\n</details>".to_owned()],
        recommendation: Some(Recommendation {
            change: HOSTILE.to_owned(),
            expected: Expected {
                improvement: HOSTILE.to_owned(),
                provenance: Provenance::Estimated,
            },
            steps: vec![HOSTILE.to_owned()],
            risk: Risk::Low,
            quick_win: true,
        }),
        explains: vec![id],
        ..finding
    }];
    report.decision.reasons = vec![Reason {
        id: None,
        outcome: Outcome::Fail,
        because: HOSTILE.to_owned(),
    }];
    report
}

#[test]
fn names_cannot_act() {
    let pages = pages(&hostile());
    for page in [&pages.comment, &pages.summary] {
        assert!(!page.contains(['\u{202e}', '\u{200b}', '\u{1b}']), "{page}");
    }
    insta::assert_snapshot!(pages.comment, @r#"
    ## ❌ Tollgate: 1 regression: ```x`|``<img src=//t.test>@team #123 GH-1 https://t.test www.t.test --> </details> # h [a](b) **b** \| [31m```

    **Next step:** at ```x`|``<img src=//t.test>@team #123 GH-1 https://t.test www.t.test --> </details> # h [a](b) **b** \| [31m```: ```x`|``<img src=//t.test>@team #123 GH-1 https://t.test www.t.test --> </details> # h [a](b) **b** \| [31m```: x`|`&#96;&lt;img `src=//t.test>@team` `#123` `GH-1` `https://t.test` `www.t.test` --&gt; &lt;/details&gt; `#` h &#91;a&#93;(b) &#42;&#42;b&#42;&#42; &#92;&#124; &#91;31m.

    - x`|`&#96;&lt;img `src=//t.test>@team` `#123` `GH-1` `https://t.test` `www.t.test` --&gt; &lt;/details&gt; `#` h &#91;a&#93;(b) &#42;&#42;b&#42;&#42; &#92;&#124; &#91;31m.

    <sub>`4f1c2aa0b7` (x`|`&#96;&lt;img `src=//t.test>@team` `#123` `GH-1` `https://t.test` `www.t.test` --&gt; &lt;/details&gt; `#` h &#91;a&#93;(b) &#42;&#42;b&#42;&#42; &#92;&#124; &#91;31m) against x`|`&#96;&lt;img `src=//t.test>@team` `#123` `GH-1` `https://t.test` `www.t.test` --&gt; &lt;/details&gt; `#` h &#91;a&#93;(b) &#42;&#42;b&#42;&#42; &#92;&#124; &#91;31m · AMD EPYC 7763 64-Core Processor, 4 cores, 17 GB, ubuntu24 · 8 blocks, 16 more to confirm</sub>

    ### 📊 Current Metrics

    | Measurement | Current Value | Target Value | Gap | Base | Change | Verdict |
    |:--|--:|--:|:--|--:|--:|:--|
    | ```x`\|``<img src=//t.test>@team #123 GH-1 https://t.test www.t.test --> </details> # h [a](b) **b** \ \| [31m```<br>latency p50 | 12.3 ms | — | — | 7.41 ms | +66.5 %<br><sub>65.3 … 67.7</sub> | 🔴 regressed |

    ### 🐌 Bottlenecks Identified

    | Location | Issue | Impact | Priority |
    |:--|:--|:--|:--|
    | ```x`\|``<img src=//t.test>@team #123 GH-1 https://t.test www.t.test --> </details> # h [a](b) **b** \ \| [31m```: ```x`\|``<img src=//t.test>@team #123 GH-1 https://t.test www.t.test --> </details> # h [a](b) **b** \ \| [31m``` | x`\|`&#96;&lt;img `src=//t.test>@team` `#123` `GH-1` `https://t.test` `www.t.test` --&gt; &lt;/details&gt; `#` h &#91;a&#93;(b) &#42;&#42;b&#42;&#42; &#92;&#124; &#91;31m | x`\|`&#96;&lt;img `src=//t.test>@team` `#123` `GH-1` `https://t.test` `www.t.test` --&gt; &lt;/details&gt; `#` h &#91;a&#93;(b) &#42;&#42;b&#42;&#42; &#92;&#124; &#91;31m | 🟠 High |

    <details><summary>Evidence</summary>

    ```x`|``<img src=//t.test>@team #123 GH-1 https://t.test www.t.test --> </details> # h [a](b) **b** \| [31m```: ```x`|``<img src=//t.test>@team #123 GH-1 https://t.test www.t.test --> </details> # h [a](b) **b** \| [31m``` — ```x`|``<img src=//t.test>@team #123 GH-1 https://t.test www.t.test --> </details> # h [a](b) **b** \| [31m```, proved; explains ```x`|``<img src=//t.test>@team #123 GH-1 https://t.test www.t.test --> </details> # h [a](b) **b** \| [31m``` (latency p50)

    ````text
    x`|``<img src=//t.test>@team #123 GH-1 https://t.test www.t.test --> </details> # h [a](b) **b** \| [31m
    ``` </details>
    ````

    </details>

    ### ⚡ Optimization Recommendations

    **1.** ```x`|``<img src=//t.test>@team #123 GH-1 https://t.test www.t.test --> </details> # h [a](b) **b** \| [31m```: ```x`|``<img src=//t.test>@team #123 GH-1 https://t.test www.t.test --> </details> # h [a](b) **b** \| [31m```<br>**Change:** x`|`&#96;&lt;img `src=//t.test>@team` `#123` `GH-1` `https://t.test` `www.t.test` --&gt; &lt;/details&gt; `#` h &#91;a&#93;(b) &#42;&#42;b&#42;&#42; &#92;&#124; &#91;31m<br>**Expected Improvement:** x`|`&#96;&lt;img `src=//t.test>@team` `#123` `GH-1` `https://t.test` `www.t.test` --&gt; &lt;/details&gt; `#` h &#91;a&#93;(b) &#42;&#42;b&#42;&#42; &#92;&#124; &#91;31m _(estimated)_<br>**Implementation:**

    1. x`|`&#96;&lt;img `src=//t.test>@team` `#123` `GH-1` `https://t.test` `www.t.test` --&gt; &lt;/details&gt; `#` h &#91;a&#93;(b) &#42;&#42;b&#42;&#42; &#92;&#124; &#91;31m

    **Risk Level:** Low

    ### ✅ Quick Wins

    - ```x`|``<img src=//t.test>@team #123 GH-1 https://t.test www.t.test --> </details> # h [a](b) **b** \| [31m```: ```x`|``<img src=//t.test>@team #123 GH-1 https://t.test www.t.test --> </details> # h [a](b) **b** \| [31m```: x`|`&#96;&lt;img `src=//t.test>@team` `#123` `GH-1` `https://t.test` `www.t.test` --&gt; &lt;/details&gt; `#` h &#91;a&#93;(b) &#42;&#42;b&#42;&#42; &#92;&#124; &#91;31m — x`|`&#96;&lt;img `src=//t.test>@team` `#123` `GH-1` `https://t.test` `www.t.test` --&gt; &lt;/details&gt; `#` h &#91;a&#93;(b) &#42;&#42;b&#42;&#42; &#92;&#124; &#91;31m (estimated)

    ---

    <sub>Change: head against base, below it the 95 % interval where it was timed. 1 KB is 1,000 bytes.</sub><br><sub>Time: 5 min 23 s (measure 3 min 12 s, start services 52 s, install 41 s, build 38 s) for the project itself; 3.4 s (weigh 2.1 s, check out 1.2 s, report 0.1 s) for the gate.</sub><br><sub>Note: x`|`&#96;&lt;img `src=//t.test>@team` `#123` `GH-1` `https://t.test` `www.t.test` --&gt; &lt;/details&gt; `#` h &#91;a&#93;(b) &#42;&#42;b&#42;&#42; &#92;&#124; &#91;31m.</sub>
    "#);
}

#[test]
fn a_comment_never_exceeds_the_limit() {
    let mut report = regression();
    for number in 0..3_000 {
        let id = MetricId::endpoint(&format!("endpoint {number}"), Metric::LatencyP50);
        report.comparisons.push(unchanged(id, 4.1));
    }
    report.findings = (0..50)
        .map(|_| Finding {
            evidence: vec!["SELECT `漢字` ".repeat(1_000); 30],
            ..n_plus_one()
        })
        .collect();
    let comment = pages(&report).comment;
    assert!(comment.len() <= fit::COMMENT, "{}", comment.len());
    assert!(comment.contains("| `list projects`<br>latency\u{a0}p50 |"));
    assert!(comment.contains("3,009 unchanged rows"), "{comment}");
    assert!(
        comment.contains("left out; the full report is in the job summary and in report.json.")
    );
    assert_eq!(
        comment.matches("<details>").count(),
        comment.matches("</details>").count()
    );
}

#[test]
fn as_many_rows_as_fit_are_kept() {
    let mut report = all_unchanged();
    for number in 0..3_000 {
        let id = MetricId::endpoint(&format!("endpoint {number}"), Metric::LatencyP50);
        report.comparisons.push(unchanged(id, 4.1));
    }
    let comment = pages(&report).comment;
    assert!(comment.len() <= fit::COMMENT);
    assert!(comment.len() > fit::COMMENT - 500, "{}", comment.len());
    // The job summary holds them all.
    let full = pages(&report).full;
    assert!(full.len() > fit::COMMENT && full.len() <= fit::SUMMARY);
    assert!(!full.contains("left out"));
    assert!(full.contains("`endpoint 2999`"));
}

#[test]
fn a_comment_of_hostile_giants_still_fits() {
    let mut report = hostile();
    let giant = "@a|`*_".repeat(10_000);
    report.comparisons = (0..300)
        .map(|number| {
            let id = MetricId::endpoint(&format!("{number}{giant}"), Metric::LatencyP50);
            let why = giant.clone();
            comparison(
                id,
                1.0,
                2.0,
                Verdict::Inconclusive(Inconclusive::NotMeasured { why }),
            )
        })
        .collect();
    report.skipped = vec![giant.clone(); 100];
    report.against.clone_from(&giant);
    report.findings[0].issue.clone_from(&giant);
    report.decision.reasons = vec![
        Reason {
            id: None,
            outcome: Outcome::Fail,
            because: giant,
        };
        100
    ];
    let pages = pages(&report);
    assert!(
        pages.comment.len() <= fit::COMMENT,
        "{}",
        pages.comment.len()
    );
    assert!(pages.full.len() <= fit::SUMMARY, "{}", pages.full.len());
}

#[test]
fn every_section_is_there_in_every_case() {
    for report in [
        regression(),
        all_unchanged(),
        inconclusive(),
        missed_before(),
        wrong_answers(),
        hostile(),
        empty(),
    ] {
        let comment = pages(&report).comment;
        let headings: Vec<&str> = comment
            .lines()
            .filter(|line| line.starts_with("### "))
            .collect();
        assert_eq!(
            headings,
            [
                "### 📊 Current Metrics",
                "### 🐌 Bottlenecks Identified",
                "### ⚡ Optimization Recommendations",
                "### ✅ Quick Wins",
            ]
        );
    }
}

#[test]
fn the_json_holds_everything() {
    let json = pages(&regression()).json;
    let value: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(value["format"], 1);
    assert_eq!(value["decision"]["outcome"], "fail");
    assert_eq!(value["blocks"]["fresh"], 16);
    assert_eq!(value["comparisons"].as_array().map(Vec::len), Some(14));
    assert_eq!(value["findings"][0]["rule"], "db.n-plus-one");
    let keys: Vec<&str> = value
        .as_object()
        .into_iter()
        .flat_map(|object| object.keys().map(String::as_str))
        .collect();
    assert!(keys.iter().all(|key| !key.contains('_')), "{keys:?}");
}
