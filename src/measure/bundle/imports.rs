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
use super::resolve::{self, May, Meaning, Node, Resolver};
use super::scan::{self, Import, Kind};
use super::sources::{Home, Origin, folder_of, join, normalise};

/// What chains to modules of the project's own start with instead of a package name:
/// `./frontend/src/pages/Charts.tsx`.
const OWN_MODULE: &str = "./";

/// Whether the target of a chain is a module of the project's own rather than a package.
pub(super) fn is_own_module(package: &str) -> bool {
    package.starts_with(OWN_MODULE)
}

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
    let folder = folder_of(page);
    pages::scripts_of(&html)
        .into_iter()
        .filter(|url| !url.contains("://"))
        .map(|url| match url.strip_prefix('/') {
            Some(path) => normalise(path),
            None => join(folder, &url),
        })
        .collect()
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
    /// What imports that load at once may mean besides, by what has them.
    may: BTreeMap<Node, May>,
    /// All that loads at once.
    at_once: BTreeSet<Node>,
    /// What loads at once although no import leads to it that was read.
    unreached: BTreeSet<Node>,
}

impl Graph {
    /// Follows the imports from `entries`, or from every module that nobody imports when none
    /// of these is there.
    pub(super) fn build(ledger: &Ledger, home: &Home, entries: &[String]) -> Self {
        let mut reader = Reader::new(ledger, home);
        let mut roots: Vec<String> = entries
            .iter()
            .filter_map(|path| reader.resolver.find(path))
            .collect();
        if roots.is_empty() {
            roots = reader.unimported();
        }
        let mut by_static = reader.walk(&roots, true);
        let unreached = reader.unreached(&by_static);
        let at_once = reader.at_once(by_static.keys().chain(&unreached));
        reader.follow_declarations(&mut by_static, true);
        let mut by_any = reader.walk(&roots, false);
        reader.follow_declarations(&mut by_any, false);
        if reader.resolver.imports_by_name() {
            let roots = roots.iter().cloned().map(Node::Own);
            reader.may.extend(roots.map(|it| (it, May::anything())));
        }
        let packages = reader.resolver.packages.keys();
        let packages = packages.copied().map(str::to_owned).collect();
        let mut modules = reader.modules;
        modules.retain(|path, _| by_any.contains_key(&Node::Own(path.clone())));
        Self {
            modules,
            by_static,
            by_any,
            packages,
            roots,
            edges: reader.edges,
            may: reader.may,
            at_once,
            unreached,
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

    /// All that loads at once: what static imports lead to from the roots, what the build has in
    /// the files that load first, and all that these import, or may import, statically.
    pub(super) fn at_once(&self) -> &BTreeSet<Node> {
        &self.at_once
    }

    /// Of that, what may be imported by something that was not read.
    pub(super) fn unreached(&self) -> &BTreeSet<Node> {
        &self.unreached
    }

    /// The static imports that a node has.
    pub(super) fn statics(&self, from: &Node) -> impl Iterator<Item = &Edge> {
        let edges = self.edges.get(from).into_iter().flatten();
        edges.filter(|edge| edge.is_static)
    }

    /// What the static imports of a node may mean besides.
    pub(super) fn may(&self, from: &Node) -> Option<&May> {
        self.may.get(from)
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
    resolver: Resolver<'a>,
    modules: BTreeMap<String, OwnModule>,
    edges: BTreeMap<Node, Vec<Edge>>,
    may: BTreeMap<Node, May>,
}

impl<'a> Reader<'a> {
    fn new(ledger: &'a Ledger, home: &'a Home) -> Self {
        Self {
            ledger,
            home,
            resolver: Resolver::new(ledger, home),
            modules: BTreeMap::new(),
            edges: BTreeMap::new(),
            may: BTreeMap::new(),
        }
    }

    /// What loads first by what the build says, and is not reached, or not only by what was read.
    fn unreached(&self, reached: &Steps) -> BTreeSet<Node> {
        let first = self.ledger.modules.iter().filter(|(_, it)| it.loads_first);
        let first = first.filter_map(|(origin, _)| match origin {
            Origin::Own(path) => Some(Node::Own(path.clone())),
            Origin::Package { package, .. } => Some(Node::Package(package.clone())),
            Origin::Bundler => None,
        });
        let first: BTreeSet<Node> = first.collect();
        let unasked: BTreeSet<Node> = self.resolver.unasked().collect();
        let is_open = |node: &Node| !reached.contains_key(node) || unasked.contains(node);
        first.into_iter().filter(is_open).collect()
    }

    /// All that is there once `nodes` are, by imports that are sure or may be.
    fn at_once<'n>(&mut self, nodes: impl Iterator<Item = &'n Node>) -> BTreeSet<Node> {
        let mut all: BTreeSet<Node> = nodes.cloned().collect();
        let mut open: Vec<Node> = all.iter().cloned().collect();
        while let Some(from) = open.pop() {
            let statics = self.edges(&from).iter().filter(|edge| edge.is_static);
            let mut next: Vec<Node> = statics.map(|edge| edge.to.clone()).collect();
            let may = self.may.get(&from).into_iter();
            next.extend(may.flat_map(|may| may.nodes.iter().cloned()));
            open.extend(next.into_iter().filter(|node| all.insert(node.clone())));
        }
        all
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
                let is_in_build = self.resolver.packages.contains_key(dependency.as_str());
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
        let origins = self.resolver.packages.get(name)?;
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
            let Read { edges, may } = match from {
                Node::Own(path) => self.module(path),
                Node::Package(name) => self.package(name),
            };
            self.edges.insert(from.clone(), edges);
            self.may.insert(from.clone(), may);
        }
        self.edges.get(from).map_or(&[], Vec::as_slice)
    }

    fn module(&mut self, path: &str) -> Read {
        let in_map = || {
            let module = self.ledger.modules.get(&Origin::Own(path.to_owned()))?;
            module.text.clone()
        };
        let mut read = Read::default();
        let Some(text) = self.home.read(path).or_else(in_map) else {
            if !resolve::imports_nothing(path) {
                read.may = May::anything();
            }
            return read;
        };
        let file = self.home.in_project(path);
        let imports = scan::imports(&text);
        for import in &imports {
            read.add(import, &file, |specifier| {
                self.resolver.meant(specifier, path)
            });
        }
        if scan::asks_by_pattern(&text) {
            read.may = May::anything();
        }
        let module = OwnModule {
            file,
            text,
            imports,
        };
        self.modules.insert(path.to_owned(), module);
        read
    }

    /// The imports of other packages by any module of a package that is in the build.
    fn package(&self, name: &str) -> Read {
        let origins = self.resolver.packages.get(name);
        let mut read = Read::default();
        let mut folders = BTreeSet::new();
        for origin in origins.into_iter().flatten() {
            let Origin::Package { folder, inner, .. } = origin else {
                continue;
            };
            if folders.insert(folder) {
                read.may.add(self.resolver.passed_on(folder));
            }
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
            for import in &scan::imports(&text) {
                read.add(import, &file, |specifier| {
                    self.resolver.meant_in_package(specifier)
                });
            }
        }
        let itself = Node::Package(name.to_owned());
        read.edges.retain(|edge| edge.to != itself);
        read
    }
}

/// What was read of a node.
#[derive(Debug, Default)]
struct Read {
    edges: Vec<Edge>,
    may: May,
}

impl Read {
    /// Adds an import in `file`.
    fn add(&mut self, import: &Import, file: &str, meant: impl Fn(&str) -> Meaning) {
        let (specifier, query) = match import.specifier.split_once('?') {
            Some((specifier, query)) => (specifier, query),
            None => (import.specifier.as_str(), ""),
        };
        // The address or the text of a file is no code.
        if matches!(query, "url" | "raw") {
            return;
        }
        let is_static = import.kind != Kind::Dynamic && !query.contains("worker");
        let meaning = meant(specifier);
        if is_static {
            self.may.add(meaning.may);
        }
        self.edges.extend(meaning.is.map(|to| Edge {
            to,
            place: Place {
                file: file.to_owned(),
                line: import.line,
            },
            is_static,
            is_required: import.kind == Kind::Require,
        }));
    }
}
