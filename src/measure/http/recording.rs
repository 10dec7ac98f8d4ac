//! What one arm answered during one block.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::connection::{Answer, Good, Said, Wrong};
use crate::model::Timing;

/// Latencies are kept to three significant digits from 1 µs to 60 s, in nanoseconds.
const LOWEST: u64 = 1_000;
/// See [`LOWEST`].
const HIGHEST: u64 = 60_000_000_000;

/// Requests whose answers are compared with those of the other arm.
const MOST_SAID: usize = 64;

/// What one arm answered.
#[derive(Debug, Clone)]
pub struct Recording {
    /// From the first byte out to the last byte in, of good answers, in nanoseconds: the service
    /// time.
    pub latencies: Histogram<u64>,
    /// From the first byte out to the first byte in, of good answers, in nanoseconds.
    pub first_bytes: Histogram<u64>,
    /// From then to the last byte in, in nanoseconds.
    pub bodies: Histogram<u64>,
    /// How long connections took to open, in nanoseconds.
    pub connects: Histogram<u64>,
    /// What only an open loop has.
    pub open: Option<Open>,
    /// Body bytes of good answers.
    pub bytes: u64,
    /// Wrong answers by kind.
    pub wrong: BTreeMap<String, u64>,
    /// The first wrong answer in words.
    pub example: Option<String>,
    /// What was said to the first requests that differ, by request; none where it changes.
    pub said: BTreeMap<u64, Option<u64>>,
    /// How often a request had to log in again: that was the service's work and its database's
    /// too, and belongs to no request.
    pub logins: u64,
    /// Wall time during which this arm was driven.
    pub driven: Duration,
    /// Wall time during which requests of an open loop were due: without the wait for the last.
    pub due_within: Duration,
}

/// What only an open loop has, in nanoseconds. Users who arrive do not wait for one another, so
/// what they see is counted from when their request was due.
#[derive(Debug, Clone)]
pub struct Open {
    /// From when a request was due to its last byte in, of good answers: the response time.
    pub responses: Histogram<u64>,
    /// From when a request was due to when it was taken up: our own delay.
    pub send_lags: Histogram<u64>,
    /// From then to its first byte out: no connection was free.
    pub queue_waits: Histogram<u64>,
}

/// When a request of an open loop was due, and when it was taken up.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    /// By the schedule.
    pub at: Instant,
    /// By us.
    pub taken_up: Instant,
}

impl Default for Recording {
    fn default() -> Self {
        Self::new()
    }
}

impl Recording {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            latencies: histogram(),
            first_bytes: histogram(),
            bodies: histogram(),
            connects: histogram(),
            open: None,
            bytes: 0,
            wrong: BTreeMap::new(),
            example: None,
            said: BTreeMap::new(),
            logins: 0,
            driven: Duration::ZERO,
            due_within: Duration::ZERO,
        }
    }

    /// Nothing yet, of an open loop.
    pub fn of_open_loop() -> Self {
        let open = Open {
            responses: histogram(),
            send_lags: histogram(),
            queue_waits: histogram(),
        };
        Self {
            open: Some(open),
            ..Self::new()
        }
    }

    /// Takes one answer of a closed loop.
    pub fn take(&mut self, answer: Answer) {
        self.take_due(answer, None);
    }

    /// Takes one answer, to a request of an open loop where it was due.
    pub fn take_due(&mut self, answer: Answer, due: Option<Due>) {
        match answer {
            Answer::Good(good) => self.take_good(&good, due),
            Answer::Wrong(Wrong { kind, example, .. }) => {
                *self.wrong.entry(kind).or_default() += 1;
                self.example.get_or_insert(example);
            }
        }
    }

    fn take_good(&mut self, good: &Good, due: Option<Due>) {
        record(&mut self.latencies, good.latency);
        record(&mut self.first_bytes, good.first_byte);
        record(&mut self.bodies, good.latency - good.first_byte);
        if let Some(connect) = good.connect {
            record(&mut self.connects, connect);
        }
        if let (Some(open), Some(due)) = (&mut self.open, due) {
            let done = good.sent + good.latency;
            record(&mut open.responses, done.saturating_duration_since(due.at));
            let waited = good.sent.saturating_duration_since(due.taken_up);
            record(&mut open.queue_waits, waited);
        }
        self.bytes += good.bytes;
        self.take_said(good.said);
    }

    fn take_said(&mut self, said: Said) {
        if let Some(earlier) = self.said.get_mut(&said.request) {
            if *earlier != said.answer {
                *earlier = None;
            }
        } else if self.said.len() < MOST_SAID {
            self.said.insert(said.request, said.answer);
        }
    }

    /// Takes how late a request of an open loop was taken up.
    pub fn take_send_lag(&mut self, due: Due) {
        if let Some(open) = &mut self.open {
            let lag = due.taken_up.saturating_duration_since(due.at);
            record(&mut open.send_lags, lag);
        }
    }

    /// What an arm is judged by: the response time in an open loop, the service time in a closed
    /// one.
    pub fn judged(&self) -> &Histogram<u64> {
        self.open
            .as_ref()
            .map_or(&self.latencies, |open| &open.responses)
    }

    /// Adds what was recorded at another time.
    pub fn merge(&mut self, other: Self) {
        add(&mut self.latencies, &other.latencies);
        add(&mut self.first_bytes, &other.first_bytes);
        add(&mut self.bodies, &other.bodies);
        add(&mut self.connects, &other.connects);
        match (&mut self.open, &other.open) {
            (Some(open), Some(other)) => {
                add(&mut open.responses, &other.responses);
                add(&mut open.send_lags, &other.send_lags);
                add(&mut open.queue_waits, &other.queue_waits);
            }
            (None, Some(other)) => self.open = Some(other.clone()),
            (_, None) => {}
        }
        self.bytes += other.bytes;
        for (request, answer) in &other.said {
            self.take_said(Said {
                request: *request,
                answer: *answer,
            });
        }
        self.logins += other.logins;
        self.driven += other.driven;
        self.due_within += other.due_within;
        self.take_wrong_of(other);
    }

    /// Adds only the wrong answers.
    pub fn take_wrong_of(&mut self, other: Self) {
        for (kind, count) in other.wrong {
            *self.wrong.entry(kind).or_default() += count;
        }
        if self.example.is_none() {
            self.example = other.example;
        }
    }

    /// Share of the response times that requests left later than they were due; 0 in a closed
    /// loop, where nothing is due.
    pub fn lateness(&self) -> f64 {
        match &self.open {
            Some(open) if !open.responses.is_empty() => {
                (open.send_lags.mean() / open.responses.mean()).min(1.0)
            }
            Some(_) | None => 0.0,
        }
    }

    /// Good answers.
    pub fn good(&self) -> u64 {
        self.latencies.len()
    }

    /// Wrong answers.
    pub fn wrong_total(&self) -> u64 {
        self.wrong.values().sum()
    }

    /// A quantile of what is judged, in milliseconds.
    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        quantile_ms(self.judged(), quantile)
    }

    /// The mean of what is judged, in milliseconds.
    pub fn mean_ms(&self) -> f64 {
        self.judged().mean() / 1e6
    }
}

/// Adds up what latencies are made of, over blocks.
#[derive(Debug, Clone)]
pub struct Parts {
    first_bytes: Histogram<u64>,
    bodies: Histogram<u64>,
    connects: Histogram<u64>,
}

impl Parts {
    /// Of one block.
    pub fn of(recording: &Recording) -> Self {
        Self {
            first_bytes: recording.first_bytes.clone(),
            bodies: recording.bodies.clone(),
            connects: recording.connects.clone(),
        }
    }

    /// Adds another block.
    pub fn add(&mut self, recording: &Recording) {
        add(&mut self.first_bytes, &recording.first_bytes);
        add(&mut self.bodies, &recording.bodies);
        add(&mut self.connects, &recording.connects);
    }

    /// The medians.
    pub fn timing(&self) -> Timing {
        let median = |times: &Histogram<u64>| quantile_ms(times, 0.5);
        Timing {
            first_byte: median(&self.first_bytes),
            body: median(&self.bodies),
            connect: (!self.connects.is_empty()).then(|| median(&self.connects)),
            connections: self.connects.len(),
        }
    }
}

/// A quantile in milliseconds.
#[expect(clippy::cast_precision_loss, reason = "nanoseconds below a minute")]
pub fn quantile_ms(times: &Histogram<u64>, quantile: f64) -> f64 {
    times.value_at_quantile(quantile) as f64 / 1e6
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(LOWEST, HIGHEST, 3)
        .unwrap_or_else(|error| unreachable!("constant bounds are valid: {error}"))
}

fn record(times: &mut Histogram<u64>, time: Duration) {
    let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(HIGHEST);
    times.saturating_record(nanoseconds);
}

fn add(sum: &mut Histogram<u64>, other: &Histogram<u64>) {
    // Both have the same bounds, so adding cannot fail.
    let _added = sum.add(other);
}
