//! Modules of the project's own that load with a page and could load later, with the bytes that
//! only they need: what they dominate in the graph of static imports.
//!
//! Must not advise: whether a module is needed at once, nobody can read off its imports. What is
//! reached by a way that was not read counts as needed by all.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::dominators;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::model::evidence::{Asset, Deferrable, Load, PackageBytes, Place};

use super::attribution::Ledger;
use super::imports::{Graph, Node};
use super::sources::Home;

/// Fewer gzip bytes are not worth a request of their own.
const LEAST: u64 = 5_000;
/// A module that holds more than this part of the first load, in per cent, is the app itself.
const MOST_PERCENT: u64 = 50;
/// At most so many are kept, and so many packages and places of each.
const KEPT: usize = 20;
const LISTED: usize = 5;

/// The topmost modules that only load first because of a static import of them.
pub(super) fn find(
    graph: &Graph,
    ledger: &Ledger,
    assets: &[Asset],
    home: &Home,
) -> Vec<Deferrable> {
    let weights = weights(ledger, assets);
    let whole: u64 = weights.values().sum();
    let mut modules: DiGraph<Option<&Node>, ()> = DiGraph::new();
    let start = modules.add_node(None);
    let mut index: BTreeMap<&Node, NodeIndex> = BTreeMap::new();
    let roots: Vec<Node> = graph.roots().iter().cloned().map(Node::Own).collect();
    let statics: Vec<(&Node, &Node)> = graph
        .imports()
        .filter(|(from, edge)| edge.is_static && graph.loads_at_once(from))
        .map(|(from, edge)| (from, &edge.to))
        .collect();
    let all = statics.iter().flat_map(|(from, to)| [*from, *to]);
    for node in roots.iter().chain(all) {
        index
            .entry(node)
            .or_insert_with(|| modules.add_node(Some(node)));
    }
    for root in &roots {
        modules.update_edge(start, index[root], ());
    }
    for (from, to) in statics {
        modules.update_edge(index[from], index[to], ());
    }
    let dominators = dominators::simple_fast(&modules, start);
    let mut below: BTreeMap<NodeIndex, Vec<NodeIndex>> = BTreeMap::new();
    for node in modules.node_indices() {
        if let Some(parent) = dominators.immediate_dominator(node) {
            below.entry(parent).or_default().push(node);
        }
    }
    let name = |node: NodeIndex| modules.node_weight(node).copied().flatten();
    let mut found = Vec::new();
    let mut open = vec![start];
    while let Some(node) = open.pop() {
        let held = all_below(node, &below);
        let weight = |node: &NodeIndex| name(*node).and_then(|it| weights.get(&key(it, home)));
        let gzip: u64 = held.iter().filter_map(weight).sum();
        let is_fit = gzip >= LEAST && gzip * 100 <= whole * MOST_PERCENT;
        match name(node) {
            _ if gzip < LEAST => {}
            Some(this @ Node::Own(path)) if is_fit && !roots.contains(this) => {
                let mut packages: Vec<(u64, &str)> = (held.iter())
                    .filter_map(|node| match name(*node)? {
                        Node::Package(package) => {
                            Some((weight(node).copied().unwrap_or(0), package.as_str()))
                        }
                        Node::Own(_) => None,
                    })
                    .filter(|(bytes, _)| *bytes > 0)
                    .collect();
                packages.sort_unstable_by(|a, b| b.cmp(a));
                let packages = packages.into_iter().take(LISTED);
                found.push(Deferrable {
                    module: home.in_project(path),
                    places: places(graph, this),
                    gzip,
                    packages: packages.map(|(_, name)| name.to_owned()).collect(),
                });
            }
            Some(_) | None => open.extend(below.get(&node).into_iter().flatten()),
        }
    }
    found.sort_by(|a, b| (b.gzip, &a.module).cmp(&(a.gzip, &b.module)));
    found.truncate(KEPT);
    found
}

/// A node and all that it dominates.
fn all_below(node: NodeIndex, below: &BTreeMap<NodeIndex, Vec<NodeIndex>>) -> BTreeSet<NodeIndex> {
    let mut all = BTreeSet::new();
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        if all.insert(node) {
            open.extend(below.get(&node).into_iter().flatten());
        }
    }
    all
}

fn places(graph: &Graph, module: &Node) -> Vec<Place> {
    let imports = graph.imports();
    let of_it = imports
        .filter(|(from, edge)| edge.is_static && edge.to == *module && graph.loads_at_once(from));
    of_it
        .map(|(_, edge)| edge.place.clone())
        .take(LISTED)
        .collect()
}

/// A module or package as the ledger names it.
type Key = (String, Option<String>);

fn key(node: &Node, home: &Home) -> Key {
    match node {
        Node::Own(path) => (PackageBytes::OWN.to_owned(), Some(home.in_project(path))),
        Node::Package(name) => (name.clone(), None),
    }
}

/// Gzip bytes of the first load, by the raw bytes of each file.
fn weights(ledger: &Ledger, assets: &[Asset]) -> BTreeMap<Key, u64> {
    let first: BTreeMap<&str, &Asset> = assets
        .iter()
        .filter(|asset| asset.load == Load::Initial)
        .map(|asset| (asset.path.as_str(), asset))
        .collect();
    let mut weights: BTreeMap<Key, u64> = BTreeMap::new();
    for part in ledger.parts() {
        let Some(asset) = first.get(part.asset.as_str()) else {
            continue;
        };
        let is_own = part.package == PackageBytes::OWN;
        let key = (part.package.clone(), part.module.clone().filter(|_| is_own));
        let gzip = u128::from(part.raw) * u128::from(asset.gzip) / u128::from(asset.raw.max(1));
        *weights.entry(key).or_default() += u64::try_from(gzip).unwrap_or(0);
    }
    weights
}
