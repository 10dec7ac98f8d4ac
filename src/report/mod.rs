//! What people read: a view of finished strings, rendered by embedded templates.
//!
//! Must not judge anything: verdicts and outcomes arrive made.

use crate::model::{Comparison, Decision, Finding, Machine, Phase, Responses, Revision};

/// Everything a report shows.
#[derive(Debug, Clone)]
pub struct Report {
    /// Name of the project.
    pub project: String,
    /// What was judged.
    pub head: Revision,
    /// What it was judged against, in words a reader understands: `main (merge base 1a2b3c4d5e)`,
    /// or `stored run of 1a2b3c4d5e, 3 commits back; base could not be built: …`.
    pub against: String,
    /// Where it was measured.
    pub machine: Machine,
    /// Blocks of the first stage, and fresh blocks for what looked suspicious.
    pub blocks: (usize, usize),
    /// The judged metrics.
    pub comparisons: Vec<Comparison>,
    /// What explains them, most urgent first.
    pub findings: Vec<Finding>,
    /// What the gate says.
    pub decision: Decision,
    /// How the endpoints of head answered.
    pub responses: std::collections::BTreeMap<String, Responses>,
    /// Where the time went.
    pub phases: Vec<Phase>,
    /// What could not be read, with the reason.
    pub skipped: Vec<String>,
}

/// The rendered report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages {
    /// The comment on the pull request: Markdown within GitHub's size limit.
    pub comment: String,
    /// The same as `report.json`.
    pub json: String,
    /// The summary for a terminal, without colour.
    pub summary: String,
}
