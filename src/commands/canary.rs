//! `tollgate canary`: proves that the gate blocks what is slow and lets the same code pass.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::output;
use super::session::{interruptible, interruptible_blocking, load};
use super::stages;
use crate::cli::{Canary, ListFormat};
use crate::compare::rate::rate;
use crate::config::Config;
use crate::failure::Failure;
use crate::measure::checkout::{self, Base, Checkout, Head, Repository};
use crate::measure::progress::{Progress, note};
use crate::model::{Comparison, Outcome, PhaseKind, Reference, RunFile};
use crate::report::canary::{self, KnownSlow, SameCode, SameCodeRun};
use crate::{compare, gate};

/// Folder of what canaries measured, below `.tollgate`.
const FOLDER: &str = "canary";
/// What a canary found out, in that folder.
const RESULT: &str = "canary.json";

/// Runs the canary; whether the gate did what it is there for.
pub async fn canary(arguments: &Canary) -> Result<bool, Failure> {
    let (config, project) = load(&arguments.project)?;
    let repository = Repository::of(&project)?;
    let site = Site {
        commit: repository
            .base(&Base::Revision(arguments.base.clone()), &Head::WorkingTree)?
            .0,
        repository,
        folder: checkout::home(&project)?.join(FOLDER),
        home: checkout::home(&project)?,
        base: arguments.base.clone(),
        config,
    };
    site.make_folder()?;
    match (&arguments.patch, arguments.aa) {
        (Some(patch), _) => known_slow(site, patch, arguments).await,
        (None, runs) => same_code(site, runs.unwrap_or(1), arguments.format).await,
    }
}

/// Where a canary sings.
struct Site {
    config: Config,
    repository: Repository,
    home: PathBuf,
    folder: PathBuf,
    base: String,
    commit: String,
}

impl Site {
    /// An earlier result must not pass for this one's.
    fn make_folder(&self) -> Result<(), Failure> {
        let _absent = fs::remove_dir_all(&self.folder);
        fs::create_dir_all(&self.folder).map_err(|source| Failure::Write {
            path: self.folder.clone(),
            source,
        })
    }

    /// Measures base and `head` side by side, as a check does, and keeps the run in `file`.
    async fn measure(&self, head: Head, file: &str) -> Result<RunFile, Failure> {
        let mut progress = Progress::new();
        progress.phase(PhaseKind::CheckOut);
        progress.step("base and head");
        let (repository, base) = (self.repository.clone(), Base::Revision(self.base.clone()));
        let checkout =
            interruptible_blocking(move || Ok(Checkout::create(&repository, &base, &head)?))
                .await?;
        let path = self.folder.join(file);
        let work = stages::run(
            &self.config,
            &checkout,
            &self.home,
            progress,
            &path,
            Vec::new(),
        );
        let result = interruptible(Box::pin(work)).await;
        // Removed only now: nothing runs in it any more.
        drop(checkout);
        result
    }

    /// Judges a run as a check does.
    fn judge(&self, file: &RunFile) -> Result<Vec<Comparison>, Failure> {
        let base = file.base.clone().map_err(|why| {
            Failure::Usage(format!(
                "base could not be measured, so nothing is proved: {why}"
            ))
        })?;
        let reference = Reference::Paired(base);
        Ok(compare::compare(
            &file.head,
            &reference,
            &self.config.policy,
        ))
    }
}

/// The gate must block this patch.
async fn known_slow(site: Site, patch: &Path, arguments: &Canary) -> Result<bool, Failure> {
    let file = site
        .measure(Head::Patch(patch.to_owned()), "known-slow.json")
        .await?;
    let comparisons = site.judge(&file)?;
    let decision = gate::decide(&comparisons, site.config.gate);
    let accused: Vec<_> = comparisons
        .iter()
        .filter(|comparison| canary::is_accused(comparison))
        .map(|comparison| comparison.id.clone())
        .collect();
    let is_beside = |name: &str| {
        let others = accused.iter().filter(|id| id.subject.name() != name);
        others.cloned().collect()
    };
    let result = KnownSlow {
        patch: patch.display().to_string(),
        blocked: decision.outcome == Outcome::Fail && !accused.is_empty(),
        beside: arguments.only.as_deref().map_or_else(Vec::new, is_beside),
        accused,
    };
    output::write_json(&site.folder.join(RESULT), &result)?;
    show(arguments.format, &result, canary::known_slow(&result));
    Ok(result.is_as_expected())
}

/// The gate must not block the same code.
async fn same_code(mut site: Site, count: u32, format: ListFormat) -> Result<bool, Failure> {
    let mut judged = Vec::new();
    let mut canary = SameCode {
        project: site.config.plan.project.clone(),
        commit: site.commit.clone(),
        label: site.base.clone(),
        seed: site.config.plan.sampling.seed,
        runs: Vec::new(),
        failed: Vec::new(),
        blocked: rate(0, 0),
        accused: rate(0, 0),
        visible: BTreeMap::new(),
    };
    for number in 1..=count {
        note(&format!(
            "run {number} of {count}: {} against itself",
            site.base
        ));
        let start = Instant::now();
        let head = Head::Revision(site.base.clone());
        let file = format!("same-code-{number}.json");
        let measured = site.measure(head, &file).await;
        match measured.and_then(|file| site.judge(&file)) {
            Ok(comparisons) => {
                let seconds = start.elapsed().as_secs_f64();
                let outcome = gate::decide(&comparisons, site.config.gate).outcome;
                canary
                    .runs
                    .push(SameCodeRun::of(&comparisons, outcome, seconds));
                judged.push(comparisons);
            }
            Err(Failure::Interrupted) => return Err(Failure::Interrupted),
            Err(failure) => {
                let whole = failure.to_string();
                let why = whole.lines().next().unwrap_or_default();
                note(&format!("run {number} could not be measured: {whole}"));
                canary
                    .failed
                    .push(format!("run {number} could not be measured: {why}"));
            }
        }
        summarise(&mut canary, &judged);
        // Kept after every run: what is measured is not lost when the rest is interrupted.
        output::write_json(&site.folder.join(RESULT), &canary)?;
        site.config.plan.sampling.seed += 1;
    }
    show(format, &canary, canary::same_code(&canary));
    Ok(canary.is_as_expected())
}

/// Brings the figures over all runs up to date.
fn summarise(canary: &mut SameCode, judged: &[Vec<Comparison>]) {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let runs = &canary.runs;
    let blocked = runs.iter().filter(|run| run.blocks()).count();
    let accused = runs.iter().map(|run| count(run.accused.len())).sum();
    let tries = runs.iter().map(|run| run.judged).sum();
    canary.blocked = rate(count(blocked), count(runs.len()));
    canary.accused = rate(accused, tries);
    canary.visible = canary::visible(judged);
}

fn show(format: ListFormat, result: &impl serde::Serialize, summary: String) {
    output::print(&match format {
        ListFormat::Text => summary,
        ListFormat::Json => serde_json::to_string_pretty(result).unwrap_or_default(),
    });
}
