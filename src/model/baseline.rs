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
    /// A stored ancestor: exact metrics can be judged.
    Stored {
        /// The ancestor.
        baseline: Baseline,
        /// Why base itself was not measured.
        why: String,
    },
    /// Nothing but the absolute targets.
    Targets {
        /// Why there is nothing else.
        why: String,
    },
}
