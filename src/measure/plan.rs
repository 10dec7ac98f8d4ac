//! What to measure and how long: the option type of this stage.
//!
//! Plain data, already checked: every name is unique, every reference resolves, every
//! expression that has to parse has been parsed.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything `measure` needs to know.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Name of the project.
    pub project: String,
    /// Frontends to build and weigh.
    pub frontends: Vec<Frontend>,
    /// Services in the order they are started: dependencies first.
    pub services: Vec<Service>,
    /// Endpoints to drive.
    pub endpoints: Vec<Endpoint>,
    /// Sessions that endpoints may use.
    pub sessions: Vec<Session>,
    /// How many blocks, how long.
    pub sampling: Sampling,
}

/// A frontend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frontend {
    /// Name in the configuration.
    pub name: String,
    /// Directory relative to the project.
    pub directory: PathBuf,
    /// Shell line that installs dependencies.
    pub install: Option<Install>,
    /// Shell line that builds. For Vite, `-- --manifest --sourcemap hidden` is added by the
    /// runner of the build, not by the user.
    pub build: String,
    /// Output folder relative to `directory`.
    pub output: PathBuf,
    /// Folders and files relative to the project that alone decide what is built. When they are
    /// the same as in an earlier build, its sizes are used again. Empty: the whole project.
    pub sources: Vec<PathBuf>,
    /// Stats of webpack or Rspack or a metafile of esbuild that the build writes, relative to
    /// `directory`; none where the usual places are looked at.
    pub stats: Option<PathBuf>,
    /// Whether brotli sizes are shown beside gzip's.
    pub brotli: bool,
    /// Longest time an install or build may take.
    pub within: Duration,
}

/// An install step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// Shell line.
    pub run: String,
    /// Files relative to the directory that alone decide what is installed. When they are the
    /// same as in an earlier run of the step, its result is copied. Empty: the whole project.
    pub inputs: Vec<PathBuf>,
}

/// A service of the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Name in the configuration.
    pub name: String,
    /// What it is.
    pub kind: ServiceKind,
    /// Services that must be ready first.
    pub needs: Vec<String>,
    /// When it counts as ready.
    pub ready: Ready,
    /// Longest time it may take to become ready.
    pub within: Duration,
    /// Address of its database, a template with `{{ address }}`; what the statement probe reads.
    pub connection: Option<String>,
    /// Shell line, or `.sql` file relative to the directory, that fills it once it is ready.
    pub seed: Option<String>,
    /// Whether each block gets a fresh process.
    pub fresh: Fresh,
    /// What is spoken at its address.
    pub speaks: Speaks,
    /// Files of models, relative to its directory: how often each is opened is counted.
    pub models: Vec<PathBuf>,
    /// Where it says how often it ran its models.
    pub model_runs: Option<ModelRuns>,
    /// Names of queues in it, where it is a RabbitMQ: how many messages wait there is asked.
    pub queues: Vec<String>,
    /// Whether its data is put back before every block: a database as it was seeded, a cache or a
    /// queue empty.
    /// None: where nothing stands against it.
    pub restore: Option<bool>,
    /// Whether its memory on graphics cards is asked for.
    pub has_gpu_memory_budget: bool,
    /// Whether it is asked how busy graphics cards are with it.
    pub has_gpu_utilization_budget: bool,
    /// Whether it has a target for its highest memory: what has ended when that is read is looked for
    /// only then.
    pub has_peak_budget: bool,
}

/// A counter that a service exposes in Prometheus' text format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRuns {
    /// The path it is read from, for example `/metrics`.
    pub path: String,
    /// Name of the counter, for example `model_runs_total`.
    pub counter: String,
}

/// What a service speaks at its address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Speaks {
    /// HTTP/2 instead of HTTP/1.1: chosen in the TLS handshake, with prior knowledge without TLS.
    pub http2: bool,
    /// TLS, where it does.
    pub tls: Option<Tls>,
    /// Path of the unix socket it listens on instead of its port, a template.
    pub socket: Option<String>,
}

/// Whom to trust at a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// File of the certificates that may have signed its own, in PEM: relative to the project, or
    /// a template such as `{{ data }}/ca.pem`. None: those that the system trusts.
    pub ca: Option<PathBuf>,
    /// Name that its certificate must have. None: that of its address.
    pub name: Option<String>,
}

/// What a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceKind {
    /// A process of ours, one for each arm.
    Process(Process),
    /// A container of ours, one for each arm.
    Container(Box<Container>),
    /// Something that already runs, shared by both arms.
    External {
        /// Its address: `http://127.0.0.1:8080`.
        url: String,
    },
}

impl ServiceKind {
    /// The folder of its code, relative to the project, where that is known.
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Process(process) => Some(&process.directory),
            Self::Container(container) => match &container.image {
                Image::Built(build) => Some(&build.context),
                Image::Named(_) => None,
            },
            Self::External { .. } => None,
        }
    }

    /// Whether each arm has its own.
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Process(_) | Self::Container(_) => true,
            Self::External { .. } => false,
        }
    }
}

/// A service that is a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// What it is made from.
    pub image: Image,
    /// The port it listens on inside; none for what nothing is sent to.
    pub port: Option<u16>,
    /// Instead of the image's command; may hold templates.
    pub command: Option<Vec<String>>,
    /// Instead of the image's entry point.
    pub entrypoint: Option<Vec<String>>,
    /// Environment; values may hold templates.
    pub environment: BTreeMap<String, String>,
    /// What is mounted where.
    pub volumes: Vec<Volume>,
    /// The health check, instead of the image's: `CMD` and a program, or `CMD-SHELL` and a line.
    pub health: Option<Vec<String>>,
    /// Limit of its memory in bytes; none without a limit.
    pub memory: Option<u64>,
    /// Limit of its CPU time in billionths of a core; none without a limit.
    pub nano_cpus: Option<i64>,
    /// The account it runs as, instead of the image's.
    pub user: Option<String>,
    /// The folder it starts in, instead of the image's.
    pub working_dir: Option<String>,
    /// Size of `/dev/shm` in bytes; none for the engine's own.
    pub shm_size: Option<u64>,
    /// Whether a small init is process 1.
    pub init: bool,
    /// Names the other services know it by, beside its own.
    pub aliases: Vec<String>,
}

/// What a container is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Image {
    /// An image of this name: the engine's own, or a registry's.
    Named(String),
    /// Built from the arm's own tree.
    Built(Build),
}

/// How an image is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Folder relative to the project.
    pub context: PathBuf,
    /// Dockerfile relative to the context.
    pub dockerfile: String,
    /// Stage that is built; none for the last.
    pub target: Option<String>,
    /// Arguments of the build.
    pub args: BTreeMap<String, String>,
    /// Network of its `RUN` lines; none for the engine's own.
    pub network: Option<String>,
}

/// What is mounted in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// What.
    pub source: VolumeSource,
    /// Where in the container.
    pub target: String,
    /// Whether it can only be read.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeSource {
    /// A volume of this name, of the arm's own and empty at first.
    Named(String),
    /// A file or folder of the arm's own tree, relative to the project.
    Bind(PathBuf),
    /// Memory.
    Tmpfs,
}

/// A service that is a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Directory relative to the project.
    pub directory: PathBuf,
    /// Shell line that installs dependencies.
    pub install: Option<Install>,
    /// Shell line run once before the first start: `initdb`. May hold templates.
    pub prepare: Option<String>,
    /// Shell line that starts it and stays. May hold templates: `{{ port }}`, `{{ data }}`,
    /// `{{ address }}`, `{{ services.NAME.address }}`, `{{ services.NAME.port }}`.
    pub command: String,
    /// Environment; values may hold templates.
    pub environment: BTreeMap<String, String>,
    /// Fixed port of the base arm; head gets the next one, a control the one after. None: free
    /// ports.
    pub port: Option<u16>,
}

/// When a service counts as ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// Its port accepts connections.
    Tcp,
    /// A GET of this path answers 2xx.
    Http {
        /// Path with leading slash.
        path: String,
    },
    /// This statement succeeds over the service's `connection`.
    Postgres {
        /// SQL, for example `select 1`.
        query: String,
    },
    /// It answers `PING` with `PONG`.
    Redis,
    /// A line of its log has this text.
    Log {
        /// Part of the line.
        text: String,
    },
    /// Its health check succeeds: that of a container.
    Health,
    /// It has been started.
    Started,
    /// It has ended, and without an error: a migration, a fixture.
    Completed,
}

/// When a service gets a fresh process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fresh {
    /// For every block, so that the luck of one process does not become a verdict.
    PerBlock,
    /// Once for the whole run: databases and caches.
    PerRun,
}

/// An endpoint.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Name in the configuration.
    pub name: String,
    /// Service that answers.
    pub service: String,
    /// What is sent.
    pub request: Request,
    /// What a good response is.
    pub expect: Expect,
    /// How it is driven.
    pub load: Load,
    /// Longest time one request may take.
    pub time_out: Duration,
    /// Longest time that it may be timed in all, over all blocks.
    pub time_limit: Option<Duration>,
    /// Name of the session that is sent, if any.
    pub session: Option<String>,
    /// Whether the first request of a fresh process is timed apart.
    pub cold_start: bool,
    /// What one request does at once, where it is a batch.
    pub batch: Option<Batch>,
    /// Whether it has a target for the bytes that are read for it.
    pub has_read_budget: bool,
}

/// A request that does the work of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// How many.
    pub size: u32,
    /// The endpoint that does one of them.
    pub of: Option<String>,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Method in capitals.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers.
    pub headers: BTreeMap<String, String>,
    /// Body.
    pub body: Body,
    /// What stands for `{{ name }}` in path, headers and JSON.
    pub variables: BTreeMap<String, Variable>,
}

/// What differs from request to request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// One of these integers, at random.
    Integers(RangeInclusive<i64>),
    /// One of these texts or numbers, at random.
    OneOf(Vec<serde_json::Value>),
    /// 1, 2, 3, … over the whole run of an arm, never twice the same.
    Sequence,
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// None.
    Empty,
    /// JSON text.
    Json(String),
    /// Text as it is.
    Text(String),
    /// The content of a file, relative to the project; of a folder, of its files one after the
    /// other, in the order of their names.
    File(PathBuf),
    /// Multipart form: field name and value. Values that are files are relative to the project
    /// and sent in this order.
    Multipart(Vec<(String, Part)>),
}

/// A part of a multipart body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Plain text.
    Text(String),
    /// The content of a file, relative to the project; of a folder as for [`Body::File`].
    File(PathBuf),
}

/// What a good response is.
#[derive(Debug, Clone, Default)]
pub struct Expect {
    /// Its status; none accepts every 2xx.
    pub status: Option<u16>,
    /// Headers that must be there, each with a text its value must contain.
    pub headers: Vec<(String, String)>,
    /// A JSON path that must find something, with the text it was parsed from.
    pub json: Option<(String, serde_json_path::JsonPath)>,
    /// Text the body must contain.
    pub contains: Option<String>,
    /// SHA-256 of the body.
    pub sha256: Option<[u8; 32]>,
    /// What must be the same as in base's answer to the same request; none where it may differ.
    pub same: Option<Same>,
}

/// What must be the same in all arms.
#[derive(Debug, Clone, Default)]
pub struct Same {
    /// What this JSON path finds, with the text it was parsed from; none for the whole body.
    pub path: Option<(String, serde_json_path::JsonPath)>,
}

/// How an endpoint is driven.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Load {
    /// A closed loop: the next request is sent when an answer is in.
    Closed {
        /// Requests under way at once.
        concurrency: u32,
    },
    /// An open loop: requests are sent when they are due, whatever is under way.
    Open(OpenLoad),
}

/// An open loop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OpenLoad {
    /// How many requests.
    pub rate: Rate,
    /// When each is due.
    pub arrivals: Arrivals,
    /// Most connections; what is due while all are busy waits, and its wait counts.
    pub connections: u32,
}

/// Requests in a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// So many.
    PerSecond(f64),
    /// A share of what base can answer, measured once; see [`Rate::AUTO_SHARE`].
    Auto,
}

impl Rate {
    /// Share of base's capacity that [`Rate::Auto`] asks for: below half, so that waiting in line
    /// does not amplify the noise of the machine.
    pub const AUTO_SHARE: f64 = 0.4;
}

/// How requests of an open loop are spread in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrivals {
    /// At random, as users come who do not know of one another.
    Poisson,
    /// At equal distances.
    Uniform,
}

/// How many blocks, how long.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// Blocks of the first stage.
    pub blocks: u32,
    /// Fresh blocks for what looks suspicious.
    pub confirmation_blocks: u32,
    /// Timed length of one endpoint in one block, both arms together.
    pub block: Duration,
    /// Untimed load of each endpoint before each block, both arms at once.
    pub warm_up: Duration,
    /// Longest untimed load of an endpoint that still gets faster.
    pub warm_up_limit: Duration,
    /// Longest time that measuring may take in all, from the first start of a service.
    pub time_limit: Option<Duration>,
    /// Whether base is measured a second time beside itself in the first stage: an A/A control.
    pub control: bool,
    /// Share of a block that other work may take; above it, the block is measured again.
    pub contention_limit: f64,
    /// Seed of every random choice.
    pub seed: u64,
}

/// A session: how to log in, and what to send afterwards.
#[derive(Debug, Clone)]
pub struct Session {
    /// Name in the configuration.
    pub name: String,
    /// Service to log in at.
    pub service: String,
    /// What is asked before, for what the login needs. Cookies that are set on the way are sent.
    pub before: Vec<Step>,
    /// The login request. `{{ name }}` in it stands for what was captured before, and
    /// `{{ env.NAME }}` for a variable of the environment.
    pub request: Request,
    /// Where the answer has what proves it later: what a JSON path finds is sent as
    /// `Authorization: Bearer`, a cookie as cookie, a header as the same header.
    pub proof: Source,
}

/// A request before the one that logs in.
#[derive(Debug, Clone)]
pub struct Step {
    /// What is sent, with the same expressions.
    pub request: Request,
    /// What is kept of the answer, by name.
    pub captures: Vec<(String, Source)>,
}

/// Where the answer to a request has something.
#[derive(Debug, Clone)]
pub enum Source {
    /// What this JSON path finds, with the text it was parsed from.
    Json(String, serde_json_path::JsonPath),
    /// The cookie of this name.
    Cookie(String),
    /// The header of this name.
    Header(String),
}
