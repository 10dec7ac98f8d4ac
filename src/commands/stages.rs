//! Everything that takes time, in order: build, start, and as many blocks as the answer needs.

use std::path::Path;

use super::output;
use super::session::supervisor;
use crate::compare::{self, noisy};
use crate::config::Config;
use crate::failure::Failure;
use crate::measure::Bench;
use crate::measure::checkout::Checkout;
use crate::measure::progress::Progress;
use crate::model::evidence::BundleEvidence;
use crate::model::{PhaseKind, RunFile};

/// Measures both arms of a checkout and ends what was started. Whatever could be measured is in
/// `path` after each stage, even when the rest fails. Builds that are `known` are not made again.
pub(super) async fn run(
    config: &Config,
    checkout: &Checkout,
    home: &Path,
    progress: Progress,
    path: &Path,
    known: Vec<BundleEvidence>,
) -> Result<RunFile, Failure> {
    let supervisor = supervisor()?;
    let logs = home.join("logs");
    let mut bench = Bench::new(&config.plan, checkout, &supervisor, home, &logs, progress)?;
    bench.known_bundles = known;
    let keep = |file: &RunFile| output::write_json(path, file);
    let measured = measure(&mut bench, config, keep).await;
    bench.stop().await;
    bench.progress.phase(PhaseKind::Report);
    let phases = bench.progress.phases();
    let file = bench.run_file(phases);
    keep(&file)?;
    measured?;
    Ok(file)
}

/// Measures both arms until every metric has its answer or the planned blocks are used up. What
/// is measured so far is handed to `keep` after each stage.
async fn measure(
    bench: &mut Bench<'_>,
    config: &Config,
    keep: impl Fn(&RunFile) -> Result<(), Failure>,
) -> Result<(), Failure> {
    bench.build().await?;
    bench.start().await?;
    first_stage(bench, config).await?;
    keep(&bench.run_file(Vec::new()))?;
    second_stage(bench, config).await?;
    bench.explain().await?;
    Ok(())
}

/// All endpoints for half of the blocks, then those that are not plainly unchanged.
async fn first_stage(bench: &mut Bench<'_>, config: &Config) -> Result<(), Failure> {
    let planned = config.plan.sampling.blocks;
    let Some(half) = half(noisy::early_look, planned) else {
        return Ok(bench.first_stage(None, planned).await?);
    };
    bench.first_stage(None, half).await?;
    let open = bench
        .runs()
        .map(|(base, head)| compare::unsettled(&base, &head, &config.policy));
    Ok(bench.first_stage(open.as_deref(), planned - half).await?)
}

/// Fresh blocks for what the first stage could not settle: half of them, and the rest for what
/// these could not decide.
async fn second_stage(bench: &mut Bench<'_>, config: &Config) -> Result<(), Failure> {
    let planned = config.plan.sampling.confirmation_blocks;
    let Some((base, head)) = bench.runs() else {
        return Ok(());
    };
    let suspects = compare::suspects(&base, &head, &config.policy);
    let Some(half) = half(noisy::fresh_look, planned) else {
        return Ok(bench.confirm(&suspects, planned).await?);
    };
    bench.confirm(&suspects, half).await?;
    if let Some((base, head)) = bench.runs() {
        let open = compare::undecided(&base, &head, &config.policy);
        bench.confirm(&open, planned - half).await?;
    }
    Ok(())
}

/// The blocks up to a look half-way, where the plan is long enough for one.
fn half(look: impl Fn(usize) -> Option<usize>, planned: u32) -> Option<u32> {
    look(planned as usize).and_then(|half| u32::try_from(half).ok())
}
