//! Changes that need no measuring, by `paths-ignore`: found out before anything is built, and left
//! in the folder of results for the step that publishes.

use std::fs;
use std::path::Path;

use super::output;
use crate::config::Config;
use crate::failure::Failure;
use crate::github::workflow;
use crate::measure::checkout::{Base, Head, Repository};
use crate::measure::progress::note;

/// The file that says why nothing was measured.
const FILE: &str = "skipped.txt";

/// Why the change between two revisions needs no measuring; none where it does.
pub(super) fn why(
    config: &Config,
    file: &Path,
    repository: &Repository,
    base: &Base,
    head: &Head,
) -> Result<Option<String>, Failure> {
    if config.ignored.is_empty() {
        return Ok(None);
    }
    let changed = repository.changed_files(base, head)?;
    Ok(config
        .ignored
        .why_not(&changed, &in_repository(repository, file)))
}

/// The configuration as git names it.
pub(super) fn in_repository(repository: &Repository, file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    repository.named(&name)
}

/// Says that nothing is measured, and leaves word of it.
pub(super) fn tell(why: &str, home: &Path) -> Result<(), Failure> {
    output::write(&home.join(FILE), why.as_bytes())?;
    let line = format!("not measured: {why}");
    output::print(&line);
    let told = workflow::summarise(&format!("⚪ **Tollgate:** {line}"))
        .and_then(|()| workflow::output(&[("summary", line)]));
    if let Err(error) = told {
        note(&format!("the job summary could not be written: {error}"));
    }
    Ok(())
}

/// What an earlier step of this job has left.
pub(super) fn told(home: &Path) -> Option<String> {
    fs::read_to_string(home.join(FILE)).ok()
}

/// An earlier run must not speak for this one.
pub(super) fn forget(home: &Path) {
    let _absent = fs::remove_file(home.join(FILE));
}
