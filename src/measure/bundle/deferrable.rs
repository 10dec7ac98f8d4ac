//! Modules of the project's own that load with a page and could load later, with the bytes that
//! only they need: what they dominate in the graph of static imports.
//!
//! Must not advise: whether a module is needed at once, nobody can read off its imports.
//!
//! Holds whatever was not read. What loads first although no import leads to it counts as needed at
//! once, and so does all that it imports. An import that may mean several things counts as an import
//! of each of them. A module that something may import where nobody knows is not named: its places
//! would not be all.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::Direction;
use petgraph::algo::dominators;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::model::evidence::{Asset, Deferrable, Load, PackageBytes, Place};

use super::attribution::Ledger;
use super::imports::Graph;
use super::resolve::Node;
use super::sources::Home;

/// Fewer gzip bytes are not worth a request of their own.
const LEAST: u64 = 5_000;
/// A module that holds more than this part of the first load, in per cent, is the app itself.
const MOST_PERCENT: u64 = 50;
/// At most so many are kept, and so many packages and places of each.
const KEPT: usize = 20;
const LISTED: usize = 5;

/// How it is known that one node brings another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// By an import with a place.
    Read,
    /// By one that was not read, or that may mean it.
    NotRead,
}

/// The topmost modules that only load first because of a static import of them.
pub(super) fn find(
    graph: &Graph,
    ledger: &Ledger,
    assets: &[Asset],
    home: &Home,
) -> Vec<Deferrable> {
    let weights = weights(ledger, assets);
    let whole: u64 = weights.values().sum();
    let mut modules: DiGraph<Option<&Node>, Way> = DiGraph::new();
    let start = modules.add_node(None);
    let any_package = modules.add_node(None);
    let anything = modules.add_node(None);
    let all = graph.at_once().iter();
    let index: BTreeMap<&Node, NodeIndex> = all
        .map(|node| (node, modules.add_node(Some(node))))
        .collect();
    let roots: Vec<Node> = graph.roots().iter().cloned().map(Node::Own).collect();
    for node in roots.iter().chain(graph.unreached()) {
        modules.add_edge(start, index[node], Way::NotRead);
    }
    modules.add_edge(anything, any_package, Way::NotRead);
    for (node, to) in &index {
        let hub = match node {
            Node::Own(_) => anything,
            Node::Package(_) => any_package,
        };
        modules.add_edge(hub, *to, Way::NotRead);
        for edge in graph.statics(node) {
            modules.add_edge(*to, index[&edge.to], Way::Read);
        }
        let Some(may) = graph.may(node) else {
            continue;
        };
        for other in &may.nodes {
            modules.add_edge(*to, index[other], Way::NotRead);
        }
        if may.any_package {
            modules.add_edge(*to, any_package, Way::NotRead);
        }
        if may.anything {
            modules.add_edge(*to, anything, Way::NotRead);
        }
    }
    let dominators = dominators::simple_fast(&modules, start);
    let mut below: BTreeMap<NodeIndex, Vec<NodeIndex>> = BTreeMap::new();
    for node in modules.node_indices() {
        if let Some(parent) = dominators.immediate_dominator(node) {
            below.entry(parent).or_default().push(node);
        }
    }
    let is_reached = |node: NodeIndex| dominators.dominators(node).is_some();
    let name = |node: NodeIndex| modules.node_weight(node).copied().flatten();
    let mut found = Vec::new();
    let mut open = vec![start];
    while let Some(node) = open.pop() {
        let held = all_below(node, &below);
        let weight = |node: &NodeIndex| name(*node).and_then(|it| weights.get(&key(it, home)));
        let gzip: u64 = held.iter().filter_map(weight).sum();
        let mut ways = modules.edges_directed(node, Direction::Incoming);
        let is_sure = ways.all(|way| match way.weight() {
            Way::Read => true,
            // What only it brings is not there without it.
            Way::NotRead => held.contains(&way.source()) || !is_reached(way.source()),
        });
        let is_fit = is_sure && gzip >= LEAST && gzip * 100 <= whole * MOST_PERCENT;
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
                    places: places(graph, this, |from| held.contains(&index[from])),
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

/// Where a module is imported, but for those that only it brings.
fn places(graph: &Graph, module: &Node, is_brought: impl Fn(&Node) -> bool) -> Vec<Place> {
    let importers = graph.at_once().iter().filter(|from| !is_brought(from));
    let imports = importers.flat_map(|from| graph.statics(from));
    let of_it = imports.filter(|edge| edge.to == *module);
    of_it.map(|edge| edge.place.clone()).take(LISTED).collect()
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use tempfile::TempDir;

    use super::super::{Output, weigh};
    use super::*;

    /// What an app has whose editor could load later: its sources, with their bytes in the only
    /// file, which loads first.
    const APP: [(&str, &str, u64); 5] = [
        ("src/main.ts", "import './App';", 3_000),
        ("src/App.ts", "import './Editor';\nimport './list';", 60_000),
        ("src/Editor.ts", "import 'marks';", 9_000),
        ("src/list.ts", "export const list = [];", 3_000),
        (
            "node_modules/marks/index.js",
            "export const marks = 1;",
            20_000,
        ),
    ];
    const MARKS: &str = r#"{"name": "marks"}"#;

    /// What could load later when files are added to the app, or replaced in it. Those with bytes
    /// are in the build.
    fn found(more: &[(&str, &str, u64)]) -> Vec<Deferrable> {
        let folder = TempDir::new().unwrap();
        let mut files: BTreeMap<&str, (&str, u64)> =
            BTreeMap::from([("node_modules/marks/package.json", (MARKS, 0))]);
        for (path, text, bytes) in APP.iter().chain(more) {
            files.insert(path, (text, *bytes));
        }
        let sum: u64 = files.values().map(|(_, bytes)| *bytes).sum();
        let inputs = (files.iter())
            .filter(|(_, (_, bytes))| *bytes > 0)
            .map(|(path, (_, bytes))| format!("{path:?}: {{\"bytesInOutput\": {bytes}}}"));
        let inputs: Vec<String> = inputs.collect();
        let meta = format!(
            r#"{{"inputs": {{}}, "outputs": {{"dist/main.js": {{"bytes": {sum}, "imports": [],
                "entryPoint": "src/main.ts", "inputs": {{{}}}}}}}}}"#,
            inputs.join(",")
        );
        let mut random = fastrand::Rng::with_seed(1);
        let code = std::iter::repeat_with(|| random.alphanumeric());
        let code: String = code.take(usize::try_from(sum).unwrap()).collect();
        let page = "<script type=module src=/main.js></script>";
        let built = [
            ("dist/main.js", code.as_str()),
            ("dist/index.html", page),
            ("meta.json", &meta),
        ];
        let sources = files.iter().map(|(path, (text, _))| (*path, *text));
        for (path, text) in sources.chain(built) {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match text.strip_prefix("-> ") {
                Some(target) => std::os::unix::fs::symlink(target, path).unwrap(),
                None => fs::write(path, text).unwrap(),
            }
        }
        let weighed = weigh(&Output {
            folder: &folder.path().join("dist"),
            foreign: &BTreeSet::new(),
            frontend: folder.path(),
            directory: ".",
            stats: Some(Path::new("meta.json")),
            brotli: false,
            cache: None,
        });
        weighed.unwrap().evidence.deferrable
    }

    /// The same as a reader sees it: module, places, packages.
    fn shown(more: &[(&str, &str, u64)]) -> Vec<String> {
        let found = found(more).into_iter().map(|it| {
            let places: Vec<String> = it.places.iter().map(ToString::to_string).collect();
            format!(
                "{} {} {}",
                it.module,
                places.join(","),
                it.packages.join(",")
            )
        });
        found.collect()
    }

    const WHOLE: [&str; 1] = ["src/Editor.ts src/App.ts:1 marks"];
    const NOTHING: [&str; 0] = [];

    #[test]
    fn a_module_is_named_with_what_only_it_needs() {
        assert_eq!(shown(&[]), WHOLE);
        let bytes = |more: &[_]| found(more)[0].gzip;
        let list = "import 'marks';";
        assert_eq!(
            shown(&[("src/list.ts", list, 3_000)]),
            ["src/Editor.ts src/App.ts:1 "]
        );
        let (all, less) = (bytes(&[]), bytes(&[("src/list.ts", list, 3_000)]));
        assert!(less * 3 < all, "{less} of {all}");
    }

    #[test]
    fn an_alias_that_is_read_is_an_import_with_a_place() {
        let config = r#"{
            // The editor is called by its name.
            "compilerOptions": { "paths": { "app/*": ["./src/*"], }, },
        }"#;
        assert_eq!(
            shown(&[
                ("tsconfig.json", config, 0),
                ("src/list.ts", "\nimport 'app/Editor';", 3_000),
            ]),
            ["src/Editor.ts src/App.ts:1,src/list.ts:2 marks"]
        );
    }

    #[test]
    fn what_an_alias_that_is_not_read_may_mean_is_not_named() {
        for text in [
            // The last part is that of the module, or all of it stands for something else.
            "import 'app/Editor';",
            "import '@app/some/Editor';",
            "import 'app/other';",
            "import 'editor';",
            "import 'virtual:editor';",
            "import '#editor';",
            "const all = import.meta.glob('./*.ts', { eager: true });",
            "const one = require(name);",
        ] {
            assert_eq!(shown(&[("src/list.ts", text, 3_000)]), NOTHING, "{text}");
        }
        for text in [
            "import 'app/list';",
            "const later = () => import('app/Editor');",
            "import type { Editor } from 'app/Editor';",
            "import 'app/style.css';",
            "import 'https://example.com/Editor';",
            "import path from 'node:path';",
            "import text from './Editor?raw';",
        ] {
            assert_eq!(shown(&[("src/list.ts", text, 3_000)]), WHOLE, "{text}");
        }
    }

    #[test]
    fn what_only_the_module_itself_brings_may_mean_anything() {
        let editor = ("src/Editor.ts", "import 'marks'; import './Text';", 9_000);
        for text in ["import 'anything';", "import 'app/Editor';"] {
            assert_eq!(
                shown(&[editor, ("src/Text.ts", text, 1_000)]),
                WHOLE,
                "{text}"
            );
        }
    }

    #[test]
    fn a_guess_that_leads_through_a_list_of_exports_is_followed() {
        let list = ("src/list.ts", "import '@app/parts';", 3_000);
        let exports = ("src/parts/index.ts", "export * from '../Editor';", 0);
        assert_eq!(
            shown(&[list, exports]),
            ["src/Editor.ts src/App.ts:1,src/parts/index.ts:1 marks"]
        );
        let exports = ("src/parts/index.ts", "export * from 'marks';", 0);
        assert_eq!(shown(&[list, exports]), ["src/Editor.ts src/App.ts:1 "]);
    }

    #[test]
    fn what_loads_first_without_an_import_is_needed_at_once_with_what_it_imports() {
        let hidden = |text| shown(&[("src/hidden.ts", text, 1_000)]);
        assert_eq!(hidden("import 'marks';"), ["src/Editor.ts src/App.ts:1 "]);
        assert_eq!(
            hidden("import './Editor';"),
            ["src/Editor.ts src/App.ts:1,src/hidden.ts:1 marks"]
        );
        assert_eq!(hidden("import 'anything';"), NOTHING);
        // Only a part of the editor that nobody is seen to import is needed for sure.
        let app = ("src/App.ts", "import './list';", 60_000);
        assert_eq!(shown(&[app]), NOTHING);
        let package = [
            ("node_modules/tables/package.json", "{}", 0),
            ("node_modules/tables/index.js", "import 'marks';", 1_000),
        ];
        assert_eq!(shown(&package), ["src/Editor.ts src/App.ts:1 "]);
    }

    #[test]
    fn what_a_package_declares_it_may_import_by_a_module_that_leaves_no_code() {
        let declares = r#"{"dependencies": {"marks": "1"}}"#;
        let list = ("src/list.ts", "import 'tables';", 3_000);
        let tables = ("node_modules/tables/index.js", "1", 1_000);
        let description = "node_modules/tables/package.json";
        assert_eq!(shown(&[list, tables, (description, "{}", 0)]), WHOLE);
        let shared = ["src/Editor.ts src/App.ts:1 "];
        assert_eq!(shown(&[list, tables, (description, declares, 0)]), shared);
        // Nobody knows what it declares.
        assert_eq!(shown(&[list, tables]), shared);
        // It leaves no code itself.
        assert_eq!(shown(&[list, (description, "{}", 0)]), WHOLE);
        assert_eq!(shown(&[list, (description, declares, 0)]), shared);
    }

    #[test]
    fn a_package_of_the_workspace_means_the_modules_in_its_folder() {
        let app = [
            (
                "src/App.ts",
                "import './Editor'; import '../ui/Grid';",
                60_000,
            ),
            ("ui/package.json", "{}", 0),
            ("ui/Grid.ts", "export const grid = 1;", 15_000),
            ("node_modules/ui", "-> ../ui", 0),
        ];
        let mut both = shown(&app);
        both.sort();
        assert_eq!(both, [WHOLE[0], "ui/Grid.ts src/App.ts:1 "]);
        let list = ("src/list.ts", "import { Grid } from 'ui';", 3_000);
        let mut imported = app.to_vec();
        imported.push(list);
        assert_eq!(shown(&imported), WHOLE);
        // Where it has no module in the build, nobody knows what it passes on.
        let empty = [list, app[1], app[3]];
        assert_eq!(shown(&empty), NOTHING);
    }

    #[test]
    fn a_package_without_code_may_be_replaced_where_a_configuration_names_it() {
        let list = ("src/list.ts", "import 'moment';", 3_000);
        let moment = ("node_modules/moment/package.json", "{}", 0);
        assert_eq!(shown(&[list, moment]), WHOLE);
        for (file, text) in [
            ("vite.config.ts", "alias: { moment: './src/Editor.ts' }"),
            ("config/paths.js", "alias: [{ find: /^moment$/ }]"),
            (
                "package.json",
                r#"{"browser": {"moment": "./src/Editor.ts"}}"#,
            ),
            (
                "package.json",
                r#"{"scripts": {"build": "esbuild --alias:moment=x"}}"#,
            ),
        ] {
            assert_eq!(shown(&[list, moment, (file, text, 0)]), NOTHING, "{text}");
        }
        for (file, text) in [
            ("vite.config.ts", "alias: { 'moment-timezone': 'x' }"),
            ("package.json", r#"{"dependencies": {"moment": "1"}}"#),
        ] {
            assert_eq!(shown(&[list, moment, (file, text, 0)]), WHOLE, "{text}");
        }
        let react = ("src/list.ts", "import 'react';", 3_000);
        let installed = ("node_modules/react/package.json", "{}", 0);
        assert_eq!(shown(&[react, installed]), ["src/Editor.ts src/App.ts:1 "]);
    }

    #[test]
    fn what_is_imported_without_a_line_in_a_source_is_needed_at_once() {
        let jsx = ("node_modules/marks/jsx-runtime.js", "1", 1_000);
        assert_eq!(shown(&[jsx]), ["src/Editor.ts src/App.ts:1 "]);
        let plugin = r#"{"devDependencies": {"unplugin-vue-components": "1"}}"#;
        assert_eq!(shown(&[("package.json", plugin, 0)]), NOTHING);
    }
}
