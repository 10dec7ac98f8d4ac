//! The numbers behind one verdict, for a terminal: what was measured, how it was judged, why.
//!
//! Must not judge and must not compute: every number is in the account.

use super::escape;
use super::forest::{WIDTH, forest};
use super::format;
use super::parts::{self, Measured};
use super::rows::{self, Row};
use super::sentences;
use crate::model::account::{
    Account, Basis, ByBlocks, ByStored, Control, FirstStage, Follows, FreshTest, Look, SecondStage,
    Series, UsualRange, Values,
};
use crate::model::{
    Better, BudgetVerdict, Comparison, Decision, Disturbance, Estimate, Finding, Inconclusive,
    Metric, Outcome, Revision, Verdict, Weight,
};

/// One metric of a run and all that is said about it.
#[derive(Debug, Clone, Copy)]
pub struct Explanation<'a> {
    /// What was judged.
    pub head: &'a Revision,
    /// What it was judged against, in words.
    pub against: &'a str,
    /// The verdict and its numbers.
    pub account: &'a Account,
    /// What was measured of both.
    pub measured: Measured<'a>,
    /// What the gate says of the whole run.
    pub decision: &'a Decision,
    /// What explains the metrics of the run.
    pub findings: &'a [Finding],
}

/// Every metric with its verdict, one line each, most severe first.
pub fn verdicts(comparisons: &[Comparison]) -> String {
    let rows = rows::rows(comparisons);
    let words: Vec<String> = rows.iter().map(marks).collect();
    let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0);
    let verdict = width(&mut words.iter().map(|text| text.chars().count()));
    let change = width(&mut rows.iter().map(|row| row.change.chars().count()));
    rows.iter()
        .zip(&words)
        .map(|(row, words)| {
            let id = escape::plain(&row.comparison.id.to_string());
            format!("{words:<verdict$}  {:>change$}  {id}\n", row.change)
        })
        .collect()
}

/// The whole explanation.
pub fn explain(explanation: &Explanation<'_>) -> String {
    let comparison = &explanation.account.comparison;
    let rows = rows::rows(std::slice::from_ref(comparison));
    let mut sections = vec![title(comparison)];
    sections.extend(rows.iter().map(|row| verdict(explanation, row)));
    sections.push(levels(comparison));
    sections.extend(match &explanation.account.basis {
        Basis::Nothing => Vec::new(),
        Basis::Values(values) => vec![by_value(values, comparison)],
        Basis::Blocks(blocks) => by_blocks(blocks, comparison),
        Basis::Stored(stored) => by_stored(stored, comparison),
    });
    let id = &comparison.id;
    sections.extend(parts::of_latency(
        id.metric,
        &id.subject,
        explanation.measured,
    ));
    sections.push(target(comparison));
    sections.push(what_to_do(comparison));
    sections.push(causes(explanation));
    sections
        .iter()
        .filter(|section| !section.is_empty())
        .map(|section| section.join("\n") + "\n")
        .collect::<Vec<_>>()
        .join("\n")
}

fn title(comparison: &Comparison) -> Vec<String> {
    let id = &comparison.id;
    let name = escape::plain_name(&rows::name(&id.subject));
    let words = format!("{} of {name}", id.metric.label());
    let whole = format!("({})", escape::plain(&id.to_string()));
    let fits = words.chars().count() + 2 + whole.chars().count() <= WIDTH;
    let mut title = if fits {
        vec![format!("{words}  {whole}")]
    } else {
        [wrapped(&words, ""), wrapped(&whole, "")].concat()
    };
    title.push(meaning(id.metric));
    title
}

/// The verdict, what the gate makes of it, and what was compared.
fn verdict(explanation: &Explanation<'_>, row: &Row<'_>) -> Vec<String> {
    let mut said = marks(row).to_uppercase();
    if row.change != rows::NOTHING {
        said = format!("{said}  {}", row.change);
    }
    if let Some(interval) = &row.interval {
        said = format!("{said} ({interval})");
    }
    let mut lines = wrapped(&said, "");
    let reasons = row.marks.iter().filter_map(|mark| mark.reason.as_ref());
    lines.extend(reasons.flat_map(|reason| wrapped(&escape::plain(reason), "  ")));
    lines.push(consequence(explanation).to_owned());
    lines.extend(wrapped(
        &format!(
            "{} ({}) against {}",
            escape::plain_name(explanation.head.short()),
            escape::plain(&explanation.head.label),
            escape::plain(explanation.against)
        ),
        "",
    ));
    lines
}

fn marks(row: &Row<'_>) -> String {
    let words: Vec<&str> = row.marks.iter().map(|mark| mark.word).collect();
    words.join("; ")
}

fn consequence(explanation: &Explanation<'_>) -> &'static str {
    let comparison = &explanation.account.comparison;
    let reasons = explanation.decision.reasons.iter();
    let own = reasons
        .filter(|reason| reason.id.as_ref() == Some(&comparison.id))
        .map(|reason| reason.outcome)
        .max();
    match (own, comparison.weight) {
        (Some(Outcome::Fail), _) => "The gate fails because of it.",
        (Some(Outcome::Inconclusive), _) => "The gate blocks: what has no answer never passes.",
        (Some(Outcome::Warn), _) => "The gate warns about it.",
        (Some(Outcome::Pass) | None, Weight::Shown) => "It is shown; the gate does not ask for it.",
        (Some(Outcome::Pass) | None, Weight::Warns | Weight::Gates) => {
            "The gate has nothing against it."
        }
    }
}

/// Base and head with their intervals, and what a change has to exceed.
fn levels(comparison: &Comparison) -> Vec<String> {
    let metric = comparison.id.metric;
    let arm = |name: &str, value: Option<Estimate>| {
        let text = value.map_or_else(|| "no number".to_owned(), |value| level(metric, value));
        format!("  {name:<10} {text}")
    };
    let before = if comparison.stored.is_some() {
        "newest"
    } else {
        "base"
    };
    let mut lines = vec![arm(before, comparison.before), arm("head", comparison.now)];
    if let Some(tolerance) = comparison.tolerance {
        let any = tolerance.relative <= 0.0 && tolerance.floor <= 0.0;
        let (relative, floor) = limits(comparison);
        let text = if any {
            "none: any change counts".to_owned()
        } else {
            format!("{relative}, and {floor}: a change must be beyond both")
        };
        lines.push(format!("  {:<10} {text}", "tolerance"));
    }
    lines
}

/// `5.53 ms (4.76 ms … 6.30 ms)`.
fn level(metric: Metric, value: Estimate) -> String {
    let quantity = |value| format::finely(metric, value);
    if (value.high - value.low).abs() < f64::EPSILON {
        return format::exactly(metric, value.point);
    }
    format!(
        "{} ({} … {})",
        quantity(value.point),
        quantity(value.low),
        quantity(value.high)
    )
}

fn by_value(values: &Values, comparison: &Comparison) -> Vec<String> {
    let metric = comparison.id.metric;
    let difference = format::with_sign(values.difference, |size| format::exactly(metric, size));
    if comparison.tolerance.is_none() {
        let why = match matches!(metric, Metric::InitialJs | Metric::InitialCss) {
            true => {
                "base and head have other pages, so that the heaviest page of each says nothing of \
                 the other. Pages that both have are judged each by itself, and here only its \
                 target is judged"
            }
            false => "it varies too much on unchanged code, and only its target is judged",
        };
        return wrapped(
            &format!("The difference is {difference}. Base is no measure for this metric: {why}."),
            "",
        );
    }
    let change = (comparison.verdict.change()).map_or_else(
        || rows::NOTHING.to_owned(),
        |change| format::change(metric, change).0,
    );
    let (tolerance, floor) = limits(comparison);
    let checks = [
        (
            values.is_beyond_tolerance,
            "change",
            change,
            format!("beyond {tolerance}"),
        ),
        (
            values.is_beyond_floor,
            "difference",
            difference,
            format!("beyond {floor}"),
        ),
    ];
    let mut lines = vec!["Both are known exactly: has it changed?".to_owned()];
    lines
        .extend(checks.map(|(holds, what, value, limit)| {
            check(holds, what, &format!("{value:<14}"), &limit)
        }));
    lines.push(format!("  → {}", outcome(comparison)));
    lines
}

/// `  ✓ change      +760.0 %    the tolerance is 1.0 %`.
fn check(holds: bool, what: &str, value: &str, limit: &str) -> String {
    let sign = if holds { '✓' } else { '✗' };
    let line = format!("  {sign} {what:<12} {value:<10} {limit}");
    line.trim_end().to_owned()
}

fn by_blocks(blocks: &ByBlocks, comparison: &Comparison) -> Vec<Vec<String>> {
    let mut sections = vec![forest(blocks, comparison.id.metric, comparison.tolerance)];
    if blocks.is_count {
        sections.push(wrapped(
            "It is a count, but it differs between blocks of one arm: so it is judged like what \
             is noisy.",
            "",
        ));
    }
    if let Some(first) = &blocks.first {
        sections.push(first_stage(first, blocks.second.is_some(), comparison));
    }
    if let Some(second) = &blocks.second {
        sections.push(second_stage(second, comparison));
    }
    if let Some(control) = &blocks.control {
        sections.push(base_against_itself(control, comparison));
    }
    sections.extend(detectable(comparison));
    sections
}

/// What would have been caught; where it is too noisy, the verdict says so already.
fn detectable(comparison: &Comparison) -> Option<Vec<String>> {
    if let Verdict::Inconclusive(Inconclusive::TooNoisy { .. }) = comparison.verdict {
        return None;
    }
    let from = format::percent(comparison.detectable?);
    Some(wrapped(
        &format!("With this spread a slow-down would have been caught from +{from} on."),
        "",
    ))
}

fn first_stage(first: &FirstStage, goes_on: bool, comparison: &Comparison) -> Vec<String> {
    let metric = comparison.id.metric;
    let series = &first.series;
    let mut lines = vec![format!(
        "First stage: is it plainly unchanged? ({} of {} blocks)",
        series.blocks, first.planned
    )];
    lines.push(mean(metric, series));
    lines.push(number(
        "at most",
        &format::moved(metric, series.at_most),
        "95 % bound; must be below the tolerance",
    ));
    lines.push(room(series));
    lines.extend(first.difference.map(|by| difference(metric, by)));
    let (tolerance, floor) = limits(comparison);
    let follows = match first.follows {
        Follows::Improved => "improved: better by more than the tolerance, for sure".to_owned(),
        Follows::Unchanged if first.is_ruled_out => {
            format!("unchanged: a change of {tolerance} is ruled out")
        }
        Follows::Unchanged => format!("unchanged: the difference stays below the floor of {floor}"),
        Follows::Escalated => {
            let why = if first.is_too_noisy {
                format!("the room for a change is more than {tolerance}")
            } else {
                format!("a change of {tolerance} is not ruled out")
            };
            let then = if goes_on {
                "fresh blocks decide"
            } else {
                "it is only shown, so there are no fresh blocks"
            };
            format!("not settled: {why}; {then}")
        }
    };
    lines.extend(arrow(&follows));
    lines
}

fn second_stage(second: &SecondStage, comparison: &Comparison) -> Vec<String> {
    let Some(test) = &second.test else {
        return vec![
            "Second stage: is it plainly worse?".to_owned(),
            "  → no answer: there are no fresh blocks of both arms".to_owned(),
        ];
    };
    let mut lines = vec![format!(
        "Second stage: is it plainly worse? ({} of {} fresh blocks; only they may say so)",
        test.fresh.blocks, second.planned
    )];
    lines.push(mean(comparison.id.metric, &test.fresh));
    lines.push(number(
        "p",
        &format::chance(test.p),
        "chance of such a mean without any change, one-sided",
    ));
    lines.push(number(
        "α",
        &format::chance(test.alpha),
        &shared_alpha(test),
    ));
    let escalated = format::count(second.escalated, "escalated metric", "escalated metrics");
    let holm = format!("Holm's procedure over {escalated}");
    lines.push(number("", "", &holm));
    lines.extend(checks(test, comparison));
    lines.extend(arrow(&conclusion(test, comparison)));
    lines
}

/// `0.0040 for the look at all, ÷ 3 open at its rank`.
fn shared_alpha(test: &FreshTest) -> String {
    let look = match test.look {
        Look::Only => "for the whole run",
        Look::Half => "for the look at half",
        Look::All => "for the look at all",
    };
    format!(
        "{} {look}, ÷ {} open at its rank",
        format::chance(test.accepted),
        test.open
    )
}

/// The four that must hold to accuse.
fn checks(test: &FreshTest, comparison: &Comparison) -> Vec<String> {
    let metric = comparison.id.metric;
    let (tolerance, floor) = limits(comparison);
    let moved = |series: &Series| format::moved(metric, series.worse_by.point);
    let (relation, but) = match (test.is_significant, test.p <= test.alpha) {
        (true, _) => ("p ≤ α", ""),
        (false, true) => ("p ≤ α", "but not so a smaller p of this run"),
        (false, false) => ("p > α", ""),
    };
    let difference = test.difference.map_or_else(
        || rows::NOTHING.to_owned(),
        |by| format::with_sign(by.point, |size| format::finely(metric, size)),
    );
    vec![
        check(test.is_significant, "no accident", relation, but),
        check(
            test.is_large,
            "fresh blocks",
            &moved(&test.fresh),
            &format!("at least {tolerance}"),
        ),
        check(
            test.is_large_in_all,
            "all blocks",
            &moved(&test.all),
            &format!("at least {tolerance}"),
        ),
        check(
            test.is_beyond_floor,
            "difference",
            &difference,
            &format!("more than {floor}"),
        ),
    ]
}

fn conclusion(test: &FreshTest, comparison: &Comparison) -> String {
    let metric = comparison.id.metric;
    let (tolerance, floor) = limits(comparison);
    let bound = format::moved(metric, test.all.at_most);
    let accuses =
        test.is_significant && test.is_large && test.is_large_in_all && test.is_beyond_floor;
    if accuses {
        "regressed: all four hold".to_owned()
    } else if test.is_ruled_out {
        format!("unchanged: all blocks rule out a change of {tolerance} (at most {bound})")
    } else if !test.reaches_floor {
        format!("unchanged: the difference stays below the floor of {floor}")
    } else if test.is_too_noisy {
        format!(
            "too noisy: not all four hold, and the room for a change in all blocks is {}, more \
             than {tolerance}",
            format::percent(test.all.room)
        )
    } else {
        format!(
            "undecided: not all four hold, and a change of {tolerance} is not ruled out either \
             (at most {bound})"
        )
    }
}

fn base_against_itself(control: &Control, comparison: &Comparison) -> Vec<String> {
    let metric = comparison.id.metric;
    let mut lines = vec![format!(
        "Base against itself: what does identical code read like? ({} blocks)",
        control.series.blocks
    )];
    lines.push(mean(metric, &control.series));
    lines.push(number(
        "up to",
        &format::percent(control.own_noise),
        "may well be read of identical code",
    ));
    let (tolerance, _) = limits(comparison);
    lines.extend(arrow(&if control.tempered {
        format!("that is more than {tolerance}, so the verdict does not stand")
    } else {
        "the verdict stands".to_owned()
    }));
    lines
}

fn mean(metric: Metric, series: &Series) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a count of blocks")]
    let is_trimmed = series.freedom + 1.0 < series.blocks as f64;
    number(
        if is_trimmed { "trimmed mean" } else { "mean" },
        &format::moved(metric, series.worse_by.point),
        &format!(
            "standard error {}, {} degrees of freedom",
            format::percent(series.error),
            series.freedom
        ),
    )
}

fn room(series: &Series) -> String {
    number(
        "room",
        &format::percent(series.room),
        "from mean to bound; must be within the tolerance",
    )
}

fn difference(metric: Metric, by: Estimate) -> String {
    let signed = |value| format::with_sign(value, |size| format::finely(metric, size));
    number(
        "difference",
        &signed(by.point),
        &format!("{} … {}", signed(by.low), signed(by.high)),
    )
}

/// `  mean         +66.5 %      standard error …`.
fn number(what: &str, value: &str, note: &str) -> String {
    let line = format!("    {what:<12} {value:<10} {note}");
    line.trim_end().to_owned()
}

fn arrow(text: &str) -> Vec<String> {
    let mut lines = wrapped(text, "    ");
    if let Some(first) = lines.first_mut() {
        *first = format!("  → {}", first.trim_start());
    }
    lines
}

/// Tolerance and floor in words.
fn limits(comparison: &Comparison) -> (String, String) {
    comparison.tolerance.map_or_else(
        || (rows::NOTHING.to_owned(), rows::NOTHING.to_owned()),
        |tolerance| {
            (
                format::percent(tolerance.relative),
                format::floor(comparison.id.metric, tolerance.floor),
            )
        },
    )
}

fn by_stored(stored: &ByStored, comparison: &Comparison) -> Vec<Vec<String>> {
    let metric = comparison.id.metric;
    let mut runs = vec![format!(
        "Earlier runs of this class of machine ({})",
        escape::plain(&stored.machine)
    )];
    if stored.runs.is_empty() {
        runs.push("  none".to_owned());
    }
    runs.extend(stored.runs.iter().map(|run| {
        let time = run.measured_at.get(..16).unwrap_or(&run.measured_at);
        escape::cut(
            &format!(
                "  {}  {}  {:>10}  {}",
                escape::plain(&time.replace('T', " ")),
                escape::plain_name(run.revision.short()),
                format::finely(metric, run.value),
                escape::plain_name(&run.revision.label)
            ),
            WIDTH,
        )
    }));
    if stored.others > 0 {
        let others = format::count(stored.others, "run", "runs");
        runs.push(format!("  {others} of other machines: not used"));
    }
    let range = stored
        .range
        .map(|range| usual(&range, comparison, stored.runs.len()));
    std::iter::once(runs).chain(range).collect()
}

fn usual(range: &UsualRange, comparison: &Comparison, runs: usize) -> Vec<String> {
    let metric = comparison.id.metric;
    let quantity = |value| format::finely(metric, value);
    let (tolerance, floor) = limits(comparison);
    let mut lines = vec![
        "What is usual: where one more run may be".to_owned(),
        number("median", &quantity(range.usual.point), ""),
        number(
            "spread",
            &format::percent(range.spread),
            "of their logarithms, by the median deviation",
        ),
        number(
            "quantile",
            &format!("{:.2}", range.quantile),
            &format!(
                "Student's t, {}, {} degrees of freedom",
                format::percent(range.certainty),
                runs.saturating_sub(1)
            ),
        ),
        number(
            "range",
            &format!("±{}", format::percent(range.reach)),
            &format!(
                "{} … {}",
                quantity(range.usual.low),
                quantity(range.usual.high)
            ),
        ),
        check(
            range.is_outside,
            "outside",
            &quantity(range.now),
            "the median of head's blocks",
        ),
        check(
            range.is_large,
            "large",
            "",
            &format!("at least {tolerance} and {floor} from the median"),
        ),
    ];
    let follows = match (range.is_outside && range.is_large, range.is_too_noisy) {
        (true, _) => outcome(comparison),
        (false, true) => format!("too noisy: the range is wider than the tolerance of {tolerance}"),
        (false, false) => outcome(comparison),
    };
    lines.extend(arrow(&follows));
    lines
}

fn outcome(comparison: &Comparison) -> String {
    match &comparison.verdict {
        Verdict::Regressed(_) if comparison.stored.is_some() => {
            "worse than usual; on another day, so at most a warning"
        }
        Verdict::Improved(_) if comparison.stored.is_some() => "better than usual",
        Verdict::Regressed(_) => "regressed: both hold",
        Verdict::Improved(_) => "improved: both hold",
        Verdict::Unchanged(_) => "unchanged",
        Verdict::Inconclusive(_) => "no answer",
    }
    .to_owned()
}

/// The absolute target: the limit, the interval, the side.
fn target(comparison: &Comparison) -> Vec<String> {
    let metric = comparison.id.metric;
    let Some(target) = &comparison.target else {
        return Vec::new();
    };
    let side = match target.verdict {
        BudgetVerdict::Met => "met: all of head's interval is inside",
        BudgetVerdict::Missed => "missed: all of head's interval is outside",
        BudgetVerdict::MissedByBaseToo => {
            "missed: all of head's interval is outside, and all of base's"
        }
        BudgetVerdict::Undecided => "undecided: head's interval contains it",
        BudgetVerdict::NotMeasured => "not measured: there is no number to judge",
    };
    let mut lines = vec![format!("Target: {}", format::limit(metric, target))];
    lines.extend(comparison.now.map(|now| {
        format!(
            "  head       {}, {}",
            level(metric, now),
            format::gap(metric, target, now.point)
        )
    }));
    lines.push(format!("  → {side}"));
    lines
}

/// What helps where there is no answer.
fn what_to_do(comparison: &Comparison) -> Vec<String> {
    let Verdict::Inconclusive(why) = &comparison.verdict else {
        return Vec::new();
    };
    let advice = match why {
        Inconclusive::NoBaseline { .. } => {
            "Make base measurable: its build and its start must succeed. Stored runs \
             (`tollgate baseline refresh`) stand in for sizes and counts."
        }
        Inconclusive::Gone => {
            "Nothing: what base had and head does not have any more cannot be worse."
        }
        Inconclusive::NewMetric => {
            "Nothing: there is nothing it could have become worse than. From the next change on \
             there is."
        }
        Inconclusive::NotMeasured { .. } => {
            "Find out why there is no number: `.tollgate/logs` holds what the builds and services \
             said. Then run `tollgate check` again."
        }
        Inconclusive::TooFewBlocks { .. } => {
            "Measure more blocks: `measure: { blocks: 8 }` is the default. Blocks in which an \
             endpoint answers wrongly do not count."
        }
        Inconclusive::Undecided { .. } => {
            "Run the check again, or measure more: `measure: { confirmation-blocks: … }`, or \
             longer blocks with `measure: { block: … }`."
        }
        Inconclusive::TooNoisy { blocks: None, .. } => {
            "Use a quieter machine, or give this kind of metric a wider tolerance: \
             `gate: { tolerance: … }`."
        }
        Inconclusive::TooNoisy { .. } => {
            "Use a quieter machine, longer blocks (`measure: { block: … }`) or more of them \
             (`confirmation-blocks`), or give this kind of metric a wider tolerance: \
             `gate: { tolerance: … }`."
        }
        Inconclusive::Contended {
            by: Disturbance::LoadGenerator,
            ..
        } => {
            "Give the load generator a core of its own, or ask for less: a lower `rate`, fewer \
             requests at once."
        }
        Inconclusive::Contended { .. } => {
            "Run the check again when nothing else uses the machine; processor time is judged all \
             the same."
        }
        Inconclusive::OtherMachine { .. } => {
            "Compare with runs of this class of machine; the numbers of another say nothing."
        }
        Inconclusive::TooFewRuns { .. } => {
            "Measure more runs on this class of machine: `tollgate baseline refresh`, or the run \
             files of more checks."
        }
        Inconclusive::OtherEncoder { .. } => {
            "Measure the earlier run again: sizes made by two compressors cannot be compared."
        }
    };
    let mut lines = vec!["What to do".to_owned()];
    lines.extend(wrapped(advice, "  "));
    lines
}

/// What the evidence says about this metric.
fn causes(explanation: &Explanation<'_>) -> Vec<String> {
    let id = &explanation.account.comparison.id;
    let own = explanation
        .findings
        .iter()
        .filter(|finding| finding.explains.contains(id));
    let mut lines: Vec<String> = own
        .flat_map(|finding| {
            let place = sentences::location(&finding.location).plain();
            let issue = escape::plain(&finding.issue);
            wrapped(&format!("{place}: {issue}"), "  ")
        })
        .collect();
    if !lines.is_empty() {
        lines.insert(0, "Where it comes from".to_owned());
    }
    lines
}

/// What a metric is, with its unit and its direction.
fn meaning(metric: Metric) -> String {
    let what = match metric {
        Metric::InitialJs => "gzip bytes of the JavaScript a first visit loads",
        Metric::InitialCss => "gzip bytes of the style sheets a first visit loads",
        Metric::OnDemand => {
            "gzip bytes of the scripts and styles that a dynamic import loads, without what its page \
             has loaded before"
        }
        Metric::Total => "gzip bytes of everything shipped, source maps left out",
        Metric::Size => "gzip bytes of one file",
        Metric::LatencyP50 => "median latency of good responses in milliseconds, per block",
        Metric::LatencyP95 => "95th percentile of good responses in milliseconds, per block",
        Metric::LatencyMean => "mean latency of good responses in milliseconds, per block",
        Metric::ColdStart => "latency of the first request of a fresh process in milliseconds",
        Metric::CpuPerRequest => "processor milliseconds of the service for each request",
        Metric::Throughput => "good responses per minute at the configured load",
        Metric::BatchGain => "how many times faster a batch is than as many single requests",
        Metric::ErrorRate => "share of responses that were wrong",
        Metric::DifferentAnswers => "share of the same requests answered otherwise than by base",
        Metric::QueriesPerRequest => "SQL statements the database ran for each request",
        Metric::QueryMean => "mean execution time of the slowest SQL statement in milliseconds",
        Metric::RowsPerRequest => "rows the database returned for each request",
        Metric::ResponseBytes => "bytes of a response body as transferred",
        Metric::Memory => "resident bytes of the service's processes over a block",
        Metric::PeakMemory => {
            "highest resident bytes of the service's processes, those included that have ended"
        }
        Metric::GpuMemory => "highest bytes of GPU memory of the service's processes",
        Metric::GpuUtilization => {
            "highest share of the time that a graphics card was busy, with all arms together"
        }
        Metric::PagesPerRequest => {
            "pages of 8 KB that the statements of each request went through in the database"
        }
        Metric::BytesReadPerRequest => {
            "bytes that the service's processes read for each request: files, pipes, and sockets \
             where they are read like files"
        }
        Metric::CacheCommandsPerRequest => "commands the caches ran for each request",
        Metric::CacheMissesPerRequest => {
            "keys that the caches were asked for and did not have, for each request"
        }
        Metric::ModelLoadsPerRequest => {
            "times the files of the service's models were opened for each request"
        }
        Metric::ModelRunsPerRequest => {
            "times the service says that it ran its models for each request"
        }
        Metric::QueueDepth => "messages that wait in the queues when a block has ended",
    };
    let better = match metric.better() {
        Better::Lower => "lower is better",
        Better::Higher => "higher is better",
    };
    format!("{what}; {better}")
}

/// Text in lines of a terminal, indented. A number stays with its per cent, and code in one piece
/// where it fits.
fn wrapped(text: &str, indent: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = indent.to_owned();
    for word in words(text) {
        let length = line.chars().count() + 1 + word.chars().count();
        let is_first = line.len() == indent.len();
        if length > WIDTH && !is_first {
            lines.push(std::mem::replace(&mut line, format!("{indent}{word}")));
        } else {
            line.push_str(if is_first { "" } else { " " });
            line.push_str(&word);
        }
    }
    lines.push(line);
    lines
}

/// What must not be broken over two lines.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let joins = |last: &String| {
            let in_code = last.matches('`').count() % 2 == 1 && last.chars().count() < WIDTH / 2;
            in_code || word.starts_with('%')
        };
        match words.last_mut() {
            Some(last) if joins(last) => {
                last.push(' ');
                last.push_str(word);
            }
            Some(_) | None => words.push(word.to_owned()),
        }
    }
    words
}
