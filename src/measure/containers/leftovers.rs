//! What must not stay behind: containers, networks and volumes with our labels.
//!
//! An object is removed when its label names an owner that has ended, or this process. One whose
//! owner runs, or cannot be looked for from here, is left alone, and so is everything without our
//! label.

use std::collections::HashMap;
use std::time::Duration;

use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptionsBuilder, ListNetworksOptionsBuilder,
    ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder,
    RemoveVolumeOptionsBuilder,
};

use super::engine::{Engine, EngineError, is_missing, said};
use super::owner::{self, Fate, Owner};

/// How often a removal is tried: another one of the same thing may be under way.
const TRIES: u32 = 40;
/// How long is waited between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// How long the engine may still be making what nobody waits for any more.
const LATE: Duration = Duration::from_millis(400);

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A container.
    Container,
    /// A network; it must be empty before it can go.
    Network,
    /// A volume; no container may use it.
    Volume,
    /// An image that was built here.
    Image,
}

impl Kind {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Network => "network",
            Self::Volume => "volume",
            Self::Image => "image",
        }
    }
}

/// Something with our labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// What the engine knows it by.
    id: String,
    /// What people know it by.
    pub name: String,
    owner: Owner,
    arm: String,
    run: String,
}

impl Object {
    /// What became of whom it belongs to.
    pub fn fate(&self) -> Fate {
        self.owner.fate()
    }
}

/// Everything with our labels, containers first.
pub async fn all(engine: &Engine) -> Result<Vec<Object>, EngineError> {
    let doing = "looking for what earlier runs left";
    let filters = HashMap::from([("label".to_owned(), vec![owner::OWNER.to_owned()])]);
    let docker = &engine.docker;
    let mut found = Vec::new();
    let options = ListContainersOptionsBuilder::new();
    let options = options.all(true).filters(&filters).build();
    let containers = docker.list_containers(Some(options)).await;
    for one in containers.map_err(EngineError::of(doing))? {
        let name = one.names.unwrap_or_default().into_iter().next();
        let name = name.unwrap_or_default().trim_start_matches('/').to_owned();
        let id = one.id.unwrap_or_default();
        found.extend(object(
            Kind::Container,
            id,
            name,
            &one.labels.unwrap_or_default(),
        ));
    }
    let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let networks = docker.list_networks(Some(options)).await;
    for one in networks.map_err(EngineError::of(doing))? {
        let (id, name) = (one.id.unwrap_or_default(), one.name.unwrap_or_default());
        found.extend(object(
            Kind::Network,
            id,
            name,
            &one.labels.unwrap_or_default(),
        ));
    }
    let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
    let volumes = docker.list_volumes(Some(options)).await;
    for one in volumes
        .map_err(EngineError::of(doing))?
        .volumes
        .unwrap_or_default()
    {
        found.extend(object(
            Kind::Volume,
            one.name.clone(),
            one.name,
            &one.labels,
        ));
    }
    Ok(found)
}

fn object(
    kind: Kind,
    id: String,
    name: String,
    labels: &HashMap<String, String>,
) -> Option<Object> {
    let label = |key: &str| labels.get(key).cloned().unwrap_or_default();
    Some(Object {
        kind,
        id,
        name,
        owner: Owner::parse(&label(owner::OWNER))?,
        arm: label(owner::ARM),
        run: label(owner::LABEL),
    })
}

/// Removes what belongs to nobody any more. Returns what was removed.
pub async fn sweep(engine: &Engine) -> Result<Vec<Object>, EngineError> {
    let gone = |object: &Object| object.fate() == Fate::Gone;
    remove_where(engine, gone).await
}

/// Removes what this run made for one arm.
pub async fn remove_arm(engine: &Engine, arm: &str) -> Result<Vec<Object>, EngineError> {
    let its = |object: &Object| {
        object.owner == engine.owner && object.run == engine.run && object.arm == arm
    };
    remove_where(engine, its).await
}

/// Removes everything that this process made, if it made anything.
pub async fn remove_own() -> Result<(), EngineError> {
    let Some(engine) = Engine::used().await else {
        return Ok(());
    };
    let failed = |why| EngineError::new("removing the containers of this run", why);
    let engine = engine.map_err(failed)?;
    let own = Owner::this();
    // What was being made when we were interrupted may appear only now: once more, until nothing is
    // there.
    let mut is_first = true;
    for _ in 0..TRIES {
        let removed = remove_where(&engine, |object| object.owner == own).await?;
        if removed.is_empty() && !is_first {
            break;
        }
        is_first = false;
        tokio::time::sleep(LATE).await;
    }
    Ok(())
}

async fn remove_where(
    engine: &Engine,
    wanted: impl Fn(&Object) -> bool,
) -> Result<Vec<Object>, EngineError> {
    let mut objects = all(engine).await?;
    objects.retain(|object| wanted(object));
    objects.sort_by_key(|object| object.kind);
    for kind in [Kind::Container, Kind::Network, Kind::Volume] {
        let these = objects.iter().filter(|object| object.kind == kind);
        let removals = these.map(|object| remove(engine, object));
        for removed in futures_util::future::join_all(removals).await {
            removed?;
        }
    }
    Ok(objects)
}

async fn remove(engine: &Engine, object: &Object) -> Result<(), EngineError> {
    let docker = &engine.docker;
    let id = &object.id;
    let mut tries = 0;
    loop {
        let removed = match object.kind {
            Kind::Container => {
                let options = RemoveContainerOptionsBuilder::new();
                let options = options.force(true).v(true).build();
                docker.remove_container(id, Some(options)).await
            }
            Kind::Network => docker.remove_network(id).await,
            Kind::Volume => {
                let options = RemoveVolumeOptionsBuilder::new().force(true).build();
                docker.remove_volume(id, Some(options)).await
            }
            Kind::Image => return Ok(()),
        };
        match removed {
            Ok(()) => return Ok(()),
            Err(error) if is_missing(&error) => return Ok(()),
            Err(_) if tries < TRIES => tries += 1,
            Err(error) => {
                let doing = format!("removing the {} `{}`", object.kind.name(), object.name);
                return Err(EngineError::new(doing, said(&error)));
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The images that were built here, by name.
pub async fn images(engine: &Engine) -> Result<Vec<String>, EngineError> {
    let filters = HashMap::from([("label".to_owned(), vec![owner::BUILT.to_owned()])]);
    let options = ListImagesOptionsBuilder::new().filters(&filters).build();
    let images = engine.docker.list_images(Some(options)).await;
    let images = images.map_err(EngineError::of("looking for images"))?;
    Ok(images
        .into_iter()
        .flat_map(|image| image.repo_tags)
        .collect())
}

/// Removes an image that was built here.
pub async fn remove_image(engine: &Engine, name: &str) -> Result<(), EngineError> {
    let options = RemoveImageOptionsBuilder::new().build();
    let removed = engine.docker.remove_image(name, Some(options), None).await;
    removed.map_err(EngineError::of(format!("removing the image `{name}`")))?;
    Ok(())
}
