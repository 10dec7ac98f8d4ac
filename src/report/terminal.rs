//! The summary for a terminal: plain text without colour, columns aligned.
//!
//! Must not judge.

use super::Report;
use super::escape;
use super::format;
use super::phrase::Phrase;
use super::rows::Row;
use super::sentences;
use super::view;
use crate::model::{Finding, Outcome};

/// The most rows of the table; a terminal scrolls, a reader does not.
const ROWS: usize = 40;
/// The most characters of a cell.
const CELL: usize = 60;

/// The headings of the table and how its columns are aligned.
const COLUMNS: [(&str, Align); 7] = [
    ("measurement", Align::Left),
    ("now", Align::Right),
    ("target", Align::Right),
    ("gap", Align::Left),
    ("base", Align::Right),
    ("change", Align::Left),
    ("verdict", Align::Left),
];

#[derive(Debug, Clone, Copy)]
enum Align {
    Left,
    Right,
}

/// The whole summary.
pub(super) fn summary(report: &Report, rows: &[Row<'_>]) -> String {
    let (changed, unchanged) = view::split(rows);
    let blocks = [
        head(report, rows),
        table(&changed[..ROWS.min(changed.len())]),
        counts(changed.len(), unchanged.len()),
        lines(&sentences::wrong_responses(report), "wrong responses"),
        findings(report, rows),
        foot(report),
    ];
    let blocks: Vec<String> = blocks
        .into_iter()
        .filter(|block| !block.is_empty())
        .map(|block| block.join("\n"))
        .collect();
    blocks.join("\n\n") + "\n"
}

fn head(report: &Report, rows: &[Row<'_>]) -> Vec<String> {
    let outcome = match report.decision.outcome {
        Outcome::Pass => "PASS",
        Outcome::Warn => "WARN",
        Outcome::Inconclusive => "INCONCLUSIVE",
        Outcome::Fail => "FAIL",
    };
    let headline = sentences::headline(report, rows).plain();
    let mut head = vec![
        format!(
            "{outcome}  {}: {headline}",
            escape::plain_name(&report.project)
        ),
        format!("next step: {}", sentences::next_step(report, rows).plain()),
        sentences::judged(report).plain(),
    ];
    head.extend(sentences::detectable(report).map(|phrase| phrase.plain()));
    head.extend(sentences::reasons(report, rows).iter().map(Phrase::plain));
    head
}

fn table(rows: &[Row<'_>]) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let headings = COLUMNS.map(|(heading, _)| heading.to_owned());
    let all: Vec<[String; 7]> = std::iter::once(headings)
        .chain(rows.iter().map(cells))
        .collect();
    let widths: [usize; 7] =
        std::array::from_fn(|column| all.iter().map(|row| width(&row[column])).max().unwrap_or(0));
    all.iter().map(|row| aligned(row, widths)).collect()
}

fn cells(row: &Row<'_>) -> [String; 7] {
    let change = match &row.interval {
        Some(interval) => format!("{} ({interval})", row.change),
        None => row.change.clone(),
    };
    let marks: Vec<String> = row
        .marks
        .iter()
        .map(|mark| match &mark.reason {
            Some(reason) => format!("{} ({})", mark.word, escape::plain(reason)),
            None => mark.word.to_owned(),
        })
        .collect();
    [
        escape::cut(
            &format!("{}: {}", escape::plain_name(&row.name), row.metric),
            CELL,
        ),
        row.now.clone(),
        row.target.clone(),
        row.gap.clone(),
        row.base.clone(),
        change,
        marks.join("; "),
    ]
}

fn aligned(row: &[String; 7], widths: [usize; 7]) -> String {
    let cells: Vec<String> = row
        .iter()
        .zip(widths)
        .zip(COLUMNS)
        .map(|((cell, width), (_, align))| match align {
            Align::Left => format!("{cell:<width$}"),
            Align::Right => format!("{cell:>width$}"),
        })
        .collect();
    cells.join("  ").trim_end().to_owned()
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn counts(changed: usize, unchanged: usize) -> Vec<String> {
    let more = changed.saturating_sub(ROWS);
    let mut lines = Vec::new();
    if more > 0 {
        let more = format::count(more, "more changed metric", "more changed metrics");
        lines.push(format!("{more}; see report.json"));
    }
    lines.push(format::count(
        unchanged,
        "metric without a change",
        "metrics without a change",
    ));
    lines
}

fn findings(report: &Report, rows: &[Row<'_>]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    if !report.findings.is_empty() {
        lines.push("findings".to_owned());
    }
    lines.extend(report.findings.iter().flat_map(finding));
    lines.extend(sentences::unexplained(report, rows).map(|phrase| phrase.plain()));
    lines
}

fn finding(finding: &Finding) -> Vec<String> {
    let changed = if sentences::changed_here(finding) {
        "  (changed here)"
    } else {
        ""
    };
    let mut lines = vec![
        format!(
            "  {:<8}  {}{changed}",
            sentences::priority(finding.priority),
            sentences::location(&finding.location).plain()
        ),
        format!("            {}", escape::plain(&finding.issue)),
        format!("            cost: {}", escape::plain(&finding.impact)),
    ];
    if let Some(recommendation) = &finding.recommendation {
        lines.push(format!(
            "            do: {} — {} ({}; risk {})",
            escape::plain(recommendation.change.trim_end_matches('.')),
            escape::plain(recommendation.expected.improvement.trim_end_matches('.')),
            sentences::provenance(recommendation.expected.provenance),
            sentences::risk(recommendation.risk).to_lowercase(),
        ));
    }
    lines
}

fn foot(report: &Report) -> Vec<String> {
    let times = sentences::times(report).map(|phrase| phrase.plain());
    let skipped = sentences::skipped(report);
    times
        .into_iter()
        .chain(skipped.iter().map(Phrase::plain))
        .collect()
}

/// Phrases under a heading, indented.
fn lines(phrases: &[Phrase], heading: &str) -> Vec<String> {
    if phrases.is_empty() {
        return Vec::new();
    }
    std::iter::once(heading.to_owned())
        .chain(phrases.iter().map(|phrase| format!("  {}", phrase.plain())))
        .collect()
}
