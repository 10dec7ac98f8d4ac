//! How a verdict came about: the numbers of one metric, as `compare` used them.
//!
//! Changes are relative and positive when worse, as in [`Change`](super::Change). Plain data: must
//! not judge, and must not hold a number that no verdict depends on.

use super::comparison::{Comparison, Estimate};
use super::run::{Contention, Revision};

/// How the verdict of one metric came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// The verdict and what the report shows of it.
    pub comparison: Comparison,
    /// The numbers behind it.
    pub basis: Basis,
}

/// What a verdict rests on.
#[derive(Debug, Clone, PartialEq)]
pub enum Basis {
    /// Nothing could be compared; the verdict says why.
    Nothing,
    /// Two values that are known exactly, or that are only shown.
    Values(Values),
    /// Blocks of both arms, measured side by side.
    Blocks(Box<ByBlocks>),
    /// Runs of other days.
    Stored(Box<ByStored>),
}

/// Two values, compared as they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Values {
    /// What it is compared with.
    pub before: f64,
    /// What it is now.
    pub now: f64,
    /// `now` less `before`.
    pub difference: f64,
    /// Whether the difference is beyond the floor.
    pub is_beyond_floor: bool,
    /// Whether the relative change is beyond the tolerance, in either direction.
    pub is_beyond_tolerance: bool,
}

/// Blocks of both arms and the two stages.
#[derive(Debug, Clone, PartialEq)]
pub struct ByBlocks {
    /// The blocks of both stages, in order.
    pub blocks: Vec<Block>,
    /// Contention of blocks of this endpoint that cannot be told which of `blocks` they are.
    pub unplaced: Vec<Contention>,
    /// Whether it is a count, which only is judged by blocks because it differs between those of
    /// one arm.
    pub is_count: bool,
    /// The first stage; none where the blocks are no two series to compare.
    pub first: Option<FirstStage>,
    /// The second stage; none where the first was enough.
    pub second: Option<SecondStage>,
    /// Base against itself, where it was measured.
    pub control: Option<Control>,
}

/// One block of one metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Block {
    /// Whether it is a fresh block of the second stage.
    pub is_fresh: bool,
    /// Number of the block in its stage, from 1.
    pub number: u32,
    /// The value of base; none where the block does not count.
    pub base: Option<f64>,
    /// The value of head; none where the block does not count.
    pub head: Option<f64>,
    /// Head against base.
    pub worse_by: Option<f64>,
    /// How busy the machine was, where that is known.
    pub contention: Option<Contention>,
}

/// What some blocks say together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Series {
    /// Number of blocks.
    pub blocks: usize,
    /// The trimmed mean with its two-sided interval, as a change.
    pub worse_by: Estimate,
    /// Standard error, in log units.
    pub error: f64,
    /// Degrees of freedom.
    pub freedom: f64,
    /// The one-sided upper bound, as a change.
    pub at_most: f64,
    /// The room for a change: how far beyond the estimate that bound is.
    pub room: f64,
}

/// The first stage: is it plainly unchanged?
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FirstStage {
    /// Its blocks.
    pub series: Series,
    /// Blocks it was planned with.
    pub planned: usize,
    /// The absolute difference with its one-sided bounds, in the metric's unit.
    pub difference: Option<Estimate>,
    /// Whether there is more room for a change than the tolerance.
    pub is_too_noisy: bool,
    /// Whether a change of the size of the tolerance is ruled out.
    pub is_ruled_out: bool,
    /// Whether the difference could be beyond the floor.
    pub reaches_floor: bool,
    /// What follows.
    pub follows: Follows,
}

/// What follows from the first stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// It is unchanged.
    Unchanged,
    /// It is improved.
    Improved,
    /// Fresh blocks decide, where it is more than shown.
    Escalated,
}

/// The second stage: is it plainly worse?
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SecondStage {
    /// Metrics of the run that got fresh blocks.
    pub escalated: usize,
    /// Fresh blocks planned.
    pub planned: usize,
    /// The test; none where fresh blocks are missing.
    pub test: Option<FreshTest>,
}

/// The test on the fresh blocks. All four of the last must hold to accuse.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FreshTest {
    /// The fresh blocks.
    pub fresh: Series,
    /// All blocks.
    pub all: Series,
    /// Which look it is.
    pub look: Look,
    /// Chance of an estimate this large without any change, one-sided.
    pub p: f64,
    /// False alarms accepted at this look, over all escalated metrics.
    pub accepted: f64,
    /// What Holm's procedure divides these by at the rank of this metric.
    pub open: usize,
    /// What `p` must not exceed.
    pub alpha: f64,
    /// The absolute difference with its one-sided bounds, in the metric's unit.
    pub difference: Option<Estimate>,
    /// Whether `p`, and every smaller one of the run, is small enough.
    pub is_significant: bool,
    /// Whether the fresh blocks say at least the tolerance.
    pub is_large: bool,
    /// Whether all blocks together say at least the tolerance.
    pub is_large_in_all: bool,
    /// Whether the typical difference is beyond the floor.
    pub is_beyond_floor: bool,
    /// Whether all blocks together rule out a change of the size of the tolerance.
    pub is_ruled_out: bool,
    /// Whether the difference could be beyond the floor.
    pub reaches_floor: bool,
    /// Whether all blocks leave more room for a change than the tolerance.
    pub is_too_noisy: bool,
}

/// Which look at the fresh blocks a test is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The plan is too short for two looks.
    Only,
    /// The first, at half of them.
    Half,
    /// The second, at all of them.
    All,
}

/// Base against itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Control {
    /// Its blocks.
    pub series: Series,
    /// The largest difference that identical code may well read as.
    pub own_noise: f64,
    /// Whether that made the verdict what it is.
    pub tempered: bool,
}

/// Runs of other days and the range they give.
#[derive(Debug, Clone, PartialEq)]
pub struct ByStored {
    /// Class of the machine of head.
    pub machine: String,
    /// Stored runs of the same class of machine, newest first.
    pub runs: Vec<StoredValue>,
    /// Stored runs of other classes, which are not used.
    pub others: usize,
    /// The range; none where there are too few runs.
    pub range: Option<UsualRange>,
}

/// The value of one stored run.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredValue {
    /// What was measured.
    pub revision: Revision,
    /// When, as RFC 3339 in UTC.
    pub measured_at: String,
    /// The median of its blocks.
    pub value: f64,
}

/// How far one more run may be from the stored ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UsualRange {
    /// Their median and the range around it, in the metric's unit.
    pub usual: Estimate,
    /// Their spread from the median absolute deviation, in log units.
    pub spread: f64,
    /// One-sided certainty of the range.
    pub certainty: f64,
    /// Quantile of Student's t for it.
    pub quantile: f64,
    /// How far one more run may be from the median: the relative change at the end of the range.
    pub reach: f64,
    /// The median of head's blocks.
    pub now: f64,
    /// Whether the change is beyond tolerance and floor.
    pub is_large: bool,
    /// Whether head is outside of the range.
    pub is_outside: bool,
    /// Whether the range is wider than the tolerance.
    pub is_too_noisy: bool,
}
