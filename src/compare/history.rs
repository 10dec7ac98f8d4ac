//! When each metric moved, and between which commits, from the runs of many nights.
//!
//! A *noisy* metric is one series per class of machine, searched for
//! [`change_points`](super::change_points). An *exact* one is one series over all machines: its
//! value does not depend on them, and split by machine the same step would be told several times,
//! each time with a wider range of commits. Exact values have no noise, so every step is real and
//! is told the night it happens; small ones only once both levels have held, or a bundle that
//! changes a little with every commit would fill the list.
//!
//! Sizes made by different compressors are never in one series.

use std::collections::{BTreeMap, BTreeSet};

use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime, UtcOffset};

use super::change_points::{ChangePoint, LEAST_NIGHTS, change_points};
use super::exact;
use super::pages;
use super::policy::{BUNDLE_TOLERANCE, COUNT_TOLERANCE};
use super::stored::median;
use crate::model::{
    Class, History, Metric, MetricId, Night, Run, Samples, Shift, Subject, Unjudged,
};

/// From which relative change on a step of an exact metric is told although its levels have not
/// held for [`LEAST_NIGHTS`] nights: the default tolerance of exact metrics in a pull request.
pub const LEAST_EXACT_STEP: f64 = if BUNDLE_TOLERANCE < COUNT_TOLERANCE {
    BUNDLE_TOLERANCE
} else {
    COUNT_TOLERANCE
};
/// Relative difference up to which two exact values are the same: counts per request are
/// quotients and may differ in their last digits.
const ROUNDING: f64 = 1e-9;

/// A run says when it was measured in a way that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the run of `{commit}` was measured at `{measured_at}`, which is no RFC 3339 time")]
pub struct UnreadableTime {
    /// Commit of the run.
    pub commit: String,
    /// What it says.
    pub measured_at: String,
}

/// Finds every lasting change of every metric. The runs may come in any order; runs of one commit
/// in one night (UTC) are one measurement, the median of all their samples.
pub fn history(runs: &[Run]) -> Result<History, UnreadableTime> {
    let runs = in_order(runs)?;
    let with_one = pages::with_one(runs.iter().map(|run| run.run));
    let mut ids: BTreeSet<&MetricId> = runs.iter().flat_map(|run| run.run.samples.keys()).collect();
    ids.retain(|id| !pages::is_only_one(id, &with_one));
    let mut history = History::default();
    for id in ids {
        let is_exact = is_exact(id, &runs);
        for (key, nights) in comparable(id, is_exact, &runs) {
            let series = Series {
                id,
                machine: key.machine,
                nights,
            };
            series.search(is_exact, &mut history);
        }
    }
    Ok(history)
}

/// A run and when it was measured.
struct Dated<'a> {
    at: OffsetDateTime,
    run: &'a Run,
}

impl<'a> Dated<'a> {
    /// The night and the commit: what is measured again within them is a repetition.
    fn night(&self) -> (Date, &'a str) {
        (self.at.date(), &self.run.revision.commit)
    }
}

/// The runs by time, those of one time by commit.
fn in_order(runs: &[Run]) -> Result<Vec<Dated<'_>>, UnreadableTime> {
    let dated = |run| {
        Ok(Dated {
            at: time(run)?,
            run,
        })
    };
    let mut dated: Vec<Dated<'_>> = runs.iter().map(dated).collect::<Result<_, _>>()?;
    dated.sort_by_key(|run| (run.at, &run.run.revision.commit));
    Ok(dated)
}

fn time(run: &Run) -> Result<OffsetDateTime, UnreadableTime> {
    OffsetDateTime::parse(&run.measured_at, &Rfc3339)
        .map(|time| time.to_offset(UtcOffset::UTC))
        .map_err(|_| UnreadableTime {
            commit: run.revision.commit.clone(),
            measured_at: run.measured_at.clone(),
        })
}

/// Whether a metric is known exactly: of an exact class, and never different within a run.
fn is_exact(id: &MetricId, runs: &[Dated<'_>]) -> bool {
    let mut samples = runs.iter().filter_map(|run| run.run.samples.get(id));
    id.metric.class() == Class::Exact
        // Wrong answers are never a matter of statistics.
        && (id.metric == Metric::ErrorRate || samples.all(|samples| samples.constant().is_some()))
}

/// What two runs must share to be in one series.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    /// Class of machine; none for exact metrics.
    machine: Option<String>,
    /// Compressor, for sizes.
    encoder: Option<String>,
}

/// The compressor a size was made with.
fn encoder(id: &MetricId, run: &Run) -> Option<String> {
    let (Subject::Bundle { frontend }
    | Subject::Asset { frontend, .. }
    | Subject::Entry { frontend, .. }) = &id.subject
    else {
        return None;
    };
    let bundle = run.evidence.bundles.get(frontend)?;
    Some(bundle.encoder.clone())
}

/// One night of one series.
struct Measured {
    night: Night,
    value: f64,
}

/// The nights of one metric that are comparable, each with its nights in order.
fn comparable(id: &MetricId, is_exact: bool, runs: &[Dated<'_>]) -> BTreeMap<Key, Vec<Measured>> {
    let mut comparable: BTreeMap<Key, Vec<&Dated<'_>>> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.run.samples.contains_key(id)) {
        let key = Key {
            machine: (!is_exact).then(|| run.run.machine.class()),
            encoder: encoder(id, run.run),
        };
        comparable.entry(key).or_default().push(run);
    }
    let nights = |(key, runs): (Key, Vec<&Dated<'_>>)| (key, nights(id, is_exact, &runs));
    comparable.into_iter().map(nights).collect()
}

/// One value a night and commit, in the order in which they were first measured.
fn nights<'a>(id: &MetricId, is_exact: bool, runs: &[&Dated<'a>]) -> Vec<Measured> {
    let mut values: BTreeMap<(Date, &'a str), Vec<f64>> = BTreeMap::new();
    for run in runs {
        let samples = &run.run.samples[id];
        let values = values.entry(run.night()).or_default();
        if is_exact {
            values.push(exact_value(samples));
        } else {
            values.extend(samples.values());
        }
    }
    let first_of_night = |run: &&Dated<'a>| {
        let values = values.remove(&run.night())?;
        Some(Measured {
            night: Night {
                commit: run.run.revision.commit.clone(),
                measured_at: run.run.measured_at.clone(),
            },
            value: median(&values),
        })
    };
    runs.iter().filter_map(first_of_night).collect()
}

/// The value of an exact metric. The share of wrong answers may differ between blocks, and its
/// median would hide the few.
fn exact_value(samples: &Samples) -> f64 {
    samples.constant().unwrap_or_else(|| samples.mean())
}

/// Comparable nights of one metric, in order.
struct Series<'a> {
    id: &'a MetricId,
    machine: Option<String>,
    nights: Vec<Measured>,
}

impl Series<'_> {
    fn search(&self, is_exact: bool, history: &mut History) {
        let values: Vec<f64> = self.nights.iter().map(|night| night.value).collect();
        let found = if is_exact {
            Ok(exact_steps(&values))
        } else {
            change_points(&values)
        };
        match found {
            Ok(points) => history
                .shifts
                .extend(points.iter().map(|point| self.shift(point))),
            Err(why) => history.unjudged.push(Unjudged {
                id: self.id.clone(),
                machine: self.machine.clone(),
                why: why.to_string(),
            }),
        }
    }

    fn shift(&self, point: &ChangePoint) -> Shift {
        Shift {
            id: self.id.clone(),
            machine: self.machine.clone(),
            last_before: self.nights[point.index - 1].night.clone(),
            first_after: self.nights[point.index].night.clone(),
            before: point.before,
            after: point.after,
            worse_by: exact::worse_by(point.before, point.after, self.id.metric.better()),
            p_value: point.p_value,
            nights_before: point.nights_before,
            nights_after: point.nights_after,
        }
    }
}

/// The steps of a series without noise that are large, or lie between two levels that held.
fn exact_steps(values: &[f64]) -> Vec<ChangePoint> {
    let bounds = level_bounds(values);
    let steps = bounds.windows(3).map(|bounds| ChangePoint {
        index: bounds[1],
        before: values[bounds[0]],
        after: values[bounds[1]],
        p_value: 0.0,
        nights_before: bounds[1] - bounds[0],
        nights_after: bounds[2] - bounds[1],
    });
    steps.filter(is_told).collect()
}

/// `0`, every index with another value than the one before, and the length.
fn level_bounds(values: &[f64]) -> Vec<usize> {
    let moved = |index: &usize| !is_within(ROUNDING, values[index - 1], values[*index]);
    let inner = (1..values.len()).filter(moved);
    [0].into_iter().chain(inner).chain([values.len()]).collect()
}

fn is_told(step: &ChangePoint) -> bool {
    let have_held = step.nights_before.min(step.nights_after) >= LEAST_NIGHTS;
    have_held || !is_within(LEAST_EXACT_STEP, step.before, step.after)
}

/// Whether two values differ by less than this share of the smaller one.
fn is_within(share: f64, left: f64, right: f64) -> bool {
    (left - right).abs() <= share * left.abs().min(right.abs())
}

#[cfg(test)]
mod tests;
