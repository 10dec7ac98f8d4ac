//! A compose file, read into services.
//!
//! What changes how a service runs is honoured or refused, by name and with its place in the compose
//! file. What only matters to somebody who keeps the services running (restart policies, names,
//! labels) has no effect here.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_yaml::Value;

use crate::measure::plan::{Build, Container, Image, Volume, VolumeSource};
use crate::measure::secrets;

use super::container::{self, DOCKERFILE};
use super::error::{ConfigError, Flaw, Problem, Source, quote};
use super::interpolate::{interpolate, variables_of};
use super::locate::KeyPath;
use super::raw::{RawCommand, RawCompose};
use super::{LARGEST_FILE, fields};

/// A service of a compose file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Composed {
    /// Its name.
    pub(super) name: String,
    /// The container.
    pub(super) container: Container,
    /// Services that must be ready first.
    pub(super) needs: Vec<String>,
    /// Whether others wait for it to end.
    pub(super) completes: bool,
    /// How long its health check may fail at first, as the check's own times have it.
    pub(super) healthy_within: Option<Duration>,
}

/// Keys of a service that mean nothing to a measurement.
const WITHOUT_EFFECT: [&str; 12] = [
    "annotations",
    "attach",
    "develop",
    "labels",
    "logging",
    "profiles",
    "pull_policy",
    "restart",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "tty",
];
/// Keys of a service that are honoured.
const HONOURED: [&str; 23] = [
    "build",
    "command",
    "container_name",
    "cpus",
    "depends_on",
    "deploy",
    "entrypoint",
    "env_file",
    "environment",
    "expose",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "mem_limit",
    "networks",
    "ports",
    "scale",
    "shm_size",
    "tmpfs",
    "user",
    "volumes",
    "working_dir",
];

/// How often compose checks a service's health, how long a check may take, and how many may fail:
/// where nothing else is said.
const CHECKED_EVERY: Duration = Duration::from_secs(30);
const CHECKED_WITHIN: Duration = Duration::from_secs(30);
const TRIES: u32 = 3;
/// Longest time that is waited for a healthy service unasked. A choice: some say an hour.
const MOST_PATIENCE: Duration = Duration::from_secs(300);

/// Where the compose file is, and what stands for its variables.
struct Context<'a> {
    /// Its folder, relative to the project; empty for the project itself.
    base: &'a str,
    project: &'a Path,
    variables: &'a BTreeMap<String, String>,
}

/// Reads the compose file that a configuration names, if it names one.
pub(super) fn load(
    raw: Option<&RawCompose>,
    source: &Source<'_>,
    project: &Path,
) -> Result<Vec<Composed>, ConfigError> {
    let Some(raw) = raw else {
        return Ok(Vec::new());
    };
    let at = KeyPath::root().key("compose");
    let explain = |flaw: Flaw| source.explain(flaw.at(&at));
    let path = fields::project_path(&raw.file).map_err(explain)?;
    let unreadable = |why: String| {
        let flaw = Flaw::new(format!("the compose file {} {why}", quote(&raw.file)));
        explain(flaw.help("name it relative to the folder of the configuration"))
    };
    let file = project.join(&path);
    let metadata = file
        .metadata()
        .map_err(|error| unreadable(format!("cannot be read: {error}")))?;
    if metadata.len() > LARGEST_FILE {
        return Err(unreadable("is larger than 1 MiB".to_owned()));
    }
    let text = fs::read_to_string(&file)
        .map_err(|error| unreadable(format!("cannot be read: {error}")))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut variables = fs::read_to_string(project.join(folder).join(".env"))
        .map(|text| variables_of(&text))
        .unwrap_or_default();
    // The environment is stronger than the file.
    let own = std::env::vars();
    variables.extend(own.filter(|(name, _)| !secrets::is_ours(name)));
    let context = Context {
        base: &folder.to_string_lossy(),
        project,
        variables: &variables,
    };
    let all = parse(&text, &raw.file, &context)?;
    chosen(all, raw, &at).map_err(|problem| source.explain(problem))
}

/// The services that were asked for, and what they need.
fn chosen(all: Vec<Composed>, raw: &RawCompose, at: &KeyPath) -> Result<Vec<Composed>, Problem> {
    let Some(asked) = &raw.services else {
        return Ok(all);
    };
    let mut open = Vec::new();
    for (index, name) in asked.iter().enumerate() {
        let names = || all.iter().map(|one| one.name.as_str());
        if !names().any(|other| other == name) {
            let flaw = Flaw::new(format!("the compose file has no service {}", quote(name)));
            let at = at.key("services").index(index);
            return Err(flaw.suggest(name, names(), "services").at(&at));
        }
        open.push(name.clone());
    }
    let mut wanted: Vec<String> = Vec::new();
    while let Some(name) = open.pop() {
        if wanted.contains(&name) {
            continue;
        }
        let needs = all.iter().filter(|one| one.name == name);
        open.extend(needs.flat_map(|one| one.needs.clone()));
        wanted.push(name);
    }
    let is_wanted = |one: &Composed| wanted.contains(&one.name);
    Ok(all.into_iter().filter(is_wanted).collect())
}

/// Reads the services from the text of a compose file.
fn parse(text: &str, name: &str, context: &Context<'_>) -> Result<Vec<Composed>, ConfigError> {
    let source = Source::new(name, text.strip_prefix('\u{feff}').unwrap_or(text));
    let value = Value::deserialize(serde_yaml::Deserializer::from_str(source.text));
    let mut value = value.map_err(|error| {
        let place = error.location().map(|place| super::locate::Spot {
            line: place.line(),
            column: place.column(),
            text: None,
        });
        source.error(Flaw::new(format!("this is not YAML: {error}")), place)
    })?;
    let merged = value.apply_merge();
    merged.map_err(|error| source.error(Flaw::new(error.to_string()), None))?;
    services(&value, context).map_err(|problem| source.explain(problem))
}

fn services(value: &Value, context: &Context<'_>) -> Result<Vec<Composed>, Problem> {
    let root = Node {
        value: value.clone(),
        at: KeyPath::root(),
    };
    let mut all = Vec::new();
    for (key, node) in root.entries()? {
        match key.as_str() {
            "name" | "version" => {}
            "services" => all = node.entries()?,
            "volumes" => {
                for (_, volume) in node.entries()? {
                    volume.only(&["name", "labels"], "a volume")?;
                }
            }
            "networks" => {
                for (_, network) in node.entries()? {
                    let keys = ["name", "labels", "driver", "attachable", "internal"];
                    network.only(&keys, "a network")?;
                }
            }
            key if key.starts_with("x-") => {}
            key => {
                let flaw = Flaw::new(format!(
                    "{} of a compose file cannot be honoured",
                    quote(key)
                ));
                let help = "move what the services need of it into them, or describe the services in `tollgate.yml`";
                return Err(flaw.help(help).at_key(&node.at));
            }
        }
    }
    // `docker compose up` starts none of those that belong to a profile.
    all.retain(|(_, node)| node.get("profiles").is_none());
    let mut composed = Vec::new();
    let mut waited_for = Vec::new();
    for (name, node) in all {
        let mut node = node;
        node.fill(context.variables)?;
        composed.push(service(&name, &node, context, &mut waited_for)?);
    }
    for one in &mut composed {
        one.completes = waited_for.contains(&one.name);
    }
    let names: Vec<String> = composed.iter().map(|one| one.name.clone()).collect();
    for one in &composed {
        if let Some(need) = one.needs.iter().find(|need| !names.contains(need)) {
            let at = KeyPath::root()
                .key("services")
                .key(&one.name)
                .key("depends_on");
            let flaw = Flaw::new(format!("there is no service {}", quote(need)));
            let names = names.iter().map(String::as_str);
            return Err(flaw.suggest(need, names, "services").at(&at));
        }
    }
    Ok(composed)
}

fn service(
    name: &str,
    node: &Node,
    context: &Context<'_>,
    waited_for: &mut Vec<String>,
) -> Result<Composed, Problem> {
    fields::service_name(name).map_err(|flaw| flaw.at_key(&node.at))?;
    for (key, value) in node.entries()? {
        let is_known = HONOURED.contains(&key.as_str()) || WITHOUT_EFFECT.contains(&key.as_str());
        if !is_known && !key.starts_with("x-") {
            let message = format!(
                "{} of service {} cannot be honoured",
                quote(&key),
                quote(name)
            );
            let help = "leave the service out with `compose: { file: …, services: […] }`, or remove the key";
            return Err(Flaw::new(message).help(help).at_key(&value.at));
        }
    }
    let mut needs = Vec::new();
    for (need, condition) in dependencies(node)? {
        if condition == "service_completed_successfully" {
            waited_for.push(need.clone());
        }
        needs.push(need);
    }
    let port = ports(node)?.or(expose(node)?);
    let check = node.get("healthcheck");
    let health = match &check {
        Some(check) => health(check)?,
        None => None,
    };
    let healthy_within = check.filter(|_| health.is_some());
    let healthy_within = healthy_within.map(|check| patience(&check)).transpose()?;
    if let Some(scale) = node.get("scale") {
        one_of(&scale, "scale")?;
    }
    let deploy = match node.get("deploy") {
        Some(deploy) => limits(&deploy)?,
        None => (None, None),
    };
    let memory = node.get("mem_limit").map(|node| node.size()).transpose()?;
    let cpus = node.get("cpus").map(|node| node.number()).transpose()?;
    let container = Container {
        image: image(name, node, context)?,
        port,
        command: node.get("command").map(|node| node.words()).transpose()?,
        entrypoint: node
            .get("entrypoint")
            .map(|node| node.words())
            .transpose()?,
        environment: environment(node, context)?,
        volumes: volumes(node, context)?,
        health,
        memory: memory.or(deploy.0),
        nano_cpus: match cpus {
            Some(cpus) => {
                let at = node.at.key("cpus");
                Some(container::nano_cpus(cpus).map_err(|flaw| flaw.at(&at))?)
            }
            None => deploy.1,
        },
        user: node.get("user").map(|node| node.text()).transpose()?,
        working_dir: node
            .get("working_dir")
            .map(|node| node.text())
            .transpose()?,
        shm_size: node.get("shm_size").map(|node| node.size()).transpose()?,
        init: match node.get("init") {
            Some(init) => init.text()? == "true",
            None => false,
        },
        aliases: aliases(node)?,
    };
    Ok(Composed {
        name: name.to_owned(),
        container,
        needs,
        completes: false,
        healthy_within,
    })
}

fn image(name: &str, node: &Node, context: &Context<'_>) -> Result<Image, Problem> {
    let Some(build) = node.get("build") else {
        let Some(image) = node.get("image") else {
            let flaw = Flaw::new(format!(
                "service {} has no `image` and no `build`",
                quote(name)
            ));
            return Err(flaw.at_key(&node.at));
        };
        let text = image.text()?;
        let named = container::image_name(&text).map_err(|flaw| flaw.at(&image.at))?;
        return Ok(Image::Named(named));
    };
    let folder = |node: &Node| {
        let text = node.text()?;
        container::inside(&text, context.base).map_err(|flaw| flaw.at(&node.at))
    };
    if !build.value.is_mapping() {
        return Ok(Image::Built(Build {
            context: folder(&build)?,
            dockerfile: DOCKERFILE.to_owned(),
            target: None,
            args: BTreeMap::new(),
            network: None,
        }));
    }
    let keys = [
        "context",
        "dockerfile",
        "target",
        "args",
        "network",
        "labels",
        "tags",
        "cache_from",
        "cache_to",
        "pull",
    ];
    build.only(&keys, "a build")?;
    let text = |key: &str| build.get(key).map(|node| node.text()).transpose();
    let dockerfile = text("dockerfile")?.unwrap_or_else(|| DOCKERFILE.to_owned());
    let dockerfile_at = build.at.key("dockerfile");
    fields::project_path(&dockerfile).map_err(|flaw| flaw.at(&dockerfile_at))?;
    Ok(Image::Built(Build {
        context: match build.get("context") {
            Some(node) => folder(&node)?,
            None => container::inside(".", context.base).map_err(|flaw| flaw.at(&build.at))?,
        },
        dockerfile,
        target: text("target")?,
        args: match build.get("args") {
            Some(args) => args.variables(context)?,
            None => BTreeMap::new(),
        },
        network: text("network")?,
    }))
}

fn environment(node: &Node, context: &Context<'_>) -> Result<BTreeMap<String, String>, Problem> {
    let mut environment = BTreeMap::new();
    if let Some(files) = node.get("env_file") {
        for file in files.items() {
            let (path, is_required) = match file.get("path") {
                Some(path) => {
                    let required = file.get("required").map(|node| node.text()).transpose()?;
                    (path, required.as_deref() != Some("false"))
                }
                None => (file, true),
            };
            let inside = container::inside(&path.text()?, context.base);
            let inside = inside.map_err(|flaw| flaw.at(&path.at))?;
            match fs::read_to_string(context.project.join(inside)) {
                Ok(text) => environment.extend(variables_of(&text)),
                Err(_) if !is_required => {}
                Err(error) => {
                    let flaw = Flaw::new(format!("the file cannot be read: {error}"));
                    return Err(flaw.at(&path.at));
                }
            }
        }
    }
    if let Some(node) = node.get("environment") {
        environment.extend(node.variables(context)?);
    }
    Ok(environment)
}

/// The first port that something may be sent to. `127.0.0.1:8080:80/tcp` is 80.
fn ports(node: &Node) -> Result<Option<u16>, Problem> {
    let mut first = None;
    for item in node.get("ports").iter().flat_map(Node::items) {
        let target = match item.get("target") {
            Some(target) => {
                let keys = [
                    "target",
                    "published",
                    "host_ip",
                    "protocol",
                    "mode",
                    "name",
                    "app_protocol",
                ];
                item.only(&keys, "a port")?;
                let protocol = item.get("protocol").map(|node| node.text()).transpose()?;
                tcp(&target, protocol.as_deref().unwrap_or("tcp"))?;
                target.text()?
            }
            None => target_of(&item)?,
        };
        first = first.or(Some(port(&target, &item)?));
    }
    Ok(first)
}

fn expose(node: &Node) -> Result<Option<u16>, Problem> {
    let Some(item) = node
        .get("expose")
        .and_then(|node| node.items().into_iter().next())
    else {
        return Ok(None);
    };
    Ok(Some(port(&target_of(&item)?, &item)?))
}

fn target_of(item: &Node) -> Result<String, Problem> {
    let text = item.text()?;
    let (text, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
    tcp(item, protocol)?;
    Ok(text.rsplit(':').next().unwrap_or(text).to_owned())
}

fn tcp(node: &Node, protocol: &str) -> Result<(), Problem> {
    if protocol == "tcp" {
        return Ok(());
    }
    let flaw = Flaw::new(format!("a port for {} cannot be honoured", quote(protocol)));
    Err(flaw.help("requests are sent over TCP").at(&node.at))
}

fn port(text: &str, node: &Node) -> Result<u16, Problem> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        Ok(_) | Err(_) => {
            let flaw = Flaw::new(format!("{} is no port of a container", quote(text)));
            Err(flaw
                .help("write for example `8080:80`; ranges cannot be honoured")
                .at(&node.at))
        }
    }
}

fn dependencies(node: &Node) -> Result<Vec<(String, String)>, Problem> {
    let Some(needs) = node.get("depends_on") else {
        return Ok(Vec::new());
    };
    if !needs.value.is_mapping() {
        let started = |node: Node| Ok((node.text()?, "service_started".to_owned()));
        return needs.items().into_iter().map(started).collect();
    }
    let mut found = Vec::new();
    for (name, node) in needs.entries()? {
        node.only(&["condition", "required", "restart"], "a dependency")?;
        let condition = match node.get("condition") {
            Some(condition) => {
                let text = condition.text()?;
                let known = [
                    "service_started",
                    "service_healthy",
                    "service_completed_successfully",
                ];
                if !known.contains(&text.as_str()) {
                    let flaw = Flaw::new(format!("{} is no condition", quote(&text)));
                    return Err(flaw.suggest(&text, known, "conditions").at(&condition.at));
                }
                text
            }
            None => "service_started".to_owned(),
        };
        found.push((name, condition));
    }
    Ok(found)
}

fn health(node: &Node) -> Result<Option<Vec<String>>, Problem> {
    let keys = [
        "test",
        "disable",
        "interval",
        "timeout",
        "retries",
        "start_period",
        "start_interval",
    ];
    node.only(&keys, "a health check")?;
    let is_off = node.get("disable").map(|node| node.text()).transpose()?;
    let Some(test) = node
        .get("test")
        .filter(|_| is_off.as_deref() != Some("true"))
    else {
        return Ok(None);
    };
    let command = test.command()?;
    if matches!(&command, RawCommand::Words(words) if words.first().is_some_and(|word| word == "NONE"))
    {
        return Ok(None);
    }
    container::health(&command)
        .map(Some)
        .map_err(|flaw| flaw.at(&test.at))
}

/// How long a check may fail before compose gives up on its service: while it starts, and then as often
/// as it is tried.
fn patience(check: &Node) -> Result<Duration, Problem> {
    let time = |key: &str, usual: Duration| match check.get(key) {
        Some(node) => node
            .duration()
            .map(|time| if time.is_zero() { usual } else { time }),
        None => Ok(usual),
    };
    let retries = match check.get("retries") {
        Some(node) => {
            let text = node.text()?;
            let count = text.parse::<u32>();
            count.map_err(|_| {
                Flaw::new(format!("{} is no number of tries", quote(&text))).at(&node.at)
            })?
        }
        None => 0,
    };
    let retries = if retries == 0 { TRIES } else { retries };
    let each = time("interval", CHECKED_EVERY)?.saturating_add(time("timeout", CHECKED_WITHIN)?);
    let start = time("start_period", Duration::ZERO)?;
    time("start_interval", Duration::ZERO)?;
    Ok(start
        .saturating_add(each.saturating_mul(retries))
        .min(MOST_PATIENCE))
}

/// An arm has one of each service.
fn one_of(count: &Node, key: &str) -> Result<(), Problem> {
    let text = count.text()?;
    if text == "1" {
        return Ok(());
    }
    let flaw = Flaw::new(format!(
        "{} of {} cannot be honoured",
        quote(key),
        quote(&text)
    ));
    let help = format!("an arm has one of each service: leave {} out", quote(key));
    Err(flaw.help(help).at(&count.at))
}

/// Memory in bytes and CPU time in billionths of a core.
fn limits(deploy: &Node) -> Result<(Option<u64>, Option<i64>), Problem> {
    deploy.only(
        &["resources", "replicas", "restart_policy", "labels"],
        "`deploy`",
    )?;
    if let Some(replicas) = deploy.get("replicas") {
        one_of(&replicas, "replicas")?;
    }
    let Some(resources) = deploy.get("resources") else {
        return Ok((None, None));
    };
    resources.only(&["limits", "reservations"], "`resources`")?;
    if let Some(reservations) = resources.get("reservations") {
        // What is kept free for it on a machine that nothing else is planned for; devices are given.
        reservations.only(&["memory", "cpus"], "`reservations`")?;
    }
    let Some(limits) = resources.get("limits") else {
        return Ok((None, None));
    };
    limits.only(&["memory", "cpus"], "`limits`")?;
    let cpus = match limits.get("cpus") {
        Some(cpus) => {
            let number = cpus.number()?;
            Some(container::nano_cpus(number).map_err(|flaw| flaw.at(&cpus.at))?)
        }
        None => None,
    };
    Ok((
        limits.get("memory").map(|node| node.size()).transpose()?,
        cpus,
    ))
}

/// Other names of a service: all services of an arm share one network.
fn aliases(node: &Node) -> Result<Vec<String>, Problem> {
    let mut names = Vec::new();
    for key in ["hostname", "container_name"] {
        names.extend(node.get(key).map(|node| node.text()).transpose()?);
    }
    let Some(networks) = node.get("networks").filter(|node| node.value.is_mapping()) else {
        return Ok(names);
    };
    for (_, network) in networks.entries()? {
        network.only(&["aliases", "priority"], "a network of a service")?;
        for alias in network.get("aliases").iter().flat_map(Node::items) {
            names.push(alias.text()?);
        }
    }
    Ok(names)
}

fn volumes(node: &Node, context: &Context<'_>) -> Result<Vec<Volume>, Problem> {
    let mut volumes = Vec::new();
    for item in node.get("volumes").iter().flat_map(Node::items) {
        let volume = if item.value.is_mapping() {
            long_volume(&item, context)?
        } else {
            let text = item.text()?;
            let read = if text.contains(':') {
                container::volume(&text, context.base)
            } else {
                // A path alone is a volume without a name: the engine's own, removed with it.
                let name = format!("unnamed-{}", volumes.len());
                container::volume(&format!("{name}:{text}"), context.base)
            };
            read.map_err(|flaw| flaw.at(&item.at))?
        };
        volumes.push(volume);
    }
    for item in node.get("tmpfs").iter().flat_map(Node::items) {
        volumes.push(container::tmpfs(&item.text()?).map_err(|flaw| flaw.at(&item.at))?);
    }
    Ok(volumes)
}

fn long_volume(item: &Node, context: &Context<'_>) -> Result<Volume, Problem> {
    let keys = [
        "type",
        "source",
        "target",
        "read_only",
        "bind",
        "volume",
        "tmpfs",
        "consistency",
    ];
    item.only(&keys, "a volume of a service")?;
    // Folders are made where there are none, and labels and sharing change nothing for one container.
    let honoured: [(&str, &[&str]); 3] = [
        ("bind", &["create_host_path", "propagation", "selinux"]),
        ("volume", &["labels"]),
        ("tmpfs", &[]),
    ];
    for (key, keys) in honoured {
        if let Some(options) = item.get(key) {
            options.only(keys, &quote(key))?;
        }
    }
    let text = |key: &str| item.get(key).map(|node| node.text()).transpose();
    let kind = text("type")?.unwrap_or_default();
    let target = text("target")?.unwrap_or_default();
    let from = text("source")?.unwrap_or_default();
    let at = item.at.key("source");
    let source = match kind.as_str() {
        "bind" if from.starts_with('/') => container::source_of(&from, context.base),
        "bind" => container::inside(&from, context.base).map(VolumeSource::Bind),
        "volume" => container::source_of(&from, context.base),
        "tmpfs" => Ok(VolumeSource::Tmpfs),
        other => {
            let flaw = Flaw::new(format!(
                "a volume of the type {} cannot be honoured",
                quote(other)
            ));
            let flaw = flaw.help("there are `bind`, `volume` and `tmpfs`");
            return Err(flaw.at(&item.at.key("type")));
        }
    };
    if !target.starts_with('/') {
        let flaw = Flaw::new(format!("{} is no path in a container", quote(&target)));
        return Err(flaw.help("it starts with `/`").at(&item.at.key("target")));
    }
    Ok(Volume {
        source: source.map_err(|flaw| flaw.at(&at))?,
        target,
        read_only: text("read_only")?.as_deref() == Some("true"),
    })
}

/// A value and where it stands.
#[derive(Debug, Clone)]
struct Node {
    value: Value,
    at: KeyPath,
}

impl Node {
    /// What stands under a key; none where there is nothing.
    fn get(&self, key: &str) -> Option<Self> {
        let value = self.value.as_mapping()?.get(key)?.clone();
        let at = self.at.key(key);
        (!value.is_null()).then_some(Self { value, at })
    }

    /// The entries of a mapping; none of what is empty.
    fn entries(&self) -> Result<Vec<(String, Self)>, Problem> {
        if self.value.is_null() {
            return Ok(Vec::new());
        }
        let mapping = self.value.as_mapping();
        let mapping = mapping.ok_or_else(|| Flaw::new("this should be a mapping").at(&self.at))?;
        let entry = |(key, value): (&Value, &Value)| {
            let key = scalar(key).unwrap_or_default();
            let at = self.at.key(&key);
            let value = value.clone();
            (key, Self { value, at })
        };
        Ok(mapping.iter().map(entry).collect())
    }

    /// The items of a list; a single value is a list of one.
    fn items(&self) -> Vec<Self> {
        let Some(items) = self.value.as_sequence() else {
            return vec![self.clone()];
        };
        let item = |(index, value): (usize, &Value)| Self {
            value: value.clone(),
            at: self.at.index(index),
        };
        items.iter().enumerate().map(item).collect()
    }

    /// Refuses every key but these.
    fn only(&self, keys: &[&str], what: &str) -> Result<(), Problem> {
        for (key, value) in self.entries()? {
            if !keys.contains(&key.as_str()) && !key.starts_with("x-") {
                let flaw = Flaw::new(format!("{} of {what} cannot be honoured", quote(&key)));
                return Err(flaw
                    .suggest(&key, keys.iter().copied(), "there are")
                    .at_key(&value.at));
            }
        }
        Ok(())
    }

    fn text(&self) -> Result<String, Problem> {
        scalar(&self.value).ok_or_else(|| Flaw::new("this should be text").at(&self.at))
    }

    fn number(&self) -> Result<f64, Problem> {
        let text = self.text()?;
        let number = text.trim().parse();
        number.map_err(|_| Flaw::new(format!("{} is no number", quote(&text))).at(&self.at))
    }

    /// Bytes, as compose writes them: `512m`, `1.5gb`, `1048576`. Its units count by 1024.
    fn size(&self) -> Result<u64, Problem> {
        let text = self.text()?.to_lowercase();
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let factor = match text[digits.len()..].trim_end_matches('b') {
            "" => 1.0,
            "k" | "ki" => 1024.0,
            "m" | "mi" => 1024.0 * 1024.0,
            "g" | "gi" => 1024.0 * 1024.0 * 1024.0,
            _ => f64::NAN,
        };
        let size = digits
            .trim()
            .parse()
            .map_or(f64::NAN, |number: f64| number * factor);
        if !size.is_finite() {
            let flaw = Flaw::new(format!("{} is no size", quote(&text)));
            return Err(flaw.help("write for example `512m`").at(&self.at));
        }
        if self.at.ends_with("shm_size") {
            return Ok(container::bytes(size));
        }
        container::memory(size).map_err(|flaw| flaw.at(&self.at))
    }

    /// A time, as compose writes it: `90s`, `1m30s`, `500ms`.
    fn duration(&self) -> Result<Duration, Problem> {
        let text = self.text()?;
        let wrong = || {
            let flaw = Flaw::new(format!("{} is no time", quote(&text)));
            flaw.help("write for example `1m30s`").at(&self.at)
        };
        let mut sum = Duration::ZERO;
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() && rest != "0" {
            let digits = rest.len()
                - rest
                    .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
                    .len();
            let (number, after) = rest.split_at(digits);
            let letters = after.len() - after.trim_start_matches(char::is_alphabetic).len();
            let (unit, after) = after.split_at(letters);
            let seconds = match unit {
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return Err(wrong()),
            };
            let number: f64 = number.parse().map_err(|_| wrong())?;
            let part = Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())?;
            sum = sum.saturating_add(part);
            rest = after;
        }
        Ok(sum)
    }

    fn command(&self) -> Result<RawCommand, Problem> {
        if self.value.is_sequence() {
            let words: Result<_, _> = self.items().iter().map(Self::text).collect();
            return Ok(RawCommand::Words(words?));
        }
        Ok(RawCommand::Line(self.text()?))
    }

    fn words(&self) -> Result<Vec<String>, Problem> {
        container::words(&self.command()?).map_err(|flaw| flaw.at(&self.at))
    }

    /// `{ NAME: value }` or `[NAME=value]`; a name alone takes the environment's value.
    fn variables(&self, context: &Context<'_>) -> Result<BTreeMap<String, String>, Problem> {
        let mut variables = BTreeMap::new();
        if self.value.is_mapping() {
            for (name, node) in self.entries()? {
                if node.value.is_null() {
                    let own = context.variables.get(&name);
                    variables.extend(own.map(|value| (name, value.clone())));
                } else {
                    variables.insert(name, node.text()?);
                }
            }
            return Ok(variables);
        }
        for item in self.items() {
            let text = item.text()?;
            match text.split_once('=') {
                Some((name, value)) => {
                    variables.insert(name.to_owned(), value.to_owned());
                }
                None => {
                    let own = context.variables.get(&text);
                    variables.extend(own.map(|value| (text.clone(), value.clone())));
                }
            }
        }
        Ok(variables)
    }

    /// Puts the variables into every text of it.
    fn fill(&mut self, variables: &BTreeMap<String, String>) -> Result<(), Problem> {
        fill(&mut self.value, &self.at, variables)
    }
}

fn fill(
    value: &mut Value,
    at: &KeyPath,
    variables: &BTreeMap<String, String>,
) -> Result<(), Problem> {
    match value {
        Value::String(text) => {
            *text = interpolate(text, variables).map_err(|flaw| flaw.at(at))?;
        }
        Value::Sequence(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                fill(item, &at.index(index), variables)?;
            }
        }
        Value::Mapping(mapping) => {
            for (key, value) in mapping.iter_mut() {
                fill(value, &at.key(&scalar(key).unwrap_or_default()), variables)?;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Tagged(_) => {}
    }
    Ok(())
}

/// Text, a number or a truth value, as text.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) | Value::Tagged(_) => None,
    }
}

#[cfg(test)]
mod tests;
