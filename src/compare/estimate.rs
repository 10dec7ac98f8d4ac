//! Trimmed means with their standard errors, and what follows from them.
//!
//! The 20 % trimmed mean with the Yuen (winsorised) standard error: a block that was disturbed
//! cannot carry the estimate away, and the interval still knows about it.
//! Yuen, K. K. (1974), "The two-sample trimmed t for unequal population variances".

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::model::Estimate;

/// The share trimmed from each side.
const TRIM: f64 = 0.2;
/// Trimming starts at this many values; below it a single value is a large share of all.
const TRIM_FROM: usize = 6;
/// The smallest standard error believed, in log units: identical processes still differ by
/// layout and order, and eight lucky blocks must not claim more than that.
const LEAST_STANDARD_ERROR: f64 = 0.001;
/// The coverage of the intervals shown.
pub const CONFIDENCE: f64 = 0.95;

/// A trimmed mean and what is known about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trimmed {
    /// The trimmed mean.
    pub mean: f64,
    /// Its standard error.
    pub error: f64,
    /// Degrees of freedom.
    pub freedom: f64,
}

impl Trimmed {
    /// Estimates from at least two finite values; `least_error` bounds the standard error from
    /// below.
    pub fn of(values: &[f64], least_error: f64) -> Option<Self> {
        let count = values.len();
        if count < 2 {
            return None;
        }
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let trimmed = trimmed_each_side(count);
        let kept = &sorted[trimmed..count - trimmed];
        let low = kept[0];
        let high = kept[kept.len() - 1];
        let winsorised: Vec<f64> = sorted.iter().map(|value| value.clamp(low, high)).collect();
        let spread = sum_of_squares(&winsorised);
        let kept_count = real(kept.len());
        let error = (spread / (kept_count * (kept_count - 1.0))).sqrt();
        Some(Self {
            mean: mean(kept),
            error: error.max(least_error),
            freedom: kept_count - 1.0,
        })
    }

    /// Estimates a mean of log ratios.
    pub fn of_log_ratios(values: &[f64]) -> Option<Self> {
        Self::of(values, LEAST_STANDARD_ERROR)
    }

    /// The two-sided interval at [`CONFIDENCE`].
    pub fn interval(&self) -> Estimate {
        let reach = self.error * self.quantile(0.5 + CONFIDENCE / 2.0);
        Estimate {
            point: self.mean,
            low: self.mean - reach,
            high: self.mean + reach,
        }
    }

    /// How far the true mean may be from the estimate on one side, with this confidence.
    pub fn reach(&self, confidence: f64) -> f64 {
        self.error * self.quantile(confidence)
    }

    /// The one-sided upper bound with this confidence.
    pub fn upper(&self, confidence: f64) -> f64 {
        self.mean + self.reach(confidence)
    }

    /// The one-sided lower bound with this confidence.
    pub fn lower(&self, confidence: f64) -> f64 {
        self.mean - self.reach(confidence)
    }

    /// The standard error that `blocks` values of the same spread would have, known from
    /// `measured` values.
    pub fn error_at(&self, measured: usize, blocks: usize) -> f64 {
        self.error * (real(measured) / real(blocks)).sqrt()
    }

    /// How likely a mean this large or larger is when there is no change: the one-sided p value.
    pub fn p_above_zero(&self) -> f64 {
        match StudentsT::new(0.0, 1.0, self.freedom) {
            Ok(student) => student.sf(self.mean / self.error),
            Err(_) => 1.0,
        }
    }

    fn quantile(&self, share: f64) -> f64 {
        match StudentsT::new(0.0, 1.0, self.freedom) {
            Ok(student) => student.inverse_cdf(share),
            Err(_) => f64::INFINITY,
        }
    }
}

/// The smallest relative slow-down that `blocks` fresh blocks with this spread would have caught
/// with 95 % certainty: its estimate must reach the tolerance, and its test `alpha`.
pub fn detectable(
    trimmed: &Trimmed,
    measured: usize,
    blocks: usize,
    tolerance: f64,
    alpha: f64,
) -> f64 {
    let error = trimmed.error_at(measured, blocks);
    let fresh = Trimmed {
        error,
        freedom: real(blocks - 2 * trimmed_each_side(blocks)) - 1.0,
        ..*trimmed
    };
    let certain = fresh.quantile(CONFIDENCE);
    let reaches_tolerance = tolerance.ln_1p() + certain * error;
    let passes_test = (fresh.quantile(1.0 - alpha) + certain) * error;
    relative(reaches_tolerance.max(passes_test))
}

/// A change in log units as a relative one. What no number can hold is `f64::MAX`.
pub fn relative(log: f64) -> f64 {
    log.exp_m1().min(f64::MAX)
}

fn trimmed_each_side(count: usize) -> usize {
    if count < TRIM_FROM {
        return 0;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fifth of a small count"
    )]
    let share = (TRIM * real(count)).floor() as usize;
    share.max(1)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / real(values.len())
}

fn sum_of_squares(values: &[f64]) -> f64 {
    let center = mean(values);
    values.iter().map(|value| (value - center).powi(2)).sum()
}

#[expect(clippy::cast_precision_loss, reason = "block counts are small")]
fn real(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-9, "{left} is not {right}");
    }

    #[test]
    fn agrees_with_yuen_worked_by_hand() {
        // n = 10, g = 2, h = 6: kept 3..=8, winsorised 3,3,3,4,5,6,7,8,8,8.
        let values = [10.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
        let trimmed = Trimmed::of(&values, 0.0).unwrap();
        close(trimmed.mean, 5.5);
        close(trimmed.freedom, 5.0);
        close(trimmed.error, (42.5_f64 / 30.0).sqrt());
    }

    #[test]
    fn one_wild_block_does_not_carry_the_estimate_away() {
        let calm = [0.001, -0.001, 0.0, 0.002, -0.002, 0.001, 0.0, -0.001];
        let mut wild = calm;
        wild[3] = 5.0;
        let estimate = Trimmed::of_log_ratios(&wild).unwrap();
        assert!(estimate.mean.abs() < 0.002);
        assert!(estimate.upper(CONFIDENCE) < 0.03);
    }

    #[test]
    fn a_constant_series_keeps_the_least_standard_error() {
        let estimate = Trimmed::of_log_ratios(&[0.0; 8]).unwrap();
        close(estimate.error, LEAST_STANDARD_ERROR);
        assert!(estimate.interval().high > 0.0);
    }

    #[test]
    fn one_value_is_no_estimate() {
        assert_eq!(Trimmed::of(&[1.0], 0.0), None);
    }
}
