//! How each package is reached from the project's own code.
//!
//! Packages are single nodes: which of their modules import each other is their own business.
//! Own files are read from the disk, because their lines are what a reader sees; the text in a
//! source map stands in for files that are not there.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::model::evidence::{ImportChain, Place};

use super::attribution::Ledger;
use super::chunks::Chunks;
use super::pages;
use super::scan::{self, Import, Kind};
use super::sources::{Home, Origin, normalise, package_name};

/// What chains to modules of the project's own start with instead of a package name:
/// `./frontend/src/pages/Charts.tsx`.
const OWN_MODULE: &str = "./";

/// Whether the target of a chain is a module of the project's own rather than a package.
pub(super) fn is_own_module(package: &str) -> bool {
    package.starts_with(OWN_MODULE)
}

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

/// Source files where the project's code starts, relative to the frontend.
pub(super) fn entries(chunks: &Chunks, home: &Home) -> Vec<String> {
    let mut sources = chunks.entry_sources();
    if sources.is_empty() {
        sources.push("index.html");
    }
    sources
        .into_iter()
        .flat_map(|source| match source.ends_with(".html") {
            true => scripts_of_page(source, home),
            false => vec![normalise(source)],
        })
        .collect()
}

fn scripts_of_page(page: &str, home: &Home) -> Vec<String> {
    let html = home.read(page).unwrap_or_default();
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    pages::scripts_of(&html)
        .into_iter()
        .filter(|url| !url.contains("://"))
        .map(|url| match url.strip_prefix('/') {
            Some(path) => normalise(path),
            None => normalise(&format!("{folder}/{url}"))
                .trim_start_matches('/')
                .to_owned(),
        })
        .collect()
}

/// Something that can be imported.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    /// A module of the project, relative to the frontend.
    Own(String),
    /// A package.
    Package(String),
}

/// One import that leads from a node to another.
#[derive(Debug, Clone)]
pub(super) struct Edge {
    /// What is imported.
    pub(super) to: Node,
    /// Where.
    pub(super) place: Place,
    /// Whether it loads at once.
    pub(super) is_static: bool,
    /// Whether it is a `require`.
    pub(super) is_required: bool,
}

/// A module of the project that is reached.
#[derive(Debug)]
pub(super) struct OwnModule {
    /// Its file, relative to the project.
    pub(super) file: String,
    /// Its text.
    pub(super) text: String,
    /// Its imports.
    pub(super) imports: Vec<Import>,
}

/// How a node was first reached.
#[derive(Debug, Clone)]
struct Step {
    from: Node,
    place: Place,
    is_static: bool,
}

type Steps = BTreeMap<Node, Option<Step>>;

/// What imports what.
#[derive(Debug)]
pub(super) struct Graph {
    /// Reached modules of the project, by path relative to the frontend.
    pub(super) modules: BTreeMap<String, OwnModule>,
    /// Shortest ways by static imports only.
    by_static: Steps,
    /// Shortest ways by any import.
    by_any: Steps,
    /// Packages that have code in the build; others are only passed through.
    packages: BTreeSet<String>,
    /// The modules where the project's code starts.
    roots: Vec<String>,
    /// Every import that was read, by what has it.
    edges: BTreeMap<Node, Vec<Edge>>,
}

impl Graph {
    /// Follows the imports from `entries`, or from every module that nobody imports when none
    /// of these is there.
    pub(super) fn build(ledger: &Ledger, home: &Home, entries: &[String]) -> Self {
        let mut reader = Reader::new(ledger, home);
        let mut roots: Vec<String> = entries
            .iter()
            .filter_map(|path| reader.find(path))
            .collect();
        if roots.is_empty() {
            roots = reader.unimported();
        }
        let mut by_static = reader.walk(&roots, true);
        reader.follow_declarations(&mut by_static, true);
        let mut by_any = reader.walk(&roots, false);
        reader.follow_declarations(&mut by_any, false);
        let packages = reader.packages.keys().copied().map(str::to_owned).collect();
        let mut modules = reader.modules;
        modules.retain(|path, _| by_any.contains_key(&Node::Own(path.clone())));
        Self {
            modules,
            by_static,
            by_any,
            packages,
            roots,
            edges: reader.edges,
        }
    }

    /// The modules where the project's code starts, relative to the frontend.
    pub(super) fn roots(&self) -> &[String] {
        &self.roots
    }

    /// Every import in what is reached, with what has it.
    pub(super) fn imports(&self) -> impl Iterator<Item = (&Node, &Edge)> {
        let reached = self
            .edges
            .iter()
            .filter(|(from, _)| self.by_any.contains_key(from));
        reached.flat_map(|(from, edges)| edges.iter().map(move |edge| (from, edge)))
    }

    /// Whether static imports lead to it.
    pub(super) fn loads_at_once(&self, node: &Node) -> bool {
        self.by_static.contains_key(node)
    }

    /// A chain to every package and to every module of the project but the entries.
    pub(super) fn chains(&self) -> Vec<ImportChain> {
        self.by_any
            .keys()
            .filter_map(|node| {
                let ways = match self.by_static.contains_key(node) {
                    true => &self.by_static,
                    false => &self.by_any,
                };
                self.chain(node, ways)
            })
            .collect()
    }

    fn chain(&self, target: &Node, ways: &Steps) -> Option<ImportChain> {
        let package = match target {
            Node::Own(path) => format!("{OWN_MODULE}{}", self.modules.get(path)?.file),
            Node::Package(name) if self.packages.contains(name) => name.clone(),
            Node::Package(_) => return None,
        };
        let mut steps = Vec::new();
        let mut is_static = true;
        let mut node = target;
        while let Some(Some(step)) = ways.get(node) {
            steps.push(step.place.clone());
            is_static &= step.is_static;
            node = &step.from;
        }
        steps.reverse();
        (!steps.is_empty()).then_some(ImportChain {
            package,
            steps,
            is_static,
        })
    }
}

/// Reads modules when they are first reached.
struct Reader<'a> {
    ledger: &'a Ledger,
    home: &'a Home,
    packages: BTreeMap<&'a str, Vec<&'a Origin>>,
    modules: BTreeMap<String, OwnModule>,
    edges: BTreeMap<Node, Vec<Edge>>,
}

impl<'a> Reader<'a> {
    fn new(ledger: &'a Ledger, home: &'a Home) -> Self {
        let mut packages: BTreeMap<&str, Vec<&Origin>> = BTreeMap::new();
        for origin in ledger.modules.keys() {
            if let Origin::Package { package, .. } = origin {
                packages.entry(package).or_default().push(origin);
            }
        }
        Self {
            ledger,
            home,
            packages,
            modules: BTreeMap::new(),
            edges: BTreeMap::new(),
        }
    }

    /// The shortest way to everything that can be reached.
    fn walk(&mut self, roots: &[String], static_only: bool) -> Steps {
        let mut steps: Steps = roots
            .iter()
            .map(|path| (Node::Own(path.clone()), None))
            .collect();
        let mut open: VecDeque<Node> = roots.iter().cloned().map(Node::Own).collect();
        while let Some(from) = open.pop_front() {
            for edge in self.edges(&from) {
                if (static_only && !edge.is_static) || steps.contains_key(&edge.to) {
                    continue;
                }
                let step = Step {
                    from: from.clone(),
                    place: edge.place.clone(),
                    is_static: edge.is_static,
                };
                steps.insert(edge.to.clone(), Some(step));
                open.push_back(edge.to.clone());
            }
        }
        steps
    }

    /// Goes on from the packages reached to those that they declare as dependencies.
    ///
    /// A package that only passes on what others export leaves no code, so that no source map
    /// shows its imports. Its dependencies would seem to come from nowhere.
    fn follow_declarations(&self, steps: &mut Steps, static_only: bool) {
        let mut open: VecDeque<(String, String)> = steps
            .keys()
            .filter_map(|node| match node {
                Node::Package(name) => Some((name.clone(), self.folder_of(name)?)),
                Node::Own(_) => None,
            })
            .collect();
        while let Some((name, folder)) = open.pop_front() {
            for (dependency, line) in self.home.declared(&folder) {
                let to = Node::Package(dependency.clone());
                let is_in_build = self.packages.contains_key(dependency.as_str());
                let loads_later = static_only && !self.ledger.loads_first(&dependency);
                if steps.contains_key(&to) || (is_in_build && loads_later) {
                    continue;
                }
                let Some(next) = self.home.installed(&folder, &dependency) else {
                    continue;
                };
                let step = Step {
                    from: Node::Package(name.clone()),
                    place: Place {
                        file: self.home.in_project(&format!("{folder}/package.json")),
                        line,
                    },
                    is_static: true,
                };
                steps.insert(to, Some(step));
                open.push_back((dependency, next));
            }
        }
    }

    fn folder_of(&self, name: &str) -> Option<String> {
        let origins = self.packages.get(name)?;
        origins.iter().find_map(|origin| match origin {
            Origin::Package { folder, .. } => Some(folder.clone()),
            Origin::Own(_) | Origin::Bundler => None,
        })
    }

    /// Own modules that no other own module imports.
    fn unimported(&mut self) -> Vec<String> {
        let ledger = self.ledger;
        let own: Vec<&String> = ledger
            .modules
            .keys()
            .filter_map(|origin| match origin {
                Origin::Own(path) => Some(path),
                Origin::Package { .. } | Origin::Bundler => None,
            })
            .collect();
        let mut imported = BTreeSet::new();
        for path in &own {
            let edges = self.edges(&Node::Own((*path).clone()));
            imported.extend(edges.iter().map(|edge| edge.to.clone()));
        }
        own.into_iter()
            .filter(|path| !imported.contains(&Node::Own((*path).clone())))
            .cloned()
            .collect()
    }

    fn edges(&mut self, from: &Node) -> &[Edge] {
        if !self.edges.contains_key(from) {
            let edges = match from {
                Node::Own(path) => self.edges_of_module(path),
                Node::Package(name) => self.edges_of_package(name),
            };
            self.edges.insert(from.clone(), edges);
        }
        self.edges.get(from).map_or(&[], Vec::as_slice)
    }

    fn edges_of_module(&mut self, path: &str) -> Vec<Edge> {
        let in_map = || {
            let module = self.ledger.modules.get(&Origin::Own(path.to_owned()))?;
            module.text.clone()
        };
        let Some(text) = self.home.read(path).or_else(in_map) else {
            return Vec::new();
        };
        let file = self.home.in_project(path);
        let imports = scan::imports(&text);
        let edges = imports
            .iter()
            .filter_map(|import| self.edge(import, &file, |specifier| self.own(specifier, path)))
            .collect();
        let module = OwnModule {
            file,
            text,
            imports,
        };
        self.modules.insert(path.to_owned(), module);
        edges
    }

    /// The imports of other packages by any module of a package that is in the build.
    fn edges_of_package(&self, name: &str) -> Vec<Edge> {
        let origins = self.packages.get(name).map_or(&[][..], Vec::as_slice);
        let mut edges = Vec::new();
        for origin in origins {
            let Origin::Package { folder, inner, .. } = origin else {
                continue;
            };
            let in_map = self.ledger.modules.get(origin);
            let in_map = in_map.and_then(|module| module.text.as_deref());
            let path = format!("{folder}/{inner}");
            let Some(text) = in_map
                .map(Cow::Borrowed)
                .or_else(|| self.home.read(&path).map(Cow::Owned))
            else {
                continue;
            };
            let file = self.home.in_project(&path);
            edges.extend(
                scan::imports(&text)
                    .iter()
                    .filter_map(|import| self.edge(import, &file, |_| None))
                    .filter(|edge| edge.to != Node::Package(name.to_owned())),
            );
        }
        edges
    }

    fn edge(
        &self,
        import: &Import,
        file: &str,
        own: impl Fn(&str) -> Option<String>,
    ) -> Option<Edge> {
        let (specifier, query) = match import.specifier.split_once('?') {
            Some((specifier, query)) => (specifier, query),
            None => (import.specifier.as_str(), ""),
        };
        // The address or the text of a file is no code.
        if matches!(query, "url" | "raw") {
            return None;
        }
        let package = package_name(specifier).filter(|name| self.packages.contains_key(name));
        let to = match package {
            Some(name) => Node::Package(name.to_owned()),
            None => Node::Own(own(specifier)?),
        };
        Some(Edge {
            to,
            place: Place {
                file: file.to_owned(),
                line: import.line,
            },
            is_static: import.kind != Kind::Dynamic && !query.contains("worker"),
            is_required: import.kind == Kind::Require,
        })
    }

    /// The module of the project that `specifier` in `from` means. `@/` and `~/` are taken for
    /// `src/`, as nearly every project configures them.
    fn own(&self, specifier: &str, from: &str) -> Option<String> {
        if specifier.starts_with('.') {
            let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
            let joined = normalise(&format!("{folder}/{specifier}"));
            return self.find(joined.trim_start_matches('/'));
        }
        let alias = specifier
            .strip_prefix("@/")
            .or_else(|| specifier.strip_prefix("~/"));
        match alias {
            Some(rest) => self
                .find(&format!("src/{rest}"))
                .or_else(|| self.find(rest)),
            None => self.find(specifier.strip_prefix('/')?),
        }
    }

    /// The module at `path`, with an ending it may lack; `.js` may stand for `.ts`.
    fn find(&self, path: &str) -> Option<String> {
        let typed = path
            .strip_suffix(".js")
            .or_else(|| path.strip_suffix(".jsx"));
        ENDINGS
            .iter()
            .map(|ending| format!("{path}{ending}"))
            .chain(
                typed
                    .iter()
                    .flat_map(|stem| [format!("{stem}.ts"), format!("{stem}.tsx")]),
            )
            .find(|candidate| {
                self.ledger
                    .modules
                    .contains_key(&Origin::Own(candidate.clone()))
                    || (is_code(candidate) && self.home.has(candidate))
            })
    }
}

/// Whether a file can hold imports that ship code.
fn is_code(path: &str) -> bool {
    ENDINGS
        .iter()
        .any(|ending| ending.starts_with('.') && path.ends_with(ending))
        && !path.ends_with(".d.ts")
}
