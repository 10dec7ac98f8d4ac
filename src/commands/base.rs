//! What head is judged against: what was named, else what the event of the workflow knows, else the
//! merge base with the default branch.
//!
//! Must not measure.

use crate::failure::Failure;
use crate::github::against::{self, Against};
use crate::measure::checkout::{Base, Repository};
use crate::measure::progress::note;

/// The base of a check.
pub(super) fn of(named: Option<&str>, repository: &Repository) -> Result<Base, Failure> {
    if let Some(revision) = named {
        return Ok(Base::Revision(revision.to_owned()));
    }
    Ok(match against::of_environment()? {
        None => Base::MergeBase,
        Some(Against::Branch(branch)) => Base::MergeBaseWith(branch),
        Some(Against::QueuedBefore(revision)) => Base::Known {
            revision,
            label: "before it in the merge queue",
        },
        Some(Against::PushedBefore(before)) => pushed_before(before, repository),
    })
}

/// After a push with force, what was there before is not in the clone.
fn pushed_before(before: Option<String>, repository: &Repository) -> Base {
    match before.filter(|commit| repository.has(commit)) {
        Some(revision) => Base::Known {
            revision,
            label: "before the push",
        },
        None => {
            note("what the branch was before the push is not here: judged against the last commit");
            Base::Known {
                revision: "HEAD^".to_owned(),
                label: "the commit before",
            }
        }
    }
}
