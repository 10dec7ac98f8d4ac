//! The sentences around the tables: the verdict in one line, the next step, what was judged
//! against what, where the time went.
//!
//! Must not judge, and must not say anything that is not in the report's data.

use std::collections::{BTreeMap, BTreeSet};

use super::Report;
use super::format;
use super::phrase::Phrase;
use super::rows::{self, Rank, Row};
use crate::model::{
    ACCEPTED, BudgetVerdict, Comparison, Confidence, Finding, Inconclusive, Location, Metric,
    MetricId, Outcome, PhaseKind, Priority, Provenance, Reason, Recommendation, Responses, Risk,
    Subject, Verdict, Weight,
};

/// The most names that one sentence lists.
const NAMES: usize = 3;

/// The verdict in one line, without icon.
pub(super) fn headline(report: &Report, rows: &[Row<'_>]) -> Phrase {
    let opening = match report.decision.outcome {
        Outcome::Pass => return passed(rows),
        Outcome::Warn => "passed with a warning — ",
        Outcome::Inconclusive => "inconclusive — ",
        Outcome::Fail => "",
    };
    let what = what_decided(report.decision.outcome, rows);
    Phrase::new(opening).then(what.unwrap_or_else(|| first_reason(report)))
}

/// What made the outcome, where it is metrics; else the first reason has to say it.
fn what_decided(outcome: Outcome, rows: &[Row<'_>]) -> Option<Phrase> {
    match outcome {
        Outcome::Pass => None,
        Outcome::Warn => counted(rows, &[REGRESSIONS, MISSED, MISSED_BEFORE, UNANSWERED]),
        Outcome::Inconclusive => counted(rows, &[WRONG, REGRESSIONS, MISSED, UNANSWERED]),
        Outcome::Fail => counted(rows, &[WRONG, REGRESSIONS, MISSED]),
    }
}

fn passed(rows: &[Row<'_>]) -> Phrase {
    let improved = rows.iter().filter(|row| row.rank == Rank::Improved).count();
    let words = if improved > 0 {
        format::count(
            improved,
            "improvement, no regression",
            "improvements, no regression",
        )
    } else if rows.iter().any(|row| row.rank < Rank::Unchanged) {
        "no regression".to_owned()
    } else {
        "no change beyond tolerance".to_owned()
    };
    Phrase::new(format!("{words} ({})", extent(rows)))
}

/// Something that a headline counts.
struct Kind {
    one: &'static str,
    many: &'static str,
    counts: fn(&Row<'_>) -> bool,
}

const REGRESSIONS: Kind = Kind {
    one: "regression",
    many: "regressions",
    counts: |row| row.rank == Rank::Regressed,
};

const WRONG: Kind = Kind {
    one: "endpoint answers wrongly",
    many: "endpoints answer wrongly",
    counts: |row| row.rank == Rank::WrongAnswers,
};

const UNANSWERED: Kind = Kind {
    one: "metric without an answer",
    many: "metrics without an answer",
    counts: |row| row.rank == Rank::Unanswered,
};

const MISSED_BEFORE: Kind = Kind {
    one: "target missed by base too",
    many: "targets missed by base too",
    counts: |row| misses(row, BudgetVerdict::MissedByBaseToo),
};

const MISSED: Kind = Kind {
    one: "target missed",
    many: "targets missed",
    counts: |row| misses(row, BudgetVerdict::Missed),
};

fn misses(row: &Row<'_>, verdict: BudgetVerdict) -> bool {
    (row.comparison.target).is_some_and(|target| target.verdict == verdict)
}

/// `2 regressions, 1 target missed: list projects, web`; none when there is nothing to count.
fn counted(rows: &[Row<'_>], kinds: &[Kind]) -> Option<Phrase> {
    let parts: Vec<String> = kinds
        .iter()
        .map(|kind| (kind, rows.iter().filter(|row| (kind.counts)(row)).count()))
        .filter(|(_, number)| *number > 0)
        .map(|(kind, number)| format::count(number, kind.one, kind.many))
        .collect();
    let names = subjects(rows, |row| kinds.iter().any(|kind| (kind.counts)(row)));
    (!parts.is_empty()).then(|| Phrase::new(format!("{}: ", parts.join(", "))).then(names))
}

fn first_reason(report: &Report) -> Phrase {
    match report.decision.reasons.first() {
        Some(reason) => reason_in_words(reason),
        None => Phrase::new("no reason was given"),
    }
}

fn reason_in_words(reason: &Reason) -> Phrase {
    match &reason.id {
        Some(id) => metric(id).words(": ").prose(&reason.because),
        None => Phrase::default().prose(&reason.because),
    }
}

/// `9 endpoints, 1 bundle, 31 metrics`.
fn extent(rows: &[Row<'_>]) -> String {
    let mut kinds: [BTreeSet<&str>; 3] = Default::default();
    for row in rows {
        match &row.comparison.id.subject {
            Subject::Endpoint { endpoint } => kinds[0].insert(endpoint),
            Subject::Service { service } => kinds[1].insert(service),
            Subject::Bundle { frontend }
            | Subject::Asset { frontend, .. }
            | Subject::Entry { frontend, .. } => kinds[2].insert(frontend),
        };
    }
    let words = [
        ("endpoint", "endpoints"),
        ("service", "services"),
        ("bundle", "bundles"),
    ];
    let mut parts: Vec<String> = kinds
        .iter()
        .zip(words)
        .filter(|(names, _)| !names.is_empty())
        .map(|(names, (one, many))| format::count(names.len(), one, many))
        .collect();
    parts.push(format::count(rows.len(), "metric", "metrics"));
    parts.join(", ")
}

/// The distinct subjects of some rows: `list projects, web and 2 more`.
fn subjects(rows: &[Row<'_>], belongs: impl Fn(&Row<'_>) -> bool) -> Phrase {
    let mut names: Vec<&str> = Vec::new();
    for row in rows.iter().filter(|row| belongs(row)) {
        if !names.contains(&row.name.as_str()) {
            names.push(&row.name);
        }
    }
    some_of(names.into_iter().map(|name| Phrase::default().name(name)))
}

/// The first of several phrases, and how many more there are.
fn some_of(phrases: impl ExactSizeIterator<Item = Phrase>) -> Phrase {
    let more = phrases.len().saturating_sub(NAMES);
    let list = Phrase::list(phrases.take(NAMES));
    if more > 0 {
        list.words(format!(" and {more} more"))
    } else {
        list
    }
}

/// What the author should do, in one sentence.
pub(super) fn next_step(report: &Report, rows: &[Row<'_>]) -> Phrase {
    let was_accepted = |reason: &Reason| reason.because == ACCEPTED;
    let is_warning = report.decision.outcome == Outcome::Warn;
    if is_warning && report.decision.reasons.iter().any(was_accepted) {
        return Phrase::new("nothing: what got worse was accepted.");
    }
    if let Some(row) = rows.iter().find(|row| row.rank.accuses()) {
        if row.rank == Rank::WrongAnswers {
            return fix_the_answers(report, row);
        }
        return follow_a_finding(report, rows)
            .unwrap_or_else(|| find_out(row).words("; the evidence does not explain it."));
    }
    let unanswered = rows.iter().find(|row| row.rank == Rank::Unanswered);
    match (report.decision.outcome, unanswered) {
        (Outcome::Pass, _) if report.findings.is_empty() => Phrase::new("nothing to do."),
        (Outcome::Pass, _) => {
            let number = format::count(report.findings.len(), "finding", "findings");
            Phrase::new(format!("nothing to do here; {number} below for later."))
        }
        (Outcome::Warn | Outcome::Inconclusive | Outcome::Fail, Some(row)) => get_an_answer(row),
        (Outcome::Warn | Outcome::Inconclusive | Outcome::Fail, None) => {
            without_a_culprit(report, rows)
        }
    }
}

/// No metric is to blame and none is without an answer: base's own misses, or the run itself.
fn without_a_culprit(report: &Report, rows: &[Row<'_>]) -> Phrase {
    if rows.iter().any(|row| row.rank == Rank::TargetMissedBefore) {
        let here = Phrase::new("nothing in this pull request: base misses the target too");
        return match report.findings.first() {
            Some(finding) => here
                .words("; the cause is at ")
                .then(location(&finding.location))
                .words("."),
            None => here.words("."),
        };
    }
    Phrase::new("resolve what the first line says; no metric is to blame.")
}

fn fix_the_answers(report: &Report, row: &Row<'_>) -> Phrase {
    let fix = Phrase::new("make ")
        .name(&row.name)
        .words(" answer correctly");
    match example(report, &row.comparison.id) {
        Some(example) => fix.words("; for example: ").prose(example).words("."),
        None => fix.words("."),
    }
}

fn example<'a>(report: &'a Report, id: &MetricId) -> Option<&'a str> {
    report.responses.get(id.subject.name())?.example.as_deref()
}

/// The most urgent finding that explains what is wrong.
fn follow_a_finding(report: &Report, rows: &[Row<'_>]) -> Option<Phrase> {
    let accused = |id: &MetricId| {
        rows.iter()
            .any(|row| row.rank.accuses() && row.comparison.id == *id)
    };
    let finding = (report.findings.iter()).find(|finding| finding.explains.iter().any(accused))?;
    let place =
        Phrase::new("at ")
            .then(location(&finding.location))
            .words(if changed_here(finding) {
                " (changed in this pull request): "
            } else {
                ": "
            });
    Some(match &finding.recommendation {
        Some(recommendation) => place.prose(&recommendation.change).words("."),
        None => place.prose(&finding.issue).words("."),
    })
}

/// `find out why latency p50 of x went from a to b`.
fn find_out(row: &Row<'_>) -> Phrase {
    let what = Phrase::new(format!("find out why {} of ", row.metric)).name(&row.name);
    if row.comparison.before.is_some() && row.change != rows::NOTHING {
        what.words(format!(" went from {} to {}", row.base, row.now))
    } else {
        what.words(format!(" is {} with a target of {}", row.now, row.target))
    }
}

fn get_an_answer(row: &Row<'_>) -> Phrase {
    let what = Phrase::new(format!("{} of ", row.metric)).name(&row.name);
    let reason = |verdict: &Inconclusive| Phrase::default().prose(&verdict.to_string());
    match &row.comparison.verdict {
        Verdict::Inconclusive(why @ Inconclusive::NotMeasured { .. }) => {
            Phrase::new("find out why there is no answer for ")
                .then(what)
                .words(" — ")
                .then(reason(why))
                .words(".")
        }
        Verdict::Inconclusive(why @ Inconclusive::OtherEncoder { .. }) => {
            Phrase::new("refresh the stored baseline — ")
                .then(reason(why))
                .words(".")
        }
        Verdict::Inconclusive(
            why @ (Inconclusive::TooFewBlocks { .. }
            | Inconclusive::Undecided { .. }
            | Inconclusive::Contended { .. }
            | Inconclusive::TooNoisy { .. }),
        ) => Phrase::new("run the check again for ")
            .then(what)
            .words(" — ")
            .then(reason(why))
            .words("."),
        Verdict::Inconclusive(
            why @ (Inconclusive::NoBaseline { .. }
            | Inconclusive::OtherMachine { .. }
            | Inconclusive::TooFewRuns { .. }
            | Inconclusive::NewMetric
            | Inconclusive::Gone),
        ) => Phrase::new("make base measurable for ")
            .then(what)
            .words(" — ")
            .then(reason(why))
            .words("."),
        Verdict::Regressed(_) | Verdict::Improved(_) | Verdict::Unchanged(_) => {
            Phrase::new("run the check again for ")
                .then(what)
                .words(" — whether it meets its target is undecided.")
        }
    }
}

/// Head, what it was judged against, the machine and the number of blocks.
pub(super) fn judged(report: &Report) -> Phrase {
    let machine = &report.machine;
    let mut parts = vec![
        Phrase::default()
            .name(report.head.short())
            .words(" (")
            .prose(&report.head.label)
            .words(") against ")
            .prose(&report.against),
        Phrase::default().prose(&machine.cpu).words(format!(
            ", {}, {}",
            format::count(machine.cores as usize, "core", "cores"),
            format::memory(machine.memory),
        )),
    ];
    if let Some(image) = &machine.image {
        parts[1] = std::mem::take(&mut parts[1]).words(", ").prose(image);
    }
    parts.push(Phrase::new(blocks(report.blocks)));
    parts
        .into_iter()
        .reduce(|all, part| all.words(" · ").then(part))
        .unwrap_or_default()
}

fn blocks((first, fresh): (usize, usize)) -> String {
    let first = format::count(first, "block", "blocks");
    match fresh {
        0 => first,
        fresh => format!("{first}, {fresh} more to confirm"),
    }
}

/// What this run could have seen, and what it could not judge.
pub(super) fn detectable(report: &Report) -> Option<Phrase> {
    let gating = || {
        report
            .comparisons
            .iter()
            .filter(|comparison| comparison.weight > Weight::Shown)
    };
    let blind: Vec<&MetricId> = gating()
        .filter(|comparison| could_not_be_judged(comparison))
        .map(|comparison| &comparison.id)
        .collect();
    let seen = caught(report);
    let unseen = (!blind.is_empty()).then(|| some_of(blind.into_iter().map(metric)));
    match (seen, unseen) {
        (Some(seen), Some(unseen)) => {
            Some(seen.words(", but could not judge ").then(unseen).words("."))
        }
        (Some(seen), None) => Some(seen.words(".")),
        (None, Some(unseen)) => Some(
            Phrase::new("This run could not judge ")
                .then(unseen)
                .words("."),
        ),
        (None, None) => None,
    }
}

/// The largest figure of each noisy metric: that much would have been caught everywhere.
fn caught(report: &Report) -> Option<Phrase> {
    let noisy = Metric::ALL.into_iter().filter_map(|metric| {
        let most = report
            .comparisons
            .iter()
            .filter(|comparison| {
                comparison.weight > Weight::Shown && comparison.id.metric == metric
            })
            .filter(|comparison| !could_not_be_judged(comparison))
            .filter(|comparison| !matches!(comparison.verdict, Verdict::Regressed(_)))
            .filter_map(|comparison| comparison.detectable)
            .reduce(f64::max)?;
        Some(format!("{} +{}", metric.label(), format::percent(most)))
    });
    let list: Vec<String> = noisy.collect();
    (!list.is_empty()).then(|| {
        Phrase::new(format!(
            "This run would have caught, on every endpoint and service: {}",
            list.join(", ")
        ))
    })
}

fn could_not_be_judged(comparison: &Comparison) -> bool {
    match &comparison.verdict {
        Verdict::Inconclusive(why) => match why {
            Inconclusive::NoBaseline { .. }
            | Inconclusive::NotMeasured { .. }
            | Inconclusive::TooFewBlocks { .. }
            | Inconclusive::TooNoisy { .. }
            | Inconclusive::Contended { .. }
            | Inconclusive::OtherMachine { .. }
            | Inconclusive::TooFewRuns { .. }
            | Inconclusive::OtherEncoder { .. } => true,
            Inconclusive::NewMetric | Inconclusive::Gone | Inconclusive::Undecided { .. } => false,
        },
        Verdict::Regressed(_) | Verdict::Improved(_) | Verdict::Unchanged(_) => false,
    }
}

/// Reasons that belong to the run as a whole: no row shows them. One that is the headline is
/// not said again.
pub(super) fn reasons(report: &Report, rows: &[Row<'_>]) -> Vec<Phrase> {
    let outcome = report.decision.outcome;
    let said = outcome != Outcome::Pass && what_decided(outcome, rows).is_none();
    let all: Vec<Phrase> = (report.decision.reasons.iter())
        .skip(usize::from(said))
        .filter(|reason| reason.id.is_none())
        .map(|reason| reason_in_words(reason).words("."))
        .collect();
    capped(all, "reason", "reasons")
}

/// Endpoints that answered wrongly, with an example in words.
pub(super) fn wrong_responses(report: &Report) -> Vec<Phrase> {
    let all: Vec<Phrase> = (report.responses.iter())
        .filter(|(_, responses)| responses.wrong_total() > 0)
        .map(|(endpoint, responses)| wrong(endpoint, responses))
        .collect();
    capped(all, "endpoint", "endpoints")
}

fn wrong(endpoint: &str, responses: &Responses) -> Phrase {
    let wrong = responses.wrong_total();
    let kinds = (responses.wrong.iter())
        .take(NAMES)
        .map(|(kind, times)| Phrase::default().prose(kind).words(format!(" × {times}")));
    let phrase = Phrase::default()
        .name(endpoint)
        .words(format!(
            ": {wrong} of {} were wrong (",
            format::count(as_count(wrong + responses.good), "response", "responses")
        ))
        .then(Phrase::list(kinds))
        .words(").");
    match &responses.example {
        Some(example) => phrase.words(" For example: ").prose(example).words("."),
        None => phrase,
    }
}

fn as_count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// What nothing in the evidence explains, one phrase for each subject.
pub(super) fn unexplained(report: &Report, rows: &[Row<'_>]) -> Option<Phrase> {
    let explained: BTreeSet<&MetricId> = (report.findings.iter())
        .flat_map(|finding| &finding.explains)
        .collect();
    let open: Vec<&MetricId> = rows
        .iter()
        .filter(|row| wants_a_cause(row.rank))
        .map(|row| &row.comparison.id)
        .filter(|id| !explained.contains(id))
        .collect();
    if open.is_empty() {
        return None;
    }
    let what = by_subject(open);
    let sentence = Phrase::new("No cause found for ").then(what);
    Some(sentence.words(": the evidence collected does not explain it."))
}

/// Metrics grouped by what they are measured of: `list projects (latency p50, latency p95)`.
pub(super) fn by_subject<'a>(ids: impl IntoIterator<Item = &'a MetricId>) -> Phrase {
    let mut subjects: BTreeMap<&Subject, Vec<&str>> = BTreeMap::new();
    for id in ids {
        let metrics = subjects.entry(&id.subject).or_default();
        metrics.push(id.metric.label());
    }
    some_of(subjects.into_iter().map(|(subject, metrics)| {
        Phrase::default()
            .name(rows::name(subject))
            .words(format!(" ({})", metrics.join(", ")))
    }))
}

/// Wrong answers show their example instead; assets are part of the bundle that is explained.
fn wants_a_cause(rank: Rank) -> bool {
    match rank {
        Rank::Regressed | Rank::TargetMissed | Rank::TargetMissedBefore => true,
        Rank::WrongAnswers
        | Rank::WorseUngated
        | Rank::Unanswered
        | Rank::Improved
        | Rank::Aside
        | Rank::Unchanged => false,
    }
}

/// Where the time went: the project's own, and the gate's.
pub(super) fn times(report: &Report) -> Option<Phrase> {
    if report.phases.is_empty() {
        return None;
    }
    let own = time_of(report, PhaseKind::is_the_projects_own);
    let gate = time_of(report, |kind| !kind.is_the_projects_own());
    Some(Phrase::new(format!(
        "Time: {own} for the project itself; {gate} for the gate."
    )))
}

/// `3 min 12 s (measure 3 min 0 s, build 12 s)`.
fn time_of(report: &Report, counts: impl Fn(PhaseKind) -> bool) -> String {
    let mut kinds: BTreeMap<PhaseKind, f64> = BTreeMap::new();
    for phase in report.phases.iter().filter(|phase| counts(phase.kind)) {
        *kinds.entry(phase.kind).or_default() += phase.seconds;
    }
    let total = format::seconds(kinds.values().sum());
    let mut parts: Vec<(PhaseKind, f64)> = kinds.into_iter().collect();
    parts.sort_by(|a, b| b.1.total_cmp(&a.1));
    let parts: Vec<String> = parts
        .iter()
        .map(|(kind, seconds)| format!("{} {}", kind.label(), format::seconds(*seconds)))
        .collect();
    if parts.is_empty() {
        total
    } else {
        format!("{total} ({})", parts.join(", "))
    }
}

/// What could not be read.
pub(super) fn skipped(report: &Report) -> Vec<Phrase> {
    let all: Vec<Phrase> = (report.skipped.iter())
        .map(|skipped| Phrase::new("Note: ").prose(skipped).words("."))
        .collect();
    capped(all, "thing not read", "things not read")
}

/// The first few of a list, and how many more there are.
fn capped(mut all: Vec<Phrase>, one: &str, many: &str) -> Vec<Phrase> {
    let more = all.len().saturating_sub(NAMES + 2);
    if more > 0 {
        all.truncate(NAMES + 2);
        all.push(Phrase::new(format!(
            "… and {} more; see report.json.",
            format::count(more, one, many)
        )));
    }
    all
}

/// A metric by its name: `latency p50 of list projects`.
fn metric(id: &MetricId) -> Phrase {
    Phrase::new(format!("{} of ", id.metric.label())).name(rows::name(&id.subject))
}

/// Where a finding is.
pub(super) fn location(location: &Location) -> Phrase {
    match location {
        Location::Service {
            service,
            route: Some(route),
        } => Phrase::default().name(service).words(": ").name(route),
        Location::Source { .. }
        | Location::Service { route: None, .. }
        | Location::Frontend { .. } => Phrase::default().name(location.to_string()),
    }
}

/// Whether a finding points at a line that head changed.
pub(super) fn changed_here(finding: &Finding) -> bool {
    match &finding.location {
        Location::Source { changed, .. } => *changed,
        Location::Service { .. } | Location::Frontend { .. } => false,
    }
}

/// Where an expected improvement comes from, in a word.
pub(super) fn provenance(provenance: Provenance) -> &'static str {
    match provenance {
        Provenance::Measured => "measured",
        Provenance::Computed => "computed",
        Provenance::Estimated => "estimated",
    }
}

/// A risk level in a word.
pub(super) fn risk(risk: Risk) -> &'static str {
    match risk {
        Risk::Low => "Low",
        Risk::Medium => "Medium",
        Risk::High => "High",
    }
}

/// A priority in a word.
pub(super) fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Critical => "Critical",
        Priority::High => "High",
        Priority::Medium => "Medium",
        Priority::Low => "Low",
    }
}

/// How a claim is known, in a word.
pub(super) fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Proved => "proved",
        Confidence::Supported => "supported",
        Confidence::Inferred => "inferred",
    }
}

/// A quick win in one line.
pub(super) fn quick_win(finding: &Finding, recommendation: &Recommendation) -> Phrase {
    location(&finding.location)
        .words(": ")
        .prose(&recommendation.change)
        .words(" — ")
        .prose(&recommendation.expected.improvement)
        .words(format!(
            " ({})",
            provenance(recommendation.expected.provenance)
        ))
}
