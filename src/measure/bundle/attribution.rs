//! Which package the bytes of a chunk come from, by source map.
//!
//! Every byte is counted once: what no mapping names is counted as such. Must not guess.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};

use sourcemap::{DecodedMap, SourceMap, SourceMapIndex};

use crate::model::evidence::{Asset, Load, PackageBytes, Part, UNMAPPED};

use super::assets::{File, Found, Kind};
use super::lockfile::Lock;
use super::metafile::Contributions;
use super::sources::{Home, Origin};

/// Larger source maps are not read: taking one apart needs several times its size of memory.
const LARGEST_MAP: u64 = 100_000_000;

/// Bytes of source maps that may be taken apart at once, on however many cores.
static IN_FLIGHT: Allowance = Allowance::new(LARGEST_MAP);

/// Bytes that may be held at once; who wants more waits until others gave theirs back.
#[derive(Debug)]
struct Allowance {
    most: u64,
    taken: Mutex<u64>,
    given_back: Condvar,
}

impl Allowance {
    const fn new(most: u64) -> Self {
        Self {
            most,
            taken: Mutex::new(0),
            given_back: Condvar::new(),
        }
    }

    /// Waits until `bytes` are free. What is larger than all there is goes alone.
    fn take(&self, bytes: u64) -> Taken<'_> {
        let bytes = bytes.min(self.most);
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = self
            .given_back
            .wait_while(taken, |taken| *taken > self.most - bytes)
            .unwrap_or_else(PoisonError::into_inner);
        *taken += bytes;
        Taken {
            allowance: self,
            bytes,
        }
    }
}

/// Bytes that are given back in the end.
#[derive(Debug)]
struct Taken<'a> {
    allowance: &'a Allowance,
    bytes: u64,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let taken = self.allowance.taken.lock();
        *taken.unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.allowance.given_back.notify_all();
    }
}

/// A script or style of which it is known what it is made of.
#[derive(Debug)]
pub(super) struct Chunk<'a> {
    file: &'a File,
    asset: &'a Asset,
    by: By<'a>,
}

/// How it is known.
#[derive(Debug)]
enum By<'a> {
    /// From a source map.
    Map(std::path::PathBuf),
    /// From a bundler that counts the bytes of every module itself.
    Bundler(&'a [(String, u64)]),
}

/// Scripts and styles that have a source map beside them, or of which the bundler tells.
pub(super) fn chunks<'a>(
    found: &'a Found,
    assets: &'a [Asset],
    contributions: &'a Contributions,
) -> Vec<Chunk<'a>> {
    found
        .shipped
        .iter()
        .zip(assets)
        .filter(|(file, _)| matches!(Kind::of(&file.path), Kind::Script | Kind::Style))
        .filter_map(|(file, asset)| {
            let map = format!("{}.map", file.path);
            let by = match contributions.get(&file.path) {
                _ if found.maps.contains(&map) => By::Map(found.root.join(map)),
                Some(modules) => By::Bundler(modules),
                None => return None,
            };
            Some(Chunk { file, asset, by })
        })
        .collect()
}

/// A source of a chunk.
#[derive(Debug)]
pub(super) struct Source {
    /// Whose code it is.
    pub(super) origin: Origin,
    /// Its text, as the map has it.
    pub(super) text: Option<String>,
    /// Bytes of the chunk that come from it.
    pub(super) bytes: u64,
}

/// What a chunk consists of.
#[derive(Debug)]
pub(super) struct Attributed {
    sources: Vec<Source>,
    unmapped: u64,
}

/// Reads a chunk and its map; otherwise says what is wrong with them.
pub(super) fn read(chunk: &Chunk<'_>, home: &Home) -> Result<Attributed, String> {
    let path = &chunk.file.path;
    let map = match &chunk.by {
        By::Map(map) => map,
        By::Bundler(modules) => return counted(chunk, modules, home),
    };
    let code = fs::read_to_string(&chunk.file.disk)
        .map_err(|error| format!("`{path}` is not attributed to packages: {error}"))?;
    let folder = map.parent().unwrap_or(Path::new(""));
    let size = fs::metadata(map).map_or(0, |metadata| metadata.len());
    let _taken = IN_FLIGHT.take(size);
    let map = parse(map, &code).map_err(|why| {
        format!("`{path}.map` cannot be read, so `{path}` is not attributed: {why}")
    })?;
    let (bytes, unmapped) = bytes_by_source(&code, &map);
    let sources = (0..map.get_source_count())
        .zip(bytes)
        .map(|(index, bytes)| Source {
            origin: home.origin(folder, map.get_source(index).unwrap_or_default()),
            text: map.get_source_contents(index).map(str::to_owned),
            bytes,
        })
        .collect();
    Ok(Attributed { sources, unmapped })
}

/// What the bundler has counted. Bytes it does not speak of are the wrapping of modules.
fn counted(
    chunk: &Chunk<'_>,
    modules: &[(String, u64)],
    home: &Home,
) -> Result<Attributed, String> {
    let sum: u64 = modules.iter().map(|(_, bytes)| bytes).sum();
    let path = &chunk.file.path;
    let unmapped = chunk.asset.raw.checked_sub(sum).ok_or_else(|| {
        format!(
            "`{path}` is not attributed: the build says that its modules have {sum} bytes, and it \
             has {}",
            chunk.asset.raw
        )
    })?;
    let sources = modules.iter().map(|(input, bytes)| Source {
        origin: home.origin_of_input(input),
        text: None,
        bytes: *bytes,
    });
    Ok(Attributed {
        sources: sources.collect(),
        unmapped,
    })
}

fn parse(path: &Path, code: &str) -> Result<SourceMap, String> {
    let size = fs::metadata(path).map_or(0, |metadata| metadata.len());
    if size > LARGEST_MAP {
        return Err(format!(
            "it has {} MB, more than the {} MB that are read",
            size / 1_000_000,
            LARGEST_MAP / 1_000_000
        ));
    }
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    // A map is anybody's: whatever the decoder makes of it costs this chunk only.
    panic::catch_unwind(AssertUnwindSafe(|| decode(&bytes, code))).unwrap_or_else(|_panic| {
        Err("the decoder gave up on it, which a map that a bundler wrote does not cause".to_owned())
    })
}

fn decode(bytes: &[u8], code: &str) -> Result<SourceMap, String> {
    match sourcemap::decode_slice(bytes).map_err(|error| error.to_string())? {
        DecodedMap::Regular(map) => Ok(map),
        DecodedMap::Index(index) => {
            check_offsets(&index, code)?;
            index.flatten().map_err(|error| error.to_string())
        }
        DecodedMap::Hermes(_) => Err("it is made for another runtime".to_owned()),
    }
}

/// Whether every section starts inside of the file, which the decoder takes for granted: it adds
/// the offsets up.
fn check_offsets(index: &SourceMapIndex, code: &str) -> Result<(), String> {
    let lines = code.split('\n').count();
    for section in index.sections() {
        let (line, column) = section.get_offset();
        let is_inside = |offset: u32, end: usize| usize::try_from(offset).is_ok_and(|it| it <= end);
        if !is_inside(line, lines) || !is_inside(column, code.len()) {
            return Err(format!(
                "a section of it starts at line {line}, column {column}, behind the end of the \
                 file, which has {lines} lines; build again, or leave out the tool that joins maps"
            ));
        }
        if let Some(DecodedMap::Index(inner)) = section.get_sourcemap() {
            check_offsets(inner, code)?;
        }
    }
    Ok(())
}

/// Bytes per source, and bytes of no source. They add up to the length of `code`.
fn bytes_by_source(code: &str, map: &SourceMap) -> (Vec<u64>, u64) {
    let count = usize::try_from(map.get_source_count()).unwrap_or(0);
    let mut bytes = vec![0; count];
    let mut unmapped = 0;
    let mut tokens: Vec<(u32, u32, u32)> = map
        .tokens()
        .map(|token| {
            (
                token.get_dst_line(),
                token.get_dst_col(),
                token.get_src_id(),
            )
        })
        .collect();
    // Stable: of two tokens at one place the later one is the valid one, as for a debugger.
    tokens.sort_by_key(|(line, column, _)| (*line, *column));
    let mut tokens = tokens.as_slice();
    for (number, line) in (0..).zip(code.split_inclusive('\n')) {
        let length = tokens.partition_point(|token| token.0 <= number);
        let (here, rest) = tokens.split_at(length);
        tokens = rest;
        for (source, length) in segments(line, here) {
            match bytes.get_mut(source) {
                Some(bytes) => *bytes += length,
                None => unmapped += length,
            }
        }
    }
    (bytes, unmapped)
}

/// The source and length of every stretch of `line`. A stretch runs to the next token or to the
/// end of the line, its line feed included; what comes before the first has no source.
fn segments(line: &str, tokens: &[(u32, u32, u32)]) -> Vec<(usize, u64)> {
    let mut columns = Columns::new(line);
    let mut segments = Vec::with_capacity(tokens.len() + 1);
    let mut start = 0;
    let mut source = usize::MAX;
    for (_, column, next) in tokens {
        let end = columns.byte(*column);
        segments.push((source, (end - start) as u64));
        start = end;
        source = usize::try_from(*next).unwrap_or(usize::MAX);
    }
    segments.push((source, (line.len() - start) as u64));
    segments
}

/// Turns ascending columns, which count UTF-16 units, into bytes of a line.
struct Columns<'a> {
    line: &'a str,
    is_ascii: bool,
    unit: usize,
    byte: usize,
}

impl<'a> Columns<'a> {
    fn new(line: &'a str) -> Self {
        Self {
            line,
            is_ascii: line.is_ascii(),
            unit: 0,
            byte: 0,
        }
    }

    /// The byte at `column`. Columns past the end, which some tools write, mean the end.
    fn byte(&mut self, column: u32) -> usize {
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        if self.is_ascii {
            return column.min(self.line.len());
        }
        while self.unit < column
            && let Some(next) = self.line[self.byte..].chars().next()
        {
            self.unit += next.len_utf16();
            self.byte += next.len_utf8();
        }
        self.byte
    }
}

/// Who is responsible for bytes. Two copies of a package are two owners.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Own,
    Package { package: String, folder: String },
    Unmapped,
}

impl From<&Origin> for Owner {
    fn from(origin: &Origin) -> Self {
        match origin {
            Origin::Own(_) => Self::Own,
            Origin::Package {
                package, folder, ..
            } => Self::Package {
                package: package.clone(),
                folder: folder.clone(),
            },
            Origin::Bundler => Self::Unmapped,
        }
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Bytes {
    raw: u64,
    gzip: u64,
    initial_gzip: u64,
}

/// A module of any chunk.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// Its text, as a map has it.
    pub(super) text: Option<String>,
    /// Bytes in the built files.
    pub(super) bytes: u64,
    /// Whether some of them load first.
    pub(super) loads_first: bool,
}

/// Bytes by owner and by module over all chunks.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    owners: BTreeMap<Owner, Bytes>,
    versions: BTreeMap<String, Option<String>>,
    parts: Vec<Part>,
    /// Every module of the project and of packages.
    pub(super) modules: BTreeMap<Origin, Module>,
}

impl Ledger {
    /// Adds what one chunk consists of.
    pub(super) fn add(&mut self, chunk: &Chunk<'_>, attributed: Attributed, home: &Home) {
        let mut raw: BTreeMap<Owner, u64> = BTreeMap::new();
        self.add_parts(chunk, &attributed, home);
        *raw.entry(Owner::Unmapped).or_default() += attributed.unmapped;
        for source in attributed.sources {
            *raw.entry(Owner::from(&source.origin)).or_default() += source.bytes;
            let module = self.modules.entry(source.origin).or_default();
            module.bytes += source.bytes;
            module.loads_first |= source.bytes > 0 && chunk.asset.load == Load::Initial;
            module.text = module.text.take().or(source.text);
        }
        self.add_shares(chunk.asset, raw);
    }

    /// Own modules one by one, packages as a whole.
    fn add_parts(&mut self, chunk: &Chunk<'_>, attributed: &Attributed, home: &Home) {
        let mut parts: BTreeMap<(String, Option<String>), u64> = BTreeMap::new();
        *parts.entry((UNMAPPED.to_owned(), None)).or_default() += attributed.unmapped;
        for source in &attributed.sources {
            let part = match &source.origin {
                Origin::Own(path) => (PackageBytes::OWN.to_owned(), Some(home.in_project(path))),
                Origin::Package {
                    package, folder, ..
                } => (package.clone(), Some(home.in_project(folder))),
                Origin::Bundler => (UNMAPPED.to_owned(), None),
            };
            *parts.entry(part).or_default() += source.bytes;
        }
        let asset = &chunk.file.path;
        let parts = parts.into_iter().filter(|(_, raw)| *raw > 0);
        self.parts
            .extend(parts.map(|((package, module), raw)| Part {
                asset: asset.clone(),
                package,
                module,
                raw,
            }));
    }

    /// What every file is made of, by file and then by package.
    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Counts scripts and styles that nothing was said about, where something was said about others:
    /// Vite writes no source maps for styles.
    pub(super) fn add_unread(&mut self, assets: &[Asset]) {
        let read: BTreeSet<String> = self.parts.iter().map(|part| part.asset.clone()).collect();
        let is_code = |asset: &&Asset| matches!(Kind::of(&asset.path), Kind::Script | Kind::Style);
        let unread = assets.iter().filter(is_code);
        for asset in unread.filter(|asset| asset.raw > 0 && !read.contains(&asset.path)) {
            if read.is_empty() {
                return;
            }
            self.parts.push(Part {
                asset: asset.path.clone(),
                package: UNMAPPED.to_owned(),
                module: None,
                raw: asset.raw,
            });
            self.add_shares(asset, BTreeMap::from([(Owner::Unmapped, asset.raw)]));
        }
    }

    /// Splits the gzip bytes of a chunk in proportion to the raw bytes; rounding goes by the
    /// running sum, so that nothing is lost.
    fn add_shares(&mut self, asset: &Asset, raw: BTreeMap<Owner, u64>) {
        let mut sum = 0;
        for (owner, raw) in raw {
            let before = share(sum, asset);
            sum += raw;
            let gzip = share(sum, asset) - before;
            let bytes = self.owners.entry(owner).or_default();
            bytes.raw += raw;
            bytes.gzip += gzip;
            if asset.load == Load::Initial {
                bytes.initial_gzip += gzip;
            }
        }
    }

    /// Looks up the version of every package in the installed tree, in the name of the archive it
    /// is read from, or in the lockfile.
    pub(super) fn look_up_versions(&mut self, home: &Home, lock: Option<&Lock>) {
        for owner in self.owners.keys() {
            if let Owner::Package { package, folder } = owner {
                let version = home
                    .package_json(folder)
                    .and_then(|json| Some(json.get("version")?.as_str()?.to_owned()))
                    .or_else(|| version_in_path(folder).map(str::to_owned))
                    .or_else(|| Some(lock?.only_version(package)?.to_owned()));
                self.versions.insert(folder.clone(), version);
            }
        }
    }

    fn copies<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Bytes> {
        self.owners
            .iter()
            .filter(move |(owner, _)| {
                matches!(owner, Owner::Package { package, .. } if package == name)
            })
            .map(|(_, bytes)| bytes)
    }

    /// Raw bytes of all copies of a package.
    pub(super) fn raw_of(&self, name: &str) -> u64 {
        self.copies(name).map(|bytes| bytes.raw).sum()
    }

    /// Whether a first visit loads some of a package.
    pub(super) fn loads_first(&self, name: &str) -> bool {
        self.copies(name).any(|bytes| bytes.initial_gzip > 0)
    }

    /// Every owner, largest first.
    pub(super) fn packages(&self) -> Vec<PackageBytes> {
        let mut packages: Vec<PackageBytes> = self
            .owners
            .iter()
            .filter(|(_, bytes)| bytes.raw > 0)
            .map(|(owner, bytes)| {
                let (package, version) = match owner {
                    Owner::Own => (PackageBytes::OWN, None),
                    Owner::Unmapped => (UNMAPPED, None),
                    Owner::Package { package, folder } => (
                        package.as_str(),
                        self.versions.get(folder).cloned().flatten(),
                    ),
                };
                PackageBytes {
                    package: package.to_owned(),
                    version,
                    raw: bytes.raw,
                    gzip: bytes.gzip,
                    initial_gzip: bytes.initial_gzip,
                }
            })
            .collect();
        packages.sort_by(|a, b| (b.raw, &a.package).cmp(&(a.raw, &b.package)));
        packages
    }
}

/// The version in `.pnpm/lodash@4.17.21/…` or `.yarn/cache/lodash-npm-4.17.21-6382451519-….zip/…`.
fn version_in_path(folder: &str) -> Option<&str> {
    let (above, _) = folder.rsplit_once("/node_modules/")?;
    let store = above.rsplit('/').next()?;
    let rest = match store.strip_suffix(".zip") {
        Some(archive) => archive.rsplit_once("-npm-")?.1.rsplitn(3, '-').nth(2)?,
        None => store
            .get(1..)?
            .split_once('@')?
            .1
            .split(['_', '('])
            .next()?,
    };
    rest.starts_with(|c: char| c.is_ascii_digit())
        .then_some(rest)
}

fn share(sum: u64, asset: &Asset) -> u64 {
    let product = u128::from(sum) * u128::from(asset.gzip);
    u64::try_from(product / u128::from(asset.raw.max(1))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sourcemap::SourceMapBuilder;

    /// A file of two lines with that map.
    fn parsed(map: &str) -> Result<SourceMap, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.js.map");
        fs::write(&path, map).unwrap();
        parse(&path, "one\ntwo\n")
    }

    fn index_map(offset: &str, section: &str) -> String {
        format!(r#"{{"version": 3, "sections": [{{"offset": {offset}, "map": {section}}}]}}"#)
    }

    #[test]
    fn a_section_behind_the_end_of_the_file_is_an_error_and_no_panic() {
        let plain = r#"{"version": 3, "sources": ["a.ts"], "names": [], "mappings": "AAAA;AACA"}"#;
        let map = parsed(&index_map(r#"{"line": 1, "column": 0}"#, plain)).unwrap();
        assert_eq!(map.get_source(0), Some("a.ts"));
        let line = index_map(r#"{"line": 4294967295, "column": 0}"#, plain);
        let column = index_map(r#"{"line": 0, "column": 4294967295}"#, plain);
        let nested = index_map(r#"{"line": 0, "column": 0}"#, &line);
        for map in [line, column, nested] {
            let why = parsed(&map).unwrap_err();
            assert!(why.contains("behind the end of the file"), "{why}");
        }
    }

    #[test]
    fn maps_are_taken_apart_within_the_allowance_and_a_larger_one_alone() {
        let allowance = Allowance::new(10);
        let held = Mutex::new((0, 0));
        std::thread::scope(|scope| {
            for bytes in [4, 6, 3, 99, 5, 7, 10, 1] {
                let (allowance, held) = (&allowance, &held);
                scope.spawn(move || {
                    for _ in 0..20 {
                        let _taken = allowance.take(bytes);
                        let mut now = held.lock().unwrap();
                        now.0 += bytes;
                        now.1 += 1;
                        assert!(now.0 <= 10 || now.1 == 1, "{now:?}");
                        drop(now);
                        std::thread::yield_now();
                        let mut now = held.lock().unwrap();
                        now.0 -= bytes;
                        now.1 -= 1;
                    }
                });
            }
        });
        assert_eq!(*allowance.taken.lock().unwrap(), 0);
    }

    #[test]
    fn package_managers_write_versions_into_paths() {
        for (folder, version) in [
            (
                ".yarn/cache/lodash-npm-4.17.21-6382451519-eb835a2e51.zip/node_modules/lodash",
                Some("4.17.21"),
            ),
            (
                ".yarn/cache/x-npm-1.0.0-rc.1-6382451519-eb835a2e51.zip/node_modules/x",
                Some("1.0.0-rc.1"),
            ),
            (
                "node_modules/.pnpm/@a+b@1.2.3_react@19.0.0/node_modules/@a/b",
                Some("1.2.3"),
            ),
            ("node_modules/lodash", None),
            ("node_modules/a/node_modules/b", None),
        ] {
            assert_eq!(version_in_path(folder), version, "{folder}");
        }
    }

    #[test]
    fn bytes_add_up_with_wide_characters_and_columns_past_the_end() {
        let code = "pre aé😀b\nno mapping\ncc";
        let mut builder = SourceMapBuilder::new(None);
        let mut map = |line, column, source| {
            builder.add(line, column, 0, 0, Some(source), None, false);
        };
        map(0, 4, "a.ts");
        // After `a`, `é` (one unit) and the emoji (two units).
        map(0, 8, "b.ts");
        map(2, 0, "a.ts");
        map(2, 99, "b.ts");
        let (bytes, unmapped) = bytes_by_source(code, &builder.into_sourcemap());
        assert_eq!(bytes, [1 + 2 + 4 + 2, 2]);
        assert_eq!(unmapped, 4 + 11);
        assert_eq!(bytes.iter().sum::<u64>() + unmapped, code.len() as u64);
    }
}
