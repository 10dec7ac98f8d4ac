//! Comparisons and policy become one decision.
//!
//! Must not compare numbers: verdicts are made in `compare`, this only weighs them. Nothing
//! becomes a pass by being absent: what was asked for and not measured in head blocks.

use crate::model::worse::{UP_FROM_ZERO, written};
use crate::model::{
    ACCEPTED, Acceptance, BudgetVerdict, Comparison, Decision, Inconclusive, Metric, Outcome,
    Reason, Target, Verdict, Weight, Worse,
};

/// The reason of a regression.
const REGRESSED: &str = "regressed";

/// What the verdicts mean for the outcome: the option type of this stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What a gating metric without an answer means: [`Outcome::Warn`] or
    /// [`Outcome::Inconclusive`].
    pub inconclusive: Outcome,
    /// What a target means that base missed too: [`Outcome::Warn`] or [`Outcome::Fail`].
    pub missed_by_base: Outcome,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            inconclusive: Outcome::Warn,
            missed_by_base: Outcome::Warn,
        }
    }
}

/// Decides. The reasons are sorted, most severe first.
pub fn decide(comparisons: &[Comparison], policy: Policy) -> Decision {
    let mut reasons: Vec<Reason> = comparisons
        .iter()
        .flat_map(|comparison| reasons_of(comparison, policy))
        .collect();
    if comparisons.is_empty() {
        reasons.push(Reason {
            id: None,
            outcome: Outcome::Inconclusive,
            because: "nothing was measured".to_owned(),
        });
    }
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.outcome));
    Decision {
        outcome: reasons
            .first()
            .map_or(Outcome::Pass, |reason| reason.outcome),
        reasons,
    }
}

/// Lets regressions through that were accepted, up to what was accepted: they warn, and the report
/// says who let them through and why. Wrong answers cannot be accepted, nor missed targets.
pub fn accept(
    mut decision: Decision,
    comparisons: &[Comparison],
    accepted: &[Acceptance],
) -> Decision {
    let mut said = Vec::new();
    for acceptance in accepted {
        let id = &acceptance.id;
        let comparison = comparisons.iter().find(|comparison| comparison.id == *id);
        let Some((comparison, worse)) = comparison.and_then(|one| Some((one, one.regression()?)))
        else {
            continue;
        };
        let limit = match acceptance.up_to {
            Some(limit) => format!(" up to {}", written(limit)),
            None => String::new(),
        };
        let spread = comparison
            .tolerance
            .map_or(0.0, |tolerance| tolerance.relative);
        let most = limit_of(acceptance.up_to, acceptance.measured, spread);
        let name = format!("{} of {}", id.metric.label(), id.subject.name());
        let (by, why) = (&acceptance.by, &acceptance.because);
        if id.metric == Metric::ErrorRate {
            said.push(format!(
                "{name}: `{by}` accepted it, and wrong answers cannot be accepted"
            ));
            continue;
        }
        if !worse.is_within(most) {
            let measured = acceptance.measured;
            let then = match acceptance.up_to {
                None if measured.is_known() => {
                    format!(" when it measured {}", measured.in_words(id.metric.unit()))
                }
                Some(_) if worse.share.is_none() => {
                    format!(", for it is {UP_FROM_ZERO}, and of zero there is no share")
                }
                Some(_) | None => String::new(),
            };
            said.push(format!("{name} is worse than `{by}` accepted{limit}{then}"));
            continue;
        }
        for reason in &mut decision.reasons {
            if reason.id.as_ref() == Some(id) && reason.because == REGRESSED {
                reason.outcome = reason.outcome.min(Outcome::Warn);
                ACCEPTED.clone_into(&mut reason.because);
            }
        }
        said.push(format!(
            "{name}: `{by}` accepted the regression{limit} because {why}"
        ));
    }
    decision
        .reasons
        .extend(said.into_iter().map(|because| Reason {
            id: None,
            outcome: Outcome::Warn,
            because,
        }));
    decision
        .reasons
        .sort_by_key(|reason| std::cmp::Reverse(reason.outcome));
    let highest = decision.reasons.first().map(|reason| reason.outcome);
    decision.outcome = highest.unwrap_or(Outcome::Pass);
    decision
}

/// The largest change that an acceptance lets through. Without a ceiling it is what was measured where
/// it was accepted, and as much more as may differ between two measurements of the same. Nothing where
/// neither is known.
pub fn limit_of(up_to: Option<f64>, measured: Worse, spread: f64) -> Worse {
    match up_to {
        Some(up_to) => Worse::of(Some(up_to), None),
        None => Worse {
            // (1 + share) × (1 + spread) − 1, never rounded to less than what was measured.
            share: measured.share.map(|share| share + (1.0 + share) * spread),
            added: measured.added.map(|added| added + added * spread),
        },
    }
}

fn reasons_of(comparison: &Comparison, policy: Policy) -> Vec<Reason> {
    let from_target = comparison
        .target
        .and_then(|target| of_target(target, policy));
    let from_verdict = of_verdict(&comparison.verdict, policy);
    let from_verdict = match comparison.weight {
        Weight::Shown => None,
        Weight::Warns => from_verdict.map(|(outcome, why)| (outcome.min(Outcome::Warn), why)),
        Weight::Gates => from_verdict,
    };
    [from_verdict, from_target]
        .into_iter()
        .flatten()
        .map(|(outcome, because)| Reason {
            id: Some(comparison.id.clone()),
            outcome,
            because,
        })
        .collect()
}

fn of_verdict(verdict: &Verdict, policy: Policy) -> Option<(Outcome, String)> {
    match verdict {
        Verdict::Regressed(_) => Some((Outcome::Fail, REGRESSED.to_owned())),
        Verdict::Improved(_) | Verdict::Unchanged(_) => None,
        Verdict::Inconclusive(why) => Some((of_inconclusive(why, policy)?, why.to_string())),
    }
}

fn of_inconclusive(why: &Inconclusive, policy: Policy) -> Option<Outcome> {
    match why {
        // Head itself has no number: that must never look like a pass.
        Inconclusive::NotMeasured { .. } => Some(Outcome::Inconclusive),
        Inconclusive::NoBaseline { .. }
        | Inconclusive::TooFewBlocks { .. }
        | Inconclusive::Undecided { .. }
        | Inconclusive::TooNoisy { .. }
        | Inconclusive::Contended { .. }
        | Inconclusive::OtherMachine { .. }
        | Inconclusive::TooFewRuns { .. }
        | Inconclusive::OtherEncoder { .. } => Some(policy.inconclusive),
        // There is nothing it could have become worse than, or nothing that could be worse.
        Inconclusive::NewMetric | Inconclusive::Gone => None,
    }
}

fn of_target(target: Target, policy: Policy) -> Option<(Outcome, String)> {
    match target.verdict {
        BudgetVerdict::Met => None,
        BudgetVerdict::Missed => Some((Outcome::Fail, "target missed".to_owned())),
        BudgetVerdict::MissedByBaseToo => Some((
            policy.missed_by_base,
            "target missed, as base does too".to_owned(),
        )),
        BudgetVerdict::Undecided => Some((
            policy.inconclusive,
            "target neither met nor missed for sure".to_owned(),
        )),
        BudgetVerdict::NotMeasured => Some((
            Outcome::Inconclusive,
            "there is a target and no number for it".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Change, Estimate, MetricId, Tolerance};

    fn comparison(verdict: Verdict, target: Option<BudgetVerdict>) -> Comparison {
        Comparison {
            id: MetricId::endpoint("a", Metric::LatencyP50),
            before: None,
            now: None,
            verdict,
            tolerance: None,
            target: target.map(|verdict| Target {
                limit: 1.0,
                verdict,
            }),
            weight: Weight::Gates,
            stored: None,
            detectable: None,
        }
    }

    fn change() -> Change {
        Change {
            worse_by: Estimate::exact(0.1),
        }
    }

    fn outcome(verdict: Verdict, target: Option<BudgetVerdict>) -> Outcome {
        decide(&[comparison(verdict, target)], Policy::default()).outcome
    }

    #[test]
    fn nothing_at_all_is_never_a_pass() {
        assert_eq!(
            decide(&[], Policy::default()).outcome,
            Outcome::Inconclusive
        );
    }

    #[test]
    fn each_verdict_has_its_outcome() {
        let why = "x".to_owned();
        assert_eq!(outcome(Verdict::Unchanged(change()), None), Outcome::Pass);
        assert_eq!(outcome(Verdict::Regressed(change()), None), Outcome::Fail);
        let undecided = Verdict::Inconclusive(Inconclusive::Undecided { change: change() });
        assert_eq!(outcome(undecided, None), Outcome::Warn);
        let missing = Verdict::Inconclusive(Inconclusive::NotMeasured { why });
        assert_eq!(outcome(missing, None), Outcome::Inconclusive);
    }

    #[test]
    fn targets_decide_too() {
        let with = |target| outcome(Verdict::Unchanged(change()), Some(target));
        assert_eq!(with(BudgetVerdict::Met), Outcome::Pass);
        assert_eq!(with(BudgetVerdict::Missed), Outcome::Fail);
        assert_eq!(with(BudgetVerdict::MissedByBaseToo), Outcome::Warn);
        assert_eq!(with(BudgetVerdict::NotMeasured), Outcome::Inconclusive);
    }

    fn accepted(metric: Metric, up_to: Option<f64>, measured: Option<f64>) -> Outcome {
        let mut worse = comparison(Verdict::Regressed(change()), None);
        worse.id = MetricId::endpoint("a", metric);
        worse.tolerance = Some(Tolerance {
            relative: 0.03,
            floor: 0.0,
        });
        let acceptance = Acceptance {
            id: worse.id.clone(),
            up_to,
            measured: Worse::of(measured, None),
            by: "ada".to_owned(),
            because: "it is worth it".to_owned(),
        };
        let all = [worse];
        let decision = decide(&all, Policy::default());
        accept(decision, &all, &[acceptance]).outcome
    }

    #[test]
    fn what_is_accepted_warns_up_to_its_limit() {
        let p50 = |up_to, measured| accepted(Metric::LatencyP50, up_to, measured);
        assert_eq!(p50(Some(0.1), None), Outcome::Warn);
        assert_eq!(p50(Some(0.09), None), Outcome::Fail);
        assert_eq!(p50(Some(0.09), Some(0.1)), Outcome::Fail);
        assert_eq!(accepted(Metric::ErrorRate, None, Some(0.1)), Outcome::Fail);
    }

    #[test]
    fn without_a_limit_no_more_is_accepted_than_was_measured_then() {
        let p50 = |measured| accepted(Metric::LatencyP50, None, measured);
        assert_eq!(p50(Some(0.1)), Outcome::Warn);
        // Two measurements of the same differ.
        assert_eq!(p50(Some(0.08)), Outcome::Warn);
        assert_eq!(p50(Some(0.05)), Outcome::Fail);
        assert_eq!(p50(None), Outcome::Fail);
        let measured = Worse::of(Some(0.1), None);
        assert_eq!(limit_of(None, measured, 0.0), measured);
    }

    /// What is said where `before` became `now` and that was accepted, and the outcome.
    fn accepted_count(before: f64, now: f64, acceptance: &Acceptance) -> (Outcome, String) {
        let worse_by = match before {
            0.0 => f64::MAX,
            before => now / before - 1.0,
        };
        let worse = Comparison {
            id: acceptance.id.clone(),
            before: Some(Estimate::exact(before)),
            now: Some(Estimate::exact(now)),
            ..comparison(
                Verdict::Regressed(Change {
                    worse_by: Estimate::exact(worse_by),
                }),
                None,
            )
        };
        let all = [worse];
        let decision = decide(&all, Policy::default());
        let decision = accept(decision, &all, std::slice::from_ref(acceptance));
        let said = decision.reasons.into_iter().find(|one| one.id.is_none());
        (decision.outcome, said.expect("it is said").because)
    }

    #[test]
    fn of_growth_from_zero_no_more_is_accepted_than_it_was() {
        let with = |up_to, measured| Acceptance {
            id: MetricId::endpoint("a", Metric::QueriesPerRequest),
            up_to,
            measured,
            by: "ada".to_owned(),
            because: "it is worth it".to_owned(),
        };
        let one = with(None, Worse::of(Some(f64::MAX), Some(1.0)));
        assert_eq!(accepted_count(0.0, 1.0, &one).0, Outcome::Warn);
        // Base has something by now: the same growth.
        assert_eq!(accepted_count(4.0, 5.0, &one).0, Outcome::Warn);
        assert_eq!(accepted_count(4.0, 6.0, &one).0, Outcome::Fail);
        let (outcome, said) = accepted_count(0.0, 1000.0, &one);
        assert_eq!(outcome, Outcome::Fail);
        assert!(
            said.ends_with("accepted when it measured up from zero by 1"),
            "{said}"
        );
        // What an earlier version recorded of growth from zero says nothing.
        let old = with(None, Worse::of(Some(f64::MAX), None));
        assert_eq!(accepted_count(0.0, 1.0, &old).0, Outcome::Fail);
        let (outcome, said) = accepted_count(0.0, 1.0, &with(Some(0.07), Worse::default()));
        assert_eq!(outcome, Outcome::Fail);
        assert!(
            said.ends_with(
                "accepted up to 7 %, for it is up from zero, and of zero there is no share"
            ),
            "{said}"
        );
    }

    #[test]
    fn one_accepted_regression_does_not_let_another_through() {
        let mut other = comparison(Verdict::Regressed(change()), None);
        other.id = MetricId::endpoint("b", Metric::LatencyP50);
        let all = [comparison(Verdict::Regressed(change()), None), other];
        let acceptance = Acceptance {
            id: all[0].id.clone(),
            up_to: None,
            measured: Worse::of(Some(0.1), None),
            by: "ada".to_owned(),
            because: "it is worth it".to_owned(),
        };
        let decision = accept(decide(&all, Policy::default()), &all, &[acceptance]);
        assert_eq!(decision.outcome, Outcome::Fail);
        assert!(decision.reasons.iter().any(|reason| reason.because
            == "latency p50 of a: `ada` accepted the regression because it is worth it"));
    }

    #[test]
    fn an_asset_never_decides() {
        let mut asset = comparison(Verdict::Regressed(change()), None);
        asset.weight = Weight::Shown;
        assert_eq!(decide(&[asset], Policy::default()).outcome, Outcome::Pass);
    }

    #[test]
    fn what_only_warns_never_blocks() {
        let why = "x".to_owned();
        for verdict in [
            Verdict::Regressed(change()),
            Verdict::Inconclusive(Inconclusive::NotMeasured { why }),
        ] {
            let mut warns = comparison(verdict, None);
            warns.weight = Weight::Warns;
            assert_eq!(decide(&[warns], Policy::default()).outcome, Outcome::Warn);
        }
    }
}
