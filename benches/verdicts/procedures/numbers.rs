//! The few numbers that several procedures need: means, medians, spreads, tails.
//!
//! Must not hold anything that decides: a rule belongs to the file of the tool it is from.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// A count as a number.
#[expect(
    clippy::cast_precision_loss,
    reason = "blocks, resamples and repetitions are few"
)]
pub(crate) fn real(count: usize) -> f64 {
    count as f64
}

/// The arithmetic mean.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / real(values.len())
}

/// The sample variance, with n − 1 in the denominator.
pub(crate) fn variance(values: &[f64]) -> f64 {
    let center = mean(values);
    let squares: f64 = values.iter().map(|value| (value - center).powi(2)).sum();
    squares / (real(values.len()) - 1.0)
}

/// The values in ascending order.
pub(crate) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The median: the middle value, or the mean of the two middle ones.
pub(crate) fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

/// The value below which `share` of Student's distribution lies.
pub(crate) fn student_quantile(share: f64, freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom).map_or(f64::INFINITY, |student| student.inverse_cdf(share))
}

/// The two-sided p value of a t statistic.
pub(crate) fn student_two_sided(statistic: f64, freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom).map_or(1.0, |student| 2.0 * student.sf(statistic.abs()))
}

/// Welch's t statistic of head over base; infinite where neither arm varies.
pub(crate) fn welch_statistic(base: &[f64], head: &[f64]) -> f64 {
    let error = variance(base) / real(base.len()) + variance(head) / real(head.len());
    let difference = mean(head) - mean(base);
    if error > 0.0 {
        difference / error.sqrt()
    } else if difference > 0.0 {
        f64::INFINITY
    } else {
        0.0
    }
}
