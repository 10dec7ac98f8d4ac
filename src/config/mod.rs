//! `tollgate.yml`, read into the option types of the stages.
//!
//! The text becomes `raw` (a mirror of the file), and `resolve` makes of it a [`Config`] in which
//! every default is set and every reference checked. Must not start, build or look at anything the
//! configuration talks about: whether a folder exists is for `measure` to say, for each arm.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::{compare, gate, measure, store};

mod compose;
mod container;
mod error;
mod fields;
mod ignored;
mod interpolate;
mod judge;
mod locate;
mod quantity;
mod raw;
mod resolve;
mod shape;
mod stack;
mod template;
#[cfg(test)]
mod tests;
mod varying;
mod yaml;

pub use error::ConfigError;
pub use ignored::Ignored;

use error::Source;

/// The largest configuration read. The largest real one seen has 9 KB; a megabyte is a mistake.
pub const LARGEST_FILE: u64 = 1024 * 1024;

/// A configuration in which nothing can be wrong any more.
#[derive(Debug, Clone)]
pub struct Config {
    /// What to measure.
    pub plan: measure::Plan,
    /// How to judge it.
    pub policy: compare::Policy,
    /// What the verdicts mean for the outcome.
    pub gate: gate::Policy,
    /// Where runs are kept.
    pub store: store::Location,
    /// What a change may touch without being measured.
    pub ignored: Ignored,
}

/// Reads the configuration file at `path`; `project_root` is what its `store` is relative to.
pub fn load(path: &Path, project_root: &Path) -> Result<Config, ConfigError> {
    let name = path.display().to_string();
    let bytes = read(path, &name)?;
    match String::from_utf8(bytes) {
        Ok(text) => parse(&text, &name, project_root),
        Err(error) => Err(ConfigError::not_utf8(&name, &error)),
    }
}

/// Reads a configuration from its text; `name` is what errors call the file.
pub fn parse(text: &str, name: &str, project_root: &Path) -> Result<Config, ConfigError> {
    if text.len() as u64 > LARGEST_FILE {
        return Err(ConfigError::too_large(name));
    }
    let source = Source::new(name, text.strip_prefix('\u{feff}').unwrap_or(text));
    let raw = yaml::read(&source)?;
    let composed = compose::load(raw.compose.as_ref(), &source, project_root)?;
    resolve::resolve(&raw, &composed, project_root).map_err(|problem| source.explain(problem))
}

fn read(path: &Path, name: &str) -> Result<Vec<u8>, ConfigError> {
    let unreadable = |error: &std::io::Error| ConfigError::unreadable(name, error);
    let metadata = path.metadata().map_err(|error| {
        if error.kind() == ErrorKind::NotFound {
            ConfigError::missing(name)
        } else {
            unreadable(&error)
        }
    })?;
    if !metadata.is_file() {
        return Err(ConfigError::not_a_file(name, metadata.is_dir()));
    }
    let mut bytes = Vec::new();
    // One byte more than allowed, so that a file that grows meanwhile is refused as well.
    File::open(path)
        .and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(ConfigError::too_large(name));
    }
    Ok(bytes)
}
