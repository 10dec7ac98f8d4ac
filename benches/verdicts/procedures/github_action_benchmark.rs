//! github-action-benchmark: one number against the one stored by the previous run.
//!
//! Written again from its documented inputs, not from its code.

use super::Comparison;

/// The default of `alert-threshold`: 200 %.
const DEFAULT: f64 = 2.0;
/// The threshold that many projects set to see anything at all: 110 %.
const STRICT: f64 = 1.1;

/// The default: twice the previous number.
pub(crate) fn at_200(comparison: &Comparison<'_>) -> bool {
    ratio(comparison) > DEFAULT
}

/// A tenth more than the previous number.
pub(crate) fn at_110(comparison: &Comparison<'_>) -> bool {
    ratio(comparison) > STRICT
}

/// Two zeros count as equal.
fn ratio(comparison: &Comparison<'_>) -> f64 {
    let (previous, current) = (comparison.previous, comparison.current);
    if previous <= 0.0 && current <= 0.0 {
        1.0
    } else {
        current / previous
    }
}
