//! How a verdict came about: the numbers that [`compare`](super::compare) used, laid out.
//!
//! Every number comes from the functions that judge. Must not make a verdict of its own.

use std::collections::BTreeMap;

use super::estimate::{CONFIDENCE, Trimmed, relative};
use super::noisy::{self, Blocks, Confirmed, First};
use super::{
    NO_LIMIT, Policy, Way, blocks_of, confirm, control_of, exact, finite, judge, metrics, stored,
    way,
};
use crate::model::account::{
    Account, Basis, Block, ByBlocks, Control, FirstStage, Follows, FreshTest, Look, SecondStage,
    Series,
};
use crate::model::{
    Better, Class, Contention, Estimate, MetricId, Reference, Run, Samples, Subject, Tolerance,
    Verdict,
};

/// The verdict of one metric and the numbers behind it; none where there is nothing to say about
/// such a metric.
pub fn account(
    id: &MetricId,
    head: &Run,
    reference: &Reference,
    policy: &Policy,
) -> Option<Account> {
    if !metrics(head, reference, policy).contains(id) {
        return None;
    }
    let confirmed = match reference {
        Reference::Paired(base) => confirm(base, head, policy),
        Reference::Stored { .. } | Reference::Targets { .. } => BTreeMap::new(),
    };
    Some(Account {
        basis: basis(id, head, reference, policy, &confirmed),
        comparison: judge(id.clone(), head, reference, policy, &confirmed),
    })
}

fn basis(
    id: &MetricId,
    head: &Run,
    reference: &Reference,
    policy: &Policy,
    confirmed: &BTreeMap<MetricId, Confirmed>,
) -> Basis {
    if let Some(stored) = stored::account(id, head, reference, policy) {
        return Basis::Stored(Box::new(stored));
    }
    let better = id.metric.better();
    let values = |earlier: &Samples, now: &Samples, tolerance| {
        Basis::Values(exact::weigh(earlier.mean(), now.mean(), better, tolerance))
    };
    match (way(id, head, reference, policy), reference) {
        (
            Way::Exact {
                earlier,
                now,
                tolerance,
            },
            _,
        ) => values(earlier, now, tolerance),
        (
            Way::Shown {
                earlier: Some(earlier),
                now,
            },
            _,
        ) => values(earlier, now, NO_LIMIT),
        (Way::Noisy { blocks, tolerance }, Reference::Paired(base)) => {
            let arms = Arms {
                id,
                base,
                head,
                better,
                tolerance,
            };
            Basis::Blocks(Box::new(arms.account(blocks, policy, confirmed)))
        }
        (
            Way::Missing | Way::Nothing(_) | Way::Shown { earlier: None, .. } | Way::Noisy { .. },
            _,
        ) => Basis::Nothing,
    }
}

/// Both arms of one metric that is judged by blocks.
struct Arms<'a> {
    id: &'a MetricId,
    base: &'a Run,
    head: &'a Run,
    better: Better,
    tolerance: Tolerance,
}

impl Arms<'_> {
    fn account(
        &self,
        first: Blocks<'_>,
        policy: &Policy,
        confirmed: &BTreeMap<MetricId, Confirmed>,
    ) -> ByBlocks {
        let fresh = blocks_of(self.id, &self.base.confirmation, &self.head.confirmation);
        let own = confirmed.get(self.id);
        let mut unplaced = Vec::new();
        let mut blocks = self.rows(first, false, &mut unplaced);
        if let (Some(fresh), Some(_)) = (fresh, own) {
            blocks.extend(self.rows(fresh, true, &mut unplaced));
        }
        ByBlocks {
            blocks,
            unplaced,
            is_count: self.id.metric.class() == Class::Exact,
            first: self.first_stage(first, policy),
            second: own.map(|own| SecondStage {
                escalated: confirmed.len(),
                planned: policy.fresh_blocks,
                test: (own.test.zip(fresh))
                    .map(|(test, fresh)| self.fresh_test(&test, first, fresh, policy)),
            }),
            control: self.control(own, first),
        }
    }

    fn first_stage(&self, blocks: Blocks<'_>, policy: &Policy) -> Option<FirstStage> {
        let look = noisy::first_look(blocks, self.better, self.tolerance).ok()??;
        Some(FirstStage {
            series: series(&look.all, blocks.count()),
            planned: policy.blocks,
            difference: look.difference.as_ref().map(bounds),
            is_too_noisy: look.is_too_noisy,
            is_ruled_out: look.is_ruled_out,
            reaches_floor: look.reaches_floor,
            follows: match look.says() {
                First::Escalated => Follows::Escalated,
                First::Settled(Verdict::Improved(_)) => Follows::Improved,
                First::Settled(
                    Verdict::Regressed(_) | Verdict::Unchanged(_) | Verdict::Inconclusive(_),
                ) => Follows::Unchanged,
            },
        })
    }

    fn fresh_test(
        &self,
        test: &noisy::Test,
        first: Blocks<'_>,
        fresh: Blocks<'_>,
        policy: &Policy,
    ) -> FreshTest {
        let look = match noisy::fresh_look(policy.fresh_blocks) {
            None => Look::Only,
            Some(half) if fresh.count() <= half => Look::Half,
            Some(_) => Look::All,
        };
        FreshTest {
            fresh: series(&test.fresh, fresh.count()),
            all: series(&test.all, first.count() + fresh.count()),
            look,
            p: test.p,
            accepted: test.accepted,
            open: test.open,
            alpha: test.alpha,
            difference: test.difference.as_ref().map(bounds),
            is_significant: test.is_significant,
            is_large: test.is_large,
            is_large_in_all: test.is_large_in_all,
            is_beyond_floor: test.is_beyond_floor,
            is_ruled_out: test.is_ruled_out,
            reaches_floor: test.reaches_floor,
            is_too_noisy: noisy::is_too_noisy(&test.all, self.tolerance),
        }
    }

    fn control(&self, own: Option<&Confirmed>, first: Blocks<'_>) -> Option<Control> {
        let control = control_of(self.id, self.base)?;
        let ratios = control.log_ratios(self.better).ok()?;
        let own_noise = noisy::own_noise(control, self.better)?;
        let before = match own {
            Some(own) => own.verdict.clone(),
            None => match noisy::first_stage(first, self.better, self.tolerance) {
                First::Settled(verdict) => verdict,
                First::Escalated => {
                    let why = noisy::unconfirmed(first, self.better, self.tolerance);
                    Verdict::Inconclusive(why)
                }
            },
        };
        let after = noisy::tempered(before.clone(), control, self.better, self.tolerance);
        Some(Control {
            series: series(&Trimmed::of_log_ratios(&ratios)?, ratios.len()),
            own_noise: relative(own_noise),
            tempered: before != after,
        })
    }

    /// One row for each block; what does not count because of other work has one without values.
    fn rows(&self, blocks: Blocks<'_>, fresh: bool, unplaced: &mut Vec<Contention>) -> Vec<Block> {
        let ratios = blocks.log_ratios(self.better).unwrap_or_default();
        let (places, left) = places(self.id, self.head, fresh, blocks.count());
        unplaced.extend(left);
        let mut indices = 0..blocks.count();
        let row = |(number, contention): (u32, Option<Contention>)| {
            let is_counted = contention.is_none_or(|busy| counts(self.id, &busy));
            let index = if is_counted { indices.next() } else { None };
            let value = |samples: &Samples| index.and_then(|at| samples.values().get(at).copied());
            Block {
                is_fresh: fresh,
                number,
                base: value(blocks.base),
                head: value(blocks.head),
                worse_by: (index.and_then(|at| ratios.get(at))).map(|ratio| relative(*ratio)),
                contention,
            }
        };
        places.into_iter().map(row).collect()
    }
}

/// Whether a block of this contention counts for a metric.
fn counts(id: &MetricId, block: &Contention) -> bool {
    !(block.disturbed && id.metric.is_wall_clock())
}

/// The number of each block of an endpoint in its stage and how busy the machine was. Samples do
/// not say which block they are of: where they are not as many as the blocks that count, they are
/// numbered as they come, and what is known of blocks is returned beside them.
fn places(
    id: &MetricId,
    head: &Run,
    fresh: bool,
    samples: usize,
) -> (Vec<(u32, Option<Contention>)>, Vec<Contention>) {
    let known: Vec<Contention> = match &id.subject {
        Subject::Endpoint { endpoint } => {
            let blocks = head.contention.get(endpoint).into_iter().flatten();
            blocks
                .filter(|block| block.fresh == fresh)
                .copied()
                .collect()
        }
        Subject::Bundle { .. }
        | Subject::Asset { .. }
        | Subject::Entry { .. }
        | Subject::Service { .. } => Vec::new(),
    };
    if known.iter().filter(|block| counts(id, block)).count() == samples {
        let placed = known.into_iter().map(|block| (block.block, Some(block)));
        return (placed.collect(), Vec::new());
    }
    let noteworthy = |block: &Contention| block.repeated || block.disturbed;
    let numbers = (1..).take(samples).map(|number| (number, None));
    let left = known.into_iter().filter(noteworthy);
    (numbers.collect(), left.collect())
}

fn series(trimmed: &Trimmed, blocks: usize) -> Series {
    Series {
        blocks,
        worse_by: noisy::change_of(trimmed).worse_by,
        error: trimmed.error,
        freedom: trimmed.freedom,
        at_most: relative(trimmed.upper(CONFIDENCE)),
        room: relative(trimmed.reach(CONFIDENCE)),
    }
}

/// A mean with its one-sided bounds.
fn bounds(trimmed: &Trimmed) -> Estimate {
    finite(Estimate {
        point: trimmed.mean,
        low: trimmed.lower(CONFIDENCE),
        high: trimmed.upper(CONFIDENCE),
    })
}
