//! The arithmetic behind `benches/verdicts`: the peers' rules against known values, and the
//! reading of traces. A rule written down wrongly would make a peer look bad for no fault of its
//! own.
//!
//! The expected numbers are SciPy's unless a test says otherwise.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "the bench uses what a test does not")]
#[path = "../benches/verdicts/procedures/mod.rs"]
mod procedures;
#[expect(dead_code, reason = "the bench uses what a test does not")]
#[path = "../benches/verdicts/traces.rs"]
mod traces;

use std::path::Path;

use fastrand::Rng;

use procedures::ours::{Case, Plan};
use procedures::{Comparison, PEERS, as_written, asv, numbers, ours, rank_sum};
use traces::{Effect, Metric};

const NINE: [f64; 9] = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30];
const OTHER_NINE: [f64; 9] = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06001, 3.3, 1.29001];
const HISTORY: [f64; 8] = [10.0, 11.0, 9.0, 10.5, 9.5, 10.2, 9.8, 10.1];

fn close(left: f64, right: f64) {
    assert!((left - right).abs() < 1e-6, "{left} is not {right}");
}

/// What a peer says about blocks alone.
fn flags(name: &str, base: &[f64], head: &[f64]) -> bool {
    flags_all(
        name,
        &Comparison {
            history: base,
            reported: head[0],
            previous: numbers::mean(base),
            current: numbers::mean(head),
            base,
            head,
        },
    )
}

fn flags_all(name: &str, comparison: &Comparison<'_>) -> bool {
    let peer = PEERS.iter().find(|peer| peer.name == name).unwrap();
    (peer.flags)(comparison, &mut Rng::with_seed(1))
}

fn spread(count: u32, center: f64) -> Vec<f64> {
    (0..count)
        .map(|index| center * (1.0 + 0.01 * f64::from(index % 5) - 0.02))
        .collect()
}

#[test]
fn mann_whitney_is_exact_for_small_samples() {
    close(rank_sum::two_sided(&NINE, &OTHER_NINE), 0.135_911_147_675_8);
    close(rank_sum::two_sided(&OTHER_NINE, &NINE), 0.135_911_147_675_8);
    // Complete separation of five and five: two of the 252 orderings.
    let apart = [[1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 10.0]];
    close(rank_sum::two_sided(&apart[0], &apart[1]), 2.0 / 252.0);
}

#[test]
fn mann_whitney_is_normal_for_large_samples() {
    let base: Vec<f64> = (0..24).map(f64::from).collect();
    let head: Vec<f64> = base.iter().map(|value| value + 7.5).collect();
    close(rank_sum::two_sided(&base, &head), 0.001_723_308_918);
}

#[test]
fn ties_never_make_a_difference_significant() {
    let same = [1.0; 12];
    close(rank_sum::two_sided(&same, &same), 1.0);
}

#[test]
fn welch_agrees_with_known_values() {
    let statistic = numbers::welch_statistic(&NINE, &OTHER_NINE);
    close(statistic, -1.119_773_926_722_5);
    let p_value = numbers::student_two_sided(statistic, 15.561_097_335_462_3);
    close(p_value, 0.279_796_578_869_2);
}

#[test]
fn bencher_alerts_above_its_prediction_limit_only() {
    let limit = 11.946_234_784_661;
    for (reported, expected) in [(limit - 1e-6, false), (limit + 1e-6, true)] {
        let comparison = Comparison {
            history: &HISTORY,
            reported,
            previous: 10.0,
            current: 10.0,
            base: &HISTORY,
            head: &HISTORY,
        };
        assert_eq!(flags_all("bencher_t99", &comparison), expected);
    }
}

#[test]
fn bencher_has_no_limit_without_spread_or_history() {
    assert!(!flags("bencher_t99", &[10.0; 64], &[20.0; 4]));
    assert!(!flags("bencher_t99", &[10.0], &[20.0; 4]));
}

#[test]
fn bencher_looks_at_the_newest_64_only() {
    let mut history = vec![1_000.0, 1.0];
    history.extend(HISTORY.repeat(8));
    assert!(flags("bencher_t99", &history, &[14.0]));
}

#[test]
fn fixed_limits_are_strict() {
    let base = [100.0; 8];
    for (name, limit) in [
        ("gab_200", 200.0),
        ("bencher_25", 125.0),
        ("perfgate", 120.0),
    ] {
        assert!(!flags(name, &base, &[limit; 8]), "{name}");
        assert!(flags(name, &base, &[limit + 0.1; 8]), "{name}");
    }
    for name in ["gab_110", "fixed_10"] {
        assert!(!flags(name, &base, &[109.9; 8]), "{name}");
        assert!(flags(name, &base, &[110.1; 8]), "{name}");
    }
    assert!(!flags("gab_200", &[0.0; 4], &[0.0; 4]));
}

#[test]
fn asv_needs_its_factor_and_its_test() {
    assert!(flags("asv", &spread(24, 100.0), &spread(24, 115.0)));
    assert!(!flags("asv", &spread(24, 100.0), &spread(24, 108.0)));
    let wild: Vec<f64> = (0..24).map(|index| f64::from(20 * (index % 13))).collect();
    let wilder: Vec<f64> = wild.iter().map(|value| value * 1.15).collect();
    assert!(!flags("asv", &wild, &wilder));
    // One sample an arm: the factor alone.
    assert!(flags("asv", &[100.0], &[111.0]));
}

#[test]
fn asv_falls_back_to_intervals_of_the_median() {
    // By numerical integration of the posterior.
    for (samples, expected) in [
        (&[10.0, 11.0, 12.5, 13.0][..], [8.205_26, 15.044_74]),
        (&[10.0, 11.0, 12.5, 13.0, 14.0], [9.221_11, 14.978_89]),
    ] {
        let (low, high) = asv::interval(samples);
        assert!((low - expected[0]).abs() < 1e-4, "{low}");
        assert!((high - expected[1]).abs() < 1e-4, "{high}");
    }
    // With nine samples the order statistics reach 99 %: the extremes.
    let nine: Vec<f64> = (1..=9).map(f64::from).collect();
    assert_eq!(asv::interval(&nine), (1.0, 9.0));
    assert!(flags("asv", &spread(5, 100.0), &spread(5, 150.0)));
    assert!(!flags(
        "asv",
        &[10.0, 11.0, 12.5, 13.0],
        &[12.0, 13.5, 14.0, 15.0]
    ));
    assert!(flags("asv", &[10.0; 4], &[12.0; 4]));
}

#[test]
fn criterion_needs_its_interval_beyond_the_noise_threshold() {
    assert!(flags("criterion", &spread(24, 100.0), &spread(24, 104.0)));
    assert!(!flags("criterion", &spread(24, 100.0), &spread(24, 101.2)));
    assert!(!flags("criterion", &spread(24, 100.0), &spread(24, 96.0)));
}

#[test]
fn no_peer_alarms_on_equal_or_faster_blocks() {
    let base = spread(24, 100.0);
    for peer in PEERS {
        assert!(!flags(peer.name, &base, &base), "{}", peer.name);
        assert!(!flags(peer.name, &base, &spread(24, 50.0)), "{}", peer.name);
    }
}

#[test]
fn every_peer_alarms_on_three_times_slower() {
    for peer in PEERS {
        let is_flagged = flags(peer.name, &spread(24, 100.0), &spread(24, 300.0));
        assert!(is_flagged, "{}", peer.name);
    }
}

#[test]
fn ours_sees_a_slow_down_and_leaves_unchanged_code_early() {
    let base = spread(24, 100.0);
    let slow: Vec<f64> = spread(24, 110.0);
    for plan in [Plan::FULL, Plan::SHORT] {
        let case = |head| Case {
            base: &base,
            head,
            tolerance: 0.03,
        };
        for judge in [ours::judge, as_written::judge] {
            let unchanged = judge(&case(&base), plan);
            assert!(!unchanged.is_flagged && !unchanged.is_inconclusive);
            assert!(unchanged.blocks <= plan.first);
            let slower = judge(&case(&slow), plan);
            assert!(slower.is_flagged && slower.blocks <= plan.blocks());
        }
    }
}

const HEADER: &str = "arm,endpoint,design,slow,tail,block,round,n,cpu_ns,mean,p50,p95,extra";

/// A folder with one file of these rows, loaded.
fn load(rows: &str) -> Result<Vec<traces::Visit>, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a_b_s0_v1.csv"), rows).unwrap();
    traces::load(folder.path()).map_err(|error| error.to_string())
}

#[test]
fn a_block_is_the_median_of_its_rounds_and_the_mean_of_its_requests() {
    let rows = format!(
        "{HEADER}\n\
         0,a,zip,2.5,10,0,0,1,10,2,3,4,x\n0,a,zip,2.5,10,0,1,3,50,6,5,8,x\n\
         1,a,zip,2.5,10,0,0,1,1,1,1,1,x\n"
    );
    let visits = load(&rows).unwrap();
    assert_eq!(visits.len(), 1);
    assert_eq!(visits[0].effect.to_string(), "2.5_tail_10");
    for (value, expected) in visits[0].blocks[0]
        .base
        .into_iter()
        .zip([4.0, 15.0, 6.0, 5.0])
    {
        close(value, expected);
    }
}

#[test]
fn a_broken_row_is_named_by_file_and_line() {
    let good = "0,a,zip,0,0,0,0,1,1,1,1,1,x\n1,a,zip,0,0,0,0,1,1,1,1,1,x\n";
    for (row, what) in [
        ("0,a,zip,0,0,1", "6 fields, the header has 13"),
        ("0,a,zip,0,0,1,0,1,1,1,oops,1,x", "`p50` is `oops`"),
        ("0,a,zip,0,0,1,0,1,1,NaN,1,1,x", "`mean` is `NaN`"),
        ("0,a,zip,0,0,1,0,0,1,1,1,1,x", "`n` is `0`"),
        ("2,a,zip,0,0,1,0,1,1,1,1,1,x", "`arm` is `2`"),
        ("0,a,zip,0,0,0,0,1,1,1,1,1,x", "a second time"),
    ] {
        let problem = load(&format!("{HEADER}\n{good}{row}\n")).unwrap_err();
        assert!(problem.contains("a_b_s0_v1.csv:4: "), "{problem}");
        assert!(problem.contains(what), "{problem}");
    }
}

#[test]
fn what_is_not_there_is_an_error() {
    let one_arm = format!("{HEADER}\n0,a,zip,0,0,7,0,1,1,1,1,1,x\n");
    assert!(load(&one_arm).unwrap_err().contains("block 7"));
    assert!(load(HEADER).unwrap_err().contains("no rows"));
    assert!(load("").unwrap_err().contains("empty"));
    assert!(load("endpoint\n").unwrap_err().contains("`design`"));
    let folder = tempfile::tempdir().unwrap();
    let problem = traces::load(folder.path()).unwrap_err().to_string();
    assert!(problem.contains("no .csv files"), "{problem}");
}

/// Comparisons drawn from each recording.
const DRAWS: usize = 200;

/// Draws blocks of a recording with replacement; `swap` exchanges the arms of each at random, so
/// that no difference is left.
fn drawn(pairs: &[(f64, f64)], swap: bool, random: &mut Rng) -> (Vec<f64>, Vec<f64>) {
    let pair = |_| {
        let (base, head) = pairs[random.usize(..pairs.len())];
        if swap && random.bool() {
            (head, base)
        } else {
            (base, head)
        }
    };
    (0..Plan::FULL.blocks()).map(pair).unzip()
}

/// The share of draws from the interleaved recordings with this planted slow-down that is called
/// a regression of the metric.
fn flagged_share(metric: Metric, slow: f64, swap: bool) -> f64 {
    let metric = traces::METRICS
        .iter()
        .position(|one| *one == metric)
        .unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/traces");
    let visits = traces::load(&folder).unwrap();
    let mut random = Rng::with_seed(20_251_122);
    let (mut flagged, mut all) = (0_u32, 0_u32);
    let chosen = visits
        .iter()
        .filter(|visit| visit.design == "zip" && visit.effect == Effect::slower_by(slow));
    for visit in chosen {
        let pairs: Vec<(f64, f64)> = visit
            .blocks
            .iter()
            .map(|block| (block.base[metric], block.head[metric]))
            .collect();
        for _ in 0..DRAWS {
            let (base, head) = drawn(&pairs, swap, &mut random);
            let case = Case {
                base: &base,
                head: &head,
                tolerance: 0.03,
            };
            flagged += u32::from(ours::judge(&case, Plan::FULL).is_flagged);
            all += 1;
        }
    }
    assert!(all > 0, "no recording of {slow} %");
    f64::from(flagged) / f64::from(all)
}

#[test]
fn recorded_endpoints_against_themselves_raise_no_alarm() {
    for metric in [Metric::P50, Metric::Cpu] {
        let share = flagged_share(metric, 0.0, true);
        assert!(share <= 0.0, "{}: {share}", metric.name());
    }
}

#[test]
fn recorded_slow_downs_of_five_per_cent_are_caught() {
    let share = flagged_share(Metric::P50, 5.0, false);
    assert!(share >= 0.95, "{share}");
}
