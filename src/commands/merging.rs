//! The parts of a sharded run as one run.
//!
//! Must not judge, and must not guess: parts that are not of one run are refused.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::run_files::{Named, RunFileError};
use crate::measure::probes::tables;
use crate::model::{Evidence, Machine, MetricId, Run, RunFile, Shard};

/// Makes one run file of all shards of a run, in any order.
pub(super) fn merge(mut parts: Vec<Named>) -> Result<RunFile, RunFileError> {
    let mut numbers = BTreeMap::new();
    for part in &parts {
        let shard = shard(part)?;
        let earlier = numbers.insert(shard.number, part.name.clone());
        if let Some(first) = earlier {
            return Err(RunFileError::Twice {
                first,
                second: part.name.clone(),
            });
        }
    }
    let Some(first) = parts.first() else {
        return Err(RunFileError::NoShards);
    };
    let expected = shard(first)?.clone();
    for part in &parts[1..] {
        let shard = shard(part)?;
        if shard.of != expected.of || shard.configuration != expected.configuration {
            let what = if shard.of == expected.of {
                "was measured by another configuration".to_owned()
            } else {
                format!("is one of {} shards, not of {}", shard.of, expected.of)
            };
            return Err(differs(part, first, what));
        }
        same_revisions(part, first)?;
    }
    let missing: Vec<String> = (1..=expected.of)
        .filter(|number| !numbers.contains_key(number))
        .map(|number| number.to_string())
        .collect();
    if !missing.is_empty() {
        return Err(RunFileError::MissingShards {
            missing: missing.join(", "),
            of: expected.of,
        });
    }
    no_metric_twice(&parts)?;
    parts.sort_by_key(|part| part.file.shard.as_ref().map(|shard| shard.number));
    Ok(joined(parts))
}

fn shard(part: &Named) -> Result<&Shard, RunFileError> {
    part.file
        .shard
        .as_ref()
        .filter(|shard| (1..=shard.of).contains(&shard.number))
        .ok_or_else(|| RunFileError::NoShard {
            name: part.name.clone(),
        })
}

fn differs(part: &Named, first: &Named, what: String) -> RunFileError {
    RunFileError::OtherRun {
        name: part.name.clone(),
        first: first.name.clone(),
        what,
    }
}

/// Mixed commits are no run.
fn same_revisions(part: &Named, first: &Named) -> Result<(), RunFileError> {
    let arms = |one: &Named| {
        let base = one.file.base.as_ref().ok();
        [
            ("head", Some(one.file.head.clone())),
            ("base", base.cloned()),
        ]
    };
    for ((arm, ours), (_, theirs)) in arms(part).into_iter().zip(arms(first)) {
        let (Some(ours), Some(theirs)) = (ours, theirs) else {
            continue;
        };
        if (&ours.revision.commit, &ours.revision.tree)
            != (&theirs.revision.commit, &theirs.revision.tree)
        {
            let (ours, theirs) = (ours.revision.short(), theirs.revision.short());
            let what = format!(
                "measured {} as {arm}, not {}",
                crate::report::plain(ours),
                crate::report::plain(theirs)
            );
            return Err(differs(part, first, what));
        }
    }
    if part.file.seed != first.file.seed || part.file.tool != first.file.tool {
        let what = "was measured by another version of tollgate, or with another seed".to_owned();
        return Err(differs(part, first, what));
    }
    Ok(())
}

fn no_metric_twice(parts: &[Named]) -> Result<(), RunFileError> {
    let mut known: BTreeMap<&MetricId, &str> = BTreeMap::new();
    for part in parts {
        let arms = [Some(&part.file.head), part.file.base.as_ref().ok()];
        let of_part: BTreeSet<&MetricId> = arms
            .into_iter()
            .flatten()
            .flat_map(|run| {
                let unmeasured = run.not_measured.keys().chain(run.not_offered.keys());
                run.samples
                    .keys()
                    .chain(run.confirmation.keys())
                    .chain(unmeasured)
            })
            .collect();
        for id in of_part {
            if let Some(first) = known.insert(id, &part.name) {
                return Err(RunFileError::MetricTwice {
                    metric: crate::report::plain(&id.to_string()),
                    first: first.to_owned(),
                    second: part.name.clone(),
                });
            }
        }
    }
    Ok(())
}

fn joined(parts: Vec<Named>) -> RunFile {
    let mut files = parts.into_iter().map(|part| part.file);
    let Some(first) = files.next() else {
        unreachable!("a run has at least one shard, which is checked before");
    };
    files.fold(
        RunFile {
            shard: None,
            ..first
        },
        |all, part| RunFile {
            base: match (all.base, part.base) {
                (Ok(all), Ok(part)) => Ok(together(all, part)),
                // Where one shard has no base, the run has none: head is never judged by half of it.
                (Err(why), _) | (_, Err(why)) => Err(why),
            },
            head: together(all.head, part.head),
            phases: summed(all.phases, &part.phases),
            ..all
        },
    )
}

fn summed(
    mut phases: Vec<crate::model::Phase>,
    more: &[crate::model::Phase],
) -> Vec<crate::model::Phase> {
    for phase in more {
        match phases.iter_mut().find(|one| one.kind == phase.kind) {
            Some(one) => one.seconds += phase.seconds,
            None => phases.push(phase.clone()),
        }
    }
    phases
}

fn together(mut all: Run, part: Run) -> Run {
    all.machine = both(all.machine, part.machine);
    if time(&part.measured_at) < time(&all.measured_at) {
        all.measured_at = part.measured_at;
    }
    all.samples.extend(part.samples);
    all.confirmation.extend(part.confirmation);
    all.control.extend(part.control);
    all.contention.extend(part.contention);
    all.not_measured.extend(part.not_measured);
    all.not_offered.extend(part.not_offered);
    all.ended = joined_words(all.ended, part.ended);
    all.ended_endpoints.extend(part.ended_endpoints);
    all.histograms.extend(part.histograms);
    all.fresh_histograms.extend(part.fresh_histograms);
    all.timings.extend(part.timings);
    all.open_loops.extend(part.open_loops);
    all.responses.extend(part.responses);
    seen_together(&mut all.evidence, part.evidence);
    all
}

fn time(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

/// Machines of one class are that class; of several, a class of its own, with which no stored run of
/// one machine is compared.
fn both(one: Machine, other: Machine) -> Machine {
    if one.class() == other.class() || one.cpu.split(" and ").any(|cpu| cpu == other.class()) {
        return one;
    }
    let first = if one.cpu.contains(" GiB") {
        one.cpu.clone()
    } else {
        one.class()
    };
    Machine {
        cpu: format!("{first} and {}", other.class()),
        cores: one.cores.min(other.cores),
        memory: one.memory.min(other.memory),
        ..one
    }
}

fn joined_words(one: Option<String>, other: Option<String>) -> Option<String> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => Some(format!("{one}; {other}")),
        (one, other) => one.or(other),
    }
}

fn seen_together(all: &mut Evidence, part: Evidence) {
    let Evidence {
        bundles,
        statements,
        caches,
        tables,
        routes,
        plans,
        call_sites,
        changed,
        answers,
        skipped,
    } = part;
    all.bundles.extend(bundles);
    all.statements.extend(statements);
    all.caches.extend(caches);
    for (database, scans) in tables {
        let sum = all.tables.entry(database).or_default();
        tables::add(sum, &BTreeMap::new(), &scans);
    }
    all.routes.extend(routes);
    for (text, plan) in plans {
        all.plans.entry(text).or_insert(plan);
    }
    add(&mut all.call_sites, call_sites);
    add(&mut all.changed, changed);
    all.answers.extend(answers);
    add(&mut all.skipped, skipped);
}

fn add<T: PartialEq>(all: &mut Vec<T>, more: Vec<T>) {
    for one in more {
        if !all.contains(&one) {
            all.push(one);
        }
    }
}

#[cfg(test)]
mod tests;
