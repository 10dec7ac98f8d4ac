//! `tollgate merge`: the shards of a run become one run, which is judged as `check` does.

use super::check;
use super::judging::Rules;
use super::merging;
use super::output;
use super::run_files::{self, RUN_FILE};
use super::session::load;
use crate::cli::Merge;
use crate::failure::Failure;
use crate::measure::checkout::{self, Repository};
use crate::model::Outcome;

/// Merges and judges; the outcome decides the exit code.
pub async fn merge(arguments: &Merge) -> Result<Outcome, Failure> {
    let (config, project) = load(&arguments.project)?;
    let parts = run_files::load_shards(&arguments.shards)?;
    for part in &parts {
        run_files::same_project(part, "the configuration", &config.plan.project)?;
    }
    let home = checkout::home(&project)?;
    check::forget_earlier_results(&home);
    let file = merging::merge(parts)?;
    output::write_json(&home.join(RUN_FILE), &file)?;
    let repository = Repository::of(&project)?;
    let base = file.base.as_ref().map(|run| run.revision.commit.clone());
    let base = base.unwrap_or_else(|_| "HEAD".to_owned());
    let rules = Rules::of(&config);
    let (pages, outcome) =
        check::conclude(&file, &config, &repository, &base, &home, &rules).await?;
    output::show(arguments.format, &pages);
    Ok(outcome)
}
