//! Change points of series whose changes are known, and of series without any.

use super::*;

/// Nights around 100 with this spread and lag-1 autocorrelation; the same for the same seed.
fn nights(count: usize, spread: f64, correlation: f64, seed: u64) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut state = normal(&mut random);
    let fresh = (1.0 - correlation.powi(2)).sqrt();
    let night = |_| {
        let value = 100.0 * (spread * state).exp();
        state = correlation * state + fresh * normal(&mut random);
        value
    };
    (0..count).map(night).collect()
}

/// A standard normal value, by Box and Muller.
fn normal(random: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}

fn raised(mut series: Vec<f64>, nights: impl IntoIterator<Item = usize>, by: f64) -> Vec<f64> {
    for night in nights {
        series[night] *= 1.0 + by;
    }
    series
}

fn indices(series: &[f64]) -> Vec<usize> {
    let found = change_points(series).unwrap();
    found.iter().map(|point| point.index).collect()
}

fn how_many(seeds: std::ops::Range<u64>, holds: impl Fn(u64) -> bool) -> usize {
    seeds.filter(|seed| holds(*seed)).count()
}

#[test]
fn unchanged_nights_have_no_change_points() {
    for spread in [0.01, 0.03, 0.05] {
        let raised = how_many(0..100, |seed| {
            !indices(&nights(100, spread, 0.0, seed)).is_empty()
        });
        assert_eq!(raised, 0, "spread {spread}");
    }
}

#[test]
fn nights_that_follow_each_other_are_no_change_either() {
    let raised = how_many(0..100, |seed| {
        !indices(&nights(100, 0.03, 0.5, seed)).is_empty()
    });
    assert!(raised <= 2, "{raised} of 100");
}

#[test]
fn ten_per_cent_is_found_on_the_third_night() {
    let found = how_many(0..100, |seed| {
        indices(&raised(nights(53, 0.01, 0.0, seed), 50..53, 0.1)) == [50]
    });
    assert!(found >= 96, "{found} of 100");
}

#[test]
fn one_or_two_bad_nights_are_no_level() {
    for seed in 0..50 {
        let series = nights(60, 0.01, 0.0, seed);
        for bad in [59..60, 57..59, 58..60, 30..31, 30..32] {
            assert_eq!(indices(&raised(series.clone(), bad, 0.3)), [0; 0]);
        }
    }
}

#[test]
fn bad_nights_before_do_not_hide_a_step() {
    let found = how_many(0..100, |seed| {
        let series = raised(nights(63, 0.01, 0.0, seed), [10, 25, 26, 41], 0.4);
        indices(&raised(series, 60..63, 0.1)) == [60]
    });
    assert!(found >= 95, "{found} of 100");
}

#[test]
fn a_short_bump_has_two_edges() {
    let found = how_many(0..50, |seed| {
        indices(&raised(nights(100, 0.01, 0.0, seed), 45..52, 0.1)) == [45, 52]
    });
    assert!(found >= 45, "{found} of 50");
}

#[test]
fn a_change_point_says_what_changed() {
    let series = raised(nights(40, 0.002, 0.0, 1), 25..40, 0.2);
    let points = change_points(&series).unwrap();
    let [point] = points.as_slice() else {
        panic!("{points:?}");
    };
    assert_eq!((point.index, point.nights_before), (25, 25));
    assert_eq!(point.nights_after, 15);
    assert!((point.before - 100.0).abs() < 0.2);
    assert!((point.after - 120.0).abs() < 0.2);
    assert!(point.p_value < 1e-20);
}

#[test]
fn below_the_least_magnitude_there_is_noise() {
    let series = raised(nights(100, 0.002, 0.0, 2), 50..100, 0.02);
    assert_eq!(indices(&series), [0; 0]);
}

#[test]
fn without_noise_any_step_is_found_where_it_is() {
    for length in [6, 7, 20, 101] {
        for step in LEAST_NIGHTS..=length - LEAST_NIGHTS {
            for by in [0.1, 1e-4, -0.001, -0.5] {
                let series = raised(vec![12_345.0; length], step..length, by);
                let points = change_points(&series).unwrap();
                assert_eq!(points.len(), 1, "{length} nights, {by} at {step}");
                assert_eq!(points[0].index, step);
                assert!(points[0].p_value <= 0.0);
            }
        }
    }
}

#[test]
fn without_noise_every_stair_is_found() {
    let series: Vec<f64> = [(5, 100.0), (9, 101.0), (3, 140.0), (30, 100.0), (4, 99.0)]
        .into_iter()
        .flat_map(|(nights, value)| vec![value; nights])
        .collect();
    assert_eq!(indices(&series), [5, 14, 17, 47]);
}

#[test]
fn constant_nights_have_no_change_points() {
    assert_eq!(indices(&[7.0; 6]), [0; 0]);
    assert_eq!(indices(&[7.0; 100]), [0; 0]);
}

#[test]
fn a_wild_night_among_equal_ones_does_not_hide_a_step() {
    let series = raised(raised(vec![50.0; 40], 30..40, 0.1), [7], 1.0);
    assert_eq!(indices(&series), [30]);
}

#[test]
fn nights_of_two_kinds_are_noise_too() {
    let raised = how_many(0..100, |seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        let kinds = [100.0, 100.0, 110.0];
        let series: Vec<f64> = (0..60).map(|_| kinds[random.usize(..3)]).collect();
        !indices(&series).is_empty()
    });
    assert!(raised <= 1, "{raised} of 100");
}

#[test]
fn the_unit_does_not_matter() {
    for seed in 0..30 {
        let series = raised(nights(80, 0.02, 0.3, seed), 30..50, 0.2);
        for scale in [1e-9, 0.37, 4.0, 1e12] {
            let scaled: Vec<f64> = series.iter().map(|value| value * scale).collect();
            assert_eq!(indices(&scaled), indices(&series), "seed {seed}, {scale}");
        }
    }
}

#[test]
fn the_direction_of_time_does_not_matter() {
    for seed in 0..30 {
        let mut series = raised(nights(80, 0.02, 0.3, seed), 30..50, 0.2);
        let forwards = indices(&series);
        series.reverse();
        let mut mirrored: Vec<usize> = indices(&series).iter().map(|index| 80 - index).collect();
        mirrored.reverse();
        assert_eq!(mirrored, forwards, "seed {seed}");
    }
}

#[test]
fn what_cannot_be_searched_has_a_reason() {
    for have in 0..2 * LEAST_NIGHTS {
        assert_eq!(
            change_points(&vec![1.0; have]),
            Err(Unusable::TooShort { have })
        );
    }
    for (bad, why) in [
        (f64::NAN, Unusable::NotFinite { night: 3 }),
        (f64::INFINITY, Unusable::NotFinite { night: 3 }),
        (0.0, Unusable::NotPositive { night: 3 }),
        (-1.0, Unusable::NotPositive { night: 3 }),
    ] {
        let mut series = vec![1.0; 10];
        series[2] = bad;
        assert_eq!(change_points(&series), Err(why));
    }
    assert_eq!(
        Unusable::TooShort { have: 2 }.to_string(),
        "2 of 6 nights measured"
    );
}

#[test]
fn extreme_values_do_not_panic() {
    let values = [f64::MIN_POSITIVE, f64::MAX, 1.0, 5e-324, 1e300];
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let length = random.usize(6..30);
        let series: Vec<f64> = (0..length).map(|_| values[random.usize(..5)]).collect();
        let points = change_points(&series).unwrap();
        assert!(points.iter().all(|point| point.p_value <= ACCEPTED_P));
    }
}

#[test]
fn a_walk_has_no_levels() {
    let raised = how_many(0..50, |seed| {
        !indices(&nights(100, 0.05, 0.95, seed)).is_empty()
    });
    assert!(raised <= 5, "{raised} of 50");
}

#[test]
fn nights_that_follow_each_other_count_for_fewer() {
    // By hand: 1 + 2 (2/3 × 0.5 + 1/3 × 0.25).
    assert!((inflation(3, 0.5) - (1.0 + 2.0 * (1.0 / 3.0 + 1.0 / 12.0))).abs() < 1e-12);
    assert!((inflation(10, 0.0) - 1.0).abs() < 1e-12);
    // Of a long series, (1 + ρ) / (1 − ρ).
    assert!((inflation(100_000, 0.5) - 3.0).abs() < 1e-3);
}

#[test]
fn the_tests_agree_with_textbook_values() {
    // Means 2 and 5, variance 1 each, n = 3: t = 3 / sqrt(2/3) = 3.674, df 4, p = 0.02131.
    let sides = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]].map(|values| Side::of(&values, 0.0));
    assert!((pooled_p(&sides) - 0.021_311).abs() < 1e-5);
    assert!((welch_p(&sides) - 0.021_311).abs() < 1e-5);
}

#[test]
fn wild_nights_are_pulled_in_and_the_others_left_alone() {
    let left = [1.0, 1.1, 0.9, 1.0, 1.1, 0.9, 1.0, 9.0];
    let right = [2.0, 2.1, 1.9, 2.0];
    let [calm_left, calm_right] = calm(&left, &right);
    assert_eq!(calm_left[..7], left[..7]);
    assert!(calm_left[7] < 2.0);
    assert_eq!(calm_right, right);
    assert_eq!(calm(&left[4..], &right)[0], left[4..]);
}
