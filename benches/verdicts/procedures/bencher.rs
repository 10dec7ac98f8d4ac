//! Bencher (bencher.dev): one number a run, held against the numbers of earlier runs.
//!
//! Written again from the documented rules of its thresholds, not from its code.

use super::Comparison;
use super::numbers::{mean, real, student_quantile, variance};

/// The default sample size of a threshold: the newest this many earlier numbers count.
pub(crate) const HISTORY: usize = 64;
/// The default upper boundary of the t test.
const BOUNDARY: f64 = 0.99;
/// The boundary of the recipe for comparing with a base measured in the same job.
const RELATIVE_BOUNDARY: f64 = 0.25;

/// The default of the built-in measures: a Student t prediction interval over the history. There
/// is no limit, and so no alert, where the history does not vary or is a single number.
pub(crate) fn t99(comparison: &Comparison<'_>) -> bool {
    let history = &comparison.history[comparison.history.len().saturating_sub(HISTORY)..];
    if history.len() < 2 {
        return false;
    }
    let (count, variance) = (real(history.len()), variance(history));
    if variance <= 0.0 {
        return false;
    }
    let spread = (variance * (1.0 + 1.0 / count)).sqrt();
    comparison.reported > mean(history) + student_quantile(BOUNDARY, count - 1.0) * spread
}

/// The recipe "relative continuous benchmarking": base runs in the same job, and one number of
/// head may exceed that one number of base by 25 %.
pub(crate) fn relative_25(comparison: &Comparison<'_>) -> bool {
    mean(comparison.head) > mean(comparison.base) * (1.0 + RELATIVE_BOUNDARY)
}
