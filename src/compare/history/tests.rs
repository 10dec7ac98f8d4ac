//! Shifts over runs: what is one series, what is one night, and what is said of a shift.

use super::*;
use crate::model::evidence::BundleEvidence;
use crate::model::{Evidence, Machine, Revision};

fn p50() -> MetricId {
    MetricId::endpoint("list", Metric::LatencyP50)
}

fn bytes() -> MetricId {
    MetricId::bundle("web", Metric::Total)
}

/// A run at four in the morning of day `day` (from 1 to 100), of commit `c<day>`.
fn run(day: u32, samples: &[(MetricId, &[f64])]) -> Run {
    let date = Date::from_ordinal_date(2026, u16::try_from(day).unwrap()).unwrap();
    let samples = samples.iter().map(|(id, values)| {
        let samples = Samples::new(values.to_vec()).unwrap();
        (id.clone(), samples)
    });
    Run {
        revision: Revision {
            commit: format!("c{day}"),
            tree: String::new(),
            label: "main".to_owned(),
        },
        machine: Machine {
            cpu: "AMD EPYC 7763".to_owned(),
            cores: 4,
            memory: 16 << 30,
            kernel: "Linux 6.8".to_owned(),
            image: None,
        },
        measured_at: format!("{date}T04:00:00Z"),
        samples: samples.collect(),
        confirmation: BTreeMap::new(),
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

/// One run a day from day 1 on, with these values of one metric.
fn runs(id: &MetricId, values: impl IntoIterator<Item = f64>) -> Vec<Run> {
    let run = |(day, value): (u32, f64)| run(day, &[(id.clone(), &[value])]);
    (1..).zip(values).map(run).collect()
}

/// A latency of about `level` that differs by 2 % from night to night.
fn latencies(nights: usize, level: f64) -> impl Iterator<Item = f64> {
    let wobble = [0.0, 0.01, -0.01, 0.005, -0.007, 0.002, -0.004];
    (0..nights).map(move |night| level * (1.0 + wobble[night % wobble.len()]))
}

fn shifts(runs: &[Run]) -> Vec<Shift> {
    history(runs).unwrap().shifts
}

/// The commits around every shift.
fn ranges(runs: &[Run]) -> Vec<(String, String)> {
    let range = |shift: Shift| (shift.last_before.commit, shift.first_after.commit);
    shifts(runs).into_iter().map(range).collect()
}

fn range(from: &str, to: &str) -> (String, String) {
    (from.to_owned(), to.to_owned())
}

#[test]
fn a_slower_night_is_told_with_its_commits_and_levels() {
    let runs = runs(&p50(), latencies(20, 10.0).chain(latencies(4, 12.0)));
    let shifts = shifts(&runs);
    let [shift] = shifts.as_slice() else {
        panic!("{shifts:?}");
    };
    assert_eq!(shift.id, p50());
    assert_eq!(shift.machine.as_deref(), Some("4 × AMD EPYC 7763, 16 GiB"));
    assert_eq!(shift.last_before.commit, "c20");
    assert_eq!(shift.first_after.commit, "c21");
    assert_eq!(shift.first_after.measured_at, "2026-01-21T04:00:00Z");
    assert!((shift.before - 10.0).abs() < 0.1 && (shift.after - 12.0).abs() < 0.1);
    assert!(shift.is_worse() && (shift.worse_by - 0.2).abs() < 0.01);
    assert!(shift.p_value < 1e-5);
    assert_eq!((shift.nights_before, shift.nights_after), (20, 4));
}

#[test]
fn more_throughput_is_better_and_more_latency_worse() {
    let throughput = MetricId::endpoint("list", Metric::Throughput);
    for (id, is_worse) in [(throughput, false), (p50(), true)] {
        let runs = runs(&id, latencies(20, 10.0).chain(latencies(5, 12.0)));
        let shifts = shifts(&runs);
        assert_eq!(shifts.len(), 1);
        assert_eq!(shifts[0].is_worse(), is_worse);
        assert!((shifts[0].worse_by.abs() - 0.2).abs() < 0.01);
    }
}

#[test]
fn the_order_of_the_runs_does_not_matter() {
    let mut runs = runs(&p50(), latencies(20, 10.0).chain(latencies(5, 12.0)));
    runs.extend(runs.clone());
    let told = history(&runs).unwrap();
    assert_eq!(told.shifts.len(), 1);
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..5 {
        random.shuffle(&mut runs);
        assert_eq!(history(&runs).unwrap(), told);
    }
}

#[test]
fn repeats_of_a_night_are_one_night_with_their_median() {
    let mut runs = runs(&p50(), latencies(20, 10.0).chain(latencies(3, 12.0)));
    for day in 1..=23 {
        for wild in [5.0, 40.0] {
            let mut repeat = run(day, &[(p50(), &[wild])]);
            repeat.measured_at = repeat.measured_at.replace("04:00", "05:00");
            runs.push(repeat);
        }
    }
    let shifts = shifts(&runs);
    assert_eq!(shifts.len(), 1);
    assert_eq!((shifts[0].nights_before, shifts[0].nights_after), (20, 3));
    assert!(shifts[0].first_after.measured_at.ends_with("T04:00:00Z"));
}

#[test]
fn the_same_commit_on_another_night_and_another_commit_on_the_same_are_measured_apart() {
    let mut runs = runs(&p50(), latencies(20, 10.0).chain(latencies(2, 12.0)));
    runs[20].revision.commit = "same".to_owned();
    runs[21].revision.commit = "same".to_owned();
    let mut other = run(22, &[(p50(), &[12.05])]);
    other.revision.commit = "other".to_owned();
    runs.push(other);
    assert_eq!(ranges(&runs), [range("c20", "same")]);
    assert_eq!(shifts(&runs)[0].nights_after, 3);
}

#[test]
fn the_night_is_that_of_utc() {
    let mut runs = runs(&p50(), latencies(20, 10.0).chain(latencies(4, 12.0)));
    // The same moment, written in another zone: still after c20 and before c22.
    runs[20].measured_at = "2026-01-20T23:30:00-04:30".to_owned();
    assert_eq!(ranges(&runs), [range("c20", "c21")]);
}

#[test]
fn nights_without_the_metric_widen_the_range() {
    let mut runs = runs(&p50(), latencies(20, 10.0).chain(latencies(6, 12.0)));
    runs[19].samples.clear();
    runs[20].samples.clear();
    assert_eq!(ranges(&runs), [range("c19", "c22")]);
}

#[test]
fn another_class_of_machine_is_another_series() {
    let mut runs = runs(&p50(), latencies(20, 10.0).chain(latencies(20, 12.0)));
    for run in &mut runs[20..] {
        run.machine.cpu = "AMD EPYC 9V74".to_owned();
    }
    assert_eq!(shifts(&runs), []);
    // A new kernel or image is no new class.
    for run in &mut runs {
        run.machine.cpu = "AMD EPYC 7763".to_owned();
    }
    for run in &mut runs[10..] {
        run.machine.kernel = "Linux 6.11".to_owned();
        run.machine.image = Some("ubuntu24".to_owned());
    }
    assert_eq!(ranges(&runs), [range("c20", "c21")]);
}

#[test]
fn exact_metrics_are_one_series_over_all_machines() {
    let values = (0..20).map(|night| if night < 12 { 1e5 } else { 1.2e5 });
    let mut runs = runs(&bytes(), values);
    for run in runs.iter_mut().step_by(2) {
        run.machine.cpu = "AMD EPYC 9V74".to_owned();
    }
    let shifts = shifts(&runs);
    assert_eq!(ranges(&runs), [range("c12", "c13")]);
    assert_eq!(shifts[0].machine, None);
    assert!(shifts[0].p_value <= 0.0);
    assert!((shifts[0].worse_by - 0.2).abs() < 1e-9);
}

#[test]
fn a_large_exact_step_is_told_the_same_night_and_a_small_one_once_it_held() {
    let told = |values: &[f64]| ranges(&runs(&bytes(), values.iter().copied()));
    assert_eq!(told(&[1000.0, 1020.0]), [range("c1", "c2")]);
    assert_eq!(told(&[1000.0, 1020.0, 1000.0]).len(), 2);
    assert_eq!(told(&[1000.0, 1001.0, 1002.0, 1004.0]), []);
    assert_eq!(told(&[1000.0, 1000.0, 1000.0, 1001.0, 1001.0]), []);
    assert_eq!(
        told(&[1000.0, 1000.0, 1000.0, 1001.0, 1001.0, 1001.0]),
        [range("c3", "c4")]
    );
    let rounded = [5.0, 5.0, 5.0, 5.000_000_000_1, 5.000_000_000_1, 5.0];
    assert_eq!(told(&rounded), []);
}

#[test]
fn errors_that_begin_are_infinitely_worse() {
    let errors = MetricId::endpoint("list", Metric::ErrorRate);
    let mut runs = runs(&errors, [0.0, 0.0, 0.0]);
    runs.push(run(4, &[(errors, &[0.0, 0.0, 0.0, 0.1])]));
    let shifts = shifts(&runs);
    assert_eq!(shifts.len(), 1);
    assert!(shifts[0].worse_by >= f64::MAX);
    assert!((shifts[0].after - 0.025).abs() < 1e-12);
}

#[test]
fn counts_that_differ_within_a_run_are_judged_like_noise() {
    let queries = MetricId::endpoint("list", Metric::QueriesPerRequest);
    let nights = |(day, value): (u32, f64)| run(day, &[(queries.clone(), &[value, value + 1.0])]);
    let runs: Vec<Run> = (1..).zip(latencies(30, 100.0)).map(nights).collect();
    assert_eq!(shifts(&runs), []);
}

#[test]
fn another_compressor_is_another_series() {
    let mut runs = runs(
        &bytes(),
        (0..8).map(|night| 1000.0 + 40.0 * f64::from(night / 4)),
    );
    assert_eq!(shifts(&runs).len(), 1);
    for (night, run) in runs.iter_mut().enumerate() {
        let encoder = if night < 4 { "zlib-rs 9" } else { "zlib 9" };
        let bundle = BundleEvidence {
            encoder: encoder.to_owned(),
            ..BundleEvidence::default()
        };
        run.evidence.bundles.insert("web".to_owned(), bundle);
    }
    assert_eq!(shifts(&runs), []);
}

#[test]
fn what_could_not_be_searched_is_said() {
    let told = history(&runs(&p50(), latencies(5, 10.0))).unwrap();
    assert_eq!(told.shifts, []);
    assert_eq!(told.unjudged.len(), 1);
    assert_eq!(told.unjudged[0].why, "5 of 6 nights measured");
    let told = history(&runs(&p50(), [0.0; 10])).unwrap();
    assert_eq!(told.unjudged[0].why, "night 1 is not above zero");
}

#[test]
fn a_time_that_cannot_be_read_is_an_error() {
    let mut runs = runs(&p50(), latencies(5, 10.0));
    runs[2].measured_at = "last night".to_owned();
    let error = history(&runs).unwrap_err();
    assert!(error.to_string().contains("`c3`"), "{error}");
}

#[test]
fn no_runs_have_no_history() {
    assert_eq!(history(&[]), Ok(History::default()));
}
