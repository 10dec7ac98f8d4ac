//! Packages that are shipped as CommonJS: bundlers leave little or nothing of it out.
//!
//! Must not advise, and counts a module only when its text says what it is.

use std::collections::BTreeMap;

use crate::model::evidence::{CommonJs, Place};

use super::attribution::Ledger;
use super::imports::Graph;
use super::resolve::Node;
use super::scan::{self, Format};
use super::sources::{Home, Origin};

/// Fewer raw bytes are not worth looking at.
const LEAST_RAW: u64 = 10_000;

/// What one package has of it.
#[derive(Debug, Default)]
struct Found<'a> {
    raw: u64,
    folder: &'a str,
    largest: u64,
    place: Option<Place>,
}

/// Every package with that much CommonJS in the build, largest first.
pub(super) fn find(graph: &Graph, ledger: &Ledger, home: &Home) -> Vec<CommonJs> {
    let mut by_package: BTreeMap<&str, Found<'_>> = BTreeMap::new();
    for (origin, module) in &ledger.modules {
        let Origin::Package {
            package,
            folder,
            inner,
        } = origin
        else {
            continue;
        };
        if module.bytes == 0 || ledger.raw_of(package) < LEAST_RAW {
            continue;
        }
        let path = format!("{folder}/{inner}");
        let text = module.text.clone().or_else(|| home.read(&path));
        let Some(Format::CommonJs { line }) = text.as_deref().and_then(scan::format) else {
            continue;
        };
        let found = by_package.entry(package).or_default();
        found.raw += module.bytes;
        if module.bytes > found.largest {
            found.largest = module.bytes;
            found.folder = folder;
            found.place = Some(Place {
                file: home.in_project(&path),
                line,
            });
        }
    }
    let mut all: Vec<CommonJs> = by_package
        .into_iter()
        .filter(|(_, found)| found.raw >= LEAST_RAW)
        .filter_map(|(package, found)| {
            Some(CommonJs {
                package: package.to_owned(),
                raw: found.raw,
                place: found.place?,
                offers: offers(found.folder, home),
                required_at: required_at(graph, package),
            })
        })
        .collect();
    all.sort_by(|a, b| (b.raw, &a.package).cmp(&(a.raw, &b.package)));
    all
}

/// A `require` outside of the package itself.
fn required_at(graph: &Graph, package: &str) -> Option<Place> {
    let mut imports = graph.imports();
    let wanted = Node::Package(package.to_owned());
    let found = imports.find(|(_, edge)| edge.is_required && edge.to == wanted);
    Some(found?.1.place.clone())
}

/// What `import` would get, by the package's own description.
fn offers(folder: &str, home: &Home) -> Option<String> {
    let json = home.package_json(folder)?;
    let module = json.get("module").and_then(|it| it.as_str());
    let exports = json.get("exports");
    let root = exports.map(|it| it.get(".").unwrap_or(it));
    let of_import = |it: &serde_json::Value| -> Option<String> {
        let import = it.get("import").or_else(|| it.get("module"))?;
        let path = import
            .as_str()
            .or_else(|| import.get("default")?.as_str())?;
        Some(path.to_owned())
    };
    let path = root
        .and_then(of_import)
        .or_else(|| module.map(str::to_owned))?;
    Some(path.trim_start_matches("./").to_owned())
}
