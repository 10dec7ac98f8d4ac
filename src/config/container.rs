//! A service that is a container, as the configuration says it.
//!
//! Must not know compose files, which say the same in other words: both end here.

use std::path::PathBuf;

use crate::measure::plan::{Build, Container, Image, Volume, VolumeSource};

use super::error::{Flaw, Problem, quote};
use super::fields;
use super::locate::KeyPath;
use super::raw::{RawBuild, RawCommand, RawService};
use super::stack;

/// The container of a service with an `image` or a `build`.
pub(super) fn container(raw: &RawService, at: &KeyPath) -> Result<Container, Problem> {
    let image = match (&raw.image, &raw.build) {
        (Some(image), None) => {
            let named = image_name(image).map_err(|flaw| flaw.at(&at.key("image")))?;
            Image::Named(named)
        }
        (_, Some(build)) => Image::Built(self::build(build, &at.key("build"))?),
        (None, None) => return Err(Flaw::new("there is no image").at_key(at)),
    };
    let mut volumes = Vec::new();
    for (index, text) in raw.volumes.iter().flatten().enumerate() {
        let at = at.key("volumes").index(index);
        volumes.push(volume(text, "").map_err(|flaw| flaw.at(&at))?);
    }
    for (index, text) in raw.tmpfs.iter().flatten().enumerate() {
        let at = at.key("tmpfs").index(index);
        volumes.push(tmpfs(text).map_err(|flaw| flaw.at(&at))?);
    }
    let words = |key: &str, command: &Option<RawCommand>| {
        let command = command.as_ref().map(words).transpose();
        command.map_err(|flaw| flaw.at(&at.key(key)))
    };
    if raw.port == Some(0) {
        return Err(Flaw::new("a container cannot listen on port 0").at(&at.key("port")));
    }
    Ok(Container {
        image,
        port: raw.port,
        command: words("command", &raw.command)?,
        entrypoint: words("entrypoint", &raw.entrypoint)?,
        environment: stack::environment(raw, at)?,
        volumes,
        health: raw
            .health
            .as_ref()
            .map(health)
            .transpose()
            .map_err(|flaw| flaw.at(&at.key("health")))?,
        memory: raw
            .memory
            .map(|size| memory(size.0))
            .transpose()
            .map_err(|flaw| flaw.at(&at.key("memory")))?,
        nano_cpus: raw
            .cpus
            .map(nano_cpus)
            .transpose()
            .map_err(|flaw| flaw.at(&at.key("cpus")))?,
        user: raw.user.clone(),
        working_dir: None,
        shm_size: raw.shm_size.map(|size| bytes(size.0)),
        init: false,
        aliases: Vec::new(),
    })
}

fn build(raw: &RawBuild, at: &KeyPath) -> Result<Build, Problem> {
    let path = |key: &str, text: &str| {
        let checked = fields::project_path(text);
        checked.map_err(|flaw| flaw.at(&at.key(key)))
    };
    let context = path("context", &raw.context)?;
    let dockerfile = raw
        .dockerfile
        .clone()
        .unwrap_or_else(|| DOCKERFILE.to_owned());
    path("dockerfile", &dockerfile)?;
    Ok(Build {
        context,
        dockerfile,
        target: raw.target.clone(),
        args: raw.args.0.iter().cloned().collect(),
        network: raw.network.clone(),
    })
}

/// What a Dockerfile is called, unless the build says otherwise.
pub(super) const DOCKERFILE: &str = "Dockerfile";
/// The least memory an engine gives to a container.
const LEAST_MEMORY: f64 = 6.0 * 1024.0 * 1024.0;

/// The name of an image.
pub(super) fn image_name(text: &str) -> Result<String, Flaw> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    let repository = text.split(['@', ':']).next().unwrap_or_default();
    if text.is_empty() || !text.chars().all(fits) || repository.contains("//") {
        let flaw = Flaw::new(format!("{} is no name of an image", quote(text)));
        return Err(flaw.help("write for example `postgres:16`"));
    }
    Ok(text.to_owned())
}

/// A line as words, the way a shell splits it; a list as it is.
pub(super) fn words(command: &RawCommand) -> Result<Vec<String>, Flaw> {
    match command {
        RawCommand::Words(words) => Ok(words.clone()),
        RawCommand::Line(line) => shlex::split(line).ok_or_else(|| {
            let flaw = Flaw::new("a quote in this line has no end");
            flaw.help("write it as a list: `[sh, -c, …]`")
        }),
    }
}

/// A line for the container's shell; a list with `CMD` or `CMD-SHELL` in front, or a program.
pub(super) fn health(command: &RawCommand) -> Result<Vec<String>, Flaw> {
    let test = match command {
        RawCommand::Line(line) => vec!["CMD-SHELL".to_owned(), line.clone()],
        RawCommand::Words(words) => match words.first().map(String::as_str) {
            Some("CMD" | "CMD-SHELL") => words.clone(),
            Some(_) | None => {
                let mut test = vec!["CMD".to_owned()];
                test.extend(words.iter().cloned());
                test
            }
        },
    };
    if test.get(1).is_none_or(String::is_empty) {
        return Err(
            Flaw::new("this health check is empty").help("write for example `redis-cli ping`")
        );
    }
    Ok(test)
}

/// A volume: `NAME:/path`, `./folder:/path`, either with `:ro`. Folders are below `base`.
pub(super) fn volume(text: &str, base: &str) -> Result<Volume, Flaw> {
    let example = "write for example `data:/var/lib/data` or `./config:/etc/app:ro`";
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts.as_slice() {
        [source, target] => (*source, *target, ""),
        [source, target, options] => (*source, *target, *options),
        _ => {
            let flaw = Flaw::new(format!("{} is no volume", quote(text)));
            return Err(flaw.help(example));
        }
    };
    let mut read_only = false;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => read_only = true,
            // Labels of SELinux and modes of sharing change nothing for one container.
            "rw" | "z" | "Z" | "cached" | "delegated" | "consistent" => {}
            other => {
                let flaw = Flaw::new(format!(
                    "the option {} of a volume cannot be kept",
                    quote(other)
                ));
                return Err(flaw.help("there are `ro` and `rw`"));
            }
        }
    }
    Ok(Volume {
        source: source_of(source, base)?,
        target: absolute(target)?,
        read_only,
    })
}

/// A name, or a path of the project.
pub(super) fn source_of(text: &str, base: &str) -> Result<VolumeSource, Flaw> {
    if text.starts_with(['/', '~']) {
        let flaw = Flaw::new(format!("{} is outside of the project", quote(text)));
        return Err(flaw.help("mount what is in the project: both arms have their own"));
    }
    if !text.starts_with('.') {
        let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if text.is_empty() || !text.chars().all(fits) {
            let flaw = Flaw::new(format!("{} is no name for a volume", quote(text)));
            return Err(flaw.help("a path starts with `./`"));
        }
        return Ok(VolumeSource::Named(text.to_owned()));
    }
    inside(text, base).map(VolumeSource::Bind)
}

/// A path below `base` without `.` and `..` in it, as long as it stays in the project.
pub(super) fn inside(text: &str, base: &str) -> Result<PathBuf, Flaw> {
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(text.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    let flaw = Flaw::new(format!("the path {} leaves the project", quote(text)));
                    return Err(flaw.help("the folder of the configuration is the project"));
                }
            }
            part => parts.push(part),
        }
    }
    if text.starts_with('/') {
        let flaw = Flaw::new(format!("the path {} leaves the project", quote(text)));
        return Err(flaw.help("write a path relative to the project"));
    }
    Ok(parts.iter().collect())
}

/// Memory in a container, with what the engine gives to it where nothing is said.
pub(super) fn tmpfs(text: &str) -> Result<Volume, Flaw> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let other = options.split(',').find(|one| !["", "rw"].contains(one));
    if let Some(other) = other {
        let flaw = Flaw::new(format!(
            "the option {} of a tmpfs cannot be honoured",
            quote(other)
        ));
        return Err(flaw.help(format!("write {}", quote(target))));
    }
    Ok(Volume {
        source: VolumeSource::Tmpfs,
        target: absolute(target)?,
        read_only: false,
    })
}

fn absolute(target: &str) -> Result<String, Flaw> {
    if target.starts_with('/') {
        return Ok(target.to_owned());
    }
    let flaw = Flaw::new(format!("{} is no path in a container", quote(target)));
    Err(flaw.help("it starts with `/`"))
}

/// A limit of memory.
pub(super) fn memory(size: f64) -> Result<u64, Flaw> {
    if size < LEAST_MEMORY {
        let flaw = Flaw::new("a container cannot start with so little memory");
        return Err(flaw.help("engines give 6 MiB at least"));
    }
    Ok(bytes(size))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked sizes"
)]
pub(super) fn bytes(size: f64) -> u64 {
    size as u64
}

/// A limit of CPU time, in billionths of a core.
#[expect(
    clippy::cast_possible_truncation,
    reason = "at most a few thousand cores"
)]
pub(super) fn nano_cpus(cpus: f64) -> Result<i64, Flaw> {
    if !(0.01..=4096.0).contains(&cpus) {
        let flaw = Flaw::new("a container cannot have so many cores");
        return Err(flaw.help("write for example `cpus: 1.5`"));
    }
    Ok((cpus * 1e9) as i64)
}
