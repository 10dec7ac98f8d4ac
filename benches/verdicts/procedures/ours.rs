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

/// What became of a metric, or of an endpoint with several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Judged {
    /// Called a regression.
    pub(crate) is_flagged: bool,
    /// No answer, and no regression that would make up for it.
    pub(crate) is_inconclusive: bool,
    /// Blocks used until there was an answer.
    pub(crate) blocks: usize,
}

/// Judges one metric on its own.
pub(crate) fn judge(case: &Case<'_>, plan: Plan) -> Judged {
    pull_request(&[vec![*case]], plan)[0]
}

/// Judges all metrics of all endpoints of a pull request together, as `tollgate check` does: the
/// metrics of an endpoint share its blocks, and the second stage corrects over all metrics that
/// it sees. One answer per endpoint.
pub(crate) fn pull_request(endpoints: &[Vec<Case<'_>>], plan: Plan) -> Vec<Judged> {
    let mut endpoints: Vec<Endpoint<'_>> = endpoints
        .iter()
        .map(|cases| Endpoint::after_first_stage(cases, plan))
        .collect();
    for fresh in noisy::fresh_look(plan.fresh)
        .into_iter()
        .chain([plan.fresh])
    {
        for endpoint in endpoints.iter_mut().filter(|one| one.is_open()) {
            endpoint.fresh = fresh;
        }
        confirm(&mut endpoints, plan);
    }
    endpoints.iter().map(Endpoint::judged).collect()
}

/// One endpoint while it is measured.
struct Endpoint<'a> {
    metrics: Vec<Metric<'a>>,
    /// Blocks of the first stage so far.
    first: usize,
    /// Fresh blocks so far.
    fresh: usize,
}

/// One metric and what is known of it.
struct Metric<'a> {
    case: Case<'a>,
    state: State,
}

enum State {
    /// The first stage had the answer.
    Settled(Verdict),
    /// Escalated; with the verdict of the second stage once there is one.
    Suspect(Option<Verdict>),
}

impl<'a> Endpoint<'a> {
    /// Half of the first stage, and the rest of it where that leaves a metric open.
    fn after_first_stage(cases: &[Case<'a>], plan: Plan) -> Self {
        let is_settled = |case: &Case<'_>, blocks: usize| {
            let arms = Arms::of(case, 0, blocks);
            noisy::first_stage(arms.blocks(), Better::Lower, case.tolerance()) != First::Escalated
        };
        let first = noisy::early_look(plan.first)
            .filter(|half| cases.iter().all(|case| is_settled(case, *half)))
            .unwrap_or(plan.first);
        let state = |case: &Case<'_>| {
            let arms = Arms::of(case, 0, first);
            match noisy::first_stage(arms.blocks(), Better::Lower, case.tolerance()) {
                First::Settled(verdict) => State::Settled(verdict),
                First::Escalated => State::Suspect(None),
            }
        };
        let metric = |case: &Case<'a>| Metric {
            case: *case,
            state: state(case),
        };
        Self {
            metrics: cases.iter().map(metric).collect(),
            first,
            fresh: 0,
        }
    }

    /// Whether fresh blocks could still decide something.
    fn is_open(&self) -> bool {
        self.metrics.iter().any(|metric| match &metric.state {
            State::Suspect(verdict) => {
                matches!(verdict, None | Some(Verdict::Inconclusive(_)))
            }
            State::Settled(_) => false,
        })
    }

    fn judged(&self) -> Judged {
        let has = |is: fn(&Verdict) -> bool| {
            self.metrics.iter().any(|metric| match &metric.state {
                State::Settled(verdict) | State::Suspect(Some(verdict)) => is(verdict),
                State::Suspect(None) => false,
            })
        };
        let is_flagged = has(|verdict| matches!(verdict, Verdict::Regressed(_)));
        Judged {
            is_flagged,
            is_inconclusive: !is_flagged
                && has(|verdict| matches!(verdict, Verdict::Inconclusive(_))),
            blocks: self.first + self.fresh,
        }
    }
}

/// One look of the second stage, at all suspects of all endpoints.
fn confirm(endpoints: &mut [Endpoint<'_>], plan: Plan) {
    let mut suspects = Vec::new();
    for endpoint in endpoints {
        let (first, fresh) = (endpoint.first, endpoint.fresh);
        for metric in &mut endpoint.metrics {
            if let State::Suspect(verdict) = &mut metric.state {
                let before = Arms::of(&metric.case, 0, first);
                // Fresh blocks come after all that the first stage may use.
                let after = Arms::of(&metric.case, plan.first, plan.first + fresh);
                suspects.push((before, after, metric.case.tolerance(), verdict));
            }
        }
    }
    let escalated: Vec<Escalated<'_>> = suspects
        .iter()
        .map(|(first, fresh, tolerance, _)| Escalated {
            first: first.blocks(),
            fresh: Some(fresh.blocks()),
            planned: plan.fresh,
            better: Better::Lower,
            tolerance: *tolerance,
        })
        .collect();
    let confirmed = noisy::second_stage(&escalated);
    for ((_, _, _, verdict), confirmed) in suspects.into_iter().zip(confirmed) {
        *verdict = Some(confirmed.verdict);
    }
}

impl Case<'_> {
    /// Absolute floors are off: the recorded endpoints are faster than the floors of the product.
    fn tolerance(&self) -> Tolerance {
        Tolerance {
            relative: self.tolerance,
            floor: 0.0,
        }
    }
}

/// Some blocks of both arms.
struct Arms {
    base: Samples,
    head: Samples,
}

impl Arms {
    #[expect(
        clippy::expect_used,
        reason = "recordings with a number that is not finite are refused when they are read"
    )]
    fn of(case: &Case<'_>, from: usize, to: usize) -> Self {
        let samples =
            |values: &[f64]| Samples::new(values[from..to].to_vec()).expect("finite numbers");
        Self {
            base: samples(case.base),
            head: samples(case.head),
        }
    }

    fn blocks(&self) -> Blocks<'_> {
        Blocks {
            base: &self.base,
            head: &self.head,
        }
    }
}
