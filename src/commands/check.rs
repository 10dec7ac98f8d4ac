//! `tollgate check`: measure base and head, compare, explain, decide, report.

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::judging::{self, Judged, Rules};
use super::leaving_out;
use super::run_files::RUN_FILE;
use super::session::{interruptible, interruptible_blocking, load};
use super::stages;
use super::{annotating, base, output, references, unmeasured};
use crate::cli::Check;
use crate::config::Config;
use crate::failure::Failure;
use crate::github;
use crate::measure::checkout::{self, Checkout, Head, Repository};
use crate::measure::progress::{Progress, note};
use crate::measure::shard::{self, Part, PartOfPlan};
use crate::model::evidence::BundleEvidence;
use crate::model::{Outcome, PhaseKind, RunFile, Shard};
use crate::report::Pages;
use crate::store::{BaselineStore, Location};

/// Runs the check; the outcome decides the exit code.
pub async fn check(arguments: &Check) -> Result<Outcome, Failure> {
    let (mut config, project) = load(&arguments.project)?;
    let shard = match arguments.shard {
        Some(part) => Some(sharding(&mut config, part, &arguments.project.config)?),
        None => None,
    };
    let repository = Repository::of(&project)?;
    let home = checkout::home(&project)?;
    forget_earlier_results(&home);
    let from = base::of(arguments.base.as_deref(), &repository)?;
    let to = head(arguments);
    let file = &arguments.project.config;
    if let Some(why) = leaving_out::why(&config, file, &repository, &from, &to)? {
        leaving_out::tell(&why, &home)?;
        return Ok(Outcome::Pass);
    }
    let mut progress = Progress::new();
    progress.phase(PhaseKind::CheckOut);
    progress.step("base and head");
    let checkout =
        interruptible_blocking(move || Ok(Checkout::create(&repository, &from, &to)?)).await?;
    let work = run(&config, &checkout, &home, progress, shard);
    let result = interruptible(Box::pin(work)).await;
    // Removed only now: nothing runs in it any more.
    drop(checkout);
    match result? {
        Some((pages, outcome)) => {
            output::show(arguments.format, &pages);
            Ok(outcome)
        }
        None => Ok(Outcome::Pass),
    }
}

/// A shard, and what it answers for.
type Sharding = (Shard, PartOfPlan);

/// Leaves of the plan what this shard measures.
fn sharding(config: &mut Config, part: Part, file: &Path) -> Result<Sharding, Failure> {
    let text = fs::read(file).map_err(|source| {
        Failure::Usage(format!(
            "`{}` cannot be read again: {source}",
            file.display()
        ))
    })?;
    let hash = Sha256::digest(&text);
    let own = shard::part(&config.plan, part).map_err(|most| {
        Failure::Usage(format!(
            "there is not enough for {} shards: {most} at most, one for each endpoint and frontend",
            part.of
        ))
    })?;
    config.plan = own.plan.clone();
    let shard = Shard {
        number: part.number,
        of: part.of,
        configuration: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    Ok((shard, own))
}

/// Says of which part a run file is, and leaves out what another part answers for.
fn keep_own(file: &mut RunFile, (shard, part): &Sharding) {
    file.shard = Some(shard.clone());
    for run in [Some(&mut file.head), file.base.as_mut().ok()] {
        let Some(run) = run else { continue };
        run.samples.retain(|id, _| part.owns(&id.subject));
        run.confirmation.retain(|id, _| part.owns(&id.subject));
        run.control.retain(|id, _| part.owns(&id.subject));
        run.not_measured.retain(|id, _| part.owns(&id.subject));
        run.not_offered.retain(|id, _| part.owns(&id.subject));
    }
}

async fn run(
    config: &Config,
    checkout: &Checkout,
    home: &Path,
    progress: Progress,
    shard: Option<Sharding>,
) -> Result<Option<(Pages, Outcome)>, Failure> {
    let known = known_bundles(config, checkout).await;
    let path = home.join(RUN_FILE);
    let stages = stages::run(config, checkout, home, progress, &path, known);
    let mut file = Box::pin(stages).await?;
    if let Some(shard) = shard {
        keep_own(&mut file, &shard);
        output::write_json(&path, &file)?;
        let told = format!(
            "shard {} of {}: {} metrics; `tollgate merge` judges all shards together",
            shard.0.number,
            shard.0.of,
            file.head.samples.len()
        );
        output::print(&told);
        return Ok(None);
    }
    let base = &checkout.base.revision.commit;
    let repository = checkout.repository();
    let rules = Rules::of(config);
    let concluded = conclude(&file, config, repository, base, home, &rules).await?;
    Ok(Some(concluded))
}

/// Judges a run and leaves what is said about it where it is looked for.
pub(super) async fn conclude(
    file: &RunFile,
    config: &Config,
    repository: &Repository,
    base: &str,
    home: &Path,
    rules: &Rules,
) -> Result<(Pages, Outcome), Failure> {
    let (reference, against) = references::find(file, config, repository, base).await?;
    let Judged {
        pages,
        outcome,
        findings,
    } = judging::judge(file, &reference, against, rules)?;
    output::write(&home.join("report.md"), pages.comment.as_bytes())?;
    output::write(&home.join("report.json"), pages.json.as_bytes())?;
    if let Err(error) = github::workflow::publish(&pages, outcome, home) {
        note(&format!("the job summary could not be written: {error}"));
    }
    annotating::print(&findings, outcome, home.parent().unwrap_or(home));
    Ok((pages, outcome))
}

/// What the newest stored runs of base and its ancestors say of their builds. A store that cannot
/// be read costs time here, nothing else.
async fn known_bundles(config: &Config, checkout: &Checkout) -> Vec<BundleEvidence> {
    let is_missing = matches!(&config.store, Location::Sqlite(path) if !path.exists());
    if config.plan.frontends.is_empty() || is_missing {
        return Vec::new();
    }
    let series = async {
        let ancestors = checkout
            .repository()
            .ancestors(&checkout.base.revision.commit)?;
        let store = BaselineStore::connect(&config.store).await?;
        let series = store.series(&config.plan.project, &ancestors, 5).await?;
        store.close().await;
        Ok::<_, Failure>(series)
    };
    match series.await {
        Ok(series) => series
            .into_iter()
            .flat_map(|run| run.evidence.bundles.into_values())
            .collect(),
        Err(failure) => {
            note(&format!("base is built again: {}", failure.message()));
            Vec::new()
        }
    }
}

fn head(arguments: &Check) -> Head {
    match (&arguments.head, &arguments.head_patch) {
        (_, Some(patch)) => Head::Patch(patch.clone()),
        (Some(revision), None) => Head::Revision(revision.clone()),
        (None, None) => Head::WorkingTree,
    }
}

/// An earlier report must not pass for this one's.
pub(super) fn forget_earlier_results(home: &Path) {
    for name in [RUN_FILE, "report.md", "report.json"] {
        let _absent = fs::remove_file(home.join(name));
    }
    let _absent = fs::remove_dir_all(home.join("logs"));
    leaving_out::forget(home);
    unmeasured::forget(home);
}
