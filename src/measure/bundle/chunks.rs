//! What a bundler says about its chunks, whichever bundler it was: which files belong together,
//! what loads with what, and what only on demand.
//!
//! Must not read files: `manifest.rs`, `stats.rs` and `metafile.rs` fill it.

use std::collections::{BTreeMap, BTreeSet};

/// How a chunk is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Role {
    /// By a page or a server.
    Entry,
    /// By a dynamic import.
    Lazy,
    /// By other chunks only.
    #[default]
    Shared,
}

/// One chunk.
#[derive(Debug, Clone, Default)]
pub(super) struct Chunk {
    /// Its files below the output folder: scripts and styles.
    pub(super) files: Vec<String>,
    /// The name the bundler gave it.
    pub(super) name: Option<String>,
    /// The module it stands for, relative to the frontend.
    pub(super) source: Option<String>,
    /// How it is reached.
    pub(super) role: Role,
    /// Chunks that load with it.
    pub(super) imports: Vec<String>,
    /// Chunks that it can load later.
    pub(super) on_demand: Vec<String>,
}

impl Chunk {
    /// What a reader knows it by.
    fn label(&self) -> Option<&str> {
        self.source.as_deref().or(self.name.as_deref())
    }

    fn labels(&self) -> impl Iterator<Item = &str> {
        [&self.name, &self.source]
            .into_iter()
            .flatten()
            .map(String::as_str)
    }
}

/// Keys of the chunks for browsers without modules: what is there without `-legacy` in its name as
/// well, and the polyfills of `@vitejs/plugin-legacy`, which have no such twin. A name alone says
/// nothing: a page may be called so.
fn for_old_browsers(chunks: &BTreeMap<String, Chunk>) -> BTreeSet<String> {
    const ENDING: &str = "-legacy";
    const POLYFILLS: [&str; 2] = ["polyfills-legacy", "legacy-polyfills-legacy"];
    let labels: BTreeSet<&str> = chunks.values().flat_map(Chunk::labels).collect();
    let is_legacy = |label: &str| {
        let stem = stem(label);
        let start = label.len() - label.rsplit('/').next().map_or(0, str::len);
        let twin = stem
            .strip_suffix(ENDING)
            .map(|plain| format!("{}{plain}{}", &label[..start], &label[start + stem.len()..]));
        POLYFILLS.contains(&stem) || twin.is_some_and(|twin| labels.contains(twin.as_str()))
    };
    chunks
        .iter()
        .filter(|(_, chunk)| chunk.labels().any(is_legacy))
        .map(|(key, _)| key.clone())
        .collect()
}

/// All chunks of a build; none when the build says nothing about them.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    chunks: BTreeMap<String, Chunk>,
    names: BTreeMap<String, String>,
    owners: BTreeMap<String, String>,
    legacy: BTreeSet<String>,
}

impl Chunks {
    /// Takes the chunks by the keys they name each other by.
    pub(super) fn new(chunks: BTreeMap<String, Chunk>) -> Self {
        let mut names = BTreeMap::new();
        let mut owners = BTreeMap::new();
        for (key, chunk) in &chunks {
            let from_source = || Some(stem(chunk.source.as_deref()?).to_owned());
            if let (Some(file), Some(name)) =
                (chunk.files.first(), chunk.name.clone().or_else(from_source))
            {
                names.insert(file.clone(), name);
            }
            for file in &chunk.files {
                owners.entry(file.clone()).or_insert_with(|| key.clone());
            }
        }
        Self {
            legacy: for_old_browsers(&chunks),
            chunks,
            names,
            owners,
        }
    }

    /// Adds what another build of the same output says.
    pub(super) fn extend(&mut self, others: Self) {
        let mut all = std::mem::take(&mut self.chunks);
        all.extend(others.chunks);
        *self = Self::new(all);
    }

    /// Takes as those for browsers without modules also the chunks of these files and what only they
    /// may load: pages say so.
    pub(super) fn leave_to_old_browsers(&mut self, files: &BTreeSet<String>) {
        let owners: BTreeSet<String> = (files.iter())
            .filter_map(|file| self.owners.get(file).cloned())
            .collect();
        let others = (self.chunks.iter())
            .filter(|(key, chunk)| chunk.role == Role::Entry && !self.legacy.contains(*key))
            .map(|(key, _)| key.clone())
            .filter(|key| !owners.contains(key));
        let by_others = self.reachable(others);
        let by_old = self.reachable(owners.into_iter());
        self.legacy.extend(by_old.difference(&by_others).cloned());
    }

    /// Whether the build said nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The name the bundler gave the chunk that became this file.
    pub(super) fn chunk_name(&self, path: &str) -> Option<&str> {
        self.names.get(path).map(String::as_str)
    }

    /// The module that a file stands for, where it is an entry or a dynamic import.
    pub(super) fn source_of(&self, path: &str) -> Option<&str> {
        let chunk = self.chunks.get(self.owners.get(path)?)?;
        let is_first = chunk.files.first().is_some_and(|first| first == path);
        is_first.then_some(chunk.source.as_deref()).flatten()
    }

    /// Source files of the entries, relative to the frontend.
    pub(super) fn entry_sources(&self) -> Vec<&str> {
        self.with_role(Role::Entry)
            .filter_map(|(_, chunk)| chunk.source.as_deref())
            .collect()
    }

    /// The entries, each with its key and label.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.with_role(Role::Entry)
            .map(|(key, chunk)| (key, chunk.label().unwrap_or(key)))
    }

    /// What dynamic imports load, each with its key and label.
    pub(super) fn lazy(&self) -> impl Iterator<Item = (&str, &str)> {
        self.with_role(Role::Lazy)
            .map(|(key, chunk)| (key, chunk.label().unwrap_or(key)))
    }

    fn with_role(&self, role: Role) -> impl Iterator<Item = (&str, &Chunk)> {
        self.chunks
            .iter()
            .filter(move |(key, chunk)| chunk.role == role && !self.legacy.contains(*key))
            .map(|(key, chunk)| (key.as_str(), chunk))
    }

    /// The key of the chunk that a file belongs to.
    pub(super) fn owner(&self, path: &str) -> Option<&str> {
        self.owners.get(path).map(String::as_str)
    }

    /// The files of a chunk itself; of an entry that has none but stands for chunks, theirs.
    pub(super) fn own_files(&self, key: &str) -> impl Iterator<Item = &String> {
        let chunk = self.chunks.get(key);
        let own = chunk.into_iter().flat_map(|chunk| &chunk.files);
        let stands_for = chunk
            .filter(|chunk| chunk.files.is_empty())
            .into_iter()
            .flat_map(|chunk| &chunk.imports)
            .filter_map(|key| self.chunks.get(key))
            .flat_map(|chunk| &chunk.files);
        own.chain(stands_for)
    }

    /// Files that load with a chunk: its own, those of its static imports, and theirs. Chunks
    /// import each other in circles, so every one is visited once.
    pub(super) fn closure(&self, key: &str) -> BTreeSet<String> {
        let mut visited = BTreeSet::new();
        let mut files = BTreeSet::new();
        let mut open: Vec<&str> = vec![key];
        while let Some(key) = open.pop() {
            if let Some(chunk) = self.chunks.get(key)
                && visited.insert(key)
            {
                files.extend(chunk.files.iter().cloned());
                open.extend(chunk.imports.iter().map(String::as_str));
            }
        }
        files
    }

    /// Keys of all chunks that a chunk may load, at once or later.
    pub(super) fn reachable(&self, keys: impl Iterator<Item = String>) -> BTreeSet<String> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<String> = keys.collect();
        while let Some(key) = open.pop() {
            if let Some(chunk) = self.chunks.get(&key)
                && reached.insert(key)
            {
                open.extend(chunk.imports.iter().chain(&chunk.on_demand).cloned());
            }
        }
        reached
    }

    /// Every file that some page or route loads.
    pub(super) fn current_files(&self) -> BTreeSet<String> {
        self.chunks
            .iter()
            .filter(|(key, _)| !self.legacy.contains(*key))
            .flat_map(|(_, chunk)| chunk.files.iter().cloned())
            .collect()
    }

    /// Every file it names.
    pub(super) fn files(&self) -> impl Iterator<Item = &String> {
        self.chunks.values().flat_map(|chunk| chunk.files.iter())
    }
}

/// The file name without its ending.
pub(super) fn stem(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(files: &[&str], imports: &[&str], on_demand: &[&str]) -> Chunk {
        let owned = |all: &[&str]| all.iter().map(|&text| text.to_owned()).collect();
        Chunk {
            files: owned(files),
            imports: owned(imports),
            on_demand: owned(on_demand),
            ..Chunk::default()
        }
    }

    #[test]
    fn a_name_that_ends_in_legacy_is_for_old_browsers_where_it_has_a_twin() {
        let named = |name: Option<&str>, source: &str, role: Role| Chunk {
            name: name.map(str::to_owned),
            source: Some(source.to_owned()),
            role,
            ..chunk(&[&format!("{source}.js")], &[], &[])
        };
        let mut chunks = Chunks::new(BTreeMap::from([
            (
                "a".to_owned(),
                named(Some("index"), "index.html", Role::Entry),
            ),
            (
                "b".to_owned(),
                named(Some("index"), "index-legacy.html", Role::Entry),
            ),
            ("c".to_owned(), named(Some("old"), "src/old.js", Role::Lazy)),
            (
                "d".to_owned(),
                named(Some("old-legacy"), "src/x.js", Role::Lazy),
            ),
            (
                "e".to_owned(),
                named(None, "src/checkout-legacy.js", Role::Lazy),
            ),
            ("f".to_owned(), named(None, "other/checkout.js", Role::Lazy)),
            (
                "g".to_owned(),
                named(None, "vite/legacy-polyfills-legacy", Role::Entry),
            ),
            ("h".to_owned(), named(None, "src/only-old.js", Role::Entry)),
        ]));
        let keys = |chunks: &Chunks| -> Vec<String> {
            let all = chunks.entries().chain(chunks.lazy());
            all.map(|(key, _)| key.to_owned()).collect()
        };
        assert_eq!(keys(&chunks), ["a", "h", "c", "e", "f"]);
        chunks.leave_to_old_browsers(&BTreeSet::from(["src/only-old.js.js".to_owned()]));
        assert_eq!(keys(&chunks), ["a", "c", "e", "f"]);
    }

    #[test]
    fn circles_and_missing_keys_end_the_walk() {
        let chunks = Chunks::new(BTreeMap::from([
            (
                "a".to_owned(),
                chunk(&["a.js", "a.css"], &["b", "none"], &["c"]),
            ),
            ("b".to_owned(), chunk(&["b.js"], &["a"], &[])),
            ("c".to_owned(), chunk(&["c.js"], &["a"], &["c"])),
        ]));
        assert_eq!(
            Vec::from_iter(chunks.closure("a")),
            ["a.css", "a.js", "b.js"]
        );
        let reached = chunks.reachable(["a".to_owned()].into_iter());
        assert_eq!(Vec::from_iter(reached), ["a", "b", "c"]);
    }
}
