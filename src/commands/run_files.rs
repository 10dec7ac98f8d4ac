//! Run files: read, and refused where they cannot be judged together.
//!
//! Must not judge, and must not guess: a file that is not what it should be is an error with its
//! name.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::model::RunFile;
use crate::report;

/// What a check leaves below `.tollgate/`, to be judged again.
pub(super) const RUN_FILE: &str = "run.json";
/// The largest file read. The largest real one seen has 2 MB.
const LARGEST: u64 = 256 * 1024 * 1024;

/// A run file and what its user calls it.
#[derive(Debug)]
pub(super) struct Named {
    /// The path as it was given.
    pub(super) name: String,
    /// When its head was measured.
    pub(super) measured_at: OffsetDateTime,
    /// The content.
    pub(super) file: RunFile,
}

/// Why run files cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum RunFileError {
    /// It cannot be read.
    #[error("`{name}` cannot be read: {source}")]
    Unreadable {
        /// The file.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// There was no check yet.
    #[error("there is no `{name}`")]
    NoCheckYet {
        /// The file that a check would have written.
        name: String,
    },
    /// It is too large for one.
    #[error("`{name}` is larger than {} MiB", LARGEST >> 20)]
    TooLarge {
        /// The file.
        name: String,
    },
    /// It is no JSON.
    #[error("`{name}` is not JSON: {why}")]
    NotJson {
        /// The file.
        name: String,
        /// What is wrong, with line and column.
        why: String,
    },
    /// It is JSON of another kind.
    #[error("`{name}` is JSON, but no run file: {why}")]
    NotARun {
        /// The file.
        name: String,
        /// What is wrong, with line and column.
        why: String,
    },
    /// It holds no stored runs.
    #[error("`{name}` is no snapshot of stored runs: {why}")]
    NotASnapshot {
        /// The file.
        name: String,
        /// What is wrong, with line and column.
        why: String,
    },
    /// It does not say what was accepted.
    #[error("`{name}` is no list of what was accepted: {why}")]
    NotAccepted {
        /// The file.
        name: String,
        /// What is wrong, with line and column.
        why: String,
    },
    /// A later version wrote it.
    #[error(
        "`{name}` has format {format}; this version reads up to {}",
        RunFile::FORMAT
    )]
    Newer {
        /// The file.
        name: String,
        /// Its format.
        format: u64,
    },
    /// The same run twice: it would count as two.
    #[error("`{second}` and `{first}` are the same run")]
    Twice {
        /// A file.
        first: String,
        /// The file that is the same.
        second: String,
    },
    /// Runs of two projects.
    #[error("`{name}` is a run of project `{project}`, but `{other}` is of project `{expected}`")]
    OtherProject {
        /// The file.
        name: String,
        /// Its project.
        project: String,
        /// Another file, or the configuration.
        other: String,
        /// The project of that.
        expected: String,
    },
    /// It is one part of a run.
    #[error("`{name}` is shard {number} of {of}, not a whole run")]
    OnlyAShard {
        /// The file.
        name: String,
        /// Which shard.
        number: u32,
        /// Of how many.
        of: u32,
    },
    /// It is a whole run.
    #[error("`{name}` is no shard of a run")]
    NoShard {
        /// The file.
        name: String,
    },
    /// Not one shard is there.
    #[error("there is no shard to merge: none of them was measured")]
    NoShards,
    /// Shards that are not there.
    #[error("of {of} shards, these are missing: {missing}")]
    MissingShards {
        /// Their numbers.
        missing: String,
        /// How many there should be.
        of: u32,
    },
    /// A shard of another run.
    #[error("`{name}` and `{first}` are not of one run: the first {what}")]
    OtherRun {
        /// The file.
        name: String,
        /// The file it does not go with.
        first: String,
        /// What differs.
        what: String,
    },
    /// A metric of two shards: one of the two would be lost.
    #[error("{metric} is in `{first}` and in `{second}`")]
    MetricTwice {
        /// The metric.
        metric: String,
        /// A file that has it.
        first: String,
        /// The other.
        second: String,
    },
    /// There is nothing in it to judge.
    #[error("`{name}` has no samples of {arm}: nothing was measured")]
    Empty {
        /// The file.
        name: String,
        /// `base` or `head`.
        arm: &'static str,
    },
    /// The runs cannot be put in order.
    #[error("`{name}` was measured at `{at}`, which is no time")]
    NoTime {
        /// The file.
        name: String,
        /// What stands there.
        at: String,
    },
}

impl RunFileError {
    /// What to do about it, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoCheckYet { .. } => {
                Some("run `tollgate check` first, or name a run file with `--run`")
            }
            Self::NotJson { .. } | Self::NotARun { .. } | Self::TooLarge { .. } => {
                Some("`tollgate check` writes its run file to `.tollgate/run.json`")
            }
            Self::NotASnapshot { .. } => {
                Some("`tollgate baseline export` writes one; nothing was imported")
            }
            Self::NotAccepted { .. } => Some(
                "take the file from an older commit of that branch; nothing was imported or changed",
            ),
            Self::Newer { .. } => Some("update Tollgate to at least the version that wrote it"),
            Self::Twice { .. } => Some("name each run once"),
            Self::OtherProject { .. } => {
                Some("only runs of one project can be compared; `--config` names its configuration")
            }
            Self::OnlyAShard { .. } => Some("`tollgate merge` makes one run of all shards"),
            Self::NoShard { .. } => {
                Some("`tollgate check --shard 2/5` writes a shard; a whole run needs no merging")
            }
            Self::NoShards => Some("look at the jobs of the shards, or name the run file of each"),
            Self::MissingShards { .. } => {
                Some("look at the jobs of these shards; a verdict without them would be a guess")
            }
            Self::OtherRun { .. } => {
                Some("measure all shards of one commit with one configuration and one version")
            }
            Self::MetricTwice { .. } => Some("name each shard of one run once"),
            Self::Empty { .. } => Some("leave it out, or measure again with `tollgate check`"),
            Self::Unreadable { .. } | Self::NoTime { .. } => None,
        }
    }
}

/// Reads whole run files that can be judged together, in the order given.
pub(super) fn load(paths: &[PathBuf]) -> Result<Vec<Named>, RunFileError> {
    let runs = load_shards(paths)?;
    for run in &runs {
        if let Some(shard) = &run.file.shard {
            return Err(RunFileError::OnlyAShard {
                name: run.name.clone(),
                number: shard.number,
                of: shard.of,
            });
        }
    }
    Ok(runs)
}

/// Reads run files of one project, whole or not, in the order given.
pub(super) fn load_shards(paths: &[PathBuf]) -> Result<Vec<Named>, RunFileError> {
    let mut runs: Vec<Named> = Vec::new();
    for path in paths {
        let run = read(path)?;
        if let Some(same) = runs.iter().find(|other| other.file == run.file) {
            return Err(RunFileError::Twice {
                first: same.name.clone(),
                second: run.name,
            });
        }
        if let Some(first) = runs.first() {
            same_project(&run, &first.name, &first.file.project)?;
        }
        runs.push(run);
    }
    Ok(runs)
}

/// Refuses a run of another project than this.
pub(super) fn same_project(run: &Named, other: &str, expected: &str) -> Result<(), RunFileError> {
    if run.file.project == expected {
        return Ok(());
    }
    Err(RunFileError::OtherProject {
        name: run.name.clone(),
        project: report::plain(&run.file.project),
        other: report::plain(other),
        expected: report::plain(expected),
    })
}

fn read(path: &Path) -> Result<Named, RunFileError> {
    let name = report::plain(&path.display().to_string());
    let bytes = content(path, &name)?;
    version(&bytes, &name)?;
    let file: RunFile = serde_json::from_slice(&bytes).map_err(|error| RunFileError::NotARun {
        name: name.clone(),
        why: report::plain(&error.to_string()),
    })?;
    let arms = [
        ("head", Some(&file.head)),
        ("base", file.base.as_ref().ok()),
    ];
    for (arm, run) in arms {
        if run.is_some_and(|run| run.samples.is_empty()) {
            return Err(RunFileError::Empty { name, arm });
        }
    }
    let at = &file.head.measured_at;
    let measured_at = OffsetDateTime::parse(at, &Rfc3339).map_err(|_| RunFileError::NoTime {
        name: name.clone(),
        at: report::plain(at),
    })?;
    Ok(Named {
        name,
        measured_at,
        file,
    })
}

fn content(path: &Path, name: &str) -> Result<Vec<u8>, RunFileError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(|source| RunFileError::Unreadable {
            name: name.to_owned(),
            source,
        })?;
    if bytes.len() as u64 > LARGEST {
        return Err(RunFileError::TooLarge {
            name: name.to_owned(),
        });
    }
    Ok(bytes)
}

/// Looks at the version alone first: a later format may have anything else in it.
fn version(bytes: &[u8], name: &str) -> Result<(), RunFileError> {
    #[derive(Deserialize)]
    struct Version {
        format: u64,
    }
    let name = name.to_owned();
    match serde_json::from_slice::<Version>(bytes) {
        Ok(Version { format }) if format > u64::from(RunFile::FORMAT) => {
            Err(RunFileError::Newer { name, format })
        }
        Ok(_) => Ok(()),
        Err(error) => {
            let why = report::plain(&error.to_string());
            Err(if error.is_data() {
                RunFileError::NotARun { name, why }
            } else {
                RunFileError::NotJson { name, why }
            })
        }
    }
}
