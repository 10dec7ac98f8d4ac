//! What can be measured: the closed list of metrics, their units, directions and classes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The thing a number belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// All that one frontend ships.
    Bundle {
        /// Name of the frontend in the configuration.
        frontend: String,
    },
    /// One file a frontend ships, named without its content hash.
    Asset {
        /// Name of the frontend in the configuration.
        frontend: String,
        /// Stable name of the file, for example `assets/index.js`.
        asset: String,
    },
    /// One page or entry of a frontend, or what one dynamic import of it loads.
    Entry {
        /// Name of the frontend in the configuration.
        frontend: String,
        /// The page or the module, for example `src/pages/Charts.tsx`.
        entry: String,
    },
    /// One endpoint of a service.
    Endpoint {
        /// Name of the endpoint in the configuration.
        endpoint: String,
    },
    /// One service of the stack.
    Service {
        /// Name of the service in the configuration.
        service: String,
    },
}

impl Subject {
    /// The name a reader knows it by.
    pub fn name(&self) -> &str {
        match self {
            Self::Bundle { frontend } => frontend,
            Self::Asset { asset, .. } => asset,
            Self::Entry { entry, .. } => entry,
            Self::Endpoint { endpoint } => endpoint,
            Self::Service { service } => service,
        }
    }
}

/// What is measured of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Gzip bytes of the JavaScript a first visit loads.
    InitialJs,
    /// Gzip bytes of the style sheets a first visit loads.
    InitialCss,
    /// Gzip bytes of the scripts and styles that a dynamic import loads, without what its page has
    /// loaded before.
    OnDemand,
    /// Gzip bytes of everything shipped, source maps left out.
    Total,
    /// Gzip bytes of one asset.
    Size,
    /// Median latency of good responses.
    LatencyP50,
    /// 95th percentile of the latency of good responses.
    LatencyP95,
    /// Mean latency of good responses; judged against budgets only, never against base.
    LatencyMean,
    /// Latency of the first request that a fresh process answers; judged against budgets only.
    ColdStart,
    /// CPU time of the service's process tree per request.
    CpuPerRequest,
    /// Good responses per minute at the configured load; of a batch, what its responses did.
    Throughput,
    /// How many times faster a batch is than as many single requests: their latency p50 divided
    /// by that of the batch.
    BatchGain,
    /// Share of responses that were wrong: status, body, time-out or refused connection.
    ErrorRate,
    /// Share of the same requests that were answered otherwise than by base.
    DifferentAnswers,
    /// SQL statements the database ran per request.
    QueriesPerRequest,
    /// Mean execution time of the slowest SQL statement, by its normalised text.
    QueryMean,
    /// Rows the database returned per request.
    RowsPerRequest,
    /// Pages of 8 KB that the statements of a request went through in the database, in its memory
    /// or from disk.
    PagesPerRequest,
    /// Body bytes of a response as transferred.
    ResponseBytes,
    /// Bytes that the service's processes got from `read` and its relatives: files, pipes, and
    /// sockets where they are read like files.
    BytesReadPerRequest,
    /// Commands that caches ran.
    CacheCommandsPerRequest,
    /// Keys that caches were asked for and did not have.
    CacheMissesPerRequest,
    /// Times that the files of models were opened.
    ModelLoadsPerRequest,
    /// Times that models were run, by a counter that their service exposes.
    ModelRunsPerRequest,
    /// Messages that wait in the queues behind the service after a block; judged against budgets only.
    QueueDepth,
    /// Resident memory of the service's process tree after a block.
    Memory,
    /// Highest resident memory of the service's process tree.
    PeakMemory,
    /// Highest GPU memory of the service's process tree at the end of an endpoint's block.
    GpuMemory,
    /// Highest share of the time that a graphics card was busy with anything, at the end of the blocks
    /// of the service's endpoints: of all arms together.
    GpuUtilization,
}

impl Metric {
    /// Every metric, in report order.
    pub const ALL: [Self; 29] = [
        Self::InitialJs,
        Self::InitialCss,
        Self::OnDemand,
        Self::Total,
        Self::Size,
        Self::LatencyP50,
        Self::LatencyP95,
        Self::LatencyMean,
        Self::ColdStart,
        Self::CpuPerRequest,
        Self::Throughput,
        Self::BatchGain,
        Self::ErrorRate,
        Self::DifferentAnswers,
        Self::QueriesPerRequest,
        Self::QueryMean,
        Self::RowsPerRequest,
        Self::PagesPerRequest,
        Self::ResponseBytes,
        Self::BytesReadPerRequest,
        Self::CacheCommandsPerRequest,
        Self::CacheMissesPerRequest,
        Self::ModelLoadsPerRequest,
        Self::ModelRunsPerRequest,
        Self::QueueDepth,
        Self::Memory,
        Self::PeakMemory,
        Self::GpuMemory,
        Self::GpuUtilization,
    ];

    /// The name used in the configuration, in `run.json` and on the command line.
    pub fn key(self) -> &'static str {
        match self {
            Self::InitialJs => "initial-js",
            Self::InitialCss => "initial-css",
            Self::OnDemand => "on-demand",
            Self::Total => "total",
            Self::Size => "size",
            Self::LatencyP50 => "p50",
            Self::LatencyP95 => "p95",
            Self::LatencyMean => "mean",
            Self::ColdStart => "cold-start",
            Self::CpuPerRequest => "cpu",
            Self::Throughput => "throughput",
            Self::BatchGain => "batch-gain",
            Self::ErrorRate => "error-rate",
            Self::DifferentAnswers => "different-answers",
            Self::QueriesPerRequest => "queries-per-request",
            Self::QueryMean => "query-mean",
            Self::RowsPerRequest => "rows-per-request",
            Self::ResponseBytes => "response-bytes",
            Self::PagesPerRequest => "pages-per-request",
            Self::BytesReadPerRequest => "bytes-read-per-request",
            Self::CacheCommandsPerRequest => "cache-commands-per-request",
            Self::CacheMissesPerRequest => "cache-misses-per-request",
            Self::ModelLoadsPerRequest => "model-loads-per-request",
            Self::ModelRunsPerRequest => "model-runs-per-request",
            Self::QueueDepth => "queue-depth",
            Self::Memory => "memory",
            Self::PeakMemory => "peak-memory",
            Self::GpuMemory => "gpu-memory",
            Self::GpuUtilization => "gpu-utilization",
        }
    }

    /// The words a report uses.
    pub fn label(self) -> &'static str {
        match self {
            Self::InitialJs => "initial JS (gzip)",
            Self::InitialCss => "initial CSS (gzip)",
            Self::OnDemand => "on demand (gzip)",
            Self::Total => "total (gzip)",
            Self::Size => "size (gzip)",
            Self::LatencyP50 => "latency p50",
            Self::LatencyP95 => "latency p95",
            Self::LatencyMean => "latency mean",
            Self::ColdStart => "cold start",
            Self::CpuPerRequest => "CPU per request",
            Self::Throughput => "throughput",
            Self::BatchGain => "batch gain",
            Self::ErrorRate => "error rate",
            Self::DifferentAnswers => "different answers",
            Self::QueriesPerRequest => "queries per request",
            Self::QueryMean => "query mean",
            Self::RowsPerRequest => "rows per request",
            Self::ResponseBytes => "response size",
            Self::PagesPerRequest => "pages per request",
            Self::BytesReadPerRequest => "bytes read per request",
            Self::CacheCommandsPerRequest => "cache commands per request",
            Self::CacheMissesPerRequest => "cache misses per request",
            Self::ModelLoadsPerRequest => "model loads per request",
            Self::ModelRunsPerRequest => "model runs per request",
            Self::QueueDepth => "queue depth",
            Self::Memory => "memory",
            Self::PeakMemory => "peak memory",
            Self::GpuMemory => "GPU memory",
            Self::GpuUtilization => "GPU utilization",
        }
    }

    /// The unit its samples are stored in.
    pub fn unit(self) -> Unit {
        match self {
            Self::InitialJs
            | Self::InitialCss
            | Self::OnDemand
            | Self::Total
            | Self::Size
            | Self::ResponseBytes
            | Self::BytesReadPerRequest
            | Self::Memory
            | Self::PeakMemory
            | Self::GpuMemory => Unit::Bytes,
            Self::LatencyP50
            | Self::LatencyP95
            | Self::LatencyMean
            | Self::ColdStart
            | Self::CpuPerRequest
            | Self::QueryMean => Unit::Milliseconds,
            Self::Throughput => Unit::PerMinute,
            Self::ErrorRate | Self::DifferentAnswers | Self::GpuUtilization => Unit::Share,
            Self::QueriesPerRequest
            | Self::RowsPerRequest
            | Self::PagesPerRequest
            | Self::CacheCommandsPerRequest
            | Self::CacheMissesPerRequest
            | Self::ModelLoadsPerRequest
            | Self::ModelRunsPerRequest
            | Self::QueueDepth
            | Self::BatchGain => Unit::Count,
        }
    }

    /// Which direction is good.
    pub fn better(self) -> Better {
        match self {
            Self::Throughput | Self::BatchGain => Better::Higher,
            Self::InitialJs
            | Self::InitialCss
            | Self::OnDemand
            | Self::Total
            | Self::Size
            | Self::LatencyP50
            | Self::LatencyP95
            | Self::LatencyMean
            | Self::ColdStart
            | Self::CpuPerRequest
            | Self::ErrorRate
            | Self::DifferentAnswers
            | Self::QueriesPerRequest
            | Self::QueryMean
            | Self::RowsPerRequest
            | Self::ResponseBytes
            | Self::Memory
            | Self::PagesPerRequest
            | Self::BytesReadPerRequest
            | Self::CacheCommandsPerRequest
            | Self::CacheMissesPerRequest
            | Self::ModelLoadsPerRequest
            | Self::ModelRunsPerRequest
            | Self::QueueDepth
            | Self::PeakMemory
            | Self::GpuMemory
            | Self::GpuUtilization => Better::Lower,
        }
    }

    /// Whether it counts time that passes while a process waits for a core: other work on the
    /// machine then makes it longer. Processor time and memory are not.
    pub fn is_wall_clock(self) -> bool {
        match self {
            Self::LatencyP50
            | Self::LatencyP95
            | Self::LatencyMean
            | Self::ColdStart
            | Self::Throughput
            | Self::BatchGain
            | Self::QueryMean => true,
            Self::InitialJs
            | Self::InitialCss
            | Self::OnDemand
            | Self::Total
            | Self::Size
            | Self::ErrorRate
            | Self::DifferentAnswers
            | Self::QueriesPerRequest
            | Self::RowsPerRequest
            | Self::ResponseBytes
            | Self::CpuPerRequest
            | Self::Memory
            | Self::PagesPerRequest
            | Self::BytesReadPerRequest
            | Self::CacheCommandsPerRequest
            | Self::CacheMissesPerRequest
            | Self::ModelLoadsPerRequest
            | Self::ModelRunsPerRequest
            | Self::QueueDepth
            | Self::PeakMemory
            | Self::GpuMemory
            | Self::GpuUtilization => false,
        }
    }

    /// How a difference between base and head is judged.
    pub fn class(self) -> Class {
        match self {
            Self::InitialJs
            | Self::InitialCss
            | Self::OnDemand
            | Self::Total
            | Self::Size
            | Self::ErrorRate
            | Self::DifferentAnswers
            | Self::QueriesPerRequest
            | Self::RowsPerRequest
            | Self::PagesPerRequest
            | Self::BytesReadPerRequest
            | Self::CacheCommandsPerRequest
            | Self::CacheMissesPerRequest
            | Self::ModelLoadsPerRequest
            | Self::ModelRunsPerRequest
            | Self::ResponseBytes => Class::Exact,
            Self::LatencyP50 | Self::LatencyP95 | Self::CpuPerRequest | Self::Memory => {
                Class::Noisy
            }
            // How many messages wait depends on how many were sent, which a faster head does more of.
            // The mean and the maximum are never judged against base: both varied by more
            // than a tenth on unchanged code. They exist for budgets.
            Self::LatencyMean
            | Self::ColdStart
            | Self::Throughput
            | Self::BatchGain
            | Self::QueryMean
            | Self::QueueDepth
            | Self::PeakMemory
            | Self::GpuMemory
            | Self::GpuUtilization => Class::BudgetOnly,
        }
    }
}

/// The unit a metric's samples are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Milliseconds,
    /// Events per minute.
    PerMinute,
    /// A share between 0 and 1.
    Share,
    /// A plain number.
    Count,
}

/// Which direction is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// A smaller value is an improvement.
    Lower,
    /// A larger value is an improvement.
    Higher,
}

/// How a difference between base and head is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Changed is changed; no statistics.
    Exact,
    /// Judged by paired blocks with an interval.
    Noisy,
    /// Judged against an absolute target only.
    BudgetOnly,
}

/// One metric of one subject. Written as `endpoint/list projects/p50`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct MetricId {
    /// The thing measured.
    pub subject: Subject,
    /// What is measured of it.
    pub metric: Metric,
}

impl MetricId {
    /// A metric of a frontend's whole output.
    pub fn bundle(frontend: &str, metric: Metric) -> Self {
        Self {
            subject: Subject::Bundle {
                frontend: frontend.to_owned(),
            },
            metric,
        }
    }

    /// The size of one asset.
    pub fn asset(frontend: &str, asset: &str) -> Self {
        Self {
            subject: Subject::Asset {
                frontend: frontend.to_owned(),
                asset: asset.to_owned(),
            },
            metric: Metric::Size,
        }
    }

    /// A metric of a page, an entry, or what a dynamic import loads.
    pub fn entry(frontend: &str, entry: &str, metric: Metric) -> Self {
        Self {
            subject: Subject::Entry {
                frontend: frontend.to_owned(),
                entry: entry.to_owned(),
            },
            metric,
        }
    }

    /// A metric of an endpoint.
    pub fn endpoint(endpoint: &str, metric: Metric) -> Self {
        Self {
            subject: Subject::Endpoint {
                endpoint: endpoint.to_owned(),
            },
            metric,
        }
    }

    /// A metric of a service.
    pub fn service(service: &str, metric: Metric) -> Self {
        Self {
            subject: Subject::Service {
                service: service.to_owned(),
            },
            metric,
        }
    }
}

impl fmt::Display for MetricId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metric = self.metric.key();
        match &self.subject {
            Subject::Bundle { frontend } => write!(f, "bundle/{frontend}/{metric}"),
            Subject::Asset { frontend, asset } => write!(f, "asset/{frontend}/{asset}/{metric}"),
            Subject::Entry { frontend, entry } => write!(f, "entry/{frontend}/{entry}/{metric}"),
            Subject::Endpoint { endpoint } => write!(f, "endpoint/{endpoint}/{metric}"),
            Subject::Service { service } => write!(f, "service/{service}/{metric}"),
        }
    }
}

impl From<MetricId> for String {
    fn from(id: MetricId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for MetricId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for MetricId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || format!("`{text}` is not a metric; expected `kind/name/metric`");
        let (kind, rest) = text.split_once('/').ok_or_else(malformed)?;
        let (name, key) = rest.rsplit_once('/').ok_or_else(malformed)?;
        let metric = Metric::ALL
            .into_iter()
            .find(|metric| metric.key() == key)
            .ok_or_else(|| format!("`{key}` in `{text}` is not a known metric"))?;
        let name = name.to_owned();
        let subject = match kind {
            "bundle" => Subject::Bundle { frontend: name },
            "asset" => {
                let (frontend, asset) = name.split_once('/').ok_or_else(malformed)?;
                Subject::Asset {
                    frontend: frontend.to_owned(),
                    asset: asset.to_owned(),
                }
            }
            "entry" => {
                let (frontend, entry) = name.split_once('/').ok_or_else(malformed)?;
                Subject::Entry {
                    frontend: frontend.to_owned(),
                    entry: entry.to_owned(),
                }
            }
            "endpoint" => Subject::Endpoint { endpoint: name },
            "service" => Subject::Service { service: name },
            _ => return Err(malformed()),
        };
        Ok(Self { subject, metric })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identifier_survives_being_written_and_read() {
        for id in [
            MetricId::bundle("web", Metric::InitialJs),
            MetricId::asset("web", "assets/vendor/index.js"),
            MetricId::entry("web", "src/pages/Charts.tsx", Metric::OnDemand),
            MetricId::endpoint("GET /api/projects", Metric::LatencyP50),
            MetricId::service("ml", Metric::PeakMemory),
        ] {
            assert_eq!(id.to_string().parse::<MetricId>(), Ok(id));
        }
    }

    #[test]
    fn an_unknown_metric_is_named_in_the_error() {
        let error = "endpoint/a/p51".parse::<MetricId>().unwrap_err();
        assert!(error.contains("`p51`"), "{error}");
    }
}
