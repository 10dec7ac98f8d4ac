//! What one arm measured, block by block, on its way to become a `Run`.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};

use super::http::Recording;
use super::probes::postgres::{self, Counters};
use super::process::tree::Usage;
use crate::model::{Evidence, Machine, Metric, MetricId, Responses, Revision, Run, Samples};

/// Good answers an arm needs in a block before its p95 counts: below it the 95th percentile
/// rests on fewer than twenty values.
pub const LEAST_FOR_TAIL: u64 = 400;

/// Which blocks a number belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

/// The numbers of one arm.
#[derive(Debug, Default)]
pub struct Record {
    first: BTreeMap<MetricId, Vec<f64>>,
    confirmation: BTreeMap<MetricId, Vec<f64>>,
    histograms: BTreeMap<String, Vec<String>>,
    responses: BTreeMap<String, Responses>,
    statements: BTreeMap<String, (Counters, f64)>,
    not_measured: BTreeMap<MetricId, String>,
    /// What explains the numbers.
    pub evidence: Evidence,
}

impl Record {
    /// Sets a metric that has one value for the whole run.
    pub fn set(&mut self, id: MetricId, samples: &Samples) {
        self.first.insert(id, samples.values().to_vec());
    }

    /// Says why a metric has no value.
    pub fn miss(&mut self, id: MetricId, why: String) {
        self.not_measured.insert(id, why);
    }

    /// Takes one block of one endpoint. `tail` and `usable` hold for both arms together, so that
    /// the blocks of the arms stay aligned.
    pub fn take(&mut self, stage: Stage, endpoint: &str, block: &EndpointBlock, both: Both) {
        let recording = &block.recording;
        self.count(endpoint, recording);
        #[expect(clippy::cast_precision_loss, reason = "requests of one block")]
        let (good, wrong) = (recording.good() as f64, recording.wrong_total() as f64);
        let requests = good + wrong;
        self.push(stage, endpoint, Metric::ErrorRate, wrong / requests);
        if !both.usable {
            return;
        }
        self.push(
            stage,
            endpoint,
            Metric::LatencyP50,
            recording.quantile_ms(0.5),
        );
        self.push(stage, endpoint, Metric::LatencyMean, recording.mean_ms());
        if both.tail {
            self.push(
                stage,
                endpoint,
                Metric::LatencyP95,
                recording.quantile_ms(0.95),
            );
        }
        let minutes = recording.driven.as_secs_f64() / 60.0;
        self.push(stage, endpoint, Metric::Throughput, good / minutes);
        #[expect(clippy::cast_precision_loss, reason = "bytes of one block")]
        let bytes = recording.bytes as f64;
        self.push(stage, endpoint, Metric::ResponseBytes, bytes / good);
        if let Some(cpu) = block.cpu {
            let milliseconds = cpu.as_secs_f64() * 1000.0;
            self.push(
                stage,
                endpoint,
                Metric::CpuPerRequest,
                milliseconds / requests,
            );
        }
        self.take_statements(stage, endpoint, block.statements.as_ref(), requests);
        if stage == Stage::First {
            self.keep_histogram(endpoint, &recording.latencies);
        }
    }

    /// Takes the memory of one service over a block: the mean of its readings, and the peak.
    pub fn take_usage(&mut self, stage: Stage, service: &str, usages: &[Usage]) {
        #[expect(clippy::cast_precision_loss, reason = "memory below 2^53 bytes")]
        let mean = usages
            .iter()
            .map(|usage| usage.resident as f64)
            .sum::<f64>()
            / usages.len() as f64;
        #[expect(clippy::cast_precision_loss, reason = "memory below 2^53 bytes")]
        let peak = usages.iter().map(|usage| usage.peak).max().unwrap_or(0) as f64;
        for (metric, bytes) in [(Metric::Memory, mean), (Metric::PeakMemory, peak)] {
            let id = MetricId::service(service, metric);
            self.samples_of(stage).entry(id).or_default().push(bytes);
        }
    }

    /// Wrong answers of an endpoint so far, in words; none when there is a good one.
    pub fn only_wrong(&self, endpoint: &str) -> Option<String> {
        let responses = self.responses.get(endpoint)?;
        (responses.good == 0 && responses.wrong_total() > 0)
            .then(|| responses.example.clone().unwrap_or_default())
    }

    /// The run as it stands.
    pub fn run(&self, revision: &Revision, machine: &Machine, measured_at: &str) -> Run {
        let mut evidence = self.evidence.clone();
        for (endpoint, (counters, requests)) in &self.statements {
            let statements = postgres::statements(counters, *requests);
            evidence.statements.insert(endpoint.clone(), statements);
        }
        let mut not_measured = self.not_measured.clone();
        let samples = checked(&self.first, &mut not_measured);
        let confirmation = checked(&self.confirmation, &mut not_measured);
        Run {
            revision: revision.clone(),
            machine: machine.clone(),
            measured_at: measured_at.to_owned(),
            samples,
            confirmation,
            not_measured,
            histograms: self.histograms.clone(),
            responses: self.responses.clone(),
            evidence,
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

    fn take_statements(
        &mut self,
        stage: Stage,
        endpoint: &str,
        read: Option<&Result<Counters, String>>,
        requests: f64,
    ) {
        match read {
            None => {}
            Some(Err(why)) => {
                for metric in [
                    Metric::QueriesPerRequest,
                    Metric::RowsPerRequest,
                    Metric::QueryMean,
                ] {
                    self.miss(MetricId::endpoint(endpoint, metric), why.clone());
                }
            }
            Some(Ok(counters)) => {
                let of_requests = || {
                    counters
                        .iter()
                        .filter(|(text, _)| !postgres::is_housekeeping(text))
                        .map(|(_, counter)| counter)
                };
                let calls: f64 = of_requests().map(|counter| counter.calls).sum();
                let rows: f64 = of_requests().map(|counter| counter.rows).sum();
                let time: f64 = of_requests().map(|counter| counter.time).sum();
                self.push(stage, endpoint, Metric::QueriesPerRequest, calls / requests);
                self.push(stage, endpoint, Metric::RowsPerRequest, rows / requests);
                if calls > 0.0 {
                    self.push(stage, endpoint, Metric::QueryMean, time / calls);
                }
                let entry = self.statements.entry(endpoint.to_owned()).or_default();
                postgres::add(&mut entry.0, counters);
                entry.1 += requests;
            }
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

    fn push(&mut self, stage: Stage, endpoint: &str, metric: Metric, value: f64) {
        let id = MetricId::endpoint(endpoint, metric);
        self.samples_of(stage).entry(id).or_default().push(value);
    }

    fn samples_of(&mut self, stage: Stage) -> &mut BTreeMap<MetricId, Vec<f64>> {
        match stage {
            Stage::First => &mut self.first,
            Stage::Confirmation => &mut self.confirmation,
        }
    }
}

/// What holds for a block of both arms together.
#[derive(Debug, Clone, Copy)]
pub struct Both {
    /// Both arms have good answers.
    pub usable: bool,
    /// Both arms have enough of them for a 95th percentile.
    pub tail: bool,
}

impl Both {
    /// Looks at what the arms answered in one block.
    pub fn of<'a>(recordings: impl Iterator<Item = &'a Recording>) -> Self {
        let fewest = recordings.map(Recording::good).min().unwrap_or(0);
        Self {
            usable: fewest > 0,
            tail: fewest >= LEAST_FOR_TAIL,
        }
    }
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
