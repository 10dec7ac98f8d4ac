//! `tollgate merge`: the shards of a run become one run, which is judged as `check` does.

use std::path::{Path, PathBuf};

use super::base;
use super::check;
use super::judging::Rules;
use super::leaving_out;
use super::merging;
use super::output;
use super::run_files::{self, Named, RUN_FILE, RunFileError};
use super::session::load;
use super::unmeasured;
use crate::cli::Merge;
use crate::config::Config;
use crate::failure::Failure;
use crate::measure::checkout::{self, Head, Repository};
use crate::model::Outcome;

/// Merges and judges; the outcome decides the exit code.
pub async fn merge(arguments: &Merge) -> Result<Outcome, Failure> {
    let (config, project) = load(&arguments.project)?;
    // Read before anything is removed: a shard may lie where results do.
    let parts = read(&arguments.shards, &config.plan.project);
    let home = checkout::home(&project)?;
    check::forget_earlier_results(&home);
    let parts = parts.map_err(|error| unmeasured::failure(error, &home))?;
    let repository = Repository::of(&project)?;
    if parts.is_empty() {
        return none(&config, &arguments.project.config, &repository, &home);
    }
    let merged = merging::merge(parts);
    let file = merged.map_err(|error| unmeasured::failure(error, &home))?;
    output::write_json(&home.join(RUN_FILE), &file)?;
    let base = file.base.as_ref().map(|run| run.revision.commit.clone());
    let base = base.unwrap_or_else(|_| "HEAD".to_owned());
    let rules = Rules::of(&config);
    let (pages, outcome) =
        check::conclude(&file, &config, &repository, &base, &home, &rules).await?;
    output::show(arguments.format, &pages);
    Ok(outcome)
}

fn read(shards: &[PathBuf], project: &str) -> Result<Vec<Named>, RunFileError> {
    let parts = run_files::load_shards(shards)?;
    for part in &parts {
        run_files::same_project(part, "the configuration", project)?;
    }
    Ok(parts)
}

/// No shard has measured anything: on purpose, or there is nothing to judge.
fn none(
    config: &Config,
    file: &Path,
    repository: &Repository,
    home: &Path,
) -> Result<Outcome, Failure> {
    let base = base::of(None, repository)?;
    match leaving_out::why(config, file, repository, &base, &Head::WorkingTree)? {
        Some(why) => leaving_out::tell(&why, home).map(|()| Outcome::Pass),
        None => Err(unmeasured::failure(RunFileError::NoShards, home)),
    }
}
