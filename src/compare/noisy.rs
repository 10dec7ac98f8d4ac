//! Noisy metrics: log ratios of paired blocks, in two stages.
//!
//! Stage one looks at every metric and either says *unchanged* or escalates; half of its blocks
//! are enough where that is plain. Stage two measures fresh blocks for what was escalated, and
//! only these accuse: looking twice at the same blocks would find what it went looking for. It
//! looks at half of them and at all of them, and the two looks share the false alarms that are
//! accepted. Over all escalated metrics of a pull request these hold by Holm's procedure.
//!
//! `cargo bench --bench verdicts` measures what each of these rules does on recorded traces.

use crate::model::{Better, Change, Estimate, Inconclusive, Samples, Tolerance, Verdict};

use super::estimate::{CONFIDENCE, Trimmed, detectable, relative};

/// False alarms accepted over all escalated metrics of a pull request. With the rules of [`Test`]
/// it raised none in 200,000 resampled comparisons of recorded endpoints with themselves, interleaved by
/// request; 0.005 is no better there, and loses a tenth of the slow-downs of 5 % at a spread of
/// 4 %.
pub const ALPHA: f64 = 0.01;
/// The part of [`ALPHA`] spent on the look at half of the fresh blocks: little, so that the last
/// look keeps its power, and enough for what is plainly slower.
pub const ALPHA_AT_HALF: f64 = 0.002;
/// The part of [`ALPHA`] left for the look at all fresh blocks.
pub const ALPHA_AT_END: f64 = ALPHA - ALPHA_AT_HALF;
/// The first stage is looked at half-way from this many planned blocks on: half of fewer is too
/// little for an interval.
pub const EARLY_LOOK_FROM: usize = 8;
/// The fresh blocks are looked at half-way from this many planned blocks on.
pub const FRESH_LOOK_FROM: usize = 12;
/// Fresh blocks of the default plan; what a run could have caught is said for them.
pub const PLANNED_FRESH_BLOCKS: usize = 16;
/// Blocks without which there is no interval worth showing.
pub const LEAST_BLOCKS: usize = 3;

/// The number of first-stage blocks after which what is unchanged already needs no more.
pub fn early_look(planned: usize) -> Option<usize> {
    (planned >= EARLY_LOOK_FROM).then_some(planned / 2)
}

/// The number of fresh blocks after which what is plainly slower or plainly not needs no more.
pub fn fresh_look(planned: usize) -> Option<usize> {
    (planned >= FRESH_LOOK_FROM).then_some(planned / 2)
}

/// The false alarms accepted at a look at `blocks` of `planned` fresh blocks.
fn alpha(blocks: usize, planned: usize) -> f64 {
    match fresh_look(planned) {
        None => ALPHA,
        Some(half) if blocks <= half => ALPHA_AT_HALF,
        Some(_) => ALPHA_AT_END,
    }
}

/// The blocks of one metric in both arms.
#[derive(Debug, Clone, Copy)]
pub struct Blocks<'a> {
    /// Base.
    pub base: &'a Samples,
    /// Head.
    pub head: &'a Samples,
}

impl Blocks<'_> {
    /// How many blocks both arms have.
    pub fn count(&self) -> usize {
        self.base.values().len().min(self.head.values().len())
    }

    /// Per block: the logarithm of head over base, positive when worse; or why there is none.
    pub fn log_ratios(&self, better: Better) -> Result<Vec<f64>, Inconclusive> {
        let (base, head) = (self.base.values(), self.head.values());
        if self.count() < LEAST_BLOCKS {
            return Err(Inconclusive::TooFewBlocks {
                have: self.count(),
                need: LEAST_BLOCKS,
            });
        }
        if base.len() != head.len() {
            return Err(Inconclusive::NotMeasured {
                why: format!("base has {} blocks and head {}", base.len(), head.len()),
            });
        }
        if let Some(at) =
            (base.iter().zip(head)).position(|(base, head)| *base <= 0.0 || *head <= 0.0)
        {
            return Err(Inconclusive::NotMeasured {
                why: format!("block {} has no value above zero in both arms", at + 1),
            });
        }
        let sign = match better {
            Better::Lower => 1.0,
            Better::Higher => -1.0,
        };
        // The difference of logarithms: a ratio of two finite numbers may not be finite.
        let ratio = |(base, head): (&f64, &f64)| sign * (head.ln() - base.ln());
        Ok(base.iter().zip(head).map(ratio).collect())
    }
}

/// What the first stage says.
#[derive(Debug, Clone, PartialEq)]
pub enum First {
    /// The answer needs no more blocks.
    Settled(Verdict),
    /// More blocks must decide.
    Escalated,
}

/// The first-stage blocks and what holds for them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FirstLook {
    /// The blocks.
    pub all: Trimmed,
    /// The absolute differences.
    pub difference: Option<Trimmed>,
    /// Whether they leave more room for a change than the tolerance.
    pub is_too_noisy: bool,
    /// Whether they rule out a change of the size of the tolerance.
    pub is_ruled_out: bool,
    /// Whether the difference could be beyond the floor.
    pub reaches_floor: bool,
    /// Whether they are better by more than tolerance and floor.
    pub is_better: bool,
}

/// Looks at the first-stage blocks; none where there are not even two.
pub fn first_look(
    blocks: Blocks<'_>,
    better: Better,
    tolerance: Tolerance,
) -> Result<Option<FirstLook>, Inconclusive> {
    let ratios = blocks.log_ratios(better)?;
    Ok(Trimmed::of_log_ratios(&ratios).map(|all| FirstLook {
        all,
        difference: differences(blocks),
        is_too_noisy: is_too_noisy(&all, tolerance),
        is_ruled_out: rules_out_a_change(&all, tolerance),
        reaches_floor: reaches_floor(blocks, tolerance),
        is_better: all.upper(CONFIDENCE) < -allowed(tolerance) && beyond_floor(blocks, tolerance),
    }))
}

/// Judges the first-stage blocks, all of them or half: what is settled at half-way saves the
/// rest, and at a spread of 2 % costs one in a thousand slow-downs of 5 %.
pub fn first_stage(blocks: Blocks<'_>, better: Better, tolerance: Tolerance) -> First {
    match first_look(blocks, better, tolerance) {
        Ok(Some(look)) => look.says(),
        Ok(None) => First::Escalated,
        Err(why) => First::Settled(Verdict::Inconclusive(why)),
    }
}

impl FirstLook {
    /// What follows.
    pub fn says(&self) -> First {
        if !self.is_ruled_out && self.reaches_floor {
            return First::Escalated;
        }
        let change = change_of(&self.all);
        // Surely better by more than the tolerance: a faster process of the same code is no news.
        First::Settled(if self.is_better {
            Verdict::Improved(change)
        } else {
            Verdict::Unchanged(change)
        })
    }
}

/// One escalated metric, ready for the second stage.
#[derive(Debug, Clone, Copy)]
pub struct Escalated<'a> {
    /// The first-stage blocks.
    pub first: Blocks<'a>,
    /// The fresh blocks, if they were measured.
    pub fresh: Option<Blocks<'a>>,
    /// The number of fresh blocks planned.
    pub planned: usize,
    /// Direction of the metric.
    pub better: Better,
    /// What a change must exceed.
    pub tolerance: Tolerance,
}

/// The test of one escalated metric: the numbers that led to its verdict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test {
    /// The fresh blocks, with a standard error no smaller than all blocks together suggest: eight
    /// or sixteen blocks are sometimes calm by luck.
    pub fresh: Trimmed,
    /// All blocks.
    pub all: Trimmed,
    /// Chance of an estimate this large without any change, one-sided.
    pub p: f64,
    /// False alarms accepted at this look, over all escalated metrics.
    pub accepted: f64,
    /// What Holm's procedure divides these by at the rank of this metric.
    pub open: usize,
    /// What `p` must not exceed.
    pub alpha: f64,
    /// Whether a change this large would be a rare accident, over all escalated metrics.
    pub is_significant: bool,
    /// The absolute differences of the fresh blocks.
    pub difference: Option<Trimmed>,
    /// Whether the fresh blocks say at least the tolerance.
    pub is_large: bool,
    /// Whether all blocks together say at least the tolerance.
    pub is_large_in_all: bool,
    /// Whether the typical difference is beyond the floor.
    pub is_beyond_floor: bool,
    /// Whether all blocks rule out a change of the size of the tolerance.
    pub is_ruled_out: bool,
    /// Whether the difference could be beyond the floor.
    pub reaches_floor: bool,
}

impl Test {
    /// Whether it says *regressed*: a rare accident without a change, large in both series, and
    /// beyond the floor.
    pub fn accuses(&self) -> bool {
        self.is_significant && self.is_large && self.is_large_in_all && self.is_beyond_floor
    }
}

/// A verdict of the second stage and the test behind it; none where there was nothing to test.
#[derive(Debug, Clone, PartialEq)]
pub struct Confirmed {
    /// The verdict.
    pub verdict: Verdict,
    /// The test.
    pub test: Option<Test>,
}

/// Judges all escalated metrics of a run together, in the order given.
pub fn second_stage(escalated: &[Escalated<'_>]) -> Vec<Confirmed> {
    let mut tests: Vec<Option<Test>> = escalated.iter().map(test).collect();
    holm(&mut tests);
    escalated
        .iter()
        .zip(tests)
        .map(|(metric, test)| Confirmed {
            verdict: confirm(metric, test.as_ref()),
            test,
        })
        .collect()
}

/// The test of one metric, before Holm's procedure.
fn test(metric: &Escalated<'_>) -> Option<Test> {
    let blocks = metric.fresh?;
    let mut ratios = blocks.log_ratios(metric.better).ok()?;
    let mut fresh = Trimmed::of_log_ratios(&ratios)?;
    let count = ratios.len();
    ratios.extend(metric.first.log_ratios(metric.better).ok()?);
    let all = Trimmed::of_log_ratios(&ratios)?;
    fresh.error = fresh.error.max(all.error_at(ratios.len(), count));
    let tolerance = metric.tolerance;
    let accepted = alpha(count, metric.planned);
    Some(Test {
        fresh,
        all,
        p: fresh.p_above_zero(),
        accepted,
        open: 1,
        alpha: accepted,
        is_significant: false,
        difference: differences(blocks),
        is_large: fresh.mean >= allowed(tolerance),
        is_large_in_all: all.mean >= allowed(tolerance),
        is_beyond_floor: beyond_floor(blocks, tolerance),
        is_ruled_out: rules_out_a_change(&all, tolerance),
        reaches_floor: reaches_floor(blocks, tolerance),
    })
}

fn confirm(metric: &Escalated<'_>, test: Option<&Test>) -> Verdict {
    let (Some(test), Some(blocks)) = (test, metric.fresh) else {
        let why = unconfirmed(metric.first, metric.better, metric.tolerance);
        return Verdict::Inconclusive(why);
    };
    if test.accuses() {
        return Verdict::Regressed(change_of(&test.fresh));
    }
    if test.is_ruled_out || !test.reaches_floor {
        return Verdict::Unchanged(change_of(&test.all));
    }
    let count = metric.first.count() + blocks.count();
    Verdict::Inconclusive(undecided(&test.all, count, metric.tolerance))
}

/// The answer to a suspicion without fresh blocks: there is none.
pub fn unconfirmed(first: Blocks<'_>, better: Better, tolerance: Tolerance) -> Inconclusive {
    let ratios = first.log_ratios(better);
    match ratios.map(|ratios| Trimmed::of_log_ratios(&ratios)) {
        Ok(Some(trimmed)) => undecided(&trimmed, first.count(), tolerance),
        Ok(None) => Inconclusive::TooFewBlocks {
            have: first.count(),
            need: LEAST_BLOCKS,
        },
        Err(why) => why,
    }
}

fn undecided(trimmed: &Trimmed, count: usize, tolerance: Tolerance) -> Inconclusive {
    let change = change_of(trimmed);
    if is_too_noisy(trimmed, tolerance) {
        Inconclusive::TooNoisy {
            change,
            detectable: caught_from(trimmed, count, tolerance),
            blocks: Some(blocks_needed(trimmed, count, tolerance)),
        }
    } else {
        Inconclusive::Undecided { change }
    }
}

/// Whether the blocks say *unchanged*: no change of the size of the tolerance fits them.
fn rules_out_a_change(trimmed: &Trimmed, tolerance: Tolerance) -> bool {
    trimmed.upper(CONFIDENCE) < allowed(tolerance) && !is_too_noisy(trimmed, tolerance)
}

/// Whether the blocks leave more room for a change than the tolerance does. Then a lucky estimate
/// must not pass for *unchanged*.
pub(super) fn is_too_noisy(trimmed: &Trimmed, tolerance: Tolerance) -> bool {
    trimmed.reach(CONFIDENCE) > allowed(tolerance)
}

/// Fresh blocks with which the room for a change would be half the tolerance: the standard error
/// shrinks with the root of their number.
fn blocks_needed(trimmed: &Trimmed, count: usize, tolerance: Tolerance) -> u32 {
    let excess = 2.0 * trimmed.reach(CONFIDENCE) / allowed(tolerance);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of blocks; what does not fit is a very large count"
    )]
    let blocks = (count as f64 * excess * excess).ceil() as u32;
    blocks
}

fn caught_from(trimmed: &Trimmed, count: usize, tolerance: Tolerance) -> f64 {
    let blocks = PLANNED_FRESH_BLOCKS;
    detectable(trimmed, count, blocks, tolerance.relative, ALPHA_AT_END)
}

/// The smallest slow-down this run would have caught in this metric.
pub fn detectable_in(blocks: Blocks<'_>, better: Better, tolerance: Tolerance) -> Option<f64> {
    let ratios = blocks.log_ratios(better).ok()?;
    let trimmed = Trimmed::of_log_ratios(&ratios)?;
    Some(caught_from(&trimmed, ratios.len(), tolerance))
}

/// What base against itself read like, and what that makes of a verdict: where identical code
/// may read as different by more than the tolerance, only a change that is surely larger than
/// that stands.
pub fn tempered(
    verdict: Verdict,
    control: Blocks<'_>,
    better: Better,
    tolerance: Tolerance,
) -> Verdict {
    let Some(own) = own_noise(control, better) else {
        return verdict;
    };
    let is_beyond = |change: &Change| change.worse_by.low > relative(own);
    let stands = match &verdict {
        Verdict::Inconclusive(_) => true,
        Verdict::Regressed(change) => is_beyond(change),
        Verdict::Improved(_) | Verdict::Unchanged(_) => false,
    };
    match verdict.change() {
        Some(change) if own > allowed(tolerance) && !stands => {
            Verdict::Inconclusive(Inconclusive::TooNoisy {
                change,
                detectable: relative(own),
                blocks: None,
            })
        }
        Some(_) | None => verdict,
    }
}

/// The largest difference, in log units, that identical code may well read as here.
pub fn own_noise(control: Blocks<'_>, better: Better) -> Option<f64> {
    let ratios = control.log_ratios(better).ok()?;
    let trimmed = Trimmed::of_log_ratios(&ratios)?;
    Some(trimmed.mean.abs() + trimmed.reach(CONFIDENCE))
}

/// The tolerance in log units.
pub fn allowed(tolerance: Tolerance) -> f64 {
    tolerance.relative.ln_1p()
}

/// Whether the typical absolute change exceeds the floor.
fn beyond_floor(blocks: Blocks<'_>, tolerance: Tolerance) -> bool {
    differences(blocks).is_some_and(|trimmed| trimmed.mean.abs() > tolerance.floor)
}

/// Whether the absolute change could exceed the floor, at the end of its interval.
fn reaches_floor(blocks: Blocks<'_>, tolerance: Tolerance) -> bool {
    differences(blocks).is_none_or(|trimmed| {
        let (low, high) = (trimmed.lower(CONFIDENCE), trimmed.upper(CONFIDENCE));
        low.abs().max(high.abs()) > tolerance.floor
    })
}

fn differences(blocks: Blocks<'_>) -> Option<Trimmed> {
    let pairs = blocks.base.values().iter().zip(blocks.head.values());
    let values: Vec<f64> = pairs.map(|(base, head)| head - base).collect();
    Trimmed::of(&values, 0.0)
}

/// A change in log units as a relative one.
pub fn change_of(trimmed: &Trimmed) -> Change {
    let interval = trimmed.interval();
    Change {
        worse_by: Estimate {
            point: relative(interval.point),
            low: relative(interval.low),
            high: relative(interval.high),
        },
    }
}

/// Holm's step-down procedure: divides what each look accepts by the number of hypotheses that
/// are still open at that rank, so that the chance of any false alarm stays below it. From the
/// first that does not hold on, none does.
///
/// Holm, S. (1979), "A simple sequentially rejective multiple test procedure".
fn holm(tests: &mut [Option<Test>]) {
    let count = tests.len();
    let mut order: Vec<&mut Test> = tests.iter_mut().flatten().collect();
    order.sort_by(|left, right| left.p.total_cmp(&right.p));
    let mut holds = true;
    for (rank, test) in order.into_iter().enumerate() {
        test.open = count - rank;
        #[expect(clippy::cast_precision_loss, reason = "a handful of metrics")]
        let open = test.open as f64;
        test.alpha = test.accepted / open;
        holds &= test.p <= test.alpha;
        test.is_significant = holds;
    }
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
                    planned: 16,
                    better: Better::Lower,
                    tolerance: TOLERANCE,
                };
                second_stage(&[escalated]).remove(0).verdict
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
            planned: 16,
            better: Better::Lower,
            tolerance: TOLERANCE,
        }]);
        assert!(matches!(verdict[0].verdict, Verdict::Inconclusive(_)));
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
        let significant = |p_values: &[f64]| {
            let test = |p: &f64| {
                let flat = Trimmed::of_log_ratios(&[0.0; 3]).unwrap();
                Some(Test {
                    fresh: flat,
                    all: flat,
                    p: *p,
                    accepted: 0.01,
                    open: 1,
                    alpha: 0.01,
                    is_significant: false,
                    difference: None,
                    is_large: true,
                    is_large_in_all: true,
                    is_beyond_floor: true,
                    is_ruled_out: false,
                    reaches_floor: true,
                })
            };
            let mut tests: Vec<Option<Test>> = p_values.iter().map(test).collect();
            holm(&mut tests);
            let all = tests.into_iter().flatten();
            all.map(|test| test.is_significant).collect::<Vec<_>>()
        };
        assert_eq!(significant(&[0.04, 0.001, 0.004]), [false, true, true]);
        assert_eq!(significant(&[0.006, 0.006]), [false, false]);
        assert_eq!(significant(&[0.0040, 0.0001, 0.0051]), [true, true, true]);
        assert!(significant(&[]).is_empty());
    }

    #[test]
    fn the_looks_spend_no_more_than_is_accepted() {
        assert_eq!((early_look(8), early_look(4)), (Some(4), None));
        assert_eq!((fresh_look(16), fresh_look(8)), (Some(8), None));
        assert!(alpha(8, 16) + alpha(16, 16) <= ALPHA);
        assert!(alpha(8, 8) <= ALPHA);
        // A block that does not count makes no look cheaper.
        assert!(alpha(7, 16) <= alpha(8, 16));
    }

    #[test]
    fn where_base_differs_from_itself_only_a_larger_change_stands() {
        let (base, same) = arms(8, 0.06, 0.01, 5);
        let control = Blocks {
            base: &base,
            head: &same,
        };
        let change = |worse: f64| Change {
            worse_by: Estimate {
                point: worse,
                low: worse - 0.01,
                high: worse + 0.01,
            },
        };
        let tempered = |verdict| tempered(verdict, control, Better::Lower, TOLERANCE);
        let stands = Verdict::Regressed(change(0.5));
        assert_eq!(tempered(stands.clone()), stands);
        for falls in [
            Verdict::Regressed(change(0.06)),
            Verdict::Unchanged(change(0.0)),
        ] {
            assert!(matches!(
                tempered(falls),
                Verdict::Inconclusive(Inconclusive::TooNoisy { .. })
            ));
        }
    }
}
