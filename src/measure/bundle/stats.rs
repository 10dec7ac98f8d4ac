//! The chunks of a webpack or Rspack build, from its `stats.json`.
//!
//! Such a file lists every module and is often larger than the build: it is read as a stream,
//! and what is of no use here is passed over. Module sizes in it are those before minification,
//! so nothing here weighs anything.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use serde::Deserialize;

use super::chunks::{Chunk, Chunks, Role};
use super::sources::normalise;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Stats {
    chunks: Option<Vec<RawChunk>>,
    entrypoints: BTreeMap<String, Entrypoint>,
    /// One for each configuration, where there are several.
    children: Vec<Stats>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawChunk {
    id: Id,
    names: Vec<String>,
    files: Vec<String>,
    initial: bool,
    children: Vec<Id>,
    origins: Vec<Origin>,
}

/// The import that asked for a chunk.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Origin {
    module_name: Option<String>,
    request: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entrypoint {
    chunks: Vec<Id>,
}

/// Numbers in production, names in development.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(untagged)]
enum Id {
    Number(i64),
    Text(String),
    #[default]
    None,
}

impl Id {
    fn key(&self, build: usize) -> String {
        match self {
            Self::Number(number) => format!("{build}#{number}"),
            Self::Text(text) => format!("{build}#{text}"),
            Self::None => format!("{build}#"),
        }
    }
}

/// Reads the stats; none when the file is something else.
pub(super) fn parse(text: impl Read) -> Result<Option<Chunks>, serde_json::Error> {
    let stats: Stats = serde_json::from_reader(std::io::BufReader::new(text))?;
    let mut chunks = BTreeMap::new();
    let mut builds = vec![stats];
    let mut number = 0;
    while let Some(mut stats) = builds.pop() {
        builds.append(&mut stats.children);
        add(&stats, number, &mut chunks);
        number += 1;
    }
    Ok((!chunks.is_empty()).then(|| Chunks::new(chunks)))
}

fn add(stats: &Stats, build: usize, chunks: &mut BTreeMap<String, Chunk>) {
    let raw = stats.chunks.as_deref().unwrap_or_default();
    // Chunks that one import asks for load together: one route.
    let mut routes: BTreeMap<String, (Route, BTreeSet<Id>)> = BTreeMap::new();
    for chunk in raw {
        for origin in chunk.origins.iter().filter(|_| !chunk.initial) {
            let Some(source) = origin.target() else {
                continue;
            };
            let (route, ids) = routes.entry(source.clone()).or_default();
            route.source = Some(source);
            route.name = route.name.take().or_else(|| chunk.names.first().cloned());
            ids.insert(chunk.id.clone());
        }
    }
    for chunk in raw {
        let on_demand = routes
            .iter()
            .filter(|(_, (_, ids))| chunk.children.iter().any(|child| ids.contains(child)))
            .map(|(source, _)| format!("{build}import {source}"))
            .collect();
        let files = chunk.files.iter().filter(|file| is_loaded(file)).cloned();
        chunks.insert(
            chunk.id.key(build),
            Chunk {
                files: files.collect(),
                name: chunk.names.first().cloned(),
                on_demand,
                ..Chunk::default()
            },
        );
    }
    for (key, (route, ids)) in routes {
        chunks.insert(
            format!("{build}import {key}"),
            Chunk {
                name: route.name,
                source: route.source,
                role: Role::Lazy,
                imports: ids.iter().map(|id| id.key(build)).collect(),
                ..Chunk::default()
            },
        );
    }
    for (name, entry) in &stats.entrypoints {
        let of_entry = raw.iter().filter(|chunk| entry.chunks.contains(&chunk.id));
        let source = of_entry
            .flat_map(|chunk| &chunk.origins)
            .find_map(Origin::target);
        chunks.insert(
            format!("{build}entry {name}"),
            Chunk {
                name: Some(name.clone()),
                source,
                role: Role::Entry,
                imports: entry.chunks.iter().map(|id| id.key(build)).collect(),
                ..Chunk::default()
            },
        );
    }
}

#[derive(Debug, Default)]
struct Route {
    name: Option<String>,
    source: Option<String>,
}

impl Origin {
    /// The module that is imported, as far as its path tells.
    fn target(&self) -> Option<String> {
        let request = self.request.as_deref().filter(|it| !it.is_empty())?;
        if !request.starts_with('.') {
            return Some(request.to_owned());
        }
        let from = self.module_name.as_deref().unwrap_or_default();
        let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
        Some(
            normalise(&format!("{folder}/{request}"))
                .trim_start_matches('/')
                .to_owned(),
        )
    }
}

fn is_loaded(file: &str) -> bool {
    !file.ends_with(".map") && !file.contains(".hot-update.")
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATS: &str = r#"{
      "assets": [{"name": "main.js", "size": 1}],
      "modules": [{"size": 1, "source": "x"}],
      "chunks": [
        {"id": 1, "names": ["main"], "files": ["main.js", "main.css"], "initial": true, "children": [2, "v"],
         "origins": [{"moduleName": "", "request": "./src/main.js"}], "modules": [{"name": "y"}]},
        {"id": 2, "names": [], "files": ["2.js", "2.js.map"], "initial": false,
         "origins": [{"moduleName": "./src/main.js", "request": "./pages/charts"}]},
        {"id": "v", "names": [], "files": ["v.js"], "initial": false,
         "origins": [{"moduleName": "./src/main.js", "request": "./pages/charts"}]}
      ],
      "entrypoints": {"main": {"name": "main", "chunks": [1], "assets": [{"name": "main.js"}]}}
    }"#;

    #[test]
    fn an_import_is_one_route_with_all_its_chunks() {
        let chunks = parse(STATS.as_bytes()).unwrap().unwrap();
        let entries: Vec<_> = chunks.entries().collect();
        assert_eq!(entries, [("0entry main", "src/main.js")]);
        let lazy: Vec<_> = chunks.lazy().collect();
        assert_eq!(lazy, [("0import src/pages/charts", "src/pages/charts")]);
        assert_eq!(
            Vec::from_iter(chunks.closure("0entry main")),
            ["main.css", "main.js"]
        );
        assert_eq!(
            Vec::from_iter(chunks.closure("0import src/pages/charts")),
            ["2.js", "v.js"]
        );
        let reached = chunks.reachable(["0entry main".to_owned()].into_iter());
        assert!(reached.contains("0import src/pages/charts"), "{reached:?}");
    }

    #[test]
    fn another_file_is_no_stats_and_half_of_one_is_an_error() {
        assert!(parse("{\"name\": \"x\"}".as_bytes()).unwrap().is_none());
        assert!(parse(&STATS.as_bytes()[..200]).is_err());
    }
}
