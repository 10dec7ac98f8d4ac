//! Absolute targets: judged on head alone, with the interval and not the point.

use crate::model::{Better, BudgetVerdict, Estimate, Target};

/// How head stands to `limit`. `base` is the same metric of base, where it was measured.
pub fn judge(limit: f64, better: Better, now: Option<Estimate>, base: Option<Estimate>) -> Target {
    let verdict = match now.map(|now| side(limit, better, now)) {
        None => BudgetVerdict::NotMeasured,
        Some(Side::Inside) => BudgetVerdict::Met,
        Some(Side::Across) => BudgetVerdict::Undecided,
        Some(Side::Outside) => match base.map(|base| side(limit, better, base)) {
            Some(Side::Outside) => BudgetVerdict::MissedByBaseToo,
            Some(Side::Inside | Side::Across) | None => BudgetVerdict::Missed,
        },
    };
    Target { limit, verdict }
}

enum Side {
    Inside,
    Across,
    Outside,
}

fn side(limit: f64, better: Better, value: Estimate) -> Side {
    let (best, worst) = match better {
        Better::Lower => (value.low - limit, value.high - limit),
        Better::Higher => (limit - value.high, limit - value.low),
    };
    if worst <= 0.0 {
        Side::Inside
    } else if best > 0.0 {
        Side::Outside
    } else {
        Side::Across
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(low: f64, high: f64) -> Option<Estimate> {
        Some(Estimate {
            point: f64::midpoint(low, high),
            low,
            high,
        })
    }

    #[test]
    fn the_whole_interval_decides() {
        let verdict = |now| judge(200.0, Better::Lower, now, None).verdict;
        assert_eq!(verdict(between(100.0, 199.0)), BudgetVerdict::Met);
        assert_eq!(verdict(between(190.0, 210.0)), BudgetVerdict::Undecided);
        assert_eq!(verdict(between(201.0, 210.0)), BudgetVerdict::Missed);
        assert_eq!(verdict(None), BudgetVerdict::NotMeasured);
    }

    #[test]
    fn what_base_missed_too_is_said_apart() {
        let target = judge(
            200.0,
            Better::Lower,
            between(250.0, 260.0),
            between(240.0, 250.0),
        );
        assert_eq!(target.verdict, BudgetVerdict::MissedByBaseToo);
    }

    #[test]
    fn more_is_better_for_throughput() {
        let target = judge(10.0, Better::Higher, between(8.0, 9.0), None);
        assert_eq!(target.verdict, BudgetVerdict::Missed);
        let target = judge(10.0, Better::Higher, between(12.0, 14.0), None);
        assert_eq!(target.verdict, BudgetVerdict::Met);
    }
}
