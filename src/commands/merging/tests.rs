//! A run split by hand and merged is the run that was split, and is judged the same.

use std::collections::BTreeMap;

use super::super::judging::{self, Rules};
use super::*;
use crate::model::{Reference, Samples};
use crate::{compare, gate};

const RUN: &str = include_str!("../../../tests/fixtures/runs/format-1.json");

fn named(number: u32, of: u32, mut file: RunFile) -> Named {
    file.shard = Some(Shard {
        number,
        of,
        configuration: "c".to_owned(),
    });
    Named {
        name: format!("{number}.json"),
        measured_at: time(&file.head.measured_at).unwrap(),
        file,
    }
}

/// The part of a run whose subjects fall to `number`.
fn cut(run: &Run, falls_to: &dyn Fn(&str) -> u32, number: u32) -> Run {
    fn keep<T: Clone>(
        all: &BTreeMap<String, T>,
        is_ours: impl Fn(&str) -> bool,
    ) -> BTreeMap<String, T> {
        let ours = all.iter().filter(|(name, _)| is_ours(name));
        ours.map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
    let ours = |name: &str| falls_to(name) == number;
    let metrics = |all: &BTreeMap<MetricId, Samples>| -> BTreeMap<MetricId, Samples> {
        let mine = all.iter().filter(|(id, _)| ours(id.subject.name()));
        mine.map(|(id, samples)| (id.clone(), samples.clone()))
            .collect()
    };
    let mut part = run.clone();
    part.samples = metrics(&run.samples);
    part.confirmation = metrics(&run.confirmation);
    part.control = metrics(&run.control);
    part.not_measured.retain(|id, _| ours(id.subject.name()));
    part.contention = keep(&run.contention, ours);
    part.histograms = keep(&run.histograms, ours);
    part.fresh_histograms = keep(&run.fresh_histograms, ours);
    part.responses = keep(&run.responses, ours);
    part.evidence.bundles = keep(&run.evidence.bundles, ours);
    part.evidence.statements = keep(&run.evidence.statements, ours);
    part.evidence.routes = keep(&run.evidence.routes, ours);
    part
}

fn whole() -> RunFile {
    serde_json::from_str(RUN).unwrap()
}

fn split(file: &RunFile, of: u32, falls_to: &dyn Fn(&str) -> u32) -> Vec<Named> {
    let part = |number| {
        let mut part = file.clone();
        part.head = cut(&file.head, falls_to, number);
        part.base = Ok(cut(file.base.as_ref().unwrap(), falls_to, number));
        if number > 1 {
            part.phases.clear();
        }
        named(number, of, part)
    };
    (1..=of).map(part).collect()
}

fn report(file: &RunFile) -> String {
    let reference = Reference::Paired(file.base.clone().unwrap());
    let rules = Rules {
        policy: compare::Policy::default(),
        gate: gate::Policy::default(),
        accepted: Vec::new(),
    };
    judging::judge(file, &reference, "base".to_owned(), &rules)
        .unwrap()
        .pages
        .json
}

/// The fixture with samples of chance, among them changes large and small.
fn random_run(random: &mut fastrand::Rng) -> RunFile {
    let mut file = whole();
    let mut base = file.base.clone().unwrap();
    for (run, is_head) in [(&mut base, false), (&mut file.head, true)] {
        for (id, samples) in &mut run.samples {
            let factor = if is_head && random.bool() {
                1.0 + random.f64() / 5.0
            } else {
                1.0
            };
            let noise = if id.metric.class() == crate::model::Class::Noisy {
                0.02
            } else {
                0.0
            };
            let values = samples.values().iter();
            let values = values
                .map(|v| v * factor * (1.0 + noise * random.f64()))
                .collect();
            *samples = Samples::new(values).unwrap();
        }
    }
    file.base = Ok(base);
    file
}

#[test]
fn split_by_hand_and_merged_it_is_judged_as_before() {
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..40 {
        let file = random_run(&mut random);
        let of = random.u32(1..=5);
        let salt = random.u64(..);
        let falls_to = move |name: &str| {
            let seed = name.bytes().fold(salt, |seed, byte| {
                seed.wrapping_mul(31).wrapping_add(u64::from(byte))
            });
            fastrand::Rng::with_seed(seed).u32(1..=of)
        };
        let mut parts = split(&file, of, &falls_to);
        random.shuffle(&mut parts);
        let merged = merge(parts).unwrap();
        assert_eq!(merged.head, file.head);
        assert_eq!(merged.base, file.base);
        assert!(report(&merged) == report(&file), "another verdict");
    }
}

#[test]
fn what_is_not_one_run_is_refused_in_words() {
    let file = whole();
    let halves = || split(&file, 2, &|name| u32::from(name.len() % 2 == 0) + 1);
    let refused = |change: &dyn Fn(&mut Vec<Named>)| {
        let mut parts = halves();
        change(&mut parts);
        merge(parts).unwrap_err().to_string()
    };
    assert!(merge(halves()).is_ok());
    let told = [
        refused(&|parts| parts[1].file.head.revision.commit = "f".repeat(40)),
        refused(&|parts| parts[1].file.head.revision.tree = "other".to_owned()),
        refused(&|parts| parts[1].file.base.as_mut().unwrap().revision.commit = "e".repeat(40)),
        refused(&|parts| parts[1].file.shard.as_mut().unwrap().configuration = "d".to_owned()),
        refused(&|parts| parts[1].file.shard.as_mut().unwrap().of = 3),
        refused(&|parts| parts[1].file.seed = 99),
        refused(&|parts| drop(parts.remove(0))),
        refused(&|parts| parts[1].file.shard.as_mut().unwrap().number = 1),
        refused(&|parts| parts[1].file.shard = None),
        refused(&|parts| parts[1].file.head = parts[0].file.head.clone()),
        refused(&|parts| parts.clear()),
    ];
    insta::assert_snapshot!(told.join("\n"), @r"
    `2.json` and `1.json` are not of one run: the first measured ffffffffff as head, not c3bb930c76
    `2.json` and `1.json` are not of one run: the first measured c3bb930c76 as head, not c3bb930c76
    `2.json` and `1.json` are not of one run: the first measured eeeeeeeeee as base, not c3bb930c76
    `2.json` and `1.json` are not of one run: the first was measured by another configuration
    `2.json` and `1.json` are not of one run: the first is one of 3 shards, not of 2
    `2.json` and `1.json` are not of one run: the first was measured by another version of tollgate, or with another seed
    of 2 shards, these are missing: 1
    `2.json` and `1.json` are the same run
    `2.json` is no shard of a run
    bundle/web/initial-js is in `1.json` and in `2.json`
    there is no shard to merge: none of them was measured
    ");
}

#[test]
fn without_base_in_one_shard_there_is_none() {
    let mut parts = split(&whole(), 2, &|name| u32::from(name.len() % 2 == 0) + 1);
    parts[1].file.base = Err("it does not build".to_owned());
    let merged = merge(parts).unwrap();
    assert_eq!(merged.base, Err("it does not build".to_owned()));
}

#[test]
fn machines_of_several_classes_are_no_known_class() {
    let mut parts = split(&whole(), 3, &|name| u32::from(name.len() % 2 == 0) + 1);
    let class = parts[0].file.head.machine.class();
    parts[2].file.head.machine.cpu = "Other".to_owned();
    let merged = merge(parts).unwrap();
    assert_ne!(merged.head.machine.class(), class);
    assert!(merged.head.machine.class().contains("Other"));
}
