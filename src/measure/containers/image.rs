//! The image a container is made from: pulled when it is not here, or built from the arm's own
//! tree, once for the same files.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use bollard::query_parameters::{
    BuildImageOptionsBuilder, CreateImageOptionsBuilder, ListImagesOptionsBuilder,
    RemoveImageOptionsBuilder, TagImageOptionsBuilder,
};
use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::{Either, Full};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::engine::{Engine, EngineError, is_missing, said};
use super::{context, credentials, owner};
use crate::measure::install::hex;
use crate::measure::plan::Build;

/// Built images of one service that are kept.
const KEPT: usize = 6;
/// Seconds within which a run has started what it chose: the images of its other services may be
/// built meanwhile.
const STARTED_WITHIN: i64 = 3600;
/// Lines of a failed build that an error quotes.
const QUOTED_LINES: usize = 8;

/// Makes sure that an image is here. Returns whether it had to be pulled.
pub async fn pull(engine: &Engine, image: &str) -> Result<bool, EngineError> {
    let doing = || format!("pulling `{image}`");
    match engine.docker.inspect_image(image).await {
        Ok(_) => return Ok(false),
        Err(error) if is_missing(&error) => {}
        Err(error) => return Err(EngineError::new(doing(), said(&error))),
    }
    let whole = if image
        .rsplit('/')
        .next()
        .is_some_and(|name| name.contains([':', '@']))
    {
        image.to_owned()
    } else {
        // Without a tag every one of them would be pulled.
        format!("{image}:latest")
    };
    let options = CreateImageOptionsBuilder::new().from_image(&whole).build();
    let mut steps = engine
        .docker
        .create_image(Some(options), None, credentials::of(image));
    while let Some(step) = steps.next().await {
        let step = step.map_err(EngineError::of(doing()))?;
        if let Some(error) = step.error_detail {
            return Err(EngineError::new(doing(), error.message.unwrap_or_default()));
        }
    }
    Ok(true)
}

/// The name of what a service's Dockerfile makes from these files.
pub fn name(project: &str, service: &str, build: &Build, files: &str) -> String {
    let mut hasher = Sha256::new();
    // Everything the result depends on; the base image is asked for anew with each tree.
    hasher.update(format!("{build:?}\0{files}"));
    let key = &hex(&hasher.finalize())[..16];
    format!("tollgate/{}-{}:{key}", part(project), part(service))
}

/// What may stand in the name of an image.
fn part(name: &str) -> String {
    let kept = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let text: String = name.chars().map(kept).collect();
    let text = text.trim_matches('-').to_owned();
    let short: String = text.chars().take(40).collect();
    let short = short.trim_matches('-');
    // Names of images have no two dashes where there was only one thing between them.
    let words: Vec<&str> = short.split('-').filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        "app".to_owned()
    } else {
        words.join("-")
    }
}

/// What to build.
#[derive(Debug)]
pub struct Request<'a> {
    /// The name it gets.
    pub image: &'a str,
    /// How.
    pub build: &'a Build,
    /// The context's folder.
    pub folder: &'a Path,
    /// Where what the build says goes.
    pub log: &'a Path,
}

/// Builds an image unless it is here. Returns whether it was built.
pub async fn build(engine: &Engine, request: &Request<'_>) -> Result<bool, EngineError> {
    let Request {
        image,
        build,
        folder,
        log,
    } = request;
    let doing = || format!("building the image from `{}`", build.context.display());
    match use_again(engine, image).await {
        Ok(()) => return Ok(false),
        Err(error) if is_missing(&error) => {}
        Err(error) => return Err(EngineError::new(doing(), said(&error))),
    }
    let path = folder.join(&build.dockerfile);
    let dockerfile = fs::read_to_string(&path)
        .map_err(|error| EngineError::new(doing(), format!("`{}`: {error}", build.dockerfile)))?;
    let archive = context::archive(folder, &build.dockerfile)
        .map_err(|error| EngineError::new(doing(), error.to_string()))?;
    let args: HashMap<String, String> = build.args.clone().into_iter().collect();
    let labels = HashMap::from([(owner::BUILT, repository(image).unwrap_or(image))]);
    let mut options = BuildImageOptionsBuilder::new()
        .dockerfile(&build.dockerfile)
        .t(image)
        .rm(true)
        .forcerm(true)
        .buildargs(&args)
        .labels(&labels);
    if let Some(target) = &build.target {
        options = options.target(target);
    }
    if let Some(network) = &build.network {
        options = options.networkmode(network);
    }
    let logins = credentials::of_dockerfile(&dockerfile);
    let mut steps = engine.docker.build_image(
        options.build(),
        Some(logins),
        Some(Either::Left(Full::new(Bytes::from(archive)))),
    );
    let mut said_so_far = Log::new(log);
    while let Some(step) = steps.next().await {
        let failed = match step {
            Ok(step) => {
                said_so_far.take(step.stream.as_deref().or(step.status.as_deref()));
                step.error_detail
                    .map(|error| error.message.unwrap_or_default())
            }
            Err(error) => Some(said(&error)),
        };
        if let Some(why) = failed {
            return Err(EngineError::new(doing(), said_so_far.quoted(&why)));
        }
    }
    Ok(true)
}

/// What a build says: in a file, and the end of it in memory.
struct Log {
    file: Option<File>,
    text: String,
}

impl Log {
    fn new(path: &Path) -> Self {
        if let Some(parent) = path.parent() {
            let _unwritable = fs::create_dir_all(parent);
        }
        Self {
            file: File::create(path).ok(),
            text: String::new(),
        }
    }

    fn take(&mut self, said: Option<&str>) {
        let said = said.unwrap_or_default();
        if let Some(file) = &mut self.file {
            let _unwritable = file.write_all(said.as_bytes());
        }
        self.text.push_str(said);
    }

    fn quoted(&self, why: &str) -> String {
        let lines = self.text.lines().map(str::trim_end);
        let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(QUOTED_LINES)..];
        last.iter().fold(why.trim().to_owned(), |mut text, line| {
            text.push_str("\n  | ");
            text.push_str(line);
            text
        })
    }
}

/// What an image sets a variable of the environment to; none where it does not.
pub async fn variable(engine: &Engine, image: &str, name: &str) -> Option<String> {
    let image = engine.docker.inspect_image(image).await.ok()?;
    value_of(&image.config?.env?, name)
}

fn value_of(environment: &[String], name: &str) -> Option<String> {
    let pairs = environment.iter().filter_map(|line| line.split_once('='));
    let (_, value) = pairs.rev().find(|(other, _)| *other == name)?;
    Some(value.to_owned())
}

/// Gives an image that is here the name it has: the engine remembers when that was, which says when it
/// was used last. When it was made may be long ago, and is the same for all that are alike.
async fn use_again(engine: &Engine, image: &str) -> Result<(), bollard::errors::Error> {
    let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
    let options = TagImageOptionsBuilder::new().repo(name).tag(tag).build();
    engine.docker.tag_image(image, Some(options)).await
}

/// Removes the images of these services that were not used for longest, and none of these. One that
/// another run may have chosen and not started yet stays too. What cannot be removed is in use.
pub async fn prune(engine: &Engine, used: &BTreeSet<String>) {
    let repositories: BTreeSet<&str> = used.iter().filter_map(|name| repository(name)).collect();
    for repository in repositories {
        let label = format!("{}={repository}", owner::BUILT);
        let filters = HashMap::from([("label".to_owned(), vec![label])]);
        let options = ListImagesOptionsBuilder::new().filters(&filters).build();
        let listed = engine.docker.list_images(Some(options)).await;
        let mut images = Vec::new();
        for image in listed.unwrap_or_default() {
            let last_used = last_used(engine, &image.id).await;
            images.push((last_used.unwrap_or(image.created), image.repo_tags));
        }
        let now = OffsetDateTime::now_utc().unix_timestamp();
        for tag in outdated(images, used, now) {
            let options = RemoveImageOptionsBuilder::new().build();
            let _in_use = engine.docker.remove_image(&tag, Some(options), None).await;
        }
    }
}

/// When an image was named last, in seconds since 1970.
async fn last_used(engine: &Engine, id: &str) -> Option<i64> {
    let image = engine.docker.inspect_image(id).await.ok()?;
    let time = OffsetDateTime::parse(&image.metadata?.last_tag_time?, &Rfc3339);
    time.ok().map(OffsetDateTime::unix_timestamp)
}

/// The name of an image without what it was made of.
fn repository(image: &str) -> Option<&str> {
    image.rsplit_once(':').map(|(name, _)| name)
}

/// The tags of the images that are too many: by when each was used last, and none that is used now.
fn outdated(mut images: Vec<(i64, Vec<String>)>, used: &BTreeSet<String>, now: i64) -> Vec<String> {
    images.sort_by_key(|(last_used, _)| std::cmp::Reverse(*last_used));
    let is_used = |tags: &[String]| {
        let is_named = |tag: &String| used.iter().any(|name| is_same(tag, name));
        tags.iter().any(is_named)
    };
    images
        .into_iter()
        .skip(KEPT)
        .filter(|(last_used, tags)| now - last_used > STARTED_WITHIN && !is_used(tags))
        .flat_map(|(_, tags)| tags)
        .collect()
}

/// Whether a tag is the one that was given: Podman puts `localhost/` in front of it.
fn is_same(tag: &str, name: &str) -> bool {
    let before = tag.strip_suffix(name);
    before.is_some_and(|host| host.is_empty() || host.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_named_by_what_it_is_made_of() {
        let build = Build {
            context: "api".into(),
            dockerfile: "Dockerfile".to_owned(),
            target: None,
            args: [("BASE".to_owned(), "node:20".to_owned())].into(),
            network: None,
        };
        let one = name("My App!", "api", &build, "tree");
        assert!(one.starts_with("tollgate/my-app-api:"), "{one}");
        assert_eq!(one, name("My App!", "api", &build, "tree"));
        assert_ne!(one, name("My App!", "api", &build, "another tree"));
        let other = Build {
            target: Some("test".to_owned()),
            ..build
        };
        assert_ne!(one, name("My App!", "api", &other, "tree"));
        assert!(name("–––", "__", &other, "").starts_with("tollgate/app-app:"));
    }

    #[test]
    fn the_environment_of_an_image_is_lines() {
        let lines = ["PATH=/bin", "OMP_NUM_THREADS=1", "OPTIONS=a=b"].map(str::to_owned);
        let value = |name| value_of(&lines, name);
        assert_eq!(value("OMP_NUM_THREADS").as_deref(), Some("1"));
        assert_eq!(value("OPTIONS").as_deref(), Some("a=b"));
        assert_eq!(value("OMP"), None);
    }

    #[test]
    fn an_image_that_a_run_uses_stays() {
        let tag = |number: i64| format!("tollgate/a-b:{number}");
        let images: Vec<_> = (1..=9).map(|number| (number, vec![tag(number)])).collect();
        let used = |number: i64| BTreeSet::from([tag(number), tag(9)]);
        let tomorrow = 24 * 3600;
        // Six are kept, and the oldest of nine came from the cache.
        let outdated = |used: BTreeSet<String>, now| outdated(images.clone(), &used, now);
        assert_eq!(outdated(used(1), tomorrow), [tag(3), tag(2)]);
        assert_eq!(outdated(used(8), tomorrow), [tag(3), tag(2), tag(1)]);
        // Podman shows them with a host, which is no other image.
        assert!(is_same(&format!("localhost/{}", tag(3)), &tag(3)));
        assert!(!is_same("tollgate/a-b:3", "b:3"));
        // Another run may have chosen it a moment ago.
        assert!(outdated(used(8), 60).is_empty());
    }
}
