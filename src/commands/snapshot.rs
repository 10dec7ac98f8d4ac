//! Stored runs as a file that can be read in a diff: `tollgate baseline export` and `import`.
//!
//! A snapshot that is not whole is an error, never a shorter history.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::output;
use super::run_files::RunFileError;
use crate::failure::Failure;
use crate::model::{Run, RunFile};
use crate::report;
use crate::store::BaselineStore;

/// The largest snapshot that is read: two months of nights of a large project have 60 MB.
const LARGEST: u64 = 256 * 1024 * 1024;

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Snapshot {
    /// Version of the format of its runs.
    format: u32,
    /// Name of the project in its configuration.
    project: String,
    /// Oldest first: a new night is added at the end.
    runs: Vec<Run>,
}

/// Writes the newest runs of a project, at most `limit`; returns how many.
pub(super) async fn export(
    store: &BaselineStore,
    project: &str,
    limit: u32,
    path: &Path,
) -> Result<usize, Failure> {
    let mut runs = Vec::new();
    for stored in store.list(project, limit).await? {
        runs.extend(store.show(project, &stored.id.to_string()).await?);
    }
    // The list is exact to the second only.
    runs.reverse();
    runs.sort_by_key(|run| OffsetDateTime::parse(&run.measured_at, &Rfc3339).ok());
    let snapshot = Snapshot {
        format: RunFile::FORMAT,
        project: project.to_owned(),
        runs,
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|source| Failure::Write {
            path: folder.to_owned(),
            source,
        })?;
    }
    output::write_json(path, &snapshot)?;
    Ok(snapshot.runs.len())
}

/// Adds the runs of a snapshot that are not stored yet; returns how many those are.
pub(super) async fn import(
    store: &BaselineStore,
    project: &str,
    path: &Path,
) -> Result<usize, Failure> {
    let snapshot = read(path, project)?;
    let mut known = BTreeSet::new();
    for stored in store.list(project, u32::MAX).await? {
        if let Some(run) = store.show(project, &stored.id.to_string()).await? {
            known.insert(identity(&run));
        }
    }
    let mut added = 0;
    for run in &snapshot.runs {
        if known.insert(identity(run)) {
            store.append(project, run).await?;
            added += 1;
        }
    }
    Ok(added)
}

/// What makes two runs the same.
fn identity(run: &Run) -> (String, String, String) {
    let revision = &run.revision;
    (
        revision.commit.clone(),
        revision.tree.clone(),
        run.measured_at.clone(),
    )
}

fn read(path: &Path, project: &str) -> Result<Snapshot, RunFileError> {
    let name = report::plain(&path.display().to_string());
    let unreadable = |source| RunFileError::Unreadable {
        name: name.clone(),
        source,
    };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(RunFileError::TooLarge { name });
    }
    let snapshot: Snapshot = serde_json::from_slice(&bytes).map_err(|error| {
        let why = report::plain(&error.to_string());
        let name = name.clone();
        RunFileError::NotASnapshot { name, why }
    })?;
    if snapshot.format > RunFile::FORMAT {
        let format = u64::from(snapshot.format);
        return Err(RunFileError::Newer { name, format });
    }
    if snapshot.project != project {
        return Err(RunFileError::OtherProject {
            name,
            project: report::plain(&snapshot.project),
            other: "the configuration".to_owned(),
            expected: report::plain(project),
        });
    }
    Ok(snapshot)
}
