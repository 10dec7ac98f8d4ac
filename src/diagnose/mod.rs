//! Why: one file per rule.

use crate::model::{Comparison, Finding, Run};

/// What a rule may look at.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The head arm.
    pub head: &'a Run,
    /// The base arm, where there is one.
    pub base: Option<&'a Run>,
    /// The judged metrics.
    pub comparisons: &'a [Comparison],
}

/// A rule: evidence in, findings out. It never changes the outcome.
pub type Rule = fn(&Case<'_>) -> Vec<Finding>;
