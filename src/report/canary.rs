//! What a canary found out, for a terminal and as JSON: whether the gate blocks what it should,
//! and how often it blocks what it should not.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::escape;
use super::format;
use crate::model::{
    BudgetVerdict, Class, Comparison, Estimate, MetricId, Outcome, Verdict, Weight,
};

/// Metrics listed with what could be seen of them.
const LISTED: usize = 40;

/// The base against itself, several times.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SameCode {
    /// Name of the project.
    pub project: String,
    /// The commit that was measured against itself.
    pub commit: String,
    /// What it was called.
    pub label: String,
    /// The seed of the first run; each run adds one.
    pub seed: u64,
    /// What each run said.
    pub runs: Vec<SameCodeRun>,
    /// Runs that could not be measured, and why: they prove nothing.
    pub failed: Vec<String>,
    /// Share of runs that would have blocked, with its 95 % interval.
    pub blocked: Estimate,
    /// Share of judged metrics, over all runs, that were called regressed, with its 95 % interval.
    pub accused: Estimate,
    /// Per noisy metric: the smallest slow-down that was certain to be caught.
    pub visible: BTreeMap<MetricId, Visible>,
}

/// One run of the base against itself.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SameCodeRun {
    /// What the gate said.
    pub outcome: Outcome,
    /// Metrics judged against base, whatever the answer.
    pub judged: u32,
    /// Those the gate would hold against the author: false alarms.
    pub accused: Vec<MetricId>,
    /// Those called improved: as wrong, but they do not block.
    pub improved: Vec<MetricId>,
    /// Those without an answer.
    pub inconclusive: Vec<MetricId>,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// The smallest slow-down of a metric that a run was certain (95 %) to catch, relative.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Visible {
    /// In the median run.
    pub median: f64,
    /// In the noisiest run.
    pub worst: f64,
    /// Runs in which the metric had no answer.
    pub inconclusive: u32,
}

impl SameCode {
    /// Whether every run was measured, had answers, and would not have blocked: what has no
    /// answer at all proves nothing.
    pub fn is_as_expected(&self) -> bool {
        self.failed.is_empty()
            && (self.runs.iter()).all(|run| !run.blocks() && run.inconclusive.len() < run.judged())
    }
}

impl SameCodeRun {
    /// What one run said.
    pub fn of(comparisons: &[Comparison], outcome: Outcome, seconds: f64) -> Self {
        let judged: Vec<&Comparison> = comparisons
            .iter()
            .filter(|comparison| comparison.weight > Weight::Shown)
            .collect();
        let ids = |wanted: fn(&Comparison) -> bool| {
            let chosen = judged.iter().filter(|comparison| wanted(comparison));
            chosen.map(|comparison| comparison.id.clone()).collect()
        };
        Self {
            outcome,
            judged: u32::try_from(judged.len()).unwrap_or(u32::MAX),
            accused: ids(is_accused),
            improved: ids(|comparison| matches!(comparison.verdict, Verdict::Improved(_))),
            inconclusive: ids(|comparison| matches!(comparison.verdict, Verdict::Inconclusive(_))),
            seconds,
        }
    }

    /// Whether the gate would have blocked.
    pub fn blocks(&self) -> bool {
        self.outcome > Outcome::Warn
    }

    fn judged(&self) -> usize {
        usize::try_from(self.judged).unwrap_or(usize::MAX)
    }
}

/// Whether the gate would hold this against the author: a regression, or a target that is missed
/// now.
pub fn is_accused(comparison: &Comparison) -> bool {
    let regressed =
        comparison.weight == Weight::Gates && matches!(comparison.verdict, Verdict::Regressed(_));
    let target = comparison.target.map(|target| target.verdict);
    regressed || target == Some(BudgetVerdict::Missed)
}

/// Per noisy metric, what could be seen of it over all runs.
pub fn visible(runs: &[Vec<Comparison>]) -> BTreeMap<MetricId, Visible> {
    let mut seen: BTreeMap<MetricId, (Vec<f64>, u32)> = BTreeMap::new();
    let noisy = |comparison: &&Comparison| {
        comparison.weight > Weight::Shown && comparison.id.metric.class() == Class::Noisy
    };
    for comparison in runs.iter().flatten().filter(noisy) {
        let entry = seen.entry(comparison.id.clone()).or_default();
        entry.0.extend(comparison.detectable);
        entry.1 += u32::from(matches!(comparison.verdict, Verdict::Inconclusive(_)));
    }
    seen.into_iter()
        .filter_map(|(id, (mut figures, inconclusive))| {
            figures.sort_by(f64::total_cmp);
            let visible = Visible {
                median: *figures.get(figures.len() / 2)?,
                worst: *figures.last()?,
                inconclusive,
            };
            Some((id, visible))
        })
        .collect()
}

/// The summary of the base against itself.
pub fn same_code(canary: &SameCode) -> String {
    let count = canary.runs.len();
    let blocked = canary.runs.iter().filter(|run| run.blocks()).count();
    let judged: u32 = canary.runs.iter().map(|run| run.judged).sum();
    let accused: usize = canary.runs.iter().map(|run| run.accused.len()).sum();
    let open: usize = canary.runs.iter().map(|run| run.inconclusive.len()).sum();
    let better: usize = canary.runs.iter().map(|run| run.improved.len()).sum();
    let mut text = String::new();
    let mut line = |words: String| {
        let _infallible = writeln!(text, "{words}");
    };
    let verdict = if canary.is_as_expected() {
        "PASS"
    } else {
        "FAIL"
    };
    line(format!(
        "{verdict}  {}: {} ({}) against itself, {}",
        escape::plain(&canary.project),
        canary.commit.get(..10).unwrap_or(&canary.commit),
        escape::plain(&canary.label),
        format::count(count, "run", "runs")
    ));
    line(format!(
        "      runs that would have blocked:  {blocked} of {count}{}",
        interval(canary.blocked)
    ));
    line(format!(
        "      metrics called slower:         {accused} of {judged}{}",
        interval(canary.accused)
    ));
    line(format!(
        "      called faster, without answer: {better}, {open}"
    ));
    for (number, run) in (1..).zip(&canary.runs) {
        for id in &run.accused {
            line(format!("      run {number}: false alarm in {}", metric(id)));
        }
    }
    for why in &canary.failed {
        line(format!("      {}", escape::plain(why)));
    }
    line(String::new());
    line("Smallest slow-down this machine is certain (95 %) to catch:".to_owned());
    line(format!(
        "  {:>8}  {:>8}  {:>9}  metric",
        "median", "worst", "no answer"
    ));
    let mut rows: Vec<_> = canary.visible.iter().collect();
    rows.sort_by(|left, right| right.1.median.total_cmp(&left.1.median));
    for (id, visible) in rows.iter().take(LISTED) {
        line(format!(
            "  {:>8}  {:>8}  {:>9}  {}",
            format!("+{}", format::percent(visible.median)),
            format!("+{}", format::percent(visible.worst)),
            format!("{} of {count}", visible.inconclusive),
            metric(id)
        ));
    }
    if rows.len() > LISTED {
        line(format!("  and {} more, all smaller", rows.len() - LISTED));
    }
    text
}

/// A change known to be slow, and what the gate made of it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct KnownSlow {
    /// The patch, as it was named.
    pub patch: String,
    /// Whether the gate blocks it.
    pub blocked: bool,
    /// Metrics it is blocked for.
    pub accused: Vec<MetricId>,
    /// Those of them that the change has no part in, where it was said what it may accuse.
    pub beside: Vec<MetricId>,
}

impl KnownSlow {
    /// Whether the gate did what it is there for.
    pub fn is_as_expected(&self) -> bool {
        self.blocked && self.beside.is_empty()
    }
}

/// The summary of a change known to be slow.
pub fn known_slow(canary: &KnownSlow) -> String {
    let mut text = String::new();
    let patch = escape::plain(&canary.patch);
    let list = |ids: &[MetricId]| {
        let names: Vec<String> = ids.iter().map(metric).collect();
        names.join(", ")
    };
    let _infallible = match (canary.blocked, canary.beside.is_empty()) {
        (true, true) => writeln!(
            text,
            "PASS  the gate blocks {patch}: {}",
            list(&canary.accused)
        ),
        (true, false) => writeln!(
            text,
            "FAIL  the gate blocks {patch}, and also accuses what it has no part in: {}",
            list(&canary.beside)
        ),
        (false, _) => writeln!(
            text,
            "FAIL  the gate lets {patch} through: it would not have protected you"
        ),
    };
    text
}

fn metric(id: &MetricId) -> String {
    format!(
        "{} of {}",
        id.metric.label(),
        escape::plain(id.subject.name())
    )
}

fn interval(share: Estimate) -> String {
    format!(
        "  ({}, 95 % interval {} … {})",
        format::percent(share.point),
        format::percent(share.low),
        format::percent(share.high)
    )
}
