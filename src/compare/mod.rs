//! Is it different, by how much, how sure: the only place a verdict is made.
//!
//! *Exact* metrics (bytes, counts) are compared value against value. *Noisy* ones (latency, CPU,
//! memory) by the log ratios of paired blocks: a first stage that settles what is plainly
//! unchanged, and a second stage on fresh blocks that alone may say *regressed*. *Budgets* are
//! judged on head with its interval. What has no number gets a reason, never a pass. Over the
//! stored nights, *change points* say when a metric moved, and between which commits.
//!
//! Must not know the configuration, the clock or anything random: the same runs and policy give
//! the same verdicts, byte for byte.

mod account;
pub mod budget;
pub mod change_points;
mod energy;
pub mod estimate;
pub mod exact;
pub mod history;
pub mod noisy;
mod pages;
pub mod policy;
pub mod rate;
pub mod stored;

use std::collections::{BTreeMap, BTreeSet};

pub use account::account;
pub use policy::Policy;

use crate::model::{
    BudgetVerdict, Class, Comparison, Disturbance, Estimate, Inconclusive, Metric, MetricId,
    Reference, Run, Samples, Subject, Target, Tolerance, Verdict, Weight,
};
use estimate::Trimmed;
use noisy::{Blocks, Confirmed, Escalated, First, LEAST_BLOCKS};

/// Judges every metric of head, and every one that should be there and is not.
pub fn compare(head: &Run, reference: &Reference, policy: &Policy) -> Vec<Comparison> {
    let confirmed = match reference {
        Reference::Paired(base) => confirm(base, head, policy),
        Reference::Stored { .. } | Reference::Targets { .. } => BTreeMap::new(),
    };
    metrics(head, reference, policy)
        .into_iter()
        .map(|id| judge(id, head, reference, policy, &confirmed))
        .collect()
}

/// What half of the first stage leaves open: noisy metrics that may have changed or lost too many
/// blocks, and targets that are neither met nor missed for sure.
pub fn unsettled(base: &Run, head: &Run, policy: &Policy) -> Vec<MetricId> {
    let lacks_blocks = |id: &&MetricId| {
        is_contended(id, head)
            && blocks_of(id, &base.samples, &head.samples)
                .is_none_or(|blocks| blocks.count() < LEAST_BLOCKS)
    };
    let has_open_target = |(id, limit): &(&MetricId, &f64)| {
        let now = head.samples.get(id).map(level);
        let verdict = budget::judge(**limit, id.metric.better(), now, None).verdict;
        verdict == BudgetVerdict::Undecided
    };
    let disturbed = policy.expected.iter().filter(lacks_blocks);
    let targets = policy.budgets.iter().filter(has_open_target);
    let others = disturbed.chain(targets.map(|(id, _)| id)).cloned();
    let mut open = suspects(base, head, policy);
    open.extend(others);
    open
}

/// The noisy metrics that need fresh blocks: those that may have changed, and count for
/// something.
pub fn suspects(base: &Run, head: &Run, policy: &Policy) -> Vec<MetricId> {
    let escalates = |id: &&MetricId| {
        let judged = noisy_blocks(id, base, head, policy);
        policy.weight(id) > Weight::Shown
            && judged.is_some_and(|(blocks, tolerance)| {
                noisy::first_stage(blocks, id.metric.better(), tolerance) == First::Escalated
            })
    };
    noisy_in_both(base, head, policy)
        .filter(escalates)
        .cloned()
        .collect()
}

/// The escalated metrics for which the fresh blocks so far are not enough.
pub fn undecided(base: &Run, head: &Run, policy: &Policy) -> Vec<MetricId> {
    let is_open = |confirmed: &Confirmed| matches!(confirmed.verdict, Verdict::Inconclusive(_));
    confirm(base, head, policy)
        .into_iter()
        .filter(|(_, confirmed)| is_open(confirmed))
        .map(|(id, _)| id)
        .collect()
}

fn noisy_in_both<'a>(
    base: &'a Run,
    head: &'a Run,
    policy: &'a Policy,
) -> impl Iterator<Item = &'a MetricId> {
    head.samples.iter().filter_map(|(id, samples)| {
        let other = base.samples.get(id)?;
        is_noisy(id, other, samples, policy).then_some(id)
    })
}

/// Whether a metric is judged by blocks: the noisy ones, and counts that differ between the
/// blocks of one arm by more than their floor, and so are not exact after all. (One key of a cache
/// that runs out in between is 0.002 misses a request in one block, and no noise.)
fn is_noisy(id: &MetricId, base: &Samples, head: &Samples, policy: &Policy) -> bool {
    let floor = policy
        .tolerance(id)
        .map_or(0.0, |tolerance| tolerance.floor);
    let is_constant = |samples: &Samples| spread(samples) <= floor;
    match id.metric.class() {
        Class::Noisy => true,
        // Wrong answers are never a matter of statistics.
        Class::Exact => {
            id.metric != Metric::ErrorRate && ![base, head].into_iter().all(is_constant)
        }
        Class::BudgetOnly => false,
    }
}

/// From the lowest to the highest of the blocks.
fn spread(samples: &Samples) -> f64 {
    let values = samples.values().iter().copied();
    let lowest = values.clone().fold(f64::INFINITY, f64::min);
    values.fold(f64::NEG_INFINITY, f64::max) - lowest
}

/// The first-stage blocks of a noisy metric, and what a change of it must exceed.
fn noisy_blocks<'a>(
    id: &MetricId,
    base: &'a Run,
    head: &'a Run,
    policy: &Policy,
) -> Option<(Blocks<'a>, Tolerance)> {
    let blocks = blocks_of(id, &base.samples, &head.samples)?;
    Some((blocks, policy.tolerance(id)?))
}

fn blocks_of<'a>(
    id: &MetricId,
    base: &'a BTreeMap<MetricId, Samples>,
    head: &'a BTreeMap<MetricId, Samples>,
) -> Option<Blocks<'a>> {
    Some(Blocks {
        base: base.get(id)?,
        head: head.get(id)?,
    })
}

/// The verdicts of the second stage, over all escalated metrics at once.
fn confirm(base: &Run, head: &Run, policy: &Policy) -> BTreeMap<MetricId, Confirmed> {
    let (ids, ready): (Vec<_>, Vec<_>) = suspects(base, head, policy)
        .into_iter()
        .filter_map(|id| {
            let (first, tolerance) = noisy_blocks(&id, base, head, policy)?;
            let escalated = Escalated {
                first,
                fresh: blocks_of(&id, &base.confirmation, &head.confirmation),
                planned: policy.fresh_blocks,
                better: id.metric.better(),
                tolerance,
            };
            Some((id, escalated))
        })
        .unzip();
    ids.into_iter().zip(noisy::second_stage(&ready)).collect()
}

/// Everything there is to say something about: what was measured in either arm, what has a
/// target, what was asked for.
fn metrics(head: &Run, reference: &Reference, policy: &Policy) -> BTreeSet<MetricId> {
    let mut ids: BTreeSet<MetricId> = head.samples.keys().cloned().collect();
    ids.extend(head.not_measured.keys().cloned());
    ids.extend(policy.budgets.keys().cloned());
    ids.extend(policy.expected.iter().cloned());
    if let Reference::Paired(base) = reference {
        ids.extend(base.samples.keys().cloned());
    }
    let runs = std::iter::once(head).chain(reference_run(reference));
    let with_one = pages::with_one(runs);
    ids.retain(|id| {
        !is_offered_by_none(id, head, reference, policy) && !pages::is_only_one(id, &with_one)
    });
    ids
}

/// What a change must exceed; none where base is no measure.
fn tolerance(
    id: &MetricId,
    head: &Run,
    reference: &Reference,
    policy: &Policy,
) -> Option<Tolerance> {
    let earlier = reference_run(reference);
    let is_no_measure = earlier.is_some_and(|earlier| pages::differ(id, earlier, head));
    policy.tolerance(id).filter(|_| !is_no_measure)
}

/// Whether neither arm's services offer to count it and no target asks for it: then it is a note.
/// What base has, or failed to read, is never passed over; without any base there is none that has it.
fn is_offered_by_none(id: &MetricId, head: &Run, reference: &Reference, policy: &Policy) -> bool {
    let base_lacks_it = match reference {
        Reference::Paired(base) => base.not_offered.contains_key(id),
        Reference::Stored { baseline, .. } => !baseline.run.samples.contains_key(id),
        Reference::Targets { .. } => true,
    };
    let has_any = |run: &Run| run.samples.contains_key(id) || run.not_measured.contains_key(id);
    base_lacks_it
        && head.not_offered.contains_key(id)
        && !has_any(head)
        && !reference_run(reference).is_some_and(has_any)
        && !policy.budgets.contains_key(id)
}

fn judge(
    id: MetricId,
    head: &Run,
    reference: &Reference,
    policy: &Policy,
    confirmed: &BTreeMap<MetricId, Confirmed>,
) -> Comparison {
    let earlier = reference_run(reference);
    let before = earlier.and_then(|run| pages::samples(&id, run)).map(level);
    let now = pages::samples(&id, head).map(level);
    let better = id.metric.better();
    let tolerance = tolerance(&id, head, reference, policy);
    let target = policy
        .budgets
        .get(&id)
        .map(|limit| budget::judge(*limit, better, now, before))
        .map(|target| {
            // A number that other work on the machine has kept away is no hole that head made.
            if target.verdict == BudgetVerdict::NotMeasured && is_contended(&id, head) {
                let verdict = BudgetVerdict::Undecided;
                Target { verdict, ..target }
            } else {
                target
            }
        });
    let weight = policy.weight(&id);
    let against_stored = stored::judge(&id, head, reference, policy);
    let (verdict, range, weight) = match against_stored {
        // Another run on another day: at most a warning.
        Some(judged) => (judged.verdict, judged.range, weight.min(Weight::Warns)),
        None => (
            against_base(&id, head, reference, policy, confirmed),
            None,
            weight,
        ),
    };
    // Memory of one process for the whole run is only shown, but asked for and gone is not green.
    let is_gone = matches!(
        verdict,
        Verdict::Inconclusive(Inconclusive::NotMeasured { .. })
    ) && id.metric == Metric::Memory;
    let weight = if is_gone && policy.expected.contains(&id) && policy.tolerance(&id).is_none() {
        Weight::Gates
    } else {
        weight
    };
    Comparison {
        verdict,
        before,
        now,
        tolerance,
        target,
        weight,
        stored: range,
        detectable: detectable(&id, head, reference, policy),
        id,
    }
}

/// The verdict by the blocks of both arms, tempered by what base against itself read like.
fn against_base(
    id: &MetricId,
    head: &Run,
    reference: &Reference,
    policy: &Policy,
    confirmed: &BTreeMap<MetricId, Confirmed>,
) -> Verdict {
    let verdict = match confirmed.get(id) {
        Some(confirmed) => confirmed.verdict.clone(),
        None => settle(id, head, reference, policy),
    };
    let lacks_blocks = matches!(
        verdict,
        Verdict::Inconclusive(Inconclusive::NotMeasured { .. } | Inconclusive::TooFewBlocks { .. })
    );
    let verdict = if lacks_blocks && is_contended(id, head) {
        Verdict::Inconclusive(Inconclusive::Contended {
            have: head
                .samples
                .get(id)
                .map_or(0, |samples| samples.values().len()),
            need: LEAST_BLOCKS,
            by: disturbed_by(id, head),
        })
    } else {
        verdict
    };
    // What the time was too short for was asked for and not measured.
    let ended = head.ended.as_ref();
    let ended = ended.or_else(|| head.ended_endpoints.get(id.subject.name()));
    if let (Some(why), Verdict::Inconclusive(open)) = (ended, &verdict)
        && matches!(
            open,
            Inconclusive::TooFewBlocks { .. }
                | Inconclusive::Undecided { .. }
                | Inconclusive::TooNoisy { .. }
        )
    {
        return Verdict::Inconclusive(Inconclusive::NotMeasured { why: why.clone() });
    }
    let Reference::Paired(base) = reference else {
        return verdict;
    };
    match (control_of(id, base), policy.tolerance(id)) {
        (Some(control), Some(tolerance)) if is_noisy(id, control.base, control.head, policy) => {
            noisy::tempered(verdict, control, id.metric.better(), tolerance)
        }
        (Some(_) | None, _) => verdict,
    }
}

/// Base against itself, as far as both have the same blocks.
fn control_of<'a>(id: &MetricId, base: &'a Run) -> Option<Blocks<'a>> {
    blocks_of(id, &base.samples, &base.control)
}

/// Whether blocks of this wall-clock metric do not count because of other work on the machine.
fn is_contended(id: &MetricId, head: &Run) -> bool {
    let Subject::Endpoint { endpoint } = &id.subject else {
        return false;
    };
    let blocks = head.contention.get(endpoint).into_iter().flatten();
    id.metric.is_wall_clock() && blocks.filter(|block| block.disturbed).count() > 0
}

/// What disturbed most of the blocks that do not count.
fn disturbed_by(id: &MetricId, head: &Run) -> Disturbance {
    let blocks = head.contention.get(id.subject.name()).into_iter().flatten();
    let mut counts: BTreeMap<Disturbance, usize> = BTreeMap::new();
    for block in blocks.filter(|block| block.disturbed) {
        *counts.entry(block.by).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    most.map_or(Disturbance::default(), |(by, _)| by)
}

/// How a metric is judged against the reference, other than by stored runs.
enum Way<'a> {
    /// Not at all: head has no number.
    Missing,
    /// Not at all: it exists for its target, and is shown with its change where there is one.
    Shown {
        earlier: Option<&'a Samples>,
        now: &'a Samples,
    },
    /// Not at all: there is nothing to compare it with.
    Nothing(Inconclusive),
    /// By value.
    Exact {
        earlier: &'a Samples,
        now: &'a Samples,
        tolerance: Tolerance,
    },
    /// By blocks.
    Noisy {
        blocks: Blocks<'a>,
        tolerance: Tolerance,
    },
}

fn way<'a>(id: &MetricId, head: &'a Run, reference: &'a Reference, policy: &Policy) -> Way<'a> {
    let Some(now) = pages::samples(id, head) else {
        return Way::Missing;
    };
    let Some(tolerance) = tolerance(id, head, reference, policy) else {
        let earlier = reference_run(reference).and_then(|run| pages::samples(id, run));
        return Way::Shown { earlier, now };
    };
    match earlier_samples(id, head, reference) {
        Err(why) => Way::Nothing(why),
        Ok(earlier) if is_noisy(id, earlier, now, policy) => Way::Noisy {
            blocks: Blocks {
                base: earlier,
                head: now,
            },
            tolerance,
        },
        Ok(earlier) => Way::Exact {
            earlier,
            now,
            tolerance,
        },
    }
}

/// The verdict of a metric that was not escalated.
fn settle(id: &MetricId, head: &Run, reference: &Reference, policy: &Policy) -> Verdict {
    let better = id.metric.better();
    match way(id, head, reference, policy) {
        Way::Missing => missing_in_head(id, head, reference),
        Way::Nothing(why) => Verdict::Inconclusive(why),
        Way::Shown { earlier, now } => shown(id, earlier, now),
        Way::Exact {
            earlier,
            now,
            tolerance,
        } => exact::judge(earlier.mean(), now.mean(), better, tolerance),
        Way::Noisy { blocks, tolerance } => {
            match (reference, noisy::first_stage(blocks, better, tolerance)) {
                (Reference::Paired(_), First::Settled(verdict)) => verdict,
                // Only shown, so no fresh blocks were asked for.
                (Reference::Paired(_), First::Escalated) => {
                    Verdict::Inconclusive(noisy::unconfirmed(blocks, better, tolerance))
                }
                (Reference::Stored { why, .. } | Reference::Targets { why }, _) => {
                    Verdict::Inconclusive(Inconclusive::NoBaseline { why: why.clone() })
                }
            }
        }
    }
}

fn missing_in_head(id: &MetricId, head: &Run, reference: &Reference) -> Verdict {
    let why = (head.not_measured.get(id)).or_else(|| head.not_offered.get(id));
    let why = match why {
        Some(why) => why.clone(),
        None if reference_run(reference).is_some_and(|run| pages::samples(id, run).is_some()) => {
            if matches!(id.subject, Subject::Asset { .. } | Subject::Entry { .. }) {
                return Verdict::Inconclusive(Inconclusive::Gone);
            }
            "base has it, head does not".to_owned()
        }
        None => "the run has no number for it".to_owned(),
    };
    Verdict::Inconclusive(Inconclusive::NotMeasured { why })
}

/// What no change is beyond.
const NO_LIMIT: Tolerance = Tolerance {
    relative: f64::INFINITY,
    floor: f64::INFINITY,
};

/// Metrics that exist for their targets: shown with their change, judged by nothing else.
fn shown(id: &MetricId, earlier: Option<&Samples>, now: &Samples) -> Verdict {
    match earlier.map(Samples::mean) {
        Some(before) => exact::judge(before, now.mean(), id.metric.better(), NO_LIMIT),
        None => Verdict::Inconclusive(Inconclusive::NewMetric),
    }
}

fn earlier_samples<'a>(
    id: &MetricId,
    head: &Run,
    reference: &'a Reference,
) -> Result<&'a Samples, Inconclusive> {
    match reference {
        Reference::Paired(base) => match (pages::samples(id, base), base.not_measured.get(id)) {
            (Some(samples), _) => Ok(samples),
            (None, Some(why)) => Err(Inconclusive::NoBaseline {
                why: format!("base: {why}"),
            }),
            (None, None) => Err(Inconclusive::NewMetric),
        },
        Reference::Stored { baseline, .. } => {
            same_encoder(id, head, &baseline.run)?;
            pages::samples(id, &baseline.run).ok_or(Inconclusive::NewMetric)
        }
        Reference::Targets { why } => Err(Inconclusive::NoBaseline { why: why.clone() }),
    }
}

/// Sizes made by different compressors are not comparable: the same files differ by up to 4 %.
fn same_encoder(id: &MetricId, head: &Run, stored: &Run) -> Result<(), Inconclusive> {
    let (Subject::Bundle { frontend }
    | Subject::Asset { frontend, .. }
    | Subject::Entry { frontend, .. }) = &id.subject
    else {
        return Ok(());
    };
    let encoder = |run: &Run| {
        run.evidence
            .bundles
            .get(frontend)
            .map(|bundle| bundle.encoder.clone())
    };
    match (encoder(head), encoder(stored)) {
        (Some(now), Some(stored)) if now != stored => Err(Inconclusive::OtherEncoder { stored }),
        _ => Ok(()),
    }
}

fn detectable(id: &MetricId, head: &Run, reference: &Reference, policy: &Policy) -> Option<f64> {
    let Reference::Paired(base) = reference else {
        return None;
    };
    let blocks = blocks_of(id, &base.confirmation, &head.confirmation)
        .or_else(|| blocks_of(id, &base.samples, &head.samples))?;
    if !is_noisy(id, blocks.base, blocks.head, policy) {
        return None;
    }
    noisy::detectable_in(blocks, id.metric.better(), policy.tolerance(id)?)
}

fn reference_run(reference: &Reference) -> Option<&Run> {
    match reference {
        Reference::Paired(base) => Some(base),
        Reference::Stored { baseline, .. } => Some(&baseline.run),
        Reference::Targets { .. } => None,
    }
}

/// The level of one arm with its interval.
fn level(samples: &Samples) -> Estimate {
    match (samples.constant(), Trimmed::of(samples.values(), 0.0)) {
        (Some(value), _) => Estimate::exact(value),
        (None, Some(trimmed)) => finite(trimmed.interval()),
        (None, None) => Estimate::exact(samples.mean()),
    }
}

/// The squares of very large values have no finite sum: then the interval is all there is.
fn finite(interval: Estimate) -> Estimate {
    let bound = |value: f64, otherwise: f64| {
        if value.is_nan() { otherwise } else { value }.clamp(-f64::MAX, f64::MAX)
    };
    Estimate {
        point: bound(interval.point, 0.0),
        low: bound(interval.low, -f64::MAX),
        high: bound(interval.high, f64::MAX),
    }
}
