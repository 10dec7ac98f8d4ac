//! One execution on one revision, and the file that keeps it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use super::metric::MetricId;
use super::samples::Samples;
use super::shard::Shard;

/// What was measured of one revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Run {
    /// What was measured.
    pub revision: Revision,
    /// Where it was measured.
    pub machine: Machine,
    /// When, as RFC 3339 in UTC.
    pub measured_at: String,
    /// First-stage samples: one per block, aligned with the other arm by index. Exact metrics
    /// that do not depend on a block have a single sample.
    pub samples: BTreeMap<MetricId, Samples>,
    /// Second-stage samples: fresh blocks for what looked suspicious.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub confirmation: BTreeMap<MetricId, Samples>,
    /// Base measured a second time beside itself in the blocks of the first stage, on processes of
    /// its own: what identical code reads like here. Only base has it, and only where the
    /// configuration asks for a control.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub control: BTreeMap<MetricId, Samples>,
    /// How busy the machine was with other work, for each endpoint and block, in the order
    /// measured.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub contention: BTreeMap<String, Vec<Contention>>,
    /// What was asked for and could not be measured, with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_measured: BTreeMap<MetricId, String>,
    /// What the services do not offer to count, with the reason: `pg_stat_statements` that is not
    /// loaded, or a build that does not say what loads first. A hole only where base has it or a target asks for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub not_offered: BTreeMap<MetricId, String>,
    /// Why measuring ended before the planned blocks were measured, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// The same of single endpoints.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ended_endpoints: BTreeMap<String, String>,
    /// Latency histograms per endpoint, one per block: HdrHistogram V2 + DEFLATE in base64,
    /// values in nanoseconds. Of endpoints that were driven at a rate: the response time.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub histograms: BTreeMap<String, Vec<String>>,
    /// The same of the fresh blocks of the second stage.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fresh_histograms: BTreeMap<String, Vec<String>>,
    /// What the latencies of each endpoint are made of, over all blocks that count.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub timings: BTreeMap<String, Timing>,
    /// How the endpoints that were driven at a rate kept up with it, one per block of the first
    /// stage whose latencies count.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub open_loops: BTreeMap<String, Vec<OpenLoop>>,
    /// How the endpoints answered.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub responses: BTreeMap<String, Responses>,
    /// What explains the numbers; it never gates.
    pub evidence: Evidence,
}

/// A revision of the measured project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Revision {
    /// The commit it is, or that it was made from.
    pub commit: String,
    /// The hash of the tree that was measured.
    pub tree: String,
    /// What to call it: `main`, `working tree`, `main + n-plus-one.patch`.
    pub label: String,
}

impl Revision {
    /// The first ten characters of the commit, as git shows it.
    pub fn short(&self) -> &str {
        self.commit.get(..10).unwrap_or(&self.commit)
    }
}

/// The machine a run was measured on. Equal machines are comparable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Machine {
    /// CPU model.
    pub cpu: String,
    /// Number of usable cores.
    pub cores: u32,
    /// Memory in bytes.
    pub memory: u64,
    /// Operating system and kernel release.
    pub kernel: String,
    /// Runner image, where the CI service names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

impl Machine {
    /// The class of a machine: CPU model, cores and memory, for example
    /// `4 × AMD EPYC 7763, 16 GiB`. The kernel and the image change with every update of a
    /// runner, and memory differs by a few pages between two of a kind. Noisy numbers of one
    /// class may be compared with care, those of two never.
    pub fn class(&self) -> String {
        let cpu: Vec<&str> = self.cpu.split_whitespace().collect();
        format!(
            "{} × {}, {} GiB",
            self.cores,
            cpu.join(" "),
            memory_class(self.memory)
        )
    }
}

/// Memory in GiB, rounded up to the sizes machines are sold in (1, 2, 3, 4, 6, 8, 12, 16, …):
/// what a system reports is always a little below one of them.
fn memory_class(bytes: u64) -> u64 {
    let gib = bytes.div_ceil(1 << 30).max(1);
    let above = gib.next_power_of_two();
    let between = above / 4 * 3;
    if gib <= between { between } else { above }
}

/// How one endpoint answered over the whole run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Responses {
    /// Responses that met every expectation.
    pub good: u64,
    /// Responses that did not, by kind: `status 500`, `time-out`, `body`.
    pub wrong: BTreeMap<String, u64>,
    /// One wrong response in words, for the reader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}

impl Responses {
    /// How many responses were wrong.
    pub fn wrong_total(&self) -> u64 {
        self.wrong.values().sum()
    }
}

/// How busy the machine was with other work while one block of one endpoint was timed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Contention {
    /// Whether it is a fresh block of the second stage.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
    /// Number of the block in its stage, from 1.
    pub block: u32,
    /// Share of the time that the service was ready to run and waited for a core:
    /// waiting / (waiting + running), 0 to 1, from the scheduler's own counters.
    pub service_wait: f64,
    /// The same of the load generator.
    pub generator_wait: f64,
    /// Share of all cores' time that a hypervisor took away, 0 to 1.
    pub steal: f64,
    /// Share of all cores' time that processes used which belong to neither arm nor to Tollgate,
    /// 0 to 1.
    pub foreign: f64,
    /// Share of the response time that requests of an open loop left later than they were due,
    /// 0 to 1.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub late: f64,
    /// Share of the time under way that the load generator's own thread was on a core, 0 to 1.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub generator_cpu: f64,
    /// What took most of the block.
    #[serde(default, skip_serializing_if = "Disturbance::is_other_work")]
    pub by: Disturbance,
    /// Whether the block was measured a second time because the first was disturbed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repeated: bool,
    /// Whether it was disturbed the second time too: its wall-clock metrics do not count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disturbed: bool,
}

/// What latencies are made of: medians in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Timing {
    /// From the first byte out to the first byte in.
    pub first_byte: f64,
    /// From the first byte in to the last.
    pub body: f64,
    /// Opening a connection, with its handshake; no part of a latency. None where none was opened
    /// while it was timed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect: Option<f64>,
    /// Connections opened while it was timed: one for each request where none is kept alive.
    pub connections: u64,
}

/// What keeps a block from being timed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disturbance {
    /// Processes that belong to neither arm.
    #[default]
    OtherWork,
    /// The hypervisor ran something else.
    Hypervisor,
    /// Our own requests left late, or our own thread had no time left.
    LoadGenerator,
}

impl Disturbance {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    fn is_other_work(&self) -> bool {
        *self == Self::OtherWork
    }
}

/// How an endpoint kept up with a rate during one block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OpenLoop {
    /// Requests a second that were due.
    pub asked: f64,
    /// Good answers a second.
    pub answered: f64,
    /// Requests under way or waiting on average, by Little's law: answers a second times the mean
    /// response time.
    pub in_flight: f64,
    /// How long requests left later than they were due, in milliseconds: median.
    pub send_lag_p50: f64,
    /// The same: 99th percentile.
    pub send_lag_p99: f64,
    /// How long requests waited for a free connection, in milliseconds: 99th percentile.
    pub queue_wait_p99: f64,
    /// Time from the first byte out to the last byte in: a histogram as in `histograms`.
    pub service_times: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_nothing(share: &f64) -> bool {
    *share <= 0.0
}

/// A phase of a check and the time it took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Phase {
    /// What was done.
    pub kind: PhaseKind,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// The phases of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseKind {
    /// Worktrees of base and head.
    CheckOut,
    /// The project's own install steps.
    Install,
    /// The project's own frontend builds.
    Build,
    /// Compressing and attributing assets.
    Weigh,
    /// Starting and seeding services.
    Start,
    /// Warm-up requests.
    WarmUp,
    /// Timed requests.
    Measure,
    /// Stopping what was started.
    Stop,
    /// Comparing, diagnosing, rendering, writing.
    Report,
}

impl PhaseKind {
    /// Whether the time belongs to the project under test rather than to the gate.
    pub fn is_the_projects_own(self) -> bool {
        match self {
            Self::Install | Self::Build | Self::Start | Self::WarmUp | Self::Measure => true,
            Self::CheckOut | Self::Weigh | Self::Stop | Self::Report => false,
        }
    }

    /// The words a reader sees.
    pub fn label(self) -> &'static str {
        match self {
            Self::CheckOut => "check out",
            Self::Install => "install",
            Self::Build => "build",
            Self::Weigh => "weigh",
            Self::Start => "start services",
            Self::WarmUp => "warm up",
            Self::Measure => "measure",
            Self::Stop => "stop",
            Self::Report => "report",
        }
    }
}

/// `run.json`: both arms and what is needed to judge them again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RunFile {
    /// Version of this format. Readers accept every version up to [`RunFile::FORMAT`].
    pub format: u32,
    /// Name and version of the writer.
    pub tool: String,
    /// Name of the project in its configuration.
    pub project: String,
    /// Seed of every random choice: order of endpoints, of pairs, of payloads.
    pub seed: u64,
    /// Which part of a run it is, where several machines share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// The base arm, or why there is none.
    #[serde(with = "BaseArm")]
    pub base: MeasuredBase,
    /// The head arm.
    pub head: Run,
    /// Where the time went.
    pub phases: Vec<Phase>,
}

/// The base arm, or why there is none.
pub type MeasuredBase = Result<Run, String>;

/// How [`MeasuredBase`] is written: `{ "measured": … }` or `{ "missing": "why" }`.
#[derive(Serialize, Deserialize)]
#[serde(remote = "MeasuredBase")]
#[expect(
    clippy::large_enum_variant,
    reason = "only describes how another type is written"
)]
enum BaseArm {
    #[serde(rename = "measured")]
    Ok(Run),
    #[serde(rename = "missing")]
    Err(String),
}

impl RunFile {
    /// The version written today. 2 added `control` and `contention`, 3 `open-loops`, 4 what
    /// disturbed a block and the parts of a latency, 5 `shard`, who asks for the packages of a
    /// frontend, pages, caches, bytes read and model loads, 6 what services do not offer to count, model
    /// runs and how busy graphics cards are.
    pub const FORMAT: u32 = 6;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_format_loads_for_ever() {
        let text = include_str!("../../tests/fixtures/runs/format-1.json");
        let file: RunFile = serde_json::from_str(text).unwrap();
        assert_eq!(file.format, 1);
        let base = file.base.unwrap();
        let id: MetricId = "endpoint/list projects/queries-per-request"
            .parse()
            .unwrap();
        assert_eq!(base.samples[&id].constant(), Some(5.0));
        assert_eq!(file.head.samples[&id].constant(), Some(43.0));
        assert_eq!(file.head.evidence.changed[0].file, "api/src/projects.js");
    }
}
