//! `tollgate.yml`, read into the option types of the stages.

use crate::{compare, gate, measure, store};

/// A configuration in which nothing can be wrong any more.
#[derive(Debug, Clone)]
pub struct Config {
    /// What to measure.
    pub plan: measure::Plan,
    /// How to judge it.
    pub policy: compare::Policy,
    /// What the verdicts mean for the outcome.
    pub gate: gate::Policy,
    /// Where runs are kept.
    pub store: store::Location,
}
