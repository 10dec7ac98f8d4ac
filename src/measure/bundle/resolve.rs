//! What an import means: the module or package that it is sure to name, and what it may name where
//! nobody can tell without running the bundler.
//!
//! A chain is made of what is sure. What is claimed of all ways to a module has to hold whatever is
//! meant, so here a guess too many costs a claim, and one too few makes it wrong. Must not run any
//! configuration.

use std::collections::{BTreeMap, BTreeSet};

use super::aliases::Aliases;
use super::attribution::Ledger;
use super::sources::{Home, Origin, folder_of, join, package_name, package_of};
use super::workspace::NEEDS;

/// Endings a specifier may leave out, in the order bundlers try them.
const ENDINGS: [&str; 16] = [
    "",
    ".tsx",
    ".ts",
    ".jsx",
    ".js",
    ".mts",
    ".mjs",
    ".cjs",
    ".vue",
    ".svelte",
    "/index.tsx",
    "/index.ts",
    "/index.jsx",
    "/index.js",
    "/index.mjs",
    "/index.vue",
];
/// Endings of files that import no scripts.
const WITHOUT_IMPORTS: [&str; 24] = [
    ".css", ".scss", ".sass", ".less", ".styl", ".pcss", ".json", ".svg", ".png", ".jpg", ".jpeg",
    ".gif", ".webp", ".avif", ".ico", ".woff", ".woff2", ".ttf", ".otf", ".mp3", ".mp4", ".webm",
    ".wasm", ".txt",
];
/// Packages that presets put others in the place of, as those of Preact do.
const REPLACED: [&str; 2] = ["react", "react-dom"];
/// What compilers import without being asked to, besides the functions that JSX becomes.
const HELPERS: [&str; 6] = [
    "@babel/runtime",
    "@swc/helpers",
    "core-js",
    "core-js-pure",
    "regenerator-runtime",
    "tslib",
];
/// Plugins and frameworks that import the project's modules where their names are used.
const IMPORT_BY_NAME: [&str; 3] = ["nuxt", "unplugin-auto-import", "unplugin-vue-components"];
/// What Node has built in, as far as code for browsers asks for it.
const BUILT_IN: [&str; 30] = [
    "assert",
    "async_hooks",
    "buffer",
    "child_process",
    "cluster",
    "console",
    "constants",
    "crypto",
    "dns",
    "events",
    "fs",
    "http",
    "http2",
    "https",
    "module",
    "net",
    "os",
    "path",
    "perf_hooks",
    "process",
    "querystring",
    "stream",
    "string_decoder",
    "timers",
    "tls",
    "tty",
    "url",
    "util",
    "worker_threads",
    "zlib",
];
/// Files that may put one module in the place of another have one of these in their name.
const CONFIGURES: [&str; 9] = [
    "alias", "babel", "build", "config", "esbuild", "rollup", "rspack", "vite", "webpack",
];
/// Folders that may hold such files.
const CONFIGURATION: [&str; 6] = ["", "build", "config", "scripts", "tools", "webpack"];

/// Something that can be imported.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    /// A module of the project, relative to the frontend.
    Own(String),
    /// A package.
    Package(String),
}

/// What may be meant.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct May {
    /// One of these.
    pub(super) nodes: BTreeSet<Node>,
    /// Any package.
    pub(super) any_package: bool,
    /// Anything at all.
    pub(super) anything: bool,
}

impl May {
    /// Anything at all may be.
    pub(super) fn anything() -> Self {
        Self {
            anything: true,
            ..Self::default()
        }
    }

    fn any_package() -> Self {
        Self {
            any_package: true,
            ..Self::default()
        }
    }

    /// Adds what else may be.
    pub(super) fn add(&mut self, other: Self) {
        self.nodes.extend(other.nodes);
        self.any_package |= other.any_package;
        self.anything |= other.anything;
    }
}

impl FromIterator<Node> for May {
    fn from_iter<T: IntoIterator<Item = Node>>(nodes: T) -> Self {
        Self {
            nodes: nodes.into_iter().collect(),
            ..Self::default()
        }
    }
}

/// What an import means.
#[derive(Debug, Default)]
pub(super) struct Meaning {
    /// What is sure.
    pub(super) is: Option<Node>,
    /// What else it may be.
    pub(super) may: May,
}

impl From<May> for Meaning {
    fn from(may: May) -> Self {
        Self { is: None, may }
    }
}

impl FromIterator<Node> for Meaning {
    /// The first is meant, or one of the others.
    fn from_iter<T: IntoIterator<Item = Node>>(nodes: T) -> Self {
        let mut nodes = nodes.into_iter();
        Self {
            is: nodes.next(),
            may: nodes.collect(),
        }
    }
}

/// Tells what imports of a frontend mean.
#[derive(Debug)]
pub(super) struct Resolver<'a> {
    ledger: &'a Ledger,
    home: &'a Home,
    aliases: Aliases<'a>,
    /// The modules of every package that has code in the build.
    pub(super) packages: BTreeMap<&'a str, Vec<&'a Origin>>,
    /// Every folder with modules of the project somewhere below it.
    folders: BTreeSet<&'a str>,
    /// What may put one module in the place of another.
    configuration: Vec<String>,
}

impl<'a> Resolver<'a> {
    /// For what is in the build.
    pub(super) fn new(ledger: &'a Ledger, home: &'a Home) -> Self {
        let mut packages: BTreeMap<&str, Vec<&Origin>> = BTreeMap::new();
        let mut folders = BTreeSet::from([""]);
        for origin in ledger.modules.keys() {
            match origin {
                Origin::Package { package, .. } => {
                    packages.entry(package).or_default().push(origin);
                }
                Origin::Own(path) => {
                    let mut folder = folder_of(path);
                    while folders.insert(folder) {
                        folder = folder_of(folder);
                    }
                }
                Origin::Bundler => {}
            }
        }
        Self {
            ledger,
            home,
            aliases: Aliases::new(home),
            packages,
            folders,
            configuration: configuration(home),
        }
    }

    /// What `specifier` means in the module `from` of the project. `@/` and `~/` are taken for
    /// `src/`, as nearly every project configures them, unless a configuration that is read says
    /// something else.
    pub(super) fn meant(&self, specifier: &str, from: &str) -> Meaning {
        let folder = folder_of(from);
        if specifier.starts_with('.') {
            let path = self.home.resolve(folder, specifier);
            return match self.at(&path) {
                Some(node) => Meaning::from_iter([node]),
                None => self.beside(&path).into(),
            };
        }
        let targets = self.aliases.targets(specifier, folder);
        let (for_all, said): (Vec<_>, Vec<_>) = targets.iter().partition(|it| it.is_for_all);
        let found = |targets: Vec<&super::aliases::Target>| {
            let found = targets.into_iter().filter_map(|it| self.at(&it.path));
            found.collect::<Vec<_>>()
        };
        let package = self.package(specifier).map(str::to_owned);
        let package = package.map(Node::Package);
        let mut nodes = found(said);
        nodes.extend(package.into_iter().chain(found(for_all)));
        if !nodes.is_empty() {
            return nodes.into_iter().collect();
        }
        let usual = specifier
            .strip_prefix("@/")
            .or_else(|| specifier.strip_prefix("~/"));
        if let Some(rest) = usual {
            let usual = [join("src", rest), rest.to_owned()];
            let mut nodes: Vec<Node> = usual.iter().filter_map(|it| self.at(it)).collect();
            if !nodes.is_empty() {
                nodes.extend(self.anywhere(rest));
                return nodes.into_iter().collect();
            }
        }
        let from_the_top = specifier.strip_prefix('/').and_then(|path| self.at(path));
        match from_the_top {
            Some(node) => Meaning::from_iter([node]),
            None => self.unread(specifier, folder).into(),
        }
    }

    /// What `specifier` means in a package. What the package declares comes in addition.
    pub(super) fn meant_in_package(&self, specifier: &str) -> Meaning {
        let name = package_name(specifier).unwrap_or_default();
        if let Some(package) = self.package(specifier) {
            return Meaning::from_iter([Node::Package(package.to_owned())]);
        }
        if specifier.starts_with(['.', '#']) || is_built_in(name) {
            return Meaning::default();
        }
        self.replaced(specifier).unwrap_or_default().into()
    }

    /// The package that a specifier names, if it has code in the build.
    fn package(&self, specifier: &str) -> Option<&'a str> {
        let (name, _) = self.packages.get_key_value(package_name(specifier)?)?;
        Some(*name)
    }

    /// What lies at a path.
    fn at(&self, path: &str) -> Option<Node> {
        match package_of(path) {
            Some((name, ..)) => self
                .packages
                .contains_key(name)
                .then(|| Node::Package(name.to_owned())),
            None => self.find(path).map(Node::Own),
        }
    }

    /// The module at `path`, with an ending it may lack; `.js` may stand for `.ts`. What is in the
    /// build comes before what only lies on the disk.
    pub(super) fn find(&self, path: &str) -> Option<String> {
        let typed = path
            .strip_suffix(".js")
            .or_else(|| path.strip_suffix(".jsx"));
        let candidates: Vec<String> = ENDINGS
            .iter()
            .map(|ending| format!("{path}{ending}"))
            .chain(
                typed
                    .iter()
                    .flat_map(|stem| [format!("{stem}.ts"), format!("{stem}.tsx")]),
            )
            .collect();
        let is_built = |it: &&String| {
            self.ledger
                .modules
                .contains_key(&Origin::Own((*it).clone()))
        };
        let is_there = |it: &&String| is_code(it) && self.home.has(it);
        let built = candidates.iter().find(is_built);
        built
            .or_else(|| candidates.iter().find(is_there))
            .map(String::to_owned)
    }

    /// What a path may mean that leads to no file: one of an ending that is not known, or a folder
    /// that says itself what it is.
    fn beside(&self, path: &str) -> May {
        if !self.home.is_in_project(path) && !imports_nothing(path) {
            return May::anything();
        }
        let is_beside = |own: &&String| {
            let rest = own.strip_prefix(path.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.starts_with(['.', '/']))
        };
        let found = self.own().filter(is_beside);
        found.cloned().map(Node::Own).collect()
    }

    fn own(&self) -> impl Iterator<Item = &'a String> {
        let modules = self.ledger.modules.keys();
        modules.filter_map(|origin| match origin {
            Origin::Own(path) => Some(path),
            Origin::Package { .. } | Origin::Bundler => None,
        })
    }

    /// What may be meant in a module of the project where no configuration that is read tells.
    fn unread(&self, specifier: &str, folder: &str) -> May {
        let name = package_name(specifier).unwrap_or_default();
        if specifier.contains("://") || specifier.starts_with("data:") || is_built_in(name) {
            return May::default();
        }
        if imports_nothing(specifier) {
            let file = specifier.rsplit('/').next().unwrap_or(specifier);
            let is_it = |own: &&String| own.rsplit('/').next() == Some(file);
            return self.own().filter(is_it).cloned().map(Node::Own).collect();
        }
        if let Some(replaced) = self.replaced(specifier) {
            return replaced;
        }
        if let Some(place) = self.home.installed(folder, name) {
            return match self.home.real(&place) {
                Some(real) if package_of(&real).is_none() => self.of_workspace(&real),
                Some(_) | None => self.passed_on(&place),
            };
        }
        let is_name = !specifier.contains('/') || specifier.contains(':');
        if is_name || self.is_configured(specifier) {
            return May::anything();
        }
        // What comes after an alias for a folder is kept.
        let tails = specifier
            .match_indices('/')
            .map(|(at, _)| &specifier[at + 1..]);
        let mut nodes: BTreeSet<Node> = tails.flat_map(|tail| self.anywhere(tail)).collect();
        let last = specifier.rsplit('/').next().unwrap_or(specifier);
        let packages = self.packages.keys();
        let called_so = packages.filter(|name| name.rsplit('/').next() == Some(last));
        nodes.extend(called_so.map(|name| Node::Package((*name).to_owned())));
        match nodes.is_empty() {
            true => May::anything(),
            false => nodes.into_iter().collect(),
        }
    }

    /// What lies at `path` in any folder of the project's own code.
    fn anywhere(&self, path: &str) -> impl Iterator<Item = Node> {
        let found = self
            .folders
            .iter()
            .filter_map(|it| self.at(&join(it, path)));
        found.collect::<BTreeSet<_>>().into_iter()
    }

    /// What may be in the place of a package.
    fn replaced(&self, specifier: &str) -> Option<May> {
        let name = package_name(specifier)?;
        match self.is_configured(name) {
            true => Some(May::anything()),
            false => REPLACED.contains(&name).then(May::any_package),
        }
    }

    /// Whether the configuration of a bundler has that name in it.
    fn is_configured(&self, name: &str) -> bool {
        self.configuration.iter().any(|text| names(text, name))
    }

    /// What an import of a package of the workspace may mean.
    fn of_workspace(&self, folder: &str) -> May {
        let is_inside = |own: &&String| own.starts_with(&format!("{folder}/"));
        let mut may: May = (self.own().filter(is_inside))
            .cloned()
            .map(Node::Own)
            .collect();
        match may.nodes.is_empty() {
            true => May::anything(),
            false => {
                may.add(self.passed_on(folder));
                may
            }
        }
    }

    /// The packages that the one in `folder` may import: those that it declares, and those that are
    /// declared by what it declares and leaves no code.
    ///
    /// A module that only passes on what others export leaves no code, so that no source map shows
    /// its imports.
    pub(super) fn passed_on(&self, folder: &str) -> May {
        let mut nodes = BTreeSet::new();
        let mut seen = BTreeSet::from([folder.to_owned()]);
        let mut open = vec![folder.to_owned()];
        while let Some(folder) = open.pop() {
            let Some(names) = self.home.asked_for(&folder) else {
                return May::any_package();
            };
            for name in names {
                if self.packages.contains_key(name.as_str()) {
                    nodes.insert(Node::Package(name));
                    continue;
                }
                let next = self.home.installed(&folder, &name);
                if let Some(next) = next.filter(|it| seen.insert(it.clone())) {
                    open.push(next);
                }
            }
        }
        nodes.into_iter().collect()
    }

    /// Packages that compilers import without a line in any source.
    pub(super) fn unasked(&self) -> impl Iterator<Item = Node> {
        let is_for_jsx = |origin: &&Origin| match origin {
            Origin::Package { inner, .. } => {
                inner.contains("jsx-runtime") || inner.contains("jsxRuntime")
            }
            Origin::Own(_) | Origin::Bundler => false,
        };
        let packages = self.packages.iter();
        packages
            .filter(move |(name, origins)| {
                HELPERS.contains(*name) || origins.iter().any(&is_for_jsx)
            })
            .map(|(name, _)| Node::Package((*name).to_owned()))
    }

    /// Whether modules are imported where their names are used, without a line in any source.
    pub(super) fn imports_by_name(&self) -> bool {
        let mut needs = self.home.above("").into_iter().flat_map(|folder| {
            let json = self.home.package_json(&folder).unwrap_or_default();
            NEEDS.map(|key| json.get(key).cloned().unwrap_or_default())
        });
        needs.any(|needs| IMPORT_BY_NAME.iter().any(|name| needs.get(name).is_some()))
    }
}

/// The texts of all that configures the build: scripts and files of bundlers, and what
/// `package.json` says beside what the project needs.
fn configuration(home: &Home) -> Vec<String> {
    let mut texts = Vec::new();
    for above in home.above("") {
        if let Some(mut json) = home.package_json(&above) {
            if let Some(keys) = json.as_object_mut() {
                keys.retain(|key, _| !NEEDS.contains(&key.as_str()) && key != "imports");
            }
            texts.push(json.to_string());
        }
        for folder in CONFIGURATION {
            let all = !folder.is_empty();
            let folder = join(&above, folder);
            let files = home.files(&folder).into_iter();
            let configures = |name: &String| all || CONFIGURES.iter().any(|it| name.contains(it));
            texts.extend(
                files
                    .filter(configures)
                    .filter_map(|name| home.read(&join(&folder, &name))),
            );
        }
    }
    texts
}

/// Whether a text has a name in it that is no part of a longer one.
fn names(text: &str, name: &str) -> bool {
    let is_part =
        |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '@' | '.');
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

fn is_built_in(name: &str) -> bool {
    name.starts_with("node:") || BUILT_IN.contains(&name)
}

/// Whether a file is of a kind that imports no scripts.
pub(super) fn imports_nothing(path: &str) -> bool {
    WITHOUT_IMPORTS.iter().any(|ending| path.ends_with(ending))
}

/// Whether a file can hold imports that ship code.
fn is_code(path: &str) -> bool {
    ENDINGS
        .iter()
        .any(|ending| ending.starts_with('.') && path.ends_with(ending))
        && !path.ends_with(".d.ts")
}
