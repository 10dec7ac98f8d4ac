//! The mirror of the file becomes a [`Config`]: every default and every cross-check, once.
//!
//! Must not read files: that a folder exists may be true of one arm and not of the other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::measure::Plan;
use crate::measure::plan::{
    Arrivals, Batch, Body, Endpoint, Expect, Frontend, Load, OpenLoad, Part, Rate, Request, Same,
    Sampling, Service, ServiceKind, Session, Source, Step,
};
use crate::measure::probes::contention::CONTENTION_LIMIT;
use crate::store;

use super::compose::Composed;
use super::error::{Flaw, Problem, quote};
use super::locate::KeyPath;
use super::quantity::{RateOrAuto, Time};
use super::raw::{
    Entries, OneOrMore, RawArrivals, RawBatch, RawConfig, RawEndpoint, RawExpect, RawFrontend,
    RawLoad, RawMeasure, RawSession, SameAsBase,
};
use super::{Config, Ignored, fields, judge, stack, varying};

/// Longest time an install or a build may take, unless the frontend says otherwise.
const BUILD_WITHIN: Time = Time(600_000.0);
/// Longest time one request may take, unless the endpoint says otherwise.
const TIME_OUT: Time = Time(10_000.0);
/// Most connections of an open loop, unless the endpoint says otherwise: what browsers of some
/// dozen users open.
const CONNECTIONS: u32 = 100;
/// Untimed load of an endpoint before every block, unless the file says otherwise.
const WARM_UP: Time = Time(1_000.0);
/// How many times as long it may go on where an endpoint still gets faster.
const WARM_UP_LIMIT: f64 = 4.0;
/// An interval needs at least this many blocks.
const LEAST_BLOCKS: u32 = 3;
/// In a shorter block one stray request decides.
const SHORTEST_BLOCK: Time = Time(100.0);
/// Where runs are kept, unless the file says otherwise.
const STORE: &str = ".tollgate/baselines.db";

/// The option types of every stage.
pub(super) fn resolve(
    raw: &RawConfig,
    composed: &[Composed],
    project_root: &Path,
) -> Result<Config, Problem> {
    let plan = plan(raw, composed)?;
    Ok(Config {
        policy: judge::policy(raw, &plan)?,
        gate: judge::gate(&raw.gate),
        store: location(raw, project_root)?,
        ignored: Ignored::read(&raw.paths_ignore, &KeyPath::root().key("paths-ignore"))?,
        plan,
    })
}

fn plan(raw: &RawConfig, composed: &[Composed]) -> Result<Plan, Problem> {
    let root = KeyPath::root();
    let project = fields::name(&raw.project).map_err(|flaw| flaw.at(&root.key("project")))?;
    if raw.frontend.is_empty() && raw.endpoints.is_empty() {
        let flaw = Flaw::new("nothing to measure: there is no frontend and no endpoint");
        return Err(flaw
            .help("add `frontend:` or `endpoints:`")
            .at_key(&root.key("project")));
    }
    let services = stack::resolve(&raw.services, composed)?;
    let sessions = sessions(&raw.sessions, &services)?;
    Ok(Plan {
        project,
        frontends: frontends(&raw.frontend)?,
        endpoints: endpoints(raw, &services)?,
        services,
        sessions,
        sampling: sampling(&raw.measure)?,
    })
}

fn frontends(raw: &[RawFrontend]) -> Result<Vec<Frontend>, Problem> {
    let at = KeyPath::root().key("frontend");
    names_differ("frontend", raw.iter().map(|raw| raw.name.as_str()), &at)?;
    raw.iter()
        .enumerate()
        .map(|(index, raw)| frontend(raw, &at.index(index)))
        .collect()
}

fn frontend(raw: &RawFrontend, at: &KeyPath) -> Result<Frontend, Problem> {
    let path =
        |key: &str, text: &str| fields::project_path(text).map_err(|flaw| flaw.at(&at.key(key)));
    let install = raw.install.as_ref();
    let within = raw.within.unwrap_or(BUILD_WITHIN);
    stack::not_zero(within, &at.key("within"))?;
    Ok(Frontend {
        name: fields::name(&raw.name).map_err(|flaw| flaw.at(&at.key("name")))?,
        directory: path("directory", raw.directory.as_deref().unwrap_or("."))?,
        install: install
            .map(|raw| stack::install(raw, &at.key("install")))
            .transpose()?,
        build: fields::shell_line(&raw.build).map_err(|flaw| flaw.at(&at.key("build")))?,
        output: path("output", &raw.output)?,
        sources: paths(&raw.sources, &at.key("sources"))?,
        stats: (raw.stats.as_deref())
            .map(|text| path("stats", text))
            .transpose()?,
        brotli: raw.brotli,
        within: within.duration(),
    })
}

/// Paths of the project, each with its own place in an error.
pub(super) fn paths(texts: &[String], at: &KeyPath) -> Result<Vec<PathBuf>, Problem> {
    texts
        .iter()
        .enumerate()
        .map(|(index, text)| fields::project_path(text).map_err(|flaw| flaw.at(&at.index(index))))
        .collect()
}

fn sessions(raw: &Entries<RawSession>, services: &[Service]) -> Result<Vec<Session>, Problem> {
    let at = KeyPath::root().key("sessions");
    raw.0
        .iter()
        .map(|(name, raw)| session(name, raw, services, &at.key(name)))
        .collect()
}

fn session(
    name: &str,
    raw: &RawSession,
    services: &[Service],
    at: &KeyPath,
) -> Result<Session, Problem> {
    answers_http(&raw.service, services, &at.key("service"))?;
    let mut captured: Vec<&str> = Vec::new();
    let mut before = Vec::new();
    for (index, raw) in raw.before.iter().enumerate() {
        let at = at.key("before").index(index);
        let step = of_login(
            &raw.request,
            &raw.headers,
            raw.json.as_ref(),
            &captured,
            &at,
        )?;
        let mut captures = Vec::new();
        for (name, source) in &raw.capture.0 {
            let at = at.key("capture").key(name);
            varying::is_name(name).map_err(|flaw| flaw.at_key(&at))?;
            let source = source_of(source).map_err(|flaw| flaw.at(&at))?;
            captures.push((name.clone(), source));
        }
        captured.extend(raw.capture.names());
        before.push(Step {
            request: step,
            captures,
        });
    }
    Ok(Session {
        name: fields::name(name).map_err(|flaw| flaw.at_key(at))?,
        service: raw.service.clone(),
        before,
        request: of_login(&raw.request, &raw.headers, raw.json.as_ref(), &captured, at)?,
        proof: proof(raw, at)?,
    })
}

/// A request of a login: what was captured before it may be used in it, and the environment.
fn of_login(
    line: &str,
    headers: &Entries<String>,
    json: Option<&serde_json::Value>,
    captured: &[&str],
    at: &KeyPath,
) -> Result<Request, Problem> {
    let body = json.map_or(Body::Empty, json_body);
    let request = request(line, headers, body, at)?;
    let known = |name: &str| captured.contains(&name) || name.starts_with("env.");
    let mut names = captured.to_vec();
    names.push("env.PASSWORD");
    varying::check(&request, &known, &names, at)?;
    Ok(request)
}

/// Where an answer has what is kept of it.
fn source_of(text: &str) -> Result<Source, Flaw> {
    if text.starts_with('$') {
        return fields::json_path(text).map(|(text, path)| Source::Json(text, path));
    }
    let named = |kind: &str| text.strip_prefix(kind).map(str::trim);
    let (name, source): (_, fn(String) -> Source) = match (named("cookie "), named("header ")) {
        (Some(name), _) => (name, Source::Cookie),
        (None, Some(name)) => (name, Source::Header),
        (None, None) => {
            let flaw = Flaw::new(format!("{} says not where to look", quote(text)));
            return Err(flaw.help("write `$.token`, `cookie NAME` or `header NAME`"));
        }
    };
    fields::header(name, "").map(|()| source(name.to_owned()))
}

fn proof(raw: &RawSession, at: &KeyPath) -> Result<Source, Problem> {
    let name = |key: &str, name: &str| {
        fields::header(name, "").map_err(|flaw| flaw.at(&at.key(key)))?;
        Ok(name.to_owned())
    };
    match (&raw.token, &raw.cookie, &raw.header) {
        (Some(path), None, None) => {
            let path = fields::json_path(path).map_err(|flaw| flaw.at(&at.key("token")))?;
            Ok(Source::Json(path.0, path.1))
        }
        (None, Some(cookie), None) => name("cookie", cookie).map(Source::Cookie),
        (None, None, Some(header)) => name("header", header).map(Source::Header),
        (None, None, None) => {
            let flaw = Flaw::new("the session does not say what proves it");
            let help = "add `token: $.token`, `cookie: NAME` or `header: NAME`: where the answer \
                        to the login has it";
            Err(flaw.help(help).at_key(at))
        }
        _ => {
            let flaw = Flaw::new("a session is proved by one thing");
            let help = "keep one of `token`, `cookie` and `header`";
            Err(flaw.help(help).at_key(at))
        }
    }
}

fn endpoints(raw: &RawConfig, services: &[Service]) -> Result<Vec<Endpoint>, Problem> {
    let at = KeyPath::root().key("endpoints");
    let names = raw.endpoints.iter().map(|raw| raw.name.as_str());
    names_differ("endpoint", names, &at)?;
    let sessions: Vec<&str> = raw.sessions.names().collect();
    let endpoints = raw
        .endpoints
        .iter()
        .enumerate()
        .map(|(index, raw)| endpoint(raw, services, &sessions, &at.index(index)))
        .collect::<Result<Vec<_>, _>>()?;
    batches_have_singles(&endpoints, &raw.endpoints)?;
    Ok(endpoints)
}

fn endpoint(
    raw: &RawEndpoint,
    services: &[Service],
    sessions: &[&str],
    at: &KeyPath,
) -> Result<Endpoint, Problem> {
    let name = fields::name(&raw.name).map_err(|flaw| flaw.at(&at.key("name")))?;
    answers_http(&raw.service, services, &at.key("service"))?;
    if let Some(session) = raw.session.as_deref()
        && !sessions.contains(&session)
    {
        let flaw = Flaw::new(format!("there is no session {}", quote(session)));
        let flaw = flaw.suggest(session, sessions.iter().copied(), "sessions");
        return Err(flaw.at(&at.key("session")));
    }
    let time_out = raw.time_out.unwrap_or(TIME_OUT);
    stack::not_zero(time_out, &at.key("time-out"))?;
    if let Some(limit) = raw.time_limit {
        stack::not_zero(limit, &at.key("time-limit"))?;
    }
    let mut request = request(&raw.request, &raw.headers, body(raw, at)?, at)?;
    request.variables = varying::variables(&raw.variables, at)?;
    let names: Vec<&str> = raw.variables.names().collect();
    varying::check(&request, &|name| names.contains(&name), &names, at)?;
    Ok(Endpoint {
        name,
        service: raw.service.clone(),
        request,
        cold_start: raw.cold_start.unwrap_or(false) || raw.budgets.cold_start.is_some(),
        batch: raw.batch.as_ref().map(|raw| batch(raw, at)).transpose()?,
        has_read_budget: raw.budgets.bytes_read_per_request.is_some(),
        expect: expect(&raw.expect, &at.key("expect"))?,
        load: load(raw, at)?,
        time_out: time_out.duration(),
        time_limit: raw.time_limit.map(Time::duration),
        session: raw.session.clone(),
    })
}

fn answers_http(name: &str, services: &[Service], at: &KeyPath) -> Result<(), Problem> {
    stack::exists(name, services, at)?;
    let service = services.iter().find(|service| service.name == name);
    match service.map(|service| &service.kind) {
        Some(ServiceKind::External { url })
            if !url.starts_with("http://") && !url.starts_with("https://") =>
        {
            let message = format!("service {} does not answer HTTP requests", quote(name));
            let help = "its `url` would have to start with `http://` or `https://`";
            Err(Flaw::new(message).help(help).at(at))
        }
        Some(ServiceKind::Container(container)) if container.port.is_none() => {
            let message = format!("service {} has no port to send requests to", quote(name));
            let help = "add `port:`, the one it listens on inside the container";
            Err(Flaw::new(message).help(help).at(at))
        }
        Some(
            ServiceKind::External { .. } | ServiceKind::Process(_) | ServiceKind::Container(_),
        )
        | None => Ok(()),
    }
}

fn request(
    line: &str,
    headers: &Entries<String>,
    body: Body,
    at: &KeyPath,
) -> Result<Request, Problem> {
    let (method, path) = fields::request_line(line).map_err(|flaw| flaw.at(&at.key("request")))?;
    let mut checked = BTreeMap::new();
    for (name, value) in &headers.0 {
        let at = at.key("headers").key(name);
        fields::header(name, value).map_err(|flaw| flaw.at_key(&at))?;
        checked.insert(name.clone(), value.clone());
    }
    Ok(Request {
        method,
        path,
        headers: checked,
        body,
        variables: BTreeMap::new(),
    })
}

fn batch(raw: &RawBatch, at: &KeyPath) -> Result<Batch, Problem> {
    if raw.size < 2 {
        let flaw = Flaw::new("a batch of one is no batch");
        let help = "write how many a request does at once";
        return Err(flaw.help(help).at(&at.key("batch").key("size")));
    }
    Ok(Batch {
        size: raw.size,
        of: raw.of.clone(),
    })
}

/// What a batch does several of must be another endpoint that does one.
fn batches_have_singles(endpoints: &[Endpoint], raw: &[RawEndpoint]) -> Result<(), Problem> {
    for (index, endpoint) in endpoints.iter().enumerate() {
        let at = KeyPath::root().key("endpoints").index(index);
        let batch = endpoint.batch.as_ref();
        let of = batch.and_then(|batch| batch.of.as_deref());
        if let Some(of) = of
            && !endpoints
                .iter()
                .any(|other| other.name == of && other.name != endpoint.name)
        {
            let others = endpoints.iter().map(|other| other.name.as_str());
            let others = others.filter(|name| *name != endpoint.name);
            let flaw = Flaw::new(format!("there is no other endpoint {}", quote(of)));
            let flaw = match endpoints.len() {
                1 => flaw.help("add an endpoint that does one, and name it here"),
                _ => flaw.suggest(of, others, "endpoints"),
            };
            return Err(flaw.at(&at.key("batch").key("of")));
        }
        let wants_gain = raw
            .get(index)
            .is_some_and(|raw| raw.budgets.batch_gain.is_some());
        if wants_gain && of.is_none() {
            let flaw = Flaw::new("a gain needs single requests to be compared with");
            let help = "add `batch: { size: 4, of: NAME }` with the endpoint that does one";
            return Err(flaw.help(help).at_key(&at.key("budgets").key("batch-gain")));
        }
    }
    Ok(())
}

fn body(raw: &RawEndpoint, at: &KeyPath) -> Result<Body, Problem> {
    match (&raw.json, &raw.multipart, &raw.body) {
        (None, None, None) => Ok(Body::Empty),
        (Some(json), None, None) => Ok(json_body(json)),
        (None, Some(parts), None) => multipart(parts, &at.key("multipart")),
        (None, None, Some(text)) => match part(text).map_err(|flaw| flaw.at(&at.key("body")))? {
            Part::Text(text) => Ok(Body::Text(text)),
            Part::File(path) => Ok(Body::File(path)),
        },
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
            let flaw = Flaw::new("a request has one body: `json`, `multipart` or `body`");
            let second = if raw.multipart.is_some() {
                "multipart"
            } else {
                "body"
            };
            Err(flaw.help("keep one").at_key(&at.key(second)))
        }
    }
}

fn json_body(value: &serde_json::Value) -> Body {
    Body::Json(value.to_string())
}

fn multipart(fields: &Entries<OneOrMore>, at: &KeyPath) -> Result<Body, Problem> {
    let mut parts = Vec::new();
    for (name, values) in &fields.0 {
        let at = at.key(name);
        if name.is_empty() || name.contains(['"', '\r', '\n', '\0']) {
            let flaw = Flaw::new(format!("{} is no name of a form field", quote(name)));
            return Err(flaw.at_key(&at));
        }
        for value in &values.0 {
            parts.push((name.clone(), part(value).map_err(|flaw| flaw.at(&at))?));
        }
    }
    if parts.is_empty() {
        let flaw = Flaw::new("a form without fields has nothing to send");
        let help = "write for example `{ image: \"@fixtures/cells.png\" }`";
        return Err(flaw.help(help).at_key(at));
    }
    Ok(Body::Multipart(parts))
}

fn part(value: &str) -> Result<Part, Flaw> {
    match value.strip_prefix('@') {
        Some(path) => fields::project_path(path).map(Part::File),
        None => Ok(Part::Text(value.to_owned())),
    }
}

fn expect(raw: &RawExpect, at: &KeyPath) -> Result<Expect, Problem> {
    if let Some(status) = raw.status
        && !(200..=599).contains(&status)
    {
        let flaw = Flaw::new(format!("`{status}` is not the status of a response"));
        return Err(flaw.help("write for example `200`").at(&at.key("status")));
    }
    for (name, value) in &raw.headers.0 {
        let at = at.key("headers").key(name);
        fields::header(name, value).map_err(|flaw| flaw.at_key(&at))?;
    }
    let json = raw.json.as_deref().map(fields::json_path).transpose();
    let sha256 = raw.sha256.as_deref().map(fields::sha256).transpose();
    let same = match &raw.same_as_base {
        None | Some(SameAsBase::All(false)) => None,
        Some(SameAsBase::All(true)) => Some(Same::default()),
        Some(SameAsBase::Path(path)) => {
            let path = fields::json_path(path).map_err(|flaw| flaw.at(&at.key("same-as-base")))?;
            Some(Same { path: Some(path) })
        }
    };
    Ok(Expect {
        status: raw.status,
        same,
        headers: raw.headers.0.clone(),
        json: json.map_err(|flaw| flaw.at(&at.key("json")))?,
        contains: raw.contains.clone(),
        sha256: sha256.map_err(|flaw| flaw.at(&at.key("sha256")))?,
    })
}

fn load(raw: &RawEndpoint, at: &KeyPath) -> Result<Load, Problem> {
    let at = at.key("load");
    let Some(rate) = raw.load.rate else {
        return closed_loop(&raw.load, &at);
    };
    if raw.load.concurrency.is_some() {
        let flaw = Flaw::new("`concurrency` and `rate` are two kinds of load");
        let help = "keep one: `concurrency` waits for answers, `rate` does not; `connections` \
                    limits how many requests of a rate are under way";
        return Err(flaw.help(help).at(&at.key("concurrency")));
    }
    let rate = match rate {
        RateOrAuto::Auto => Rate::Auto,
        RateOrAuto::PerMinute(per_minute) if per_minute > 0.0 => Rate::PerSecond(per_minute / 60.0),
        RateOrAuto::PerMinute(_) => {
            let flaw = Flaw::new("no requests are no load");
            return Err(flaw.help("write for example `50/s`").at(&at.key("rate")));
        }
    };
    let connections = at_least_one(raw.load.connections, CONNECTIONS, &at.key("connections"))?;
    Ok(Load::Open(OpenLoad {
        rate,
        arrivals: match raw.load.arrivals {
            None | Some(RawArrivals::Poisson) => Arrivals::Poisson,
            Some(RawArrivals::Uniform) => Arrivals::Uniform,
        },
        connections,
    }))
}

fn closed_loop(raw: &RawLoad, at: &KeyPath) -> Result<Load, Problem> {
    let of_open_loop = [
        ("arrivals", raw.arrivals.is_some()),
        ("connections", raw.connections.is_some()),
    ];
    if let Some((key, _)) = of_open_loop.iter().find(|(_, is_there)| *is_there) {
        let flaw = Flaw::new(format!("`{key}` means nothing without a `rate`"));
        let help = "write `rate: 50/s` beside it, or leave it out";
        return Err(flaw.help(help).at(&at.key(key)));
    }
    let concurrency = at_least_one(raw.concurrency, 1, &at.key("concurrency"))?;
    Ok(Load::Closed { concurrency })
}

fn at_least_one(written: Option<u32>, default: u32, at: &KeyPath) -> Result<u32, Problem> {
    let count = written.unwrap_or(default);
    if count > 0 {
        return Ok(count);
    }
    let flaw = Flaw::new("no requests at once are no load");
    Err(flaw.help("write `1` or more").at(at))
}

fn sampling(raw: &RawMeasure) -> Result<Sampling, Problem> {
    let at = KeyPath::root().key("measure");
    let block = raw.block.unwrap_or(Time(2_000.0));
    if block.0 < SHORTEST_BLOCK.0 {
        let flaw = Flaw::new("the block is too short: one stray request would decide it");
        return Err(flaw
            .help("write `100 ms` or more; the default is `2 s`")
            .at(&at.key("block")));
    }
    let limit = raw
        .contention_limit
        .map_or(CONTENTION_LIMIT, |limit| limit.0);
    if limit > 1.0 {
        let flaw = Flaw::new("other work cannot take more than all of a block");
        return Err(flaw
            .help("write for example `30%`, the default; `100%` counts every block")
            .at(&at.key("contention-limit")));
    }
    let warm_up = raw.warm_up.unwrap_or(WARM_UP);
    let warm_up_limit = raw.warm_up_limit.unwrap_or(Time(warm_up.0 * WARM_UP_LIMIT));
    if warm_up_limit.0 < warm_up.0 {
        let flaw = Flaw::new("the limit is shorter than every warm-up");
        let help = "write as much as `warm-up` or more; as much means that nothing is added";
        return Err(flaw.help(help).at(&at.key("warm-up-limit")));
    }
    if let Some(limit) = raw.time_limit {
        stack::not_zero(limit, &at.key("time-limit"))?;
    }
    Ok(Sampling {
        blocks: blocks(raw.blocks, 8, &at.key("blocks"))?,
        confirmation_blocks: blocks(raw.confirmation_blocks, 16, &at.key("confirmation-blocks"))?,
        block: block.duration(),
        warm_up: warm_up.duration(),
        warm_up_limit: warm_up_limit.duration(),
        time_limit: raw.time_limit.map(Time::duration),
        control: raw.control.unwrap_or(false),
        contention_limit: limit,
        seed: raw.seed.unwrap_or(1),
    })
}

fn blocks(written: Option<u32>, default: u32, at: &KeyPath) -> Result<u32, Problem> {
    let blocks = written.unwrap_or(default);
    if blocks >= LEAST_BLOCKS {
        return Ok(blocks);
    }
    let flaw = Flaw::new(format!("{blocks} blocks are too few for an interval"));
    let help = format!("write `{LEAST_BLOCKS}` or more; the default is `{default}`");
    Err(flaw.help(help).at(at))
}

fn location(raw: &RawConfig, project_root: &Path) -> Result<store::Location, Problem> {
    let at = KeyPath::root().key("store");
    let text = raw.store.as_deref().unwrap_or(STORE);
    if let Some(address) = store::Address::parse(text) {
        return Ok(store::Location::Postgres(address));
    }
    if text.contains("://") {
        let flaw = Flaw::new("runs are kept in a SQLite file or in PostgreSQL");
        let help = format!("write a path such as `{STORE}`, or `postgres://user@host/database`");
        return Err(flaw.help(help).at(&at));
    }
    let path = fields::project_path(text).map_err(|flaw| flaw.at(&at))?;
    Ok(store::Location::Sqlite(project_root.join(path)))
}

fn names_differ<'a>(
    kind: &str,
    names: impl Iterator<Item = &'a str>,
    at: &KeyPath,
) -> Result<(), Problem> {
    let mut seen = Vec::new();
    for (index, name) in names.enumerate() {
        if let Some(first) = seen.iter().position(|other| *other == name) {
            let message = format!("two of the {kind}s are called {}", quote(name));
            let help = format!("give this one another name than number {}", first + 1);
            let at = at.index(index).key("name");
            return Err(Flaw::new(message).help(help).at(&at));
        }
        seen.push(name);
    }
    Ok(())
}
