//! What run files on disk say when they are judged again: which run, against what, by which rules.
//!
//! Must not look at a repository, a store or a clock, and must not write.

use std::path::{Path, PathBuf};

use super::judging::{self, Rules};
use super::run_files::{self, Named};
use super::session;
use crate::cli;
use crate::compare::{self, noisy};
use crate::failure::Failure;
use crate::gate;
use crate::measure::progress::note;
use crate::model::{Baseline, Reference, RunFile};

/// Where a configuration is looked for when none is named.
const CONFIG: &str = "tollgate.yml";

/// A recorded run, ready to be judged.
#[derive(Debug)]
pub(super) struct Recorded {
    /// The file whose head is judged.
    pub(super) file: RunFile,
    /// What it is judged against.
    pub(super) reference: Reference,
    /// That in words.
    pub(super) against: String,
    /// How.
    pub(super) rules: Rules,
}

/// Reads the runs and the rules.
pub(super) fn load(runs: &[PathBuf], rules: &cli::Rules) -> Result<Recorded, Failure> {
    let mut runs = run_files::load(runs)?;
    let Some(last) = runs.pop() else {
        return Err(Failure::Usage("there is no run file to judge".to_owned()));
    };
    let mut rules = the_rules(rules, &last)?;
    let (reference, against) = if runs.is_empty() {
        own_base(&last.file)
    } else {
        earlier(runs, &last)
    };
    if let Reference::Stored { baseline, .. } = &reference {
        // What an earlier run has and this one lacks is said, never passed over.
        let expected = baseline.run.samples.keys().cloned();
        rules.policy.expected.extend(expected);
    }
    Ok(Recorded {
        file: last.file,
        reference,
        against,
        rules,
    })
}

/// The rules of the configuration that is named, or of the current folder, or the defaults.
fn the_rules(arguments: &cli::Rules, run: &Named) -> Result<Rules, Failure> {
    let here = Path::new(CONFIG);
    let named = arguments.config.as_deref();
    let Some(path) = named.or_else(|| here.exists().then_some(here)) else {
        note(&format!(
            "there is no {CONFIG} here and no `--config`: the default tolerances apply, and no targets"
        ));
        return Ok(defaults(&run.file));
    };
    let (config, _) = session::load_from(path)?;
    let name = path.display().to_string();
    run_files::same_project(run, &name, &config.plan.project)?;
    Ok(Rules::of(&config))
}

/// The rules without a configuration. The plan is not in the file: what was measured stands for
/// the first stage, and the default for the second, which accepts the fewest false alarms.
fn defaults(file: &RunFile) -> Rules {
    let blocks = file
        .head
        .samples
        .values()
        .map(|samples| samples.values().len());
    Rules {
        policy: compare::Policy {
            blocks: blocks.max().unwrap_or(0),
            fresh_blocks: noisy::PLANNED_FRESH_BLOCKS,
            ..compare::Policy::default()
        },
        gate: gate::Policy::default(),
        accepted: Vec::new(),
    }
}

/// One file: head against base of the same run.
fn own_base(file: &RunFile) -> (Reference, String) {
    match &file.base {
        Ok(base) => (Reference::Paired(base.clone()), judging::against_base(base)),
        Err(why) => {
            let why = judging::without_base(why);
            let against = format!("the targets only: {why}");
            (Reference::Targets { why }, against)
        }
    }
}

/// Several files: the last against the heads of those before it, as stored runs.
fn earlier(mut runs: Vec<Named>, last: &Named) -> (Reference, String) {
    // Newest first; of two measured at the same time, the one named later.
    runs.reverse();
    runs.sort_by_key(|run| std::cmp::Reverse(run.measured_at));
    if let Some(later) = runs.iter().find(|run| run.measured_at > last.measured_at) {
        note(&format!(
            "`{}` was measured after `{}`, which is judged against it",
            later.name, last.name
        ));
    }
    let series: Vec<_> = runs.into_iter().map(|run| run.file.head).collect();
    let newest = series[0].clone();
    let which = match series.len() {
        1 => "an earlier run of".to_owned(),
        more => format!("{more} earlier runs, the newest of"),
    };
    let against = format!(
        "{which} {} ({}): sizes and counts are judged against it, other metrics at most warned about",
        newest.revision.short(),
        newest.revision.label,
    );
    let reference = Reference::Stored {
        baseline: Baseline {
            run: newest,
            distance: 0,
        },
        series,
        why: "earlier runs are no measure for it".to_owned(),
    };
    (reference, against)
}
