//! What can go wrong with stored runs: message, cause and remedy.
//!
//! Must not turn anything into an empty history; there is no variant for that.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::model::RunFile;

/// Why stored runs could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder of the file is missing and cannot be created.
    #[error("could not create the folder of `{}`", path.display())]
    Folder {
        /// The history.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is missing and cannot be created.
    #[error("could not create `{}`", path.display())]
    Create {
        /// The history.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is there, or should be, and cannot be opened or written.
    #[error("could not open `{}` for writing", path.display())]
    Open {
        /// The history.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// The file has no content although it was there before.
    #[error("`{}` is empty: it was cut off, or its creation was interrupted", path.display())]
    Empty {
        /// The history.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("`{}` is not a SQLite database", path.display())]
    NotADatabase {
        /// The history.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// The database contains other tables than ours.
    #[error("`{}` is a database of another program", path.display())]
    Foreign {
        /// The history.
        path: PathBuf,
    },
    /// The tables were made by a version of this program that is unknown here.
    #[error("`{}` was written by a newer version (schema {version})", path.display())]
    Newer {
        /// The history.
        path: PathBuf,
        /// Schema version found.
        version: i64,
    },
    /// The tables were not made by a published version of this program.
    #[error("`{}` has a schema {version} that differs from ours", path.display())]
    Altered {
        /// The history.
        path: PathBuf,
        /// Schema version found.
        version: i64,
    },
    /// Some of the file's content is wrong.
    #[error("`{}` is damaged", path.display())]
    Damaged {
        /// The history.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// The database server does not answer, or lets nobody in.
    #[error("the database `{}` cannot be reached", path.display())]
    Unreachable {
        /// The history.
        path: PathBuf,
        /// What went wrong.
        source: sqlx::Error,
    },
    /// Somebody else held the file for too long.
    #[error("`{}` is in use by another process", path.display())]
    Busy {
        /// The history.
        path: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// Anything else the database refuses, for example for want of disk space.
    #[error("could not {what} `{}`", path.display())]
    Database {
        /// The history.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// A stored run is there and its columns are not what they should be.
    #[error("run {id} in `{}` cannot be read", path.display())]
    Row {
        /// The history.
        path: PathBuf,
        /// Number of the run.
        id: i64,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// A stored run is there and its body is not a run.
    #[error("run {id} in `{}` cannot be read", path.display())]
    Body {
        /// The history.
        path: PathBuf,
        /// Number of the run.
        id: i64,
        /// Where the body stops being a run.
        source: serde_json::Error,
    },
    /// A stored run is in a format this version does not know.
    #[error(
        "run {id} in `{}` has format {format}, and this version reads up to {}",
        path.display(),
        RunFile::FORMAT
    )]
    NewerRun {
        /// The history.
        path: PathBuf,
        /// Number of the run.
        id: i64,
        /// Format found.
        format: i64,
    },
    /// The run cannot be written so that it can be read again.
    #[error("the run of `{commit}` cannot be stored")]
    Unstorable {
        /// The commit of the run.
        commit: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The run says when it was measured in words that are no time.
    #[error("the run of `{commit}` cannot be stored: `{measured_at}` is not an RFC 3339 time")]
    Time {
        /// The commit of the run.
        commit: String,
        /// What it says.
        measured_at: String,
    },
    /// The start of a commit is too short to look for.
    #[error("`{reference}` is neither the number of a run nor four characters of a commit")]
    ShortReference {
        /// What was asked for.
        reference: String,
    },
    /// Several commits start like that.
    #[error("`{reference}` could be {}", named(candidates))]
    Ambiguous {
        /// What was asked for.
        reference: String,
        /// The commits that start with it, sorted.
        candidates: Vec<String>,
    },
}

impl StoreError {
    /// What the reader can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unreachable { .. } => Some(
                "look at address, user and password (`TOLLGATE_STORE_PASSWORD`, `PGPASSWORD`, \
                 `~/.pgpass`), and whether the server runs; nothing was stored",
            ),
            Self::Folder { .. } | Self::Create { .. } | Self::Open { .. } => {
                Some("choose a place that can be written to, or correct the permissions")
            }
            Self::Empty { .. } | Self::NotADatabase { .. } | Self::Damaged { .. } => {
                Some("restore the file from a copy, or remove it to begin a new history")
            }
            Self::Foreign { .. } => Some("choose another file for the history"),
            Self::Newer { .. } | Self::NewerRun { .. } => Some("update tollgate"),
            Self::Altered { .. } => {
                Some("use the version that wrote the file, or remove it to begin a new history")
            }
            Self::Busy { .. } => Some("try again when the other process has ended"),
            Self::Row { .. } | Self::Body { .. } => {
                Some("measure that revision again; a newer run of a commit replaces an older one")
            }
            Self::ShortReference { .. } => Some("list the stored runs to see their numbers"),
            Self::Ambiguous { .. } => Some("write more of the commit"),
            Self::Database { .. } | Self::Unstorable { .. } | Self::Time { .. } => None,
        }
    }

    /// What a refused statement means for the file.
    pub(super) fn database(path: &Path, what: &'static str, source: sqlx::Error) -> Self {
        let path = path.to_owned();
        match primary_code(&source) {
            Some(BUSY | LOCKED) => Self::Busy { path, source },
            Some(READ_ONLY | CANNOT_OPEN) => Self::Open { path, source },
            Some(CORRUPT) => Self::Damaged { path, source },
            Some(NOT_A_DATABASE) => Self::NotADatabase { path, source },
            _ => Self::Database { path, what, source },
        }
    }

    /// What it means that a server refuses a statement, or is not there.
    pub(super) fn server(place: &str, what: &'static str, source: sqlx::Error) -> Self {
        let path = PathBuf::from(place);
        // https://www.postgresql.org/docs/current/errcodes-appendix.html: 08 no connection,
        // 28 who are you, 3D no such database, 53 too many, 57P shutting down.
        let code = source.as_database_error().and_then(|error| error.code());
        let is_away = match code {
            Some(code) => ["08", "28", "3D", "53", "57P"]
                .iter()
                .any(|class| code.starts_with(class)),
            None => !matches!(source, sqlx::Error::RowNotFound),
        };
        if is_away {
            return Self::Unreachable { path, source };
        }
        Self::Database { path, what, source }
    }

    /// What it means that a run which is there could not be fetched.
    pub(super) fn row(path: &Path, id: i64, source: sqlx::Error) -> Self {
        let path = path.to_owned();
        Self::Row { path, id, source }
    }

    pub(super) fn ambiguous(reference: &str, candidates: &BTreeSet<String>) -> Self {
        Self::Ambiguous {
            reference: reference.to_owned(),
            candidates: candidates.iter().cloned().collect(),
        }
    }
}

/// Whether somebody else holds the file right now.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(BUSY | LOCKED))
}

/// Whether PostgreSQL says that what should be created is there.
pub(super) fn is_there_already(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| ["23505", "42P06"].contains(&code.as_ref()))
}

// https://www.sqlite.org/rescode.html: the low byte of a result code is its kind.
const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READ_ONLY: i32 = 8;
const CORRUPT: i32 = 11;
const CANNOT_OPEN: i32 = 14;
const NOT_A_DATABASE: i32 = 26;

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let sqlite: &sqlx::sqlite::SqliteError = error.as_database_error()?.try_downcast_ref()?;
    let code: i32 = sqlx::error::DatabaseError::code(sqlite)?.parse().ok()?;
    Some(code & 0xff)
}

fn named(candidates: &[String]) -> String {
    let quoted: Vec<String> = candidates.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(" or ")
}
