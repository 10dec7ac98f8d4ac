//! `tollgate baseline`: measures revisions into the store, and shows what is kept.

use std::fmt::Write;

use super::session::{interruptible, interruptible_blocking, load, supervisor};
use super::{output, snapshot};
use crate::cli::{Baseline, ListFormat};
use crate::failure::Failure;
use crate::measure::Bench;
use crate::measure::checkout::{self, Base, Checkout, Head, Repository};
use crate::measure::progress::{Progress, note};
use crate::model::{PhaseKind, Run};
use crate::store::{BaselineStore, StoredRun};

/// Runs one of the baseline commands.
pub async fn baseline(command: &Baseline) -> Result<(), Failure> {
    match command {
        Baseline::Refresh { project, revision } => {
            let (config, folder) = load(project)?;
            let repository = Repository::of(&folder)?;
            let home = checkout::home(&folder)?;
            let mut progress = Progress::new();
            progress.phase(PhaseKind::CheckOut);
            progress.step(revision);
            let base = Base::Revision(revision.clone());
            let head = Head::Revision(revision.clone());
            let checkout =
                interruptible_blocking(move || Ok(Checkout::create(&repository, &base, &head)?))
                    .await?;
            let supervisor = supervisor()?;
            let logs = home.join("logs");
            let mut bench =
                Bench::alone(&config.plan, &checkout, &supervisor, &home, &logs, progress)?;
            let run =
                interruptible(Box::pin(measure(&mut bench, config.plan.sampling.blocks))).await?;
            drop(bench);
            refuse_holes(&run)?;
            let store = BaselineStore::connect(&config.store).await?;
            let id = store.append(&config.plan.project, &run).await?;
            store.close().await;
            output::print(&format!(
                "stored run {id}: {} metrics of {} ({})",
                run.samples.len(),
                run.revision.short(),
                run.revision.label
            ));
            Ok(())
        }
        Baseline::List {
            project,
            limit,
            format,
        } => {
            let (config, folder) = load(project)?;
            checkout::home(&folder)?;
            let store = BaselineStore::connect(&config.store).await?;
            let runs = store.list(&config.plan.project, *limit).await?;
            store.close().await;
            output::print(&match format {
                ListFormat::Text => table(&runs),
                ListFormat::Json => json(&runs),
            });
            Ok(())
        }
        Baseline::Export {
            project,
            limit,
            file,
        } => {
            let (config, folder) = load(project)?;
            checkout::home(&folder)?;
            let store = BaselineStore::connect(&config.store).await?;
            let number = snapshot::export(&store, &config.plan.project, *limit, file).await;
            store.close().await;
            output::print(&format!("{} runs in `{}`", number?, file.display()));
            Ok(())
        }
        Baseline::Import { project, file } => {
            let (config, folder) = load(project)?;
            checkout::home(&folder)?;
            let store = BaselineStore::connect(&config.store).await?;
            let number = snapshot::import(&store, &config.plan.project, file).await;
            store.close().await;
            output::print(&format!("{} new runs of `{}`", number?, file.display()));
            Ok(())
        }
        Baseline::Show { project, run } => {
            let (config, folder) = load(project)?;
            checkout::home(&folder)?;
            let store = BaselineStore::connect(&config.store).await?;
            let found = store.show(&config.plan.project, run).await?;
            store.close().await;
            let found = found.ok_or_else(|| {
                Failure::Usage(format!(
                    "no stored run `{run}`; `tollgate baseline list` shows what there is"
                ))
            })?;
            output::print(&serde_json::to_string_pretty(&found).unwrap_or_default());
            Ok(())
        }
    }
}

async fn measure(bench: &mut Bench<'_>, blocks: u32) -> Result<Run, Failure> {
    let measured = async {
        bench.build().await?;
        bench.start().await?;
        bench.first_stage(None, blocks).await
    }
    .await;
    bench.stop().await;
    measured?;
    bench.name_what_is_missing();
    Ok(bench.run_file(Vec::new()).head)
}

/// A baseline with holes would let later regressions through.
fn refuse_holes(run: &Run) -> Result<(), Failure> {
    if run.samples.is_empty() {
        return Err(Failure::Usage(
            "nothing was measured, so nothing is stored".to_owned(),
        ));
    }
    for (id, why) in &run.not_measured {
        note(&format!("{id}: {why}"));
    }
    let wrong: Vec<&str> = run
        .responses
        .iter()
        .filter(|(_, responses)| responses.wrong_total() > 0)
        .map(|(endpoint, _)| endpoint.as_str())
        .collect();
    if wrong.is_empty() && run.not_measured.is_empty() {
        return Ok(());
    }
    Err(Failure::NotStored {
        endpoints: wrong.join(", "),
        metrics: run.not_measured.len(),
    })
}

fn table(runs: &[StoredRun]) -> String {
    if runs.is_empty() {
        return "no runs are stored; `tollgate baseline refresh` stores one".to_owned();
    }
    let mut text = format!(
        "{:>5}  {:<10}  {:<20}  {:>7}  {}\n",
        "run", "commit", "measured (UTC)", "metrics", "machine"
    );
    for run in runs {
        let commit = run.commit.get(..10).unwrap_or(&run.commit);
        let _infallible = writeln!(
            text,
            "{:>5}  {commit:<10}  {:<20}  {:>7}  {}",
            run.id, run.measured_at, run.metrics, run.machine
        );
    }
    text
}

fn json(runs: &[StoredRun]) -> String {
    let list: Vec<_> = runs
        .iter()
        .map(|run| {
            serde_json::json!({
                "id": run.id,
                "commit": run.commit,
                "label": run.label,
                "measured-at": run.measured_at,
                "metrics": run.metrics,
                "machine": run.machine,
            })
        })
        .collect();
    serde_json::to_string_pretty(&list).unwrap_or_default()
}
