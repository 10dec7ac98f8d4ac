//! What a change must exceed and which targets hold: the option type of this stage.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Class, Metric, MetricId, Subject, Tolerance, Weight};

/// Default tolerance of p50 latency. Measured: at 3 % unchanged code is never flagged over 24
/// blocks, and 5 % is caught on every recorded endpoint.
pub const LATENCY_TOLERANCE: f64 = 0.03;
/// Default tolerance of p95 latency: tails vary more than medians in every design tried.
pub const TAIL_TOLERANCE: f64 = 0.05;
/// Default tolerance of CPU time per request.
pub const CPU_TOLERANCE: f64 = 0.03;
/// Default tolerance of memory after a block.
pub const MEMORY_TOLERANCE: f64 = 0.05;
/// Default tolerance of bundle sizes.
pub const BUNDLE_TOLERANCE: f64 = 0.01;
/// Default tolerance of counts: queries, rows and response bytes per request.
pub const COUNT_TOLERANCE: f64 = 0.01;
/// The smallest tolerance accepted for noisy metrics: below it the bias between two identical
/// processes (layout, order; 0.3 % measured) is no longer small against it.
pub const LEAST_NOISY_TOLERANCE: f64 = 0.02;

/// How much wider the tolerance is where several blocks share a process.
pub const ONE_PROCESS_FACTOR: f64 = 2.0;

/// Latency changes below this many milliseconds never gate.
pub const LATENCY_FLOOR_MS: f64 = 0.3;
/// CPU changes below this many milliseconds per request never gate.
pub const CPU_FLOOR_MS: f64 = 0.1;
/// Memory changes below this many bytes never gate.
pub const MEMORY_FLOOR_BYTES: f64 = 1_000_000.0;
/// Bundle changes below this many gzip bytes never gate.
pub const BUNDLE_FLOOR_BYTES: f64 = 1_000.0;
/// Fewer than half a query or row more per request is no change of a count.
pub const COUNT_FLOOR: f64 = 0.5;
/// Fewer pages of the database more per request are a matter of its layout.
pub const PAGES_FLOOR: f64 = 8.0;
/// Growth of pages that is never a change, whatever the tolerance of counts: where rows lie, and
/// how high an index is, depends on the order of writes.
pub const PAGES_LEAST: f64 = 0.05;
/// Fewer bytes more that a process reads for a request never gate.
pub const READ_FLOOR_BYTES: f64 = 4_000.0;
/// Growth of what is read that is never a change: logs, timers and wake-ups are read as well.
pub const READ_LEAST: f64 = 0.05;
/// Response changes below this many bytes never gate.
pub const RESPONSE_FLOOR_BYTES: f64 = 1_000.0;

/// The relative tolerances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerances {
    /// Of bundle sizes.
    pub bundle: f64,
    /// Of p50 latency.
    pub latency: f64,
    /// Of p95 latency.
    pub tail: f64,
    /// Of CPU per request.
    pub cpu: f64,
    /// Of memory.
    pub memory: f64,
    /// Of queries, rows and bytes per request.
    pub count: f64,
}

impl Default for Tolerances {
    fn default() -> Self {
        Self {
            bundle: BUNDLE_TOLERANCE,
            latency: LATENCY_TOLERANCE,
            tail: TAIL_TOLERANCE,
            cpu: CPU_TOLERANCE,
            memory: MEMORY_TOLERANCE,
            count: COUNT_TOLERANCE,
        }
    }
}

/// What a regression means, by kind of metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Weights {
    /// Of bundle sizes.
    pub bundle: Weight,
    /// Of p50 latency.
    pub latency: Weight,
    /// Of p95 latency.
    pub tail: Weight,
    /// Of CPU per request.
    pub cpu: Weight,
    /// Of memory.
    pub memory: Weight,
    /// Of queries, rows and bytes per request.
    pub count: Weight,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            bundle: Weight::Gates,
            latency: Weight::Gates,
            tail: Weight::Gates,
            cpu: Weight::Gates,
            memory: Weight::Gates,
            count: Weight::Gates,
        }
    }
}

/// How to judge.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    /// The relative tolerances.
    pub tolerances: Tolerances,
    /// What a regression of each kind means.
    pub weights: Weights,
    /// Absolute targets, in the metric's unit.
    pub budgets: BTreeMap<MetricId, f64>,
    /// Blocks the first stage was planned with.
    pub blocks: usize,
    /// Fresh blocks the second stage was planned with.
    pub fresh_blocks: usize,
    /// Everything the configuration asks for: what of this is missing is said, never passed.
    pub expected: Vec<MetricId>,
    /// Services and endpoints measured on one process for the whole run. Its luck is in every
    /// block: latency and CPU get [`ONE_PROCESS_FACTOR`] times the tolerance, and memory, which
    /// then is a single observation, is shown and not judged. (Seen here: the memory of two
    /// identical databases differed by 11 % in every block, by one connection more.)
    pub one_process: BTreeSet<Subject>,
}

impl Policy {
    /// What a change of this metric must exceed; none where base is no measure.
    pub fn tolerance(&self, id: &MetricId) -> Option<Tolerance> {
        let shared = self.one_process.contains(&id.subject);
        let (relative, floor) = match id.metric {
            Metric::Memory if shared => return None,
            Metric::InitialJs
            | Metric::InitialCss
            | Metric::OnDemand
            | Metric::Total
            | Metric::Size => (self.tolerances.bundle, BUNDLE_FLOOR_BYTES),
            Metric::LatencyP50 => (self.tolerances.latency, LATENCY_FLOOR_MS),
            Metric::LatencyP95 => (self.tolerances.tail, LATENCY_FLOOR_MS),
            Metric::CpuPerRequest => (self.tolerances.cpu, CPU_FLOOR_MS),
            Metric::Memory => (self.tolerances.memory, MEMORY_FLOOR_BYTES),
            Metric::QueriesPerRequest
            | Metric::RowsPerRequest
            | Metric::CacheCommandsPerRequest
            | Metric::CacheMissesPerRequest
            | Metric::ModelLoadsPerRequest
            | Metric::ModelRunsPerRequest => (self.tolerances.count, COUNT_FLOOR),
            Metric::PagesPerRequest => (self.tolerances.count.max(PAGES_LEAST), PAGES_FLOOR),
            Metric::BytesReadPerRequest => {
                (self.tolerances.count.max(READ_LEAST), READ_FLOOR_BYTES)
            }
            Metric::ResponseBytes => (self.tolerances.count, RESPONSE_FLOOR_BYTES),
            // An answer that used to be right and now is wrong has no tolerance.
            Metric::ErrorRate | Metric::DifferentAnswers => (0.0, 0.0),
            Metric::LatencyMean
            | Metric::ColdStart
            | Metric::Throughput
            | Metric::BatchGain
            | Metric::QueryMean
            | Metric::QueueDepth
            | Metric::PeakMemory
            | Metric::GpuMemory
            | Metric::GpuUtilization => return None,
        };
        let is_noisy = id.metric.class() == Class::Noisy;
        let factor = if shared && is_noisy {
            ONE_PROCESS_FACTOR
        } else {
            1.0
        };
        Some(Tolerance {
            relative: relative * factor,
            floor,
        })
    }

    /// What a regression of this metric means. Single assets are shown: the initial load and the
    /// total that contain them are judged. Wrong answers always gate.
    pub fn weight(&self, id: &MetricId) -> Weight {
        if matches!(id.subject, Subject::Asset { .. }) || self.tolerance(id).is_none() {
            return Weight::Shown;
        }
        match id.metric {
            Metric::InitialJs
            | Metric::InitialCss
            | Metric::OnDemand
            | Metric::Total
            | Metric::Size => self.weights.bundle,
            Metric::LatencyP50 => self.weights.latency,
            Metric::LatencyP95 => self.weights.tail,
            Metric::CpuPerRequest => self.weights.cpu,
            Metric::Memory => self.weights.memory,
            Metric::QueriesPerRequest
            | Metric::RowsPerRequest
            | Metric::PagesPerRequest
            | Metric::ResponseBytes
            | Metric::BytesReadPerRequest
            | Metric::CacheCommandsPerRequest
            | Metric::CacheMissesPerRequest
            | Metric::ModelLoadsPerRequest
            | Metric::ModelRunsPerRequest => self.weights.count,
            Metric::ErrorRate | Metric::DifferentAnswers => Weight::Gates,
            Metric::LatencyMean
            | Metric::ColdStart
            | Metric::Throughput
            | Metric::BatchGain
            | Metric::QueryMean
            | Metric::QueueDepth
            | Metric::PeakMemory
            | Metric::GpuMemory
            | Metric::GpuUtilization => Weight::Shown,
        }
    }
}
