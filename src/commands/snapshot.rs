//! Stored runs as a file that can be read in a diff: `tollgate baseline export` and `import`.
//!
//! A snapshot that is not whole is an error, never a shorter history.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::run_files::RunFileError;
use super::{kept, output};
use crate::cli;
use crate::failure::Failure;
use crate::github::{Client, GithubError, branch};
use crate::measure::checkout::Repository;
use crate::measure::progress::note;
use crate::model::{Run, RunFile};
use crate::report;
use crate::store::{AcceptedOnce, BaselineStore};

/// The largest snapshot that is read: two months of nights of a large project have 60 MB.
const LARGEST: u64 = 256 * 1024 * 1024;

/// How often it is tried to add to a branch that others add to.
const ATTEMPTS: u32 = 8;

/// The file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Snapshot {
    /// Version of the format of its runs.
    format: u32,
    /// Name of the project in its configuration.
    project: String,
    /// Oldest first: a new night is added at the end.
    runs: Vec<Run>,
    /// By release: when its reference was measured.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pinned: BTreeMap<String, String>,
    /// What was let through, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    accepted: Vec<AcceptedOnce>,
}

impl Snapshot {
    /// Both together, as if they had been kept together: the newest `limit` runs and the pinned ones.
    fn with(mut self, other: Self, limit: usize) -> Self {
        let mut known: BTreeSet<_> = self.runs.iter().map(identity).collect();
        let new = other.runs.into_iter();
        self.runs
            .extend(new.filter(|run| known.insert(identity(run))));
        self.pinned.extend(other.pinned);
        kept::join(&mut self.accepted, other.accepted);
        self.format = RunFile::FORMAT;
        in_order(&mut self.runs);
        let old = self.runs.len().saturating_sub(limit);
        let mut index = 0;
        let pinned: BTreeSet<&String> = self.pinned.values().collect();
        self.runs.retain(|run| {
            index += 1;
            index > old || pinned.contains(&run.measured_at)
        });
        self
    }
}

/// Oldest first, to the fraction of a second.
fn in_order(runs: &mut [Run]) {
    runs.sort_by_key(|run| OffsetDateTime::parse(&run.measured_at, &Rfc3339).ok());
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
    let mut pinned = BTreeMap::new();
    let mut known: BTreeSet<_> = runs.iter().map(identity).collect();
    for (name, run) in store.pinned(project).await? {
        pinned.insert(name, run.measured_at.clone());
        if known.insert(identity(&run)) {
            runs.push(run);
        }
    }
    runs.reverse();
    in_order(&mut runs);
    let mut accepted = store.accepted(project).await?;
    accepted.reverse();
    let snapshot = Snapshot {
        format: RunFile::FORMAT,
        project: project.to_owned(),
        runs,
        pinned,
        accepted,
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
    add(store, project, &read(path, project)?).await
}

/// Adds what is kept on a branch on GitHub; returns how many runs are new.
pub(super) async fn pull(
    store: &BaselineStore,
    project: &str,
    client: &Client,
    place: &cli::Branch,
) -> Result<usize, Failure> {
    let mut files = Vec::new();
    for file in [&place.path, &kept::beside(&place.path)] {
        let version = branch::read(client, &place.branch, file).await?;
        files.push(version.content);
    }
    let [runs, accepted] = [files.remove(0), files.remove(0)];
    add_both(store, project, &place.branch, &place.path, runs, accepted).await
}

/// Adds what is kept on a branch of this clone, which takes no token; returns how many runs are new,
/// none where there is no such branch.
pub(super) async fn import_from(
    store: &BaselineStore,
    project: &str,
    repository: &Repository,
    branch: &str,
    path: &str,
) -> Result<Option<usize>, Failure> {
    let Some(commit) = repository.branch(branch) else {
        return Ok(None);
    };
    let runs = repository.file(&commit, path, LARGEST)?;
    let accepted = repository.file(&commit, &kept::beside(path), LARGEST)?;
    let added = add_both(store, project, branch, path, runs, accepted).await?;
    Ok(Some(added))
}

/// Adds what is in both files of a branch. Neither counts where one of them is damaged.
async fn add_both(
    store: &BaselineStore,
    project: &str,
    branch: &str,
    path: &str,
    runs: Option<Vec<u8>>,
    accepted: Option<Vec<u8>>,
) -> Result<usize, Failure> {
    let named = |file: &str| format!("{branch}:{file}");
    let snapshot = match runs {
        Some(bytes) => Some(parsed(&bytes, &named(path), project).map_err(Failure::Kept)?),
        None => None,
    };
    if let Some(bytes) = accepted {
        let name = named(&kept::beside(path));
        for one in kept::parsed(&bytes, &name, project).map_err(Failure::Kept)? {
            store.record(project, &one).await?;
        }
    }
    match snapshot {
        Some(snapshot) => add(store, project, &snapshot).await,
        None => Ok(0),
    }
}

/// Adds a file to what is kept on GitHub. Where somebody else is faster, it is added to what they
/// leave. Returns whether anything was new.
pub(super) async fn push(
    client: &Client,
    project: &str,
    place: &cli::Branch,
    limit: u32,
    path: &Path,
) -> Result<bool, Failure> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (name, file) = (&place.branch, &place.path);
    let ours = read(path, project)?;
    change(client, name, file, "Add a night", |known| {
        let ours = ours.clone();
        Ok(match known {
            Some(bytes) => parsed(bytes, &format!("{name}:{file}"), project)?.with(ours, limit),
            None => ours,
        })
    })
    .await
}

/// Changes a file on a branch on GitHub, again on what others leave where they are faster. Returns
/// whether anything is new in it.
pub(super) async fn change<T: Serialize>(
    client: &Client,
    name: &str,
    file: &str,
    message: &str,
    changed: impl Fn(Option<&[u8]>) -> Result<T, RunFileError>,
) -> Result<bool, Failure> {
    let mut why = String::new();
    for attempt in 1..=ATTEMPTS {
        let version = branch::read(client, name, file).await?;
        let content = changed(version.content.as_deref()).map_err(Failure::Kept)?;
        let bytes = serde_json::to_vec_pretty(&content).map_err(|error| Failure::Write {
            path: file.into(),
            source: error.into(),
        })?;
        if version.content.as_ref() == Some(&bytes) {
            return Ok(false);
        }
        match branch::write(client, name, file, &bytes, message, &version).await? {
            Ok(()) => return Ok(true),
            Err(words) => why = words,
        }
        note(&format!(
            "somebody else was faster; attempt {attempt} of {ATTEMPTS}"
        ));
    }
    let branch = name.to_owned();
    Err(GithubError::NotMoved { branch, why }.into())
}

async fn add(store: &BaselineStore, project: &str, snapshot: &Snapshot) -> Result<usize, Failure> {
    let mut known = BTreeSet::new();
    for stored in store.list(project, u32::MAX).await? {
        if let Some(run) = store.show(project, &stored.id.to_string()).await? {
            known.insert(identity(&run));
        }
    }
    let mut added = 0;
    for run in &snapshot.runs {
        if known.insert(identity(run)) {
            store.append(project, run, None).await?;
            added += 1;
        }
    }
    for (name, at) in &snapshot.pinned {
        let Some(run) = snapshot.runs.iter().find(|run| run.measured_at == *at) else {
            continue;
        };
        for stored in store.list(project, u32::MAX).await? {
            let is_it = stored.commit == run.revision.commit
                && (store.show(project, &stored.id.to_string()).await?)
                    .is_some_and(|shown| identity(&shown) == identity(run));
            if is_it {
                store.pin(project, stored.id, name).await?;
            }
        }
    }
    for accepted in &snapshot.accepted {
        store.record(project, accepted).await?;
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
    parsed(&bytes, &name, project)
}

/// A snapshot that is not whole is an error, never a shorter history.
fn parsed(bytes: &[u8], name: &str, project: &str) -> Result<Snapshot, RunFileError> {
    let name = name.to_owned();
    let snapshot: Snapshot = serde_json::from_slice(bytes).map_err(|error| {
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
