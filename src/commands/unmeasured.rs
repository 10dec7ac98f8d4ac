//! Why the shards of a run give nothing to judge, left in the folder of results for the step that
//! publishes.
//!
//! What measures can write there too: only words of ours come out.

use std::fs;
use std::path::Path;

use super::output;
use super::run_files::RunFileError;
use crate::failure::Failure;

/// The file that says so.
const FILE: &str = "unmeasured.txt";

/// What is wrong with the shards, in one line for a status.
const WHYS: [&str; 4] = [NONE, MISSING, APART, UNREADABLE];
const NONE: &str = "no shard was measured, see their jobs";
const MISSING: &str = "not every shard was measured, see their jobs";
const APART: &str = "the shards do not belong together, see the log of the job";
const UNREADABLE: &str = "a shard cannot be read, see the log of the job";

/// What stops a merge: where the jobs of the shards are to blame and not how this was called, word of it
/// is left.
pub(super) fn failure(error: RunFileError, home: &Path) -> Failure {
    let Some(why) = why(&error) else {
        return Failure::RunFile(error);
    };
    match output::write(&home.join(FILE), why.as_bytes()) {
        Ok(()) => Failure::Shards(error),
        Err(failure) => failure,
    }
}

fn why(error: &RunFileError) -> Option<&'static str> {
    match error {
        RunFileError::NoShards => Some(NONE),
        RunFileError::MissingShards { .. } => Some(MISSING),
        RunFileError::OtherRun { .. }
        | RunFileError::OtherProject { .. }
        | RunFileError::MetricTwice { .. }
        | RunFileError::Twice { .. } => Some(APART),
        RunFileError::NotJson { .. }
        | RunFileError::NotARun { .. }
        | RunFileError::TooLarge { .. }
        | RunFileError::Newer { .. }
        | RunFileError::Empty { .. }
        | RunFileError::NoTime { .. } => Some(UNREADABLE),
        RunFileError::Unreadable { .. }
        | RunFileError::NoCheckYet { .. }
        | RunFileError::NotASnapshot { .. }
        | RunFileError::NotAccepted { .. }
        | RunFileError::OnlyAShard { .. }
        | RunFileError::NoShard { .. } => None,
    }
}

/// What an earlier step of this job has left.
pub(super) fn told(home: &Path) -> Option<&'static str> {
    let text = fs::read_to_string(home.join(FILE)).ok()?;
    WHYS.into_iter().find(|why| *why == text)
}

/// An earlier run must not speak for this one.
pub(super) fn forget(home: &Path) {
    let _absent = fs::remove_file(home.join(FILE));
}
