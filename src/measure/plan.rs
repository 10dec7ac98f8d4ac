//! What to measure and how long: the option type of this stage.
//!
//! Plain data, already checked: every name is unique, every reference resolves, every
//! expression that has to parse has been parsed.

use std::collections::BTreeMap;
use std::path::PathBuf;
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
}

/// What a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceKind {
    /// A process of ours, one for each arm.
    Process(Process),
    /// Something that already runs, shared by both arms.
    External {
        /// Its address: `http://127.0.0.1:8080`.
        url: String,
    },
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
    /// Name of the session that is sent, if any.
    pub session: Option<String>,
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
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// None.
    Empty,
    /// JSON text.
    Json(String),
    /// Multipart form: field name and value. Values that are files are relative to the project
    /// and sent in this order.
    Multipart(Vec<(String, Part)>),
}

/// A part of a multipart body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Plain text.
    Text(String),
    /// The content of a file, relative to the project.
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
    /// The login request.
    pub request: Request,
    /// Where the answer has what proves it.
    pub proof: Proof,
}

/// Where the answer to a login has what proves it later, and so how it is sent.
#[derive(Debug, Clone)]
pub enum Proof {
    /// A text at this JSON path, here with the text it was parsed from: `Authorization: Bearer`.
    Token(String, serde_json_path::JsonPath),
    /// The cookie of this name.
    Cookie(String),
    /// The header of this name, sent as the same header.
    Header(String),
}
