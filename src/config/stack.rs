//! The services: what each is, what it needs, and the order they are started in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use crate::measure::plan::{Fresh, Install, Process, Ready, Service, ServiceKind, Speaks, Tls};

use super::error::{Flaw, Problem, quote};
use super::locate::KeyPath;
use super::quantity::Time;
use super::raw::{Entries, RawFresh, RawInstall, RawReady, RawService};
use super::template::{self, Scope};
use super::{fields, resolve};

/// Longest time a service may take to become ready, unless it says otherwise.
const READY_WITHIN: Time = Time(30_000.0);

/// Every service, dependencies first, otherwise in the order of the file.
pub(super) fn resolve(raw: &Entries<RawService>) -> Result<Vec<Service>, Problem> {
    let names: Vec<&str> = raw.names().collect();
    let at = KeyPath::root().key("services");
    let mut services = Vec::new();
    for (name, raw) in &raw.0 {
        services.push(service(name, raw, &names, &at.key(name))?);
    }
    ports_differ(&services)?;
    start_order(services)
}

/// Checks that a service exists.
pub(super) fn exists(name: &str, services: &[Service], at: &KeyPath) -> Result<(), Problem> {
    let mut names = services.iter().map(|service| service.name.as_str());
    if names.any(|other| other == name) {
        return Ok(());
    }
    Err(unknown(name, services.iter().map(|service| service.name.as_str())).at(at))
}

/// An install step.
pub(super) fn install(raw: &RawInstall, at: &KeyPath) -> Result<Install, Problem> {
    let run = fields::shell_line(&raw.run).map_err(|flaw| flaw.at(at))?;
    let inputs = resolve::paths(&raw.inputs, &at.key("inputs"))?;
    Ok(Install { run, inputs })
}

fn unknown<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Flaw {
    Flaw::new(format!("there is no service {}", quote(name))).suggest(name, names, "services")
}

fn service(name: &str, raw: &RawService, names: &[&str], at: &KeyPath) -> Result<Service, Problem> {
    let name = fields::service_name(name).map_err(|flaw| flaw.at_key(at))?;
    let kind = kind(&name, raw, at)?;
    let (ready, within) = ready(raw, at)?;
    if let Some(connection) = &raw.connection
        && !connection.contains("://")
    {
        let flaw = Flaw::new("the connection is no address");
        let help = "write for example `postgresql://postgres@{{ address }}/app`";
        return Err(flaw.help(help).at(&at.key("connection")));
    }
    Ok(Service {
        needs: needs(&name, raw, names, at)?,
        kind,
        ready,
        within,
        connection: raw.connection.clone(),
        seed: seed(raw, at)?,
        fresh: fresh(raw),
        speaks: speaks(raw, at)?,
        has_gpu_budget: raw
            .budgets
            .as_ref()
            .is_some_and(|one| one.gpu_memory.is_some()),
        models: resolve::paths(raw.models.as_deref().unwrap_or_default(), &at.key("models"))?,
        name,
    })
}

fn speaks(raw: &RawService, at: &KeyPath) -> Result<Speaks, Problem> {
    let is_https = raw
        .url
        .as_deref()
        .is_some_and(|url| url.starts_with("https://"));
    let is_http = raw
        .url
        .as_deref()
        .is_some_and(|url| url.starts_with("http://"));
    if let Some(tls) = &raw.tls {
        let at = at.key("tls");
        if is_http {
            let flaw = Flaw::new("an address that starts with `http://` has no TLS");
            return Err(flaw.help("write `https://` in its `url`").at(&at));
        }
        if tls.ca.as_deref() == Some("") || tls.name.as_deref() == Some("") {
            let flaw = Flaw::new("an empty text says nothing");
            return Err(flaw
                .help("write for example `{ ca: certs/ca.pem }`")
                .at(&at));
        }
    }
    let tls = raw.tls.as_ref().map(|tls| Tls {
        ca: tls.ca.as_ref().map(PathBuf::from),
        name: tls.name.clone(),
    });
    Ok(Speaks {
        http2: raw.http2.unwrap_or(false),
        tls: tls.or_else(|| is_https.then(Tls::default)),
        socket: raw.socket.clone(),
    })
}

fn kind(name: &str, raw: &RawService, at: &KeyPath) -> Result<ServiceKind, Problem> {
    match (&raw.command, &raw.url) {
        (Some(command), None) => process(command, raw, at).map(ServiceKind::Process),
        (None, Some(url)) => {
            only_for_processes(raw, at)?;
            let url = fields::url(url).map_err(|flaw| flaw.at(&at.key("url")))?;
            Ok(ServiceKind::External { url })
        }
        (Some(_), Some(_)) => {
            let message = format!("service {} has a `command` and a `url`", quote(name));
            let help = "keep `command` to start it for each arm, or `url` if it already runs";
            Err(Flaw::new(message).help(help).at_key(&at.key("url")))
        }
        (None, None) => {
            let message = format!("service {} has no `command` and no `url`", quote(name));
            let help = "add `command:` to start it, or `url:` if it already runs";
            Err(Flaw::new(message).help(help).at_key(at))
        }
    }
}

/// What already runs is not started, so nothing may say how.
fn only_for_processes(raw: &RawService, at: &KeyPath) -> Result<(), Problem> {
    let keys = [
        ("directory", raw.directory.is_some()),
        ("install", raw.install.is_some()),
        ("prepare", raw.prepare.is_some()),
        ("environment", raw.environment.is_some()),
        ("port", raw.port.is_some()),
        ("fresh", raw.fresh.is_some()),
        ("budgets", raw.budgets.is_some()),
        ("models", raw.models.is_some()),
    ];
    match keys.into_iter().find(|(_, written)| *written) {
        Some((key, _)) => {
            let message = format!("{} has no effect on a service with a `url`", quote(key));
            let help = "remove it, or let `command` start the service";
            Err(Flaw::new(message).help(help).at_key(&at.key(key)))
        }
        None => Ok(()),
    }
}

fn process(command: &str, raw: &RawService, at: &KeyPath) -> Result<Process, Problem> {
    let directory = raw.directory.as_deref().unwrap_or(".");
    let install = raw.install.as_ref();
    let line =
        |key: &str, text: &str| fields::shell_line(text).map_err(|flaw| flaw.at(&at.key(key)));
    Ok(Process {
        directory: fields::project_path(directory).map_err(|flaw| flaw.at(&at.key("directory")))?,
        install: install
            .map(|raw| self::install(raw, &at.key("install")))
            .transpose()?,
        prepare: raw
            .prepare
            .as_deref()
            .map(|text| line("prepare", text))
            .transpose()?,
        command: line("command", command)?,
        environment: environment(raw, at)?,
        port: raw.port,
    })
}

fn environment(raw: &RawService, at: &KeyPath) -> Result<BTreeMap<String, String>, Problem> {
    let mut variables = BTreeMap::new();
    for (name, value) in raw.environment.iter().flat_map(|entries| &entries.0) {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            let flaw = Flaw::new(format!("{} cannot be in an environment", quote(name)));
            return Err(flaw.at_key(&at.key("environment").key(name)));
        }
        variables.insert(name.clone(), value.clone());
    }
    Ok(variables)
}

fn seed(raw: &RawService, at: &KeyPath) -> Result<Option<String>, Problem> {
    let Some(seed) = &raw.seed else {
        return Ok(None);
    };
    let at = at.key("seed");
    // `psql -f seed.sql` ends like a path and is none.
    if seed.ends_with(".sql") && !seed.contains(char::is_whitespace) {
        fields::project_path(seed).map_err(|flaw| flaw.at(&at))?;
        if raw.connection.is_none() {
            let flaw = Flaw::new("a seed of SQL needs a connection to run over");
            let help = "add `connection: postgresql://postgres@{{ address }}/app`";
            return Err(flaw.help(help).at(&at));
        }
    }
    fields::shell_line(seed)
        .map(Some)
        .map_err(|flaw| flaw.at(&at))
}

fn fresh(raw: &RawService) -> Fresh {
    let keeps_data = raw.connection.is_some() || raw.seed.is_some() || raw.prepare.is_some();
    match raw.fresh {
        Some(RawFresh::PerRun) => Fresh::PerRun,
        Some(RawFresh::PerBlock) => Fresh::PerBlock,
        None if keeps_data || raw.url.is_some() => Fresh::PerRun,
        None => Fresh::PerBlock,
    }
}

fn ready(raw: &RawService, at: &KeyPath) -> Result<(Ready, Duration), Problem> {
    let none = RawReady::default();
    let at = at.key("ready");
    let ready = raw.ready.as_ref().unwrap_or(&none);
    let written = [
        ("http", ready.http.is_some()),
        ("postgres", ready.postgres.is_some()),
        ("redis", ready.redis.is_some()),
        ("tcp", ready.tcp.is_some()),
    ];
    let mut written = written.into_iter().filter(|(_, written)| *written);
    let (first, second) = (written.next(), written.next());
    if let (Some((first, _)), Some((second, _))) = (first, second) {
        let message = format!("a service is ready by `{first}` or by `{second}`, not by both");
        return Err(Flaw::new(message).help("keep one").at_key(&at.key(second)));
    }
    let within = ready.within.unwrap_or(READY_WITHIN);
    not_zero(within, &at.key("within"))?;
    Ok((ready_kind(ready, raw, &at)?, within.duration()))
}

fn ready_kind(ready: &RawReady, raw: &RawService, at: &KeyPath) -> Result<Ready, Problem> {
    for (key, value) in [("redis", ready.redis), ("tcp", ready.tcp)] {
        if value == Some(false) {
            let flaw = Flaw::new(format!("`{key}: false` says nothing"));
            return Err(flaw.help(format!("write `{key}: true`")).at(&at.key(key)));
        }
    }
    if let Some(path) = &ready.http {
        let path = fields::url_path(path).map_err(|flaw| flaw.at(&at.key("http")))?;
        return Ok(Ready::Http { path });
    }
    if let Some(query) = &ready.postgres {
        if !raw.connection.as_deref().is_some_and(is_postgres) {
            let flaw = Flaw::new("`ready: { postgres: … }` needs a connection to ask over");
            let help = "add `connection: postgresql://postgres@{{ address }}/app`";
            return Err(flaw.help(help).at_key(&at.key("postgres")));
        }
        let query = query.clone();
        return Ok(Ready::Postgres { query });
    }
    if ready.redis.is_some() {
        return Ok(Ready::Redis);
    }
    Ok(Ready::Tcp)
}

/// Whether a connection leads to PostgreSQL, whose statements can be counted.
pub(super) fn is_postgres(connection: &str) -> bool {
    connection.starts_with("postgresql://") || connection.starts_with("postgres://")
}

/// Checks that a limit leaves any time at all.
pub(super) fn not_zero(time: Time, at: &KeyPath) -> Result<(), Problem> {
    if time.0 > 0.0 {
        return Ok(());
    }
    let flaw = Flaw::new("a limit of no time at all cannot be kept");
    Err(flaw.help("write for example `10 s`").at(at))
}

/// What is written under `needs`, then what its templates refer to.
fn needs(
    name: &str,
    raw: &RawService,
    names: &[&str],
    at: &KeyPath,
) -> Result<Vec<String>, Problem> {
    let mut needs: Vec<String> = Vec::new();
    for (index, need) in raw.needs.iter().flatten().enumerate() {
        let at = at.key("needs").index(index);
        if !names.contains(&need.as_str()) {
            return Err(unknown(need, names.iter().copied()).at(&at));
        }
        if need == name {
            let flaw = Flaw::new(format!("{} needs itself", quote(name)));
            return Err(flaw.help("remove it from its `needs`").at(&at));
        }
        needs.push(need.clone());
    }
    let scope = Scope {
        service: name,
        services: names,
        has_data: raw.url.is_none(),
    };
    for (at, text) in templates(raw, at) {
        let found = template::references(text, scope).map_err(|flaw| flaw.at(&at))?;
        needs.extend(found.into_iter().map(str::to_owned));
    }
    let mut seen = BTreeSet::new();
    needs.retain(|need| seen.insert(need.clone()));
    Ok(needs)
}

/// Every text that may hold expressions, with its place.
fn templates<'a>(raw: &'a RawService, at: &KeyPath) -> Vec<(KeyPath, &'a str)> {
    let lines = [
        ("prepare", &raw.prepare),
        ("command", &raw.command),
        ("connection", &raw.connection),
        ("seed", &raw.seed),
        ("socket", &raw.socket),
    ];
    let ca = raw.tls.as_ref().and_then(|tls| tls.ca.as_deref());
    let ca = ca.map(|text| (at.key("tls").key("ca"), text));
    let lines = lines
        .into_iter()
        .filter_map(|(key, text)| Some((at.key(key), text.as_deref()?)));
    let variables = raw.environment.iter().flat_map(|entries| &entries.0);
    let environment = at.key("environment");
    let variables = variables.map(|(name, value)| (environment.key(name), value.as_str()));
    lines.chain(variables).chain(ca).collect()
}

/// The head arm listens on the next port, so fixed ports take two each.
fn ports_differ(services: &[Service]) -> Result<(), Problem> {
    let mut taken: Vec<(u16, &str)> = Vec::new();
    for service in services {
        let ServiceKind::Process(Process {
            port: Some(port), ..
        }) = &service.kind
        else {
            continue;
        };
        let at = KeyPath::root()
            .key("services")
            .key(&service.name)
            .key("port");
        if *port == 0 || *port == u16::MAX {
            let flaw = Flaw::new("the base arm uses this port, and the head arm the next one");
            return Err(flaw.help("use a port from 1 to 65534, or none").at(&at));
        }
        if let Some((_, other)) = taken.iter().find(|(other, _)| other.abs_diff(*port) <= 1) {
            let message = format!("the port is too near to that of service {}", quote(other));
            let help = "the head arm uses the next port: leave one free, or leave `port` out";
            return Err(Flaw::new(message).help(help).at(&at));
        }
        taken.push((*port, &service.name));
    }
    Ok(())
}

fn start_order(services: Vec<Service>) -> Result<Vec<Service>, Problem> {
    let mut waiting = services;
    let mut ordered: Vec<Service> = Vec::new();
    while !waiting.is_empty() {
        let started = |need: &String| ordered.iter().any(|service| service.name == *need);
        let next = waiting
            .iter()
            .position(|service| service.needs.iter().all(started));
        match next {
            Some(index) => ordered.push(waiting.remove(index)),
            None => return Err(cycle(&waiting)),
        }
    }
    Ok(ordered)
}

/// Each of these needs another of these: following them ends where it began.
fn cycle(waiting: &[Service]) -> Problem {
    let mut way: Vec<&str> = Vec::new();
    let mut current = waiting.first();
    while let Some(service) = current {
        if let Some(start) = way.iter().position(|name| *name == service.name) {
            way.drain(..start);
            break;
        }
        way.push(&service.name);
        current = service
            .needs
            .iter()
            .find_map(|need| waiting.iter().find(|other| other.name == *need));
    }
    let first = way.first().copied().unwrap_or_default();
    let circle: Vec<String> = way.iter().chain([&first]).map(|name| quote(name)).collect();
    let message = format!("services need each other: {}", circle.join(" → "));
    let help = "remove one of them from `needs`, or from an expression `{{ services.… }}`";
    Flaw::new(message)
        .help(help)
        .at_key(&KeyPath::root().key("services").key(first))
}
