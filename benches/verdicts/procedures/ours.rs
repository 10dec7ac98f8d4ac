//! Our procedure, as the product runs it: the crate's own first and second stage.
//!
//! Must not repeat any of the statistics: this only hands over blocks and counts how many were
//! asked for. It is the one file to change when the product's stages change their shape.

use tollgate::compare::noisy::{self, Blocks, Escalated, First};
use tollgate::model::{Better, Samples, Tolerance, Verdict};

/// How many blocks are measured at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Blocks of the first stage.
    pub(crate) first: usize,
    /// Fresh blocks of the second stage.
    pub(crate) fresh: usize,
}

impl Plan {
    /// The default of the product.
    pub(crate) const FULL: Self = Self {
        first: 8,
        fresh: 16,
    };
    /// Half of it, for a hurried job.
    pub(crate) const SHORT: Self = Self { first: 4, fresh: 8 };

    /// All blocks.
    pub(crate) fn blocks(self) -> usize {
        self.first + self.fresh
    }
}

/// One metric: the blocks it would see, in the order measured. At least as many as planned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    /// Base.
    pub(crate) base: &'a [f64],
    /// Head.
    pub(crate) head: &'a [f64],
    /// The relative change that is allowed.
    pub(crate) tolerance: f64,
}

/// What became of one metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Judged {
    /// Called a regression.
    pub(crate) is_flagged: bool,
    /// No answer.
    pub(crate) is_inconclusive: bool,
    /// Blocks used until there was an answer.
    pub(crate) blocks: usize,
}

/// Judges one metric on its own.
pub(crate) fn judge(case: &Case<'_>, plan: Plan) -> Judged {
    pull_request(&[*case], plan)[0]
}

/// Judges all metrics of a pull request together: the second stage corrects over all of them
/// that it sees.
pub(crate) fn pull_request(cases: &[Case<'_>], plan: Plan) -> Vec<Judged> {
    let first: Vec<Arms> = cases.iter().map(|case| arms(case, 0, plan.first)).collect();
    let mut judged: Vec<Option<Judged>> = first
        .iter()
        .zip(cases)
        .map(|(arms, case)| match stage_one(arms, case) {
            First::Settled(verdict) => Some(judged_as(&verdict, plan.first)),
            First::Escalated => None,
        })
        .collect();
    let open: Vec<usize> = (0..cases.len())
        .filter(|index| judged[*index].is_none())
        .collect();
    let fresh: Vec<Arms> = open
        .iter()
        .map(|index| arms(&cases[*index], plan.first, plan.blocks()))
        .collect();
    let escalated: Vec<Escalated<'_>> = open
        .iter()
        .zip(&fresh)
        .map(|(index, fresh)| escalate(&first[*index], fresh, &cases[*index]))
        .collect();
    for (index, verdict) in open.iter().zip(noisy::second_stage(&escalated)) {
        judged[*index] = Some(judged_as(&verdict, plan.blocks()));
    }
    judged.into_iter().flatten().collect()
}

/// The blocks of both arms, or none where a number is no sample.
struct Arms {
    base: Samples,
    head: Samples,
}

impl Arms {
    fn blocks(&self) -> Blocks<'_> {
        Blocks {
            base: &self.base,
            head: &self.head,
        }
    }
}

#[expect(
    clippy::expect_used,
    reason = "recordings with a number that is not finite are refused when they are read"
)]
fn arms(case: &Case<'_>, from: usize, to: usize) -> Arms {
    let samples = |values: &[f64]| Samples::new(values[from..to].to_vec()).expect("finite numbers");
    Arms {
        base: samples(case.base),
        head: samples(case.head),
    }
}

fn stage_one(arms: &Arms, case: &Case<'_>) -> First {
    noisy::first_stage(arms.blocks(), Better::Lower, tolerance(case))
}

fn escalate<'a>(first: &'a Arms, fresh: &'a Arms, case: &Case<'_>) -> Escalated<'a> {
    Escalated {
        first: first.blocks(),
        fresh: Some(fresh.blocks()),
        better: Better::Lower,
        tolerance: tolerance(case),
    }
}

/// Absolute floors are off: the recorded endpoints are faster than the floors of the product.
fn tolerance(case: &Case<'_>) -> Tolerance {
    Tolerance {
        relative: case.tolerance,
        floor: 0.0,
    }
}

fn judged_as(verdict: &Verdict, blocks: usize) -> Judged {
    Judged {
        is_flagged: matches!(verdict, Verdict::Regressed(_)),
        is_inconclusive: matches!(verdict, Verdict::Inconclusive(_)),
        blocks,
    }
}
