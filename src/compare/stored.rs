//! Noisy metrics against stored runs: another night, perhaps another machine.
//!
//! A stored run of another class of machine says nothing about a noisy metric. Runs of the same
//! class give a range of what is usual, and head outside of it is worth a warning; never more,
//! because the day, the neighbours and the kernel are not the same. On public histories of code
//! that never changed, rules that fail on such numbers alarm on 13 to 16 % of points.
//!
//! Must not judge exact metrics: these are the same on every machine.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::estimate::relative;
use super::noisy::allowed;
use super::{Policy, is_noisy};
use crate::model::account::{ByStored, StoredValue, UsualRange};
use crate::model::{
    Better, Change, Class, Estimate, Inconclusive, MetricId, Reference, Run, Samples, StoredRange,
    Tolerance, Verdict,
};

/// Stored runs of the same class of machine without which there is no range.
pub const LEAST_RUNS: usize = 5;
/// The certainty of the range on each side: one false warning in a thousand looks.
pub const CERTAINTY: f64 = 0.999;
/// The smallest spread believed of stored runs, in log units: a few equal nights are luck.
pub const LEAST_SPREAD: f64 = 0.005;
/// Makes the median absolute deviation the standard deviation of a normal distribution.
pub(super) const MAD_TO_SPREAD: f64 = 1.4826;

/// A verdict against stored runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// What is usual, where there are enough runs.
    pub range: Option<StoredRange>,
}

/// Judges a noisy metric of head against stored runs. None where it is not noisy, where head has
/// no number, or where base was measured in the same run.
pub(super) fn judge(
    id: &MetricId,
    head: &Run,
    reference: &Reference,
    policy: &Policy,
) -> Option<Judged> {
    let (now, series, tolerance) = case(id, head, reference, policy)?;
    Some(match same_class(id, head, series) {
        Ok(runs) => {
            let values: Vec<f64> = runs.iter().map(|(_, value)| *value).collect();
            against(&values, median(now.values()), id.metric.better(), tolerance)
        }
        Err(why) => Judged {
            verdict: Verdict::Inconclusive(why),
            range: None,
        },
    })
}

/// The runs and the range behind the verdict of [`judge`].
pub(super) fn account(
    id: &MetricId,
    head: &Run,
    reference: &Reference,
    policy: &Policy,
) -> Option<ByStored> {
    let (now, series, tolerance) = case(id, head, reference, policy)?;
    let runs = of_class(id, head, series);
    let values: Vec<f64> = runs.iter().map(|(_, value)| *value).collect();
    let now = median(now.values());
    let range = (same_class(id, head, series).ok())
        .and_then(|_| Range::of(&values, now, id.metric.better(), tolerance))
        .map(|range| UsualRange {
            usual: range.usual(),
            spread: range.spread,
            certainty: CERTAINTY,
            quantile: range.quantile,
            reach: relative(range.reach),
            now,
            is_large: range.is_large,
            is_outside: range.is_outside(),
            is_too_noisy: range.is_too_noisy,
        });
    Some(ByStored {
        machine: head.machine.class(),
        others: with_metric(id, series).count() - runs.len(),
        runs: runs
            .into_iter()
            .map(|(run, value)| StoredValue {
                revision: run.revision.clone(),
                measured_at: run.measured_at.clone(),
                value,
            })
            .collect(),
        range,
    })
}

/// Head's samples, the stored runs and the tolerance, where this metric is judged by them.
fn case<'a>(
    id: &MetricId,
    head: &'a Run,
    reference: &'a Reference,
    policy: &Policy,
) -> Option<(&'a Samples, &'a [Run], Tolerance)> {
    let Reference::Stored {
        baseline, series, ..
    } = reference
    else {
        return None;
    };
    let now = head.samples.get(id)?;
    let tolerance = policy.tolerance(id)?;
    let noisy = match baseline.run.samples.get(id) {
        Some(stored) => is_noisy(id, stored, now, policy),
        None => id.metric.class() == Class::Noisy,
    };
    noisy.then_some((now, series, tolerance))
}

fn with_metric<'a>(id: &MetricId, series: &'a [Run]) -> impl Iterator<Item = &'a Run> {
    series.iter().filter(|run| run.samples.contains_key(id))
}

/// The stored runs of this class of machine, with the median of each run's blocks.
fn of_class<'a>(id: &MetricId, head: &Run, series: &'a [Run]) -> Vec<(&'a Run, f64)> {
    let class = head.machine.class();
    with_metric(id, series)
        .filter(|run| run.machine.class() == class)
        .map(|run| (run, median(run.samples[id].values())))
        .collect()
}

/// The same, where they are enough for a range.
fn same_class<'a>(
    id: &MetricId,
    head: &Run,
    series: &'a [Run],
) -> Result<Vec<(&'a Run, f64)>, Inconclusive> {
    let same = of_class(id, head, series);
    match (same.len(), with_metric(id, series).next()) {
        (0, None) => Err(Inconclusive::NewMetric),
        (0, Some(other)) => Err(Inconclusive::OtherMachine {
            stored: other.machine.class(),
        }),
        (have, _) if have < LEAST_RUNS => Err(Inconclusive::TooFewRuns {
            have,
            need: LEAST_RUNS,
        }),
        _ => Ok(same),
    }
}

/// Judges one value against at least two stored ones.
pub fn against(stored: &[f64], now: f64, better: Better, tolerance: Tolerance) -> Judged {
    let Some(range) = Range::of(stored, now, better, tolerance) else {
        return Judged {
            verdict: Verdict::Inconclusive(Inconclusive::NotMeasured {
                why: "a stored run or head has no value above zero".to_owned(),
            }),
            range: None,
        };
    };
    let change = Change {
        worse_by: Estimate {
            point: relative(range.worse),
            low: relative(range.worse - range.reach),
            high: relative(range.worse + range.reach),
        },
    };
    let verdict = if range.is_outside() && range.is_large && range.worse > 0.0 {
        Verdict::Regressed(change)
    } else if range.is_outside() && range.is_large {
        Verdict::Improved(change)
    } else if range.is_too_noisy {
        Verdict::Inconclusive(Inconclusive::TooNoisy {
            change,
            detectable: relative(range.reach),
            blocks: None,
        })
    } else {
        Verdict::Unchanged(change)
    };
    Judged {
        verdict,
        range: Some(StoredRange {
            runs: stored.len(),
            usual: range.usual(),
        }),
    }
}

/// How far one more run may be from the median of the stored ones: the prediction interval of
/// Student's t with a spread from the median absolute deviation. In log units.
#[derive(Debug, Clone, Copy)]
struct Range {
    center: f64,
    spread: f64,
    quantile: f64,
    reach: f64,
    /// How far head is from the median, positive when worse.
    worse: f64,
    /// Whether that is beyond tolerance and floor.
    is_large: bool,
    /// Whether the range is wider than the tolerance.
    is_too_noisy: bool,
}

impl Range {
    /// None where there is a value that has no logarithm.
    fn of(stored: &[f64], now: f64, better: Better, tolerance: Tolerance) -> Option<Self> {
        if now <= 0.0 || stored.iter().any(|value| *value <= 0.0) {
            return None;
        }
        let logs: Vec<f64> = stored.iter().map(|value| value.ln()).collect();
        let center = median(&logs);
        let deviations: Vec<f64> = logs.iter().map(|value| (value - center).abs()).collect();
        let spread = (MAD_TO_SPREAD * median(&deviations)).max(LEAST_SPREAD);
        #[expect(clippy::cast_precision_loss, reason = "a count of nights")]
        let count = logs.len() as f64;
        let quantile = StudentsT::new(0.0, 1.0, count - 1.0)
            .map_or(f64::INFINITY, |student| student.inverse_cdf(CERTAINTY));
        let reach = quantile * spread * (1.0 + 1.0 / count).sqrt();
        let sign = match better {
            Better::Lower => 1.0,
            Better::Higher => -1.0,
        };
        let worse: f64 = sign * (now.ln() - center);
        Some(Self {
            center,
            spread,
            quantile,
            reach,
            worse,
            is_large: worse.abs() >= allowed(tolerance)
                && (now - center.exp()).abs() > tolerance.floor,
            is_too_noisy: reach > allowed(tolerance),
        })
    }

    fn is_outside(&self) -> bool {
        self.worse.abs() > self.reach
    }

    fn usual(&self) -> Estimate {
        Estimate {
            point: self.center.exp(),
            low: (self.center - self.reach).exp(),
            high: (self.center + self.reach).exp().min(f64::MAX),
        }
    }
}

/// The middle value; the mean of the two in the middle. Zero of nothing.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (Some(upper), 0) => f64::midpoint(sorted[middle - 1], *upper),
        (Some(middle), _) => *middle,
        (None, _) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLERANCE: Tolerance = Tolerance {
        relative: 0.03,
        floor: 0.3,
    };
    const NIGHTS: [f64; 8] = [10.0, 10.05, 9.95, 10.02, 9.98, 10.01, 10.0, 9.97];

    fn verdict(now: f64, better: Better) -> Verdict {
        against(&NIGHTS, now, better, TOLERANCE).verdict
    }

    #[test]
    fn outside_of_what_is_usual_is_worse_or_better() {
        assert!(matches!(
            verdict(10.1, Better::Lower),
            Verdict::Unchanged(_)
        ));
        assert!(matches!(
            verdict(11.0, Better::Lower),
            Verdict::Regressed(_)
        ));
        assert!(matches!(verdict(9.0, Better::Lower), Verdict::Improved(_)));
        assert!(matches!(
            verdict(9.0, Better::Higher),
            Verdict::Regressed(_)
        ));
    }

    #[test]
    fn nights_that_differ_cannot_say_unchanged() {
        let nights = [10.0, 12.0, 9.0, 11.0, 8.5, 10.5];
        let judged = against(&nights, 10.2, Better::Lower, TOLERANCE);
        assert!(matches!(
            judged.verdict,
            Verdict::Inconclusive(Inconclusive::TooNoisy { .. })
        ));
    }

    #[test]
    fn equal_nights_still_have_a_spread() {
        let judged = against(&[10.0; 6], 10.05, Better::Lower, TOLERANCE);
        assert!(matches!(
            judged.verdict,
            Verdict::Unchanged(_) | Verdict::Inconclusive(_)
        ));
        let range = judged.range.unwrap();
        assert!(range.usual.low < 10.0 && 10.0 < range.usual.high);
    }

    #[test]
    fn zero_has_a_reason() {
        let judged = against(&NIGHTS, 0.0, Better::Lower, TOLERANCE);
        assert!(matches!(
            judged.verdict,
            Verdict::Inconclusive(Inconclusive::NotMeasured { .. })
        ));
    }

    #[test]
    fn the_median_of_even_and_odd_counts() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-12);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-12);
    }
}
