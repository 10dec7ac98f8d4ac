//! When a browser loads a file: from what the bundler says, from the pages, or from the scripts.
//!
//! Must not decide sizes: what cannot be read costs the classification, never a byte.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File as DiskFile};
use std::path::{Path, PathBuf};

use memchr::memmem;

use crate::model::evidence::Load;

use super::assets::{self, File, Found, Kind};
use super::chunks::Chunks;
use super::import_map::ImportMap;
use super::metafile::{self, Contributions};
use super::pages::{self, When};
use super::sources::normalise;
use super::{manifest, scan, stats};

/// What Tollgate asks webpack and Rspack to write into the frontend's directory.
pub(super) const OWN_STATS: &str = ".tollgate-stats.json";
/// What Tollgate asks esbuild to write there.
pub(super) const OWN_METAFILE: &str = ".tollgate-metafile.json";
/// Names under which builds leave such files beside what they ship.
const USUAL: [&str; 5] = [
    "stats.json",
    "webpack-stats.json",
    "rspack-stats.json",
    "meta.json",
    "metafile.json",
];

/// Said where routes cannot be told.
const NO_ROUTES: &str = "what loads on demand is known as files, not as routes, because the build left no list of its \
     chunks: for Rspack, add `stats: { chunks: true, chunkOrigins: true, chunkRelations: true, \
     entrypoints: true, ids: true }` to its configuration and `--json=.tollgate-stats.json` to \
     `build`";

/// What the build says about itself.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Its chunks; none when it says nothing.
    pub(super) chunks: Chunks,
    /// Bytes by module, where the bundler counts them itself.
    pub(super) contributions: Contributions,
}

/// Reads whatever the build left about itself, and takes it out of what is shipped. `stats` is
/// the file that the configuration names.
pub(super) fn read(
    found: &mut Found,
    frontend: &Path,
    stats: Option<&Path>,
    skipped: &mut Vec<String>,
) -> Said {
    let mut said = Said::default();
    match found.manifest.take() {
        Some(path) => {
            let parsed = fs::read(&path)
                .map_err(|error| error.to_string())
                .and_then(|text| manifest::parse(&text).map_err(|error| error.to_string()));
            match parsed {
                Ok(chunks) => said.chunks.extend(chunks),
                Err(why) => skipped.push(unreadable(assets::MANIFEST, &why)),
            }
        }
        None => said
            .chunks
            .extend(take_named_manifests(found, frontend, skipped)),
    }
    let named = stats.map(|path| (frontend.join(path), true));
    let own = [OWN_STATS, OWN_METAFILE].map(|name| (frontend.join(name), true));
    let usual = USUAL.iter().filter(|name| !found.foreign.contains(**name));
    let usual = usual.map(|name| (found.root.join(name), false));
    let is_there = |(path, _): &(PathBuf, bool)| path.is_file();
    let all: Vec<_> = named
        .clone()
        .into_iter()
        .chain(own.into_iter().chain(usual).filter(is_there))
        .collect();
    for (path, is_ours) in all {
        match read_one(&path, found, frontend) {
            Ok(Some(one)) => {
                said.chunks.extend(one.chunks);
                said.contributions.extend(one.contributions);
                found.shipped.retain(|file| file.disk != path);
            }
            // A file of that name may be anything.
            Ok(None) | Err(_) if !is_ours => {}
            Ok(None) => skipped.push(unreadable(
                &shown(&path, frontend),
                "it is neither the stats of webpack or Rspack nor a metafile of esbuild",
            )),
            Err(why) => skipped.push(unreadable(&shown(&path, frontend), &why)),
        }
    }
    if !said.chunks.is_empty() {
        said.chunks.leave_to_old_browsers(&legacy_files(found));
    }
    report_missing(&said.chunks, found, skipped);
    said
}

/// Scripts that pages load only in browsers without modules.
fn legacy_files(found: &Found) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for page in found
        .shipped
        .iter()
        .filter(|file| Kind::of(&file.path) == Kind::Page)
    {
        let html = fs::read(&page.disk).unwrap_or_default();
        if memmem::find(&html, b"nomodule").is_some() {
            let links = pages::links(&String::from_utf8_lossy(&html)).into_iter();
            let legacy = links.filter(|link| link.when == When::Legacy);
            let legacy = legacy.filter_map(|link| found.resolve(&page.path, &link.url));
            files.extend(legacy.map(|file| file.path.clone()));
        }
    }
    files
}

/// The lists of chunks that Vite left under another name at the top of the output: `manifest.json`
/// before version 5, or what its configuration says. They are taken out of what is shipped, and
/// the file of the same name whose place they took is put back.
fn take_named_manifests(found: &mut Found, frontend: &Path, skipped: &mut Vec<String>) -> Chunks {
    /// What Vite ships as it is, unless it is told otherwise.
    const PUBLIC: &str = "public";
    let public = frontend.join(PUBLIC);
    let is_copied = !found.root.starts_with(&public);
    let mut chunks = Chunks::default();
    let candidates = found.shipped.iter();
    let candidates: Vec<File> = candidates
        .filter(|file| file.path.ends_with(".json") && !file.path.contains('/'))
        .filter(|file| !found.foreign.contains(&file.path))
        .cloned()
        .collect();
    for File { path, disk } in candidates {
        // What cannot be read is said where it is weighed.
        let Ok(text) = fs::read(&disk) else { continue };
        let Some(listed) = manifest::recognise(&text, |path| found.file(path).is_some()) else {
            continue;
        };
        let original = public.join(&path);
        let shipped = (is_copied.then(|| fs::read(&original).ok())).flatten();
        match shipped {
            Some(shipped) if shipped == text => continue,
            Some(_) => {
                for file in found.shipped.iter_mut().filter(|file| file.path == path) {
                    file.disk.clone_from(&original);
                }
            }
            None => {
                found.shipped.retain(|file| file.path != path);
                skipped.extend(naming_page(&path, found).map(|page| {
                    format!(
                        "`{page}` names `{path}`, but the build wrote its own list of chunks there, \
                         so that it is not weighed: give the list another name (`build.manifest` of \
                         Vite)"
                    )
                }));
            }
        }
        chunks.extend(listed);
    }
    chunks
}

/// The first page that has the name of a file in it.
fn naming_page<'f>(name: &str, found: &'f Found) -> Option<&'f str> {
    let pages = found.shipped.iter();
    let mut pages = pages.filter(|file| Kind::of(&file.path) == Kind::Page);
    let names = |page: &&File| {
        fs::read(&page.disk).is_ok_and(|html| memmem::find(&html, name.as_bytes()).is_some())
    };
    pages.find(names).map(|page| page.path.as_str())
}

fn unreadable(name: &str, why: &str) -> String {
    format!("`{name}` cannot be read, so the pages tell what loads first: {why}")
}

fn shown(path: &Path, frontend: &Path) -> String {
    let below = path.strip_prefix(frontend).unwrap_or(path);
    below.to_string_lossy().into_owned()
}

fn read_one(path: &Path, found: &Found, frontend: &Path) -> Result<Option<Said>, String> {
    let file = DiskFile::open(path).map_err(|error| error.to_string())?;
    if let Some(chunks) = stats::parse(file).map_err(|error| error.to_string())? {
        let contributions = Contributions::new();
        return Ok(Some(Said {
            chunks,
            contributions,
        }));
    }
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let parsed = metafile::parse(&text, |path| below_output(path, found, frontend));
    Ok(parsed.ok().map(|(chunks, contributions)| Said {
        chunks,
        contributions,
    }))
}

/// A path of a metafile below the output folder.
fn below_output(path: &str, found: &Found, frontend: &Path) -> Option<String> {
    let absolute = normalise(&format!("{}/{path}", frontend.to_string_lossy()));
    let root = found.root.to_string_lossy();
    if let Some(below) = absolute.strip_prefix(&format!("{root}/")) {
        return Some(below.to_owned());
    }
    // esbuild ran elsewhere: the longest end of the path that is there.
    let mut rest = path.trim_start_matches(['.', '/']);
    loop {
        if found.file(rest).is_some() {
            return Some(rest.to_owned());
        }
        rest = rest.split_once('/')?.1;
    }
}

fn report_missing(chunks: &Chunks, found: &Found, skipped: &mut Vec<String>) {
    let missing: BTreeSet<&String> = chunks
        .files()
        .filter(|path| found.file(path).is_none())
        .collect();
    skipped.extend(missing.into_iter().map(|path| {
        format!("the build's own list of chunks names `{path}`, which the build did not leave")
    }));
}

/// What a reader can ask for: a page, an entry, or what a dynamic import loads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EntryFiles {
    /// The page, or the module relative to the frontend; none when only its file is known.
    pub(super) source: Option<String>,
    /// Its own file, where it has no other name.
    pub(super) file: Option<String>,
    /// The file that tells it from another entry of the same name.
    pub(super) own: Option<String>,
    /// Whether a dynamic import loads it.
    pub(super) is_lazy: bool,
    /// Scripts and styles that load with it; of a lazy one, those no entry has loaded before.
    pub(super) files: BTreeSet<String>,
    /// Why that is not known, where it is not: no answer is not "nothing".
    pub(super) unknown: Option<String>,
}

/// When every file loads.
#[derive(Debug, Default)]
pub(super) struct Loading {
    /// By path; what is missing is neither script nor style of a page.
    pub(super) loads: BTreeMap<String, Load>,
    /// Pages and entries first, then what loads on demand.
    pub(super) entries: Vec<EntryFiles>,
    /// Why it is not known what loads first, where that is so: no answer is not "nothing".
    pub(super) unknown: Option<String>,
}

/// When each script and style loads, and with what.
///
/// `mentions` are those of the shipped files, in their order; what is missing is read.
pub(super) fn classify(
    said: &Said,
    found: &Found,
    mentions: &[Option<&Mentions>],
    skipped: &mut Vec<String>,
) -> Loading {
    let chunks = &said.chunks;
    let read = Scripts { found, mentions };
    let mut pages = from_pages(&read, chunks, skipped);
    let mut entries = std::mem::take(&mut pages.entries);
    let workers = read.all_workers();
    entries.extend(unpaged_entries(chunks, &entries, found, &workers));
    let initial: BTreeSet<String> = entries.iter().flat_map(|it| it.files.clone()).collect();

    let later = if chunks.is_empty() {
        found.shipped.iter().map(|file| file.path.clone()).collect()
    } else {
        chunks.current_files()
    };
    let loads = later
        .into_iter()
        .filter(|path| !pages.legacy.contains(path) && !workers.contains(path))
        .map(|path| (path, Load::Lazy))
        .chain(initial.into_iter().map(|path| (path, Load::Initial)))
        .filter(|(path, _)| is_code(path))
        .collect();
    let lazy = lazy_entries(chunks, &read, &entries, &pages.later);
    if lazy.is_empty() && chunks.is_empty() && has_silent_runtime(&entries, found) {
        skipped.push(NO_ROUTES.to_owned());
    }
    entries.extend(lazy);
    for entry in &mut entries {
        entry
            .files
            .retain(|path| is_code(path) && found.file(path).is_some());
    }
    let loaded: BTreeSet<&String> = (entries.iter().flat_map(|entry| &entry.files))
        .chain(chunks.files())
        .chain(&workers)
        .chain(&pages.legacy)
        .collect();
    let orphan = (found.shipped.iter())
        .find(|file| Kind::of(&file.path) == Kind::Script && !loaded.contains(&file.path));
    let orphan = orphan.map(|file| file.path.as_str());
    say_what_is_unknown(&mut entries, &pages, orphan);
    let unknown = entries.iter().find_map(|entry| entry.unknown.clone());
    let unknown = unknown.or_else(|| why_unknown(&entries, &pages, chunks, found));
    Loading {
        loads,
        entries,
        unknown,
    }
}

/// Says of every page that loads no script of the output why that may not be all: what it asks for
/// is not told apart, or `orphan`, a script that nobody loads, may be what it loads.
fn say_what_is_unknown(entries: &mut [EntryFiles], pages: &Pages, orphan: Option<&str>) {
    let has_script = |entry: &EntryFiles| {
        let mut files = entry.files.iter();
        files.any(|path| Kind::of(path) == Kind::Script)
    };
    let is_any_told = (entries.iter()).any(|entry| !entry.is_lazy && has_script(entry));
    for (entry, page) in entries.iter_mut().zip(&pages.doubts) {
        let why = match (&page.unknown, orphan) {
            (Some(why), _) => Some(why.clone()),
            _ if has_script(entry) => None,
            (None, Some(_)) if page.elsewhere.is_some() => page.elsewhere.clone(),
            (None, Some(orphan)) if page.may_load || !is_any_told => Some(format!(
                "`{}` loads no script of the output, and nothing says what loads `{orphan}`",
                page.path
            )),
            (None, _) => page.later.clone(),
        };
        entry.unknown = why.map(|why| not_known(&why));
    }
}

fn not_known(why: &str) -> String {
    format!(
        "what loads first is not known: {why}; leave a page that loads it in `output`, or name the \
         stats of webpack or Rspack or the metafile of esbuild as `stats`"
    )
}

/// Why nobody knows what loads first, where there is no page; none where some entry says so.
fn why_unknown(
    entries: &[EntryFiles],
    pages: &Pages,
    chunks: &Chunks,
    found: &Found,
) -> Option<String> {
    let is_told = (entries.iter()).any(|entry| !entry.is_lazy && !entry.files.is_empty());
    let has_code = found.shipped.iter().any(|file| is_code(&file.path));
    if is_told || !has_code || !pages.doubts.is_empty() {
        return None;
    }
    Some(not_known(match chunks.is_empty() {
        true => "the build left neither a page nor a list of its chunks",
        false => "the build left no page, and its list of chunks names no entry that is shipped",
    }))
}

/// Whether a page loads the runtime of webpack or Rspack, which names the chunks it loads later by
/// numbers.
fn has_silent_runtime(entries: &[EntryFiles], found: &Found) -> bool {
    let first: BTreeSet<&String> = entries.iter().flat_map(|entry| &entry.files).collect();
    let has_more = (found.shipped.iter())
        .any(|file| Kind::of(&file.path) == Kind::Script && !first.contains(&file.path));
    let names_chunks = |path: &String| {
        let code = found.file(path).and_then(|file| fs::read(&file.disk).ok());
        code.is_some_and(|code| String::from_utf8_lossy(&code).contains("webpackChunk"))
    };
    has_more && first.into_iter().any(names_chunks)
}

fn is_code(path: &str) -> bool {
    matches!(Kind::of(path), Kind::Script | Kind::Style)
}

/// Entries of the bundler that no page names: a server writes their pages. What a script starts as
/// a worker is none: a page has loaded before it.
fn unpaged_entries(
    chunks: &Chunks,
    paged: &[EntryFiles],
    found: &Found,
    workers: &BTreeSet<String>,
) -> Vec<EntryFiles> {
    let is_paged = |files: &BTreeSet<String>| {
        let mut scripts = files.iter().filter(|path| is_code(path)).peekable();
        scripts.peek().is_some()
            && scripts.all(|path| paged.iter().any(|entry| entry.files.contains(path)))
    };
    // An entry whose script a page loads is that page, even where the page lacks a style of it.
    let by_script = |files: &BTreeSet<String>| -> BTreeSet<String> {
        let scripts = files.iter().filter(|path| Kind::of(path) == Kind::Script);
        scripts.cloned().collect()
    };
    chunks
        .entries()
        .filter(|(key, _)| !chunks.own_files(key).any(|path| workers.contains(path)))
        .map(|(key, label)| ((key, label), chunks.closure(key)))
        // What a plugin compiles for itself is not shipped.
        .filter(|(_, files)| files.iter().any(|path| found.file(path).is_some()))
        .filter(|(_, files)| !is_paged(files) && !is_paged(&by_script(files)))
        .map(|((key, label), files)| EntryFiles {
            source: Some(label.to_owned()),
            file: None,
            // What it shares with others comes before its own.
            own: (chunks
                .own_files(key)
                .filter(|path| Kind::of(path) == Kind::Script))
            .last()
            .cloned(),
            is_lazy: false,
            files,
            unknown: None,
        })
        .collect()
}

/// What loads on demand, without what every entry that can reach it has loaded before.
fn lazy_entries(
    chunks: &Chunks,
    read: &Scripts<'_>,
    entries: &[EntryFiles],
    by_pages: &BTreeSet<String>,
) -> Vec<EntryFiles> {
    if chunks.is_empty() {
        return lazy_by_scan(read, entries, by_pages);
    }
    let reach: Vec<BTreeSet<String>> = entries
        .iter()
        .map(|entry| {
            let owners = entry.files.iter().filter_map(|path| chunks.owner(path));
            chunks.reachable(owners.map(str::to_owned))
        })
        .collect();
    let mut by_label: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (key, label) in chunks.lazy() {
        let files = chunks.closure(key);
        let from = entries
            .iter()
            .zip(&reach)
            .filter(|(_, reach)| reach.contains(key))
            .map(|(entry, _)| entry);
        let loaded = in_all(from).unwrap_or_else(|| in_all(entries.iter()).unwrap_or_default());
        by_label
            .entry(label)
            .or_default()
            .extend(files.difference(&loaded).cloned());
    }
    by_label
        .into_iter()
        .map(|(label, files)| EntryFiles {
            source: Some(label.to_owned()),
            file: None,
            own: None,
            is_lazy: true,
            files,
            unknown: None,
        })
        .collect()
}

/// Files that all of these load that load any; none when there is none of them.
fn in_all<'a>(entries: impl Iterator<Item = &'a EntryFiles>) -> Option<BTreeSet<String>> {
    let mut entries = entries.filter(|entry| !entry.files.is_empty());
    let first = entries.next()?.files.clone();
    Some(entries.fold(first, |common, entry| {
        common.intersection(&entry.files).cloned().collect()
    }))
}

/// Without a word of the bundler: what the scripts import dynamically, in files and in pages.
fn lazy_by_scan(
    read: &Scripts<'_>,
    entries: &[EntryFiles],
    by_pages: &BTreeSet<String>,
) -> Vec<EntryFiles> {
    let loaded = in_all(entries.iter()).unwrap_or_default();
    let scripts = (read.found.shipped.iter()).filter(|file| Kind::of(&file.path) == Kind::Script);
    let targets: BTreeSet<&str> = scripts
        .flat_map(|file| read.imported_later(file))
        .map(|file| file.path.as_str())
        .chain(by_pages.iter().map(String::as_str))
        .collect();
    targets
        .into_iter()
        .filter_map(|path| read.found.file(path))
        .map(|file| EntryFiles {
            source: None,
            file: Some(file.path.clone()),
            own: None,
            is_lazy: true,
            files: with_imports(vec![file], read, None)
                .files
                .difference(&loaded)
                .cloned()
                .collect(),
            unknown: None,
        })
        .collect()
}

/// What the pages ask for.
#[derive(Debug, Default)]
struct Pages {
    entries: Vec<EntryFiles>,
    /// What each of these may load besides.
    doubts: Vec<Doubts>,
    legacy: BTreeSet<String>,
    /// What scripts in pages import dynamically, and islands that load when they are looked at.
    later: BTreeSet<String>,
}

/// What may load with a page besides what is told.
#[derive(Debug)]
struct Doubts {
    /// The page.
    path: String,
    /// A module that it needs and that nobody finds.
    unknown: Option<String>,
    /// A script that it names and that is not in the output.
    elsewhere: Option<String>,
    /// A dynamic import of which it is not told when it runs.
    later: Option<String>,
    /// Whether its own scripts may load others.
    may_load: bool,
}

/// Reads every page: its scripts, preloads and styles, what its own scripts import as they run, and
/// what all those import statically.
fn from_pages(read: &Scripts<'_>, chunks: &Chunks, skipped: &mut Vec<String>) -> Pages {
    let found = read.found;
    let mut pages = Pages::default();
    let mut missing = BTreeMap::new();
    for page in &found.shipped {
        if Kind::of(&page.path) != Kind::Page {
            continue;
        }
        let Ok(html) = fs::read(&page.disk) else {
            continue;
        };
        let html = String::from_utf8_lossy(&html);
        let (links, inline) = (pages::links(&html), pages::inline_scripts(&html));
        let may_load = |script: &pages::Inline<'_>| {
            (LOADERS.iter()).any(|word| memmem::find(script.code.as_bytes(), word).is_some())
        };
        let mut doubts = Doubts {
            path: page.path.clone(),
            unknown: None,
            elsewhere: None,
            later: None,
            may_load: inline.iter().any(may_load),
        };
        let mut named: Vec<&File> = Vec::new();
        for link in &links {
            match (link.when, found.resolve(&page.path, &link.url)) {
                (When::First, Some(file)) => named.push(file),
                (When::Later, Some(file)) => {
                    pages.later.insert(file.path.clone());
                }
                (When::Legacy, Some(file)) => {
                    pages.legacy.insert(file.path.clone());
                }
                (When::First, None) if is_script_url(&link.url) => {
                    doubts.elsewhere.get_or_insert_with(|| {
                        format!(
                            "`{}` loads `{}`, which is not in the output",
                            page.path, link.url
                        )
                    });
                    if !assets::has_host(&link.url) {
                        missing.entry(link.url.clone()).or_insert(&page.path);
                    }
                }
                (When::First | When::Later | When::Legacy, None) => {}
            }
        }
        let map = Map {
            page: &page.path,
            targets: ImportMap::read(&pages::import_maps(&html)),
        };
        for script in &inline {
            for import in scan::imports(script.code) {
                let is_static = import.kind == scan::Kind::Static;
                if import.kind == scan::Kind::Require || (is_static && !script.is_module) {
                    continue;
                }
                let meant = map.resolve(read, &page.path, &import.specifier);
                match (meant, is_static || import.functions == 0) {
                    (Meant::File(file), true) => named.push(file),
                    (Meant::File(file), false) => {
                        doubts.later.get_or_insert_with(|| {
                            format!(
                                "a script in `{}` imports `{}` dynamically, and nobody says when",
                                page.path, import.specifier
                            )
                        });
                        pages.later.insert(file.path.clone());
                    }
                    // What is not there fails where it is imported, and may be meant to.
                    (Meant::Nothing(why), _) if is_static => {
                        doubts.unknown.get_or_insert(why);
                    }
                    (Meant::Nothing(_) | Meant::Elsewhere, _) => {}
                }
            }
        }
        // The bundler knows the scripts that a script imports; styles load where a page says so.
        let known: BTreeSet<String> = named
            .iter()
            .filter_map(|file| chunks.owner(&file.path))
            .flat_map(|key| chunks.closure(key))
            .filter(|path| Kind::of(path) == Kind::Script)
            .collect();
        named.extend(known.iter().filter_map(|path| found.file(path)));
        let loads = with_imports(named, read, Some(&map));
        doubts.unknown = doubts.unknown.or(loads.missing);
        pages.doubts.push(doubts);
        pages.entries.push(EntryFiles {
            source: Some(page.path.clone()),
            file: None,
            own: None,
            is_lazy: false,
            files: loads.files,
            unknown: None,
        });
    }
    skipped.extend(missing.into_iter().map(|(url, page)| {
        format!("`{page}` loads `{url}`, which is not in the output, so that it is not counted")
    }));
    pages
}

/// What a script in a page needs to load another: an import, or an element that loads it.
const LOADERS: [&[u8]; 6] = [
    b"import",
    b"createElement",
    b"write(",
    b"innerHTML",
    b"insertAdjacentHTML",
    b"eval(",
];

fn is_script_url(url: &str) -> bool {
    Kind::of(url.split(['?', '#']).next().unwrap_or(url)) == Kind::Script
}

/// The import map of a page.
#[derive(Debug)]
struct Map<'p> {
    page: &'p str,
    targets: ImportMap,
}

/// What a specifier stands for.
enum Meant<'a> {
    File(&'a File),
    /// What is not ours: of another host, or a file that the output never had.
    Elsewhere,
    /// Nothing that a browser finds, and why.
    Nothing(String),
}

impl Map<'_> {
    fn resolve<'a>(&self, read: &Scripts<'a>, importer: &str, specifier: &str) -> Meant<'a> {
        let mapped = self.targets.resolve(importer, specifier);
        let (from, url) = match &mapped {
            Some(target) => (self.page, target.as_str()),
            None => (importer, specifier),
        };
        let is_path = url.starts_with(['.', '/']);
        if let Some(file) = (is_path || assets::has_host(url))
            .then(|| read.found.resolve(from, url))
            .flatten()
        {
            return Meant::File(file);
        }
        // `data:` and its like load nothing; a text with other letters was misread.
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"@/._-#~$".contains(&byte);
        let is_bare = !is_path && !url.is_empty() && url.bytes().all(is_name);
        match (is_path, is_bare, self.targets.is_empty()) {
            (true, _, false) if !assets::has_host(url) => Meant::Nothing(format!(
                "`{importer}` imports `{specifier}`, which is not in the output"
            )),
            (false, true, _) => Meant::Nothing(format!(
                "`{importer}` imports `{specifier}`, and no import map of `{}` says what that is",
                self.page
            )),
            (true | false, _, _) => Meant::Elsewhere,
        }
    }
}

/// What loads with some files.
#[derive(Debug, Default)]
struct Loads {
    files: BTreeSet<String>,
    /// What one of them imports and nobody finds.
    missing: Option<String>,
}

/// These files and all that they import statically, by the import map of the page that loads them.
fn with_imports<'a>(mut open: Vec<&'a File>, read: &Scripts<'a>, map: Option<&Map<'_>>) -> Loads {
    let mut loads = Loads::default();
    while let Some(file) = open.pop() {
        if loads.files.insert(file.path.clone()) {
            match (Kind::of(&file.path), map) {
                (Kind::Script, None) => open.extend(read.imported(file)),
                (Kind::Script, Some(map)) => {
                    for specifier in read.static_imports(file) {
                        match map.resolve(read, &file.path, &specifier) {
                            Meant::File(file) => open.push(file),
                            Meant::Elsewhere => {}
                            Meant::Nothing(why) => {
                                loads.missing.get_or_insert(why);
                            }
                        }
                    }
                }
                (Kind::Style, _) => open.extend(imported_styles(file, read.found)),
                (Kind::Page | Kind::Other, _) => {}
            }
        }
    }
    loads
}

/// What a built script loads later.
#[derive(Debug, Clone, Default)]
pub(super) struct Mentions {
    /// Relative and absolute paths that it imports dynamically.
    on_demand: Vec<String>,
    /// Files that it starts as workers.
    workers: Vec<String>,
}

impl Mentions {
    /// Reads the script. Most scripts of a build load nothing later, so that taking them apart is
    /// worth a look first.
    pub(super) fn read(code: &[u8]) -> Self {
        let imports = match may_import_dynamically(code) {
            true => imports_of(code, scan::Kind::Dynamic)
                .filter(|it| is_path(it))
                .collect(),
            false => Vec::new(),
        };
        Self {
            on_demand: imports,
            ..Self::workers(code)
        }
    }

    /// Only what is started as a worker, for pages and where the bundler says what loads later.
    pub(super) fn workers(code: &[u8]) -> Self {
        Self {
            on_demand: Vec::new(),
            workers: workers_of(code),
        }
    }
}

/// Whether `import` stands before a bracket or a comment.
fn may_import_dynamically(code: &[u8]) -> bool {
    memmem::find_iter(code, "import").any(|at| {
        let rest = code[at + "import".len()..].trim_ascii_start();
        rest.starts_with(b"(") || rest.starts_with(b"/")
    })
}

/// What a script imports in that way.
fn imports_of(code: &[u8], kind: scan::Kind) -> impl Iterator<Item = String> {
    let imports = scan::imports(&String::from_utf8_lossy(code)).into_iter();
    let wanted = imports.filter(move |import| import.kind == kind);
    wanted.map(|import| import.specifier)
}

fn is_path(specifier: &str) -> bool {
    specifier.starts_with(['.', '/'])
}

/// The scripts of a build, and what they say.
#[derive(Debug)]
struct Scripts<'a> {
    found: &'a Found,
    mentions: &'a [Option<&'a Mentions>],
}

impl<'a> Scripts<'a> {
    /// What a script loads later; none when it cannot be read.
    fn mentions(&self, file: &File) -> Option<Cow<'a, Mentions>> {
        let index = self.found.index(&file.path)?;
        match self.mentions.get(index).copied().flatten() {
            Some(known) => Some(Cow::Borrowed(known)),
            None => {
                let text = fs::read(&file.disk).ok()?;
                Some(Cow::Owned(match Kind::of(&file.path) {
                    Kind::Page => Mentions::workers(&text),
                    Kind::Script | Kind::Style | Kind::Other => Mentions::read(&text),
                }))
            }
        }
    }

    /// What a script imports statically, as it names it.
    fn static_imports(&self, file: &File) -> Vec<String> {
        let code = fs::read(&file.disk).unwrap_or_default();
        // Looking for a word is much faster than taking a script apart.
        if memmem::find(&code, b"import").is_none() && memmem::find(&code, b"export").is_none() {
            return Vec::new();
        }
        imports_of(&code, scan::Kind::Static).collect()
    }

    /// Scripts that a script imports statically, where no page says what names mean.
    fn imported(&self, file: &File) -> Vec<&'a File> {
        let imports = self.static_imports(file);
        let resolve = |specifier: &String| self.found.resolve(&file.path, specifier);
        imports
            .iter()
            .filter(|it| is_path(it))
            .filter_map(resolve)
            .collect()
    }

    /// Scripts that a script imports dynamically.
    fn imported_later(&self, file: &File) -> Vec<&'a File> {
        let mentions = self.mentions(file);
        let paths = mentions.iter().flat_map(|it| &it.on_demand);
        paths
            .filter_map(|path| self.found.resolve(&file.path, path))
            .collect()
    }

    /// Files that scripts and pages start as workers; a script that starts itself is none by that.
    fn all_workers(&self) -> BTreeSet<String> {
        let may_start = |file: &&File| matches!(Kind::of(&file.path), Kind::Script | Kind::Page);
        let mut all = BTreeSet::new();
        for file in self.found.shipped.iter().filter(may_start) {
            let mentions = self.mentions(file);
            let urls = mentions.iter().flat_map(|it| &it.workers);
            let started = urls.filter_map(|url| self.found.resolve(&file.path, url));
            all.extend(
                started
                    .map(|worker| worker.path.clone())
                    .filter(|path| *path != file.path),
            );
        }
        all
    }
}

/// Style sheets that a style sheet imports: `@import "x.css"` and `@import url(x.css)`.
fn imported_styles<'a>(file: &File, found: &'a Found) -> Vec<&'a File> {
    let Ok(text) = fs::read(&file.disk) else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&text);
    text.match_indices("@import")
        .filter_map(|(at, word)| {
            let rest = text[at + word.len()..].trim_ascii_start();
            let rest = rest.strip_prefix("url(").unwrap_or(rest).trim_ascii_start();
            let url = rest.trim_start_matches(['"', '\'']);
            let end = url.find(['"', '\'', ')', ';']).unwrap_or(url.len());
            found.resolve(&file.path, url[..end].trim())
        })
        .filter(|file| Kind::of(&file.path) == Kind::Style)
        .collect()
}

/// Files in `new Worker(new URL("./w.js", …))` and `serviceWorker.register("/sw.js")`.
fn workers_of(code: &[u8]) -> Vec<String> {
    const CALLS: [&str; 3] = ["Worker(", "Worker.register(", ".addModule("];
    /// How far behind the call its file is named.
    const NEAR: usize = 40;
    const QUOTES: [u8; 3] = [b'"', b'\'', b'`'];
    CALLS
        .iter()
        .flat_map(|call| memmem::find_iter(code, call).map(|at| at + call.len()))
        .filter_map(|at| {
            let rest = &code[at..];
            let near = &rest[..rest.len().min(NEAR)];
            // Vite writes `""+new URL("w.js", …)` where the base path is relative.
            let start = (0..near.len()).find(|&at| {
                let is_empty = |at: usize| rest.get(at + 1) == rest.get(at);
                QUOTES.contains(&near[at]) && !is_empty(at) && !(at > 0 && is_empty(at - 1))
            })?;
            let inner = &rest[start + 1..];
            let end = inner.iter().position(|byte| *byte == rest[start])?;
            Some(String::from_utf8_lossy(&inner[..end]).into_owned())
        })
        .collect()
}
