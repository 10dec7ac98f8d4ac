//! The pages of a frontend in two runs: which are compared by themselves, and when the heaviest of
//! each says nothing about either.
//!
//! Must not weigh: what a page loads stands in the evidence of its run.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::evidence::EntryLoad;
use crate::model::{Metric, MetricId, Run, Samples, Subject};

/// The frontends of which at most one page loads anything, in all of these runs.
pub(super) fn with_one<'r>(runs: impl Iterator<Item = &'r Run>) -> BTreeSet<&'r str> {
    let mut pages: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for run in runs {
        for frontend in run.evidence.bundles.keys() {
            pages
                .entry(frontend)
                .or_default()
                .extend(loading(run, frontend));
        }
    }
    pages.retain(|_, names| names.len() < 2);
    pages.into_keys().collect()
}

/// Whether the number of the frontend says the same: this is the first load of a page, and no other
/// page loads anything.
pub(super) fn is_only_one(id: &MetricId, with_one: &BTreeSet<&str>) -> bool {
    match &id.subject {
        Subject::Entry { frontend, .. } => {
            is_first_load(id) && with_one.contains(frontend.as_str())
        }
        Subject::Bundle { .. }
        | Subject::Asset { .. }
        | Subject::Endpoint { .. }
        | Subject::Service { .. } => false,
    }
}

/// Whether the heaviest pages of two runs are no measure of each other: one run has pages that the
/// other lacks, and both have others. Each page is compared by itself then. Where pages went and
/// others came, these may be the same under new names, so that the heaviest are compared.
pub(super) fn differ(id: &MetricId, before: &Run, now: &Run) -> bool {
    let Subject::Bundle { frontend } = &id.subject else {
        return false;
    };
    if !is_first_load(id) {
        return false;
    }
    let (old, new) = (loading(before, frontend), loading(now, frontend));
    let lacks = |pages: &BTreeSet<&str>, run: &Run| {
        let known: BTreeSet<&str> = first(run, frontend).map(name).collect();
        pages.difference(&known).count()
    };
    let (gone, came) = (lacks(&old, now), lacks(&new, before));
    old.len() > gone && new.len() > came && (gone == 0) != (came == 0)
}

/// The samples of a metric. Earlier versions left out those of a page that is the only one: they are
/// those of the frontend.
pub(super) fn samples<'r>(id: &MetricId, run: &'r Run) -> Option<&'r Samples> {
    run.samples.get(id).or_else(|| {
        let Subject::Entry { frontend, entry } = &id.subject else {
            return None;
        };
        let mut pages = first(run, frontend).map(name);
        let is_it = is_first_load(id) && pages.next() == Some(entry) && pages.next().is_none();
        let of_frontend = MetricId::bundle(frontend, id.metric);
        is_it.then(|| run.samples.get(&of_frontend)).flatten()
    })
}

fn is_first_load(id: &MetricId) -> bool {
    matches!(id.metric, Metric::InitialJs | Metric::InitialCss)
}

fn first<'r>(run: &'r Run, frontend: &str) -> impl Iterator<Item = &'r EntryLoad> {
    let bundle = run.evidence.bundles.get(frontend).into_iter();
    let entries = bundle.flat_map(|bundle| &bundle.entries);
    entries.filter(|entry| !entry.on_demand)
}

/// The pages that load something, or of which that is not known.
fn loading<'r>(run: &'r Run, frontend: &str) -> BTreeSet<&'r str> {
    let loads = |page: &&EntryLoad| page.js + page.css > 0 || page.unknown.is_some();
    first(run, frontend).filter(loads).map(name).collect()
}

fn name(page: &EntryLoad) -> &str {
    &page.name
}

#[cfg(test)]
mod tests {
    use super::super::{Policy, compare};
    use super::*;
    use crate::model::evidence::BundleEvidence;
    use crate::model::{
        Baseline, BudgetVerdict, Comparison, Evidence, Inconclusive, Machine, Reference, Revision,
        Verdict, Weight,
    };

    const JS: Metric = Metric::InitialJs;

    /// A run of one frontend with these pages. Earlier versions gave a page that is the only one no
    /// samples.
    fn run(pages: &[(&str, u32)], is_old: bool) -> Run {
        let one = |bytes: u32| Samples::new(vec![f64::from(bytes)]).unwrap();
        let heaviest = pages.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
        let mut samples = BTreeMap::from([(MetricId::bundle("web", JS), one(heaviest))]);
        if !is_old || pages.len() > 1 {
            let of_pages = pages.iter();
            samples.extend(
                of_pages.map(|(page, bytes)| (MetricId::entry("web", page, JS), one(*bytes))),
            );
        }
        let entries = pages.iter().map(|(page, bytes)| EntryLoad {
            name: (*page).to_owned(),
            file: None,
            on_demand: false,
            files: Vec::new(),
            js: u64::from(*bytes),
            css: 0,
            unknown: None,
        });
        let bundle = BundleEvidence {
            entries: entries.collect(),
            ..BundleEvidence::default()
        };
        Run {
            revision: Revision {
                commit: String::new(),
                tree: String::new(),
                label: String::new(),
            },
            machine: Machine {
                cpu: String::new(),
                cores: 1,
                memory: 1,
                kernel: String::new(),
                image: None,
            },
            measured_at: String::new(),
            samples,
            confirmation: BTreeMap::new(),
            control: BTreeMap::new(),
            contention: BTreeMap::new(),
            not_measured: BTreeMap::new(),
            not_offered: BTreeMap::new(),
            ended: None,
            ended_endpoints: BTreeMap::new(),
            histograms: BTreeMap::new(),
            fresh_histograms: BTreeMap::new(),
            timings: BTreeMap::new(),
            open_loops: BTreeMap::new(),
            responses: BTreeMap::new(),
            evidence: Evidence {
                bundles: BTreeMap::from([("web".to_owned(), bundle)]),
                ..Evidence::default()
            },
        }
    }

    /// What is said of each metric, in a word.
    fn said(base: Run, head: &Run) -> Vec<(String, &'static str)> {
        let words = |comparisons: Vec<Comparison>| -> Vec<(String, &'static str)> {
            let of = |it: Comparison| (it.id.subject.name().to_owned(), word(&it));
            comparisons.into_iter().map(of).collect()
        };
        let stored = Reference::Stored {
            baseline: Baseline {
                run: base.clone(),
                distance: 1,
            },
            series: vec![base.clone()],
            why: String::new(),
        };
        let policy = Policy::default();
        let paired = words(compare(head, &Reference::Paired(base), &policy));
        // Against a stored run it is not listed what head has no more.
        let still_there: Vec<(String, &str)> = (paired.iter())
            .filter(|(_, word)| *word != "gone")
            .cloned()
            .collect();
        assert_eq!(words(compare(head, &stored, &policy)), still_there);
        paired
    }

    fn word(comparison: &Comparison) -> &'static str {
        match &comparison.verdict {
            Verdict::Unchanged(_) if comparison.tolerance.is_none() => "shown",
            Verdict::Unchanged(_) => "unchanged",
            Verdict::Improved(_) => "improved",
            Verdict::Regressed(_) => match comparison.weight {
                Weight::Gates => "regressed",
                Weight::Warns | Weight::Shown => "worse",
            },
            Verdict::Inconclusive(Inconclusive::NewMetric) => "new",
            Verdict::Inconclusive(Inconclusive::Gone) => "gone",
            Verdict::Inconclusive(_) => "unknown",
        }
    }

    fn expect(base: &[(&str, u32)], head: &[(&str, u32)], expected: &[(&str, &str)]) {
        for is_old in [false, true] {
            let found = said(run(base, is_old), &run(head, false));
            let found: Vec<(&str, &str)> =
                found.iter().map(|(name, it)| (&name[..], *it)).collect();
            assert_eq!(found, expected, "{base:?} {head:?} {is_old}");
        }
    }

    #[test]
    fn a_page_that_goes_hides_no_growth_of_another() {
        expect(
            &[("admin.html", 119_800), ("index.html", 12_600)],
            &[("index.html", 60_300)],
            &[
                ("web", "shown"),
                ("admin.html", "gone"),
                ("index.html", "regressed"),
            ],
        );
    }

    #[test]
    fn a_page_that_comes_is_no_growth_of_another() {
        expect(
            &[("index.html", 12_600)],
            &[("admin.html", 119_800), ("index.html", 12_600)],
            &[
                ("web", "shown"),
                ("admin.html", "new"),
                ("index.html", "unchanged"),
            ],
        );
    }

    #[test]
    fn a_page_that_loaded_nothing_before_is_no_new_one() {
        let (base, head) = (
            run(&[("a.html", 5_000), ("index.html", 0)], false),
            run(&[("a.html", 5_000), ("index.html", 100_000)], false),
        );
        let found = said(base, &head);
        let found: Vec<(&str, &str)> = found.iter().map(|(name, it)| (&name[..], *it)).collect();
        assert_eq!(
            found,
            [
                ("web", "regressed"),
                ("a.html", "unchanged"),
                ("index.html", "regressed")
            ]
        );
    }

    #[test]
    fn of_one_page_only_the_frontend_is_judged() {
        expect(
            &[("index.html", 12_600)],
            &[("404.html", 0), ("index.html", 60_300)],
            &[("web", "regressed")],
        );
    }

    #[test]
    fn where_pages_go_and_others_come_the_heaviest_are_compared() {
        expect(
            &[("admin.html", 20_000), ("index.html", 12_600)],
            &[("index.html", 12_600), ("panel.html", 72_900)],
            &[
                ("web", "regressed"),
                ("admin.html", "gone"),
                ("index.html", "unchanged"),
                ("panel.html", "new"),
            ],
        );
        let found = said(
            run(&[("a.html", 20_000)], false),
            &run(&[("b.html", 30_000)], false),
        );
        assert_eq!(found[0], ("web".to_owned(), "regressed"));
    }

    #[test]
    fn a_target_is_for_the_heaviest_page_of_head() {
        let id = MetricId::bundle("web", JS);
        let policy = Policy {
            budgets: BTreeMap::from([(id.clone(), 100_000.0)]),
            ..Policy::default()
        };
        let base = run(&[("index.html", 12_600)], false);
        let head = run(&[("admin.html", 119_800), ("index.html", 12_600)], false);
        let comparisons = compare(&head, &Reference::Paired(base), &policy);
        let of_frontend = comparisons.iter().find(|it| it.id == id).unwrap();
        assert_eq!(of_frontend.target.unwrap().verdict, BudgetVerdict::Missed);
        assert_eq!(word(of_frontend), "shown");
    }
}
