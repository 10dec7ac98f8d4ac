//! Whether a night becomes the baseline of the next ones.
//!
//! A night that cannot be trusted is no baseline, and one that got worse would make what got worse
//! the new usual: it becomes one only when somebody says so, and that stays visible. Must not
//! measure, store or ask anybody; no clock.

use std::collections::BTreeMap;

use super::letting::SetAside;
use crate::compare::{self, Policy};
use crate::gate::limit_of;
use crate::model::worse::{UP_FROM_ZERO, percent, written};
use crate::model::{Baseline, Class, Comparison, MetricId, Reference, Run, Samples, Unit, Worse};
use crate::store::AcceptedOnce;

/// What is known before.
#[derive(Debug)]
pub(super) struct Before<'a> {
    /// The nearest stored ancestor and its distance, where there is one: the last night.
    pub(super) last: Option<&'a Baseline>,
    /// The newest stored ancestors, newest first.
    pub(super) series: &'a [Run],
    /// References of releases.
    pub(super) pinned: &'a [(String, Run)],
    /// What was let through, and has become part of the branch since the last night.
    pub(super) accepted: &'a [AcceptedOnce],
    /// What the command line lets through tonight, however much it is.
    pub(super) tonight: &'a [AcceptedOnce],
    /// What was let through and does not count tonight.
    pub(super) set_aside: &'a [SetAside],
}

/// What becomes of a night.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Night {
    /// Why it is no baseline; empty when it is one.
    pub(super) refused: Vec<String>,
    /// What should be known in any case.
    pub(super) told: Vec<String>,
    /// What is worse than in the last night, and by how much.
    pub(super) regressed: BTreeMap<String, Worse>,
}

/// Judges the last of several measurements of one night.
pub(super) fn judge(nights: &[Run], before: &Before<'_>, policy: &Policy) -> Night {
    let mut night = Night::default();
    let Some(run) = nights.last() else {
        return night;
    };
    night.refused.extend(noise(nights, policy));
    night.refused.extend(disturbed(run));
    match before.last {
        Some(last) => against_last(run, last, before, policy, &mut night),
        None => night
            .told
            .push("there is no stored ancestor: this is the first night".to_owned()),
    }
    for (name, release) in before.pinned {
        night
            .told
            .extend(against_release(run, name, release, policy));
    }
    night
}

/// Metrics that read too differently from themselves within the night.
fn noise(nights: &[Run], policy: &Policy) -> Vec<String> {
    let Some((first, more)) = nights.split_first() else {
        return Vec::new();
    };
    let mut told = Vec::new();
    for (id, samples) in &first.samples {
        let Some(tolerance) = policy.tolerance(id) else {
            continue;
        };
        let mut readings = vec![middle(samples)];
        readings.extend(
            more.iter()
                .filter_map(|run| run.samples.get(id))
                .map(middle),
        );
        let lowest = readings.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = readings.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let apart = highest - lowest;
        if apart > tolerance.floor && apart > lowest * tolerance.relative {
            let how = if lowest > 0.0 {
                format!("{} apart", percent(apart / lowest))
            } else {
                UP_FROM_ZERO.to_owned()
            };
            told.push(format!(
                "{} read {how} within one night, more than the {} that are allowed",
                name(id),
                written(tolerance.relative),
            ));
        }
    }
    told
}

/// Blocks that other work disturbed twice: half of them is no night.
fn disturbed(run: &Run) -> Vec<String> {
    let of_endpoint = run.contention.iter().filter_map(|(endpoint, blocks)| {
        let disturbed = blocks.iter().filter(|block| block.disturbed).count();
        (disturbed * 2 >= blocks.len() && disturbed > 0).then(|| {
            format!(
                "other work disturbed {disturbed} of {} blocks of {endpoint}",
                blocks.len()
            )
        })
    });
    of_endpoint.collect()
}

fn against_last(
    run: &Run,
    last: &Baseline,
    before: &Before<'_>,
    policy: &Policy,
    night: &mut Night,
) {
    let reference = Reference::Stored {
        baseline: last.clone(),
        series: before.series.to_vec(),
        why: "a night is measured alone".to_owned(),
    };
    // Without it, what gets worse meanwhile would not be seen.
    let lost = (run.not_offered.iter()).filter(|(id, _)| last.run.samples.contains_key(id));
    for (id, why) in lost {
        let before = last.run.revision.short();
        let what = format!("{} was counted in the last night, {before}", name(id));
        night
            .refused
            .push(format!("{what}, and is not any more: {why}"));
    }
    for (comparison, worse) in regressions(&compare::compare(run, &reference, policy)) {
        let id = &comparison.id;
        let when = format!("the last night, {}", last.run.revision.short());
        let what = format!("{} is {}", name(id), worse.than(&when, id.metric.unit()));
        let spread = comparison.tolerance.map_or(0.0, |one| one.relative);
        let metric = id.to_string();
        let of = |all| -> Vec<&AcceptedOnce> { of_metric(all, &metric).collect() };
        let accepted = of(before.accepted);
        let mut alone = of(before.tonight);
        alone.extend(
            accepted
                .iter()
                .find(|one| worse.is_within(limit(one, spread))),
        );
        let was = comparison.before.map_or(0.0, |before| before.point);
        let letting = match alone.first() {
            Some(one) => vec![*one],
            None if worse.is_within(together(&accepted, spread, was)) => accepted.clone(),
            None => Vec::new(),
        };
        night.regressed.insert(metric.clone(), worse);
        match letting.as_slice() {
            [_, ..] => {
                let who = letting
                    .iter()
                    .map(|one| format!("`{}` accepted it because {}", one.by, one.because));
                let who: Vec<String> = who.collect();
                night.told.push(format!("{what}: {}", who.join("; ")));
            }
            [] => {
                let too_little = accepted.iter().map(|one| {
                    let most = in_words(limit(one, spread), id.metric.unit());
                    format!("; `{}` accepted it {most}", one.by)
                });
                night.refused.push(what + &too_little.collect::<String>());
                let aside = before.set_aside.iter();
                let of_it = aside.filter(|one| one.accepted.metric == metric);
                night.told.extend(of_it.map(does_not_count));
            }
        }
    }
}

fn of_metric<'a>(
    accepted: &'a [AcceptedOnce],
    metric: &str,
) -> impl Iterator<Item = &'a AcceptedOnce> {
    accepted.iter().filter(move |one| one.metric == metric)
}

/// The largest change that an acceptance lets through: as the gate of a pull request has it.
fn limit(accepted: &AcceptedOnce, spread: f64) -> Worse {
    limit_of(accepted.ceiling, accepted.worse(), spread)
}

fn in_words(limit: Worse, unit: Unit) -> String {
    match limit.share {
        Some(share) => format!("up to {}", percent(share)),
        None if limit.is_known() => limit.in_words(unit),
        None => "and did not say how much".to_owned(),
    }
}

/// The largest change of a value that several let through together: what two pull requests make worse
/// comes one on top of the other. Of one commit, the largest counts once.
fn together(accepted: &[&AcceptedOnce], spread: f64, was: f64) -> Worse {
    let mut of_commit: BTreeMap<(Option<i64>, &str), (f64, f64)> = BTreeMap::new();
    for one in accepted {
        let key = match one.pull_request {
            Some(number) => (Some(number), ""),
            None => (None, one.commit.as_str()),
        };
        let limit = limit(one, spread);
        let (share, added) = of_commit.entry(key).or_default();
        if was > 0.0 {
            let shares = limit
                .share
                .into_iter()
                .chain(limit.added.map(|added| added / was));
            *share = share.max(shares.reduce(f64::min).unwrap_or(0.0));
        } else if let Some(from_zero) = limit.added {
            *added = added.max(from_zero);
        } else {
            *share = share.max(limit.share.unwrap_or(0.0));
        }
    }
    let factor: f64 = of_commit.values().map(|(share, _)| 1.0 + share).product();
    let added: f64 = of_commit.values().map(|(_, added)| added).sum();
    if was > 0.0 {
        Worse::of(Some(factor - 1.0), None)
    } else {
        Worse::of(None, Some(added * factor))
    }
}

/// An acceptance by name, and why it lets nothing through tonight.
pub(super) fn does_not_count(one: &SetAside) -> String {
    format!(
        "{} was accepted by {}, which does not count: {}",
        one.accepted.metric,
        one.whose(),
        one.why
    )
}

fn against_release(run: &Run, name_of: &str, release: &Run, policy: &Policy) -> Vec<String> {
    let reference = Reference::Stored {
        baseline: Baseline {
            run: release.clone(),
            distance: 0,
        },
        series: vec![release.clone()],
        why: "a release is no base".to_owned(),
    };
    let comparisons = compare::compare(run, &reference, policy);
    let mut told: Vec<String> = regressions(&comparisons)
        .map(|(comparison, worse)| {
            let id = &comparison.id;
            let when = format!("release {name_of}");
            format!("{} is {}", name(id), worse.than(&when, id.metric.unit()))
        })
        .collect();
    // One night says little of a latency, and of another machine nothing at all: shown, no verdict.
    for (id, samples) in &run.samples {
        let (Some(then), Some(tolerance)) = (release.samples.get(id), policy.tolerance(id)) else {
            continue;
        };
        let change = middle(samples) / middle(then) - 1.0;
        let is_shown = id.metric.class() == Class::Noisy
            && run.machine.class() == release.machine.class()
            && change.is_finite()
            && change > tolerance.relative;
        if is_shown {
            told.push(format!(
                "{} reads {} more than in release {name_of}, which one night cannot judge",
                name(id),
                percent(change)
            ));
        }
    }
    told
}

fn regressions(comparisons: &[Comparison]) -> impl Iterator<Item = (&Comparison, Worse)> {
    let regressed = comparisons.iter();
    regressed.filter_map(|one| Some((one, one.regression()?)))
}

fn name(id: &MetricId) -> String {
    format!("{} of {}", id.metric.label(), id.subject.name())
}

fn middle(samples: &Samples) -> f64 {
    let mut values = samples.values().to_vec();
    values.sort_by(f64::total_cmp);
    let at = values.len() / 2;
    if values.len().is_multiple_of(2) {
        f64::midpoint(values[at - 1], values[at])
    } else {
        values[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Metric, RunFile};
    use crate::store::Merging;

    fn run() -> Run {
        let text = include_str!("../../tests/fixtures/runs/format-1.json");
        let file: RunFile = serde_json::from_str(text).unwrap();
        file.head
    }

    fn p50() -> MetricId {
        MetricId::endpoint("list projects", Metric::LatencyP50)
    }

    fn queries() -> MetricId {
        MetricId::endpoint("list projects", Metric::QueriesPerRequest)
    }

    fn times(run: &Run, id: &MetricId, factor: f64) -> Run {
        let mut run = run.clone();
        let values = run.samples[id].values().iter().map(|v| v * factor);
        let values = values.collect();
        run.samples
            .insert(id.clone(), Samples::new(values).unwrap());
        run
    }

    fn judged(nights: &[Run], pinned: &[(String, Run)], accepted: &[AcceptedOnce]) -> Night {
        judged_with(nights, pinned, accepted, &[])
    }

    fn judged_with(
        nights: &[Run],
        pinned: &[(String, Run)],
        accepted: &[AcceptedOnce],
        set_aside: &[SetAside],
    ) -> Night {
        let last = Baseline {
            run: run(),
            distance: 1,
        };
        let before = Before {
            last: Some(&last),
            series: &[run()],
            pinned,
            accepted,
            tonight: &[],
            set_aside,
        };
        judge(nights, &before, &Policy::default())
    }

    fn accepted(ceiling: Option<f64>) -> AcceptedOnce {
        AcceptedOnce {
            commit: "a".repeat(40),
            metric: queries().to_string(),
            ceiling,
            by: "ada".to_owned(),
            because: "the page shows more".to_owned(),
            at: "2026-11-23T03:00:00Z".to_owned(),
            pull_request: Some(7),
            measured: None,
            added: None,
            merged_as: None,
            merging: Merging::NotAsked,
        }
    }

    #[test]
    fn a_night_like_the_last_advances() {
        assert_eq!(judged(&[run(), run()], &[], &[]), Night::default());
    }

    #[test]
    fn a_noisy_night_does_not() {
        let nights = [run(), times(&run(), &p50(), 1.2)];
        let night = judged(&nights, &[], &[]);
        assert_eq!(night.refused.len(), 1, "{night:?}");
        assert!(night.refused[0].starts_with("latency p50 of list projects read 20.0 % apart"));
    }

    #[test]
    fn a_regression_is_not_laundered() {
        let worse = times(&run(), &queries(), 2.0);
        let refused = judged(std::slice::from_ref(&worse), &[], &[]).refused;
        assert_eq!(refused.len(), 1);
        assert!(refused[0].contains("100.0 % worse than in the last night"));
        // Nor by an acceptance of less than it is.
        let small = judged(std::slice::from_ref(&worse), &[], &[accepted(Some(0.08))]);
        assert_eq!(small.refused.len(), 1);
        assert!(
            small.refused[0].ends_with("; `ada` accepted it up to 8.0 %"),
            "{small:?}"
        );
    }

    #[test]
    fn without_a_ceiling_no_more_is_let_through_than_was_measured() {
        let worse = [times(&run(), &queries(), 2.0)];
        let measured = |measured| AcceptedOnce {
            measured: Some(measured),
            ..accepted(None)
        };
        assert_eq!(judged(&worse, &[], &[measured(1.0)]).refused, [""; 0]);
        // Another regression came on top of the one that was accepted.
        let more = judged(&worse, &[], &[measured(0.5)]);
        assert_eq!(more.refused.len(), 1, "{more:?}");
        assert!(more.refused[0].contains("; `ada` accepted it up to 5"));
        assert_eq!(more.regressed[&queries().to_string()].share, Some(1.0));
        // Nor anything where nobody knows how much it was.
        assert_eq!(judged(&worse, &[], &[accepted(None)]).refused.len(), 1);
    }

    #[test]
    fn what_two_pull_requests_make_worse_adds_up() {
        let worse = [times(&run(), &queries(), 2.0)];
        let on = |number, ceiling, by: &str| AcceptedOnce {
            pull_request: Some(number),
            by: by.to_owned(),
            ..accepted(Some(ceiling))
        };
        let two = judged(&worse, &[], &[on(7, 0.5, "ada"), on(8, 0.4, "bob")]);
        assert_eq!(two.refused, [""; 0]);
        assert!(two.told[0].contains("`ada` accepted it") && two.told[0].contains("; `bob` "));
        // Twice on one pull request is no more than the larger of the two.
        let one = judged(&worse, &[], &[on(7, 0.5, "ada"), on(7, 0.9, "bob")]);
        assert_eq!(one.refused.len(), 1, "{one:?}");
        let too_little = judged(&worse, &[], &[on(7, 0.5, "ada"), on(8, 0.3, "bob")]);
        assert_eq!(too_little.refused.len(), 1, "{too_little:?}");
    }

    fn with_queries(count: f64) -> Run {
        let mut run = run();
        let values = vec![count; run.samples[&queries()].values().len()];
        let samples = Samples::new(values).unwrap();
        run.samples.insert(queries(), samples);
        run
    }

    /// A night of so many queries after one with `last`.
    fn night_of(last: f64, now: f64, accepted: &[AcceptedOnce], tonight: &[AcceptedOnce]) -> Night {
        let last = Baseline {
            run: with_queries(last),
            distance: 1,
        };
        let before = Before {
            last: Some(&last),
            series: std::slice::from_ref(&last.run),
            pinned: &[],
            accepted,
            tonight,
            set_aside: &[],
        };
        judge(&[with_queries(now)], &before, &Policy::default())
    }

    #[test]
    fn of_growth_from_zero_no_more_is_let_through_than_was_accepted() {
        let on = |number, worse| AcceptedOnce {
            pull_request: Some(number),
            ..accepted(None).with(worse)
        };
        let from_zero = |added| Worse::of(Some(f64::MAX), Some(added));
        let one = [on(7, from_zero(1.0))];
        let night = night_of(0.0, 1.0, &one, &[]);
        assert_eq!(night.refused, [""; 0]);
        assert!(
            night.told[0].contains("is up from zero in the last night, "),
            "{night:?}"
        );
        // Another one's 50 do not hide behind it.
        let more = night_of(0.0, 51.0, &one, &[]);
        assert!(
            more.refused[0].ends_with(" by 51; `ada` accepted it up from zero by 1.01"),
            "{more:?}"
        );
        // But what both have accepted comes together, whichever came first.
        let both = [on(7, from_zero(1.0)), on(8, from_zero(50.0))];
        assert_eq!(night_of(0.0, 51.0, &both, &[]).refused, [""; 0]);
        assert_eq!(night_of(0.0, 60.0, &both, &[]).refused.len(), 1);
        let after = [on(7, from_zero(1.0)), on(8, Worse::of(Some(2.0), None))];
        assert_eq!(night_of(0.0, 3.0, &after, &[]).refused, [""; 0]);
        assert_eq!(night_of(0.0, 4.0, &after, &[]).refused.len(), 1);
        assert_eq!(night_of(4.0, 5.0, &one, &[]).refused, [""; 0]);
        assert_eq!(night_of(4.0, 6.0, &one, &[]).refused.len(), 1);
    }

    #[test]
    fn what_an_earlier_version_wrote_of_growth_from_zero_lets_nothing_through() {
        for measured in [f64::MAX, f64::INFINITY] {
            let old = AcceptedOnce {
                measured: Some(measured),
                ..accepted(None)
            };
            let night = night_of(0.0, 1.0, std::slice::from_ref(&old), &[]);
            assert_eq!(night.refused.len(), 1, "{night:?}");
            assert_eq!(night_of(4.0, 5.0, &[old], &[]).refused.len(), 1);
        }
    }

    #[test]
    fn what_the_command_line_accepts_advances_and_is_remembered_as_it_was() {
        let tonight = [accepted(None)];
        let night = night_of(0.0, 50.0, &[], &tonight);
        assert_eq!(night.refused, [""; 0]);
        let known = tonight[0].clone().with(night.regressed[&tonight[0].metric]);
        assert_eq!((known.measured, known.added), (None, Some(50.0)));
        let night = night_of(4.0, 6.0, &[], &tonight);
        assert_eq!(night.refused, [""; 0]);
        let known = tonight[0].clone().with(night.regressed[&tonight[0].metric]);
        assert_eq!((known.measured, known.added), (Some(0.5), None));
    }

    #[test]
    fn a_night_that_starts_at_zero_has_no_share_in_words() {
        let night = judged(&[with_queries(0.0), with_queries(3.0)], &[], &[]);
        assert!(
            night.refused[0].starts_with("queries per request of list projects read up from zero"),
            "{night:?}"
        );
    }

    #[test]
    fn what_does_not_count_is_said_by_name() {
        let worse = [times(&run(), &queries(), 2.0)];
        let aside = SetAside {
            accepted: accepted(None),
            why: "it was never merged".to_owned(),
            is_done: false,
        };
        let night = judged_with(&worse, &[], &[], std::slice::from_ref(&aside));
        assert_eq!(night.refused.len(), 1, "{night:?}");
        assert_eq!(night.told, [does_not_count(&aside)]);
        assert!(
            night.told[0].ends_with(
                "by `ada` on pull request #7 for aaaaaaaaaa, which does not count: it was never merged"
            ),
            "{night:?}"
        );
    }

    #[test]
    fn what_is_not_counted_any_more_is_not_laundered() {
        let mut blind = run();
        blind.samples.remove(&queries());
        let why = "`pg_stat_statements` is not available".to_owned();
        blind.not_offered.insert(queries(), why);
        let refused = judged(&[blind], &[], &[]).refused;
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(refused[0].starts_with("queries per request of list projects was counted in"));
        assert!(refused[0].ends_with("any more: `pg_stat_statements` is not available"));
    }

    #[test]
    fn what_was_accepted_advances_and_stays_visible() {
        let worse = times(&run(), &queries(), 2.0);
        let release = [("v1.0".to_owned(), run())];
        let night = judged(&[worse], &release, &[accepted(Some(1.1))]);
        assert_eq!(night.refused, [""; 0]);
        assert_eq!(night.told.len(), 2, "{night:?}");
        assert!(night.told[0].ends_with("`ada` accepted it because the page shows more"));
        assert!(night.told[1].ends_with("100.0 % worse than in release v1.0"));
    }

    #[test]
    fn slow_drift_against_a_release_is_told() {
        // Each night within the tolerance of the last, and all together not.
        let release = [("v1.0".to_owned(), times(&run(), &queries(), 0.9))];
        let night = judged(&[run()], &release, &[]);
        assert_eq!(night.refused, [""; 0]);
        assert!(
            night.told[0].ends_with("11.1 % worse than in release v1.0"),
            "{night:?}"
        );
    }

    #[test]
    fn the_first_night_says_that_it_is() {
        let before = Before {
            last: None,
            series: &[],
            pinned: &[],
            accepted: &[],
            tonight: &[],
            set_aside: &[],
        };
        let night = judge(&[run()], &before, &Policy::default());
        assert_eq!(night.refused, [""; 0]);
        assert_eq!(night.told.len(), 1);
    }
}
