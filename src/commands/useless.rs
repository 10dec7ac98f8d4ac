//! Why something that was accepted is of no use, for who accepted it.
//!
//! Must not decide what passes: the gate does.

use crate::gate::limit_of;
use crate::github::acceptances::{Accepted, Source};
use crate::model::worse::{UP_FROM_ZERO, percent, written};
use crate::model::{Comparison, Metric, Verdict, Weight, Worse};
use crate::report;

/// The most metrics that an answer lists.
const LISTED: usize = 5;

/// Something accepted that lets nothing through.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Useless {
    /// Where it was said.
    pub(super) source: Source,
    /// What it was said of.
    metric: String,
    /// Why, in one sentence without its end.
    why: String,
}

impl Useless {
    /// It, with the reason.
    pub(super) fn of(said: &Accepted, why: String) -> Self {
        Self {
            source: said.source,
            metric: said.metric.clone(),
            why,
        }
    }

    /// The answer.
    pub(super) fn in_words(&self) -> String {
        let end = if self.why.ends_with('?') { "" } else { "." };
        format!(
            "❔ **Tollgate:** the acceptance of `{}` lets nothing through: {}{end}",
            report::plain(&self.metric).replace('`', "'"),
            report::inert(&self.why)
        )
    }
}

/// Of a metric that is not there, or may be one of several: what the error says, on one line.
pub(super) fn of_name(error: &str) -> String {
    let mut lines = error.lines().map(str::trim);
    let first = lines.next().unwrap_or_default().to_owned();
    if !first.ends_with(':') {
        return first;
    }
    let all: Vec<&str> = lines.collect();
    let mut listed: Vec<String> = (all.iter().take(LISTED))
        .map(|one| format!("`{one}`"))
        .collect();
    if all.len() > LISTED {
        listed.push("…".to_owned());
    }
    format!("{first} {}", listed.join(", "))
}

/// Of a metric that is there, with what was measured when it was accepted; none where it is of use.
pub(super) fn of_metric(
    said: &Accepted,
    comparison: &Comparison,
    measured: Worse,
) -> Option<String> {
    let id = &comparison.id;
    let name = format!("`{id}`");
    if id.metric == Metric::ErrorRate {
        return Some("wrong answers cannot be accepted".to_owned());
    }
    let is_missed = comparison
        .target
        .is_some_and(|target| target.verdict.is_missed());
    let Some(worse) = comparison.regression() else {
        return Some(if is_missed {
            format!("{name} misses its target, and a missed target cannot be accepted")
        } else {
            not_worse(said, &name, &comparison.verdict)
        });
    };
    if comparison.weight == Weight::Shown {
        return Some(format!(
            "{name} is only shown, and keeps nothing from passing"
        ));
    }
    let spread = comparison.tolerance.map_or(0.0, |one| one.relative);
    let most = limit_of(said.up_to, measured, spread);
    if worse.is_within(most) {
        return is_missed.then(|| {
            format!("{name} misses its target as well, and a missed target cannot be accepted")
        });
    }
    let how = worse.in_words(id.metric.unit());
    Some(match (said.up_to, worse.share) {
        (Some(_), None) => format!(
            "{name} is {UP_FROM_ZERO}, and of zero there is no share: accept it without `up to`"
        ),
        (Some(up_to), Some(share)) => format!(
            "{name} is {} worse, which is more than {}",
            exactly_enough(share, up_to),
            written(up_to)
        ),
        (None, _) if measured.is_known() => format!(
            "{name} is {how}, which is more than when it was accepted ({})",
            measured.in_words(id.metric.unit())
        ),
        (None, _) => format!(
            "it has no limit, and how much worse {name} was is not recorded: accept it again"
        ),
    })
}

/// With as many digits as show that it is more.
fn exactly_enough(share: f64, limit: f64) -> String {
    let short = percent(share);
    if short == percent(limit) {
        written(share)
    } else {
        short
    }
}

fn not_worse(said: &Accepted, name: &str, verdict: &Verdict) -> String {
    let why = match verdict {
        Verdict::Inconclusive(why) => format!("{name} has no verdict ({why})"),
        Verdict::Improved(_) | Verdict::Unchanged(_) | Verdict::Regressed(_) => {
            format!("{name} did not get worse")
        }
    };
    match said.up_to {
        Some(up_to) => format!(
            "{why}; should this commit be measured again, up to {} stays accepted",
            written(up_to)
        ),
        None => format!("{why}, so there is nothing to accept"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        BudgetVerdict, Change, Estimate, Inconclusive, MetricId, Target, Tolerance,
    };

    fn said(up_to: Option<f64>) -> Accepted {
        Accepted {
            id: "tollgate".to_owned(),
            head: "a".repeat(40),
            metric: "a queries".to_owned(),
            up_to,
            by: "ada".to_owned(),
            because: "icons".to_owned(),
            source: Source::Comment(7),
            measured: None,
            added: None,
        }
    }

    fn comparison(verdict: Verdict) -> Comparison {
        Comparison {
            id: MetricId::endpoint("a", Metric::QueriesPerRequest),
            before: Some(Estimate::exact(10.0)),
            now: Some(Estimate::exact(11.0)),
            verdict,
            tolerance: Some(Tolerance {
                relative: 0.01,
                floor: 0.5,
            }),
            target: None,
            weight: Weight::Gates,
            stored: None,
            detectable: None,
        }
    }

    fn change(worse_by: f64) -> Change {
        Change {
            worse_by: Estimate::exact(worse_by),
        }
    }

    fn worse(worse_by: f64) -> Comparison {
        comparison(Verdict::Regressed(change(worse_by)))
    }

    fn why(up_to: Option<f64>, comparison: &Comparison) -> Option<String> {
        let measured = comparison.regression().unwrap_or_default().remembered();
        of_metric(&said(up_to), comparison, measured)
    }

    #[test]
    fn what_is_of_use_needs_no_words() {
        assert_eq!(why(None, &worse(0.1)), None);
        assert_eq!(why(Some(0.1), &worse(0.1)), None);
        assert_eq!(why(None, &worse(f64::MAX)), None);
    }

    #[test]
    fn what_is_of_no_use_says_why() {
        let missed = |comparison| Comparison {
            target: Some(Target {
                limit: 1.0,
                verdict: BudgetVerdict::Missed,
            }),
            ..comparison
        };
        let unchanged = || comparison(Verdict::Unchanged(change(0.0)));
        let undecided = comparison(Verdict::Inconclusive(Inconclusive::NewMetric));
        let name = "`endpoint/a/queries-per-request`";
        for (up_to, comparison, expected) in [
            (
                None,
                unchanged(),
                " did not get worse, so there is nothing to accept",
            ),
            (
                Some(0.07),
                unchanged(),
                " did not get worse; should this commit be measured again, up to 7 % stays accepted",
            ),
            (
                None,
                undecided,
                " has no verdict (new: base does not have it), so there is nothing to accept",
            ),
            (
                Some(0.07),
                worse(0.1),
                " is 10.0 % worse, which is more than 7 %",
            ),
            (
                Some(0.07),
                worse(0.07001),
                " is 7.001 % worse, which is more than 7 %",
            ),
            (
                Some(0.07),
                worse(f64::MAX),
                " is up from zero, and of zero there is no share: accept it without `up to`",
            ),
            (
                None,
                missed(unchanged()),
                " misses its target, and a missed target cannot be accepted",
            ),
            (
                None,
                missed(worse(0.1)),
                " misses its target as well, and a missed target cannot be accepted",
            ),
            (
                None,
                Comparison {
                    weight: Weight::Shown,
                    ..worse(0.1)
                },
                " is only shown, and keeps nothing from passing",
            ),
        ] {
            assert_eq!(why(up_to, &comparison), Some(format!("{name}{expected}")));
        }
        let wrong = Comparison {
            id: MetricId::endpoint("a", Metric::ErrorRate),
            ..worse(0.1)
        };
        let expected = "wrong answers cannot be accepted";
        assert_eq!(why(None, &wrong).as_deref(), Some(expected));
        let unknown = of_metric(&said(None), &worse(0.1), Worse::default());
        assert!(
            unknown
                .unwrap()
                .starts_with("it has no limit, and how much")
        );
        let earlier = of_metric(&said(None), &worse(0.1), Worse::of(Some(0.05), None));
        assert!(
            earlier
                .unwrap()
                .ends_with("when it was accepted (5.0 % worse)")
        );
    }

    #[test]
    fn a_name_of_several_names_some_of_them() {
        let many: Vec<String> = (0..7).map(|number| format!("  m{number}")).collect();
        let error = format!(
            "`m` may be any of 7 metrics; name one of them:\n{}",
            many.join("\n")
        );
        assert_eq!(
            of_name(&error),
            "`m` may be any of 7 metrics; name one of them: `m0`, `m1`, `m2`, `m3`, `m4`, …"
        );
        let unknown = "the run has no metric `x`; did you mean `y`?\n\nIt has:\n  y";
        assert_eq!(
            of_name(unknown),
            "the run has no metric `x`; did you mean `y`?"
        );
    }
}
