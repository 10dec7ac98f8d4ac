//! Exact metrics: bytes and counts. Changed is changed, beyond relative *and* absolute tolerance
//! it counts; no statistics.

use crate::model::account::Values;
use crate::model::{Better, Change, Estimate, Tolerance, Verdict};

/// Judges two values that are known exactly.
pub fn judge(before: f64, now: f64, better: Better, tolerance: Tolerance) -> Verdict {
    let change = change(before, now, better);
    let values = weigh(before, now, better, tolerance);
    if !(values.is_beyond_floor && values.is_beyond_tolerance) {
        Verdict::Unchanged(change)
    } else if change.worse_by.point > 0.0 {
        Verdict::Regressed(change)
    } else {
        Verdict::Improved(change)
    }
}

/// The two values against both tolerances.
pub(super) fn weigh(before: f64, now: f64, better: Better, tolerance: Tolerance) -> Values {
    let difference = now - before;
    let relative = change(before, now, better).worse_by.point;
    Values {
        before,
        now,
        difference,
        is_beyond_floor: difference.abs() > tolerance.floor,
        is_beyond_tolerance: relative.abs() > tolerance.relative,
    }
}

fn change(before: f64, now: f64, better: Better) -> Change {
    Change {
        worse_by: Estimate::exact(worse_by(before, now, better)),
    }
}

/// The relative change in the direction of worse; growth from nothing is `f64::MAX`,
/// as is what is larger than that.
pub(super) fn worse_by(before: f64, now: f64, better: Better) -> f64 {
    let difference = match better {
        Better::Lower => now - before,
        Better::Higher => before - now,
    };
    if before > 0.0 {
        (difference / before).clamp(-f64::MAX, f64::MAX)
    } else if difference > 0.0 {
        f64::MAX
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLERANCE: Tolerance = Tolerance {
        relative: 0.01,
        floor: 1000.0,
    };

    #[test]
    fn both_tolerances_must_be_exceeded() {
        let judged = |before, now| judge(before, now, Better::Lower, TOLERANCE);
        assert!(matches!(
            judged(1_000_000.0, 1_005_000.0),
            Verdict::Unchanged(_)
        ));
        assert!(matches!(judged(10_000.0, 10_900.0), Verdict::Unchanged(_)));
        assert!(matches!(judged(10_000.0, 11_100.0), Verdict::Regressed(_)));
        assert!(matches!(judged(11_100.0, 10_000.0), Verdict::Improved(_)));
    }

    #[test]
    fn the_direction_of_the_metric_counts() {
        let verdict = judge(20_000.0, 10_000.0, Better::Higher, TOLERANCE);
        assert!(matches!(verdict, Verdict::Regressed(_)));
    }

    #[test]
    fn growth_from_nothing_is_a_regression() {
        assert!(matches!(
            judge(0.0, 5000.0, Better::Lower, TOLERANCE),
            Verdict::Regressed(_)
        ));
        assert!(matches!(
            judge(0.0, 0.0, Better::Lower, TOLERANCE),
            Verdict::Unchanged(_)
        ));
    }
}
