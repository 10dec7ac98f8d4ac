//! What a latency is made of, and how a rate was kept up with, for a terminal.
//!
//! Must not judge: medians over the run and means over its blocks, no verdict depends on them.

use super::format;
use crate::model::{Metric, OpenLoop, Run, Subject, Timing};

/// Both runs of an explained metric; base where there is one.
#[derive(Debug, Clone, Copy)]
pub struct Measured<'a> {
    /// What head is compared with.
    pub base: Option<&'a Run>,
    /// What is judged.
    pub head: &'a Run,
}

/// Where the time of a latency goes; nothing for other metrics.
pub(super) fn of_latency(metric: Metric, subject: &Subject, of: Measured<'_>) -> Vec<Vec<String>> {
    let Subject::Endpoint { endpoint } = subject else {
        return Vec::new();
    };
    match metric {
        Metric::LatencyP50 | Metric::LatencyP95 | Metric::LatencyMean | Metric::Throughput => {
            vec![parts(endpoint, of), rate(endpoint, of)]
        }
        Metric::InitialJs
        | Metric::InitialCss
        | Metric::OnDemand
        | Metric::Total
        | Metric::Size
        | Metric::ColdStart
        | Metric::CpuPerRequest
        | Metric::BatchGain
        | Metric::ErrorRate
        | Metric::DifferentAnswers
        | Metric::QueriesPerRequest
        | Metric::QueryMean
        | Metric::RowsPerRequest
        | Metric::ResponseBytes
        | Metric::Memory
        | Metric::PagesPerRequest
        | Metric::BytesReadPerRequest
        | Metric::CacheCommandsPerRequest
        | Metric::CacheMissesPerRequest
        | Metric::ModelLoadsPerRequest
        | Metric::ModelRunsPerRequest
        | Metric::QueueDepth
        | Metric::PeakMemory
        | Metric::GpuMemory
        | Metric::GpuUtilization => Vec::new(),
    }
}

fn milliseconds(value: f64) -> String {
    format::finely(Metric::LatencyP50, value)
}

/// What one line shows of an arm.
type Cell = Option<String>;

fn parts(endpoint: &str, of: Measured<'_>) -> Vec<String> {
    let timing = |run: &Run| run.timings.get(endpoint).copied();
    let (base, head) = (of.base.and_then(timing), timing(of.head));
    let each = |cell: fn(Timing) -> Cell| [base.and_then(cell), head.and_then(cell)];
    table(
        "Where the time goes (medians of all good answers)",
        &[
            (
                "until the first byte",
                each(|timing| Some(milliseconds(timing.first_byte))),
            ),
            (
                "from then to the last",
                each(|timing| Some(milliseconds(timing.body))),
            ),
            (
                "opening a connection",
                each(|timing| timing.connect.map(milliseconds)),
            ),
            (
                "connections opened",
                each(|timing| Some(timing.connections.to_string())),
            ),
        ],
    )
}

fn rate(endpoint: &str, of: Measured<'_>) -> Vec<String> {
    let loops = |run: &Run| run.open_loops.get(endpoint).map(|loops| mean(loops));
    let (base, head) = (of.base.and_then(loops).flatten(), loops(of.head).flatten());
    let each = |cell: fn(&Kept) -> String| [base.as_ref().map(cell), head.as_ref().map(cell)];
    table(
        "At a rate: the latency counts from when each request was due (means of the blocks)",
        &[
            ("asked", each(|kept| format!("{:.1}/s", kept.asked))),
            ("answered", each(|kept| format!("{:.1}/s", kept.answered))),
            (
                "under way or waiting",
                each(|kept| format!("{:.2}", kept.in_flight)),
            ),
            ("sent late, p99", each(|kept| milliseconds(kept.send_lag))),
            (
                "no connection, p99",
                each(|kept| milliseconds(kept.queue_wait)),
            ),
        ],
    )
}

/// How a rate was kept up with, over all blocks.
#[derive(Debug, Clone, Copy)]
struct Kept {
    asked: f64,
    answered: f64,
    in_flight: f64,
    send_lag: f64,
    queue_wait: f64,
}

fn mean(loops: &[OpenLoop]) -> Option<Kept> {
    if loops.is_empty() {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "blocks of a run")]
    let count = loops.len() as f64;
    let of = |value: fn(&OpenLoop) -> f64| loops.iter().map(value).sum::<f64>() / count;
    Some(Kept {
        asked: of(|one| one.asked),
        answered: of(|one| one.answered),
        in_flight: of(|one| one.in_flight),
        send_lag: of(|one| one.send_lag_p99),
        queue_wait: of(|one| one.queue_wait_p99),
    })
}

/// Nothing where no arm has anything to show.
fn table(title: &str, lines: &[(&str, [Cell; 2])]) -> Vec<String> {
    let mut shown: Vec<String> = lines
        .iter()
        .filter(|(_, cells)| cells.iter().any(Option::is_some))
        .map(|(what, cells)| {
            let [base, head] = cells.clone().map(|cell| cell.unwrap_or("–".to_owned()));
            format!("  {what:<22} {base:>12} {head:>12}")
        })
        .collect();
    if shown.is_empty() {
        return shown;
    }
    let head = format!("  {:<22} {:>12} {:>12}", "", "base", "head");
    shown.splice(0..0, [title.to_owned(), head]);
    shown
}
