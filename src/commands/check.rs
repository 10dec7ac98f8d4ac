//! `tollgate check`: measure base and head, compare, explain, decide, report.

use std::fs;
use std::path::Path;

use super::judging::{self, Judged, Rules};
use super::run_files::RUN_FILE;
use super::session::{interruptible, interruptible_blocking, load};
use super::stages;
use super::{annotating, output, references};
use crate::cli::Check;
use crate::config::Config;
use crate::failure::Failure;
use crate::github;
use crate::measure::checkout::{self, Base, Checkout, Head, Repository};
use crate::measure::progress::{Progress, note};
use crate::model::evidence::BundleEvidence;
use crate::model::{Outcome, PhaseKind};
use crate::report::Pages;
use crate::store::{BaselineStore, Location};

/// Runs the check; the outcome decides the exit code.
pub async fn check(arguments: &Check) -> Result<Outcome, Failure> {
    let (config, project) = load(&arguments.project)?;
    let repository = Repository::of(&project)?;
    let home = checkout::home(&project)?;
    forget_earlier_results(&home);
    let mut progress = Progress::new();
    progress.phase(PhaseKind::CheckOut);
    progress.step("base and head");
    let (base, head) = (base(arguments), head(arguments));
    let checkout =
        interruptible_blocking(move || Ok(Checkout::create(&repository, &base, &head)?)).await?;
    let result = interruptible(Box::pin(run(&config, &checkout, &home, progress))).await;
    // Removed only now: nothing runs in it any more.
    drop(checkout);
    let (pages, outcome) = result?;
    output::show(arguments.format, &pages);
    Ok(outcome)
}

async fn run(
    config: &Config,
    checkout: &Checkout,
    home: &Path,
    progress: Progress,
) -> Result<(Pages, Outcome), Failure> {
    let known = known_bundles(config, checkout).await;
    let path = home.join(RUN_FILE);
    let file = stages::run(config, checkout, home, progress, &path, known).await?;
    let base = &checkout.base.revision.commit;
    let repository = checkout.repository();
    let (reference, against) = references::find(&file, config, repository, base).await?;
    let Judged {
        pages,
        outcome,
        findings,
    } = judging::judge(&file, &reference, against, &Rules::of(config))?;
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
    let Location::Sqlite(path) = &config.store;
    if config.plan.frontends.is_empty() || !path.exists() {
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

fn base(arguments: &Check) -> Base {
    arguments
        .base
        .clone()
        .map_or(Base::MergeBase, Base::Revision)
}

fn head(arguments: &Check) -> Head {
    match (&arguments.head, &arguments.head_patch) {
        (_, Some(patch)) => Head::Patch(patch.clone()),
        (Some(revision), None) => Head::Revision(revision.clone()),
        (None, None) => Head::WorkingTree,
    }
}

/// An earlier report must not pass for this one's.
fn forget_earlier_results(home: &Path) {
    for name in [RUN_FILE, "report.md", "report.json"] {
        let _absent = fs::remove_file(home.join(name));
    }
    let _absent = fs::remove_dir_all(home.join("logs"));
}
