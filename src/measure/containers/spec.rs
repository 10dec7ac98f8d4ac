//! What the engine is told to make: a pure function of the plan.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, Mount, MountType,
    NetworkingConfig, PortBinding,
};

/// A container with everything filled in.
#[derive(Debug, Clone)]
pub struct Spec<'a> {
    /// Its name for other containers of the arm.
    pub service: &'a str,
    /// The image.
    pub image: &'a str,
    /// As planned.
    pub planned: &'a crate::measure::plan::Container,
    /// Its command with nothing left to fill in.
    pub command: Option<Vec<String>>,
    /// Its environment with nothing left to fill in.
    pub environment: Vec<String>,
    /// What is mounted: named volumes under the name the engine knows, paths from the root.
    pub mounts: Vec<Mount>,
    /// The port of this machine that leads to it.
    pub published: Option<u16>,
    /// The network of the arm.
    pub network: &'a str,
    /// Who it belongs to.
    pub labels: HashMap<String, String>,
}

/// A mount of the arm's own volume or path, or of memory.
pub fn mount(kind: MountType, source: Option<String>, target: &str, read_only: bool) -> Mount {
    Mount {
        target: Some(target.to_owned()),
        source,
        typ: Some(kind),
        read_only: Some(read_only),
        ..Mount::default()
    }
}

/// The body of the request that makes it.
pub fn body(spec: &Spec<'_>) -> ContainerCreateBody {
    let planned = spec.planned;
    let port = planned.port.map(|port| format!("{port}/tcp"));
    let bindings = port.clone().zip(spec.published).map(|(port, published)| {
        let binding = PortBinding {
            host_ip: Some("127.0.0.1".to_owned()),
            host_port: Some(published.to_string()),
        };
        HashMap::from([(port, Some(vec![binding]))])
    });
    let mut aliases = vec![spec.service.to_owned()];
    aliases.extend(planned.aliases.iter().cloned());
    let endpoint = EndpointSettings {
        aliases: Some(aliases),
        ..EndpointSettings::default()
    };
    ContainerCreateBody {
        image: Some(spec.image.to_owned()),
        cmd: spec.command.clone(),
        entrypoint: planned.entrypoint.clone(),
        env: Some(spec.environment.clone()),
        user: planned.user.clone(),
        working_dir: planned.working_dir.clone(),
        hostname: host_name(spec.service),
        exposed_ports: port.map(|port| vec![port]),
        labels: Some(spec.labels.clone()),
        // Asked by us until it is ready, and never while something is timed.
        healthcheck: Some(HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..HealthConfig::default()
        }),
        host_config: Some(HostConfig {
            network_mode: Some(spec.network.to_owned()),
            port_bindings: bindings,
            mounts: (!spec.mounts.is_empty()).then(|| spec.mounts.clone()),
            memory: planned.memory.and_then(|bytes| bytes.try_into().ok()),
            // No swap: what does not fit is killed, on every machine alike.
            memory_swap: planned.memory.and_then(|bytes| bytes.try_into().ok()),
            nano_cpus: planned.nano_cpus,
            shm_size: planned.shm_size.and_then(|bytes| bytes.try_into().ok()),
            init: planned.init.then_some(true),
            ..HostConfig::default()
        }),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(spec.network.to_owned(), endpoint)])),
        }),
        ..ContainerCreateBody::default()
    }
}

/// A service's name where it can be the name of a host.
fn host_name(service: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (service.len() < 64 && service.chars().all(fits)).then(|| service.to_owned())
}
