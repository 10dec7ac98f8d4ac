//! What one arm measured, block by block, on its way to become a `Run`.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};

use super::http::Recording;
use super::http::recording::{Parts, quantile_ms};
use super::plan::Batch;
use super::probes::postgres::{self, Counter, Counters, Unread};
use super::probes::redis::Tally;
use super::process::tree::Usage;
use crate::model::evidence::{Answers, CacheUse, Statement};
use crate::model::{
    Class, Contention, Evidence, Machine, Metric, MetricId, OpenLoop, Responses, Revision, Run,
    Samples,
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
    /// How much each answer did: more than one of a batch.
    pub items: u32,
    /// CPU time of the service's process tree; none when it is no process of ours.
    pub cpu: Option<Duration>,
    /// What the databases did; none when there is none, or the reason.
    pub statements: Option<Result<Counters, Unread>>,
    /// What else was counted.
    pub counted: Counted,
    /// How busy the machine was with other work, and what was made of it.
    pub contention: Contention,
}

/// What was counted beside the database. Each is none where there is nothing to count, or the
/// reason why it could not be.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    /// Bytes the service's processes read.
    pub read: Option<Result<u64, String>>,
    /// What the caches did.
    pub caches: Option<Result<Tally, String>>,
    /// How often the files of models were opened.
    pub loads: Option<Result<u64, String>>,
    /// How often models were run, by the counters of their services.
    pub runs: Option<Result<f64, String>>,
    /// How many messages wait in the queues when it is over.
    pub waiting: Option<Result<u64, String>>,
}

/// What belongs to a run and is not a number of this arm.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// What was measured.
    pub revision: &'a Revision,
    /// Where.
    pub machine: &'a Machine,
    /// How the machine changed meanwhile, if it did.
    pub machine_changed: Option<&'a str>,
    /// When.
    pub measured_at: &'a str,
    /// Whether it is judged; base and a control are not.
    pub is_head: bool,
    /// The arm it is compared with.
    pub other: Option<&'a Record>,
    /// The same revision measured beside it.
    pub control: Option<&'a Record>,
    /// The endpoints whose answers must be those of base.
    pub same: &'a [String],
}

/// Requests whose answers are compared, over all blocks.
const MOST_SAID: usize = 256;

/// The share of different ones, or why there is none.
fn share_of_different(answers: Answers) -> Result<f64, &'static str> {
    match (answers.compared, answers.changing) {
        (0, 0) => Err("no request was answered rightly by both arms"),
        (0, _) => Err(
            "the same request gets another answer each time: name the part that must be the same, \
             for example `same-as-base: $.cells`",
        ),
        (compared, _) => Ok(f64::from(answers.different) / f64::from(compared)),
    }
}

/// Values by metric and number of the block.
type Blocks = BTreeMap<MetricId, BTreeMap<u32, f64>>;

/// The numbers of one arm.
#[derive(Debug, Default)]
pub struct Record {
    first: Blocks,
    confirmation: Blocks,
    histograms: BTreeMap<String, Vec<String>>,
    fresh_histograms: BTreeMap<String, Vec<String>>,
    parts: BTreeMap<String, Parts>,
    open_loops: BTreeMap<String, Vec<OpenLoop>>,
    responses: BTreeMap<String, Responses>,
    statements: BTreeMap<String, (Counters, f64)>,
    /// What caches did, over how many requests.
    caches: BTreeMap<String, (Tally, f64)>,
    contention: BTreeMap<String, Vec<Contention>>,
    /// What each endpoint said to each request; none where it changes.
    said: BTreeMap<String, BTreeMap<u64, Option<u64>>>,
    not_measured: BTreeMap<MetricId, String>,
    not_offered: BTreeMap<MetricId, String>,
    /// Why measuring ended early, if it did.
    pub ended: Option<String>,
    /// The same of single endpoints.
    pub ended_endpoints: BTreeMap<String, String>,
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

    /// Says why a metric cannot have a value here: a hole only where base has it or a target asks
    /// for it.
    pub fn cannot_offer(&mut self, id: MetricId, why: String) {
        self.not_offered.insert(id, why);
    }

    /// Takes one block of one endpoint. While the machine was busy with other work the clock
    /// says little, so then only what does not depend on it counts.
    pub fn take(&mut self, stage: Stage, number: u32, endpoint: &str, block: &EndpointBlock) {
        let recording = &block.recording;
        let is_disturbed = block.contention.disturbed;
        self.count(endpoint, recording);
        self.keep_said(endpoint, recording);
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
            Some(Ok(counters)) if recording.good() > 0 && recording.logins == 0 => {
                let entry = self.statements.entry(endpoint.to_owned()).or_default();
                postgres::add(&mut entry.0, counters);
                entry.1 += requests(recording);
            }
            Some(Ok(_)) => {}
            Some(Err(why)) => {
                for metric in STATEMENT_METRICS {
                    let id = MetricId::endpoint(endpoint, metric);
                    match why {
                        Unread::NotOffered => self.not_offered.insert(id, why.to_string()),
                        Unread::Failed(why) => self.not_measured.insert(id, why.clone()),
                    };
                }
            }
        }
        self.take_counted(endpoint, block);
        if recording.good() == 0 || is_disturbed {
            return;
        }
        self.keep_histogram(stage, endpoint, recording.judged());
        match self.parts.get_mut(endpoint) {
            Some(parts) => parts.add(recording),
            None => {
                let parts = Parts::of(recording);
                self.parts.insert(endpoint.to_owned(), parts);
            }
        }
        if stage == Stage::First
            && let Some(open_loop) = open_loop(recording)
        {
            let all = self.open_loops.entry(endpoint.to_owned()).or_default();
            all.push(open_loop);
        }
    }

    /// Keeps what explains the counts, and why there are none.
    fn take_counted(&mut self, endpoint: &str, block: &EndpointBlock) {
        let recording = &block.recording;
        match &block.counted.caches {
            Some(Ok(tally)) if recording.good() > 0 && recording.logins == 0 => {
                let entry = self.caches.entry(endpoint.to_owned()).or_default();
                let now = (tally.keys, tally.lasting, tally.memory);
                entry.0 = entry.0.and(*tally);
                (entry.0.keys, entry.0.lasting, entry.0.memory) = now;
                entry.1 += requests(recording);
            }
            Some(Err(why)) => {
                for metric in CACHE_METRICS {
                    self.miss(MetricId::endpoint(endpoint, metric), why.clone());
                }
            }
            Some(Ok(_)) | None => {}
        }
        if let Some(Err(why)) = &block.counted.loads {
            let id = MetricId::endpoint(endpoint, Metric::ModelLoadsPerRequest);
            self.miss(id, why.clone());
        }
        if let Some(Err(why)) = &block.counted.runs {
            let id = MetricId::endpoint(endpoint, Metric::ModelRunsPerRequest);
            self.miss(id, why.clone());
        }
        if let Some(Err(why)) = &block.counted.waiting {
            let id = MetricId::endpoint(endpoint, Metric::QueueDepth);
            self.miss(id, why.clone());
        }
    }

    /// Why it is not known what was read: a note, and no answer only where a target asks for one.
    pub fn miss_what_was_read(
        &mut self,
        service: &str,
        endpoint: &str,
        has_target: bool,
        why: &str,
    ) {
        if has_target {
            let id = MetricId::endpoint(endpoint, Metric::BytesReadPerRequest);
            self.miss(id, why.to_owned());
        }
        // The same is true of every block and every process, each with its number.
        let said = format!("{service}: the bytes it reads are not counted: ");
        if !self
            .evidence
            .skipped
            .iter()
            .any(|note| note.starts_with(&said))
        {
            self.evidence.skipped.push(said + why);
        }
    }

    /// Takes what a service does to graphics cards, or why that is not known: the highest of a block.
    pub fn take_gpu(&mut self, at: (Stage, u32), id: MetricId, value: Result<f64, String>) {
        let (stage, number) = at;
        match value {
            Ok(value) => {
                let blocks = match stage {
                    Stage::First => &self.first,
                    Stage::Confirmation => &self.confirmation,
                };
                let earlier = blocks.get(&id).and_then(|blocks| blocks.get(&number));
                let highest = earlier.map_or(value, |earlier| earlier.max(value));
                self.push(stage, number, id, highest);
            }
            Err(why) => self.miss(id, why),
        }
    }

    /// Takes how many times faster a batch of `size` was in a block than as many single requests:
    /// where both were measured in it.
    pub fn take_batch_gain(&mut self, stage: Stage, number: u32, endpoint: &str, batch: &Batch) {
        let blocks = match stage {
            Stage::First => &self.first,
            Stage::Confirmation => &self.confirmation,
        };
        let p50 = |endpoint: &str| {
            let id = MetricId::endpoint(endpoint, Metric::LatencyP50);
            blocks.get(&id)?.get(&number).copied()
        };
        let single = batch.of.as_deref().and_then(p50);
        if let (Some(single), Some(all)) = (single, p50(endpoint)) {
            let gain = single * f64::from(batch.size) / all;
            let id = MetricId::endpoint(endpoint, Metric::BatchGain);
            self.push(stage, number, id, gain);
        }
    }

    /// Takes how long the first request of a fresh process took.
    pub fn take_cold_start(&mut self, stage: Stage, number: u32, endpoint: &str, time: Duration) {
        let id = MetricId::endpoint(endpoint, Metric::ColdStart);
        self.push(stage, number, id, time.as_secs_f64() * 1000.0);
    }

    /// Takes the memory of one service over a block: the mean of its readings, and the peak, which
    /// may be one that somebody saw in between.
    pub fn take_usage(
        &mut self,
        stage: Stage,
        number: u32,
        service: &str,
        usages: &[Usage],
        seen: Option<u64>,
    ) {
        #[expect(clippy::cast_precision_loss, reason = "memory below 2^53 bytes")]
        let mean = usages
            .iter()
            .map(|usage| usage.resident as f64)
            .sum::<f64>()
            / usages.len() as f64;
        #[expect(clippy::cast_precision_loss, reason = "memory below 2^53 bytes")]
        let peak = usages
            .iter()
            .map(|usage| usage.peak)
            .chain(seen)
            .max()
            .unwrap_or(0) as f64;
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
    pub fn run(&self, now: &Circumstances<'_>) -> Run {
        let mut evidence = self.evidence.clone();
        evidence.statements.extend(self.statements());
        let caches = self.caches.iter();
        evidence.caches.extend(
            caches.map(|(endpoint, (tally, requests))| {
                (endpoint.clone(), cache_use(tally, *requests))
            }),
        );
        if let Some(base) = now.other.filter(|_| now.is_head) {
            for endpoint in self.said.keys() {
                let answers = self.answers(base, endpoint);
                evidence.answers.insert(endpoint.clone(), answers);
            }
        }
        let mut not_measured = self.not_measured.clone();
        self.miss_what_was_disturbed(&mut not_measured);
        let mut first = aligned(&self.first, now.other.map(|other| &other.first));
        let mut fresh = aligned(
            &self.confirmation,
            now.other.map(|other| &other.confirmation),
        );
        self.miss_what_base_cannot_sustain(now, &mut [&mut first, &mut fresh], &mut not_measured);
        for endpoint in now.same {
            let id = MetricId::endpoint(endpoint, Metric::DifferentAnswers);
            let answers = now.other.map(|other| self.answers(other, endpoint));
            match answers.map(share_of_different) {
                Some(Ok(share)) => {
                    first.insert(id, [(1, if now.is_head { share } else { 0.0 })].into());
                }
                Some(Err(why)) => {
                    not_measured.insert(id, why.to_owned());
                }
                None => {}
            }
        }
        if let Some(why) = now.machine_changed {
            for blocks in [&mut first, &mut fresh] {
                leave_out_what_depends_on_the_machine(blocks, why, &mut not_measured);
            }
        }
        for blocks in [&mut first, &mut fresh] {
            blocks
                .retain(|id, _| !(is_whole_or_nothing(id.metric) && not_measured.contains_key(id)));
        }
        let control = now.control.map(|control| beside(&first, &control.first));
        let samples = checked(&first, &mut not_measured);
        let confirmation = checked(&fresh, &mut not_measured);
        Run {
            revision: now.revision.clone(),
            machine: now.machine.clone(),
            measured_at: now.measured_at.to_owned(),
            samples,
            confirmation,
            control: control.unwrap_or_default(),
            contention: self.contention.clone(),
            ended: self.ended.clone(),
            ended_endpoints: self.ended_endpoints.clone(),
            not_measured,
            not_offered: self.not_offered.clone(),
            histograms: self.histograms.clone(),
            fresh_histograms: self.fresh_histograms.clone(),
            timings: self
                .parts
                .iter()
                .map(|(endpoint, parts)| (endpoint.clone(), parts.timing()))
                .collect(),
            open_loops: self.open_loops.clone(),
            responses: self.responses.clone(),
            evidence,
        }
    }

    /// What the databases did for each endpoint.
    pub fn statements(&self) -> BTreeMap<String, Vec<Statement>> {
        let of_endpoint = |(endpoint, (counters, requests)): (&String, &(Counters, f64))| {
            let statements = postgres::statements(counters, *requests);
            (endpoint.clone(), statements)
        };
        self.statements.iter().map(of_endpoint).collect()
    }

    /// Where every block was disturbed, there is no latency at all.
    fn miss_what_was_disturbed(&self, not_measured: &mut BTreeMap<MetricId, String>) {
        let without =
            |(_, blocks): &(&String, &Vec<Contention>)| blocks.iter().all(|block| block.disturbed);
        for (endpoint, _) in self.contention.iter().filter(without) {
            not_measured
                .entry(MetricId::endpoint(endpoint, Metric::LatencyP50))
                .or_insert_with(|| DISTURBED.to_owned());
        }
    }

    /// Where base cannot keep up with the rate, waiting grows for as long as it is measured, in
    /// both arms: such times say how long that was and nothing else.
    fn miss_what_base_cannot_sustain(
        &self,
        now: &Circumstances<'_>,
        blocks: &mut [&mut Blocks],
        not_measured: &mut BTreeMap<MetricId, String>,
    ) {
        let base = now.other.filter(|_| now.is_head).unwrap_or(self);
        for (endpoint, loops) in &base.open_loops {
            let asked: f64 = loops.iter().map(|one| one.asked).sum();
            let answered: f64 = loops.iter().map(|one| one.answered).sum();
            if answered >= asked * SUSTAINED {
                continue;
            }
            #[expect(clippy::cast_precision_loss, reason = "blocks of a run")]
            let count = loops.len().max(1) as f64;
            let why = format!(
                "base answered {:.0} of {:.0} requests a second: above what it can do, waiting \
                 grows for as long as it is measured; ask for a lower `rate`, or for `auto`",
                answered / count,
                asked / count
            );
            for metric in [Metric::LatencyP50, Metric::LatencyP95, Metric::LatencyMean] {
                let id = MetricId::endpoint(endpoint, metric);
                let had = blocks
                    .iter_mut()
                    .filter_map(|blocks| blocks.remove(&id))
                    .count();
                if had > 0 {
                    not_measured.insert(id, why.clone());
                }
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

    fn keep_said(&mut self, endpoint: &str, recording: &Recording) {
        let said = self.said.entry(endpoint.to_owned()).or_default();
        for (request, answer) in &recording.said {
            let is_room = said.len() < MOST_SAID;
            match said.get_mut(request) {
                Some(earlier) if earlier != answer => *earlier = None,
                Some(_) => {}
                None if is_room => {
                    said.insert(*request, *answer);
                }
                None => {}
            }
        }
    }

    /// How the answers to the same requests compare with those of the other arm.
    pub fn answers(&self, other: &Self, endpoint: &str) -> Answers {
        let mut answers = Answers::default();
        let of = |record: &Self| record.said.get(endpoint).cloned().unwrap_or_default();
        let theirs = of(other);
        for (request, ours) in of(self) {
            match (ours, theirs.get(&request)) {
                (Some(ours), Some(Some(theirs))) => {
                    answers.compared += 1;
                    answers.different += u32::from(ours != *theirs);
                }
                (None, Some(_)) | (Some(_), Some(None)) => answers.changing += 1,
                (_, None) => {}
            }
        }
        answers
    }

    fn keep_histogram(&mut self, stage: Stage, endpoint: &str, latencies: &Histogram<u64>) {
        let kept = match stage {
            Stage::First => &mut self.histograms,
            Stage::Confirmation => &mut self.fresh_histograms,
        };
        if let Some(text) = as_text(latencies) {
            kept.entry(endpoint.to_owned()).or_default().push(text);
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

fn as_text(times: &Histogram<u64>) -> Option<String> {
    let mut bytes = Vec::new();
    let written = V2DeflateSerializer::new().serialize(times, &mut bytes);
    written.ok().map(|_| BASE64.encode(&bytes))
}

/// How a block kept up with the rate it was driven at; none for a closed loop.
fn open_loop(recording: &Recording) -> Option<OpenLoop> {
    let open = recording.open.as_ref()?;
    let seconds = recording.due_within.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "requests of one block")]
    let (due, good) = (open.send_lags.len() as f64, recording.good() as f64);
    let answered = good / recording.driven.as_secs_f64();
    Some(OpenLoop {
        asked: due / seconds,
        answered,
        in_flight: answered * open.responses.mean() / 1e9,
        send_lag_p50: quantile_ms(&open.send_lags, 0.5),
        send_lag_p99: quantile_ms(&open.send_lags, 0.99),
        queue_wait_p99: quantile_ms(&open.queue_waits, 0.99),
        service_times: as_text(&recording.latencies)?,
    })
}

/// An arm that answers less than this share of what it is asked does not keep up. A Poisson
/// schedule of a few hundred requests ends up to some per cent short of its rate.
const SUSTAINED: f64 = 0.9;

/// What others count for us: where they failed once, what they said at other times is in doubt too.
fn is_whole_or_nothing(metric: Metric) -> bool {
    matches!(
        metric,
        Metric::ModelRunsPerRequest | Metric::GpuMemory | Metric::GpuUtilization
    )
}

/// Why there is no latency.
const DISTURBED: &str = "the machine was busy with other work in every block";

/// Metrics read from the databases' counters.
const STATEMENT_METRICS: [Metric; 4] = [
    Metric::QueriesPerRequest,
    Metric::RowsPerRequest,
    Metric::PagesPerRequest,
    Metric::QueryMean,
];

/// Metrics read from the caches' counters.
const CACHE_METRICS: [Metric; 2] = [
    Metric::CacheCommandsPerRequest,
    Metric::CacheMissesPerRequest,
];

fn cache_use(tally: &Tally, requests: f64) -> CacheUse {
    CacheUse {
        hits_per_request: tally.hits / requests,
        misses_per_request: tally.misses / requests,
        commands_per_request: tally.commands / requests,
        keys: tally.keys,
        lasting_keys: tally.lasting,
        memory: tally.memory,
    }
}

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
        (Metric::Throughput, good * f64::from(block.items) / minutes),
        (Metric::ResponseBytes, bytes / good),
    ]);
    if recording.good() >= LEAST_FOR_TAIL {
        numbers.push((Metric::LatencyP95, recording.quantile_ms(0.95)));
    }
    // The work of a login in between cannot be told from that of the requests.
    if recording.logins > 0 {
        return numbers;
    }
    if let Some(cpu) = block.cpu {
        let milliseconds = cpu.as_secs_f64() * 1000.0;
        numbers.push((Metric::CpuPerRequest, milliseconds / requests));
    }
    if let Some(Ok(counters)) = &block.statements {
        numbers.extend(of_statements(counters, requests));
    }
    if let Some(Ok(tally)) = &block.counted.caches {
        numbers.extend([
            (Metric::CacheCommandsPerRequest, tally.commands / requests),
            (Metric::CacheMissesPerRequest, tally.misses / requests),
        ]);
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let per_request = |count: u64| count as f64 / requests;
    if let Some(Ok(loads)) = block.counted.loads {
        numbers.push((Metric::ModelLoadsPerRequest, per_request(loads)));
    }
    if let Some(Ok(runs)) = block.counted.runs {
        numbers.push((Metric::ModelRunsPerRequest, runs / requests));
    }
    if let Some(Ok(waiting)) = block.counted.waiting {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        numbers.push((Metric::QueueDepth, waiting as f64));
    }
    if let Some(Ok(read)) = block.counted.read {
        numbers.push((Metric::BytesReadPerRequest, per_request(read)));
    }
    numbers
}

fn of_statements(counters: &Counters, requests: f64) -> Vec<(Metric, f64)> {
    let mut sum = Counter::default();
    // Of each statement by itself: one slow query among many fast ones is a slow query.
    let mut slowest: Option<f64> = None;
    for (text, counter) in counters {
        if !postgres::is_housekeeping(text) {
            sum.calls += counter.calls;
            sum.rows += counter.rows;
            sum.pages += counter.pages;
            if counter.calls > 0.0 {
                let mean = counter.time / counter.calls;
                slowest = Some(slowest.map_or(mean, |slowest| slowest.max(mean)));
            }
        }
    }
    let mut numbers = vec![
        (Metric::QueriesPerRequest, sum.calls / requests),
        (Metric::RowsPerRequest, sum.rows / requests),
        (Metric::PagesPerRequest, sum.pages / requests),
    ];
    numbers.extend(slowest.map(|mean| (Metric::QueryMean, mean)));
    numbers
}

#[expect(clippy::cast_precision_loss, reason = "requests of one block")]
fn requests(recording: &Recording) -> f64 {
    (recording.good() + recording.wrong_total()) as f64
}

/// The blocks that both arms have, so that they line up by index; all of this arm's where the
/// other has none.
fn aligned(own: &Blocks, other: Option<&Blocks>) -> Blocks {
    let of_metric = |(id, own): (&MetricId, &BTreeMap<u32, f64>)| {
        let other = other.and_then(|other| other.get(id));
        let shared = own
            .iter()
            .filter(|(number, _)| other.is_none_or(|other| other.contains_key(number)))
            .map(|(number, value)| (*number, *value))
            .collect();
        (id.clone(), shared)
    };
    own.iter().map(of_metric).collect()
}

/// The control's values of the same blocks, up to the first one it lacks: they line up with
/// `base` by index.
fn beside(base: &Blocks, control: &Blocks) -> BTreeMap<MetricId, Samples> {
    let of_metric = |(id, base): (&MetricId, &BTreeMap<u32, f64>)| {
        let control = control.get(id)?;
        let values = base.keys().map_while(|number| control.get(number).copied());
        Some((id.clone(), Samples::new(values.collect()).ok()?))
    };
    base.iter().filter_map(of_metric).collect()
}

/// What was measured partly on one machine and partly on another is no measurement.
fn leave_out_what_depends_on_the_machine(
    blocks: &mut Blocks,
    why: &str,
    not_measured: &mut BTreeMap<MetricId, String>,
) {
    blocks.retain(|id, _| match id.metric.class() {
        Class::Exact => true,
        Class::Noisy | Class::BudgetOnly => {
            not_measured.insert(id.clone(), why.to_owned());
            false
        }
    });
}

/// Samples that hold their invariant; what does not is not measured, with the reason.
fn checked(
    values: &Blocks,
    not_measured: &mut BTreeMap<MetricId, String>,
) -> BTreeMap<MetricId, Samples> {
    let mut samples = BTreeMap::new();
    for (id, values) in values {
        match Samples::new(values.values().copied().collect()) {
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::measure::http::connection::{Answer, Good, Said};
    use crate::model::Disturbance;

    fn p50() -> MetricId {
        MetricId::endpoint("list", Metric::LatencyP50)
    }

    fn cpu() -> MetricId {
        MetricId::endpoint("list", Metric::CpuPerRequest)
    }

    /// Ten answers of this many milliseconds.
    fn block(number: u32, milliseconds: u64, disturbed: bool) -> EndpointBlock {
        let mut recording = Recording::new();
        for _ in 0..10 {
            recording.take(Answer::Good(Good {
                sent: Instant::now(),
                first_byte: Duration::from_millis(milliseconds),
                latency: Duration::from_millis(milliseconds),
                connect: None,
                bytes: 100,
                said: Said {
                    request: 1,
                    answer: Some(1),
                },
            }));
        }
        recording.driven = Duration::from_millis(milliseconds * 10);
        EndpointBlock {
            recording,
            items: 1,
            cpu: Some(Duration::from_millis(10)),
            statements: None,
            counted: Counted::default(),
            contention: Contention {
                fresh: false,
                block: number,
                service_wait: 0.5,
                generator_wait: 0.1,
                steal: 0.0,
                foreign: 0.4,
                late: 0.0,
                generator_cpu: 0.1,
                by: Disturbance::OtherWork,
                repeated: disturbed,
                disturbed,
            },
        }
    }

    /// Blocks from 1 on, each with its milliseconds and whether it was disturbed.
    fn record(blocks: &[(u64, bool)]) -> Record {
        let mut record = Record::default();
        for (number, (milliseconds, disturbed)) in (1..).zip(blocks) {
            let block = block(number, *milliseconds, *disturbed);
            record.take(Stage::First, number, "list", &block);
        }
        record
    }

    /// Beside another arm, a control, and a change of the machine, where there are any.
    fn run<'a>(
        record: &'a Record,
        [other, control]: [Option<&'a Record>; 2],
        machine_changed: Option<&'a str>,
    ) -> Run {
        let revision = Revision {
            commit: "c0ffee".to_owned(),
            tree: "7ee".to_owned(),
            label: "main".to_owned(),
        };
        let machine = Machine {
            cpu: "a CPU".to_owned(),
            cores: 2,
            memory: 1 << 30,
            kernel: "Linux".to_owned(),
            image: None,
        };
        record.run(&Circumstances {
            revision: &revision,
            machine: &machine,
            machine_changed,
            measured_at: "",
            is_head: true,
            other,
            control,
            same: &[],
        })
    }

    fn milliseconds(samples: &Samples) -> Vec<u64> {
        let rounded = samples.values().iter().map(|value| value.round());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "small and positive"
        )]
        rounded.map(|value| value as u64).collect()
    }

    #[test]
    fn a_disturbed_block_counts_for_what_does_not_depend_on_the_clock() {
        let record = record(&[(2, false), (90, true), (3, false)]);
        let run = run(&record, [None, None], None);
        assert_eq!(milliseconds(&run.samples[&p50()]), [2, 3]);
        assert_eq!(run.samples[&cpu()].values().len(), 3);
        for metric in [Metric::LatencyMean, Metric::Throughput] {
            let samples = &run.samples[&MetricId::endpoint("list", metric)];
            assert_eq!(samples.values().len(), 2, "{metric:?}");
        }
        assert_eq!(run.histograms["list"].len(), 2);
        assert_eq!(run.contention["list"].len(), 3);
        assert!(run.not_measured.is_empty(), "{:?}", run.not_measured);
    }

    #[test]
    fn the_work_of_a_login_in_between_is_no_work_of_the_requests() {
        let numbers_of = |logins| {
            let mut block = block(1, 5, false);
            block.recording.logins = logins;
            let numbers = numbers(&block).into_iter().map(|(metric, _)| metric);
            numbers.collect::<Vec<_>>()
        };
        assert!(numbers_of(0).contains(&Metric::CpuPerRequest));
        assert!(!numbers_of(1).contains(&Metric::CpuPerRequest));
        assert!(numbers_of(1).contains(&Metric::LatencyP50));
    }

    #[test]
    fn one_slow_query_among_many_fast_ones_is_a_slow_query() {
        let counter = |calls: f64, mean: f64| Counter {
            calls,
            time: calls * mean,
            rows: calls,
            pages: calls,
        };
        let counters = Counters::from([
            ("select fast".to_owned(), counter(200.0, 1.0)),
            ("select slow".to_owned(), counter(10.0, 400.0)),
            ("commit".to_owned(), counter(10.0, 900.0)),
        ]);
        let numbers: BTreeMap<Metric, f64> = of_statements(&counters, 10.0).into_iter().collect();
        assert!((numbers[&Metric::QueryMean] - 400.0).abs() < 1e-9);
        assert!((numbers[&Metric::QueriesPerRequest] - 21.0).abs() < 1e-9);
        assert!(
            !of_statements(&Counters::new(), 10.0)
                .iter()
                .any(|(metric, _)| *metric == Metric::QueryMean)
        );
    }

    #[test]
    fn what_cannot_be_counted_is_a_note_and_without_an_answer_only_where_it_is_asked_for() {
        let id = MetricId::endpoint("list", Metric::BytesReadPerRequest);
        for has_target in [false, true] {
            let mut record = record(&[(2, false)]);
            for pid in [7, 8] {
                let why = format!("/proc/{pid}/io may not be read");
                record.miss_what_was_read("api", "list", has_target, &why);
            }
            let run = run(&record, [None, None], None);
            let said = "api: the bytes it reads are not counted: /proc/7/io may not be read";
            assert_eq!(run.evidence.skipped, [said]);
            assert_eq!(run.not_measured.contains_key(&id), has_target);
        }
    }

    #[test]
    fn nothing_but_disturbed_blocks_is_not_measured() {
        let run = run(&record(&[(2, true), (2, true)]), [None, None], None);
        assert!(run.not_measured[&p50()].contains("busy with other work"));
        assert!(!run.samples.contains_key(&p50()));
        assert!(run.samples.contains_key(&cpu()));
    }

    #[test]
    fn a_control_lines_up_with_the_blocks_that_base_keeps() {
        let base = record(&[(1, false), (2, false), (3, false), (4, false)]);
        // Head has no second block, and the control ended before the fourth.
        let mut head = Record::default();
        for number in [1, 3, 4] {
            head.take(Stage::First, number, "list", &block(number, 9, false));
        }
        let control = record(&[(11, false), (12, false), (13, false)]);
        let run = run(&base, [Some(&head), Some(&control)], None);
        assert_eq!(milliseconds(&run.samples[&p50()]), [1, 3, 4]);
        assert_eq!(milliseconds(&run.control[&p50()]), [11, 13]);
    }

    #[test]
    fn a_control_with_a_gap_ends_at_it() {
        let base = record(&[(1, false), (2, false), (3, false)]);
        let control = record(&[(11, false), (12, true), (13, false)]);
        let run = run(&base, [None, Some(&control)], None);
        assert_eq!(milliseconds(&run.control[&p50()]), [11]);
        assert_eq!(run.control[&cpu()].values().len(), 3);
    }

    #[test]
    fn what_was_measured_on_two_machines_is_not_measured() {
        let record = record(&[(1, false), (2, false)]);
        let run = run(&record, [None, None], Some("the machine changed"));
        for id in [p50(), cpu(), MetricId::endpoint("list", Metric::Throughput)] {
            assert_eq!(run.not_measured[&id], "the machine changed", "{id}");
            assert!(!run.samples.contains_key(&id), "{id}");
        }
        let bytes = MetricId::endpoint("list", Metric::ResponseBytes);
        assert!(run.samples.contains_key(&bytes), "counted, not timed");
    }
}
