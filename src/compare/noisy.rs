//! Noisy metrics: log ratios of paired blocks, in two stages.
//!
//! Stage one looks at every metric and either says *unchanged* or escalates. Stage two measures
//! fresh blocks for what was escalated, and only these decide: looking twice at the same blocks
//! would find what it went looking for. The false-alarm rate holds over all escalated metrics of
//! a pull request by Holm's procedure.

use crate::model::{Better, Change, Estimate, Inconclusive, Samples, Tolerance, Verdict};

use super::estimate::{Trimmed, detectable};

/// False alarms accepted over all escalated metrics of a pull request.
pub const ALPHA: f64 = 0.01;
/// Fresh blocks the default plan would decide on; what a run could have caught is said for them.
pub const PLANNED_FRESH_BLOCKS: usize = 16;
/// Blocks without which there is no interval worth showing.
pub const LEAST_BLOCKS: usize = 3;

/// The blocks of one metric in both arms.
#[derive(Debug, Clone, Copy)]
pub struct Blocks<'a> {
    /// Base.
    pub base: &'a Samples,
    /// Head.
    pub head: &'a Samples,
}

/// Per block: the logarithm of head over base, positive when worse. None where a value is not
/// above zero or the arms do not line up.
fn log_ratios(blocks: Blocks<'_>, better: Better) -> Option<Vec<f64>> {
    let (base, head) = (blocks.base.values(), blocks.head.values());
    if base.len() != head.len() || base.iter().chain(head).any(|value| *value <= 0.0) {
        return None;
    }
    let sign = match better {
        Better::Lower => 1.0,
        Better::Higher => -1.0,
    };
    let ratio = |(base, head): (&f64, &f64)| sign * (head / base).ln();
    Some(base.iter().zip(head).map(ratio).collect())
}

/// What the first stage says.
#[derive(Debug, Clone, PartialEq)]
pub enum First {
    /// The answer needs no more blocks.
    Settled(Verdict),
    /// Fresh blocks must decide.
    Escalated,
}

/// Judges the first-stage blocks.
pub fn first_stage(blocks: Blocks<'_>, better: Better, tolerance: Tolerance) -> First {
    let ratios = match usable(blocks, better) {
        Ok(ratios) => ratios,
        Err(why) => return First::Settled(Verdict::Inconclusive(why)),
    };
    let Some(trimmed) = Trimmed::of_log_ratios(&ratios) else {
        return First::Escalated;
    };
    let is_settled = trimmed.upper() < allowed(tolerance) && !is_too_noisy(&trimmed, tolerance);
    if !is_settled && reaches_floor(blocks, tolerance) {
        return First::Escalated;
    }
    let change = change_of(&trimmed);
    // Surely better by more than the tolerance: a faster process of the same code is no news.
    if trimmed.upper() < -allowed(tolerance) && beyond_floor(blocks, tolerance) {
        return First::Settled(Verdict::Improved(change));
    }
    First::Settled(Verdict::Unchanged(change))
}

/// One escalated metric, ready for the second stage.
#[derive(Debug)]
pub struct Escalated<'a> {
    /// The first-stage blocks.
    pub first: Blocks<'a>,
    /// The fresh blocks, if they were measured.
    pub fresh: Option<Blocks<'a>>,
    /// Direction of the metric.
    pub better: Better,
    /// What a change must exceed.
    pub tolerance: Tolerance,
}

/// Judges all escalated metrics of a run together, in the order given.
pub fn second_stage(escalated: &[Escalated<'_>]) -> Vec<Verdict> {
    let tests: Vec<Option<Trimmed>> = escalated
        .iter()
        .map(|metric| Trimmed::of_log_ratios(&usable(metric.fresh?, metric.better).ok()?))
        .collect();
    let p_values: Vec<f64> = tests
        .iter()
        .map(|test| test.map_or(1.0, |trimmed| trimmed.p_above_zero()))
        .collect();
    let significant = holm(&p_values, ALPHA);
    escalated
        .iter()
        .zip(tests.iter().zip(significant))
        .map(|(metric, (test, significant))| confirm(metric, test.as_ref(), significant))
        .collect()
}

fn confirm(metric: &Escalated<'_>, fresh: Option<&Trimmed>, significant: bool) -> Verdict {
    let tolerance = metric.tolerance;
    let (Some(fresh), Some(fresh_blocks)) = (fresh, metric.fresh) else {
        return without_confirmation(metric);
    };
    if significant && fresh.mean >= allowed(tolerance) && beyond_floor(fresh_blocks, tolerance) {
        return Verdict::Regressed(change_of(fresh));
    }
    let (all, count) = all_ratios(metric).unwrap_or((*fresh, fresh_blocks.head.values().len()));
    let is_settled = all.upper() < allowed(tolerance) && !is_too_noisy(&all, tolerance);
    if is_settled || !reaches_floor(fresh_blocks, tolerance) {
        return Verdict::Unchanged(change_of(&all));
    }
    undecided(&all, count, tolerance)
}

fn without_confirmation(metric: &Escalated<'_>) -> Verdict {
    let first = usable(metric.first, metric.better);
    match first.map(|ratios| Trimmed::of_log_ratios(&ratios)) {
        Ok(Some(trimmed)) => {
            undecided(&trimmed, metric.first.head.values().len(), metric.tolerance)
        }
        Ok(None) | Err(_) => Verdict::Inconclusive(Inconclusive::TooFewBlocks {
            have: metric.first.head.values().len(),
            need: LEAST_BLOCKS,
        }),
    }
}

fn undecided(trimmed: &Trimmed, count: usize, tolerance: Tolerance) -> Verdict {
    let change = change_of(trimmed);
    Verdict::Inconclusive(if is_too_noisy(trimmed, tolerance) {
        Inconclusive::TooNoisy {
            change,
            detectable: caught_from(trimmed, count, tolerance),
        }
    } else {
        Inconclusive::Undecided { change }
    })
}

/// Whether the blocks leave more room for a change than the tolerance does. Then a lucky estimate
/// must not pass for *unchanged*.
fn is_too_noisy(trimmed: &Trimmed, tolerance: Tolerance) -> bool {
    trimmed.upper() - trimmed.mean > allowed(tolerance)
}

fn caught_from(trimmed: &Trimmed, count: usize, tolerance: Tolerance) -> f64 {
    let blocks = PLANNED_FRESH_BLOCKS;
    detectable(trimmed, count, blocks, tolerance.relative, ALPHA)
}

fn all_ratios(metric: &Escalated<'_>) -> Option<(Trimmed, usize)> {
    let mut ratios = log_ratios(metric.first, metric.better)?;
    ratios.extend(log_ratios(metric.fresh?, metric.better)?);
    Some((Trimmed::of_log_ratios(&ratios)?, ratios.len()))
}

fn usable(blocks: Blocks<'_>, better: Better) -> Result<Vec<f64>, Inconclusive> {
    let have = blocks.base.values().len().min(blocks.head.values().len());
    if have < LEAST_BLOCKS {
        return Err(Inconclusive::TooFewBlocks {
            have,
            need: LEAST_BLOCKS,
        });
    }
    log_ratios(blocks, better).ok_or_else(|| Inconclusive::NotMeasured {
        why: "a block has no value above zero, or the arms do not have the same blocks".to_owned(),
    })
}

/// The smallest slow-down this run would have caught in this metric.
pub fn detectable_in(blocks: Blocks<'_>, better: Better, tolerance: Tolerance) -> Option<f64> {
    let ratios = log_ratios(blocks, better)?;
    let trimmed = Trimmed::of_log_ratios(&ratios)?;
    Some(caught_from(&trimmed, ratios.len(), tolerance))
}

/// The tolerance in log units.
fn allowed(tolerance: Tolerance) -> f64 {
    tolerance.relative.ln_1p()
}

/// Whether the typical absolute change exceeds the floor.
fn beyond_floor(blocks: Blocks<'_>, tolerance: Tolerance) -> bool {
    differences(blocks).is_some_and(|trimmed| trimmed.mean.abs() > tolerance.floor)
}

/// Whether the absolute change could exceed the floor, at the end of its interval.
fn reaches_floor(blocks: Blocks<'_>, tolerance: Tolerance) -> bool {
    differences(blocks)
        .is_none_or(|trimmed| trimmed.upper().abs().max(trimmed.lower().abs()) > tolerance.floor)
}

fn differences(blocks: Blocks<'_>) -> Option<Trimmed> {
    let pairs = blocks.base.values().iter().zip(blocks.head.values());
    let values: Vec<f64> = pairs.map(|(base, head)| head - base).collect();
    Trimmed::of(&values, 0.0)
}

fn change_of(trimmed: &Trimmed) -> Change {
    let interval = trimmed.interval();
    Change {
        worse_by: Estimate {
            point: interval.point.exp_m1(),
            low: interval.low.exp_m1(),
            high: interval.high.exp_m1(),
        },
    }
}

/// Holm's step-down procedure: which hypotheses may be rejected when the chance of any false
/// rejection must stay below `alpha`.
fn holm(p_values: &[f64], alpha: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|left, right| p_values[*left].total_cmp(&p_values[*right]));
    let mut rejected = vec![false; p_values.len()];
    for (rank, index) in order.into_iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a handful of metrics")]
        let left = (p_values.len() - rank) as f64;
        if p_values[index] > alpha / left {
            break;
        }
        rejected[index] = true;
    }
    rejected
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLERANCE: Tolerance = Tolerance {
        relative: 0.03,
        floor: 0.3,
    };

    fn samples(values: &[f64]) -> Samples {
        Samples::new(values.to_vec()).unwrap()
    }

    fn arms(count: usize, slow: f64, spread: f64, seed: u64) -> (Samples, Samples) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut arm = |factor: f64| {
            let values = (0..count).map(|_| 10.0 * factor * (1.0 + spread * (random.f64() - 0.5)));
            Samples::new(values.collect()).unwrap()
        };
        (arm(1.0), arm(1.0 + slow))
    }

    fn judge(slow: f64, spread: f64, seed: u64) -> Verdict {
        let (base, head) = arms(8, slow, spread, seed);
        let (fresh_base, fresh_head) = arms(16, slow, spread, seed + 1_000_000);
        let first = Blocks {
            base: &base,
            head: &head,
        };
        match first_stage(first, Better::Lower, TOLERANCE) {
            First::Settled(verdict) => verdict,
            First::Escalated => {
                let fresh = Some(Blocks {
                    base: &fresh_base,
                    head: &fresh_head,
                });
                let escalated = Escalated {
                    first,
                    fresh,
                    better: Better::Lower,
                    tolerance: TOLERANCE,
                };
                second_stage(&[escalated]).remove(0)
            }
        }
    }

    #[test]
    fn unchanged_code_is_never_called_slower() {
        for seed in 0..500 {
            let verdict = judge(0.0, 0.06, seed);
            assert!(!matches!(verdict, Verdict::Regressed(_)), "seed {seed}");
        }
    }

    #[test]
    fn ten_per_cent_is_always_called_slower() {
        for seed in 0..200 {
            let verdict = judge(0.10, 0.04, seed);
            assert!(
                matches!(verdict, Verdict::Regressed(_)),
                "seed {seed}: {verdict:?}"
            );
        }
    }

    #[test]
    fn ten_per_cent_faster_is_an_improvement() {
        assert!(matches!(judge(-0.10, 0.02, 7), Verdict::Improved(_)));
    }

    #[test]
    fn a_large_relative_change_below_the_floor_is_no_regression() {
        let base = samples(&[0.10, 0.11, 0.10, 0.10, 0.11, 0.10, 0.10, 0.11]);
        let head = samples(&[0.20, 0.21, 0.20, 0.20, 0.21, 0.20, 0.20, 0.21]);
        let blocks = Blocks {
            base: &base,
            head: &head,
        };
        let first = first_stage(blocks, Better::Lower, TOLERANCE);
        assert!(matches!(first, First::Settled(Verdict::Unchanged(_))));
    }

    #[test]
    fn suspicion_without_fresh_blocks_is_inconclusive() {
        let (base, head) = arms(8, 0.2, 0.01, 3);
        let first = Blocks {
            base: &base,
            head: &head,
        };
        let verdict = second_stage(&[Escalated {
            first,
            fresh: None,
            better: Better::Lower,
            tolerance: TOLERANCE,
        }]);
        assert!(matches!(verdict[0], Verdict::Inconclusive(_)));
    }

    #[test]
    fn zero_too_few_and_unequal_blocks_have_a_reason() {
        let zero = samples(&[0.0; 8]);
        let one = samples(&[1.0; 8]);
        let two = samples(&[1.0; 2]);
        for (base, head) in [(&zero, &one), (&one, &two), (&two, &two)] {
            let blocks = Blocks { base, head };
            let first = first_stage(blocks, Better::Lower, TOLERANCE);
            assert!(
                matches!(first, First::Settled(Verdict::Inconclusive(_))),
                "{first:?}"
            );
        }
    }

    #[test]
    fn holm_stops_at_the_first_that_does_not_hold() {
        assert_eq!(holm(&[0.04, 0.001, 0.004], 0.01), vec![false, true, true]);
        assert_eq!(holm(&[0.006, 0.006], 0.01), vec![false, false]);
        assert_eq!(holm(&[], 0.01), Vec::<bool>::new());
    }
}
