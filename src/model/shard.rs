//! Which part of a sharded run a run file is.

use serde::{Deserialize, Serialize};

/// One part of a run that several machines share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Shard {
    /// From 1.
    pub number: u32,
    /// How many there are.
    pub of: u32,
    /// SHA-256 of the configuration file, in hex: the parts of another configuration are of another
    /// run.
    pub configuration: String,
}
