//! The mirror of the file: the same keys, nothing resolved, no default filled in.
//!
//! Where a key takes two shapes, its `Deserialize` is written out, so that a wrong third shape
//! gets a message of its own. Must not check anything that needs two keys.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::quantity::{Count, Rate, RateOrAuto, Share, Size, Time};

/// The keys at the top of the file.
pub(super) const TOP_LEVEL: [&str; 10] = [
    "project",
    "frontend",
    "compose",
    "services",
    "sessions",
    "endpoints",
    "measure",
    "gate",
    "store",
    "paths-ignore",
];

/// The file.
#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with keys such as `project` and `endpoints`"
)]
pub(super) struct RawConfig {
    pub(super) project: String,
    #[serde(default)]
    pub(super) frontend: Vec<RawFrontend>,
    pub(super) compose: Option<RawCompose>,
    #[serde(default)]
    pub(super) services: Entries<RawService>,
    #[serde(default)]
    pub(super) sessions: Entries<RawSession>,
    #[serde(default)]
    pub(super) endpoints: Vec<RawEndpoint>,
    #[serde(default)]
    pub(super) measure: RawMeasure,
    #[serde(default)]
    pub(super) gate: RawGate,
    pub(super) store: Option<String>,
    #[serde(default)]
    pub(super) paths_ignore: Vec<String>,
}

/// An item of `frontend`.
#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with keys such as `name` and `build`"
)]
pub(super) struct RawFrontend {
    pub(super) name: String,
    pub(super) directory: Option<String>,
    pub(super) install: Option<RawInstall>,
    pub(super) build: String,
    pub(super) output: String,
    #[serde(default)]
    pub(super) sources: Vec<String>,
    pub(super) within: Option<Time>,
    pub(super) stats: Option<String>,
    #[serde(default)]
    pub(super) brotli: bool,
    #[serde(default)]
    pub(super) budgets: RawFrontendBudgets,
}

/// The budgets of a frontend.
#[derive(Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping such as `{ initial-js: 500 KB }`"
)]
pub(super) struct RawFrontendBudgets {
    pub(super) initial_js: Option<Size>,
    pub(super) initial_css: Option<Size>,
    pub(super) total: Option<Size>,
    #[serde(default)]
    pub(super) files: Entries<Size>,
    #[serde(default)]
    pub(super) on_demand: Entries<Size>,
}

/// A shell line, or `{ run, inputs }`.
#[derive(Debug)]
pub(super) struct RawInstall {
    pub(super) run: String,
    pub(super) inputs: Vec<String>,
}

/// A value of `services`.
#[derive(Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with a key `command`, `image`, `build` or `url`"
)]
pub(super) struct RawService {
    pub(super) command: Option<RawCommand>,
    pub(super) image: Option<String>,
    pub(super) build: Option<RawBuild>,
    pub(super) url: Option<String>,
    pub(super) entrypoint: Option<RawCommand>,
    pub(super) volumes: Option<Vec<String>>,
    pub(super) tmpfs: Option<Vec<String>>,
    pub(super) health: Option<RawCommand>,
    pub(super) memory: Option<Size>,
    pub(super) cpus: Option<f64>,
    pub(super) user: Option<String>,
    pub(super) shm_size: Option<Size>,
    pub(super) directory: Option<String>,
    pub(super) install: Option<RawInstall>,
    pub(super) prepare: Option<String>,
    pub(super) environment: Option<Entries<String>>,
    pub(super) port: Option<u16>,
    pub(super) needs: Option<Vec<String>>,
    pub(super) ready: Option<RawReady>,
    pub(super) connection: Option<String>,
    pub(super) seed: Option<String>,
    pub(super) fresh: Option<RawFresh>,
    pub(super) restore: Option<bool>,
    pub(super) http2: Option<bool>,
    pub(super) tls: Option<RawTls>,
    pub(super) socket: Option<String>,
    pub(super) models: Option<Vec<String>>,
    pub(super) model_runs: Option<RawModelRuns>,
    pub(super) queues: Option<Vec<String>>,
    pub(super) budgets: Option<RawServiceBudgets>,
}

/// A line, or a list of words.
#[derive(Debug, Clone)]
pub(super) enum RawCommand {
    Line(String),
    Words(Vec<String>),
}

impl RawCommand {
    /// Every text of it.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let texts: Vec<&str> = match self {
            Self::Line(line) => vec![line],
            Self::Words(words) => words.iter().map(String::as_str).collect(),
        };
        texts.into_iter()
    }
}

impl<'de> Deserialize<'de> for RawCommand {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CommandVisitor)
    }
}

struct CommandVisitor;

impl<'de> Visitor<'de> for CommandVisitor {
    type Value = RawCommand;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, or for a container a list such as `[node, server.js]`")
    }

    fn visit_str<E: Error>(self, line: &str) -> Result<RawCommand, E> {
        Ok(RawCommand::Line(line.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, words: A) -> Result<RawCommand, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(words)).map(RawCommand::Words)
    }
}

/// A folder with a Dockerfile, or how to build it.
#[derive(Debug)]
pub(super) struct RawBuild {
    pub(super) context: String,
    pub(super) dockerfile: Option<String>,
    pub(super) target: Option<String>,
    pub(super) args: Entries<String>,
    pub(super) network: Option<String>,
}

impl<'de> Deserialize<'de> for RawBuild {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BuildVisitor)
    }
}

struct BuildVisitor;

impl<'de> Visitor<'de> for BuildVisitor {
    type Value = RawBuild;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a folder with a Dockerfile, or `{ context: api, target: server }`")
    }

    fn visit_str<E: Error>(self, context: &str) -> Result<RawBuild, E> {
        Ok(RawBuild {
            context: context.to_owned(),
            dockerfile: None,
            target: None,
            args: Entries::default(),
            network: None,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawBuild, A::Error> {
        let build = RawBuildMap::deserialize(MapAccessDeserializer::new(map))?;
        Ok(RawBuild {
            context: build.context,
            dockerfile: build.dockerfile,
            target: build.target,
            args: build.args,
            network: build.network,
        })
    }
}

/// The long shape of a build.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawBuildMap {
    context: String,
    dockerfile: Option<String>,
    target: Option<String>,
    #[serde(default)]
    args: Entries<String>,
    network: Option<String>,
}

/// A compose file, or `{ file, services }`.
#[derive(Debug)]
pub(super) struct RawCompose {
    pub(super) file: String,
    pub(super) services: Option<Vec<String>>,
}

impl<'de> Deserialize<'de> for RawCompose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ComposeVisitor)
    }
}

struct ComposeVisitor;

impl<'de> Visitor<'de> for ComposeVisitor {
    type Value = RawCompose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a file such as `compose.yaml`, or `{ file: compose.yaml, services: [api] }`")
    }

    fn visit_str<E: Error>(self, file: &str) -> Result<RawCompose, E> {
        Ok(RawCompose {
            file: file.to_owned(),
            services: None,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawCompose, A::Error> {
        let compose = RawComposeMap::deserialize(MapAccessDeserializer::new(map))?;
        Ok(RawCompose {
            file: compose.file,
            services: Some(compose.services),
        })
    }
}

/// The long shape of a compose file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawComposeMap {
    file: String,
    services: Vec<String>,
}

/// The counter that says how often a service ran its models.
#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping such as `{ path: /metrics, counter: model_runs_total }`"
)]
pub(super) struct RawModelRuns {
    pub(super) path: String,
    pub(super) counter: String,
}

/// Whom to trust at a service.
#[derive(Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping such as `{ ca: certs/ca.pem, name: localhost }`"
)]
pub(super) struct RawTls {
    pub(super) ca: Option<String>,
    pub(super) name: Option<String>,
}

/// The budgets of a service.
#[derive(Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping such as `{ memory: 512 MB }`"
)]
pub(super) struct RawServiceBudgets {
    pub(super) memory: Option<Size>,
    pub(super) peak_memory: Option<Size>,
    pub(super) gpu_memory: Option<Size>,
    pub(super) gpu_utilization: Option<Share>,
}

/// When a service is ready: one of the first six keys.
#[derive(Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping such as `{ http: /health, within: 30 s }`"
)]
pub(super) struct RawReady {
    pub(super) http: Option<String>,
    pub(super) postgres: Option<String>,
    pub(super) redis: Option<bool>,
    pub(super) tcp: Option<bool>,
    pub(super) log: Option<String>,
    pub(super) health: Option<bool>,
    pub(super) within: Option<Time>,
}

/// When a service gets a fresh process.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawFresh {
    PerRun,
    PerBlock,
}

/// A value of `sessions`.
#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with the keys `service`, `request` and `token`"
)]
pub(super) struct RawSession {
    pub(super) service: String,
    #[serde(default)]
    pub(super) before: Vec<RawStep>,
    pub(super) request: String,
    #[serde(default)]
    pub(super) headers: Entries<String>,
    pub(super) json: Option<serde_json::Value>,
    pub(super) token: Option<String>,
    pub(super) cookie: Option<String>,
    pub(super) header: Option<String>,
}

/// A request before the one that logs in.
#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping such as `{ request: GET /csrf, capture: { csrf: $.token } }`"
)]
pub(super) struct RawStep {
    pub(super) request: String,
    #[serde(default)]
    pub(super) headers: Entries<String>,
    pub(super) json: Option<serde_json::Value>,
    #[serde(default)]
    pub(super) capture: Entries<String>,
}

/// An item of `endpoints`.
#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping with the keys `name`, `service` and `request`"
)]
pub(super) struct RawEndpoint {
    pub(super) name: String,
    pub(super) service: String,
    pub(super) request: String,
    #[serde(default)]
    pub(super) headers: Entries<String>,
    pub(super) session: Option<String>,
    pub(super) json: Option<serde_json::Value>,
    pub(super) multipart: Option<Entries<OneOrMore>>,
    pub(super) body: Option<String>,
    #[serde(default)]
    pub(super) variables: Entries<RawVariable>,
    pub(super) batch: Option<RawBatch>,
    pub(super) cold_start: Option<bool>,
    #[serde(default)]
    pub(super) expect: RawExpect,
    #[serde(default)]
    pub(super) load: RawLoad,
    pub(super) time_out: Option<Time>,
    pub(super) time_limit: Option<Time>,
    #[serde(default)]
    pub(super) budgets: RawEndpointBudgets,
}

/// What a good response is.
#[derive(Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping such as `{ status: 200 }`"
)]
pub(super) struct RawExpect {
    pub(super) status: Option<u16>,
    #[serde(default)]
    pub(super) headers: Entries<String>,
    pub(super) json: Option<String>,
    pub(super) contains: Option<String>,
    pub(super) sha256: Option<String>,
    pub(super) same_as_base: Option<SameAsBase>,
}

/// What must be as in base's answer: all of it, or what a JSON path finds.
#[derive(Debug)]
pub(super) enum SameAsBase {
    All(bool),
    Path(String),
}

impl<'de> Deserialize<'de> for SameAsBase {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SameAsBaseVisitor)
    }
}

struct SameAsBaseVisitor;

impl Visitor<'_> for SameAsBaseVisitor {
    type Value = SameAsBase;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`true` for the whole body, or a JSON path such as `$.cells`")
    }

    fn visit_bool<E: Error>(self, all: bool) -> Result<SameAsBase, E> {
        Ok(SameAsBase::All(all))
    }

    fn visit_str<E: Error>(self, path: &str) -> Result<SameAsBase, E> {
        Ok(SameAsBase::Path(path.to_owned()))
    }
}

/// A variable of requests: a range, `sequence`, or a list.
#[derive(Debug)]
pub(super) enum RawVariable {
    Text(String),
    List(Vec<serde_json::Value>),
}

impl<'de> Deserialize<'de> for RawVariable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VariableVisitor)
    }
}

struct VariableVisitor;

impl<'de> Visitor<'de> for VariableVisitor {
    type Value = RawVariable;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a range such as `1..500`, `sequence`, or a list of texts and numbers")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<RawVariable, E> {
        Ok(RawVariable::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<RawVariable, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(items)).map(RawVariable::List)
    }
}

/// What one request does at once.
#[derive(Debug, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping such as `{ size: 4, of: segment one image }`"
)]
pub(super) struct RawBatch {
    pub(super) size: u32,
    pub(super) of: Option<String>,
}

/// How an endpoint is driven.
#[derive(Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping such as `{ concurrency: 10 }` or `{ rate: 50/s }`"
)]
pub(super) struct RawLoad {
    pub(super) concurrency: Option<u32>,
    pub(super) rate: Option<RateOrAuto>,
    pub(super) arrivals: Option<RawArrivals>,
    pub(super) connections: Option<u32>,
}

/// How requests of an open loop are spread in time.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawArrivals {
    Poisson,
    Uniform,
}

/// The budgets of an endpoint.
#[derive(Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping such as `{ mean: 200 ms }`"
)]
pub(super) struct RawEndpointBudgets {
    pub(super) mean: Option<Time>,
    pub(super) p50: Option<Time>,
    pub(super) p95: Option<Time>,
    pub(super) cold_start: Option<Time>,
    pub(super) batch_gain: Option<Count>,
    pub(super) cpu: Option<Time>,
    pub(super) query_mean: Option<Time>,
    pub(super) queries_per_request: Option<Count>,
    pub(super) rows_per_request: Option<Count>,
    pub(super) pages_per_request: Option<Count>,
    pub(super) response_bytes: Option<Size>,
    pub(super) bytes_read_per_request: Option<Size>,
    pub(super) cache_commands_per_request: Option<Count>,
    pub(super) cache_misses_per_request: Option<Count>,
    pub(super) model_loads_per_request: Option<Count>,
    pub(super) model_runs_per_request: Option<Count>,
    pub(super) queue_depth: Option<Count>,
    pub(super) throughput: Option<Rate>,
    pub(super) error_rate: Option<Share>,
}

/// How many blocks, how long.
#[derive(Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping such as `{ blocks: 8, block: 2 s }`"
)]
pub(super) struct RawMeasure {
    pub(super) blocks: Option<u32>,
    pub(super) confirmation_blocks: Option<u32>,
    pub(super) block: Option<Time>,
    pub(super) warm_up: Option<Time>,
    pub(super) warm_up_limit: Option<Time>,
    pub(super) time_limit: Option<Time>,
    pub(super) control: Option<bool>,
    pub(super) contention_limit: Option<Share>,
    pub(super) seed: Option<u64>,
}

/// What the verdicts mean.
#[derive(Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping such as `{ inconclusive: fail }`"
)]
pub(super) struct RawGate {
    #[serde(default)]
    pub(super) tolerance: RawTolerance,
    #[serde(default)]
    pub(super) severity: RawSeverities,
    pub(super) inconclusive: Option<RawSeverity>,
    pub(super) missed_by_base: Option<RawSeverity>,
}

/// The relative tolerances.
#[derive(Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping such as `{ latency: 3% }`"
)]
pub(super) struct RawTolerance {
    pub(super) bundle: Option<Share>,
    pub(super) latency: Option<Share>,
    pub(super) p95: Option<Share>,
    pub(super) cpu: Option<Share>,
    pub(super) memory: Option<Share>,
    pub(super) count: Option<Share>,
}

/// What a regression means, by the same keys as its tolerance.
#[derive(Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a mapping such as `{ p95: warn }`"
)]
pub(super) struct RawSeverities {
    pub(super) bundle: Option<RawWeight>,
    pub(super) latency: Option<RawWeight>,
    pub(super) p95: Option<RawWeight>,
    pub(super) cpu: Option<RawWeight>,
    pub(super) memory: Option<RawWeight>,
    pub(super) count: Option<RawWeight>,
}

/// What a regression of one kind of metric means.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawWeight {
    Fail,
    Warn,
    Show,
}

/// What something means for the outcome.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawSeverity {
    Warn,
    Fail,
}

/// A mapping in the order of the file. The shape check has seen that no name comes twice.
#[derive(Debug)]
pub(super) struct Entries<T>(pub(super) Vec<(String, T)>);

impl<T> Entries<T> {
    /// The names, in the order of the file.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
    type Value = Entries<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping of names to values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}

/// A text, or a list of texts.
#[derive(Debug)]
pub(super) struct OneOrMore(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMoreVisitor)
    }
}

struct OneOrMoreVisitor;

impl<'de> Visitor<'de> for OneOrMoreVisitor {
    type Value = OneOrMore;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, `\"@path\"` of a file, or a list of them")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMore, E> {
        Ok(OneOrMore(vec![text.to_owned()]))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<OneOrMore, E> {
        Ok(OneOrMore(vec![value.to_string()]))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<OneOrMore, E> {
        Ok(OneOrMore(vec![value.to_string()]))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<OneOrMore, E> {
        Ok(OneOrMore(vec![value.to_string()]))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<OneOrMore, E> {
        // `1.10` and `1.1` are the same number and not the same text.
        Err(E::custom(
            "a number with a fraction has no one spelling\nput it in quotes",
        ))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<OneOrMore, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(items)).map(OneOrMore)
    }
}

impl<'de> Deserialize<'de> for RawInstall {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InstallVisitor)
    }
}

struct InstallVisitor;

impl<'de> Visitor<'de> for InstallVisitor {
    type Value = RawInstall;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a shell line such as `npm ci`, or `{ run: npm ci, inputs: [package.json] }`")
    }

    fn visit_str<E: Error>(self, run: &str) -> Result<RawInstall, E> {
        Ok(RawInstall {
            run: run.to_owned(),
            inputs: Vec::new(),
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawInstall, A::Error> {
        let install = RawInstallMap::deserialize(MapAccessDeserializer::new(map))?;
        Ok(RawInstall {
            run: install.run,
            inputs: install.inputs,
        })
    }
}

/// The long shape of an install step.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawInstallMap {
    run: String,
    inputs: Vec<String>,
}
