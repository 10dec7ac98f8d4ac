//! What holds for every run, however odd: of the judging as a whole, through the public functions.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its run fails")]

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use tollgate::compare::{self, Policy};
use tollgate::gate;
use tollgate::model::account::{Basis, SecondStage};
use tollgate::model::{
    Baseline, Comparison, Decision, Evidence, Inconclusive, Machine, Metric, MetricId, Outcome,
    Reference, Revision, Run, Samples, Verdict,
};
use tollgate::report::{self, Explanation, Report};

type Values = BTreeMap<MetricId, Vec<f64>>;

fn run(first: &Values, fresh: &Values) -> Run {
    let samples = |values: &Values| {
        let one = |(id, values): (&MetricId, &Vec<f64>)| {
            (id.clone(), Samples::new(values.clone()).unwrap())
        };
        values.iter().map(one).collect()
    };
    Run {
        revision: Revision {
            commit: "1a2b3c4d5e6f".to_owned(),
            tree: String::new(),
            label: "main".to_owned(),
        },
        machine: Machine {
            cpu: "CPU".to_owned(),
            cores: 2,
            memory: 1 << 34,
            kernel: "Linux".to_owned(),
            image: None,
        },
        measured_at: "2026-11-22T02:00:00Z".to_owned(),
        samples: samples(first),
        confirmation: samples(fresh),
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
        evidence: Evidence::default(),
    }
}

fn policy() -> Policy {
    Policy {
        blocks: 8,
        fresh_blocks: 16,
        ..Policy::default()
    }
}

fn p50(endpoint: &str) -> MetricId {
    MetricId::endpoint(endpoint, Metric::LatencyP50)
}

/// Two arms of several endpoints: the first and the fresh blocks of base, and of head.
struct Arms {
    base: [Values; 2],
    head: [Values; 2],
}

impl Arms {
    /// Endpoints of all kinds: as they were, slower, faster, calm and noisy.
    fn random(random: &mut Rng) -> Self {
        let mut arms = Self {
            base: Default::default(),
            head: Default::default(),
        };
        for endpoint in ["a", "b", "c", "d", "e"] {
            for metric in [Metric::LatencyP50, Metric::CpuPerRequest] {
                let id = MetricId::endpoint(endpoint, metric);
                let factor = [0.8, 1.0, 1.0, 1.02, 1.06, 1.3][random.usize(..6)];
                let spread = [0.002, 0.02, 0.1][random.usize(..3)];
                let level = 20.0 + 100.0 * random.f64();
                for (stage, count) in [8, 16].into_iter().enumerate() {
                    let mut block = |factor: f64| {
                        let value = |_| level * factor * (1.0 + spread * (random.f64() - 0.5));
                        (0..count).map(value).collect()
                    };
                    arms.base[stage].insert(id.clone(), block(1.0));
                    arms.head[stage].insert(id.clone(), block(factor));
                }
            }
        }
        arms
    }

    fn judged(&self) -> Vec<Comparison> {
        let base = run(&self.base[0], &self.base[1]);
        let head = run(&self.head[0], &self.head[1]);
        compare::compare(&head, &Reference::Paired(base), &policy())
    }

    /// Both arms of both stages.
    fn all(&mut self) -> impl Iterator<Item = &mut Values> {
        self.base.iter_mut().chain(&mut self.head)
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Regressed(_) => "regressed",
        Verdict::Improved(_) => "improved",
        Verdict::Unchanged(_) => "unchanged",
        Verdict::Inconclusive(_) => "inconclusive",
    }
}

fn words(comparisons: &[Comparison]) -> Vec<(&MetricId, &'static str)> {
    let word = |one: &'_ Comparison| word(&one.verdict);
    comparisons.iter().map(|one| (&one.id, word(one))).collect()
}

fn is_regressed(comparison: &Comparison) -> bool {
    matches!(comparison.verdict, Verdict::Regressed(_))
}

#[test]
fn the_unit_of_measurement_changes_nothing() {
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let mut arms = Arms::random(&mut Rng::with_seed(seed));
        let before = arms.judged();
        seen.extend(before.iter().map(|one| word(&one.verdict)));
        // A power of two, so that the numbers are the same to the last bit. Larger, so that no
        // floor is reached that was not reached before.
        for value in arms.all().flat_map(BTreeMap::values_mut).flatten() {
            *value *= 1024.0;
        }
        let after = arms.judged();
        for (one, scaled) in before.iter().zip(&after) {
            let (Some(change), Some(same)) = (one.verdict.change(), scaled.verdict.change()) else {
                assert_eq!(word(&one.verdict), word(&scaled.verdict), "seed {seed}");
                continue;
            };
            let apart = (change.worse_by.point - same.worse_by.point).abs();
            assert!(apart < 1e-9, "seed {seed}: {change:?} and {same:?}");
            assert_eq!(word(&one.verdict), word(&scaled.verdict), "seed {seed}");
        }
    }
    assert_eq!(seen.len(), 4, "every verdict occurs: {seen:?}");
}

#[test]
fn swapped_arms_give_the_opposite_change_and_never_blame_both() {
    for seed in 0..300 {
        let mut arms = Arms::random(&mut Rng::with_seed(seed));
        let forth = arms.judged();
        std::mem::swap(&mut arms.base, &mut arms.head);
        let back = arms.judged();
        for (forth, back) in forth.iter().zip(&back) {
            let context = format!("seed {seed}: {forth:?} and {back:?}");
            assert!(!(is_regressed(forth) && is_regressed(back)), "{context}");
            match (&forth.verdict, &back.verdict) {
                (Verdict::Regressed(change), other) => {
                    assert!(change.worse_by.point > 0.0, "{context}");
                    let opposite = other.change().map(|change| change.worse_by.point);
                    assert!(opposite.is_some_and(|by| by < 0.0), "{context}");
                }
                (Verdict::Improved(change), other) => {
                    assert!(change.worse_by.point < 0.0, "{context}");
                    let opposite = other.change().map(|change| change.worse_by.point);
                    assert!(opposite.is_some_and(|by| by > 0.0), "{context}");
                }
                (Verdict::Unchanged(_) | Verdict::Inconclusive(_), _) => {}
            }
        }
    }
}

#[test]
fn an_exact_metric_is_worse_one_way_and_better_the_other() {
    let id = MetricId::bundle("web", Metric::Total);
    let mut random = Rng::with_seed(5);
    for _ in 0..1_000 {
        let [one, two] = [(); 2].map(|()| {
            let value = (random.f64() * 400_000.0).round();
            run(&[(id.clone(), vec![value])].into(), &Values::new())
        });
        let judge = |base: &Run, head: &Run| {
            let reference = Reference::Paired(base.clone());
            compare::compare(head, &reference, &policy())
                .remove(0)
                .verdict
        };
        match (judge(&one, &two), judge(&two, &one)) {
            (Verdict::Regressed(_), other) => {
                assert!(!matches!(other, Verdict::Regressed(_)), "{other:?}");
            }
            (Verdict::Improved(_), other) => assert!(matches!(other, Verdict::Regressed(_))),
            (Verdict::Unchanged(_), other) => {
                assert!(!matches!(other, Verdict::Inconclusive(_)), "{other:?}");
            }
            (other @ Verdict::Inconclusive(_), _) => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_order_of_the_blocks_changes_nothing() {
    for seed in 0..200 {
        let mut random = Rng::with_seed(seed);
        let mut arms = Arms::random(&mut random);
        let before = arms.judged();
        // The same order in both arms: a block stays a pair.
        let orders = [8, 16].map(|count| {
            let mut order: Vec<usize> = (0..count).collect();
            random.shuffle(&mut order);
            order
        });
        for (stage, order) in orders.iter().enumerate() {
            for values in [&mut arms.base[stage], &mut arms.head[stage]] {
                for series in values.values_mut() {
                    *series = order.iter().map(|index| series[*index]).collect();
                }
            }
        }
        assert_eq!(words(&before), words(&arms.judged()), "seed {seed}");
    }
}

#[test]
fn noise_that_hits_both_arms_alike_never_makes_a_regression() {
    for seed in 0..300 {
        let mut random = Rng::with_seed(seed);
        let mut arms = Arms::random(&mut random);
        // Head is base, measured a second time.
        for stage in 0..2 {
            for (id, series) in &arms.base[stage] {
                let jitter = |value: &f64| value * (1.0 + 0.01 * (random.f64() - 0.5));
                let again = series.iter().map(jitter).collect();
                arms.head[stage].insert(id.clone(), again);
            }
        }
        let quiet = arms.judged();
        for stage in 0..2 {
            let ids: Vec<MetricId> = arms.base[stage].keys().cloned().collect();
            for id in ids {
                let count = arms.base[stage][&id].len();
                // Up to ten times as slow: another guest, a slower clock, a cold disk.
                let factors: Vec<f64> = (0..count).map(|_| 1.0 + 9.0 * random.f64()).collect();
                for values in [&mut arms.base[stage], &mut arms.head[stage]] {
                    let series = values.get_mut(&id).unwrap().iter_mut();
                    series
                        .zip(&factors)
                        .for_each(|(value, factor)| *value *= factor);
                }
            }
        }
        let noisy = arms.judged();
        for (quiet, noisy) in quiet.iter().zip(&noisy) {
            assert!(!is_regressed(quiet), "seed {seed}: {quiet:?}");
            assert!(!is_regressed(noisy), "seed {seed}: {noisy:?}");
        }
    }
}

#[test]
fn what_is_not_a_number_is_no_sample() {
    for (value, word) in [
        (f64::NAN, "NaN"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
    ] {
        let why = Samples::new(vec![1.0, 2.0, value]).unwrap_err();
        assert_eq!(why, format!("sample 2 is {word}, not a number"));
    }
    assert_eq!(Samples::new(Vec::new()).unwrap_err(), "no samples");
    for text in ["[]", "[null]", "[1e999]", "[\"1\"]"] {
        assert!(serde_json::from_str::<Samples>(text).is_err(), "{text}");
    }
}

/// Judges one metric with these first-stage blocks, and no fresh ones.
fn judged(base: &[f64], head: &[f64]) -> Verdict {
    let one = |values: &[f64]| {
        let values: Values = match values {
            [] => Values::new(),
            values => [(p50("a"), values.to_vec())].into(),
        };
        run(&values, &Values::new())
    };
    let expected = Policy {
        expected: vec![p50("a")],
        ..policy()
    };
    let (head, reference) = (one(head), Reference::Paired(one(base)));
    let comparisons = compare::compare(&head, &reference, &expected);
    assert_eq!(comparisons.len(), 1);
    comparisons[0].verdict.clone()
}

#[test]
fn odd_series_have_a_reason() {
    let reason = |base: &[f64], head: &[f64]| match judged(base, head) {
        Verdict::Inconclusive(why) => why.to_string(),
        verdict @ (Verdict::Regressed(_) | Verdict::Improved(_) | Verdict::Unchanged(_)) => {
            panic!("{verdict:?}")
        }
    };
    let (ten, eight) = ([10.0; 8], [10.0; 7]);
    insta::assert_snapshot!(
        [
            reason(&[10.0], &[10.0]),
            reason(&[10.0; 2], &[20.0; 2]),
            reason(&ten, &eight),
            reason(&eight, &ten),
            reason(&[0.0; 8], &ten),
            reason(&ten, &[0.0; 8]),
            reason(&[0.0; 8], &[0.0; 8]),
            reason(&ten, &[]),
            reason(&[], &ten),
            reason(&[], &[]),
        ]
        .join("\n"),
        @"
    1 of 3 blocks measured
    2 of 3 blocks measured
    not measured: base has 8 blocks and head 7
    not measured: base has 7 blocks and head 8
    not measured: block 1 has no value above zero in both arms
    not measured: block 1 has no value above zero in both arms
    not measured: block 1 has no value above zero in both arms
    not measured: base has it, head does not
    new: base does not have it
    not measured: the run has no number for it
    "
    );
    // Every block the same, in both arms: that is unchanged and no division by nothing.
    assert!(matches!(judged(&ten, &ten), Verdict::Unchanged(_)));
    // And plainly slower without fresh blocks is suspicion, not a verdict.
    let verdict = judged(&ten, &[20.0; 8]);
    assert!(matches!(
        verdict,
        Verdict::Inconclusive(Inconclusive::Undecided { .. })
    ));
}

#[test]
fn an_empty_run_is_never_a_pass() {
    let empty = run(&Values::new(), &Values::new());
    let why = "base could not be measured".to_owned();
    let references = [
        Reference::Paired(empty.clone()),
        Reference::Targets { why: why.clone() },
        Reference::Stored {
            baseline: Baseline {
                run: empty.clone(),
                distance: 0,
            },
            series: vec![empty.clone()],
            why,
        },
    ];
    for reference in references {
        let comparisons = compare::compare(&empty, &reference, &policy());
        let decision = gate::decide(&comparisons, gate::Policy::default());
        assert_eq!(decision.outcome, Outcome::Inconclusive);
        assert_eq!(decision.reasons[0].because, "nothing was measured");
    }
}

/// The metrics a random run has some of.
fn every_metric() -> Vec<MetricId> {
    let of_endpoint = |endpoint: &'static str| {
        let no = [
            Metric::InitialJs,
            Metric::InitialCss,
            Metric::Total,
            Metric::Size,
            Metric::Memory,
            Metric::PeakMemory,
            Metric::GpuMemory,
        ];
        let metrics = Metric::ALL.into_iter();
        metrics
            .filter(move |metric| !no.contains(metric))
            .map(move |metric| MetricId::endpoint(endpoint, metric))
    };
    let mut all: Vec<MetricId> = ["list", "list projects"]
        .into_iter()
        .flat_map(of_endpoint)
        .collect();
    all.extend([Metric::Memory, Metric::PeakMemory].map(|one| MetricId::service("api", one)));
    all.extend(
        [Metric::InitialJs, Metric::InitialCss, Metric::Total]
            .map(|metric| MetricId::bundle("web", metric)),
    );
    all.push(MetricId::asset("web", "assets/index.js"));
    all
}

/// A number that somebody may have measured, or that nobody can have.
fn odd_number(random: &mut Rng) -> f64 {
    match random.u8(..10) {
        0 => 0.0,
        1 => f64::MIN_POSITIVE * random.f64(),
        2 => f64::MAX * random.f64(),
        3 => 1e-12,
        4 => 1e12,
        5 => f64::from(random.u8(..4)),
        6 => f64::from(random.u16(..)),
        _ => 10.0 * (1.0 + 0.2 * random.f64()),
    }
}

fn odd_values(random: &mut Rng, ids: &[MetricId], usual: usize) -> Values {
    let mut values = Values::new();
    for id in ids {
        if random.u8(..10) < 6 {
            // Equal lengths often enough for both stages, and every other length.
            let count = if random.bool() {
                usual
            } else {
                random.usize(1..=20)
            };
            let constant = odd_number(random);
            let is_constant = random.bool();
            let value = |_| {
                if is_constant {
                    constant
                } else {
                    odd_number(random)
                }
            };
            values.insert(id.clone(), (0..count).map(value).collect());
        }
    }
    values
}

fn odd_run(random: &mut Rng, ids: &[MetricId]) -> Run {
    let mut odd = run(&odd_values(random, ids, 8), &odd_values(random, ids, 16));
    let again = run(&odd_values(random, ids, 8), &Values::new());
    odd.control = if random.bool() {
        again.samples
    } else {
        BTreeMap::new()
    };
    for id in ids {
        if random.u8(..10) == 0 {
            odd.not_measured.insert(id.clone(), "no reason".to_owned());
        }
        if random.u8(..10) == 0 {
            odd.not_offered.insert(id.clone(), "no reason".to_owned());
        }
    }
    if random.u8(..4) == 0 {
        odd.machine.cpu = "Another".to_owned();
    }
    odd
}

fn odd_reference(random: &mut Rng, ids: &[MetricId]) -> Reference {
    let why = "base could not be built".to_owned();
    match random.u8(..6) {
        0 => Reference::Targets { why },
        1 => {
            let count = random.usize(1..=8);
            let series: Vec<Run> = (0..count).map(|_| odd_run(random, ids)).collect();
            Reference::Stored {
                baseline: Baseline {
                    run: series[0].clone(),
                    distance: 0,
                },
                series,
                why,
            }
        }
        _ => Reference::Paired(odd_run(random, ids)),
    }
}

/// Gives head what base has, a little different: so that there is something to compare.
fn take_after(head: &mut Run, base: &Run, random: &mut Rng) {
    let factor = [0.7, 1.0, 1.01, 1.04, 1.5][random.usize(..5)];
    let mut like = |samples: &BTreeMap<MetricId, Samples>| {
        let mut all = BTreeMap::new();
        for (id, samples) in samples {
            let value = |value: &f64| value * factor * (1.0 + 0.02 * (random.f64() - 0.5));
            let values: Vec<f64> = samples.values().iter().map(value).collect();
            all.extend(
                Samples::new(values)
                    .ok()
                    .map(|samples| (id.clone(), samples)),
            );
        }
        all
    };
    head.samples = like(&base.samples);
    head.confirmation = like(&base.confirmation);
}

fn render(head: &Run, comparisons: &[Comparison], decision: &Decision) -> report::Pages {
    report::render(&Report {
        project: "odd".to_owned(),
        head: head.revision.clone(),
        against: "odd".to_owned(),
        machine: head.machine.clone(),
        blocks: (8, 16),
        comparisons: comparisons.to_vec(),
        findings: Vec::new(),
        decision: decision.clone(),
        responses: BTreeMap::new(),
        phases: Vec::new(),
        skipped: Vec::new(),
    })
    .unwrap()
}

#[test]
fn any_run_is_judged_decided_rendered_and_explained() {
    let ids = every_metric();
    let mut seen = BTreeSet::new();
    for seed in 0..6_000 {
        let mut random = Rng::with_seed(seed);
        let random = &mut random;
        let (mut head, reference) = (odd_run(random, &ids), odd_reference(random, &ids));
        if let (Reference::Paired(base), true) = (&reference, random.bool()) {
            take_after(&mut head, base, random);
        }
        let wanted: Vec<MetricId> = ids.iter().filter(|_| random.bool()).cloned().collect();
        let targets = ids.iter().filter(|_| random.u8(..5) == 0).cloned();
        let policy = Policy {
            expected: wanted.clone(),
            budgets: targets.map(|id| (id, 10.0)).collect(),
            ..policy()
        };

        let comparisons = compare::compare(&head, &reference, &policy);

        for comparison in &comparisons {
            let has_change = comparison.verdict.change().is_some();
            let has_reason = matches!(&comparison.verdict, Verdict::Inconclusive(_));
            assert!(has_change || has_reason, "seed {seed}: {comparison:?}");
            // What JSON has no word for would come back as something else.
            let text = serde_json::to_string(comparison).unwrap();
            let read: Comparison = serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("seed {seed}: {error}: {text}"));
            assert_eq!(read, *comparison, "seed {seed}");
        }
        let decision = gate::decide(&comparisons, gate::Policy::default());
        // Single files and what is only shown gate nothing, and are not asked for by any plan.
        let is_missing = |id: &&MetricId| {
            !head.samples.contains_key(*id) && policy.weight(id) > tollgate::model::Weight::Shown
        };
        let missing: Vec<&MetricId> = wanted.iter().filter(is_missing).collect();
        let missed = policy
            .budgets
            .keys()
            .any(|id| !head.samples.contains_key(id));
        if !missing.is_empty() || missed {
            assert!(
                decision.outcome >= Outcome::Inconclusive,
                "seed {seed}: {missing:?}"
            );
        }
        let pages = render(&head, &comparisons, &decision);
        assert!(
            !pages.summary.contains("NaN"),
            "seed {seed}: {}",
            pages.summary
        );
        assert!(
            !pages.summary.contains("inf "),
            "seed {seed}: {}",
            pages.summary
        );
        report::verdicts(&comparisons);
        if seed % 10 == 0 {
            for comparison in &comparisons {
                let account = compare::account(&comparison.id, &head, &reference, &policy).unwrap();
                assert_eq!(account.comparison, *comparison, "seed {seed}");
                let text = report::explain(&Explanation {
                    head: &head.revision,
                    against: "odd",
                    account: &account,
                    measured: report::Measured {
                        base: None,
                        head: &head,
                    },
                    decision: &decision,
                    findings: &[],
                });
                seen.insert((word(&comparison.verdict), kind(&account.basis)));
                assert!(!text.contains("NaN"), "seed {seed}: {text}");
            }
        }
    }
    let seen: Vec<String> = seen
        .into_iter()
        .map(|(one, two)| format!("{one} by {two}"))
        .collect();
    insta::assert_snapshot!(seen.join("\n"), @"
    improved by blocks
    improved by stored runs
    improved by values
    inconclusive by blocks
    inconclusive by fresh blocks
    inconclusive by missing fresh blocks
    inconclusive by nothing
    inconclusive by stored runs
    inconclusive by values
    regressed by fresh blocks
    regressed by stored runs
    regressed by values
    unchanged by blocks
    unchanged by fresh blocks
    unchanged by values
    ");
}

fn kind(basis: &Basis) -> &'static str {
    match basis {
        Basis::Nothing => "nothing",
        Basis::Values(_) => "values",
        Basis::Stored(_) => "stored runs",
        Basis::Blocks(blocks) => match blocks.second {
            Some(SecondStage { test: Some(_), .. }) => "fresh blocks",
            Some(SecondStage { test: None, .. }) => "missing fresh blocks",
            None => "blocks",
        },
    }
}

#[test]
fn memory_that_is_only_shown_and_has_gone_is_not_green() {
    let memory = MetricId::service("redis", Metric::Memory);
    let one_process = Policy {
        expected: vec![memory.clone()],
        one_process: BTreeSet::from([memory.subject.clone()]),
        ..policy()
    };
    let with = Values::from([(memory, vec![5e6; 8])]);
    let base = Reference::Paired(run(&with, &Values::new()));
    let judged = |head: &Values| {
        let head = run(head, &Values::new());
        let comparisons = compare::compare(&head, &base, &one_process);
        gate::decide(&comparisons, gate::Policy::default()).outcome
    };
    assert_eq!(judged(&with), Outcome::Pass);
    assert_eq!(judged(&Values::new()), Outcome::Inconclusive);
}

#[test]
fn what_no_arm_offers_is_a_note_and_what_base_has_is_a_hole() {
    let queries = MetricId::endpoint("list", Metric::QueriesPerRequest);
    let asked = Policy {
        expected: vec![queries.clone()],
        ..policy()
    };
    let targeted = Policy {
        budgets: [(queries.clone(), 10.0)].into(),
        ..asked.clone()
    };
    let latency = Values::from([(p50("list"), vec![5.0; 8])]);
    let with = |counts: bool, offers: bool| {
        let mut one = run(&latency, &Values::new());
        if counts {
            let samples = Samples::new(vec![3.0; 8]).unwrap();
            one.samples.insert(queries.clone(), samples);
        }
        if !offers {
            let why = "`pg_stat_statements` is not available".to_owned();
            one.not_offered.insert(queries.clone(), why);
        }
        one
    };
    let judged = |base: Run, head: Run, policy: &Policy| {
        let comparisons = compare::compare(&head, &Reference::Paired(base), policy);
        gate::decide(&comparisons, gate::Policy::default()).outcome
    };
    let none = || with(false, false);
    assert_eq!(judged(none(), none(), &asked), Outcome::Pass);
    assert_eq!(judged(none(), none(), &targeted), Outcome::Inconclusive);
    let has = with(true, true);
    assert_eq!(judged(has, none(), &asked), Outcome::Inconclusive);
    // Base failed to read what it has.
    let failed = with(false, true);
    assert_eq!(judged(failed, none(), &asked), Outcome::Inconclusive);
    // Head stopped reading what neither had at first.
    let mut stopped = none();
    (stopped.not_measured).insert(queries.clone(), "connection refused".to_owned());
    assert_eq!(judged(none(), stopped, &asked), Outcome::Inconclusive);
}
