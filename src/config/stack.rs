//! The services: what each is, what it needs, and the order they are started in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use crate::measure::plan::{
    Fresh, Image, Install, ModelRuns, Process, Ready, Service, ServiceKind, Speaks, Tls,
};

use super::compose::Composed;
use super::container;
use super::error::{Flaw, Problem, quote};
use super::locate::KeyPath;
use super::quantity::Time;
use super::raw::{Entries, RawCommand, RawFresh, RawInstall, RawReady, RawService};
use super::template::{self, Scope};
use super::{fields, resolve};

/// Longest time a service may take to become ready, unless it says otherwise.
const READY_WITHIN: Time = Time(30_000.0);
/// What an address of RabbitMQ starts with.
const AMQP: &str = "amqp://";

/// Every service, dependencies first, otherwise in the order of the file.
pub(super) fn resolve(
    raw: &Entries<RawService>,
    composed: &[Composed],
) -> Result<Vec<Service>, Problem> {
    let is_new = |composed: &&Composed| raw.names().all(|name| name != composed.name);
    let others = composed.iter().filter(is_new);
    let others: Vec<&str> = others.map(|composed| composed.name.as_str()).collect();
    let names: Vec<&str> = raw.names().chain(others.iter().copied()).collect();
    let at = KeyPath::root().key("services");
    let mut services = Vec::new();
    for (name, raw) in &raw.0 {
        let composed = composed.iter().find(|composed| composed.name == *name);
        services.push(service(name, raw, composed, &names, &at.key(name))?);
    }
    let nothing = RawService::default();
    for name in others {
        let at = KeyPath::root().key("compose");
        let composed = composed.iter().find(|composed| composed.name == *name);
        services.push(service(name, &nothing, composed, &names, &at)?);
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

fn service(
    name: &str,
    raw: &RawService,
    composed: Option<&Composed>,
    names: &[&str],
    at: &KeyPath,
) -> Result<Service, Problem> {
    let name = fields::service_name(name).map_err(|flaw| flaw.at_key(at))?;
    let kind = match composed {
        Some(composed) => from_compose(&name, raw, composed, at)?,
        None => kind(&name, raw, at)?,
    };
    let (ready, within) = ready(raw, &kind, composed, at)?;
    if let Some(connection) = &raw.connection
        && !connection.contains("://")
    {
        let flaw = Flaw::new("the connection is no address");
        let help = "write for example `postgresql://postgres@{{ address }}/app`";
        return Err(flaw.help(help).at(&at.key("connection")));
    }
    if raw.restore == Some(true) && !holds_data(raw, &ready) {
        let flaw = Flaw::new(
            "only a database of PostgreSQL, a Redis or queues of RabbitMQ can be put back",
        );
        let help = "remove it, or say how it is reached: `connection: postgresql://…`, or `ready: { redis: true }`";
        return Err(flaw.help(help).at(&at.key("restore")));
    }
    Ok(Service {
        needs: needs(&name, raw, composed, names, at)?,
        fresh: fresh(raw, &kind, &ready),
        kind,
        ready,
        within,
        connection: raw.connection.clone(),
        seed: seed(raw, at)?,
        speaks: speaks(raw, at)?,
        restore: raw.restore,
        has_gpu_memory_budget: raw
            .budgets
            .as_ref()
            .is_some_and(|one| one.gpu_memory.is_some()),
        has_gpu_utilization_budget: raw
            .budgets
            .as_ref()
            .is_some_and(|one| one.gpu_utilization.is_some()),
        has_peak_budget: raw
            .budgets
            .as_ref()
            .is_some_and(|one| one.peak_memory.is_some()),
        models: resolve::paths(raw.models.as_deref().unwrap_or_default(), &at.key("models"))?,
        model_runs: model_runs(raw, at)?,
        queues: queues(raw, at)?,
        name,
    })
}

/// A name as Prometheus allows it, and a path of the service itself.
fn model_runs(raw: &RawService, at: &KeyPath) -> Result<Option<ModelRuns>, Problem> {
    let Some(model_runs) = &raw.model_runs else {
        return Ok(None);
    };
    let at = at.key("model-runs");
    let path = fields::url_path(&model_runs.path).map_err(|flaw| flaw.at(&at.key("path")))?;
    let counter = model_runs.counter.clone();
    let is_inside = |letter: char| letter.is_ascii_alphanumeric() || "_:".contains(letter);
    if counter.starts_with(|letter: char| letter.is_ascii_digit())
        || counter.is_empty()
        || !counter.chars().all(is_inside)
    {
        let flaw = Flaw::new(format!("{} is no name of a counter", quote(&counter)));
        let help = "write it as the service exposes it, without labels: `model_runs_total`";
        return Err(flaw.help(help).at(&at.key("counter")));
    }
    Ok(Some(ModelRuns { path, counter }))
}

/// Queues are asked over AMQP, so there must be an address for it.
fn queues(raw: &RawService, at: &KeyPath) -> Result<Vec<String>, Problem> {
    let Some(queues) = &raw.queues else {
        return Ok(Vec::new());
    };
    let at = at.key("queues");
    let example = "write for example `queues: [jobs]`";
    if queues.is_empty() || queues.iter().any(String::is_empty) {
        let flaw = Flaw::new("a queue without a name cannot be asked for");
        return Err(flaw.help(example).at(&at));
    }
    let connection = raw.connection.as_deref().unwrap_or_default();
    if !connection.starts_with(AMQP) {
        let flaw = Flaw::new("queues are asked over AMQP, and there is no address for it");
        let help = "add `connection: amqp://guest:guest@{{ address }}`";
        return Err(flaw.help(help).at(&at));
    }
    Ok(queues.clone())
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
    let is_container = raw.image.is_some() || raw.build.is_some();
    match (&raw.command, &raw.url) {
        (_, None) if is_container => {
            if raw.image.is_some() && raw.build.is_some() {
                let message = format!("service {} has an `image` and a `build`", quote(name));
                let help = "keep `build` to make the image from each arm's own files, or `image`";
                return Err(Flaw::new(message).help(help).at_key(&at.key("build")));
            }
            only_for_processes(raw, at)?;
            let container = container::container(raw, at)?;
            Ok(ServiceKind::Container(Box::new(container)))
        }
        (_, Some(_)) if is_container => {
            let message = format!("service {} is a container and has a `url`", quote(name));
            let help =
                "keep `image` or `build` to start it for each arm, or `url` if it already runs";
            Err(Flaw::new(message).help(help).at_key(&at.key("url")))
        }
        (Some(command), None) => {
            only_for_containers(raw, at)?;
            let RawCommand::Line(command) = command else {
                let flaw = Flaw::new("the command of a process is a line for the shell");
                let help = "write it as text, or add `image` or `build` for a container";
                return Err(flaw.help(help).at(&at.key("command")));
            };
            process(command, raw, at).map(ServiceKind::Process)
        }
        (None, Some(url)) => {
            only_for_ours(raw, at)?;
            only_for_containers(raw, at)?;
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
            let help =
                "add `command:`, `image:` or `build:` to start it, or `url:` if it already runs";
            Err(Flaw::new(message).help(help).at_key(at))
        }
    }
}

/// What the compose file says of a service, with what is said beside it.
fn from_compose(
    name: &str,
    raw: &RawService,
    composed: &Composed,
    at: &KeyPath,
) -> Result<ServiceKind, Problem> {
    let keys = [
        ("command", raw.command.is_some()),
        ("image", raw.image.is_some()),
        ("build", raw.build.is_some()),
        ("url", raw.url.is_some()),
        ("entrypoint", raw.entrypoint.is_some()),
        ("volumes", raw.volumes.is_some()),
        ("tmpfs", raw.tmpfs.is_some()),
        ("user", raw.user.is_some()),
        ("shm-size", raw.shm_size.is_some()),
        ("directory", raw.directory.is_some()),
        ("install", raw.install.is_some()),
        ("prepare", raw.prepare.is_some()),
    ];
    if let Some((key, _)) = keys.into_iter().find(|(_, written)| *written) {
        let message = format!(
            "{} of service {} is the compose file's to say",
            quote(key),
            quote(name)
        );
        let help = "remove it, or leave the service out with `compose: { file: …, services: […] }`";
        return Err(Flaw::new(message).help(help).at_key(&at.key(key)));
    }
    let mut container = composed.container.clone();
    container.environment.extend(environment(raw, at)?);
    container.port = raw.port.or(container.port);
    if let Some(memory) = raw.memory {
        let memory = container::memory(memory.0).map_err(|flaw| flaw.at(&at.key("memory")))?;
        container.memory = Some(memory);
    }
    if let Some(cpus) = raw.cpus {
        let cpus = container::nano_cpus(cpus).map_err(|flaw| flaw.at(&at.key("cpus")))?;
        container.nano_cpus = Some(cpus);
    }
    if let Some(health) = &raw.health {
        let health = container::health(health).map_err(|flaw| flaw.at(&at.key("health")))?;
        container.health = Some(health);
    }
    Ok(ServiceKind::Container(Box::new(container)))
}

/// A container brings what it needs in its image, and its data are in volumes.
fn only_for_processes(raw: &RawService, at: &KeyPath) -> Result<(), Problem> {
    let keys = [
        (
            "directory",
            raw.directory.is_some(),
            "the image holds its files",
        ),
        (
            "install",
            raw.install.is_some(),
            "the image holds what it needs",
        ),
        (
            "prepare",
            raw.prepare.is_some(),
            "do it in the image, or in its entry point",
        ),
    ];
    match keys.into_iter().find(|(_, written, _)| *written) {
        Some((key, _, why)) => {
            let message = format!("{} has no effect on a container", quote(key));
            Err(Flaw::new(message)
                .help(format!("remove it: {why}"))
                .at_key(&at.key(key)))
        }
        None => Ok(()),
    }
}

/// These say how a container is made.
fn only_for_containers(raw: &RawService, at: &KeyPath) -> Result<(), Problem> {
    let keys = [
        ("entrypoint", raw.entrypoint.is_some()),
        ("volumes", raw.volumes.is_some()),
        ("tmpfs", raw.tmpfs.is_some()),
        ("health", raw.health.is_some()),
        ("memory", raw.memory.is_some()),
        ("cpus", raw.cpus.is_some()),
        ("user", raw.user.is_some()),
        ("shm-size", raw.shm_size.is_some()),
    ];
    match keys.into_iter().find(|(_, written)| *written) {
        Some((key, _)) => {
            let message = format!("{} has an effect on containers only", quote(key));
            let help = "remove it, or add `image` or `build` to make the service a container";
            Err(Flaw::new(message).help(help).at_key(&at.key(key)))
        }
        None => Ok(()),
    }
}

/// What already runs is not started, so nothing may say how.
fn only_for_ours(raw: &RawService, at: &KeyPath) -> Result<(), Problem> {
    let keys = [
        ("directory", raw.directory.is_some()),
        ("install", raw.install.is_some()),
        ("prepare", raw.prepare.is_some()),
        ("environment", raw.environment.is_some()),
        ("port", raw.port.is_some()),
        ("fresh", raw.fresh.is_some()),
        ("restore", raw.restore.is_some()),
        ("budgets", raw.budgets.is_some()),
        ("models", raw.models.is_some()),
        ("model-runs", raw.model_runs.is_some()),
        ("queues", raw.queues.is_some()),
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

pub(super) fn environment(
    raw: &RawService,
    at: &KeyPath,
) -> Result<BTreeMap<String, String>, Problem> {
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

/// Whether a service is a database or a cache whose data can be put back.
fn holds_data(raw: &RawService, ready: &Ready) -> bool {
    let schemes = ["postgresql://", "postgres://", "redis://"];
    let connection = raw.connection.as_deref().unwrap_or_default();
    *ready == Ready::Redis
        || raw.queues.is_some()
        || schemes.iter().any(|scheme| connection.starts_with(scheme))
}

/// Databases and caches keep what they know; so does a container that is not made from the arm's own
/// files.
fn fresh(raw: &RawService, kind: &ServiceKind, ready: &Ready) -> Fresh {
    let keeps_data = raw.connection.is_some() || raw.seed.is_some() || raw.prepare.is_some();
    let changes = match kind {
        ServiceKind::Process(_) => true,
        ServiceKind::Container(container) => matches!(container.image, Image::Built(_)),
        ServiceKind::External { .. } => false,
    };
    match raw.fresh {
        _ if *ready == Ready::Completed => Fresh::PerRun,
        Some(RawFresh::PerRun) => Fresh::PerRun,
        Some(RawFresh::PerBlock) => Fresh::PerBlock,
        None if keeps_data || !changes => Fresh::PerRun,
        None => Fresh::PerBlock,
    }
}

fn ready(
    raw: &RawService,
    kind: &ServiceKind,
    composed: Option<&Composed>,
    at: &KeyPath,
) -> Result<(Ready, Duration), Problem> {
    let none = RawReady::default();
    let at = at.key("ready");
    let ready = raw.ready.as_ref().unwrap_or(&none);
    let written = [
        ("http", ready.http.is_some()),
        ("postgres", ready.postgres.is_some()),
        ("redis", ready.redis.is_some()),
        ("tcp", ready.tcp.is_some()),
        ("log", ready.log.is_some()),
        ("health", ready.health.is_some()),
    ];
    let mut written = written.into_iter().filter(|(_, written)| *written);
    let (first, second) = (written.next(), written.next());
    if let (Some((first, _)), Some((second, _))) = (first, second) {
        let message = format!("a service is ready by `{first}` or by `{second}`, not by both");
        return Err(Flaw::new(message).help("keep one").at_key(&at.key(second)));
    }
    let within = ready.within.unwrap_or(READY_WITHIN);
    not_zero(within, &at.key("within"))?;
    let kind = match first {
        Some(_) => ready_kind(ready, raw, kind, &at)?,
        None => usually_ready(kind, composed),
    };
    // A check of a compose file says itself how long it may fail, and is not given less than that.
    let own_check = composed.filter(|_| kind == Ready::Health && raw.health.is_none());
    let healthy_within = own_check.and_then(|composed| composed.healthy_within);
    let within = match (ready.within, healthy_within) {
        (None, Some(longer)) => longer.max(within.duration()),
        _ => within.duration(),
    };
    Ok((kind, within))
}

/// When a service is ready that does not say.
fn usually_ready(kind: &ServiceKind, composed: Option<&Composed>) -> Ready {
    if composed.is_some_and(|composed| composed.completes) {
        return Ready::Completed;
    }
    match kind {
        ServiceKind::Container(container) => match (&container.health, container.port) {
            (Some(_), _) => Ready::Health,
            (None, Some(_)) => Ready::Tcp,
            (None, None) => Ready::Started,
        },
        ServiceKind::Process(_) | ServiceKind::External { .. } => Ready::Tcp,
    }
}

fn ready_kind(
    ready: &RawReady,
    raw: &RawService,
    kind: &ServiceKind,
    at: &KeyPath,
) -> Result<Ready, Problem> {
    let is = [
        ("redis", ready.redis),
        ("tcp", ready.tcp),
        ("health", ready.health),
    ];
    for (key, value) in is {
        if value == Some(false) {
            let flaw = Flaw::new(format!("`{key}: false` says nothing"));
            return Err(flaw.help(format!("write `{key}: true`")).at(&at.key(key)));
        }
    }
    let container = match kind {
        ServiceKind::Container(container) => Some(container),
        ServiceKind::Process(_) | ServiceKind::External { .. } => None,
    };
    if container.is_some_and(|container| container.port.is_none())
        && let Some((key, _)) = [
            ("http", ready.http.is_some()),
            ("postgres", ready.postgres.is_some()),
            ("redis", ready.redis.is_some()),
            ("tcp", ready.tcp.is_some()),
        ]
        .into_iter()
        .find(|(_, written)| *written)
    {
        let flaw = Flaw::new(format!("`{key}` asks at a port, and the service has none"));
        let help = "add `port:`, the one it listens on inside the container";
        return Err(flaw.help(help).at_key(&at.key(key)));
    }
    if let Some(text) = &ready.log {
        if text.is_empty() || text.contains('\n') {
            let flaw = Flaw::new("`log` is a part of one line");
            return Err(flaw
                .help("write for example `log: ready`")
                .at(&at.key("log")));
        }
        if matches!(kind, ServiceKind::External { .. }) {
            let flaw = Flaw::new("the log of what already runs is not known here");
            return Err(flaw.help("use `http` or `tcp`").at_key(&at.key("log")));
        }
        let text = text.clone();
        return Ok(Ready::Log { text });
    }
    if ready.health.is_some() {
        if container.is_none() {
            let flaw = Flaw::new("only a container has a health check");
            return Err(flaw.help("use `http` or `tcp`").at_key(&at.key("health")));
        }
        return Ok(Ready::Health);
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

/// What is written under `needs`, then what its templates refer to, then what the compose file says.
fn needs(
    name: &str,
    raw: &RawService,
    composed: Option<&Composed>,
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
        has_data: composed.is_none()
            && raw.url.is_none()
            && raw.image.is_none()
            && raw.build.is_none(),
    };
    for (at, text) in templates(raw, at) {
        let found = template::references(text, scope).map_err(|flaw| flaw.at(&at))?;
        needs.extend(found.into_iter().map(str::to_owned));
    }
    needs.extend(composed.iter().flat_map(|composed| composed.needs.clone()));
    let mut seen = BTreeSet::new();
    needs.retain(|need| seen.insert(need.clone()));
    Ok(needs)
}

/// Every text that may hold expressions, with its place.
fn templates<'a>(raw: &'a RawService, at: &KeyPath) -> Vec<(KeyPath, &'a str)> {
    let lines = [
        ("prepare", &raw.prepare),
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
    let command = raw.command.iter().flat_map(RawCommand::texts);
    let command = command.map(|text| (at.key("command"), text));
    lines.chain(command).chain(variables).chain(ca).collect()
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
