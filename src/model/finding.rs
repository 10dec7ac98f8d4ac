//! A claim about the cause that somebody can check.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::evidence::Place;
use super::metric::MetricId;

/// What was found, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// The rule that found it: `db.n-plus-one`.
    pub rule: String,
    /// Where it is.
    pub location: Location,
    /// What causes the slow-down, in one sentence with its numbers.
    pub issue: String,
    /// What it costs, in numbers.
    pub impact: String,
    /// How much it matters.
    pub priority: Priority,
    /// How the claim is known.
    pub confidence: Confidence,
    /// Evidence a reader can check, one line each: a statement, an import chain.
    pub evidence: Vec<String>,
    /// What to do; none when the evidence does not say.
    pub recommendation: Option<Recommendation>,
    /// The metrics it explains.
    pub explains: Vec<MetricId>,
}

/// Where a finding is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Location {
    /// A line of a source file.
    Source {
        /// Where.
        place: Place,
        /// Whether head changed that line.
        changed: bool,
    },
    /// A service, and the route where one is known.
    Service {
        /// Name of the service.
        service: String,
        /// Method and path.
        route: Option<String>,
    },
    /// A frontend as a whole.
    Frontend {
        /// Name of the frontend.
        frontend: String,
    },
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source { place, .. } => write!(f, "{place}"),
            Self::Service {
                service,
                route: Some(route),
            } => write!(f, "{service}: {route}"),
            Self::Service {
                service,
                route: None,
            } => write!(f, "{service}"),
            Self::Frontend { frontend } => write!(f, "{frontend}"),
        }
    }
}

/// How much a finding matters; ordered, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// A target is missed by half or more.
    Critical,
    /// A target is missed, or a regression is confirmed.
    High,
    /// Targets hold, but it takes a good part of one.
    Medium,
    /// The rest.
    Low,
}

/// How a claim is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Counted.
    Proved,
    /// Seen in a profile or plan.
    Supported,
    /// Concluded from a pattern in the code.
    Inferred,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Recommendation {
    /// The change of code or configuration.
    pub change: String,
    /// What it brings.
    pub expected: Expected,
    /// How to do it, in steps.
    pub steps: Vec<String>,
    /// What may go wrong.
    pub risk: Risk,
    /// Whether it is an easy change with a high impact.
    pub quick_win: bool,
}

/// What a recommendation brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Expected {
    /// In numbers.
    pub improvement: String,
    /// Where the number comes from.
    pub provenance: Provenance,
}

/// Where an expected improvement comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provenance {
    /// Tried in this run.
    Measured,
    /// Follows from measured numbers by a formula.
    Computed,
    /// A judgement.
    Estimated,
}

/// What may go wrong when a recommendation is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// Configuration or an import only.
    Low,
    /// A code path or an amount of data changes.
    Medium,
    /// A schema, a protocol or an accuracy changes.
    High,
}
