//! What `tollgate explain` prints for each kind of verdict: the numbers of the code that judges,
//! on a terminal of 80 columns.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its run fails")]

use std::collections::BTreeMap;

use tollgate::compare::{self, Policy};
use tollgate::gate;
use tollgate::model::{
    Baseline, Contention, Disturbance, Machine, Metric, MetricId, Reference, Revision, Run, Samples,
};
use tollgate::report::{self, Explanation};

fn p50() -> MetricId {
    MetricId::endpoint("list projects", Metric::LatencyP50)
}

fn run(label: &str, samples: &[(MetricId, &[f64])], fresh: &[(MetricId, &[f64])]) -> Run {
    let all = |list: &[(MetricId, &[f64])]| {
        let one = |(id, values): &(MetricId, &[f64])| {
            (id.clone(), Samples::new(values.to_vec()).unwrap())
        };
        list.iter().map(one).collect::<BTreeMap<_, _>>()
    };
    Run {
        revision: Revision {
            commit: "1a2b3c4d5e6f".to_owned(),
            tree: String::new(),
            label: label.to_owned(),
        },
        machine: Machine {
            cpu: "AMD EPYC 7763".to_owned(),
            cores: 4,
            memory: 16_766_000_000,
            kernel: "Linux 6.11".to_owned(),
            image: None,
        },
        measured_at: "2026-11-22T02:00:00Z".to_owned(),
        samples: all(samples),
        confirmation: all(fresh),
        control: BTreeMap::new(),
        contention: BTreeMap::new(),
        not_measured: BTreeMap::new(),
        not_offered: BTreeMap::new(),
        ended: None,
        ended_endpoints: [].into(),
        histograms: BTreeMap::new(),
        fresh_histograms: BTreeMap::new(),
        timings: BTreeMap::new(),
        open_loops: BTreeMap::new(),
        responses: BTreeMap::new(),
        evidence: tollgate::model::Evidence::default(),
    }
}

/// Values around `level` that differ by up to `spread` of it, the same for the same `seed`.
fn around(level: f64, spread: f64, count: usize, seed: u64) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(seed);
    let value = |_| level * (1.0 + spread * (random.f64() - 0.5));
    (0..count).map(value).collect()
}

fn policy() -> Policy {
    Policy {
        blocks: 8,
        fresh_blocks: 16,
        ..Policy::default()
    }
}

fn explained(id: &MetricId, head: &Run, reference: &Reference, policy: &Policy) -> String {
    let comparisons = compare::compare(head, reference, policy);
    let account = compare::account(id, head, reference, policy).unwrap();
    let judged = comparisons.iter().find(|one| one.id == *id).unwrap();
    assert_eq!(*judged, account.comparison, "the verdict of the report");
    let text = report::explain(&Explanation {
        head: &head.revision,
        against: "1a2b3c4d5e (main)",
        account: &account,
        measured: report::Measured { base: None, head },
        decision: &gate::decide(&comparisons, gate::Policy::default()),
        findings: &[],
    });
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "too wide: {line}");
        assert_eq!(line, line.trim_end());
    }
    text
}

#[test]
fn a_clear_regression() {
    let (base, head) = (around(10.0, 0.02, 8, 1), around(11.5, 0.02, 8, 2));
    let (fresh_base, fresh_head) = (around(10.0, 0.02, 16, 3), around(11.5, 0.02, 16, 4));
    let base = run("main", &[(p50(), &base)], &[(p50(), &fresh_base)]);
    let head = run("pull request", &[(p50(), &head)], &[(p50(), &fresh_head)]);

    let text = explained(&p50(), &head, &Reference::Paired(base), &policy());

    insta::assert_snapshot!(text, @"
    latency p50 of list projects  (endpoint/list projects/p50)
    median latency of good responses in milliseconds, per block; lower is better

    REGRESSED  +14.8 % (13.8 … 15.7)
    The gate fails because of it.
    1a2b3c4d5e (pull request) against 1a2b3c4d5e (main)

      base       10.03 ms (9.966 ms … 10.08 ms)
      head       11.52 ms (11.44 ms … 11.60 ms)
      tolerance  3.0 %, and 0.3 ms: a change must be beyond both

    block      base      head   change  −4.5 %   0                           +17.1 %
       1   10.03 ms  11.43 ms  +14.0 %     ┊     │     ┊                     ○
       2   10.01 ms  11.60 ms  +15.9 %     ┊     │     ┊                         ○
       3   9.948 ms  11.55 ms  +16.1 %     ┊     │     ┊                         ○
       4   10.06 ms  11.48 ms  +14.1 %     ┊     │     ┊                     ○
       5   9.902 ms  11.55 ms  +16.7 %     ┊     │     ┊                          ○
       6   10.06 ms  11.47 ms  +14.1 %     ┊     │     ┊                     ○
       7   10.05 ms  11.44 ms  +13.8 %     ┊     │     ┊                     ○
       8   10.07 ms  11.61 ms  +15.3 %     ┊     │     ┊                        ○
    first 8 blocks             +14.9 %     ┊     │     ┊                    ├──◇─┤
       1   10.02 ms  11.41 ms  +13.9 %     ┊     │     ┊                     ●
       2   9.963 ms  11.55 ms  +15.9 %     ┊     │     ┊                         ●
       3   9.979 ms  11.59 ms  +16.1 %     ┊     │     ┊                         ●
       4   10.09 ms  11.56 ms  +14.6 %     ┊     │     ┊                      ●
       5   10.03 ms  11.42 ms  +13.8 %     ┊     │     ┊                    ●
       6   10.07 ms  11.51 ms  +14.3 %     ┊     │     ┊                     ●
       7   10.09 ms  11.49 ms  +13.9 %     ┊     │     ┊                     ●
       8   9.955 ms  11.48 ms  +15.3 %     ┊     │     ┊                       ●
       9   9.988 ms  11.61 ms  +16.2 %     ┊     │     ┊                         ●
      10   9.902 ms  11.59 ms  +17.1 %     ┊     │     ┊                           ●
      11   9.962 ms  11.55 ms  +15.9 %     ┊     │     ┊                         ●
      12   10.04 ms  11.42 ms  +13.8 %     ┊     │     ┊                    ●
      13   9.983 ms  11.61 ms  +16.3 %     ┊     │     ┊                          ●
      14   10.01 ms  11.42 ms  +14.1 %     ┊     │     ┊                     ●
      15   10.04 ms  11.42 ms  +13.8 %     ┊     │     ┊                    ●
      16   10.06 ms  11.40 ms  +13.3 %     ┊     │     ┊                   ●
    16 fresh blocks            +14.8 %     ┊     │     ┊                     ├◆─┤
    all 24 blocks              +14.8 %     ┊     │     ┊                     ├─◆┤

    │ no change  ┊ ±3.0 %  ○ block  ● fresh block  ├─◆─┤ mean, 95 % interval
    Means and bounds are of the logarithms of head over base, shown as per cent.

    First stage: is it plainly unchanged? (8 of 8 blocks)
        trimmed mean +14.9 %    standard error 0.4 %, 5 degrees of freedom
        at most      +15.9 %    95 % bound; must be below the tolerance
        room         0.9 %      from mean to bound; must be within the tolerance
        difference   +1.495 ms  +1.402 ms … +1.589 ms
      → not settled: a change of 3.0 % is not ruled out; fresh blocks decide

    Second stage: is it plainly worse? (16 of 16 fresh blocks; only they may say so)
        trimmed mean +14.8 %    standard error 0.4 %, 9 degrees of freedom
        p            1.8e-11    chance of such a mean without any change, one-sided
        α            0.0080     0.0080 for the look at all, ÷ 1 open at its rank
                                Holm's procedure over 1 escalated metric
      ✓ no accident  p ≤ α
      ✓ fresh blocks +14.8 %    at least 3.0 %
      ✓ all blocks   +14.8 %    at least 3.0 %
      ✓ difference   +1.480 ms  more than 0.3 ms
      → regressed: all four hold

    With this spread a slow-down would have been caught from +3.7 % on.
    ");
}

#[test]
fn unchanged_after_the_early_look() {
    let (base, head) = (around(10.0, 0.006, 4, 1), around(10.02, 0.006, 4, 2));
    let base = run("main", &[(p50(), &base)], &[]);
    let head = run("pull request", &[(p50(), &head)], &[]);

    let text = explained(&p50(), &head, &Reference::Paired(base), &policy());

    insta::assert_snapshot!(text, @"
    latency p50 of list projects  (endpoint/list projects/p50)
    median latency of good responses in milliseconds, per block; lower is better

    UNCHANGED  +0.2 % (−0.3 … 0.7)
    The gate has nothing against it.
    1a2b3c4d5e (pull request) against 1a2b3c4d5e (main)

      base       10.00 ms (9.981 ms … 10.03 ms)
      head       10.02 ms (9.993 ms … 10.05 ms)
      tolerance  3.0 %, and 0.3 ms: a change must be beyond both

    block      base      head  change  −4.5 %                0                +4.5 %
       1   10.01 ms  10.00 ms  −0.1 %         ┊              ○              ┊
       2   10.00 ms  10.04 ms  +0.4 %         ┊              │ ○            ┊
       3   9.984 ms  10.03 ms  +0.5 %         ┊              │ ○            ┊
       4   10.02 ms  10.01 ms   0.0 %         ┊              ○              ┊
    first 4 blocks             +0.2 %         ┊             ├─◇─┤           ┊

    │ no change  ┊ ±3.0 %  ○ block  ├─◇─┤ mean, 95 % interval
    Means and bounds are of the logarithms of head over base, shown as per cent.

    First stage: is it plainly unchanged? (4 of 8 blocks)
        mean         +0.2 %     standard error 0.1 %, 3 degrees of freedom
        at most      +0.6 %     95 % bound; must be below the tolerance
        room         0.3 %      from mean to bound; must be within the tolerance
        difference   +0.0204 ms −0.0145 ms … +0.0553 ms
      → unchanged: a change of 3.0 % is ruled out

    With this spread a slow-down would have been caught from +3.1 % on.
    ");
}

#[test]
fn too_noisy_with_blocks_that_were_disturbed() {
    let (base, head) = (around(10.0, 0.3, 7, 1), around(10.6, 0.3, 7, 2));
    let (fresh_base, fresh_head) = (around(10.0, 0.3, 8, 3), around(10.6, 0.3, 8, 4));
    let base = run("main", &[(p50(), &base)], &[(p50(), &fresh_base)]);
    let mut head = run("pull request", &[(p50(), &head)], &[(p50(), &fresh_head)]);
    let block = |block: u32| Contention {
        generator_cpu: 0.1,
        by: Disturbance::OtherWork,
        late: 0.0,
        fresh: false,
        block,
        service_wait: if block == 3 || block == 5 {
            0.41
        } else {
            0.004
        },
        generator_wait: 0.002,
        steal: 0.0,
        foreign: if block == 5 { 0.3 } else { 0.0 },
        repeated: block == 3 || block == 5,
        disturbed: block == 5,
    };
    let contention = (1..=8).map(block).collect();
    head.contention = [("list projects".to_owned(), contention)].into();

    let text = explained(&p50(), &head, &Reference::Paired(base), &policy());

    insta::assert_snapshot!(text, @"
    latency p50 of list projects  (endpoint/list projects/p50)
    median latency of good responses in milliseconds, per block; lower is better

    INCONCLUSIVE  +1.6 % (−9.8 … 14.3)
      too noisy to gate: only a change of 26.9 % or more would have been seen; 625
      fresh blocks, longer ones or a quieter machine would help
    The gate warns about it.
    1a2b3c4d5e (pull request) against 1a2b3c4d5e (main)

      base       10.29 ms (9.179 ms … 11.40 ms)
      head       10.59 ms (9.506 ms … 11.68 ms)
      tolerance  3.0 %, and 0.3 ms: a change must be beyond both

    block      base      head   change  −16.3 %       0                      +32.9 %
       1   10.47 ms  9.654 ms   −7.8 %         ○    ┊ │  ┊
       2   10.10 ms  11.91 ms  +17.9 %              ┊ │  ┊            ○
       3*  9.219 ms  11.32 ms  +22.8 %              ┊ │  ┊                ○
       4   10.84 ms  10.27 ms   −5.2 %            ○ ┊ │  ┊
        5! does not count: the service waited 41.0 %, other work took 30.0 %
       6   8.529 ms  11.34 ms  +32.9 %              ┊ │  ┊                         ○
       7   10.84 ms  10.22 ms   −5.8 %           ○  ┊ │  ┊
       8   10.81 ms  9.824 ms   −9.1 %        ○     ┊ │  ┊
    first 7 blocks              +3.6 %  ├────────────────◇─────────────────────┤
       1   10.24 ms  9.402 ms   −8.2 %         ●    ┊ │  ┊
       2   9.451 ms  11.27 ms  +19.3 %              ┊ │  ┊             ●
       3   9.681 ms  11.81 ms  +22.0 %              ┊ │  ┊               ●
       4   11.42 ms  11.49 ms   +0.7 %              ┊ │● ┊
       5   10.52 ms  9.445 ms  −10.2 %       ●      ┊ │  ┊
       6   11.07 ms  10.71 ms   −3.3 %             ●┊ │  ┊
       7   11.35 ms  10.50 ms   −7.5 %          ●   ┊ │  ┊
       8   9.329 ms  10.30 ms  +10.4 %              ┊ │  ┊     ●
    8 fresh blocks              +1.4 %   ├─────────────◆─────────────────┤
    all 15 blocks               +1.6 %        ├─────────◆──────────┤

    │ no change  ┊ ±3.0 %  ○ block  ● fresh block  ├─◆─┤ mean, 95 % interval
    Means and bounds are of the logarithms of head over base, shown as per cent.
    * measured again: the machine was busy with other work
    ! the machine was busy with other work, also the second time

    First stage: is it plainly unchanged? (7 of 8 blocks)
        trimmed mean +3.6 %     standard error 7.7 %, 4 degrees of freedom
        at most      +22.0 %    95 % bound; must be below the tolerance
        room         17.8 %     from mean to bound; must be within the tolerance
        difference   +0.3791 ms −1.319 ms … +2.078 ms
      → not settled: the room for a change is more than 3.0 %; fresh blocks decide

    Second stage: is it plainly worse? (8 of 16 fresh blocks; only they may say so)
        trimmed mean +1.4 %     standard error 7.0 %, 5 degrees of freedom
        p            0.4240     chance of such a mean without any change, one-sided
        α            0.0020     0.0020 for the look at half, ÷ 1 open at its rank
                                Holm's procedure over 1 escalated metric
      ✗ no accident  p > α
      ✗ fresh blocks +1.4 %     at least 3.0 %
      ✗ all blocks   +1.6 %     at least 3.0 %
      ✗ difference   +0.1357 ms more than 0.3 ms
      → too noisy: not all four hold, and the room for a change in all blocks is
        10.0 %, more than 3.0 %

    What to do
      Use a quieter machine, longer blocks (`measure: { block: … }`) or more of them
      (`confirmation-blocks`), or give this kind of metric a wider tolerance:
      `gate: { tolerance: … }`.
    ");
}

#[test]
fn base_that_differs_from_itself() {
    let (base, head) = (around(10.0, 0.01, 8, 1), around(10.0, 0.01, 8, 2));
    let again = around(10.8, 0.01, 8, 3);
    let mut base = run("main", &[(p50(), &base)], &[]);
    base.control = [(p50(), Samples::new(again).unwrap())].into();
    let head = run("pull request", &[(p50(), &head)], &[]);

    let text = explained(&p50(), &head, &Reference::Paired(base), &policy());

    insta::assert_snapshot!(text, @"
    latency p50 of list projects  (endpoint/list projects/p50)
    median latency of good responses in milliseconds, per block; lower is better

    INCONCLUSIVE  0.0 % (−0.6 … 0.5)
      too noisy to gate: only a change of 8.3 % or more would have been seen;
      identical code differs as much here, so only a quieter machine would help
    The gate warns about it.
    1a2b3c4d5e (pull request) against 1a2b3c4d5e (main)

      base       10.01 ms (9.983 ms … 10.04 ms)
      head       10.01 ms (9.972 ms … 10.04 ms)
      tolerance  3.0 %, and 0.3 ms: a change must be beyond both

    block      base      head  change  −4.5 %         0                       +8.3 %
       1   10.02 ms  9.970 ms  −0.5 %       ┊        ○│          ┊
       2   10.00 ms  10.04 ms  +0.4 %       ┊         │ ○        ┊
       3   9.974 ms  10.02 ms  +0.5 %       ┊         │ ○        ┊
       4   10.03 ms  9.990 ms  −0.4 %       ┊        ○│          ┊
       5   9.951 ms  10.02 ms  +0.7 %       ┊         │  ○       ┊
       6   10.03 ms  9.988 ms  −0.4 %       ┊        ○│          ┊
       7   10.03 ms  9.976 ms  −0.5 %       ┊        ○│          ┊
       8   10.03 ms  10.05 ms  +0.1 %       ┊         │○         ┊
    first 8 blocks              0.0 %       ┊       ├─◇─┤        ┊
    base against itself        +8.1 %       ┊         │          ┊               ├◇┤

    │ no change  ┊ ±3.0 %  ○ block  ├─◇─┤ mean, 95 % interval
    Means and bounds are of the logarithms of head over base, shown as per cent.

    First stage: is it plainly unchanged? (8 of 8 blocks)
        trimmed mean 0.0 %      standard error 0.2 %, 5 degrees of freedom
        at most      +0.4 %     95 % bound; must be below the tolerance
        room         0.4 %      from mean to bound; must be within the tolerance
        difference   −0.0038 ms −0.0466 ms … +0.0390 ms
      → unchanged: a change of 3.0 % is ruled out

    Base against itself: what does identical code read like? (8 blocks)
        trimmed mean +8.1 %     standard error 0.1 %, 5 degrees of freedom
        up to        8.3 %      may well be read of identical code
      → that is more than 3.0 %, so the verdict does not stand

    What to do
      Use a quieter machine, or give this kind of metric a wider tolerance:
      `gate: { tolerance: … }`.
    ");
}

#[test]
fn an_exact_count_with_a_target() {
    let id = MetricId::endpoint("list projects", Metric::QueriesPerRequest);
    let base = run("main", &[(id.clone(), &[5.0; 8])], &[]);
    let head = run("pull request", &[(id.clone(), &[43.0; 8])], &[]);
    let policy = Policy {
        budgets: [(id.clone(), 10.0)].into(),
        ..policy()
    };

    let text = explained(&id, &head, &Reference::Paired(base), &policy);

    insta::assert_snapshot!(text, @"
    queries per request of list projects
    (endpoint/list projects/queries-per-request)
    SQL statements the database ran for each request; lower is better

    REGRESSED; TARGET MISSED  +760.0 %
    The gate fails because of it.
    1a2b3c4d5e (pull request) against 1a2b3c4d5e (main)

      base       5.0 queries
      head       43.0 queries
      tolerance  1.0 %, and 0.5 queries: a change must be beyond both

    Both are known exactly: has it changed?
      ✓ change       +760.0 %       beyond 1.0 %
      ✓ difference   +38.0 queries  beyond 0.5 queries
      → regressed: both hold

    Target: ≤ 10 queries
      head       43.0 queries, over by 33 (330 %)
      → missed: all of head's interval is outside
    ");
}

#[test]
fn a_metric_that_head_lacks() {
    let values = around(10.0, 0.02, 8, 1);
    let base = run("main", &[(p50(), &values)], &[]);
    let mut head = run("pull request", &[], &[]);
    let why = "every response was wrong: status 500".to_owned();
    head.not_measured = [(p50(), why)].into();

    let text = explained(&p50(), &head, &Reference::Paired(base), &policy());

    insta::assert_snapshot!(text, @"
    latency p50 of list projects  (endpoint/list projects/p50)
    median latency of good responses in milliseconds, per block; lower is better

    INCONCLUSIVE
      not measured: every response was wrong: status 500
    The gate blocks: what has no answer never passes.
    1a2b3c4d5e (pull request) against 1a2b3c4d5e (main)

      base       10.03 ms (9.966 ms … 10.08 ms)
      head       no number
      tolerance  3.0 %, and 0.3 ms: a change must be beyond both

    What to do
      Find out why there is no number: `.tollgate/logs` holds what the builds and
      services said. Then run `tollgate check` again.
    ");
}

#[test]
fn a_latency_against_stored_runs() {
    let series: Vec<Run> = (0..6)
        .map(|night| {
            let values = around(10.0, 0.02, 8, night);
            let mut run = run("main", &[(p50(), &values)], &[]);
            run.measured_at = format!("2026-11-{:02}T02:00:00Z", 20 - night);
            if night == 5 {
                run.machine.cpu = "Another CPU".to_owned();
            }
            run
        })
        .collect();
    let values = around(12.0, 0.02, 8, 9);
    let head = run("pull request", &[(p50(), &values)], &[]);
    let reference = Reference::Stored {
        baseline: Baseline {
            run: series[0].clone(),
            distance: 0,
        },
        series,
        why: "base could not be built".to_owned(),
    };

    let text = explained(&p50(), &head, &reference, &policy());

    insta::assert_snapshot!(text, @"
    latency p50 of list projects  (endpoint/list projects/p50)
    median latency of good responses in milliseconds, per block; lower is better

    WORSE, ONLY WARNS  +19.8 % (15.2 … 24.6)
    The gate warns about it.
    1a2b3c4d5e (pull request) against 1a2b3c4d5e (main)

      newest     9.957 ms (9.903 ms … 10.01 ms)
      head       11.99 ms (11.95 ms … 12.03 ms)
      tolerance  3.0 %, and 0.3 ms: a change must be beyond both

    Earlier runs of this class of machine (4 × AMD EPYC 7763, 16 GiB)
      2026-11-20 02:00  1a2b3c4d5e    9.961 ms  main
      2026-11-19 02:00  1a2b3c4d5e    10.04 ms  main
      2026-11-18 02:00  1a2b3c4d5e    10.01 ms  main
      2026-11-17 02:00  1a2b3c4d5e    10.03 ms  main
      2026-11-16 02:00  1a2b3c4d5e    10.00 ms  main
      1 run of other machines: not used

    What is usual: where one more run may be
        median       10.01 ms
        spread       0.5 %      of their logarithms, by the median deviation
        quantile     7.17       Student's t, 99.9 %, 4 degrees of freedom
        range        ±4.0 %     9.626 ms … 10.41 ms
      ✓ outside      11.99 ms   the median of head's blocks
      ✓ large                   at least 3.0 % and 0.3 ms from the median
      → worse than usual; on another day, so at most a warning
    ");
}

#[test]
fn without_any_base() {
    let values = around(12.0, 0.02, 8, 9);
    let head = run("pull request", &[(p50(), &values)], &[]);
    let why = "base could not be measured: the build ended with status 1".to_owned();
    let policy = Policy {
        budgets: [(p50(), 12.0)].into(),
        ..policy()
    };

    let text = explained(&p50(), &head, &Reference::Targets { why }, &policy);

    insta::assert_snapshot!(text, @"
    latency p50 of list projects  (endpoint/list projects/p50)
    median latency of good responses in milliseconds, per block; lower is better

    INCONCLUSIVE; TARGET UNDECIDED
      nothing to compare with: base could not be measured: the build ended with
      status 1
      the interval contains the target
    The gate warns about it.
    1a2b3c4d5e (pull request) against 1a2b3c4d5e (main)

      base       no number
      head       11.99 ms (11.95 ms … 12.03 ms)
      tolerance  3.0 %, and 0.3 ms: a change must be beyond both

    Target: ≤ 12 ms
      head       11.99 ms (11.95 ms … 12.03 ms), inside by 0.011 ms (0 %)
      → undecided: head's interval contains it

    What to do
      Make base measurable: its build and its start must succeed. Stored runs
      (`tollgate baseline refresh`) stand in for sizes and counts.
    ");
}

#[test]
fn one_wild_block_does_not_press_the_others_into_one_column() {
    let (base, mut head) = (around(10.0, 0.02, 8, 1), around(10.0, 0.02, 8, 2));
    head[3] = 90.0;
    let base = run("main", &[(p50(), &base)], &[]);
    let head = run("pull request", &[(p50(), &head)], &[]);

    let text = explained(&p50(), &head, &Reference::Paired(base), &policy());

    let lines: Vec<&str> = text.lines().collect();
    let wild = lines.iter().find(|line| line.contains("90.00 ms")).unwrap();
    assert!(wild.ends_with('▸'), "{text}");
    let columns: std::collections::BTreeSet<usize> = lines
        .iter()
        .filter_map(|line| line.chars().position(|sign| sign == '○'))
        .collect();
    assert!(columns.len() > 4, "{text}");
}
