//! The files of an output folder: which are shipped, and what each weighs.
//!
//! Must not look into the meaning of a file beyond its name, apart from telling source maps from
//! other files that end in `.map`.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::BundleError;
use super::compress::{Sizes, Weigher};
use super::loading::Mentions;
use super::names::Normaliser;

/// Where Vite leaves the manifest: by itself from version 5 on, and when it is told to before.
pub(super) const MANIFEST: &str = ".vite/manifest.json";

/// What the names of source maps end in.
const MAP_ENDING: &str = ".map";

/// A file of the output folder.
#[derive(Debug, Clone)]
pub(super) struct File {
    /// Path below the output folder, with `/` between folders; odd bytes are replaced.
    pub(super) path: String,
    /// Where it is on disk.
    pub(super) disk: PathBuf,
}

/// What the output folder holds.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Everything that is shipped, sorted by path.
    pub(super) shipped: Vec<File>,
    /// Source maps, by path below the output folder.
    pub(super) maps: BTreeSet<String>,
    /// The manifest, where the build left one.
    pub(super) manifest: Option<PathBuf>,
    /// The output folder itself.
    pub(super) root: PathBuf,
    /// Files that the build did not write: none of them says anything about it.
    pub(super) foreign: BTreeSet<String>,
}

/// What kind of file a browser takes it for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// JavaScript.
    Script,
    /// A style sheet.
    Style,
    /// A page.
    Page,
    /// Anything else.
    Other,
}

impl Kind {
    /// The kind by file name extension.
    pub(super) fn of(path: &str) -> Self {
        match path.rsplit_once('.').map(|(_, extension)| extension) {
            Some("js" | "mjs" | "cjs") => Self::Script,
            Some("css") => Self::Style,
            Some("html" | "htm") => Self::Page,
            Some(_) | None => Self::Other,
        }
    }
}

/// What a file weighs.
#[derive(Debug)]
pub(super) struct Weight {
    /// Raw bytes.
    pub(super) raw: u64,
    /// Compressed bytes.
    pub(super) sizes: Sizes,
    /// SHA-256 of the content without content hashes, in hex.
    pub(super) content: String,
    /// SHA-256 of the content as it is, in hex.
    pub(super) digest: String,
    /// What a script or page says of others.
    pub(super) mentions: Option<Mentions>,
}

/// Lists the output folder. Links that leave it are not followed but named in `skipped`. `foreign`
/// are files in it that the build did not write.
pub(super) fn walk(
    root: &Path,
    foreign: &BTreeSet<String>,
    skipped: &mut Vec<String>,
) -> Result<Found, BundleError> {
    let mut found = Found {
        root: root.to_owned(),
        foreign: foreign.clone(),
        ..Found::default()
    };
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let unreadable = |source| BundleError::Unreadable {
            path: folder.clone(),
            source,
        };
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let disk = entry.path();
            let kind = entry.file_type().map_err(unreadable)?;
            if kind.is_dir() {
                folders.push(disk);
            } else if kind.is_file() || (kind.is_symlink() && stays_inside(&disk, root, skipped)) {
                found.keep(disk);
            }
        }
    }
    found.shipped.sort_by(|a, b| a.path.cmp(&b.path));
    found.tell_maps();
    Ok(found)
}

impl Found {
    fn keep(&mut self, disk: PathBuf) {
        let path = below(&disk, &self.root);
        if path == MANIFEST && !self.foreign.contains(&path) {
            self.manifest = Some(disk);
        } else {
            self.shipped.push(File { path, disk });
        }
    }

    /// Takes the source maps out of what is shipped: what lies beside the file it is named after,
    /// and what reads like one. Any other file that ends in `.map`, such as a map of a game, has
    /// its weight. One that was there before the file it is named after is of another file.
    fn tell_maps(&mut self) {
        let is_map = |file: &File| {
            let named_after = file.path.strip_suffix(MAP_ENDING);
            named_after.is_some_and(|path| self.file(path).is_some() || reads_like_map(&file.disk))
        };
        let maps: BTreeSet<String> = self
            .shipped
            .iter()
            .filter(|file| is_map(file))
            .map(|file| file.path.clone())
            .collect();
        self.shipped.retain(|file| !maps.contains(&file.path));
        let is_of_the_file = |map: &String| {
            let named_after = map.strip_suffix(MAP_ENDING).unwrap_or(map);
            !self.foreign.contains(map) || self.foreign.contains(named_after)
        };
        self.maps = maps.into_iter().filter(is_of_the_file).collect();
    }

    /// The shipped file of that path.
    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.shipped.get(self.index(path)?)
    }

    /// Where the shipped file of that path is in [`Self::shipped`].
    pub(super) fn index(&self, path: &str) -> Option<usize> {
        self.shipped
            .binary_search_by(|file| file.path.as_str().cmp(path))
            .ok()
    }

    /// The shipped file that a URL found in `page` means. A public base path and a query are
    /// ignored, because only the build knows them. The files of a host are ours only where more
    /// than the bare file name says so: `app.js` is everybody's.
    /// A URL may write what a path has in it as `%5B`.
    pub(super) fn resolve(&self, page: &str, url: &str) -> Option<&File> {
        let url = url.split(['?', '#']).next().unwrap_or(url);
        self.resolve_path(page, url)
            .or_else(|| self.resolve_path(page, &unescaped(url)?))
    }

    fn resolve_path(&self, page: &str, url: &str) -> Option<&File> {
        if let Some(path) = path_at_host(url) {
            return self.by_end(path, true);
        }
        if !url.starts_with('/') {
            let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
            let joined = super::sources::normalise(&format!("{folder}/{url}"));
            if let Some(file) = self.file(joined.trim_start_matches('/')) {
                return Some(file);
            }
        }
        self.by_end(url, false)
    }

    /// The file whose path is the longest end of this one. With `needs_folder` an end that has
    /// lost every folder does not count.
    fn by_end(&self, path: &str, needs_folder: bool) -> Option<&File> {
        let mut rest = path.trim_start_matches(['.', '/']);
        loop {
            if let Some(file) = self.file(rest) {
                return Some(file);
            }
            rest = rest.split_once('/')?.1;
            if needs_folder && !rest.contains('/') {
                return None;
            }
        }
    }
}

/// A URL with its `%5B` decoded; none where it has none, or is no text then.
fn unescaped(url: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(url.len());
    let mut rest = url.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        match (first, byte) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    let has_changed = bytes.len() < url.len();
    has_changed.then(|| String::from_utf8(bytes).ok()).flatten()
}

/// Whether a URL names a host.
pub(super) fn has_host(url: &str) -> bool {
    path_at_host(url).is_some()
}

/// The path of a URL that names a host, such as `https://cdn.example.com/a/b.js` and
/// `//cdn.example.com/a/b.js`; none where it names none.
fn path_at_host(url: &str) -> Option<&str> {
    let rest = match url.strip_prefix("//") {
        Some(rest) => rest,
        None => url.split_once("://")?.1,
    };
    Some(rest.split_once('/').map_or("", |(_, path)| path))
}

/// Whether a file begins as source maps do: `{"version":3`. One that cannot be read does not, so
/// that weighing it says why.
fn reads_like_map(disk: &Path) -> bool {
    /// More than white space among it takes.
    const START: u64 = 256;
    let mut start = Vec::new();
    let read = fs::File::open(disk).and_then(|file| file.take(START).read_to_end(&mut start));
    start.retain(|byte| !byte.is_ascii_whitespace());
    read.is_ok() && start.starts_with(br#"{"version":3"#)
}

/// The path of `disk` below `root`, with `/` between folders.
fn below(disk: &Path, root: &Path) -> String {
    shown(disk.strip_prefix(root).unwrap_or(disk))
}

/// A path with `/` between folders; odd bytes are replaced.
pub(super) fn shown(path: &Path) -> String {
    let parts: Vec<_> = path
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

fn stays_inside(link: &Path, root: &Path, skipped: &mut Vec<String>) -> bool {
    let why = match link.canonicalize() {
        Ok(target) if !target.starts_with(root) => "leaves the output folder",
        Ok(target) if target.is_file() => return true,
        Ok(_) => "is a link to a folder, which is weighed where it lies",
        Err(_) => "is a link to nothing",
    };
    skipped.push(format!("`{}` {why}", below(link, root)));
    false
}

/// Reads and weighs one file. `is_asked` is whether the scripts must tell what they import later.
pub(super) fn weigh(
    file: &File,
    normaliser: &Normaliser,
    weigher: &Weigher,
    is_asked: bool,
) -> Result<Weight, BundleError> {
    let unreadable = |source| BundleError::Unreadable {
        path: file.disk.clone(),
        source,
    };
    let mut bytes = fs::read(&file.disk).map_err(unreadable)?;
    let raw = bytes.len() as u64;
    let digest = hex(&Sha256::digest(&bytes));
    let has_level_6 = !matches!(Kind::of(&file.path), Kind::Other);
    let sizes = weigher
        .sizes(&bytes, &digest, has_level_6)
        .map_err(unreadable)?;
    let mentions = match Kind::of(&file.path) {
        Kind::Script if is_asked => Some(Mentions::read(&bytes)),
        Kind::Script | Kind::Page => Some(Mentions::workers(&bytes)),
        Kind::Style | Kind::Other => None,
    };
    let content = match normaliser.apply(&mut bytes) {
        true => hex(&Sha256::digest(&bytes)),
        false => digest.clone(),
    };
    Ok(Weight {
        raw,
        sizes,
        content,
        digest,
        mentions,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(paths: &[&str]) -> Found {
        let file = |path: &&str| File {
            path: (*path).to_owned(),
            disk: PathBuf::from(path),
        };
        Found {
            shipped: paths.iter().map(file).collect(),
            ..Found::default()
        }
    }

    #[test]
    fn what_only_ends_like_a_source_map_is_shipped() {
        let folder = tempfile::TempDir::new().unwrap();
        for (name, text) in [
            ("a.js", "a()"),
            ("a.js.map", "{"),
            ("gone.js.map", "{ \"version\": 3, \"sources\": [] }"),
            ("level1.map", "################"),
            ("old.js.map", "{\"version\":2}"),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let found = walk(folder.path(), &BTreeSet::new(), &mut Vec::new()).unwrap();
        let shipped = found.shipped.iter().map(|file| file.path.as_str());
        assert_eq!(
            Vec::from_iter(shipped),
            ["a.js", "level1.map", "old.js.map"]
        );
        assert_eq!(Vec::from_iter(found.maps), ["a.js.map", "gone.js.map"]);
    }

    #[test]
    fn urls_are_decoded() {
        let found = found(&["100%25.js", "chunks/[slug]/page.js", "é.js"]);
        for (url, expected) in [
            (
                "/chunks/%5Bslug%5D/page.js?v=1",
                Some("chunks/[slug]/page.js"),
            ),
            ("./chunks/[slug]/page.js", Some("chunks/[slug]/page.js")),
            (
                "//cdn.example.com/a/chunks/%5bslug%5d/page.js",
                Some("chunks/[slug]/page.js"),
            ),
            ("/100%25.js", Some("100%25.js")),
            ("/%C3%A9.js", Some("é.js")),
            ("/%FF.js", None),
            ("/%5", None),
        ] {
            let file = found.resolve("index.html", url);
            assert_eq!(file.map(|file| file.path.as_str()), expected, "{url}");
        }
    }

    #[test]
    fn a_script_of_another_host_is_not_ours_for_its_name() {
        let found = found(&["app.js", "assets/app.js", "main.js"]);
        for (url, expected) in [
            ("https://stats.example.com/js/main.js", None),
            ("//stats.example.com/js/main.js?v=1", None),
            ("https://cdn.example.com", None),
            ("https://cdn.example.com/main.js", Some("main.js")),
            (
                "https://cdn.example.com/shop/7/assets/app.js",
                Some("assets/app.js"),
            ),
            ("//cdn.example.com/assets/app.js#x", Some("assets/app.js")),
            ("/shop/main.js", Some("main.js")),
            ("./app.js", Some("app.js")),
        ] {
            let file = found.resolve("index.html", url);
            assert_eq!(file.map(|file| file.path.as_str()), expected, "{url}");
        }
    }
}
