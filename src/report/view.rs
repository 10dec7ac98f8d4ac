//! The comment as finished strings: everything its templates need, and nothing they must compute.
//!
//! Every string here that a repository can influence has passed `escape`. Must not judge.

use serde::Serialize;

use super::Report;
use super::escape;
use super::format;
use super::phrase::Phrase;
use super::rows::{Rank, Row};
use super::sentences;
use crate::model::{Confidence, Finding, Outcome, Priority, Recommendation};

/// The most rows that stand in the open; the rest is folded.
const OPEN_ROWS: usize = 20;
/// The most steps of a recommendation that are shown.
const STEPS: usize = 10;
/// The most lines of evidence that are shown for one finding.
const EVIDENCE_LINES: usize = 20;

/// How much of each list there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// Rows with something to say.
    pub(super) changed: usize,
    /// Rows without.
    pub(super) unchanged: usize,
    /// Findings, with their recommendations.
    pub(super) findings: usize,
    /// Findings whose evidence is shown.
    pub(super) evidence: usize,
}

/// The whole comment.
#[derive(Debug, Serialize)]
pub(super) struct View {
    icon: &'static str,
    headline: String,
    next_step: String,
    judged: String,
    detectable: Option<String>,
    reasons: Vec<String>,
    left_out: Option<String>,
    metrics: Metrics,
    bottlenecks: Bottlenecks,
    recommendations: Recommendations,
    quick_wins: QuickWins,
    footer: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Metrics {
    wrong: Vec<String>,
    quiet: Option<&'static str>,
    open: Option<Table>,
    folded: Vec<Table>,
}

#[derive(Debug, Serialize)]
struct Table {
    title: String,
    rows: Vec<Cells>,
}

#[derive(Debug, Serialize)]
struct Cells {
    measurement: String,
    now: String,
    target: String,
    gap: String,
    base: String,
    change: String,
    verdict: String,
}

#[derive(Debug, Serialize)]
struct Bottlenecks {
    quiet: Option<&'static str>,
    found: bool,
    rows: Vec<Bottleneck>,
    unexplained: Option<String>,
    has_evidence: bool,
    evidence: Vec<Evidence>,
}

#[derive(Debug, Serialize)]
struct Bottleneck {
    location: String,
    changed: bool,
    issue: String,
    impact: String,
    priority: &'static str,
}

#[derive(Debug, Serialize)]
struct Evidence {
    location: String,
    rule: String,
    confidence: &'static str,
    explains: Option<String>,
    lines: String,
}

#[derive(Debug, Serialize)]
struct Recommendations {
    quiet: Option<&'static str>,
    items: Vec<Advice>,
}

#[derive(Debug, Serialize)]
struct Advice {
    number: usize,
    change: String,
    location: String,
    improvement: String,
    provenance: &'static str,
    steps: Vec<Step>,
    risk: &'static str,
}

#[derive(Debug, Serialize)]
struct Step {
    number: usize,
    text: String,
}

#[derive(Debug, Serialize)]
struct QuickWins {
    quiet: Option<&'static str>,
    items: Vec<String>,
}

/// Fills the view, as far as there is room.
pub(super) fn view(report: &Report, rows: &[Row<'_>], room: Room) -> View {
    let (changed, unchanged) = split(rows);
    let shown = &report.findings[..room.findings.min(report.findings.len())];
    let advice: Vec<(&Finding, &Recommendation)> = shown
        .iter()
        .filter_map(|finding| Some((finding, finding.recommendation.as_ref()?)))
        .collect();
    View {
        icon: icon(report.decision.outcome),
        headline: sentences::headline(report, rows).markdown(),
        next_step: sentences::next_step(report, rows).markdown(),
        judged: sentences::judged(report).markdown(),
        detectable: sentences::detectable(report).map(|phrase| phrase.markdown()),
        reasons: markdown(&sentences::reasons(report, rows)),
        left_out: left_out(report, rows, room),
        metrics: metrics(report, changed, unchanged, room),
        bottlenecks: bottlenecks(report, rows, shown, room),
        recommendations: recommendations(report, rows, &advice),
        quick_wins: quick_wins(&advice),
        footer: footer(report),
    }
}

/// How many gating metrics regressed.
pub(super) fn regressions(rows: &[Row<'_>]) -> usize {
    rows.iter()
        .filter(|row| matches!(row.rank, Rank::WrongAnswers | Rank::Regressed))
        .count()
}

/// The verdict in one line, where nothing changed, nothing is missing and nothing was found.
pub(super) fn quiet(report: &Report, rows: &[Row<'_>]) -> Option<String> {
    let (changed, _) = split(rows);
    let is_quiet = report.decision.outcome == Outcome::Pass
        && changed.is_empty()
        && report.findings.is_empty()
        && report.decision.reasons.is_empty();
    let headline = sentences::headline(report, rows).markdown();
    is_quiet.then(|| format!("{} **Tollgate:** {headline}", icon(report.decision.outcome)))
}

/// The rows with something to say, and those without.
pub(super) fn split<'a, 'b>(rows: &'a [Row<'b>]) -> (&'a [Row<'b>], &'a [Row<'b>]) {
    rows.split_at(rows.partition_point(|row| row.rank < Rank::Unchanged))
}

/// How many findings have evidence.
pub(super) fn with_evidence(findings: &[Finding]) -> usize {
    findings
        .iter()
        .filter(|finding| !finding.evidence.is_empty())
        .count()
}

fn icon(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "✅",
        Outcome::Warn => "⚠️",
        Outcome::Inconclusive => "❔",
        Outcome::Fail => "❌",
    }
}

fn markdown(phrases: &[Phrase]) -> Vec<String> {
    phrases.iter().map(Phrase::markdown).collect()
}

fn left_out(report: &Report, rows: &[Row<'_>], room: Room) -> Option<String> {
    let (changed, unchanged) = split(rows);
    let lists = [
        (changed.len(), room.changed, "changed row", "changed rows"),
        (
            unchanged.len(),
            room.unchanged,
            "unchanged row",
            "unchanged rows",
        ),
        (report.findings.len(), room.findings, "finding", "findings"),
        (
            with_evidence(&report.findings),
            room.evidence,
            "piece of evidence",
            "pieces of evidence",
        ),
    ];
    let parts: Vec<String> = lists
        .into_iter()
        .filter(|(all, room, ..)| all > room)
        .map(|(all, room, one, many)| format::count(all - room, one, many))
        .collect();
    (!parts.is_empty()).then(|| {
        let parts = parts.join(", ");
        format!("{parts} left out; the full report is in the job summary and in report.json.")
    })
}

fn metrics(report: &Report, changed: &[Row<'_>], unchanged: &[Row<'_>], room: Room) -> Metrics {
    let shown = &changed[..room.changed.min(changed.len())];
    let (open, rest) = shown.split_at(OPEN_ROWS.min(shown.len()));
    let quiet = &unchanged[..room.unchanged.min(unchanged.len())];
    let more = format::count(rest.len(), "more changed metric", "more changed metrics");
    let same = format::count(
        quiet.len(),
        "metric without a change",
        "metrics without a change",
    );
    Metrics {
        wrong: markdown(&sentences::wrong_responses(report)),
        quiet: match (changed.is_empty(), unchanged.is_empty()) {
            (true, true) => Some("Nothing was measured."),
            (true, false) => Some("Nothing changed beyond its tolerance, and no target is missed."),
            (false, true | false) => None,
        },
        open: table(open, String::new()),
        folded: [table(rest, more), table(quiet, same)]
            .into_iter()
            .flatten()
            .collect(),
    }
}

fn table(rows: &[Row<'_>], title: String) -> Option<Table> {
    (!rows.is_empty()).then(|| Table {
        title,
        rows: rows.iter().map(cells).collect(),
    })
}

fn cells(row: &Row<'_>) -> Cells {
    let change = match &row.interval {
        Some(interval) => format!(
            "{}<br><sub>{}</sub>",
            unbroken(&row.change),
            unbroken(interval)
        ),
        None => unbroken(&row.change),
    };
    Cells {
        measurement: format!(
            "{}<br>{}",
            escape::cell(&escape::code(&row.name)),
            unbroken(row.metric)
        ),
        now: unbroken(&row.now),
        target: unbroken(&row.target),
        gap: unbroken(&row.gap).replace("\u{a0}(", " ("),
        base: unbroken(&row.base),
        change,
        verdict: verdict(row),
    }
}

fn verdict(row: &Row<'_>) -> String {
    let marks: Vec<String> = row
        .marks
        .iter()
        .map(|mark| {
            let word = format!("{}\u{a0}{}", mark.icon, mark.word);
            match &mark.reason {
                Some(reason) => format!("{word}<br><sub>{}</sub>", escape::prose(reason)),
                None => word,
            }
        })
        .collect();
    escape::cell(&marks.join("<br>"))
}

/// A number that stays on one line with its unit.
fn unbroken(text: &str) -> String {
    text.replace(' ', "\u{a0}")
}

fn bottlenecks(report: &Report, rows: &[Row<'_>], shown: &[Finding], room: Room) -> Bottlenecks {
    let unexplained = sentences::unexplained(report, rows).map(|phrase| phrase.markdown());
    let evidence: Vec<Evidence> = shown
        .iter()
        .filter(|finding| !finding.evidence.is_empty())
        .take(room.evidence)
        .map(evidence)
        .collect();
    Bottlenecks {
        quiet: (report.findings.is_empty() && unexplained.is_none()).then(|| no_bottleneck(rows)),
        found: !shown.is_empty(),
        rows: shown.iter().map(bottleneck).collect(),
        unexplained,
        has_evidence: !evidence.is_empty(),
        evidence,
    }
}

fn no_bottleneck(rows: &[Row<'_>]) -> &'static str {
    let in_doubt = |row: &Row<'_>| row.rank.accuses() || row.rank == Rank::Unanswered;
    if rows.is_empty() || rows.iter().any(in_doubt) {
        "None found in what was measured."
    } else {
        "None: no gating metric regressed and no target is missed."
    }
}

fn bottleneck(finding: &Finding) -> Bottleneck {
    let doubt = match finding.confidence {
        Confidence::Proved | Confidence::Supported => "",
        Confidence::Inferred => " (inferred from a pattern in the code)",
    };
    Bottleneck {
        location: escape::cell(&sentences::location(&finding.location).markdown()),
        changed: sentences::changed_here(finding),
        issue: escape::cell(&escape::prose(&finding.issue)) + doubt,
        impact: escape::cell(&escape::prose(&finding.impact)),
        priority: match finding.priority {
            Priority::Critical => "🔴\u{a0}Critical",
            Priority::High => "🟠\u{a0}High",
            Priority::Medium => "🟡\u{a0}Medium",
            Priority::Low => "⚪\u{a0}Low",
        },
    }
}

fn evidence(finding: &Finding) -> Evidence {
    let lines = &finding.evidence[..EVIDENCE_LINES.min(finding.evidence.len())];
    Evidence {
        location: sentences::location(&finding.location).markdown(),
        rule: escape::code(&finding.rule),
        confidence: sentences::confidence(finding.confidence),
        explains: (!finding.explains.is_empty())
            .then(|| sentences::by_subject(&finding.explains).markdown()),
        lines: escape::fenced(lines),
    }
}

fn recommendations(
    report: &Report,
    rows: &[Row<'_>],
    advice: &[(&Finding, &Recommendation)],
) -> Recommendations {
    let wanted = !report.findings.is_empty() || rows.iter().any(|row| row.rank.accuses());
    Recommendations {
        quiet: match (advice.is_empty(), wanted) {
            (true, true) => Some("None: the evidence does not say what to change."),
            (true, false) => Some("None needed."),
            (false, true | false) => None,
        },
        items: (1..)
            .zip(advice)
            .map(|(number, (finding, recommendation))| Advice {
                number,
                location: sentences::location(&finding.location).markdown(),
                change: escape::prose(&recommendation.change),
                improvement: escape::prose(&recommendation.expected.improvement),
                provenance: sentences::provenance(recommendation.expected.provenance),
                steps: steps(recommendation),
                risk: sentences::risk(recommendation.risk),
            })
            .collect(),
    }
}

fn steps(recommendation: &Recommendation) -> Vec<Step> {
    (1..)
        .zip(recommendation.steps.iter().take(STEPS))
        .map(|(number, step)| Step {
            number,
            text: escape::prose(step),
        })
        .collect()
}

fn quick_wins(advice: &[(&Finding, &Recommendation)]) -> QuickWins {
    let items: Vec<String> = advice
        .iter()
        .filter(|(_, recommendation)| recommendation.quick_win)
        .map(|(finding, recommendation)| sentences::quick_win(finding, recommendation).markdown())
        .collect();
    QuickWins {
        quiet: items.is_empty().then_some("None found."),
        items,
    }
}

fn footer(report: &Report) -> Vec<String> {
    let mut lines = vec![
        "Change: head against base, below it the 95 % interval where it was timed. 1 KB is 1,000 bytes."
            .to_owned(),
    ];
    lines.extend(sentences::times(report).map(|phrase| phrase.markdown()));
    lines.extend(markdown(&sentences::skipped(report)));
    lines
}
