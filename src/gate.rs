//! Comparisons and policy become one decision.
//!
//! Must not compare numbers: verdicts are made in `compare`, this only weighs them. Nothing
//! becomes a pass by being absent: what was asked for and not measured in head blocks.

use crate::model::{
    BudgetVerdict, Comparison, Decision, Inconclusive, Outcome, Reason, Target, Verdict, Weight,
};

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
        Verdict::Regressed(_) => Some((Outcome::Fail, "regressed".to_owned())),
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
    use crate::model::{Change, Estimate, Metric, MetricId};

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
