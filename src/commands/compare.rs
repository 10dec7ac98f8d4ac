//! `tollgate compare`: judge run files again, offline and repeatable.

use super::judging::{self, Judged};
use super::{output, recorded};
use crate::cli::Compare;
use crate::failure::Failure;
use crate::model::Outcome;

/// Judges the files; the outcome decides the exit code.
pub fn compare(arguments: &Compare) -> Result<Outcome, Failure> {
    let run = recorded::load(&arguments.runs, &arguments.rules)?;
    let Judged { pages, outcome, .. } =
        judging::judge(&run.file, &run.reference, run.against, &run.rules)?;
    output::show(arguments.format, &pages);
    Ok(outcome)
}
