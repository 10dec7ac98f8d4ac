//! What head of a run is judged against: base of the same run, or else the nearest stored ancestor.
//!
//! Must not judge.

use super::judging;
use crate::config::Config;
use crate::failure::Failure;
use crate::measure::checkout::Repository;
use crate::measure::progress::note;
use crate::model::{Reference, RunFile};
use crate::store::BaselineStore;

/// Stored runs looked at for what is usual: two months of nights.
pub(super) const MOST_STORED: usize = 60;

/// The reference, and in words what it is. `base` is the commit whose ancestors are looked for
/// where base itself was not measured.
pub(super) async fn find(
    file: &RunFile,
    config: &Config,
    repository: &Repository,
    base: &str,
) -> Result<(Reference, String), Failure> {
    let why = match &file.base {
        Ok(run) => {
            let reference = Reference::Paired(run.clone());
            return Ok((reference, judging::against_base(run)));
        }
        Err(why) => why,
    };
    note(&format!("base could not be measured: {why}"));
    let why = judging::without_base(why);
    let ancestors = repository.ancestors(base)?;
    let store = BaselineStore::connect(&config.store).await?;
    let stored = store.nearest(&file.project, &ancestors).await?;
    let series = store.series(&file.project, &ancestors, MOST_STORED).await?;
    store.close().await;
    let Some(baseline) = stored else {
        let against = format!("the targets only: no ancestor is stored, and {why}");
        return Ok((Reference::Targets { why }, against));
    };
    let against = format!(
        "the stored run of {} ({}): sizes and counts are judged, other metrics at most warned \
         about; {why}",
        baseline.run.revision.short(),
        distance(baseline.distance, base.get(..10).unwrap_or(base)),
    );
    let reference = Reference::Stored {
        baseline,
        series,
        why,
    };
    Ok((reference, against))
}

fn distance(commits: u32, base: &str) -> String {
    match commits {
        0 => "base itself".to_owned(),
        1 => format!("1 commit before base {base}"),
        more => format!("{more} commits before base {base}"),
    }
}
