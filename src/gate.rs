//! Comparisons and policy become one decision.
//!
//! Must not compare numbers: verdicts are made in `compare`, this only weighs them.

use crate::model::Outcome;

/// What the verdicts mean for the outcome: the option type of this stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What a gating metric without an answer means: [`Outcome::Warn`] or
    /// [`Outcome::Inconclusive`].
    pub inconclusive: Outcome,
    /// What a target means that base missed too: [`Outcome::Warn`] or [`Outcome::Fail`].
    pub missed_by_base: Outcome,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            inconclusive: Outcome::Warn,
            missed_by_base: Outcome::Warn,
        }
    }
}
