//! What one arm answered during one block.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::connection::{Answer, Wrong};

/// Latencies are kept to three significant digits from 1 µs to 60 s, in nanoseconds.
const LOWEST: u64 = 1_000;
/// See [`LOWEST`].
const HIGHEST: u64 = 60_000_000_000;

/// What one arm answered.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Latencies of good answers, in nanoseconds.
    pub latencies: Histogram<u64>,
    /// Body bytes of good answers.
    pub bytes: u64,
    /// Wrong answers by kind.
    pub wrong: BTreeMap<String, u64>,
    /// The first wrong answer in words.
    pub example: Option<String>,
    /// Wall time during which this arm was driven.
    pub driven: Duration,
}

impl Default for Recording {
    fn default() -> Self {
        Self::new()
    }
}

impl Recording {
    /// Nothing yet.
    pub fn new() -> Self {
        let latencies = Histogram::new_with_bounds(LOWEST, HIGHEST, 3)
            .unwrap_or_else(|error| unreachable!("constant bounds are valid: {error}"));
        Self {
            latencies,
            bytes: 0,
            wrong: BTreeMap::new(),
            example: None,
            driven: Duration::ZERO,
        }
    }

    /// Takes one answer.
    pub fn take(&mut self, answer: Answer) {
        match answer {
            Answer::Good { latency, bytes } => {
                let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(HIGHEST);
                self.latencies.saturating_record(nanoseconds);
                self.bytes += bytes;
            }
            Answer::Wrong(Wrong { kind, example }) => {
                *self.wrong.entry(kind).or_default() += 1;
                self.example.get_or_insert(example);
            }
        }
    }

    /// Adds what another connection of the same arm recorded.
    pub fn merge(&mut self, other: Self) {
        // Both have the same bounds, so adding cannot fail.
        let _added = self.latencies.add(&other.latencies);
        self.bytes += other.bytes;
        self.driven += other.driven;
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

    /// Good answers.
    pub fn good(&self) -> u64 {
        self.latencies.len()
    }

    /// Wrong answers.
    pub fn wrong_total(&self) -> u64 {
        self.wrong.values().sum()
    }

    /// A latency quantile in milliseconds.
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds below a minute")]
    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        self.latencies.value_at_quantile(quantile) as f64 / 1e6
    }

    /// The mean latency in milliseconds.
    pub fn mean_ms(&self) -> f64 {
        self.latencies.mean() / 1e6
    }
}
