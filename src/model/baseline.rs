//! What head is judged against.

use super::run::Run;

/// A stored run of an ancestor.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// The stored run.
    pub run: Run,
    /// Commits between it and the base that could not be measured; 0 is that base itself.
    pub distance: u32,
}

/// What head is judged against.
#[derive(Debug, Clone, PartialEq)]
pub enum Reference {
    /// Base, measured in the same run: every metric can be judged.
    Paired(Run),
    /// Stored ancestors: exact metrics can be judged against the nearest, noisy ones at most
    /// warned about.
    Stored {
        /// The nearest ancestor.
        baseline: Baseline,
        /// Runs of ancestors, the nearest among them, newest first: what is usual.
        series: Vec<Run>,
        /// Why base itself was not measured.
        why: String,
    },
    /// Nothing but the absolute targets.
    Targets {
        /// Why there is nothing else.
        why: String,
    },
}
