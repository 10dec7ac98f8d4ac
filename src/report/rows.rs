//! The judged metrics as rows of finished words, most severe first.
//!
//! Must not judge: the rank of a row only orders what `compare` decided.

use std::cmp::Ordering;

use super::format;
use crate::model::{BudgetVerdict, Comparison, Inconclusive, Metric, Subject, Verdict, Weight};

/// What stands in a cell that has nothing to say.
pub(super) const NOTHING: &str = "—";

/// How prominent a row is; ordered, most severe first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Answers are wrong that used to be right.
    WrongAnswers,
    /// A gating metric regressed.
    Regressed,
    /// A target is missed.
    TargetMissed,
    /// A metric that does not gate got worse.
    WorseUngated,
    /// A gating metric or a target has no answer.
    Unanswered,
    /// A target is missed, as it was before.
    TargetMissedBefore,
    /// Better.
    Improved,
    /// New, or without an answer that anything depends on.
    Aside,
    /// Nothing to say.
    Unchanged,
}

impl Rank {
    /// Whether the row tells the author that something is wrong with head.
    pub(super) fn accuses(self) -> bool {
        match self {
            Self::WrongAnswers | Self::Regressed | Self::TargetMissed => true,
            Self::WorseUngated
            | Self::Unanswered
            | Self::TargetMissedBefore
            | Self::Improved
            | Self::Aside
            | Self::Unchanged => false,
        }
    }
}

/// A verdict in words.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    /// What stands before the word in a comment.
    pub(super) icon: &'static str,
    /// The word.
    pub(super) word: &'static str,
    /// Why, where there is no answer.
    pub(super) reason: Option<String>,
}

impl Mark {
    fn new(icon: &'static str, word: &'static str) -> Self {
        Self {
            icon,
            word,
            reason: None,
        }
    }
}

/// One metric, ready to be shown; names and reasons are not escaped yet.
#[derive(Debug, Clone)]
pub(super) struct Row<'a> {
    /// What the row shows.
    pub(super) comparison: &'a Comparison,
    /// How prominent it is.
    pub(super) rank: Rank,
    /// Name of what was measured.
    pub(super) name: String,
    /// What was measured of it.
    pub(super) metric: &'static str,
    /// The value of head.
    pub(super) now: String,
    /// The absolute target.
    pub(super) target: String,
    /// How far head is from the target.
    pub(super) gap: String,
    /// The value of base.
    pub(super) base: String,
    /// The relative change.
    pub(super) change: String,
    /// The interval of the change.
    pub(super) interval: Option<String>,
    /// The verdicts, never empty.
    pub(super) marks: Vec<Mark>,
}

/// Every metric as a row, most severe first.
pub(super) fn rows(comparisons: &[Comparison]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = comparisons.iter().map(row).collect();
    rows.sort_by(|a, b| {
        (a.rank.cmp(&b.rank))
            .then_with(|| larger_change_first(a, b))
            .then_with(|| a.comparison.id.cmp(&b.comparison.id))
    });
    rows
}

/// The name a reader tells a subject by.
pub(super) fn name(subject: &Subject) -> String {
    match subject {
        Subject::Asset { frontend, asset } => format!("{frontend}/{asset}"),
        Subject::Entry { frontend, entry } => format!("{frontend}: {entry}"),
        Subject::Bundle { .. } | Subject::Endpoint { .. } | Subject::Service { .. } => {
            subject.name().to_owned()
        }
    }
}

fn larger_change_first(a: &Row<'_>, b: &Row<'_>) -> Ordering {
    let size = |row: &Row<'_>| match row.rank {
        Rank::Unchanged => 0.0,
        Rank::WrongAnswers
        | Rank::Regressed
        | Rank::TargetMissed
        | Rank::WorseUngated
        | Rank::Unanswered
        | Rank::TargetMissedBefore
        | Rank::Improved
        | Rank::Aside => {
            (row.comparison.verdict.change()).map_or(0.0, |change| change.worse_by.point.abs())
        }
    };
    size(b).total_cmp(&size(a))
}

fn row(comparison: &Comparison) -> Row<'_> {
    let metric = comparison.id.metric;
    let value = |estimate: Option<f64>| {
        estimate.map_or_else(|| NOTHING.to_owned(), |v| format::quantity(metric, v))
    };
    let now = comparison.now.map(|now| now.point);
    let target = comparison.target.as_ref();
    let (change, interval) = (comparison.verdict.change()).map_or_else(
        || (NOTHING.to_owned(), None),
        |change| format::change(metric, change),
    );
    let (rank, marks) = marks(comparison);
    Row {
        comparison,
        rank,
        name: name(&comparison.id.subject),
        metric: metric.label(),
        now: value(now),
        target: target.map_or_else(
            || NOTHING.to_owned(),
            |target| format::limit(metric, target),
        ),
        gap: (target.zip(now)).map_or_else(
            || NOTHING.to_owned(),
            |(target, now)| format::gap(metric, target, now),
        ),
        base: value(comparison.before.map(|before| before.point)),
        change,
        interval,
        marks,
    }
}

/// The verdicts of a row and its rank: the more severe of the two.
fn marks(comparison: &Comparison) -> (Rank, Vec<Mark>) {
    let against_base = against_base(comparison);
    let against_target = (comparison.target).map(|target| against_target(target.verdict));
    let rank = [&against_base, &against_target]
        .into_iter()
        .flatten()
        .map(|(rank, _)| *rank)
        .min()
        .unwrap_or(Rank::Unchanged);
    let mut marks: Vec<Mark> = [
        against_base,
        against_target.filter(|(rank, _)| *rank < Rank::Unchanged),
    ]
    .into_iter()
    .flatten()
    .map(|(_, mark)| mark)
    .collect();
    if marks.is_empty() {
        marks.push(Mark::new(
            "⚪",
            if comparison.target.is_some() {
                "target met"
            } else {
                "shown only"
            },
        ));
    }
    (rank, marks)
}

/// The verdict against base; none for a metric that base is no measure for.
fn against_base(comparison: &Comparison) -> Option<(Rank, Mark)> {
    let judged = comparison.tolerance.is_some();
    match &comparison.verdict {
        Verdict::Regressed(_) if comparison.id.metric == Metric::ErrorRate => {
            Some((Rank::WrongAnswers, Mark::new("🔴", "regressed")))
        }
        Verdict::Regressed(_) => Some(match comparison.weight {
            Weight::Gates => (Rank::Regressed, Mark::new("🔴", "regressed")),
            Weight::Warns => (Rank::WorseUngated, Mark::new("🟠", "worse, only warns")),
            Weight::Shown => (Rank::WorseUngated, Mark::new("🟠", "worse, does not gate")),
        }),
        Verdict::Improved(_) => Some((Rank::Improved, Mark::new("🟢", "improved"))),
        Verdict::Unchanged(_) => judged.then(|| (Rank::Unchanged, Mark::new("⚪", "unchanged"))),
        Verdict::Inconclusive(why) => without_answer(comparison, why),
    }
}

fn without_answer(comparison: &Comparison, why: &Inconclusive) -> Option<(Rank, Mark)> {
    let mark = Mark {
        reason: Some(why.to_string()),
        ..Mark::new("❔", "inconclusive")
    };
    match why {
        Inconclusive::NotMeasured { .. } => Some((Rank::Unanswered, mark)),
        Inconclusive::NewMetric => Some((Rank::Aside, Mark::new("🔵", "new"))),
        Inconclusive::Gone => Some((Rank::Aside, Mark::new("🔵", "gone"))),
        Inconclusive::NoBaseline { .. }
        | Inconclusive::TooFewBlocks { .. }
        | Inconclusive::Undecided { .. }
        | Inconclusive::TooNoisy { .. }
        | Inconclusive::Contended { .. }
        | Inconclusive::OtherMachine { .. }
        | Inconclusive::TooFewRuns { .. }
        | Inconclusive::OtherEncoder { .. } => {
            let rank = match comparison.weight {
                Weight::Gates | Weight::Warns => Rank::Unanswered,
                Weight::Shown => Rank::Aside,
            };
            comparison.tolerance.map(|_| (rank, mark))
        }
    }
}

fn against_target(verdict: BudgetVerdict) -> (Rank, Mark) {
    match verdict {
        BudgetVerdict::Met => (Rank::Unchanged, Mark::new("🎯", "target met")),
        BudgetVerdict::Missed => (Rank::TargetMissed, Mark::new("🎯", "target missed")),
        BudgetVerdict::MissedByBaseToo => (
            Rank::TargetMissedBefore,
            Mark::new("🎯", "target missed by base too"),
        ),
        BudgetVerdict::Undecided => (
            Rank::Unanswered,
            Mark {
                reason: Some("the interval contains the target".to_owned()),
                ..Mark::new("🎯", "target undecided")
            },
        ),
        BudgetVerdict::NotMeasured => (Rank::Unanswered, Mark::new("🎯", "target not measured")),
    }
}
