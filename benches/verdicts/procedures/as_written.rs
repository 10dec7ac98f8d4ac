//! Our procedure word by word as it was first written down: 8 blocks, and 16 fresh ones for what
//! they could not call unchanged. No early look, no correction for one.
//!
//! Kept beside [`super::ours`] to show what later changes of the product cost or bring. It shares
//! the product's trimmed mean and nothing else.

use tollgate::compare::estimate::Trimmed;

use super::numbers::student_quantile;
use super::ours::{Case, Judged, Plan};

/// The certainty of the first stage.
const CONFIDENCE: f64 = 0.95;
/// The level of the only test.
const ALPHA: f64 = 0.01;

/// Judges one metric on its own.
pub(crate) fn judge(case: &Case<'_>, plan: Plan) -> Judged {
    let ratios: Vec<f64> = case
        .base
        .iter()
        .zip(case.head)
        .map(|(base, head)| (head / base).ln())
        .collect();
    let allowed = case.tolerance.ln_1p();
    let is_unchanged = |ratios: &[f64]| {
        Trimmed::of_log_ratios(ratios).is_some_and(|trimmed| upper(&trimmed) < allowed)
    };
    if is_unchanged(&ratios[..plan.first]) {
        return Judged {
            is_flagged: false,
            is_inconclusive: false,
            blocks: plan.first,
        };
    }
    let is_flagged = Trimmed::of_log_ratios(&ratios[plan.first..plan.blocks()])
        .is_some_and(|fresh| fresh.p_above_zero() <= ALPHA && fresh.mean >= allowed);
    Judged {
        is_flagged,
        is_inconclusive: !is_flagged && !is_unchanged(&ratios[..plan.blocks()]),
        blocks: plan.blocks(),
    }
}

fn upper(trimmed: &Trimmed) -> f64 {
    trimmed.mean + trimmed.error * student_quantile(CONFIDENCE, trimmed.freedom)
}
