//! When a browser loads a file: from Vite's manifest, from the pages, or from the scripts.
//!
//! Must not decide sizes: a manifest that is broken costs the classification, never a byte.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde::Deserialize;

use crate::model::evidence::Load;

use super::assets::{File, Found, Kind};
use super::scan;

/// One entry of `.vite/manifest.json`; other fields are of no use here.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawChunk {
    file: String,
    name: Option<String>,
    src: Option<String>,
    is_entry: bool,
    imports: Vec<String>,
    css: Vec<String>,
}

/// What the build says about its chunks; empty when it says nothing.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    chunks: BTreeMap<String, RawChunk>,
    names: BTreeMap<String, String>,
}

/// Reads the manifest, if there is a good one.
pub(super) fn read(found: &Found, skipped: &mut Vec<String>) -> Manifest {
    let Some(path) = &found.manifest else {
        return Manifest::default();
    };
    let parsed = fs::read(path)
        .map_err(|error| error.to_string())
        .and_then(|text| serde_json::from_slice(&text).map_err(|error| error.to_string()));
    match parsed {
        Ok(chunks) => Manifest::new(chunks),
        Err(why) => {
            skipped.push(format!(
                "`{}` cannot be read, so the pages tell what loads first: {why}",
                super::assets::MANIFEST
            ));
            Manifest::default()
        }
    }
}

impl Manifest {
    fn new(chunks: BTreeMap<String, RawChunk>) -> Self {
        let names = chunks
            .values()
            .filter_map(|chunk| {
                let from_source = || Some(stem(chunk.src.as_deref()?).to_owned());
                let name = chunk.name.clone().or_else(from_source)?;
                Some((chunk.file.clone(), name))
            })
            .collect();
        Self { chunks, names }
    }

    /// The name the bundler gave the chunk that became this file.
    pub(super) fn chunk_name(&self, path: &str) -> Option<&str> {
        self.names.get(path).map(String::as_str)
    }

    /// Source files of the entries, relative to the frontend.
    pub(super) fn entry_sources(&self) -> Vec<&str> {
        self.entries()
            .filter_map(|chunk| chunk.src.as_deref())
            .collect()
    }

    fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    fn entries(&self) -> impl Iterator<Item = &RawChunk> {
        self.chunks
            .values()
            .filter(|chunk| chunk.is_entry && !is_legacy(chunk))
    }

    /// Files that load with an entry: static imports, theirs, and the styles of all of them.
    /// Chunks import each other in circles, so every one is visited once.
    fn initial(&self) -> BTreeSet<String> {
        let mut files = BTreeSet::new();
        let mut visited = BTreeSet::new();
        let mut open: Vec<&RawChunk> = self.entries().collect();
        while let Some(chunk) = open.pop() {
            if visited.insert(chunk.file.as_str()) {
                files.insert(chunk.file.clone());
                files.extend(chunk.css.iter().cloned());
                open.extend(chunk.imports.iter().filter_map(|key| self.chunks.get(key)));
            }
        }
        files
    }

    /// Files of chunks that some page or route loads.
    fn all(&self) -> BTreeSet<String> {
        self.chunks
            .values()
            .filter(|chunk| !is_legacy(chunk))
            .flat_map(|chunk| chunk.css.iter().chain([&chunk.file]).cloned())
            .collect()
    }

    /// Every file it names.
    fn files(&self) -> impl Iterator<Item = &String> {
        self.chunks
            .values()
            .flat_map(|chunk| chunk.css.iter().chain([&chunk.file]))
    }
}

/// Chunks for browsers without modules: a current browser never loads them.
fn is_legacy(chunk: &RawChunk) -> bool {
    let name = chunk.name.as_deref().or(chunk.src.as_deref());
    name.is_some_and(|name| stem(name).ends_with("-legacy"))
}

fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// When each script and style loads. What is missing from the answer is neither.
pub(super) fn classify(
    manifest: &Manifest,
    found: &Found,
    skipped: &mut Vec<String>,
) -> BTreeMap<String, Load> {
    report_missing(manifest, found, skipped);
    let pages = from_pages(found);
    let mut initial = manifest.initial();
    initial.extend(pages.initial);
    let lazy = if manifest.is_empty() {
        on_demand(found)
    } else {
        manifest.all()
    };
    let loads = lazy
        .into_iter()
        .filter(|path| !pages.legacy.contains(path))
        .map(|path| (path, Load::Lazy))
        .chain(initial.into_iter().map(|path| (path, Load::Initial)));
    loads
        .filter(|(path, _)| matches!(Kind::of(path), Kind::Script | Kind::Style))
        .collect()
}

fn report_missing(manifest: &Manifest, found: &Found, skipped: &mut Vec<String>) {
    let missing: BTreeSet<&String> = manifest
        .files()
        .filter(|path| found.file(path).is_none())
        .collect();
    skipped.extend(missing.into_iter().map(|path| {
        format!(
            "`{}` names `{path}`, which the build did not leave",
            super::assets::MANIFEST
        )
    }));
}

/// What the pages ask for.
#[derive(Debug, Default)]
struct Pages {
    initial: BTreeSet<String>,
    legacy: BTreeSet<String>,
}

/// Reads every page: its scripts, preloads and styles, and what those import statically.
fn from_pages(found: &Found) -> Pages {
    let mut pages = Pages::default();
    let mut open: Vec<&File> = Vec::new();
    for page in &found.shipped {
        if Kind::of(&page.path) != Kind::Page {
            continue;
        }
        let Ok(html) = fs::read(&page.disk) else {
            continue;
        };
        for link in links(&String::from_utf8_lossy(&html)) {
            let Some(file) = found.resolve(&page.path, &link.url) else {
                continue;
            };
            match link.when {
                When::Legacy => {
                    pages.legacy.insert(file.path.clone());
                }
                When::First => open.push(file),
            }
        }
    }
    while let Some(file) = open.pop() {
        if pages.initial.insert(file.path.clone()) && Kind::of(&file.path) == Kind::Script {
            open.extend(imported(file, found));
        }
    }
    pages
}

/// Scripts that a built script imports statically.
fn imported<'a>(file: &File, found: &'a Found) -> Vec<&'a File> {
    let Ok(code) = fs::read(&file.disk) else {
        return Vec::new();
    };
    scan::imports(&String::from_utf8_lossy(&code))
        .into_iter()
        .filter(|import| import.kind == scan::Kind::Static && import.specifier.starts_with('.'))
        .filter_map(|import| found.resolve(&file.path, &import.specifier))
        .collect()
}

/// Without a manifest: every script and style that is no worker.
fn on_demand(found: &Found) -> BTreeSet<String> {
    let workers: BTreeSet<String> = found
        .shipped
        .iter()
        .filter(|file| Kind::of(&file.path) == Kind::Script)
        .filter_map(|file| Some((file, fs::read(&file.disk).ok()?)))
        .flat_map(|(file, code)| workers_of(&file.path, &String::from_utf8_lossy(&code), found))
        .collect();
    found
        .shipped
        .iter()
        .map(|file| file.path.clone())
        .filter(|path| !workers.contains(path))
        .collect()
}

/// Files in `new Worker(new URL("./w.js", …))` and `serviceWorker.register("/sw.js")`.
fn workers_of(path: &str, code: &str, found: &Found) -> Vec<String> {
    const CALLS: [&str; 3] = ["Worker(", "Worker.register(", ".addModule("];
    CALLS
        .iter()
        .flat_map(|call| code.match_indices(call).map(|(at, call)| at + call.len()))
        .filter_map(|at| {
            let rest = &code[at..];
            let start = rest.find(['"', '\'', '`']).filter(|start| *start < 40)?;
            let quote = rest[start..].chars().next()?;
            let url = rest[start + 1..].split(quote).next()?;
            Some(found.resolve(path, url)?.path.clone())
        })
        .collect()
}

/// When a link of a page loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    First,
    Legacy,
}

/// A script or style that a page names.
#[derive(Debug, PartialEq, Eq)]
struct Link {
    url: String,
    when: When,
}

/// Scripts, module preloads and style sheets of a page.
fn links(html: &str) -> Vec<Link> {
    tags(html).into_iter().filter_map(link_of).collect()
}

/// The module scripts of a page, as it names them.
pub(super) fn scripts_of(html: &str) -> Vec<String> {
    tags(html)
        .into_iter()
        .filter(|tag| tag.name == "script")
        .filter_map(|tag| Some(tag.value("src")?.to_owned()))
        .collect()
}

fn link_of(tag: Tag<'_>) -> Option<Link> {
    let (url, when) = match tag.name.as_str() {
        "script" if tag.value("nomodule").is_some() => (
            tag.value("src").or_else(|| tag.value("data-src"))?,
            When::Legacy,
        ),
        "script" => (tag.value("src")?, When::First),
        "link" => {
            let rel = tag.value("rel")?;
            let is_loaded = rel
                .split_ascii_whitespace()
                .any(|word| word == "modulepreload" || word == "stylesheet");
            (is_loaded.then(|| tag.value("href")).flatten()?, When::First)
        }
        _ => return None,
    };
    Some(Link {
        url: url.to_owned(),
        when,
    })
}

/// A tag with its attributes.
#[derive(Debug)]
struct Tag<'a> {
    name: String,
    attributes: Vec<(String, &'a str)>,
}

impl<'a> Tag<'a> {
    fn value(&self, name: &str) -> Option<&'a str> {
        self.attributes
            .iter()
            .find(|(attribute, _)| attribute == name)
            .map(|(_, value)| *value)
    }
}

/// The `script` and `link` tags of a page, comments left out.
fn tags(html: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, rest)| rest);
            continue;
        }
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        rest = &rest[end..];
        if name == "script" || name == "link" {
            let (attributes, after) = attributes(rest);
            rest = after;
            if name == "script" {
                // What is between the tags is no markup.
                rest = rest.find("</script").map_or("", |end| &rest[end..]);
            }
            tags.push(Tag { name, attributes });
        }
    }
    tags
}

/// The attributes up to the `>` that closes the tag, and what follows it.
fn attributes(mut rest: &str) -> (Vec<(String, &str)>, &str) {
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if rest.is_empty() {
            return (attributes, rest);
        }
        if let Some(after) = rest.strip_prefix('>') {
            return (attributes, after);
        }
        let end = rest
            .find(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/'))
            .unwrap_or(rest.len())
            // A stray `=` is part of a name, so that every round takes something.
            .max(1);
        let end = rest.ceil_char_boundary(end);
        let name = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_ascii_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            (value, rest) = attribute_value(after.trim_ascii_start());
        }
        attributes.push((name, value));
    }
}

fn attribute_value(rest: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(inner) = rest.strip_prefix(quote) {
            return inner.split_once(quote).unwrap_or((inner, ""));
        }
    }
    let end = rest
        .find(|c: char| c.is_ascii_whitespace() || c == '>')
        .unwrap_or(rest.len());
    rest.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_name_what_loads_first() {
        let html = r#"<!-- <script src="/no.js"></script> -->
            <script type="module" crossorigin src="/assets/a.js"></script>
            <script>if (a<b) { document.write('<script src="no.js">') }</script>
            <link rel=modulepreload href=/assets/b.js>
            <link href='/assets/c.css' rel='stylesheet'/>
            <link rel="icon" href="/favicon.svg">
            <script nomodule data-src="/assets/old.js"></script>"#;
        let found: Vec<(String, When)> = links(html)
            .into_iter()
            .map(|link| (link.url, link.when))
            .collect();
        let expected: Vec<(String, When)> = [
            ("/assets/a.js", When::First),
            ("/assets/b.js", When::First),
            ("/assets/c.css", When::First),
            ("/assets/old.js", When::Legacy),
        ]
        .map(|(url, when)| (url.to_owned(), when))
        .into();
        assert_eq!(found, expected);
    }

    #[test]
    fn broken_pages_end() {
        for html in [
            "<script",
            "<script =",
            "<link é=",
            "<!--",
            "<script src='",
            "<",
        ] {
            links(html);
        }
    }

    #[test]
    fn circles_and_missing_keys_end_the_walk() {
        let chunks = serde_json::from_str(
            r#"{
                "index.html": {"file": "a.js", "isEntry": true, "imports": ["_b", "_none"], "css": ["a.css"]},
                "_b": {"file": "b.js", "imports": ["index.html"], "css": ["b.css"]},
                "src/lazy.ts": {"file": "c.js", "imports": ["index.html"]}
            }"#,
        )
        .unwrap();
        let initial = Manifest::new(chunks).initial();
        assert_eq!(Vec::from_iter(initial), ["a.css", "a.js", "b.css", "b.js"]);
    }
}
