//! Runs kept in SQLite.

use std::path::PathBuf;

/// Where runs are kept: the option type of this stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A SQLite file.
    Sqlite(PathBuf),
}
