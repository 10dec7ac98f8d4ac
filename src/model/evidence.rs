//! What the probes saw. Evidence explains; it never gates.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The name under which bytes are counted that no mapping names: helpers of the bundler, and files
/// of which nothing is said.
pub const UNMAPPED: &str = "(unmapped)";

/// What the probes saw of one arm.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Evidence {
    /// Per frontend: what it ships.
    pub bundles: BTreeMap<String, BundleEvidence>,
    /// Per endpoint: the SQL statements the database ran for it.
    pub statements: BTreeMap<String, Vec<Statement>>,
    /// Per endpoint: what the caches did for it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub caches: BTreeMap<String, CacheUse>,
    /// Per database: how its tables were read, by all endpoints together.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, BTreeMap<String, TableUse>>,
    /// Per endpoint: how it is reached.
    pub routes: BTreeMap<String, Route>,
    /// Per statement text: the plan PostgreSQL chooses, for the slow ones only.
    pub plans: BTreeMap<String, String>,
    /// Lines of the project's sources where a query may be issued.
    pub call_sites: Vec<CallSite>,
    /// Lines that head changed against base; empty for base.
    pub changed: Vec<ChangedLines>,
    /// Per endpoint: how its answers compare with base's; empty for base.
    pub answers: BTreeMap<String, Answers>,
    /// What could not be read, with the reason.
    pub skipped: Vec<String>,
}

/// How the answers to the same requests compare, by checksums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Answers {
    /// Requests that both arms answered always alike.
    pub compared: u32,
    /// How many of these head answered otherwise than base.
    pub different: u32,
    /// Requests that one arm answered now like this and now like that.
    pub changing: u32,
}

/// What a frontend ships.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BundleEvidence {
    /// Directory of the frontend, relative to the project.
    pub directory: String,
    /// Compressor and level the gzip sizes were made with, for example `zlib-rs 9`.
    pub encoder: String,
    /// What decided the build, as one hash: its sources, its configuration, the tools and their
    /// environment. Where it is the same, so is what is shipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// Every shipped file; source maps are left out.
    pub assets: Vec<Asset>,
    /// What a reader can ask for: pages and entries, then what dynamic imports load.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<EntryLoad>,
    /// Why it is not known what loads first, and what to do about it, where that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_load_unknown: Option<String>,
    /// What each file with a source map or metafile is made of. The raw bytes of the parts of a
    /// file add up to those of the file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// Bytes per package over all chunks with a source map, largest first.
    pub packages: Vec<PackageBytes>,
    /// How each package is reached from the project's own code.
    pub chains: Vec<ImportChain>,
    /// Imports that pull in a whole library where a few members are used.
    pub whole_imports: Vec<WholeImport>,
    /// The lockfile that [`Self::asked_by`] is from, relative to the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lockfile: Option<String>,
    /// Who asks for the shipped packages, as far as the lockfile tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked_by: Vec<AskedBy>,
    /// Modules of the project's own that load first, with all that nothing else needs; largest
    /// first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deferrable: Vec<Deferrable>,
    /// Packages of which much is CommonJS, largest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub common_js: Vec<CommonJs>,
}

impl BundleEvidence {
    /// Pages and entries: what a visitor can open first.
    pub fn first_loads(&self) -> impl Iterator<Item = &EntryLoad> + Clone {
        self.entries.iter().filter(|entry| !entry.on_demand)
    }

    /// Gzip bytes of the scripts that a first visit loads. A visitor opens one page: those of the
    /// page or entry that has most; where none is known, of all that loads first.
    pub fn initial_js(&self) -> u64 {
        self.initial(|entry| entry.js, &[".js", ".mjs", ".cjs"])
    }

    /// The same of the styles.
    pub fn initial_css(&self) -> u64 {
        self.initial(|entry| entry.css, &[".css"])
    }

    fn initial(&self, of: fn(&EntryLoad) -> u64, endings: &[&str]) -> u64 {
        let all = || {
            let assets = self.assets.iter();
            assets
                .filter(|asset| asset.load == Load::Initial)
                .filter(|asset| endings.iter().any(|ending| asset.path.ends_with(ending)))
                .map(|asset| asset.gzip)
                .sum()
        };
        self.first_loads().map(of).max().unwrap_or_else(all)
    }

    /// What loads with the page or entry that is heaviest by scripts and styles together; where
    /// none is known, all that loads first.
    pub fn heaviest_first_load(&self) -> Vec<&Asset> {
        let heaviest = (self.first_loads()).max_by_key(|entry| entry.js + entry.css);
        let assets = self.assets.iter();
        match heaviest {
            Some(entry) => assets
                .filter(|asset| entry.files.contains(&asset.path))
                .collect(),
            None => assets.filter(|asset| asset.load == Load::Initial).collect(),
        }
    }
}

/// The way from the project's `package.json` to a package, by the lockfile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AskedBy {
    /// The package.
    pub package: String,
    /// Its version.
    pub version: String,
    /// The line of `package.json` that asks for the first of [`Self::way`].
    pub place: Place,
    /// `name@version` of each package on the shortest way, the package itself last.
    pub way: Vec<String>,
}

/// A module that loads with a page, and what would load later with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Deferrable {
    /// The module, relative to the project.
    pub module: String,
    /// The static imports of it.
    pub places: Vec<Place>,
    /// Gzip bytes of the first load that only it needs, its own included, in proportion to the raw
    /// bytes of each file.
    pub gzip: u64,
    /// Packages among them, largest first.
    pub packages: Vec<String>,
}

/// A package that is shipped as CommonJS, of which bundlers leave nothing out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CommonJs {
    /// The package.
    pub package: String,
    /// Raw bytes of its CommonJS modules in the build.
    pub raw: u64,
    /// The largest of them, at the line that makes it CommonJS.
    pub place: Place,
    /// The file with ES modules that the package offers instead, relative to the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offers: Option<String>,
    /// A `require` that asks for it: bundlers then take the CommonJS that a package has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_at: Option<Place>,
}

/// One shipped file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Asset {
    /// Name without content hash, unique within the frontend and the same in both arms when the
    /// file is the same thing.
    pub name: String,
    /// Path below the output folder, as built.
    pub path: String,
    /// Raw bytes.
    pub raw: u64,
    /// Gzip bytes.
    pub gzip: u64,
    /// Gzip bytes at level 6, which Vite's own table and many servers use; of scripts, styles
    /// and pages only. Shown, never judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gzip_level_6: Option<u64>,
    /// Brotli bytes at level 11, where the configuration asks for them. Shown, never judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brotli: Option<u64>,
    /// When a browser loads it.
    pub load: Load,
    /// SHA-256 of the content after the build's own hashed names are replaced, in hex: equal
    /// means nothing but references to other hashed files changed.
    pub content: String,
    /// SHA-256 of the content as it is, in hex: what a browser's cache goes by.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// The module it stands for, relative to the frontend, where the bundler says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Name of the file of base that it was before, where that is another one; only in head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Was>,
}

/// What a file of head was in base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Was {
    /// The same file under this name.
    Renamed(String),
    /// Half or more of it was in this file, which is still there.
    SplitFrom(String),
}

/// A page, an entry, or what a dynamic import loads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EntryLoad {
    /// The page, or the module relative to the frontend, or else the name of the file.
    pub name: String,
    /// Path of the file it is named after, where the build gives it no other name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Whether it loads on demand. What it needs then counts without what is there already.
    pub on_demand: bool,
    /// Paths of the scripts and styles that load.
    pub files: Vec<String>,
    /// Gzip bytes of the scripts.
    pub js: u64,
    /// Gzip bytes of the styles.
    pub css: u64,
    /// Why it is not known what loads with it, where that is so: the bytes are then those of what is
    /// known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// Bytes of one file that come from one package or one module of the project's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Part {
    /// Path of the file, as built.
    pub asset: String,
    /// The package, or [`PackageBytes::OWN`], or a name in brackets for what no mapping names.
    pub package: String,
    /// The module of the project's own, or the folder the package is installed in, relative to the
    /// project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Raw bytes.
    pub raw: u64,
}

/// When a browser loads an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Load {
    /// With the first visit of an entry page.
    Initial,
    /// When a route or a feature asks for it.
    Lazy,
    /// Neither script nor style of a page: worker, image, font, HTML.
    Other,
}

/// Bytes a package contributes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PackageBytes {
    /// Name of the package; the project's own code is [`PackageBytes::OWN`].
    pub package: String,
    /// Version from the installed tree, where it was found. Several copies are several entries.
    pub version: Option<String>,
    /// Bytes in the built files.
    pub raw: u64,
    /// Share of the gzip bytes, in proportion to the raw bytes of each chunk.
    pub gzip: u64,
    /// The part of [`Self::gzip`] that a first visit loads.
    pub initial_gzip: u64,
}

impl PackageBytes {
    /// The name under which the project's own modules are counted.
    pub const OWN: &str = "(own code)";
}

/// How a package is reached from the project's own code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImportChain {
    /// The package reached.
    pub package: String,
    /// `file:line` of each import statement, from the entry to the package; files are relative
    /// to the project.
    pub steps: Vec<Place>,
    /// Whether every step is a static import, so that the package loads with the entry.
    pub is_static: bool,
}

/// An import that pulls in a whole library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WholeImport {
    /// The library.
    pub package: String,
    /// Where it is imported.
    pub place: Place,
    /// The import statement, trimmed.
    pub statement: String,
    /// The members the importing file uses, sorted.
    pub members: Vec<String>,
}

/// A line of a file, relative to the project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Place {
    /// File, with `/` between folders.
    pub file: String,
    /// Line, counted from 1.
    pub line: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A SQL statement as `pg_stat_statements` normalises it, over one endpoint's requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Statement {
    /// Normalised text.
    pub text: String,
    /// Executions per request.
    pub calls_per_request: f64,
    /// Rows returned or affected per execution.
    pub rows_per_call: f64,
    /// Mean execution time in milliseconds.
    pub mean_ms: f64,
    /// Pages of 8 KB it went through per execution; 0 in runs before format 5.
    #[serde(default)]
    pub pages_per_call: f64,
}

/// How a table was read, over all blocks but the last.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TableUse {
    /// Scans of the whole table.
    pub from_end_to_end: f64,
    /// Scans through an index.
    pub by_index: f64,
    /// How many of these, by index; one that is never used is there too.
    pub indexes: BTreeMap<String, f64>,
}

/// What caches did over one endpoint's requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CacheUse {
    /// Keys that were asked for and there, per request.
    pub hits_per_request: f64,
    /// Keys that were asked for and not there, per request.
    pub misses_per_request: f64,
    /// Commands per request.
    pub commands_per_request: f64,
    /// Keys at the end of its last block.
    pub keys: f64,
    /// How many of these never expire.
    pub lasting_keys: f64,
    /// Bytes that the caches had allocated then; 0 in a run that did not ask.
    #[serde(default)]
    pub memory: f64,
}

/// How an endpoint is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Route {
    /// Service that answers.
    pub service: String,
    /// Directory of that service, relative to the project; `.` when it has none.
    pub directory: String,
    /// Method and path, as configured.
    pub request: String,
    /// Databases the service reaches, directly or through others.
    #[serde(default)]
    pub databases: Vec<String>,
}

/// A line where a query may be issued: `.image.findMany(`, or SQL text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CallSite {
    /// Where.
    pub place: Place,
    /// The tables it may read or write: names as the database knows them.
    pub tables: Vec<String>,
    /// The line, trimmed and shortened.
    pub text: String,
}

/// Lines that head changed against base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ChangedLines {
    /// File in head, relative to the project.
    pub file: String,
    /// First changed line in head, counted from 1.
    pub first: u32,
    /// Last changed line in head; before `first` when lines were only removed.
    pub last: u32,
}

impl ChangedLines {
    /// Whether `place` lies inside the change.
    pub fn covers(&self, place: &Place) -> bool {
        self.file == place.file && (self.first..=self.last).contains(&place.line)
    }
}
