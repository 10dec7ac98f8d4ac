//! What one arm measured, block by block, on its way to become a `Run`.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};

use super::http::Recording;
use super::probes::postgres::{self, Counter, Counters};
use super::process::tree::Usage;
use crate::model::{
    Contention, Evidence, Machine, Metric, MetricId, Responses, Revision, Run, Samples,
};

/// Good answers an arm needs in a block before its p95 counts: below it the 95th percentile
/// rests on fewer than twenty values.
pub const LEAST_FOR_TAIL: u64 = 400;

/// Which blocks a number belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The blocks every endpoint gets.
    First,
    /// The fresh blocks for what looked suspicious.
    Confirmation,
}

/// What was read of one endpoint, one arm, one block.
#[derive(Debug)]
pub struct EndpointBlock {
    /// The answers.
    pub recording: Recording,
    /// CPU time of the service's process tree; none when it is no process of ours.
    pub cpu: Option<Duration>,
    /// What the databases did; none when there is none, or the reason.
    pub statements: Option<Result<Counters, String>>,
    /// How busy the machine was with other work, and what was made of it.
    pub contention: Contention,
}

/// Values by metric and number of the block.
type Blocks = BTreeMap<MetricId, BTreeMap<u32, f64>>;

/// The numbers of one arm.
#[derive(Debug, Default)]
pub struct Record {
    first: Blocks,
    confirmation: Blocks,
    histograms: BTreeMap<String, Vec<String>>,
    responses: BTreeMap<String, Responses>,
    statements: BTreeMap<String, (Counters, f64)>,
    contention: BTreeMap<String, Vec<Contention>>,
    not_measured: BTreeMap<MetricId, String>,
    /// What explains the numbers.
    pub evidence: Evidence,
}

impl Record {
    /// Sets a metric that has one value for the whole run.
    pub fn set(&mut self, id: MetricId, samples: &Samples) {
        let values = (0..).zip(samples.values().iter().copied()).collect();
        self.first.insert(id, values);
    }

    /// Says why a metric has no value.
    pub fn miss(&mut self, id: MetricId, why: String) {
        self.not_measured.insert(id, why);
    }

    /// Takes one block of one endpoint. While the machine was busy with other work the clock
    /// says little, so then only what does not depend on it counts.
    pub fn take(&mut self, stage: Stage, number: u32, endpoint: &str, block: &EndpointBlock) {
        let recording = &block.recording;
        let is_disturbed = block.contention.disturbed;
        self.count(endpoint, recording);
        self.contention
            .entry(endpoint.to_owned())
            .or_default()
            .push(block.contention);
        let numbers = numbers(block).into_iter();
        for (metric, value) in
            numbers.filter(|(metric, _)| !(is_disturbed && metric.is_wall_clock()))
        {
            self.push(stage, number, MetricId::endpoint(endpoint, metric), value);
        }
        match &block.statements {
            None => {}
            Some(Ok(counters)) if recording.good() > 0 => {
                let entry = self.statements.entry(endpoint.to_owned()).or_default();
                postgres::add(&mut entry.0, counters);
                entry.1 += requests(recording);
            }
            Some(Ok(_)) => {}
            Some(Err(why)) => {
                for metric in STATEMENT_METRICS {
                    self.miss(MetricId::endpoint(endpoint, metric), why.clone());
                }
            }
        }
        if stage == Stage::First && recording.good() > 0 && !is_disturbed {
            self.keep_histogram(endpoint, &recording.latencies);
        }
    }

    /// Takes the memory of one service over a block: the mean of its readings, and the peak.
    pub fn take_usage(&mut self, stage: Stage, number: u32, service: &str, usages: &[Usage]) {
        #[expect(clippy::cast_precision_loss, reason = "memory below 2^53 bytes")]
        let mean = usages
            .iter()
            .map(|usage| usage.resident as f64)
            .sum::<f64>()
            / usages.len() as f64;
        #[expect(clippy::cast_precision_loss, reason = "memory below 2^53 bytes")]
        let peak = usages.iter().map(|usage| usage.peak).max().unwrap_or(0) as f64;
        for (metric, bytes) in [(Metric::Memory, mean), (Metric::PeakMemory, peak)] {
            self.push(stage, number, MetricId::service(service, metric), bytes);
        }
    }

    /// Wrong answers of an endpoint so far, in words; none when there is a good one.
    pub fn only_wrong(&self, endpoint: &str) -> Option<String> {
        let responses = self.responses.get(endpoint)?;
        (responses.good == 0 && responses.wrong_total() > 0)
            .then(|| responses.example.clone().unwrap_or_default())
    }

    /// The run as it stands, with its blocks aligned to those of the other arm.
    pub fn run(
        &self,
        other: Option<&Self>,
        revision: &Revision,
        machine: &Machine,
        measured_at: &str,
    ) -> Run {
        let mut evidence = self.evidence.clone();
        for (endpoint, (counters, requests)) in &self.statements {
            let statements = postgres::statements(counters, *requests);
            evidence.statements.insert(endpoint.clone(), statements);
        }
        let mut not_measured = self.not_measured.clone();
        self.miss_what_was_disturbed(&mut not_measured);
        let first = aligned(&self.first, other.map(|other| &other.first));
        let fresh = aligned(&self.confirmation, other.map(|other| &other.confirmation));
        let samples = checked(&first, &mut not_measured);
        let confirmation = checked(&fresh, &mut not_measured);
        Run {
            revision: revision.clone(),
            machine: machine.clone(),
            measured_at: measured_at.to_owned(),
            samples,
            confirmation,
            control: BTreeMap::new(),
            contention: self.contention.clone(),
            not_measured,
            histograms: self.histograms.clone(),
            responses: self.responses.clone(),
            evidence,
        }
    }

    /// Where every block was disturbed, the clock has no number at all.
    fn miss_what_was_disturbed(&self, not_measured: &mut BTreeMap<MetricId, String>) {
        for (endpoint, blocks) in &self.contention {
            if !blocks.iter().all(|block| block.disturbed) {
                continue;
            }
            for metric in [Metric::LatencyP50, Metric::LatencyMean, Metric::Throughput] {
                not_measured
                    .entry(MetricId::endpoint(endpoint, metric))
                    .or_insert_with(|| DISTURBED.to_owned());
            }
        }
    }

    fn count(&mut self, endpoint: &str, recording: &Recording) {
        let responses = self.responses.entry(endpoint.to_owned()).or_default();
        responses.good += recording.good();
        for (kind, count) in &recording.wrong {
            *responses.wrong.entry(kind.clone()).or_default() += count;
        }
        if responses.example.is_none() {
            responses.example.clone_from(&recording.example);
        }
    }

    fn keep_histogram(&mut self, endpoint: &str, latencies: &Histogram<u64>) {
        let mut bytes = Vec::new();
        if V2DeflateSerializer::new()
            .serialize(latencies, &mut bytes)
            .is_ok()
        {
            self.histograms
                .entry(endpoint.to_owned())
                .or_default()
                .push(BASE64.encode(&bytes));
        }
    }

    fn push(&mut self, stage: Stage, number: u32, id: MetricId, value: f64) {
        let blocks = match stage {
            Stage::First => &mut self.first,
            Stage::Confirmation => &mut self.confirmation,
        };
        blocks.entry(id).or_default().insert(number, value);
    }
}

/// Why the clock has no number.
const DISTURBED: &str = "the machine was busy with other work in every block";

/// Metrics read from the databases' counters.
const STATEMENT_METRICS: [Metric; 3] = [
    Metric::QueriesPerRequest,
    Metric::RowsPerRequest,
    Metric::QueryMean,
];

/// The numbers of one block. Without a good answer there is an error rate and nothing else: a
/// fast wrong answer is never a latency.
fn numbers(block: &EndpointBlock) -> Vec<(Metric, f64)> {
    let recording = &block.recording;
    let requests = requests(recording);
    #[expect(clippy::cast_precision_loss, reason = "requests of one block")]
    let (good, wrong) = (recording.good() as f64, recording.wrong_total() as f64);
    let mut numbers = vec![(Metric::ErrorRate, wrong / requests)];
    if recording.good() == 0 {
        return numbers;
    }
    #[expect(clippy::cast_precision_loss, reason = "bytes of one block")]
    let bytes = recording.bytes as f64;
    let minutes = recording.driven.as_secs_f64() / 60.0;
    numbers.extend([
        (Metric::LatencyP50, recording.quantile_ms(0.5)),
        (Metric::LatencyMean, recording.mean_ms()),
        (Metric::Throughput, good / minutes),
        (Metric::ResponseBytes, bytes / good),
    ]);
    if recording.good() >= LEAST_FOR_TAIL {
        numbers.push((Metric::LatencyP95, recording.quantile_ms(0.95)));
    }
    if let Some(cpu) = block.cpu {
        let milliseconds = cpu.as_secs_f64() * 1000.0;
        numbers.push((Metric::CpuPerRequest, milliseconds / requests));
    }
    if let Some(Ok(counters)) = &block.statements {
        numbers.extend(of_statements(counters, requests));
    }
    numbers
}

fn of_statements(counters: &Counters, requests: f64) -> Vec<(Metric, f64)> {
    let mut sum = Counter::default();
    for (text, counter) in counters {
        if !postgres::is_housekeeping(text) {
            sum.calls += counter.calls;
            sum.rows += counter.rows;
            sum.time += counter.time;
        }
    }
    let mut numbers = vec![
        (Metric::QueriesPerRequest, sum.calls / requests),
        (Metric::RowsPerRequest, sum.rows / requests),
    ];
    if sum.calls > 0.0 {
        numbers.push((Metric::QueryMean, sum.time / sum.calls));
    }
    numbers
}

#[expect(clippy::cast_precision_loss, reason = "requests of one block")]
fn requests(recording: &Recording) -> f64 {
    (recording.good() + recording.wrong_total()) as f64
}

/// The blocks that both arms have, so that they line up by index; all of this arm's where the
/// other has none.
fn aligned(own: &Blocks, other: Option<&Blocks>) -> BTreeMap<MetricId, Vec<f64>> {
    let of_metric = |(id, own): (&MetricId, &BTreeMap<u32, f64>)| {
        let other = other.and_then(|other| other.get(id));
        let shared: Vec<f64> = own
            .iter()
            .filter(|(number, _)| other.is_none_or(|other| other.contains_key(number)))
            .map(|(_, value)| *value)
            .collect();
        (id.clone(), shared)
    };
    own.iter().map(of_metric).collect()
}

/// Samples that hold their invariant; what does not is not measured, with the reason.
fn checked(
    values: &BTreeMap<MetricId, Vec<f64>>,
    not_measured: &mut BTreeMap<MetricId, String>,
) -> BTreeMap<MetricId, Samples> {
    let mut samples = BTreeMap::new();
    for (id, values) in values {
        match Samples::new(values.clone()) {
            Ok(good) => {
                samples.insert(id.clone(), good);
            }
            Err(why) => {
                not_measured.insert(id.clone(), why);
            }
        }
    }
    samples
}
