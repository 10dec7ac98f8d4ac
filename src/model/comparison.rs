//! Whether head differs from what it is judged against, by how much, and how sure that is.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::metric::{Better, MetricId};
use super::run::Disturbance;
use super::worse::Worse;

/// A value with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Best single value.
    pub point: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
}

impl Estimate {
    /// A value known exactly.
    pub fn exact(value: f64) -> Self {
        Self {
            point: value,
            low: value,
            high: value,
        }
    }
}

/// A relative change: 0.05 is five per cent worse, whatever the metric's direction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Change {
    /// Positive is worse. Infinite growth from zero is written as `f64::MAX`.
    pub worse_by: Estimate,
}

/// The answer for one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Worse, beyond tolerance and floor, and sure.
    Regressed(Change),
    /// Better, beyond tolerance and floor, and sure.
    Improved(Change),
    /// Within tolerance, and sure.
    Unchanged(Change),
    /// No answer, and why.
    Inconclusive(Inconclusive),
}

impl Verdict {
    /// The change, where one could be estimated.
    pub fn change(&self) -> Option<Change> {
        match self {
            Self::Regressed(change) | Self::Improved(change) | Self::Unchanged(change) => {
                Some(*change)
            }
            Self::Inconclusive(
                Inconclusive::Undecided { change } | Inconclusive::TooNoisy { change, .. },
            ) => Some(*change),
            Self::Inconclusive(
                Inconclusive::NoBaseline { .. }
                | Inconclusive::NewMetric
                | Inconclusive::Gone
                | Inconclusive::NotMeasured { .. }
                | Inconclusive::TooFewBlocks { .. }
                | Inconclusive::Contended { .. }
                | Inconclusive::OtherMachine { .. }
                | Inconclusive::TooFewRuns { .. }
                | Inconclusive::OtherEncoder { .. },
            ) => None,
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Inconclusive {
    /// Nothing to compare with.
    NoBaseline {
        /// Why.
        why: String,
    },
    /// Head has it, base does not.
    NewMetric,
    /// It was asked for and could not be measured in head.
    NotMeasured {
        /// Why.
        why: String,
    },
    /// Base ships this file or loads this route, head does not any more.
    Gone,
    /// Not enough blocks for an interval.
    TooFewBlocks {
        /// Blocks measured.
        have: usize,
        /// Blocks needed.
        need: usize,
    },
    /// The interval reaches over the tolerance.
    Undecided {
        /// The change as far as it is known.
        change: Change,
    },
    /// This run could not have seen a change of the size of the tolerance.
    TooNoisy {
        /// The change as far as it is known.
        change: Change,
        /// The smallest relative change this run would have caught.
        detectable: f64,
        /// Fresh blocks that would be enough at this spread; none when base read differently
        /// from itself, which more blocks do not help.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        blocks: Option<u32>,
    },
    /// Other work on the machine, or our own, disturbed too many blocks.
    Contended {
        /// Blocks that count.
        have: usize,
        /// Blocks needed.
        need: usize,
        /// What disturbed most of the others.
        #[serde(default)]
        by: Disturbance,
    },
    /// The stored runs are from another class of machine.
    OtherMachine {
        /// The class they are from.
        stored: String,
    },
    /// Too few stored runs of this class of machine for a range of what is usual.
    TooFewRuns {
        /// Runs stored.
        have: usize,
        /// Runs needed.
        need: usize,
    },
    /// The stored sizes were made with another compressor.
    OtherEncoder {
        /// What the stored sizes were made with.
        stored: String,
    },
}

/// A change by this factor is as good as none that would be seen.
const NEVER_SEEN: f64 = 100.0;
/// More blocks than this are no advice.
const MOST_ADVISED: u32 = 1_000;

impl fmt::Display for Inconclusive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBaseline { why } => write!(f, "nothing to compare with: {why}"),
            Self::NewMetric => write!(f, "new: base does not have it"),
            Self::Gone => write!(f, "gone: head does not have it"),
            Self::NotMeasured { why } => write!(f, "not measured: {why}"),
            Self::TooFewBlocks { have, need } => write!(f, "{have} of {need} blocks measured"),
            Self::Undecided { .. } => {
                write!(f, "undecided: the interval reaches over the tolerance")
            }
            Self::TooNoisy {
                detectable, blocks, ..
            } => {
                match *detectable {
                    seen if seen < NEVER_SEEN => {
                        let seen = seen * 100.0;
                        write!(
                            f,
                            "too noisy to gate: only a change of {seen:.1} % or more would have \
                             been seen; "
                        )?;
                    }
                    _ => write!(
                        f,
                        "too noisy to gate: hardly any change would have been seen; "
                    )?,
                }
                match blocks {
                    Some(blocks) if *blocks > MOST_ADVISED => {
                        write!(f, "longer blocks or a quieter machine would help")
                    }
                    Some(blocks) => write!(
                        f,
                        "{blocks} fresh blocks, longer ones or a quieter machine would help"
                    ),
                    None => write!(
                        f,
                        "identical code differs as much here, so only a quieter machine would help"
                    ),
                }
            }
            Self::Contended { have, need, by } => {
                let why = match by {
                    Disturbance::OtherWork => "the machine was busy with other work",
                    Disturbance::Hypervisor => "the hypervisor took the machine away",
                    Disturbance::LoadGenerator => "the load generator could not keep up",
                };
                write!(f, "{why}: {have} of {need} blocks were undisturbed")
            }
            Self::OtherMachine { stored } => {
                write!(f, "stored runs are from another machine ({stored})")
            }
            Self::TooFewRuns { have, need } => {
                write!(f, "{have} of {need} stored runs of this class of machine")
            }
            Self::OtherEncoder { stored } => write!(f, "stored sizes were made with {stored}"),
        }
    }
}

/// What a change must exceed to count.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tolerance {
    /// Relative, 0.03 is three per cent.
    pub relative: f64,
    /// Absolute, in the metric's unit.
    pub floor: f64,
}

/// An absolute target and how head stands to it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Target {
    /// The limit, in the metric's unit.
    pub limit: f64,
    /// How head stands to it.
    pub verdict: BudgetVerdict,
}

/// How head stands to an absolute target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BudgetVerdict {
    /// Inside, with the whole interval.
    Met,
    /// Outside, with the whole interval, and base was inside or is unknown.
    Missed,
    /// Outside, with the whole interval, as base was.
    MissedByBaseToo,
    /// The interval contains the limit.
    Undecided,
    /// There is no number to judge.
    NotMeasured,
}

impl BudgetVerdict {
    /// Whether head is outside for sure, be it head's doing or not.
    pub fn is_missed(self) -> bool {
        match self {
            Self::Missed | Self::MissedByBaseToo => true,
            Self::Met | Self::Undecided | Self::NotMeasured => false,
        }
    }
}

/// What a regression of a metric means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// Nothing: it is shown.
    Shown,
    /// It warns.
    Warns,
    /// It fails the gate.
    Gates,
}

/// What stored runs of the same class of machine say is usual.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StoredRange {
    /// How many stored runs.
    pub runs: usize,
    /// Their median, and the prediction interval for one more run.
    pub usual: Estimate,
}

/// One metric, judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Comparison {
    /// What was judged.
    pub id: MetricId,
    /// What it was judged against.
    pub before: Option<Estimate>,
    /// What it is now.
    pub now: Option<Estimate>,
    /// The answer.
    pub verdict: Verdict,
    /// What a change had to exceed; none for metrics that are only shown or budgeted.
    pub tolerance: Option<Tolerance>,
    /// The absolute target, where the configuration has one.
    pub target: Option<Target>,
    /// What a regression of this metric means.
    pub weight: Weight,
    /// The stored runs it was judged against, where base of this very run was not there to judge
    /// against and the metric is a noisy one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<StoredRange>,
    /// The smallest relative change this run would have caught; none for exact metrics.
    pub detectable: Option<f64>,
}

impl Comparison {
    /// How much worse head is, where it is worse for sure.
    pub fn regression(&self) -> Option<Worse> {
        let Verdict::Regressed(change) = &self.verdict else {
            return None;
        };
        let added = self
            .before
            .zip(self.now)
            .map(|(before, now)| match self.id.metric.better() {
                Better::Lower => now.point - before.point,
                Better::Higher => before.point - now.point,
            });
        Some(Worse::of(Some(change.worse_by.point), added))
    }
}
