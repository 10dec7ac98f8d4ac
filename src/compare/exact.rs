//! Exact metrics: bytes and counts. Changed is changed, beyond relative *and* absolute tolerance
//! it counts; no statistics.

use crate::model::{Better, Change, Estimate, Tolerance, Verdict};

/// Judges two values that are known exactly.
pub fn judge(before: f64, now: f64, better: Better, tolerance: Tolerance) -> Verdict {
    let change = Change {
        worse_by: Estimate::exact(worse_by(before, now, better)),
    };
    let beyond_floor = (now - before).abs() > tolerance.floor;
    let relative = change.worse_by.point;
    if beyond_floor && relative > tolerance.relative {
        Verdict::Regressed(change)
    } else if beyond_floor && relative < -tolerance.relative {
        Verdict::Improved(change)
    } else {
        Verdict::Unchanged(change)
    }
}

/// The relative change in the direction of worse; growth from nothing is `f64::MAX`.
pub(super) fn worse_by(before: f64, now: f64, better: Better) -> f64 {
    let difference = match better {
        Better::Lower => now - before,
        Better::Higher => before - now,
    };
    if before > 0.0 {
        difference / before
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
