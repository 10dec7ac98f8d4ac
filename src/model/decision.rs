//! What the gate says in the end.

use serde::{Deserialize, Serialize};

use super::metric::MetricId;
use super::worse::Worse;

/// The outcome of a check, ordered: that of a run is the highest of its reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Nothing to say.
    Pass,
    /// Something to know; it does not block.
    Warn,
    /// No answer, and policy says that this blocks.
    Inconclusive,
    /// The gate blocks.
    Fail,
}

/// Why the outcome is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reason {
    /// The metric it is about; none when it is about the run as a whole.
    pub id: Option<MetricId>,
    /// What it asks for.
    pub outcome: Outcome,
    /// In words.
    pub because: String,
}

/// The reason of a regression that was let through.
pub const ACCEPTED: &str = "regressed, and accepted";

/// A regression that somebody let through.
#[derive(Debug, Clone, PartialEq)]
pub struct Acceptance {
    /// The metric.
    pub id: MetricId,
    /// The largest relative change that is accepted; none accepts what was measured.
    pub up_to: Option<f64>,
    /// How much worse it was measured when it was accepted, as far as that is known.
    pub measured: Worse,
    /// Who accepted it.
    pub by: String,
    /// Why.
    pub because: String,
}

/// The decision of the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Decision {
    /// The highest outcome of the reasons; [`Outcome::Pass`] without any.
    pub outcome: Outcome,
    /// Every reason, most severe first.
    pub reasons: Vec<Reason>,
}
