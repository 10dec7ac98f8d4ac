//! perfgate: a budget on the median of head over the median of a baseline.
//!
//! Written again from its design document: a regression is `(current − baseline) / baseline`,
//! the default threshold is 0.20, and only a regression above it fails. (From nine tenths of the
//! threshold on it warns; a warning is not counted here. Its significance test is off unless
//! asked for.)

use super::Comparison;
use super::numbers::median;

/// The default budget.
const THRESHOLD: f64 = 0.20;

/// Whether the budget is exceeded.
pub(crate) fn budget_20(comparison: &Comparison<'_>) -> bool {
    let baseline = median(comparison.base);
    (median(comparison.head) - baseline) / baseline > THRESHOLD
}
