//! What home-made gates and textbooks do: a fixed limit, a rank test, a t test.
//!
//! Both tests are two-sided at 0.05, and a difference counts when head is the slower arm.

use super::Comparison;
use super::numbers::{mean, median, real, student_two_sided, variance, welch_statistic};
use super::rank_sum::two_sided;

/// The p value of both tests.
const P_VALUE: f64 = 0.05;
/// What the median must exceed beside the rank test.
const LEAST_MEDIAN: f64 = 1.05;
/// The fixed limit.
const LIMIT: f64 = 1.1;

/// The mean of head is a tenth above the mean of base.
pub(crate) fn fixed_10(comparison: &Comparison<'_>) -> bool {
    mean(comparison.head) > mean(comparison.base) * LIMIT
}

/// Mann-Whitney at 0.05.
pub(crate) fn mann_whitney(comparison: &Comparison<'_>) -> bool {
    let (base, head) = (comparison.base, comparison.head);
    median(head) > median(base) && two_sided(base, head) < P_VALUE
}

/// Mann-Whitney at 0.05, and a median at least a twentieth above that of base.
pub(crate) fn mann_whitney_and_5(comparison: &Comparison<'_>) -> bool {
    median(comparison.head) > median(comparison.base) * LEAST_MEDIAN && mann_whitney(comparison)
}

/// Welch's t test at 0.05.
pub(crate) fn welch(comparison: &Comparison<'_>) -> bool {
    let (base, head) = (comparison.base, comparison.head);
    if base.len() < 2 || head.len() < 2 {
        return false;
    }
    let statistic = welch_statistic(base, head);
    statistic > 0.0 && student_two_sided(statistic, freedom(base, head)) < P_VALUE
}

/// The Welch-Satterthwaite degrees of freedom.
fn freedom(base: &[f64], head: &[f64]) -> f64 {
    let share = |values: &[f64]| variance(values) / real(values.len());
    let (base_share, head_share) = (share(base), share(head));
    let denominator = base_share.powi(2) / (real(base.len()) - 1.0)
        + head_share.powi(2) / (real(head.len()) - 1.0);
    if denominator > 0.0 {
        (base_share + head_share).powi(2) / denominator
    } else {
        real(base.len() + head.len()) - 2.0
    }
}
