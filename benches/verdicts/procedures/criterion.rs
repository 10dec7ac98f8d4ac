//! criterion: a bootstrapped t test, and a bootstrapped interval of the relative change of the
//! mean that lies beyond a noise threshold.
//!
//! Written again from its documented analysis, not from its code. It resamples 100,000 times;
//! here [`RESAMPLES`] do, which moves the ends of the interval by a few per cent of its length.

use fastrand::Rng;

use super::Comparison;
use super::numbers::{real, sorted, welch_statistic};

/// Bootstrap resamples for the interval, and again for the test.
const RESAMPLES: usize = 1_000;
/// The default `noise_threshold`.
const NOISE: f64 = 0.01;
/// The default `significance_level`.
const SIGNIFICANCE: f64 = 0.05;
/// The default `confidence_level`.
const CONFIDENCE: f64 = 0.95;

/// Whether criterion would print "Performance has regressed".
pub(crate) fn regressed(comparison: &Comparison<'_>, random: &mut Rng) -> bool {
    let (base, head) = (comparison.base, comparison.head);
    base.len() > 1
        && head.len() > 1
        && least_change(base, head, random) > NOISE
        && p_value(base, head, random) < SIGNIFICANCE
}

/// The lower end of the percentile interval of the relative change of the mean.
fn least_change(base: &[f64], head: &[f64], random: &mut Rng) -> f64 {
    let changes: Vec<f64> = (0..RESAMPLES)
        .map(|_| resampled_mean(head, random) / resampled_mean(base, random) - 1.0)
        .collect();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank among the resamples"
    )]
    let rank = ((1.0 - CONFIDENCE) / 2.0 * real(RESAMPLES)) as usize;
    sorted(&changes)[rank]
}

fn resampled_mean(values: &[f64], random: &mut Rng) -> f64 {
    let sum: f64 = (0..values.len())
        .map(|_| values[random.usize(..values.len())])
        .sum();
    sum / real(values.len())
}

/// Two-sided, from t statistics of both arms drawn from the pool of all values.
fn p_value(base: &[f64], head: &[f64], random: &mut Rng) -> f64 {
    let observed = welch_statistic(base, head);
    let pool: Vec<f64> = base.iter().chain(head).copied().collect();
    let mut draw = |count: usize| -> Vec<f64> {
        (0..count)
            .map(|_| pool[random.usize(..pool.len())])
            .collect()
    };
    let below = (0..RESAMPLES)
        .filter(|_| welch_statistic(&draw(base.len()), &draw(head.len())) < observed)
        .count();
    2.0 * real(below.min(RESAMPLES - below)) / real(RESAMPLES)
}
